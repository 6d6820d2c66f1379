//! Files that a Map runs over: CSV, JSON and JSON Lines (asl.md §12).

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{Error, ErrorKind};
use crate::value::{Object, Str, Value};

/// Cells of a table that are read. Short rows are padded, so a few bytes of text can be a large table;
/// two million cells take some 200 MB.
const CELLS_MAX: usize = 2_000_000;

/// What the service says where a file holds nothing that a Map could run over (asl.md §12, recorded).
pub const NOT_ITERABLE: &str = "Attempting to map over non-iterable node.";

/// What the service says about a table with two columns of one name (asl.md §12, recorded).
const DUPLICATE_HEADERS: &str = "CSV headers cannot contain duplicates.";

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
    /// The items in what a reader gave: the text of the file, the answer of a service that has it as its
    /// body, or a value that was parsed already.
    ///
    /// # Errors
    /// Where the text is not of the format, or what is selected in it is no collection.
    pub fn items(&self, read: &Value) -> Result<Value, Error> {
        let read = Self::content(read);
        let text = read.as_str().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
        match (self, text) {
            (Self::Json { pointer }, Some(text)) => {
                let document = Value::parse(text)
                    .map_err(|error| refused(format!("the file that was read is no JSON: {error}")))?;
                selected(&document, pointer.as_deref())
            }
            (Self::Json { pointer }, None) => selected(read, pointer.as_deref()),
            (Self::JsonLines, Some(text)) => lines(text),
            // A file of one line is one JSON value, which whoever answered may have taken it for.
            (Self::JsonLines, None) => Ok(match read {
                Value::Array(_) => read.clone(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                    Value::from(vec![read.clone()])
                }
            }),
            (Self::Csv { delimiter, header }, Some(text)) => rows(text, *delimiter, header),
            (Self::Csv { .. }, None) => selected(read, None),
        }
    }

    /// What an answer holds: the `Body` of an object of a store, the body of an HTTP call in the words of
    /// `http:invoke` and of `HTTP:Request`; anything else is what it is.
    #[must_use]
    pub fn content(read: &Value) -> &Value {
        if let Some(text @ Value::String(_)) = read.get("Body") {
            return text;
        }
        let of_call = |status: &str, body: &str| read.get(status).and(read.get(body));
        of_call("StatusCode", "ResponseBody").or_else(|| of_call("statusCode", "body")).unwrap_or(read)
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Dataset, message)
}

/// The collection that an RFC 6901 pointer leads to.
fn selected(document: &Value, pointer: Option<&str>) -> Result<Value, Error> {
    let mut at = Some(document);
    // What stands before the first `/` is empty; a pointer without one that is not empty leads nowhere.
    let mut steps = pointer.unwrap_or_default().split('/');
    if steps.next().is_some_and(|before| !before.is_empty()) {
        at = None;
    }
    for step in steps {
        let name = step.replace("~1", "/").replace("~0", "~");
        at = at.and_then(|value| match value {
            Value::Array(items) => items.get(element(&name)?),
            Value::Object(members) => members.get(&name),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        });
    }
    match at {
        Some(collection @ (Value::Array(_) | Value::Object(_))) => Ok(collection.clone()),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
            Err(refused(NOT_ITERABLE))
        }
    }
}

/// A position as RFC 6901 writes it: digits, no zero in front.
fn element(name: &str) -> Option<usize> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    is_plain.then(|| name.parse().ok()).flatten()
}

fn lines(text: &str) -> Result<Value, Error> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let values = lines.map(|(number, line)| {
        let number = number + 1;
        Value::parse(line)
            .map_err(|error| refused(format!("line {number} of the file that was read is no JSON: {error}")))
    });
    values.collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// The rows of a table as objects whose values are text, whatever they look like.
fn rows(text: &str, delimiter: Delimiter, header: &Header) -> Result<Value, Error> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter.byte())
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let mut next = || {
        let record = records.next().transpose();
        record.map_err(|error| refused(format!("the file that was read is no CSV: {error}")))
    };
    let columns: Vec<Str> = match header {
        Header::Given(names) => names.clone(),
        Header::FirstRow => match next()? {
            Some(names) => names.iter().map(Str::from).collect(),
            None => Vec::new(),
        },
    };
    let mut known = BTreeSet::new();
    if !columns.iter().all(|name| known.insert(name)) {
        return Err(refused(DUPLICATE_HEADERS));
    }
    let (mut rows, mut cells) = (Vec::new(), 0_usize);
    while let Some(record) = next()? {
        cells = cells.saturating_add(columns.len().max(record.len()));
        if cells > CELLS_MAX {
            let message =
                format!("the table that was read has more than {CELLS_MAX} cells, which is the most allowed");
            return Err(refused(message));
        }
        rows.push(row(&columns, &record, matches!(header, Header::FirstRow)));
    }
    Ok(Value::from(rows))
}

/// A row under its columns: `""` where it is too short. What is beyond them is left out, or stands under
/// `""` where the first row named the columns (asl.md §12, recorded).
fn row(columns: &[Str], record: &csv::StringRecord, keeps_surplus: bool) -> Value {
    let cell = |at: usize| Value::from(record.get(at).unwrap_or_default());
    let named = columns.iter().enumerate().map(|(at, name)| (name.clone(), cell(at)));
    let surplus = (keeps_surplus && record.len() > columns.len())
        .then(|| (Str::from(""), cell(record.len().saturating_sub(1))));
    Value::Object(named.chain(surplus).collect::<Object>())
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Pipe => b'|',
            Self::Semicolon => b';',
            Self::Space => b' ',
            Self::Tab => b'\t',
        }
    }
}
