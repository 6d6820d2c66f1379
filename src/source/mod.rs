//! Definition text and the places in it. Knows nothing of any definition language.

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]

mod json;
mod node;
mod parse;
mod scalar;
mod yaml;

#[cfg(test)]
mod tests;

pub use node::{Content, Entry, Key, Mapping, Node};
pub use parse::{DEFINITION_BYTES_MAX, SyntaxError, parse};

/// A range of the source text and where it begins for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Line of the first character, from 1.
    pub line: u32,
    /// Column of the first character, from 1, in characters.
    pub column: u32,
}

impl Span {
    /// The part of this span behind `quote` and `before`; used for expressions inside a scalar.
    /// Only meaningful on one line, which the caller knows by comparing lengths.
    #[must_use]
    pub fn behind(self, quote: &str, before: &str) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or_default();
        let start = self.start.saturating_add(number(quote.len() + before.len())).min(self.end);
        let characters = quote.chars().count() + before.chars().count();
        Self { start, column: self.column.saturating_add(number(characters)), ..self }
    }
}
