//! Problems of definitions for people and for programs.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::Span;
use crate::value::{Object, Value};

use super::source::Source;
use super::terminal::{COLUMNS, harmless, without_c1, wrap};

/// Where in a line the help begins, behind `  = help: `.
const HELP_INDENT: usize = 12;

/// A problem as text: what and where on one line that editors and `grep` understand, then the line of
/// the source with the place underlined, then the help.
///
/// ```text
/// order.yaml:7:13: error[E010] at States[0].Next: there is no state `Chrage` in this scope
///   |
/// 7 |       Next: Chrage
///   |             ^^^^^^
///   |
///   = help: did you mean `Charge`?
/// ```
pub(super) fn to_text(problem: &Diagnostic, source: &Source) -> String {
    let (word, color, level) = match problem.severity() {
        Severity::Error => ("error", AnsiColor::BrightRed, Level::ERROR),
        Severity::Warning => ("warning", AnsiColor::Yellow, Level::WARNING),
    };
    let (strong, style) = (Style::new().bold(), color.on_default().bold());
    let place = problem.span.map_or_else(String::new, |span| format!(":{}:{}", span.line, span.column));
    let path = match &*problem.path {
        "" => String::new(),
        path => format!(" at {}", harmless(path)),
    };
    let headline = format!(
        "{strong}{}{place}{strong:#}: {style}{word}[{}]{style:#}{path}: {}\n",
        source.name,
        problem.code.as_str(),
        harmless(&problem.message)
    );
    let help = problem.help.as_ref().map(|help| wrap(&harmless(help), COLUMNS - HELP_INDENT).join("\n"));
    let part = problem.span.and_then(|span| part(span, &source.text));
    let snippet = part.map(|part| {
        Snippet::source(without_c1(part.text))
            .line_start(part.line)
            .annotation(AnnotationKind::Primary.span(part.marked))
    });
    let mut group = Group::with_level(level);
    if let Some(snippet) = snippet {
        group = group.element(snippet);
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    if group.is_empty() {
        return headline;
    }
    let body = Renderer::styled().term_width(COLUMNS).render(&[group]);
    format!("{headline}{}\n", body.trim_end())
}

/// A problem as JSON: `{file, code, severity, path, line, column, endColumn, message, help}`. What
/// is not known or not said is absent; `endColumn` is that behind the last character.
pub(super) fn to_json(problem: &Diagnostic, source: &Source) -> Value {
    let mut members = vec![
        ("file", Value::from(&*source.name)),
        ("code", Value::from(problem.code.as_str())),
        ("severity", Value::from(problem.severity().as_str())),
        ("path", Value::from(&*problem.path)),
    ];
    if let Some(span) = problem.span {
        members.push(("line", Value::from(span.line)));
        members.push(("column", Value::from(span.column)));
        if let Some(column) = end_column(span, &source.text) {
            members.push(("endColumn", Value::from(column)));
        }
    }
    members.push(("message", Value::from(&*problem.message)));
    if let Some(help) = &problem.help {
        members.push(("help", Value::from(&**help)));
    }
    Value::Object(members.into_iter().collect::<Object>())
}

/// The column behind the last character of a place; of one that spans lines, behind that of its first
/// line. Nothing for a place without characters.
pub(super) fn end_column(span: Span, text: &str) -> Option<u32> {
    let part = part(span, text)?;
    let marked = part.text.get(part.marked).filter(|marked| !marked.is_empty())?;
    span.column.checked_add(u32::try_from(marked.chars().count()).ok()?)
}

/// Most of a line that is looked at on each side of a problem, in bytes: far more than is shown, and a
/// definition that is one long line with many problems is still told of in no time.
const AROUND_BYTES_MAX: usize = 1_000;

/// Where a problem is.
struct Part<'t> {
    /// Its line, or what is around it where the line is very long.
    text: &'t str,
    /// Number of the line.
    line: usize,
    /// What of the text is underlined: of a place that spans lines its first one, for a definition that
    /// lacks a field is all marked otherwise.
    marked: std::ops::Range<usize>,
}

fn part(span: Span, text: &str) -> Option<Part<'_>> {
    let start = span.start as usize;
    let begin = text.ceil_char_boundary(start.saturating_sub(AROUND_BYTES_MAX));
    let end = text.floor_char_boundary((start + AROUND_BYTES_MAX).min(text.len()));
    let (before, behind) = (text.get(begin..start)?, text.get(start..end)?);
    let begin = before.rfind('\n').map_or(begin, |at| begin + at + 1);
    let end = behind.find('\n').map_or(end, |at| start + at);
    let text = text.get(begin..end)?.trim_end();
    let marked_end = text.floor_char_boundary((span.end as usize).max(start) - begin);
    let marked = (start - begin).min(text.len())..marked_end.max((start - begin).min(text.len()));
    Some(Part { text, line: span.line as usize, marked })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    fn told(text: &str, start: usize, end: usize) -> String {
        let number = |number: usize| u32::try_from(number).unwrap();
        let line = text[..start].matches('\n').count() + 1;
        let span = Span { start: number(start), end: number(end), line: number(line), column: 1 };
        let problem = Diagnostic::new(Code::MissingTarget, "p", Some(span), "m");
        let source = Source { name: "f".to_owned(), text: text.to_owned() };
        anstream::adapter::strip_str(&to_text(&problem, &source)).to_string()
    }

    #[test]
    fn of_a_place_that_spans_lines_the_first_is_marked() {
        assert_eq!(told("a: 1\nb:\r\n  c: 2\n", 5, 15), "f:2:1: error[E010] at p: m\n  |\n2 | b:\n  | ^^\n");
        assert_eq!(told("a: 1", 4, 4), "f:1:1: error[E010] at p: m\n  |\n1 | a: 1\n  |     ^\n");
        assert_eq!(told("", 0, 0), "f:1:1: error[E010] at p: m\n  |\n1 |\n  | ^\n");
    }

    #[test]
    fn of_a_long_line_only_what_is_around_is_shown() {
        let text = format!("{}here{}", "é".repeat(50_000), "é".repeat(50_000));
        let told = told(&text, 100_000, 100_004);
        assert!(told.lines().all(|line| line.chars().count() <= COLUMNS), "{told}");
        let [.., shown, marks] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
        let at = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
        assert_eq!(at(shown, "here"), at(marks, "^^^^"));
    }

    #[test]
    fn a_place_outside_of_the_text_is_told_without_it() {
        assert_eq!(told("é", 0, 2).lines().count(), 4);
        let span = Span { start: 1, end: 2, line: 1, column: 1 };
        let problem = Diagnostic::new(Code::MissingTarget, "", Some(span), "m");
        for text in ["é", ""] {
            let source = Source { name: "f".to_owned(), text: text.to_owned() };
            let told = to_text(&problem, &source);
            assert_eq!(anstream::adapter::strip_str(&told).to_string(), "f:1:1: error[E010]: m\n");
        }
    }
}
