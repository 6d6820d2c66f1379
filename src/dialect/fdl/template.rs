//! Constructors (fdl.md §8.2): objects in which a key that ends in `.$` holds an expression, at any
//! depth.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::Expr;
use crate::expr::fdl::{self, SyntaxErrorKind, Variables};
use crate::source::{Content, Mapping, Node};
use crate::value::{Str, Value};

use super::super::reader::{Field, Problems, Text, member_path, report_duplicates};

/// Of a key that holds an expression.
pub(super) const EXPRESSION_SUFFIX: &str = ".$";

/// A constructor or Parameters: an object at the top. What is wrong with it is noted, and `null`
/// stands in its place.
pub(super) fn constructor(field: &Field<'_>, variables: Variables, problems: &Problems) -> Expr {
    match &field.node.content {
        Content::Mapping(mapping) => object(mapping, &field.path, variables, problems),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) | Content::Sequence(_) => {
            field.fields(problems);
            Expr::Literal(Value::Null)
        }
    }
}

fn template(node: &Node, path: &str, variables: Variables, problems: &Problems) -> Expr {
    match &node.content {
        Content::Mapping(mapping) => object(mapping, path, variables, problems),
        Content::Sequence(items) => Expr::array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| template(item, &format!("{path}[{index}]"), variables, problems))
                .collect(),
        ),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {
            Expr::Literal(node.to_value())
        }
    }
}

fn object(mapping: &Mapping, path: &str, variables: Variables, problems: &Problems) -> Expr {
    report_duplicates(mapping, path, problems);
    let mut members: Vec<(Str, Expr)> = Vec::with_capacity(mapping.entries.len());
    // Where each key was placed, and whether it was written with the suffix.
    let mut placed: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for entry in &mapping.entries {
        let name = &*entry.key.name;
        let path = member_path(path, name);
        let (key, is_expression) = match name.strip_suffix(EXPRESSION_SUFFIX) {
            Some(key) => (key, true),
            None => (name, false),
        };
        let value = if is_expression {
            expression_of(&entry.value, &path, variables, problems)
        } else {
            template(&entry.value, &path, variables, problems)
        };
        match placed.get(key) {
            Some((position, was_expression)) => {
                // `a` and `a.$`; `a` twice was noted above.
                if *was_expression != is_expression {
                    let message = format!("`{key}` is given both as a value and as an expression");
                    problems.push(Diagnostic::new(Code::DuplicateField, path, entry.key.span, message));
                }
                if let Some(member) = members.get_mut(*position) {
                    member.1 = value;
                }
            }
            None => {
                placed.insert(key, (members.len(), is_expression));
                members.push((Arc::from(key), value));
            }
        }
    }
    Expr::object(members)
}

fn expression_of(node: &Node, path: &str, variables: Variables, problems: &Problems) -> Expr {
    let Some(text) = node.as_str() else {
        let message = format!("a key that ends in `.$` needs an expression, found {}", node.kind());
        let problem = Diagnostic::new(Code::WrongType, path, node.span, message);
        problems.push(problem.with_help("write the expression as a string, or leave `.$` out"));
        return Expr::Literal(Value::Null);
    };
    let text =
        Text { value: text.clone(), path: path.to_owned(), span: node.span, lines: node.lines.clone() };
    expression(&text, variables, problems)
}

/// An expression. What is wrong with it is noted at its place, and `null` stands in its place.
pub(in crate::dialect) fn expression(text: &Text, variables: Variables, problems: &Problems) -> Expr {
    match fdl::parse(&text.value, variables) {
        Ok(expr) => expr,
        Err(error) => {
            let code = match error.kind {
                SyntaxErrorKind::Grammar => Code::ExpressionSyntax,
                SyntaxErrorKind::Function => Code::UnknownFunction,
                SyntaxErrorKind::Variable => Code::UnknownVariable,
            };
            let span = text.place_of(error.offset);
            let mut problem = Diagnostic::new(code, text.path.clone(), span, error.message);
            problem.help = error.help;
            problems.push(problem);
            Expr::Literal(Value::Null)
        }
    }
}
