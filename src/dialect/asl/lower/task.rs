//! Tasks (asl.md §11 and §13).

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::expr::Expr;
use crate::expr::jsonata::Expected;
use crate::ir::{Completion, Kind};
use crate::source::Content;

use super::super::super::reader::{Field, Text};
use super::super::limits::SECONDS_MAX;
use super::super::syntax::{self, Language, Task};
use super::super::template::{EXPRESSION_SUFFIX, Moment, View, payload, value};
use super::Lowering;
use super::number::is_expression;

/// Of a resource that is done when someone reports with the task's token.
const WAIT_FOR_TOKEN: &str = ".waitForTaskToken";

/// Of resources that are done when what they began has ended.
const WAIT_FOR_JOB: &[&str] = &[".sync", ".sync:2"];

/// Whether the task has a token that it can hand on. Activities have none (§2).
pub(super) fn waits_for_token(task: &Task<'_>) -> bool {
    task.resource.as_ref().is_some_and(|resource| resource.value.ends_with(WAIT_FOR_TOKEN))
}

fn completion(resource: &str) -> Completion {
    let is_activity = resource.starts_with("arn:") && resource.contains(":activity:");
    if is_activity || resource.ends_with(WAIT_FOR_TOKEN) {
        Completion::Callback
    } else if WAIT_FOR_JOB.iter().any(|suffix| resource.ends_with(suffix)) {
        Completion::Job
    } else {
        Completion::Response
    }
}

impl Lowering<'_, '_> {
    pub(super) fn task(&self, state: &syntax::State<'_>, task: &Task<'_>, view: View) -> Kind {
        let entry = view.at(Moment::Entry);
        let seconds = 1..=SECONDS_MAX;
        let timeout = self.whole(task.timeout.as_ref(), "TimeoutSeconds", seconds.clone(), entry);
        let heartbeat = self.whole(task.heartbeat.as_ref(), "HeartbeatSeconds", seconds, entry);
        self.check_heartbeat(task, timeout.as_ref(), heartbeat.as_ref());
        if let Some(field) = &task.credentials {
            self.check_credentials(field, entry);
        }
        let resource = task.resource.as_ref().map_or_else(|| Arc::from(""), |text| text.value.clone());
        let completion = completion(&resource);
        if let (Some(text), true) = (&task.resource, self.is_express && completion != Completion::Response) {
            self.refuse_in_express(text);
        }
        Kind::Task { resource, arguments: self.arguments(state, view), completion, timeout, heartbeat }
    }

    fn refuse_in_express(&self, resource: &Text) {
        let message = format!("`{}` waits, and runs of an Express Map cannot", resource.value);
        let problem = resource.problem(Code::InvalidValue, message);
        self.problems.push(problem.with_help("make the ExecutionType of the processor `STANDARD`"));
    }

    /// A heartbeat that is no shorter than the time-out would never be missed.
    fn check_heartbeat(&self, task: &Task<'_>, timeout: Option<&Expr>, heartbeat: Option<&Expr>) {
        let (Some(Expr::Literal(timeout)), Some(Expr::Literal(heartbeat))) = (timeout, heartbeat) else {
            return;
        };
        let (Some(timeout), Some(heartbeat)) = (timeout.as_i64(), heartbeat.as_i64()) else { return };
        if let (true, Some(syntax::Computed::Value(field))) = (heartbeat >= timeout, &task.heartbeat) {
            let message =
                format!("`HeartbeatSeconds` must be less than `TimeoutSeconds` {timeout}, found {heartbeat}");
            self.problems.push(field.problem(Code::InvalidValue, message));
        }
    }

    /// `Credentials`: an object with a RoleArn. Who the task runs as is the Flow's to say, so nothing
    /// comes of it.
    fn check_credentials(&self, field: &Field<'_>, view: View) {
        if is_expression(field, view.language) {
            value(field, "Credentials", Expected::Object, view, self.problems);
            return;
        }
        let Content::Mapping(mapping) = &field.node.content else {
            self.problems.push(field.wrong_type("an object"));
            return;
        };
        payload(field, "Credentials", view, self.problems);
        let is_role = |name: &str| {
            let name = match view.language {
                Language::JsonPath => name.strip_suffix(EXPRESSION_SUFFIX).unwrap_or(name),
                Language::Jsonata => name,
            };
            name == "RoleArn"
        };
        if !mapping.entries.iter().any(|entry| is_role(&entry.key.name)) {
            self.problems.push(field.problem(Code::MissingField, "field `RoleArn` is missing"));
        }
    }
}
