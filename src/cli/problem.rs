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
    let snippet = problem.span.and_then(|span| range(span, &source.text)).map(|range| {
        Snippet::source(without_c1(&source.text)).annotation(AnnotationKind::Primary.span(range))
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
        let marked = range(span, &source.text).and_then(|range| source.text.get(range));
        if let Some(marked) = marked.filter(|marked| !marked.is_empty()) {
            members.push(("endColumn", Value::from(span.column as usize + marked.chars().count())));
        }
    }
    members.push(("message", Value::from(&*problem.message)));
    if let Some(help) = &problem.help {
        members.push(("help", Value::from(&**help)));
    }
    Value::Object(members.into_iter().collect::<Object>())
}

/// The part of the text that is underlined: of a place that spans lines its first one, for a
/// definition that lacks a field is all marked otherwise.
fn range(span: Span, text: &str) -> Option<std::ops::Range<usize>> {
    let start = span.start as usize;
    let rest = text.get(start..)?;
    let line = rest.lines().next().unwrap_or_default().trim_end();
    let end = start + line.len().min((span.end as usize).saturating_sub(start));
    text.is_char_boundary(end).then_some(start..end)
}
