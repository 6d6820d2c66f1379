//! Amazon States Language (asl.md).
//!
//! TODO

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
