//! Amazon States Language (asl.md).

use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Program;
use crate::source::Node;

/// Compiles a document.
pub(super) fn compile(document: &Node) -> (Option<Program>, Vec<Diagnostic>) {
    let message = "definitions in asl do not run in this version";
    (None, vec![Diagnostic::new(Code::Unsupported, "", document.span, message)])
}
