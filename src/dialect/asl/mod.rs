//! Amazon States Language (asl.md), both query languages.
//!
//! `syntax/` mirrors documents, `lower/` makes programs of them, `template.rs` reads the expressions in
//! them, `context.rs` lays out the context object, `limits.rs` holds bounds and error names.
//!
//! # Decisions where the reference is silent or disagrees
//!
//! * `null` is the value of InputPath, OutputPath and ResultPath, and data within Result, payloads,
//!   Arguments and Output; anywhere else it is of the wrong type (§16).
//! * A definition may be YAML as well, whatever its file is called: what the service refuses as no JSON (§14) is
//!   read where it is YAML.
//! * Names of states are unique over the whole machine, those in distributed Maps too (§1). Every state must
//!   be reached and an end be in reach; else the definition is refused.
//! * `Version` is `1.0`. A field of the other query language is told as such.
//! * A Choice rule of `JSONata` without Output gives what the state's Output says; one without Assign
//!   assigns nothing (§8).
//! * ItemsPath and the fields that end in `Path` take reference paths; InputPath, OutputPath and Variable
//!   take any path (§3). ResultPath may lead through an element of an array that is there.
//! * A path into the context object that leads nowhere is an error when it is followed, not before.
//! * What a field such as SecondsPath finds must be of the field's kind: a string that holds a number is none
//!   (§9, §12).
//! * In Assign of a Task, Parallel or Map `$` is the result behind ResultSelector (§3).
//! * Names of variables begin with a letter and go on with letters, digits and `_`; a distributed Map may
//!   assign any, for it sees none from outside (§8).
//! * `Resource` is anything with a scheme, so that `HTTP:Request` is one too (§13). Activities and
//!   `.waitForTaskToken` wait for a report, `.sync` and `.sync:2` for the end of what was begun.
//! * `States.TaskFailed` as a pattern is every error that can be caught but the time-outs (§10). Names that
//!   no error has are accepted: they never match.
//! * A task whose resource nothing is bound to fails with `Millrace.ResourceNotBound`.
//! * `Credentials` is checked and has no effect: the Flow says who acts (§13).
//! * What only distributed Maps have is accepted in inline ones too (§12).
//! * A reader is asked with its Parameters. Formats that are not text (`PARQUET`, `MANIFEST`,
//!   `LOAD_AND_FLATTEN`) are the reader's to decode: it is given the ReaderConfig and answers with the items.
//!   The items of `listObjectsV2` are the `Contents` of its answer.
//! * A writer is asked with its Parameters, the results as `Body`, and the WriterConfig if there is one. Without a
//!   Resource the results stay in the state. `FLATTEN` joins the lists among the results; the results of a
//!   Map have no other form than the outputs, so that `NONE` and `COMPACT` are the same (§12).
//! * The members of an object are items of a Map in JSONPath (§12, G); in JSONata an object is no array, as it was
//!   recorded (§12, R).
//! * `MaxDelaySeconds` need not be more than `IntervalSeconds` (§10).

mod context;
mod limits;
mod lower;
mod syntax;
mod template;

#[cfg(test)]
mod tests;

use crate::diagnostic::Diagnostic;
use crate::ir::Program;
use crate::source::Node;

use super::reader::{Field, Problems};

/// Compiles a document.
pub(super) fn compile(document: &Node) -> (Option<Program>, Vec<Diagnostic>) {
    let problems = Problems::default();
    let machine = syntax::Machine::read(&Field::new(document, ""), &problems);
    let program = machine.and_then(|machine| lower::lower(&machine, &problems));
    (program, problems.into_vec())
}
