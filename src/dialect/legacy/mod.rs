//! The older Flow Definition Language (fdl.md part A).

use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Program;
use crate::source::Node;

/// Compiles a document.
pub(super) fn compile(document: &Node) -> (Option<Program>, Vec<Diagnostic>) {
    let message = "definitions in fdl/legacy do not run in this version";
    (None, vec![Diagnostic::new(Code::Unsupported, "", document.span, message)])
}
