//! Where the text of a definition lies within the file that holds it.
//!
//! A definition is a file of its own, one of several documents in a file, or a string in the manifest
//! of a Flow. Its problems are found in its own text and told at their places in the file.

use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// How places in a definition become places in its file.
#[derive(Debug)]
pub(super) enum Placement {
    /// The text stands in the file as it is, after so much else.
    Behind {
        /// Bytes before it.
        bytes: u32,
        /// Lines before it.
        lines: u32,
    },
    /// Each line of the text stands on a line of the file, indented.
    Lines(Vec<Line>),
    /// The text is written with escapes or folded lines: its places are not those of the file.
    Apart {
        /// Where it begins.
        at: Option<Span>,
    },
}

/// Where a line of a definition stands.
#[derive(Debug)]
pub(super) struct Line {
    /// Its first byte in the definition.
    own: u32,
    /// Its first byte in the file.
    start: u32,
    /// Its line in the file, from 1.
    line: u32,
    /// Column of its first character, from 1.
    column: u32,
}

impl Placement {
    /// The placement of a string that the file holds at `at`.
    pub(super) fn of_string(file: &str, at: Option<Span>, text: &str) -> Self {
        let apart = Self::Apart { at };
        let Some(at) = at else { return apart };
        let lines = quoted(file, at, text).or_else(|| block(file, at, text));
        lines.map_or(apart, Self::Lines)
    }

    /// Tells a problem of the definition at its place in the file.
    pub(super) fn place(&self, problem: Diagnostic) -> Diagnostic {
        let Some(own) = problem.span else { return problem };
        let message = match self {
            Self::Behind { .. } | Self::Lines(_) => problem.message,
            Self::Apart { .. } => {
                let (line, column) = (own.line, own.column);
                format!("{} (line {line}, column {column} of the definition's text)", problem.message)
            }
        };
        Diagnostic { span: self.span(own), message, ..problem }
    }

    /// A place of the definition as one of the file.
    pub(super) fn span(&self, own: Span) -> Option<Span> {
        match self {
            Self::Behind { bytes, lines } => Some(Span {
                start: own.start.saturating_add(*bytes),
                end: own.end.saturating_add(*bytes),
                line: own.line.saturating_add(*lines),
                ..own
            }),
            Self::Lines(lines) => on_lines(lines, own),
            Self::Apart { at } => at.map(|at| Span { end: at.start, ..at }),
        }
    }
}

fn on_lines(lines: &[Line], span: Span) -> Option<Span> {
    let line = lines.get((span.line as usize).checked_sub(1)?)?;
    let start = line.start.saturating_add(span.start.checked_sub(line.own)?);
    Some(Span {
        start,
        end: start.saturating_add(span.end.saturating_sub(span.start)),
        line: line.line,
        column: line.column.saturating_add(span.column.saturating_sub(1)),
    })
}

/// A string on one line, in quotes or without: as it is, but for the quotes.
fn quoted(file: &str, at: Span, text: &str) -> Option<Vec<Line>> {
    let written = file.get(at.start as usize..at.end as usize)?;
    let quotes = match written.chars().next()? {
        '"' | '\'' => 1,
        _ => 0,
    };
    let is_as_written = written.get(quotes..written.len().checked_sub(quotes)?)? == text;
    let quotes = u32::try_from(quotes).ok()?;
    (is_as_written && !text.contains('\n'))
        .then(|| vec![Line { own: 0, start: at.start + quotes, line: at.line, column: at.column + quotes }])
}

/// A block scalar: every line of the text is a line of the file behind the same indentation. That
/// is compared line by line, so a text that was folded is never taken for one that was not.
fn block(file: &str, at: Span, text: &str) -> Option<Vec<Line>> {
    let is_blank = |line: &&str| line.trim().is_empty();
    let blank_first = text.lines().take_while(is_blank).count();
    let first = (at.line as usize).checked_sub(1)?.checked_sub(blank_first)?;
    let mut start = file.split_inclusive('\n').take(first).map(str::len).sum::<usize>();
    let mut own = 0_usize;
    let indent = {
        let (written, wanted) = (file.lines().nth(first + blank_first)?, text.lines().nth(blank_first)?);
        written.len().checked_sub(wanted.len())?
    };
    let mut lines = Vec::new();
    let written = file.split_inclusive('\n').skip(first);
    for (number, (written, wanted)) in written.zip(text.split_inclusive('\n')).enumerate() {
        let (line, wanted_line) =
            (written.trim_end_matches(['\n', '\r']), wanted.trim_end_matches(['\n', '\r']));
        let is_same = match line.split_at_checked(indent) {
            Some((before, rest)) => before.trim().is_empty() && rest == wanted_line,
            None => line.trim().is_empty() && wanted_line.is_empty(),
        };
        if !is_same {
            return None;
        }
        lines.push(Line {
            own: u32::try_from(own).ok()?,
            start: u32::try_from(start + indent).ok()?,
            line: u32::try_from(first + number + 1).ok()?,
            column: u32::try_from(indent + 1).ok()?,
        });
        start += written.len();
        own += wanted.len();
    }
    (own == text.len()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use crate::source;

    /// Where the word `here` of the string `d` in a file is told to be, and what is underlined.
    fn placed(file: &str) -> (u32, u32, String, String) {
        let document = source::parse(file).unwrap();
        let node = document.as_mapping().unwrap().get("d").unwrap();
        let text = node.as_str().unwrap();
        let start = text.find("here").unwrap();
        let line = text[..start].matches('\n').count();
        let column = start - text[..start].rfind('\n').map_or(0, |at| at + 1);
        let number = |number: usize| u32::try_from(number).unwrap();
        let span = Span {
            start: number(start),
            end: number(start + 4),
            line: number(line + 1),
            column: number(column + 1),
        };
        let problem = Diagnostic::new(Code::Syntax, "", Some(span), "m");
        let placed = Placement::of_string(file, node.span, text).place(problem);
        let span = placed.span.unwrap();
        let marked = file[span.start as usize..span.end as usize].to_owned();
        (span.line, span.column, marked, placed.message)
    }

    #[test]
    fn places_in_a_string_are_told_as_places_in_its_file() {
        let cases = [
            ("d: |\n  a: 1\n  b: here\n", 3, 6),
            ("# é\nd: |\n\n  a: 1\n\n  b: here\n\nz: 1\n", 6, 6),
            ("x:\n- 1\nd: |2-\n    a: 1\n  b: here", 5, 6),
            ("d: |\r\n  a: 1\r\n  b: here\r\n", 3, 6),
            ("d: \"a: here\"\n", 1, 8),
            ("d: '{a: here}'\n", 1, 9),
            ("{\"d\": \"a: here\"}", 1, 11),
            ("d: >\n  a: here\n", 2, 6),
        ];
        for (file, line, column) in cases {
            assert_eq!(placed(file), (line, column, "here".to_owned(), "m".to_owned()), "{file:?}");
        }
    }

    #[test]
    fn a_text_that_is_written_otherwise_keeps_its_own_places() {
        let cases = [
            ("d: \"a: 1\\nb: here\"\n", (1, 4), "m (line 2, column 4 of the definition's text)"),
            ("d: >\n  a: 1\n  b: here\n", (2, 3), "m (line 1, column 9 of the definition's text)"),
        ];
        for (file, place, message) in cases {
            let (line, column, marked, told) = placed(file);
            assert_eq!(((line, column), &*marked, &*told), (place, "", message), "{file:?}");
        }
    }

    #[test]
    fn a_later_document_of_a_file_begins_further_down() {
        let span = Span { start: 3, end: 5, line: 1, column: 4 };
        let problem = Diagnostic::new(Code::Syntax, "", Some(span), "m");
        let placed = Placement::Behind { bytes: 10, lines: 2 }.place(problem).span.unwrap();
        assert_eq!(placed, Span { start: 13, end: 15, line: 3, column: 4 });
    }
}
