//! What goes into a state and what comes out of it (asl.md §4, §7).

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::jsonpath::{self, Head};
use crate::expr::{Expr, Missing, Root};
use crate::source::Content;
use crate::value::{Object, Value};

use super::super::super::reader::{Field, Text};
use super::super::syntax::{self, Language};
use super::super::template::{Moment, NOTHING, View, path, path_from, payload};
use super::Lowering;

impl Lowering<'_, '_> {
    /// InputPath.
    pub(super) fn input(&self, state: &syntax::State<'_>, view: View) -> Option<Expr> {
        let field = state.flow.input_path.as_ref()?;
        if is_null(field) {
            return Some(empty_object());
        }
        let text = field.text(self.problems)?;
        let input = path(&text, "InputPath", view.at(Moment::Arrival), Missing::Error, self.problems);
        (input != Expr::Root(Root::RawInput)).then_some(input)
    }

    /// ResultSelector, and what a Map does with its results before.
    pub(super) fn result(&self, state: &syntax::State<'_>, view: View) -> Option<Expr> {
        let writer = if let syntax::Kind::Map(map) = &state.kind { map.writer.as_ref() } else { None };
        let is_flattened = writer.is_some_and(|writer| writer.is_flattened && writer.resource.is_none());
        let moment = if is_flattened { Moment::Flattened } else { Moment::Exit };
        match &state.flow.result_selector {
            Some(field) => Some(payload(field, "ResultSelector", view.at(moment), self.problems)),
            None => is_flattened.then(super::super::template::flattened),
        }
    }

    /// ResultPath and OutputPath, or Output; nothing where the result is the output.
    pub(super) fn output(&self, state: &syntax::State<'_>, view: View) -> Option<Expr> {
        let flow = &state.flow;
        match state.language {
            Language::Jsonata => {
                let view = view.at(exit(state));
                flow.output.as_ref().map(|field| payload(field, "Output", view, self.problems))
            }
            Language::JsonPath => {
                let placed = self.placed(flow.result_path.as_ref(), Expr::Root(Root::Result));
                let output = self.output_path(flow.output_path.as_ref(), placed, view);
                (output != Expr::Root(Root::Result)).then_some(output)
            }
        }
    }

    /// ResultPath: the raw input with a value placed in it (§4.5).
    pub(super) fn placed(&self, field: Option<&Field<'_>>, value: Expr) -> Expr {
        let Some(field) = field else { return value };
        if is_null(field) {
            return Expr::Root(Root::RawInput);
        }
        let Some(text) = field.text(self.problems) else { return NOTHING };
        let (head, path) = match jsonpath::Path::parse(&text.value) {
            Ok(parsed) => parsed,
            Err(error) => {
                let span = text.place_of(error.offset);
                self.problems.push(Diagnostic::new(Code::ExpressionSyntax, text.path, span, error.message));
                return NOTHING;
            }
        };
        match (head, path.reference()) {
            (Head::Input, Some(at)) if at.is_empty() => value,
            (Head::Input, Some(at)) => {
                Expr::Place { into: Box::new(Expr::Root(Root::RawInput)), at, value: Box::new(value) }
            }
            (Head::Input, None) => {
                self.refuse_result_path(text, "names and single positions only, such as `$.order.total`");
                NOTHING
            }
            (Head::Context | Head::Variable(_), _) => {
                self.refuse_result_path(text, "a path that begins with `$.`");
                NOTHING
            }
        }
    }

    fn refuse_result_path(&self, text: Text, expected: &str) {
        let message = format!("`ResultPath` takes {expected}, found `{}`", text.value);
        let problem = Diagnostic::new(Code::InvalidValue, text.path, text.span, message);
        self.problems.push(problem.with_help("a result is placed into the input of the state"));
    }

    /// OutputPath, on what ResultPath made.
    fn output_path(&self, field: Option<&Field<'_>>, placed: Expr, view: View) -> Expr {
        let Some(field) = field else { return placed };
        if is_null(field) {
            return empty_object();
        }
        let Some(text) = field.text(self.problems) else { return NOTHING };
        match path_from(&text.value, "OutputPath", placed, view.context, Missing::Error) {
            Ok(output) => output,
            Err(error) => {
                let span = text.place_of(error.offset);
                self.problems.push(Diagnostic::new(Code::ExpressionSyntax, text.path, span, error.message));
                NOTHING
            }
        }
    }
}

/// Whether the state has a result that `$states.result` can be.
pub(super) fn exit(state: &syntax::State<'_>) -> Moment {
    match state.kind {
        syntax::Kind::Task(_) | syntax::Kind::Parallel { .. } | syntax::Kind::Map(_) => Moment::Exit,
        syntax::Kind::Pass { .. }
        | syntax::Kind::Wait(_)
        | syntax::Kind::Choice { .. }
        | syntax::Kind::Succeed
        | syntax::Kind::Fail { .. }
        | syntax::Kind::Unknown => Moment::Entry,
    }
}

fn is_null(field: &Field<'_>) -> bool {
    matches!(field.node.content, Content::Null)
}

/// What a path that is `null` gives.
fn empty_object() -> Expr {
    Expr::Literal(Value::Object(Object::default()))
}
