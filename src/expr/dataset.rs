//! Files that a Map runs over: CSV, JSON and JSON Lines (asl.md §12).

use super::{Error, ErrorKind};
use crate::value::{Str, Value};

/// How the text of a file becomes the items of a Map.
#[derive(Clone, Debug, PartialEq)]
pub enum Dataset {
    /// One JSON value.
    Json {
        /// JSON Pointer to the array or object within it; absent: the whole.
        pointer: Option<Str>,
    },
    /// One JSON value per line.
    JsonLines,
    /// Rows of text.
    Csv {
        /// What separates the columns.
        delimiter: Delimiter,
        /// What they are called.
        header: Header,
    },
}

/// What separates the columns of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Delimiter {
    Comma,
    Pipe,
    Semicolon,
    Space,
    Tab,
}

/// What the columns of a table are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// As the first row says.
    FirstRow,
    /// As the definition says.
    Given(Vec<Str>),
}

impl Dataset {
    /// The items in what a reader gave: the text of the file, an object whose `Body` is that text, or
    /// a value that was parsed already.
    ///
    /// # Errors
    /// Where the text is not of the format, or what is selected in it is no collection.
    pub fn items(&self, read: &Value) -> Result<Value, Error> {
        let _ = read;
        Err(Error::new(ErrorKind::Dataset, "not read yet"))
    }
}
