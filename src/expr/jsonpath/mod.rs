//! Jayway's dialect of `JSONPath`, as Amazon States Language uses it (asl.md §3).
//!
//! ```text
//! path     = ( "$" | "$$" | "$" name ) { step } [ "." function "(" [ operand { "," operand } ] ")" ]
//! step     = "." name | "." "*" | [ "." ] bracket | ".." ( name | "*" | bracket )
//! bracket  = "[" ( "*" | strings | integers | slice | "?(" filter ")" ) "]"
//! slice    = [ integer ] ":" [ integer ] [ ":" [ integer ] ]
//! filter   = and { "||" and }
//! and      = test { "&&" test }
//! test     = "!" test | "(" filter ")" | operand [ operator operand ]
//! operand  = ( "@" | "$" ) { step } | string | number | word | list | "/" regex "/" flags
//! ```
//!
//! Decisions where the reference is silent:
//! * `..` visits a value before its members, in their order. A filter tests the elements of an array; of
//!   an object it tests the object itself, as Jayway does.
//! * The third part of a slice is its stride, as in RFC 9535.
//! * In a filter, what is missing equals nothing; an operator that finds the wrong kinds does not hold.
//!   A bare word is text.
//! * A function at the end is given all that the path before it finds, and makes one value of it. One
//!   that can make nothing of it leads nowhere.

mod filter;
mod filter_parser;
mod function;
mod parser;
mod select;

#[cfg(test)]
mod tests;

use super::{Error, ErrorKind, Missing, PathStep};
use crate::value::{Str, Value};

pub use super::cursor::SyntaxError;

use select::{Route, Search};

/// Longest path in bytes. A path is read by a person, and every part of one costs when it is followed.
pub const PATH_BYTES_MAX: usize = 16 * 1024;

/// Deepest nesting of parentheses, lists and filters in filters; keeps the reader and the evaluation from
/// overflowing their stacks.
pub const NESTING_MAX: u32 = 20;

/// Most values that one evaluation looks at. Every value of the largest payload fits many times over;
/// paths such as `$..a..b..c` multiply.
pub const VISITS_MAX: usize = 2_000_000;

/// Characters of the input that a message shows.
const EXCERPT_CHARS_MAX: usize = 512;

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
    route: Route,
    /// Whether the field is one of those that say in other words that nothing was found.
    has_no_results: bool,
}

impl Path {
    /// Reads a path: where it begins and where it leads.
    ///
    /// # Errors
    /// The first thing that does not fit, with its place in the text.
    pub fn parse(text: &str) -> Result<(Head, Self), SyntaxError> {
        if text.len() > PATH_BYTES_MAX {
            let message = format!("the path has {} bytes, at most {PATH_BYTES_MAX} are allowed", text.len());
            return Err(SyntaxError { offset: 0, message });
        }
        let (head, route) = parser::parse(text)?;
        Ok((head, Self { text: text.into(), field: "".into(), route, has_no_results: false }))
    }

    /// The same, as the value of a field: messages name it.
    #[must_use]
    pub fn of_field(self, field: impl Into<Str>) -> Self {
        Self { field: field.into(), ..self }
    }

    /// The same path, in the words that the fields of time-outs have for finding nothing (asl.md §11).
    #[must_use]
    pub fn without_results(self) -> Self {
        Self { has_no_results: true, ..self }
    }

    /// The path as it was written, with what it begins at.
    #[must_use]
    pub fn text(&self) -> &Str {
        &self.text
    }

    /// Whether it gives one value at most: names and single positions only, or a function at its end.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        self.route.is_definite()
    }

    /// The names it leads through, where it has nothing else: what a context object resolves while a
    /// definition is compiled.
    #[must_use]
    pub fn names(&self) -> Option<Vec<Str>> {
        let name = |step: PathStep| match step {
            PathStep::Member(name) => Some(name),
            PathStep::MemberOrElement(..) | PathStep::Element(_) | PathStep::All => None,
        };
        self.route.reference()?.into_iter().map(name).collect()
    }

    /// The names and positions it leads through, where it names one place whatever the data: a reference
    /// path (asl.md §3). It has no wildcard, slice, union, filter or function, and none of `@ , : ?` in a
    /// name that is not quoted and not escaped.
    #[must_use]
    pub fn reference(&self) -> Option<Vec<PathStep>> {
        if self.route.has_signs {
            return None;
        }
        self.route.reference()
    }

    /// What it finds in `from`. A definite path gives the value, any other the array of all matches,
    /// empty where nothing matches.
    ///
    /// # Errors
    /// Where a definite path that must lead somewhere does not, or nothing is there that it could begin
    /// at; and where more than [`VISITS_MAX`] values would have to be looked at.
    pub fn select(&self, from: Option<&Value>, missing: Missing) -> Result<Option<Value>, Error> {
        let found = match from {
            Some(from) => self.route.value(from, &Search::new(&self.text, from))?,
            None => None,
        };
        match (found, missing) {
            (Some(value), _) => Ok(Some(value)),
            (None, Missing::Null) => Ok(Some(Value::Null)),
            (None, Missing::Undefined) => Ok(None),
            (None, Missing::Error) => Err(Error::new(ErrorKind::Path, self.not_found(from))),
        }
    }

    /// The words of the service (asl.md §11 and §17.1).
    fn not_found(&self, from: Option<&Value>) -> String {
        if self.has_no_results {
            return format!("Invalid path '{}' : No results for path", self.text);
        }
        let mut message = format!("The JSONPath '{}'", self.text);
        if !self.field.is_empty() {
            message += &format!(" specified for the field '{}'", self.field);
        }
        message += " could not be found";
        if let Some(from) = from {
            message += &format!(" in the input '{}'", from.excerpt(EXCERPT_CHARS_MAX));
        }
        message
    }
}
