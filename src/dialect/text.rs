//! A string of a definition, with the place of each part of it.

use std::sync::Arc;

use super::reader::Problems;
use crate::diagnostic::{Code, Diagnostic};
#[cfg(doc)]
use crate::source::Node;
use crate::source::Span;
use crate::value::Str;

/// A string with its place.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) value: Str,
    pub(super) path: String,
    pub(super) span: Option<Span>,
    /// Where the lines of a literal block begin ([`Node::lines`]).
    pub(super) lines: Option<Arc<[u32]>>,
}

impl Text {
    /// The place of a byte of the text. In a literal block, and where the scalar is written without escapes or
    /// line breaks, that is known, behind the quote if there is one; else it is the whole scalar.
    pub(super) fn place_of(&self, offset: usize) -> Option<Span> {
        let span = self.span?;
        if let Some(found) = self.lines.as_deref().and_then(|lines| self.place_in_block(span, lines, offset))
        {
            return Some(found);
        }
        let written = (span.end - span.start) as usize;
        let before = self.value.get(..offset).unwrap_or_default();
        Some(match written.checked_sub(self.value.len()) {
            Some(0) => span.behind("", before),
            Some(2) => span.behind("\"", before),
            Some(_) | None => span,
        })
    }

    fn place_in_block(&self, span: Span, lines: &[u32], offset: usize) -> Option<Span> {
        let number = |number: usize| u32::try_from(number).ok();
        let before = self.value.get(..offset)?;
        let line = before.matches('\n').count();
        let within = before.rsplit('\n').next()?;
        let (begins, length) = (*lines.get(line)?, self.value.split('\n').nth(line)?.len());
        Some(Span {
            start: begins.checked_add(number(within.len())?)?,
            end: begins.checked_add(number(length)?)?,
            line: span.line.checked_add(number(line)?)?,
            column: span.column.checked_add(number(within.chars().count())?)?,
        })
    }

    pub(super) fn problem(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.path.clone(), self.span, message)
    }

    /// The one of the known types of states that it is; otherwise a note.
    pub(super) fn state_type(
        &self,
        known: &'static [&'static str],
        problems: &Problems,
    ) -> Option<&'static str> {
        let word = &*self.value;
        let found = known.iter().copied().find(|known| *known == word);
        if found.is_none() {
            let help = match problems.closest(word, known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("types are {}", known.join(", ")),
            };
            let problem = self.problem(Code::UnknownStateType, format!("there is no state type `{word}`"));
            problems.push(problem.with_help(help));
        }
        found
    }
}
