//! Admission: whether an Execution begins, waits or is refused. A pure function: the same answer
//! wherever it is asked.

use jiff::{SignedDuration, Timestamp};

use super::status::instant_text;
use crate::api::execution::{Effective, STARTING_DEADLINE_SECONDS};
use crate::api::flow_revision::revision_name;
use crate::api::{DEFAULT_SERVICE_ACCOUNT, ExecutionSpec, Reason};
use crate::controller::revision::Revision;
use crate::value::{Object, Value};

/// What is known of a Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowView {
    /// It does not exist.
    Missing,
    /// It exists.
    Present {
        /// Whether its newest spec was looked at.
        is_observed: bool,
        /// The newest valid definition.
        latest_revision: Option<Latest>,
        /// What is wrong with the newest definition.
        problem: Option<String>,
    },
}

/// The newest valid definition of a Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Its number.
    pub number: i64,
    /// Uid of its FlowRevision; absent where that is gone.
    pub uid: Option<String>,
}

/// What is decided about an Execution that wants to begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// It begins.
    Accept(Admitted),
    /// It waits, until then at most.
    Wait {
        /// Why.
        reason: Reason,
        /// Why, for a person.
        message: String,
        /// When it is refused for the same reason.
        until: Timestamp,
    },
    /// It is refused for good.
    Reject {
        /// Why.
        reason: Reason,
        /// Why, for a person.
        message: String,
    },
}

/// What it begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The input.
    pub input: Value,
    /// Values after all defaults.
    pub effective: Effective,
}

/// Decides about an Execution made at `created_at`. The revision is that of the view, once the view
/// names one.
#[must_use]
pub fn admit(
    flow: &FlowView,
    revision: Option<&Revision>,
    spec: &ExecutionSpec,
    created_at: Timestamp,
    now: Timestamp,
) -> Admission {
    let name = &spec.flow_ref.name;
    let wait = |reason: Reason, message: String| {
        let seconds = spec.starting_deadline_seconds.unwrap_or(STARTING_DEADLINE_SECONDS);
        let until = created_at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        if until > now {
            let message = format!("{message} Waits until {}.", instant_text(until));
            return Admission::Wait { reason, message, until };
        }
        Admission::Reject { reason, message: format!("{message} Gave up after waiting {seconds} s.") }
    };
    match (flow, revision) {
        (FlowView::Missing, _) => wait(Reason::FlowNotFound, format!("Flow {name} does not exist.")),
        (FlowView::Present { is_observed: false, .. }, _) => {
            wait(Reason::FlowNotReady, format!("Flow {name} was changed and has not been looked at yet."))
        }
        (FlowView::Present { latest_revision: Some(Latest { number, uid: None }), .. }, _) => {
            let message = format!(
                "FlowRevision {} was deleted; Flow {name} is published anew.",
                revision_name(name, *number)
            );
            wait(Reason::FlowNotReady, message)
        }
        (FlowView::Present { latest_revision: None, problem, .. }, _)
        | (FlowView::Present { problem, .. }, None) => {
            let problem = problem.as_deref().map_or_else(String::new, |problem| format!(" {problem}"));
            wait(Reason::FlowNotReady, format!("Flow {name} cannot be run yet.{problem}"))
        }
        (FlowView::Present { .. }, Some(revision)) => match check(revision, spec) {
            Ok(admitted) => Admission::Accept(admitted),
            Err((reason, message)) => Admission::Reject { reason, message },
        },
    }
}

fn check(revision: &Revision, spec: &ExecutionSpec) -> Result<Admitted, (Reason, String)> {
    let input = input_of(revision, spec).map_err(|message| (Reason::InputInvalid, message))?;
    let account = account_of(revision, spec).map_err(|message| (Reason::Forbidden, message))?;
    let defaults = &revision.defaults;
    let effective = Effective {
        timeout_seconds: spec.timeout_seconds.or(defaults.timeout_seconds),
        task_timeout_seconds: spec.task_timeout_seconds.or(defaults.task_timeout_seconds),
        service_account_name: Some(account),
    };
    Ok(Admitted { input, effective })
}

fn input_of(revision: &Revision, spec: &ExecutionSpec) -> Result<Value, String> {
    let program = &revision.program;
    let input = match &spec.input {
        None => Value::Object(Object::default()),
        Some(input) => input.parse().map_err(|error| format!("spec.input is {error}."))?,
    };
    program.check_input(&input).map_err(|error| format!("spec.input cannot be taken: {error}."))?;
    Ok(input)
}

fn account_of(revision: &Revision, spec: &ExecutionSpec) -> Result<String, String> {
    let own = revision.service_account_name.as_deref().unwrap_or(DEFAULT_SERVICE_ACCOUNT);
    let Some(asked) = spec.service_account_name.as_deref() else { return Ok(own.to_owned()) };
    if asked == own || revision.allowed_service_accounts.iter().any(|allowed| allowed == asked) {
        return Ok(asked.to_owned());
    }
    Err(format!(
        "spec.serviceAccountName `{asked}` is not allowed by Flow {}: it runs as `{own}`; others must be listed in its allowedServiceAccounts.",
        revision.flow
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FlowRevisionSpec;

    fn revision() -> Revision {
        let spec = r#"{"flow": "f", "number": 3, "digest": "d", "dialect": "fdl/v1",
            "definition": "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates: [{Type: Succeed, Name: a}]",
            "defaults": {"timeoutSeconds": 60}, "serviceAccountName": "own", "allowedServiceAccounts": ["other"]}"#;
        Revision::compile("f-3", "u", serde_json::from_str::<FlowRevisionSpec>(spec).unwrap()).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn present(is_observed: bool, latest_revision: Option<i64>) -> FlowView {
        let uid = Some("u".to_owned());
        let latest_revision = latest_revision.map(|number| Latest { number, uid });
        FlowView::Present { is_observed, latest_revision, problem: Some("E010: no state `x`".to_owned()) }
    }

    fn ask(flow: &FlowView, revision: Option<&Revision>, spec: &str, now: i64) -> String {
        let spec = serde_json::from_str(&format!(r#"{{"flowRef": {{"name": "f"}} {spec}}}"#)).unwrap();
        match admit(flow, revision, &spec, at(1_000), at(now)) {
            Admission::Accept(Admitted { input, effective }) => format!(
                "{input} {:?} {:?} {}",
                effective.timeout_seconds,
                effective.task_timeout_seconds,
                effective.service_account_name.unwrap()
            ),
            Admission::Wait { reason, message, until } => {
                format!("wait {} {} {message}", reason.as_str(), until.as_second())
            }
            Admission::Reject { reason, message } => format!("reject {} {message}", reason.as_str()),
        }
    }

    #[test]
    fn a_deleted_revision_is_waited_for() {
        let latest_revision = Some(Latest { number: 3, uid: None });
        let flow = FlowView::Present { is_observed: true, latest_revision, problem: None };
        let answer = ask(&flow, None, "", 1_001);
        assert!(answer.starts_with("wait FlowNotReady 1600 FlowRevision f-3 was deleted"), "{answer}");
    }

    #[test]
    fn admission_answers_in_order() {
        let revision = revision();
        let ready = present(true, Some(3));
        let long = format!(r#", "input": {{"a": "{}"}}"#, "x".repeat(65_536));
        let deep = format!(r#", "input": {}{}"#, "[".repeat(101), "]".repeat(101));
        let cases = [
            (
                FlowView::Missing,
                "",
                1_001,
                "wait FlowNotFound 1600 Flow f does not exist. Waits until 1970-01-01T00:26:40Z.",
            ),
            (
                FlowView::Missing,
                r#", "startingDeadlineSeconds": 5"#,
                1_005,
                "reject FlowNotFound Flow f does not exist. Gave up after waiting 5 s.",
            ),
            (FlowView::Missing, r#", "startingDeadlineSeconds": 0"#, 1_000, "reject FlowNotFound"),
            (present(false, Some(2)), "", 1_001, "wait FlowNotReady 1600 Flow f was changed"),
            (present(true, None), "", 1_001, "wait FlowNotReady 1600 Flow f cannot be run yet. E010"),
            (present(true, None), "", 1_600, "reject FlowNotReady"),
            (ready.clone(), "", 1_001, "{} Some(60) None own"),
            (
                ready.clone(),
                r#", "input": {"k": null}, "timeoutSeconds": 0, "taskTimeoutSeconds": 7, "serviceAccountName": "other""#,
                9_999,
                r#"{"k":null} Some(0) Some(7) other"#,
            ),
            (ready.clone(), r#", "serviceAccountName": "own""#, 1_001, "{} Some(60) None own"),
            (
                ready.clone(),
                r#", "serviceAccountName": "admin""#,
                1_001,
                "reject Forbidden spec.serviceAccountName `admin` is not allowed by Flow f",
            ),
            (
                ready.clone(),
                r#", "input": [1]"#,
                1_001,
                "reject InputInvalid spec.input cannot be taken: the input must be a JSON object, found an array.",
            ),
            (
                ready.clone(),
                r#", "input": null"#,
                1_001,
                "reject InputInvalid spec.input cannot be taken: the input must be a JSON object, found null",
            ),
            (
                ready.clone(),
                &long,
                1_001,
                "reject InputInvalid spec.input cannot be taken: the input has 65544 bytes, at most 65536",
            ),
            (ready, &deep, 1_001, "reject InputInvalid spec.input is nested 101 levels deep, at most 100"),
        ];
        for (flow, spec, now, expected) in cases {
            let revision =
                matches!(flow, FlowView::Present { latest_revision: Some(_), .. }).then_some(&revision);
            let answer = ask(&flow, revision, spec, now);
            assert!(answer.starts_with(expected), "{spec:.60}: {answer}");
        }
    }
}
