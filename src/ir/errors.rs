//! What goes wrong, and what a language calls it.

use serde::{Deserialize, Serialize};

use crate::expr;
use crate::value::Str;

/// Classes of errors that the engine itself raises. Their words are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// A path leads nowhere where it must lead somewhere.
    Path,
    /// A function refuses its arguments.
    Function,
    /// A result cannot be placed where it should go.
    Place,
    /// A field's value is not what the field needs: a Wait of −1 seconds, a Map over a string.
    Value,
    /// A payload is larger or deeper than allowed.
    DataLimit,
    /// A result or an output of a state is larger than allowed.
    ResultLimit,
    /// More events than a run may have.
    EventLimit,
    /// No rule of a Choice holds and there is no default.
    NoChoice,
    /// An attempt of a task took too long.
    TaskTimeout,
    /// A task showed no sign of life.
    HeartbeatTimeout,
    /// Nothing is bound to the resource of a task.
    UnboundResource,
    /// What a task answered cannot be read.
    InvalidResult,
    /// A task failed without naming an error, or a Fail state named none.
    Unnamed,
    /// A query gives nothing, fails, or gives what its field cannot take.
    Query,
    /// What a Map was to run over could not be read.
    Reader,
    /// What a Map gave could not be written.
    Writer,
    /// More iterations of a Map failed than it tolerates.
    Tolerance,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Path,
        Self::Function,
        Self::Place,
        Self::Value,
        Self::DataLimit,
        Self::ResultLimit,
        Self::EventLimit,
        Self::NoChoice,
        Self::TaskTimeout,
        Self::HeartbeatTimeout,
        Self::UnboundResource,
        Self::InvalidResult,
        Self::Unnamed,
        Self::Query,
        Self::Reader,
        Self::Writer,
        Self::Tolerance,
    ];
}

impl From<expr::ErrorKind> for ErrorKind {
    fn from(kind: expr::ErrorKind) -> Self {
        match kind {
            expr::ErrorKind::Path => Self::Path,
            expr::ErrorKind::Function => Self::Function,
            expr::ErrorKind::Place => Self::Place,
            expr::ErrorKind::TooLarge => Self::DataLimit,
            expr::ErrorKind::Query => Self::Query,
            expr::ErrorKind::Value => Self::Value,
            expr::ErrorKind::Answer => Self::InvalidResult,
            expr::ErrorKind::Dataset => Self::Reader,
        }
    }
}

/// What a language calls a class of errors.
#[derive(Clone, Copy, Debug)]
pub struct ErrorName {
    /// The name; absent where the language leaves it out.
    pub name: Option<&'static str>,
    /// A second name by which Retry and Catch may refer to it.
    pub alias: Option<&'static str>,
    /// Whether Retry and Catch can refer to it at all.
    pub is_catchable: bool,
    /// Whether the error says why. Some languages leave that out, and definitions can see it.
    pub has_cause: bool,
    /// The words of the cause, where the language has its own that definitions can see. `{}` stands for the
    /// name of the state.
    pub words: Option<&'static str>,
}

impl ErrorName {
    /// A name that Retry and Catch can refer to.
    #[must_use]
    pub const fn catchable(name: &'static str) -> Self {
        Self { name: Some(name), alias: None, is_catchable: true, has_cause: true, words: None }
    }

    /// A name that nothing in a definition can refer to.
    #[must_use]
    pub const fn uncatchable(name: &'static str) -> Self {
        Self { name: Some(name), alias: None, is_catchable: false, has_cause: true, words: None }
    }
}

/// A language's names for all classes.
#[derive(Clone, Copy, Debug)]
pub struct Errors(pub fn(ErrorKind) -> ErrorName);

impl Errors {
    /// The name of a class.
    #[must_use]
    pub fn name(&self, kind: ErrorKind) -> ErrorName {
        (self.0)(kind)
    }

    /// What is known of an error with this name, wherever it comes from.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<ErrorName> {
        let names = ErrorKind::ALL.iter().map(|kind| self.name(*kind));
        let mut known = names.filter(|known| known.name == Some(name) || known.alias == Some(name));
        known.next()
    }
}

/// Which errors a Retry or Catch is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Every error that can be caught.
    Any,
    /// Every error that can be caught but those with these names.
    AnyBut(Vec<Str>),
    /// Errors of this name.
    Named(Str),
}
