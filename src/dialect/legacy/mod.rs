//! The older Flow Definition Language (fdl.md part A).
//!
//! # Decisions where the sources are silent or disagree
//!
//! The numbers are those of fdl.md §13 and §14.
//!
//! * A source of a mapping that leads nowhere is `null` and its target stays (1); in a condition it makes
//!   the comparison false. In `serviceParams`, `duration`, `timestamp` and `collection` something must be
//!   found, else the step fails with `FnF.RuntimeError` (§2.3, 19).
//! * A comparison of different types is false, `!=` true (2).
//! * `succeed` and `end` within the steps of a choice end these steps only: then the `goto` of the choice
//!   applies, or its next sibling (3). A `goto` of a choice wins over its own `end: true`.
//! * `fail` within a branch, an iteration or a choice fails the execution (4), and so does any error there
//!   that no `catch` of its task is about; the other branches are canceled (5).
//! * A caught task without `errorMappings` adds nothing to its parent (7). `errorMappings` see
//!   `$local.error` and `$local.cause`; `$local.code` is the former (13.4).
//! * `FnF.ALL` matches every error but a stop and the time-out of the run (17).
//! * Retries are counted anew whenever a step is entered, by a goto too (18).
//! * A foreach over nothing succeeds, over something that is no array it fails (19). Positions count
//!   from 0.
//! * A run that would have more than 5,000 history events fails (25).
//! * Unknown fields are refused in steps and tolerated at the top (29). `end` is accepted on every step.
//! * A choice may have no `choices` and no `default`: then it does nothing (13.5).
//! * The answer to a task may be any JSON for its `outputMappings`. Without them it is the output, and must
//!   be an object; else the task fails with `FnF.InvalidLocal`, which can be caught. `null` adds nothing.
//! * A step of type `loop` and `steps` in a `catch` are in the schema of the language and nowhere explained:
//!   they are refused (13.6).
//! * `$context` has `flow.name`, `execution.name`, `execution.input`, `step.eventId`, and in tasks
//!   `task.token`. `eventId` is the number of the event that tells of the step's entry.
//! * Steps that nothing leads to are a warning.
//!
//! # What a task tells whoever does it
//!
//! The resource is the `resourceArn` or the `action`. With `serviceParams` the arguments are the object
//! that they make, without them the step's input. A flow (`acs:fnf:…`) is always told of by its
//! parameters: without `serviceParams` they are `{"Input": <the step's input>}`, so the
//! execution gets a name of its own (§6). `requestResponse` is done when the request was answered, `sync` when what
//! it began has ended, `waitForCallback` when someone reports with the task's token.

mod limits;
mod lower;
mod mappings;
mod syntax;
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
