//! Errors of a user's state machine: ordinary data, unlike a [`super::Fault`].

use std::sync::Arc;

use crate::ir::{ErrorKind, ErrorName, Pattern, Program};
use crate::value::Str;

/// An error of a state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, absent where whoever raised it named none.
    pub name: Option<Str>,
    /// A second name by which Retry and Catch may refer to it.
    pub alias: Option<Str>,
    /// Why, for a person.
    pub cause: Option<Str>,
    /// Whether Retry and Catch can refer to it.
    pub is_catchable: bool,
}

impl Failure {
    /// An error of a class, in the words of the program's language.
    pub(super) fn of(program: &Program, kind: ErrorKind, cause: Option<Str>) -> Self {
        let name = program.errors().name(kind);
        Self {
            name: name.name.map(Arc::from),
            alias: name.alias.map(Arc::from),
            cause: cause.filter(|_| name.has_cause),
            is_catchable: name.is_catchable,
        }
        .cut(program)
    }

    /// An error of a class that a state ends with. The language may have words of its own for the cause.
    pub(super) fn of_state(program: &Program, kind: ErrorKind, state: &str, cause: String) -> Self {
        let words = program.errors().name(kind).words;
        let cause = words.map_or(cause, |words| words.replacen("{}", state, 1));
        Self::of(program, kind, Some(cause.into()))
    }

    /// An error that a user named.
    pub(super) fn named(program: &Program, name: Option<Str>, cause: Option<Str>) -> Self {
        Self { name, alias: None, cause, is_catchable: true }.cut(program)
    }

    /// An error that whoever did the work named. Where the language has the name, it means the same.
    pub(super) fn reported(program: &Program, name: Str, cause: Option<Str>) -> Self {
        let known = program.errors().known(&name);
        let other =
            |known: &ErrorName| [known.name, known.alias].into_iter().flatten().find(|own| **own != *name);
        let alias = known.as_ref().and_then(other).map(Arc::from);
        let is_catchable = known.is_none_or(|known| known.is_catchable);
        Self { name: Some(name), alias, cause, is_catchable }.cut(program)
    }

    /// Whether a Retry or Catch with these patterns is about this error.
    pub(super) fn matches(&self, patterns: &[Pattern]) -> bool {
        let is_called = |name: &Str| self.name.as_ref() == Some(name) || self.alias.as_ref() == Some(name);
        self.is_catchable
            && patterns.iter().any(|pattern| match pattern {
                Pattern::Any => true,
                Pattern::AnyBut(names) => !names.iter().any(is_called),
                Pattern::Named(name) => is_called(name),
            })
    }

    /// Names and causes come from outside and are stored: they are cut to the language's lengths.
    fn cut(self, program: &Program) -> Self {
        let limits = program.limits();
        Self {
            name: self.name.map(|name| cut(name, limits.error_chars_max)),
            cause: self.cause.map(|cause| cut(cause, limits.cause_chars_max)),
            ..self
        }
    }
}

/// At most `max` characters; the last one says that there was more.
fn cut(text: Str, max: usize) -> Str {
    match text.char_indices().nth(max) {
        None => text,
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect::<String>().into(),
    }
}
