//! What a child Execution has come to, as its parent is told (fdl.md §5.1, §14.24; asl.md §13).

use crate::api::condition::{self, ConditionType};
use crate::api::{ExecutionStatus, Phase, Reason};
use crate::engine::{Report, TaskError};
use crate::ir::Completion;
use crate::value::{Object, Value};

use super::request::{ChildRequest, Words};

/// What an Execution has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It has given this.
    Succeeded(Value),
    /// It has not.
    Failed {
        /// Name of the error.
        error: String,
        /// Why, for a person.
        cause: String,
    },
}

impl End {
    fn failed(error: &str, cause: String) -> Self {
        Self::Failed { error: error.to_owned(), cause }
    }
}

/// Name of the error of an Execution that was stopped without one, and of one that was removed.
const STOPPED: &str = "FnF.ExecutionStopped";

/// Name of the error of one that took too long.
const TIMED_OUT: &str = "FnF.ExecutionTimeout";

/// Name of the error of one that failed without one.
const FAILED: &str = "FnF.ExecutionFailed";

/// Name of the error of one that was refused.
const REJECTED: &str = "FnF.ExecutionRejected";

/// How an Execution ended; nothing where it has not. `output` is its output, wherever it is kept.
#[must_use]
pub fn end_of(status: &ExecutionStatus, output: Option<Value>) -> Option<End> {
    let said = |type_| condition::find(&status.conditions, type_).map(|said| said.message.clone());
    let message = || said(ConditionType::InProgress).unwrap_or_default();
    let own_or = |name: &str| {
        let name = status.error.as_deref().filter(|error| !error.is_empty()).unwrap_or(name);
        End::failed(name, status.cause.clone().unwrap_or_else(message))
    };
    Some(match status.phase {
        Phase::Starting | Phase::Running => return None,
        Phase::Succeeded => End::Succeeded(output.unwrap_or(Value::Null)),
        Phase::Failed => own_or(FAILED),
        Phase::Stopped => own_or(STOPPED),
        Phase::TimedOut => End::failed(TIMED_OUT, message()),
        Phase::Rejected => End::failed(REJECTED, said(ConditionType::Accepted).unwrap_or_default()),
    })
}

/// What whoever waits for an Execution is told that is gone.
#[must_use]
pub fn gone(name: &str) -> TaskError {
    TaskError::named(STOPPED, format!("Execution `{name}` is gone"))
}

/// The end of an Execution that was removed before it had one.
#[must_use]
pub fn removed(name: &str) -> End {
    End::failed(STOPPED, format!("Execution `{name}` was deleted"))
}

/// The end of an Execution whose output is lost.
#[must_use]
pub fn lost(why: &str) -> End {
    End::failed(FAILED, why.to_owned())
}

/// The error of a call whose Execution was refused: the call itself fails, as that of the API would.
#[must_use]
pub fn refused(words: &Words, status: &ExecutionStatus) -> Option<TaskError> {
    if status.phase != Phase::Rejected {
        return None;
    }
    let accepted = condition::find(&status.conditions, ConditionType::Accepted)?;
    let code = match accepted.reason {
        Reason::FlowNotFound | Reason::QualifierNotFound | Reason::FlowDeprecated => "FlowNotExists",
        Reason::NameTaken | Reason::DuplicateRequest => "ExecutionAlreadyExists",
        Reason::Forbidden => "AccessDenied",
        _ => "InvalidArgument",
    };
    Some(TaskError::named(words.error(code), accepted.message.clone()))
}

/// What a task whose Execution has begun is told; nothing where it waits for the end.
#[must_use]
pub fn begun(request: &ChildRequest, child: &Child<'_>, completion: Completion) -> Option<Report> {
    match completion {
        Completion::Job => None,
        Completion::Response | Completion::Callback => Some(Report::Accepted(answer(request, child))),
    }
}

/// A child as it is named.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// The name of its run.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
}

impl Child<'_> {
    fn arn(&self, request: &ChildRequest) -> String {
        format!("arn:aws:states:::execution:{}:{}", request.flow, self.name)
    }
}

/// The answer to the call.
fn answer(request: &ChildRequest, child: &Child<'_>) -> Value {
    match request.words {
        Words::Fnf { .. } => object([
            ("FlowName", Value::from(&*request.flow)),
            ("ExecutionName", Value::from(child.name)),
            ("RequestID", Value::from(child.uid)),
        ]),
        Words::StepFunctions { .. } => object([
            ("ExecutionArn", Value::from(child.arn(request))),
            ("StartDate", Value::from(child.created_at)),
        ]),
    }
}

/// What a task that has waited for the end is told.
#[must_use]
pub fn awaited(request: &ChildRequest, child: &Child<'_>, end: End, status: &ExecutionStatus) -> Report {
    let is_text = match request.words {
        Words::Fnf { .. } => {
            return match end {
                End::Succeeded(output) => Report::Succeeded(output),
                End::Failed { error, cause } => Report::Failed(TaskError::named(error, cause)),
            };
        }
        Words::StepFunctions { is_text } => is_text,
    };
    let payload = |value: Value| if is_text { Value::from(value.to_json()) } else { value };
    let time = |at: Option<jiff::Timestamp>| at.map(|at| Value::from(at.as_millisecond()));
    let word = match status.phase {
        Phase::Succeeded => "SUCCEEDED",
        Phase::TimedOut => "TIMED_OUT",
        Phase::Stopped => "ABORTED",
        Phase::Starting | Phase::Running | Phase::Failed | Phase::Rejected => "FAILED",
    };
    let mut members = vec![
        ("ExecutionArn", Some(Value::from(child.arn(request)))),
        ("Input", Some(payload(request.input.clone().unwrap_or_else(|| Value::Object(Object::default()))))),
        ("Name", Some(Value::from(child.name))),
        ("StartDate", time(status.start_time)),
        ("StateMachineArn", Some(Value::from(format!("arn:aws:states:::stateMachine:{}", request.flow)))),
        ("Status", Some(Value::from(word))),
        ("StopDate", time(status.completion_time)),
    ];
    match end {
        End::Succeeded(output) => {
            members.push(("Output", Some(payload(output))));
            Report::Succeeded(some(members))
        }
        End::Failed { cause, .. } => {
            members.push(("Error", status.error.as_deref().map(Value::from)));
            members.push(("Cause", Some(Value::from(cause))));
            Report::Failed(TaskError::named("States.TaskFailed", some(members).to_json()))
        }
    }
}

fn object<const N: usize>(members: [(&'static str, Value); N]) -> Value {
    Value::Object(members.into_iter().collect())
}

fn some(members: Vec<(&'static str, Option<Value>)>) -> Value {
    Value::Object(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
