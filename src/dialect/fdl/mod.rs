//! The newer Flow Definition Language (fdl.md part B).
//!
//! # Decisions where the sources are silent or disagree
//!
//! The numbers are those of fdl.md §14.
//!
//! * A path that leads nowhere is `null` in a constructor (1) and makes a comparison false in a
//!   condition (§4).
//! * A comparison of different types is false, `!=` true (2).
//! * A Fail within a branch or iteration can be caught by the Parallel or Map around it (9).
//! * The first branch or iteration that fails ends the others (5).
//! * A Catch without OutputConstructor hands on the input of the state that failed (8).
//! * Wait and Choice hand on their input (10).
//! * Elements of a Map may be any JSON (11). What a Task hands on is an object: where it has no OutputConstructor,
//!   so is its result, and `null` stands for an empty one (§8.1).
//! * A call of a function or of a child flow without `body` or `input` is given the state's input (13).
//! * A flow may have a top-level `Timeout` in seconds (14).
//! * `OnErrors`, which came before Retry and Catch, is one list: the first rule that is about an error
//!   decides, and where its retries are used up, those with `Next` behind it are asked (§9). A rule without
//!   `FixedBackoff` waits a second.
//! * An `ItemReader` has `SourceType` (`OSS.CSV`, `OSS.JSON`, `OSS.Inventory`, `OSS.Objects`),
//!   `SourceParameters` and `ReaderConfig: {CSVHeaders}`. It asks `OSS:ListObjects` for objects and
//!   `OSS:GetObject` for the others; what comes back are the items, whatever `ItemsPath` says. An
//!   `ItemBatcher` has `MaxItemsPerBatch`, `MaxInputBytesPerBatch` and `BatchInput`, and a batch is
//!   `{"Items": […], "BatchInput": …}`. A `ResultWriter` has `Parameters`: `OSS:PutObject` is given them with
//!   the results as `Body`, and what it answers is the result of the Map (§7.8 names the fields and not
//!   what is in them).
//! * What only distributed Maps have is refused in others. They give `{"Items": […]}` too (12).
//! * Within `ExecutionMode: Express` no task waits for a callback and no Wait takes more than 20 seconds.
//! * `FnF.ALL` matches every error but a stop and the time-out of the run (17).
//! * Retries are counted per rule and anew at every entry of the state (18).
//! * A Map over nothing gives `{"Items": []}`, over something that is no array it fails (19).
//! * A run that would have more than 5,000 history events fails (25).
//! * Unknown fields are refused, `End` on Fail and Succeed is accepted (29).
//! * A field written without a value (`Retry:`) is one that is not there; within constructors and
//!   Parameters `null` is data.
//! * A number without quotes is the text of it where a name or a message is expected, as it is for a
//!   key; `true` is not.
//! * States that nothing leads to are a warning (30), unless something else is wrong with where the
//!   states of the scope lead: then what was meant is not known.

pub(super) mod error_names;
pub(super) mod limits;
mod lower;
mod map;
mod policies;
mod syntax;
pub(super) mod template;
mod variables;

#[cfg(test)]
mod tests;

use crate::diagnostic::Diagnostic;
use crate::ir::Program;
use crate::source::Node;

use super::reader::{Field, Problems};

/// Compiles a document.
pub(super) fn compile(document: &Node) -> (Option<Program>, Vec<Diagnostic>) {
    let problems = Problems::default();
    let definition = syntax::Definition::read(&Field::new(document, ""), &problems);
    let program = definition.and_then(|definition| lower::lower(&definition, &problems));
    (program, problems.into_vec())
}
