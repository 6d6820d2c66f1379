//! Jayway's dialect of `JSONPath`, as Amazon States Language uses it (asl.md §3).

use super::{Error, ErrorKind, Missing};
use crate::value::{Str, Value};

/// Where a path begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// `$`
    Input,
    /// `$$`
    Context,
    /// `$name`
    Variable(Str),
}

/// What a path leads through, from wherever it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    text: Str,
    field: Str,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte at which it was noticed.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
}

impl Path {
    /// Reads a path: where it begins and where it leads.
    ///
    /// # Errors
    /// The first thing that does not fit, with its place in the text.
    pub fn parse(text: &str) -> Result<(Head, Self), SyntaxError> {
        Err(SyntaxError { offset: 0, message: format!("`{text}` is not read yet") })
    }

    /// The same, as the value of a field: messages name it.
    #[must_use]
    pub fn of_field(self, field: impl Into<Str>) -> Self {
        Self { field: field.into(), ..self }
    }

    /// The path as it was written, with what it begins at.
    #[must_use]
    pub fn text(&self) -> &Str {
        &self.text
    }

    /// Whether it leads to one node at most: names and single positions only.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        true
    }

    /// The names it leads through, where it has nothing else: what a context object resolves while a
    /// definition is compiled.
    #[must_use]
    pub fn names(&self) -> Option<Vec<Str>> {
        None
    }

    /// What it finds in `from`. A definite path gives the value, any other the array of all matches,
    /// empty where nothing matches.
    ///
    /// # Errors
    /// Where a definite path that must lead somewhere does not.
    pub fn select(&self, from: Option<&Value>, missing: Missing) -> Result<Option<Value>, Error> {
        let _ = (from, missing);
        Err(Error::new(ErrorKind::Path, "not selected yet"))
    }
}
