//! Problems of a definition: code, severity, place, message, help.
//!
//! The same diagnostics reach `millrace lint`, `Flow.status.diagnostics` and whoever else compiles
//! a definition. Messages are one sentence in lower case without a full stop, with the user's own
//! words in back-ticks; what to do about it stands in `help`.

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

use std::fmt;

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The definition runs, but probably not as meant.
    Warning,
    /// The definition cannot run.
    Error,
}

impl Severity {
    /// The word shown to people and stored in `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "Warning",
            Self::Error => "Error",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// The closed list of problems. A number is never used twice.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable name, such as `E012`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What it is about in one word, such as `MissingTarget`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_start(),)+
                }
            }
        }
    };
}

codes! {
    /// The text is no YAML and no JSON, or too long, or nested too deep.
    Syntax = "E001",
    /// The definition is in none of the known languages.
    UnknownDialect = "E002",
    /// A field has a value of the wrong type.
    WrongType = "E003",
    /// A field that must be there is missing.
    MissingField = "E004",
    /// A field that does not exist in this place.
    UnknownField = "E005",
    /// A field is given twice.
    DuplicateField = "E006",
    /// A value is outside of what the field allows.
    InvalidValue = "E007",
    /// The type of a state does not exist.
    UnknownStateType = "E008",
    /// Two states of one scope have the same name.
    DuplicateState = "E009",
    /// A state that is referred to does not exist in this scope.
    MissingTarget = "E010",
    /// A state says neither or both of where to go and that it is the end.
    NextOrEnd = "E011",
    /// An expression cannot be read.
    ExpressionSyntax = "E012",
    /// A function that does not exist, or with the wrong number of arguments.
    UnknownFunction = "E013",
    /// A variable that does not exist, or not in this place; or a part of the context that does not.
    UnknownVariable = "E014",
    /// More states, branches or nesting than allowed, or a longer name.
    LimitExceeded = "E015",
    /// Part of the language that this version does not run.
    Unsupported = "E016",
    /// No path leads to this state, and the language refuses that.
    UnreachableState = "E017",
    /// No path comes to an end, and the language refuses that.
    NoTerminalState = "E018",
    /// A field or an expression of the other query language.
    QueryLanguage = "E019",
    /// Of several fields exactly one must be given, or at most one.
    Alternatives = "E020",
    /// A variable is assigned that cannot be: not a name, or one that a scope around assigns.
    InvalidVariable = "E021",
    /// No path leads to this state.
    Unreachable = "W101",
    /// An error pattern behind a catch-all never matches.
    ShadowedPattern = "W102",
    /// The name in the definition is not the name of the Flow.
    NameDiffers = "W103",
    /// Nothing is bound to the resource of this task.
    UnboundResource = "W104",
    /// The scope can never come to an end.
    NoEnd = "W105",
    /// A Retry or Catch names an error that nothing raises.
    UnknownError = "W106",
    /// A task of a built-in resource has a parameter that the resource does not know.
    UnknownParameter = "W107",
    /// There are more problems than are told.
    MoreProblems = "W199",
}

impl Code {
    /// What the code means for the definition.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Which rule.
    pub code: Code,
    /// The field, such as `States[2].Next`; empty for the document as a whole.
    pub path: String,
    /// Where in the text, where there is a text.
    pub span: Option<Span>,
    /// What is wrong: what was found and what was expected.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A problem at a place.
    #[must_use]
    pub fn new(code: Code, path: impl Into<String>, span: Option<Span>, message: impl Into<String>) -> Self {
        Self { code, path: path.into(), span, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl fmt::Display for Diagnostic {
    /// One line without the source text: `E010 at States[0].Next (line 7, column 11): …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.as_str())?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        if let Some(span) = self.span {
            write!(f, " (line {}, column {})", span.line, span.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Whether any of the problems keeps the definition from running.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity() == Severity::Error)
}

/// Sorts by place, errors before warnings at the same place, and drops repetitions.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let place = |d: &Diagnostic| d.span.map_or((0, 0), |span| (span.line, span.column));
        place(a).cmp(&place(b)).then(a.code.cmp(&b.code)).then_with(|| a.path.cmp(&b.path))
    });
    diagnostics.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_what_it_means_in_a_sentence_and_has_a_number_of_its_own() {
        for (number, code) in Code::ALL.iter().enumerate() {
            let explanation = code.explanation();
            assert!(explanation.ends_with('.') && !explanation.contains("  "), "{code:?}: {explanation}");
            assert!(explanation.starts_with(char::is_uppercase), "{code:?}: {explanation}");
            assert_eq!(code.name(), format!("{code:?}"));
            assert!(
                Code::ALL.iter().skip(number + 1).all(|other| other.as_str() > code.as_str()),
                "{code:?}"
            );
        }
    }
}
