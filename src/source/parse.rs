//! YAML and JSON text to [`Node`]s.
//!
//! JSON is read by a reader of its own, which is several times as fast; where that gives up, and for everything
//! else, YAML is read: every JSON document is a YAML document.

use super::{Node, Span, json, yaml};
#[cfg(doc)]
use crate::value::DEPTH_MAX;

/// Longest definition accepted, in bytes: what Step Functions allows (asl.md §15) and what fits
/// into an object of the API server beside its status.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;

/// Values of a definition, names of members included: four times what a definition of ordinary lines has at
/// its full length.
pub(super) const NODES_MAX: usize = 250_000;

/// Text that is no YAML and no JSON, or refused before it is read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong, without the place.
    pub message: String,
    /// Where, as far as it is known.
    pub span: Option<Span>,
}

/// Reads a document.
///
/// # Errors
/// The first syntax error with its place; a text beyond [`DEFINITION_BYTES_MAX`] or nested beyond
/// [`DEPTH_MAX`]; more than one document.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.len() > DEFINITION_BYTES_MAX {
        return Err(SyntaxError {
            message: format!(
                "the definition has {} bytes, at most {DEFINITION_BYTES_MAX} are allowed",
                text.len()
            ),
            span: None,
        });
    }
    if let Some(document) = json::parse(text) {
        return Ok(document);
    }
    yaml::read(text)
}
