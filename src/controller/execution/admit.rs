//! Admission: whether an Execution begins, waits or is refused. A pure function: the same answer
//! wherever it is asked.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::qualifier::{Qualified, qualified};
use super::siblings::{self, Sibling};
use super::status::instant_text;
use crate::api::execution::{Effective, STARTING_DEADLINE_SECONDS};
use crate::api::flow::{Alias, ExecutionMode, FlowDefaults, Lifecycle, NameReuse, RequiredDefault};
use crate::api::flow_revision::revision_name;
use crate::api::{DEFAULT_SERVICE_ACCOUNT, ExecutionSpec, Reason};
use crate::controller::revision::Revision;
use crate::engine::rfc3339;
use crate::expr::Attribute;
use crate::value::{Object, Value};

/// What is known of a Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowView {
    /// It does not exist.
    Missing,
    /// It exists.
    Present(Box<FlowFacts>),
}

/// What is known of a Flow that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFacts {
    /// Whether its newest spec was looked at.
    pub is_observed: bool,
    /// The newest valid definition.
    pub latest_revision: Option<Latest>,
    /// What is wrong with the newest definition.
    pub problem: Option<String>,
    /// On what terms Executions begin.
    pub terms: Terms,
}

/// On what terms the Executions of a Flow begin: that of its spec which is no part of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terms {
    /// What must be known.
    pub required_defaults: Vec<RequiredDefault>,
    /// Names for revisions.
    pub aliases: Vec<Alias>,
    /// Whether any may begin.
    pub lifecycle: Option<Lifecycle>,
    /// Whether all wait for now.
    pub suspend: Option<bool>,
    /// Whether names start again.
    pub name_reuse: Option<NameReuse>,
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
    /// It waits.
    Wait {
        /// Why.
        reason: Reason,
        /// Why, for a person.
        message: String,
        /// When it is refused for the same reason, if ever.
        until: Option<Timestamp>,
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
    /// What its definition can read of it.
    pub attributes: BTreeMap<Attribute, Value>,
    /// The alias that has led to its revision.
    pub alias: Option<String>,
    /// Which run of its name it is, where the Flow takes names again.
    pub run_number: Option<i64>,
}

/// Who wants to begin.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Uid of the Execution.
    pub uid: &'a str,
    /// What it asks for.
    pub spec: &'a ExecutionSpec,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why an Execution does not begin.
enum Hindrance {
    /// It passes by itself, or when somebody wants it to: it is waited out.
    Passing(Reason, String),
    /// It is waited out until the starting deadline.
    Awaited(Reason, String),
    /// It never passes.
    Final(Reason, String),
}

/// Decides. The revision is the one that is asked for, where there is one; the others are those of the same
/// name or token.
#[must_use]
pub fn admit(
    flow: &FlowView,
    revision: Option<&Revision>,
    others: &[Sibling],
    request: Request<'_>,
    now: Timestamp,
) -> Admission {
    let hindrance = match admitted(flow, revision, others, request) {
        Ok(admitted) => return Admission::Accept(admitted),
        Err(hindrance) => hindrance,
    };
    match hindrance {
        Hindrance::Passing(reason, message) => Admission::Wait { reason, message, until: None },
        Hindrance::Final(reason, message) => Admission::Reject { reason, message },
        Hindrance::Awaited(reason, message) => {
            let seconds = request.spec.starting_deadline_seconds.unwrap_or(STARTING_DEADLINE_SECONDS);
            let deadline = request.created_at.saturating_add(SignedDuration::from_secs(seconds));
            let until = deadline.unwrap_or(Timestamp::MAX);
            if until > now {
                let message = format!("{message} Waits until {}.", instant_text(until));
                return Admission::Wait { reason, message, until: Some(until) };
            }
            Admission::Reject { reason, message: format!("{message} Gave up after waiting {seconds} s.") }
        }
    }
}

fn admitted(
    flow: &FlowView,
    revision: Option<&Revision>,
    others: &[Sibling],
    request: Request<'_>,
) -> Result<Admitted, Hindrance> {
    let flow = open(flow, request.spec)?;
    let terms = &flow.terms;
    let qualified = qualified(&terms.aliases, request.uid, &request.spec.flow_ref)
        .map_err(|message| Hindrance::Final(Reason::QualifierNotFound, message))?;
    let Some(revision) = revision else { return Err(without_revision(flow, qualified, request.spec)) };
    let refused = |(reason, message)| Hindrance::Final(reason, message);
    let admitted = check(revision, terms, request.spec).map_err(refused)?;
    let reuse = terms.name_reuse.unwrap_or_default();
    let run_number = siblings::run_number(others, request, reuse).map_err(refused)?;
    Ok(Admitted { alias: qualified.and_then(|qualified| qualified.alias), run_number, ..admitted })
}

/// The Flow, where it and the Execution let something begin at all.
fn open<'f>(flow: &'f FlowView, spec: &ExecutionSpec) -> Result<&'f FlowFacts, Hindrance> {
    let name = &spec.flow_ref.name;
    if spec.suspend == Some(true) {
        let message = "The Execution is suspended (spec.suspend). Starts once it no longer is.";
        return Err(Hindrance::Passing(Reason::Suspended, message.to_owned()));
    }
    let FlowView::Present(flow) = flow else {
        return Err(Hindrance::Awaited(Reason::FlowNotFound, format!("Flow {name} does not exist.")));
    };
    if flow.terms.lifecycle == Some(Lifecycle::Deprecated) {
        let message = format!("Flow {name} is deprecated (spec.lifecycle): nothing of it starts any more.");
        return Err(Hindrance::Final(Reason::FlowDeprecated, message));
    }
    if flow.terms.suspend == Some(true) {
        let message = format!("Flow {name} is suspended (spec.suspend). Starts once it no longer is.");
        return Err(Hindrance::Passing(Reason::FlowSuspended, message));
    }
    if !flow.is_observed {
        // That is for the controller itself to do, and no reason to give up: a Flow that is applied together
        // with an Execution, or resumed for one that has waited for long, is looked at in a moment.
        let message = format!("Flow {name} was changed and has not been looked at yet.");
        return Err(Hindrance::Passing(Reason::FlowNotReady, message));
    }
    Ok(flow)
}

fn without_revision(flow: &FlowFacts, qualified: Option<Qualified>, spec: &ExecutionSpec) -> Hindrance {
    let name = &spec.flow_ref.name;
    if let Some(Qualified { number, alias }) = qualified {
        let through = alias.map_or_else(String::new, |alias| format!(", to which alias `{alias}` leads"));
        let message = format!("Flow {name} has no revision {number} that can be run{through}.");
        return Hindrance::Final(Reason::QualifierNotFound, message);
    }
    let message = if let Some(Latest { number, uid: None }) = flow.latest_revision {
        format!("FlowRevision {} was deleted; Flow {name} is published anew.", revision_name(name, number))
    } else {
        let problem = flow.problem.as_deref().map_or_else(String::new, |problem| format!(" {problem}"));
        format!("Flow {name} cannot be run yet.{problem}")
    };
    Hindrance::Awaited(Reason::FlowNotReady, message)
}

fn check(revision: &Revision, terms: &Terms, spec: &ExecutionSpec) -> Result<Admitted, (Reason, String)> {
    if revision.execution_mode == ExecutionMode::Express {
        let message = format!(
            "FlowRevision {} is Express (spec.executionMode), and nothing runs those yet. Make it Standard.",
            revision.name
        );
        return Err((Reason::ModeNotSupported, message));
    }
    let input = input_of(revision, spec).map_err(|message| (Reason::InputInvalid, message))?;
    let account = account_of(revision, spec).map_err(|message| (Reason::Forbidden, message))?;
    let effective = Effective { service_account_name: Some(account), ..effective(spec, &revision.defaults) };
    require(&terms.required_defaults, &effective, spec)
        .map_err(|message| (Reason::DefaultUndefined, message))?;
    let attributes = attributes(spec, &effective);
    Ok(Admitted { input, attributes, effective, alias: None, run_number: None })
}

/// Values after all defaults, but for the account.
#[must_use]
pub fn effective(spec: &ExecutionSpec, defaults: &FlowDefaults) -> Effective {
    Effective {
        timeout_seconds: spec.timeout_seconds.or(defaults.timeout_seconds),
        task_timeout_seconds: spec.task_timeout_seconds.or(defaults.task_timeout_seconds),
        service_account_name: None,
        priority: spec.priority.or(defaults.priority),
        task_list: spec.task_list.clone().or_else(|| defaults.task_list.clone()),
    }
}

/// All that lacks, in the order in which SWF asks for it (start-apis.md §2.2).
fn require(required: &[RequiredDefault], effective: &Effective, spec: &ExecutionSpec) -> Result<(), String> {
    let known = [
        (RequiredDefault::TimeoutSeconds, "timeoutSeconds", effective.timeout_seconds.is_some()),
        (RequiredDefault::TaskList, "taskList", effective.task_list.is_some()),
        (RequiredDefault::TaskTimeoutSeconds, "taskTimeoutSeconds", effective.task_timeout_seconds.is_some()),
    ];
    let missing: Vec<_> = known
        .into_iter()
        .filter(|(value, _, is_known)| !is_known && required.contains(value))
        .map(|(_, name, _)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} must be known (Flow {}, spec.requiredDefaults), and neither spec nor the Flow's defaults say.",
        missing.join(", "),
        spec.flow_ref.name
    ))
}

/// What a definition can read of its Execution.
#[must_use]
pub fn attributes(spec: &ExecutionSpec, effective: &Effective) -> BTreeMap<Attribute, Value> {
    let texts = |texts: &[String]| texts.iter().map(|text| Value::from(text.as_str())).collect::<Value>();
    let parameters = || {
        let members =
            spec.parameters.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        Value::Object(members.collect::<Object>())
    };
    let said = [
        (Attribute::Tags, (!spec.tags.is_empty()).then(|| texts(&spec.tags))),
        (Attribute::Priority, effective.priority.map(|priority| Value::from(i64::from(priority)))),
        (Attribute::TaskList, effective.task_list.as_deref().map(Value::from)),
        (Attribute::Parameters, (!spec.parameters.is_empty()).then(parameters)),
        (Attribute::ScheduledTime, spec.scheduled_time.map(|at| Value::from(rfc3339(at)))),
    ];
    said.into_iter().filter_map(|(attribute, value)| Some((attribute, value?))).collect()
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
        FlowView::Present(Box::new(FlowFacts {
            is_observed,
            latest_revision,
            problem: Some("E010: no state `x`".to_owned()),
            terms: Terms::default(),
        }))
    }

    fn ask(flow: &FlowView, revision: Option<&Revision>, spec: &str, now: i64) -> String {
        let flow_ref = if spec.contains("flowRef") { "" } else { r#""flowRef": {"name": "f"}"# };
        let spec = if flow_ref.is_empty() { spec.trim_start_matches(", ") } else { spec };
        let spec = serde_json::from_str(&format!("{{{flow_ref}{spec}}}")).unwrap();
        let request = Request { uid: "u", spec: &spec, created_at: at(1_000) };
        match admit(flow, revision, &[], request, at(now)) {
            Admission::Accept(Admitted { input, effective, attributes, alias, run_number: None }) => format!(
                "{input} {:?} {:?} {} {} {}",
                effective.timeout_seconds,
                effective.task_timeout_seconds,
                effective.service_account_name.unwrap(),
                alias.unwrap_or_default(),
                serde_json::to_string(&attributes).unwrap()
            ),
            Admission::Accept(admitted) => panic!("{admitted:?}"),
            Admission::Wait { reason, message, until } => {
                let until = until.map_or_else(String::new, |until| format!(" {}", until.as_second()));
                format!("wait {}{until} {message}", reason.as_str())
            }
            Admission::Reject { reason, message } => format!("reject {} {message}", reason.as_str()),
        }
    }

    #[test]
    fn a_deleted_revision_is_waited_for() {
        let latest_revision = Some(Latest { number: 3, uid: None });
        let facts = FlowFacts { is_observed: true, latest_revision, ..FlowFacts::default() };
        let flow = FlowView::Present(Box::new(facts));
        let answer = ask(&flow, None, "", 1_001);
        assert!(answer.starts_with("wait FlowNotReady 1600 FlowRevision f-3 was deleted"), "{answer}");
    }

    #[test]
    fn a_flow_sets_terms() {
        let aliases = r#"{"aliases": [{"name": "prod", "routes": [{"revision": 3, "weight": 1}]}]}"#;
        let required = r#"{"requiredDefaults": ["taskTimeoutSeconds", "taskList", "timeoutSeconds"]}"#;
        let said = r#", "tags": ["a"], "priority": -5, "taskList": "l", "parameters": {"k": "v"}, "scheduledTime": "2018-11-21T07:06:07.503Z""#;
        let cases = [
            (r#"{"lifecycle": "Deprecated"}"#, "", "reject FlowDeprecated Flow f is deprecated"),
            (r#"{"lifecycle": "Deprecated", "suspend": true}"#, "", "reject FlowDeprecated"),
            // Without a deadline, whatever the Execution says.
            (
                r#"{"suspend": true}"#,
                r#", "startingDeadlineSeconds": 0"#,
                "wait FlowSuspended Flow f is suspended",
            ),
            (r#"{"suspend": false, "lifecycle": "Registered"}"#, "", "{} Some(60) None own  {}"),
            (aliases, r#", "flowRef": {"name": "f", "qualifier": "prod"}"#, "{} Some(60) None own prod {}"),
            (aliases, r#", "flowRef": {"name": "f", "qualifier": "3"}"#, "{} Some(60) None own  {}"),
            (
                aliases,
                r#", "flowRef": {"name": "f", "qualifier": "test"}"#,
                "reject QualifierNotFound spec.flowRef.qualifier `test` is no alias of Flow f: it has `prod`.",
            ),
            (
                required,
                r#", "taskTimeoutSeconds": 0"#,
                "reject DefaultUndefined taskList must be known (Flow f, spec.requiredDefaults)",
            ),
            (required, "", "reject DefaultUndefined taskList, taskTimeoutSeconds must be known"),
            (
                required,
                r#", "taskTimeoutSeconds": 0, "taskList": "l""#,
                r#"{} Some(60) Some(0) own  {"taskList":"l"}"#,
            ),
            (
                "{}",
                said,
                r#"{} Some(60) None own  {"tags":["a"],"priority":-5,"taskList":"l","parameters":{"k":"v"},"scheduledTime":"2018-11-21T07:06:07.503Z"}"#,
            ),
        ];
        let revision = revision();
        for (terms, spec, expected) in cases {
            let FlowView::Present(facts) = present(true, Some(3)) else { panic!() };
            let terms = serde_json::from_str(terms).unwrap();
            let flow = FlowView::Present(Box::new(FlowFacts { terms, ..*facts }));
            let answer = ask(&flow, Some(&revision), spec, 9_999);
            assert!(answer.starts_with(expected), "{spec}: {answer}");
        }
        let FlowView::Present(facts) = present(true, Some(3)) else { panic!() };
        let terms: Terms = serde_json::from_str(aliases).unwrap();
        let flow = FlowView::Present(Box::new(FlowFacts { terms, ..*facts }));
        for (qualifier, through) in [("9", ""), ("prod", ", to which alias `prod` leads")] {
            let spec = format!(r#", "flowRef": {{"name": "f", "qualifier": "{qualifier}"}}"#);
            let answer = ask(&flow, None, &spec, 1_001);
            assert!(answer.starts_with("reject QualifierNotFound Flow f has no revision"), "{answer}");
            assert!(answer.ends_with(&format!("that can be run{through}.")), "{answer}");
        }
        let express = Revision { execution_mode: ExecutionMode::Express, ..revision };
        let answer = ask(&present(true, Some(3)), Some(&express), "", 1_001);
        assert!(answer.starts_with("reject ModeNotSupported FlowRevision f-3 is Express"), "{answer}");
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
            (present(false, Some(2)), "", 9_999, "wait FlowNotReady Flow f was changed"),
            (present(true, None), "", 1_001, "wait FlowNotReady 1600 Flow f cannot be run yet. E010"),
            (present(true, None), "", 1_600, "reject FlowNotReady"),
            (ready.clone(), "", 1_001, "{} Some(60) None own  {}"),
            (
                ready.clone(),
                r#", "input": {"k": null}, "timeoutSeconds": 0, "taskTimeoutSeconds": 7, "serviceAccountName": "other""#,
                9_999,
                r#"{"k":null} Some(0) Some(7) other  {}"#,
            ),
            (ready.clone(), r#", "serviceAccountName": "own""#, 1_001, "{} Some(60) None own  {}"),
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
            let revision = matches!(&flow, FlowView::Present(flow) if flow.latest_revision.is_some())
                .then_some(&revision);
            let answer = ask(&flow, revision, spec, now);
            assert!(answer.starts_with(expected), "{spec:.60}: {answer}");
        }
    }
}
