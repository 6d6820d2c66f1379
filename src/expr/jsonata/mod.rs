//! `JSONata` expressions as Amazon States Language uses them (asl.md §7).

use super::{Error, ErrorKind, Expr, Scope};
use crate::value::{Str, Value};

/// A `JSONata` expression in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: Str,
    /// What `$states` is.
    states: Expr,
    /// The field, such as `Output/result`, for messages.
    field: Str,
    expected: Expected,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Expected {
    Any,
    Array,
    Boolean,
    Integer,
    Number,
    Object,
    String,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte at which it was noticed.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// The text between `{%` and `%}`; nothing for a string that is no expression.
#[must_use]
pub fn delimited(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

impl Expression {
    /// Reads the text of an expression, without its delimiters.
    ///
    /// # Errors
    /// Where it is no `JSONata` 2.0.6, or uses what Amazon States Language does not have.
    pub fn parse(
        text: &str,
        states: Expr,
        field: impl Into<Str>,
        expected: Expected,
    ) -> Result<Self, SyntaxError> {
        Ok(Self { text: text.into(), states, field: field.into(), expected })
    }

    /// What it gives.
    ///
    /// # Errors
    /// Where it fails, gives nothing, or not what the field takes: [`ErrorKind::Query`].
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Error> {
        let _ = scope;
        Err(Error::new(ErrorKind::Query, "not evaluated yet"))
    }
}
