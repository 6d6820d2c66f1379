//! Files that are read: definitions, manifests, inputs, mocks.

use std::io::Read as _;

use crate::source;
use crate::value::Value;

/// Stands for stdin in place of the name of a file.
pub(super) const STDIN: &str = "-";

/// Most of a file that is read, in bytes: far beyond every limit of what files may hold, and a
/// device that never ends does not fill the memory.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A text and what its file is called.
#[derive(Debug)]
pub(super) struct Source {
    /// As a person is told of it.
    pub(super) name: String,
    pub(super) text: String,
}

impl Source {
    /// What a person is told that a file is called.
    pub(super) fn name_of(file: &str) -> &str {
        if file == STDIN { "<stdin>" } else { file }
    }

    /// Reads a file, or stdin where the name says so.
    ///
    /// # Errors
    /// Where it cannot be read, is too long or is no text; the message names it.
    pub(super) fn read(file: &str) -> Result<Self, String> {
        let name = Self::name_of(file);
        let fail = |why: &dyn std::fmt::Display| format!("cannot read {name}: {why}");
        let mut bytes = Vec::new();
        let read = match file {
            STDIN => std::io::stdin().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes),
            _ => std::fs::File::open(file)
                .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)),
        };
        let length = read.map_err(|error| fail(&error))?;
        if length as u64 > FILE_BYTES_MAX {
            return Err(fail(&format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let mut text = String::from_utf8(bytes).map_err(|_| fail(&"it is no UTF-8 text"))?;
        if text.starts_with('\u{feff}') {
            // Some editors put a mark there; the places of everything would be off by it.
            text.remove(0);
        }
        Ok(Self { name: name.to_owned(), text })
    }

    /// The text as a value: JSON, or else YAML.
    ///
    /// # Errors
    /// Where it is neither; the message names the file and the place.
    pub(super) fn value(&self) -> Result<Value, String> {
        if let Ok(value) = Value::parse(&self.text) {
            return Ok(value);
        }
        let document = source::parse(&self.text).map_err(|error| match error.span {
            Some(span) => format!("{}:{}:{}: {error}", self.name, span.line, span.column),
            None => format!("{}: {error}", self.name),
        })?;
        Ok(document.to_value())
    }
}
