//! Expressions and payloads in their places: payload templates of `JSONPath` states (asl.md §5),
//! values of `JSONata` states (§7).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::jsonata::{self, Expected};
use crate::expr::jsonpath::{self, Head};
use crate::expr::{Expr, Missing, Root, intrinsic};
use crate::source::{Content, Mapping, Node};
use crate::value::{Str, Value};

use super::super::reader::{Field, Problems, Text, member_path, report_duplicates};
use super::context::Context;
use super::syntax::Language;

/// Of a key that holds a path or a call.
pub(super) const EXPRESSION_SUFFIX: &str = ".$";

/// Stands where something is missing or broken.
pub(super) const NOTHING: Expr = Expr::Literal(Value::Null);

/// What expressions of a place can see.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) language: Language,
    pub(super) context: Context,
    pub(super) moment: Moment,
}

/// When they are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before InputPath.
    Arrival,
    /// Before the work.
    Entry,
    /// After it.
    Exit,
    /// After a Map whose results are handed on as one list (`FLATTEN`).
    Flattened,
    /// When an error was caught.
    Caught,
}

impl View {
    pub(super) fn at(self, moment: Moment) -> Self {
        Self { moment, ..self }
    }

    /// What `$` is in `JSONPath`.
    fn dollar(self) -> Expr {
        match self.moment {
            Moment::Arrival => Expr::Root(Root::RawInput),
            Moment::Entry => Expr::Root(Root::Input),
            Moment::Exit => Expr::Root(Root::Result),
            Moment::Flattened => flattened(),
            Moment::Caught => error_output(),
        }
    }

    /// What `$states` is in `JSONata`.
    fn states(self) -> Expr {
        let member = |name: &str, value| (Str::from(name), value);
        let mut members =
            vec![member("input", Expr::Root(Root::Input)), member("context", self.context.whole())];
        match self.moment {
            Moment::Arrival | Moment::Entry => {}
            Moment::Exit | Moment::Flattened => members.push(member("result", Expr::Root(Root::Result))),
            Moment::Caught => members.push(member("errorOutput", error_output())),
        }
        Expr::Record(members)
    }
}

/// What a Catch gives where it does not say otherwise (§10).
pub(super) fn error_output() -> Expr {
    Expr::Object(vec![
        (Arc::from("Error"), Expr::Root(Root::ErrorName)),
        (Arc::from("Cause"), Expr::Root(Root::ErrorCause)),
    ])
}

/// The results of a Map with those that are lists as parts of one.
pub(super) fn flattened() -> Expr {
    // A step of JSONata joins the lists that its items give.
    let text = "[$states.$]";
    let parsed = jsonata::Expression::parse(text, Expr::Root(Root::Result), "ResultWriter", Expected::Array);
    parsed.map_or(NOTHING, |expression| Expr::Jsonata(Arc::new(expression)))
}

/// An expression of `JSONata` that the language says, and not the definition.
pub(super) fn expression(text: &str, label: &str, expected: Expected, view: View) -> Expr {
    let parsed = jsonata::Expression::parse(text, view.states(), label, expected);
    parsed.map_or(NOTHING, |expression| Expr::Jsonata(Arc::new(expression)))
}

/// A payload: a template of `JSONPath`, any value of `JSONata`. What is wrong with it is noted, and
/// `null` stands in its place.
pub(super) fn payload(field: &Field<'_>, label: &str, view: View, problems: &Problems) -> Expr {
    let walk = Walk { view, problems };
    match (view.language, &field.node.content) {
        (Language::Jsonata, _) => walk.jsonata(field.node, &field.path, label, Expected::Any),
        (Language::JsonPath, Content::Mapping(_) | Content::Sequence(_)) => {
            walk.template(field.node, &field.path)
        }
        (Language::JsonPath, Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_)) => {
            problems.push(field.wrong_type("an object"));
            NOTHING
        }
    }
}

/// A value of `JSONata` that must be of a kind where it is an expression.
pub(super) fn value(
    field: &Field<'_>,
    label: &str,
    expected: Expected,
    view: View,
    problems: &Problems,
) -> Expr {
    Walk { view, problems }.jsonata(field.node, &field.path, label, expected)
}

/// A value that is data as it was written.
pub(super) fn literal(field: &Field<'_>, problems: &Problems) -> Expr {
    report_all_duplicates(field.node, &field.path, problems);
    Expr::Literal(field.node.to_value())
}

fn report_all_duplicates(node: &Node, path: &str, problems: &Problems) {
    match &node.content {
        Content::Mapping(mapping) => {
            report_duplicates(mapping, path, problems);
            for entry in &mapping.entries {
                report_all_duplicates(&entry.value, &member_path(path, &entry.key.name), problems);
            }
        }
        Content::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                report_all_duplicates(item, &format!("{path}[{index}]"), problems);
            }
        }
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {}
    }
}

/// A path that begins at `dollar` where it begins with `$`.
pub(super) fn path_from(
    text: &str,
    label: &str,
    dollar: Expr,
    context: Context,
    missing: Missing,
) -> Result<Expr, jsonpath::SyntaxError> {
    let (head, path) = jsonpath::Path::parse(text)?;
    let names = path.names();
    let from = match (head, &names) {
        (Head::Input, Some(names)) if names.is_empty() => return Ok(dollar),
        (Head::Input, _) => dollar,
        (Head::Context, Some(names)) if names.is_empty() => return Ok(context.whole()),
        (Head::Context, Some(names)) => context.along(names),
        (Head::Context, None) => context.whole(),
        // Also where it is all of the variable: one that was never assigned must be missed.
        (Head::Variable(name), _) => Expr::Root(Root::Variable(name)),
    };
    Ok(Expr::Query { from: Box::new(from), path: Arc::new(path.of_field(label)), missing })
}

/// A path, as the value of a field.
pub(super) fn path(text: &Text, label: &str, view: View, missing: Missing, problems: &Problems) -> Expr {
    match path_from(&text.value, label, view.dollar(), view.context, missing) {
        Ok(expr) => expr,
        Err(error) => broken(text, error.offset, error.message, None, problems),
    }
}

/// A path to one node (§3).
pub(super) fn reference_path(text: &Text, label: &str, view: View, problems: &Problems) -> Expr {
    if let Ok((_, path)) = jsonpath::Path::parse(&text.value)
        && path.reference().is_none()
    {
        let message =
            format!("`{label}` needs a path to one value whatever the data, `{}` is none", text.value);
        let problem = text.problem(Code::ExpressionSyntax, message);
        problems.push(problem.with_help("only names and single positions: no wildcard, slice, filter or function, and none of `@ , : ?` that is not escaped or quoted"));
    }
    path(text, label, view, Missing::Error, problems)
}

/// A path or a call of an intrinsic function.
pub(super) fn dynamic(text: &Text, label: &str, view: View, problems: &Problems) -> Expr {
    if text.value.starts_with('$') {
        return path(text, label, view, Missing::Error, problems);
    }
    let argument = |path: &str| {
        path_from(path, label, view.dollar(), view.context, Missing::Error)
            .map_err(|error| intrinsic::SyntaxError { offset: error.offset, message: error.message })
    };
    match intrinsic::parse(&text.value, &argument) {
        Ok(expr) => expr,
        Err(error) => {
            let help = (!text.value.starts_with("States.")).then(|| {
                "begin with `$` for a path or `States.` for a call, or leave `.$` out of the key".to_owned()
            });
            broken(text, error.offset, error.message, help, problems)
        }
    }
}

/// Notes that an expression cannot be read.
fn broken(text: &Text, offset: usize, message: String, help: Option<String>, problems: &Problems) -> Expr {
    let span = text.place_of(offset);
    let mut problem = Diagnostic::new(Code::ExpressionSyntax, text.path.clone(), span, message);
    problem.help = help;
    problems.push(problem);
    NOTHING
}

/// A walk through a payload.
#[derive(Clone, Copy)]
struct Walk<'p> {
    view: View,
    problems: &'p Problems,
}

impl Walk<'_> {
    fn template(self, node: &Node, path: &str) -> Expr {
        match &node.content {
            Content::Mapping(mapping) => self.object(mapping, path),
            Content::Sequence(items) => Expr::array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.template(item, &format!("{path}[{index}]")))
                    .collect(),
            ),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {
                Expr::Literal(node.to_value())
            }
        }
    }

    fn object(self, mapping: &Mapping, path: &str) -> Expr {
        report_duplicates(mapping, path, self.problems);
        let mut members: Vec<(Str, Expr)> = Vec::with_capacity(mapping.entries.len());
        // Where each key was placed, and whether it was written with the suffix.
        let mut placed: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for entry in &mapping.entries {
            let name = &*entry.key.name;
            let path = member_path(path, name);
            let (key, is_dynamic) = match name.strip_suffix(EXPRESSION_SUFFIX) {
                Some(key) => (key, true),
                None => (name, false),
            };
            let value = if is_dynamic {
                self.member(&entry.value, &path, name)
            } else {
                self.template(&entry.value, &path)
            };
            match placed.get(key) {
                Some((position, was_dynamic)) => {
                    // `a` and `a.$`; `a` twice was noted above.
                    if *was_dynamic != is_dynamic {
                        let message = format!("`{key}` is given both as a value and as an expression");
                        let problem = Diagnostic::new(Code::DuplicateField, path, entry.key.span, message);
                        self.problems.push(problem);
                    }
                    if let Some(member) = members.get_mut(*position) {
                        member.1 = value;
                    }
                }
                None => {
                    placed.insert(key, (members.len(), is_dynamic));
                    members.push((Arc::from(key), value));
                }
            }
        }
        Expr::object(members)
    }

    /// The value of a key that ends in `.$`.
    fn member(self, node: &Node, path: &str, key: &str) -> Expr {
        let Some(text) = node.as_str() else {
            let message = format!("a key that ends in `.$` needs a path or a call, found {}", node.kind());
            let problem = Diagnostic::new(Code::WrongType, path, node.span, message);
            self.problems.push(problem.with_help("write it as a string, or leave `.$` out"));
            return NOTHING;
        };
        let text =
            Text { value: text.clone(), path: path.to_owned(), span: node.span, lines: node.lines.clone() };
        dynamic(&text, key, self.view, self.problems)
    }

    fn jsonata(self, node: &Node, path: &str, label: &str, expected: Expected) -> Expr {
        match &node.content {
            Content::String(text) => match jsonata::delimited(text) {
                Some(inner) => {
                    let text = Text {
                        value: text.clone(),
                        path: path.to_owned(),
                        span: node.span,
                        lines: node.lines.clone(),
                    };
                    self.expression(&text, inner, label, expected)
                }
                None => Expr::Literal(Value::String(text.clone())),
            },
            Content::Sequence(items) => Expr::array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let label = format!("{label}[{index}]");
                        self.jsonata(item, &format!("{path}[{index}]"), &label, Expected::Any)
                    })
                    .collect(),
            ),
            Content::Mapping(mapping) => {
                report_duplicates(mapping, path, self.problems);
                let member = |entry: &crate::source::Entry| {
                    let name = &entry.key.name;
                    let label = format!("{label}/{name}");
                    let value = self.jsonata(&entry.value, &member_path(path, name), &label, Expected::Any);
                    (name.clone(), value)
                };
                Expr::object(mapping.entries.iter().map(member).collect())
            }
            Content::Null | Content::Bool(_) | Content::Number(_) => Expr::Literal(node.to_value()),
        }
    }

    fn expression(self, text: &Text, inner: &str, label: &str, expected: Expected) -> Expr {
        match jsonata::Expression::parse(inner, self.view.states(), label, expected) {
            Ok(expression) => {
                self.check_reads(text, &expression);
                Expr::Jsonata(Arc::new(expression))
            }
            Err(error) => {
                // Behind `{%`.
                broken(text, error.offset.saturating_add(2), error.message, error.help, self.problems)
            }
        }
    }

    /// Notes what `$states` does not have at this moment (§7).
    fn check_reads(self, text: &Text, expression: &jsonata::Expression) {
        let moment = self.view.moment;
        let members = [
            (
                "result",
                matches!(moment, Moment::Exit | Moment::Flattened),
                "Output and Assign of a Task, Parallel or Map",
            ),
            ("errorOutput", moment == Moment::Caught, "Output and Assign of a Catch rule"),
        ];
        for (member, is_there, place) in members {
            if !is_there && expression.reads_states(member) {
                let message = format!("there is no `$states.{member}` here");
                let problem = text.problem(Code::UnknownVariable, message);
                self.problems.push(problem.with_help(format!("it exists in {place}")));
            }
        }
    }
}
