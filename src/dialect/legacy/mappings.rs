//! Mappings and parameters: constants, and strings that are paths by how they begin (fdl.md §2.3, §3).

use crate::diagnostic::Code;
use crate::expr::Expr;
use crate::expr::fdl::Variables;
use crate::source::{Content, Node};
use crate::value::{Object, Str, Value};

use super::super::fdl::template::expression;
use super::super::reader::{Field, Problems, Text, member_path, report_duplicates};
use super::syntax::Mapping;

/// What sources begin with that are paths; everything else is a constant.
const SOURCES: &[&str] = &["$input", "$local", "$context"];

/// The object that mappings make. Of two with the same target the later one counts.
pub(super) fn object(mappings: &[Mapping<'_>], known: Variables, problems: &Problems) -> Expr {
    let mut members: Vec<(Str, Expr)> = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        members.push((mapping.target.value.clone(), source(&mapping.source, known, problems)));
    }
    Expr::object(members)
}

/// An object without members.
pub(super) fn nothing() -> Expr {
    Expr::Literal(Value::Object(Object::default()))
}

fn source(field: &Field<'_>, known: Variables, problems: &Problems) -> Expr {
    match field.node.as_str() {
        Some(text) if SOURCES.iter().any(|source| text.starts_with(source)) => {
            path(&text_of(field.node, &field.path, text), known, problems)
        }
        Some(_) | None => constant(field.node, &field.path, problems),
    }
}

/// serviceParams: at any depth a string that is `$` or begins with `$.` is a path into the step's input.
pub(super) fn parameters(field: &Field<'_>, known: Variables, problems: &Problems) -> Expr {
    if field.node.as_mapping().is_none() {
        // Notes what it is instead of an object.
        field.fields(problems);
        return nothing();
    }
    parameter(field.node, &field.path, known, problems)
}

fn parameter(node: &Node, at: &str, known: Variables, problems: &Problems) -> Expr {
    match &node.content {
        Content::Mapping(mapping) => {
            report_duplicates(mapping, at, problems);
            let members = mapping.entries.iter().map(|entry| {
                let at = member_path(at, &entry.key.name);
                (entry.key.name.clone(), parameter(&entry.value, &at, known, problems))
            });
            Expr::object(members.collect())
        }
        Content::Sequence(items) => {
            let item =
                |(number, item): (usize, &Node)| parameter(item, &format!("{at}[{number}]"), known, problems);
            Expr::array(items.iter().enumerate().map(item).collect())
        }
        Content::String(text) if is_input_path(text) => path(&text_of(node, at, text), known, problems),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {
            Expr::Literal(node.to_value())
        }
    }
}

/// Whether a string is a path into the step's input.
fn is_input_path(text: &str) -> bool {
    text == "$" || text.starts_with("$.")
}

/// One path. What is wrong with it is noted at its place, and `null` stands in its place.
pub(super) fn path(text: &Text, known: Variables, problems: &Problems) -> Expr {
    let expr = expression(text, known, problems);
    // `null` stands for what was noted already.
    if matches!(expr, Expr::Select { .. } | Expr::Literal(Value::Null)) {
        return expr;
    }
    let message = format!("expected one path, found `{}`", text.value);
    let problem = text.problem(Code::ExpressionSyntax, message);
    problems.push(problem.with_help("compare in the condition of a choice, compute in a task"));
    Expr::Literal(Value::Null)
}

fn text_of(node: &Node, at: &str, text: &Str) -> Text {
    Text { value: text.clone(), path: at.to_owned(), span: node.span, lines: node.lines.clone() }
}

/// A constant of any shape; keys that are given twice in it are noted.
fn constant(node: &Node, at: &str, problems: &Problems) -> Expr {
    note_duplicates(node, at, problems);
    Expr::Literal(node.to_value())
}

fn note_duplicates(node: &Node, at: &str, problems: &Problems) {
    match &node.content {
        Content::Mapping(mapping) => {
            report_duplicates(mapping, at, problems);
            for entry in &mapping.entries {
                note_duplicates(&entry.value, &member_path(at, &entry.key.name), problems);
            }
        }
        Content::Sequence(items) => {
            for (number, item) in items.iter().enumerate() {
                note_duplicates(item, &format!("{at}[{number}]"), problems);
            }
        }
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {}
    }
}
