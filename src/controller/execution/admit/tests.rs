//! Answers of an admission.

use super::*;
use crate::api::FlowRevisionSpec;

fn revision() -> Revision {
    let spec = r#"{"flow": "f", "number": 3, "digest": "d", "dialect": "fdl/v1",
        "definition": "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates: [{Type: Succeed, Name: a}]",
        "defaults": {"timeoutSeconds": 60}, "serviceAccountName": "own", "allowedServiceAccounts": ["other"]}"#;
    Revision::compile("f-3", "u", serde_json::from_str::<FlowRevisionSpec>(spec).unwrap()).unwrap()
}

/// Those of a Flow with these fields, which are an object.
fn terms(fields: &str) -> Terms {
    let fields = fields.strip_prefix('{').unwrap();
    let comma = if fields == "}" { "" } else { ", " };
    let spec: FlowSpec = serde_json::from_str(&format!(r#"{{"definition": ""{comma}{fields}"#)).unwrap();
    spec.into()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn present(is_observed: bool, latest_revision: Option<i64>) -> FlowView {
    let uid = Some("u".to_owned());
    let latest_revision = latest_revision.map(|number| Latest { number, uid });
    FlowView::Present(Box::new(FlowFacts {
        version: 1,
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
    let request = Request { uid: "u", spec: &spec, created_at: at(900), waits_since: at(1_000) };
    match admit(flow, revision, &[], Slot::Free, request, at(now)) {
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
        let terms = self::terms(terms);
        let flow = FlowView::Present(Box::new(FlowFacts { terms, ..*facts }));
        let answer = ask(&flow, Some(&revision), spec, 9_999);
        assert!(answer.starts_with(expected), "{spec}: {answer}");
    }
    let FlowView::Present(facts) = present(true, Some(3)) else { panic!() };
    let terms = terms(aliases);
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
        (FlowView::Leaving, "", 1_001, "wait FlowNotFound 1600 Flow f is being deleted. Waits"),
        (present(false, Some(2)), "", 9_999, "wait FlowNotReady Flow f was changed"),
        (
            present(true, None),
            "",
            1_001,
            "wait FlowNotReady 1600 Flow f cannot be run yet. E010: no state `x`. Waits",
        ),
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
        let revision =
            matches!(&flow, FlowView::Present(flow) if flow.latest_revision.is_some()).then_some(&revision);
        let answer = ask(&flow, revision, spec, now);
        assert!(answer.starts_with(expected), "{spec:.60}: {answer}");
    }
}

#[test]
fn what_is_beyond_the_limit_waits_or_is_refused_and_what_cannot_begin_does_not_wait() {
    let revision = revision();
    let ask = |fields: &str, spec: &str, slot: Slot| {
        let FlowView::Present(facts) = present(true, Some(3)) else { panic!() };
        let flow = FlowView::Present(Box::new(FlowFacts { terms: terms(fields), ..*facts }));
        let spec = serde_json::from_str(&format!(r#"{{"flowRef": {{"name": "f"}}{spec}}}"#)).unwrap();
        let request = Request { uid: "u", spec: &spec, created_at: at(0), waits_since: at(0) };
        match admit(&flow, Some(&revision), &[], slot, request, at(9_999)) {
            Admission::Accept(_) => "accept".to_owned(),
            Admission::Wait { reason, message, until } => {
                assert_eq!(until, None);
                format!("wait {} {message}", reason.as_str())
            }
            Admission::Reject { reason, message } => format!("reject {} {message}", reason.as_str()),
        }
    };
    let taken = Slot::Taken(Place { position: 3, waiting: 57, limit: 9, is_due: false });
    let queue = r#"{"concurrency": {"limit": 9}}"#;
    let reject = r#"{"concurrency": {"limit": 9, "policy": "Reject"}}"#;
    let cases = [
        (queue, "", Slot::Free, "accept"),
        (
            queue,
            r#", "startingDeadlineSeconds": 0"#,
            taken,
            "wait Queued Flow f runs 9 at a time (spec.concurrency.limit): position 3 of 57 in its queue.",
        ),
        (queue, "", Slot::Unknown, "wait Queued It is being found out"),
        (reject, "", Slot::Free, "accept"),
        (reject, "", Slot::Unknown, "wait Queued It is being found out"),
        (
            reject,
            "",
            taken,
            "reject LimitExceeded Flow f runs 9 at a time (spec.concurrency.limit), as many run",
        ),
        (queue, r#", "input": [1]"#, taken, "reject InputInvalid"),
        (queue, r#", "suspend": true"#, taken, "wait Suspended"),
    ];
    for (fields, spec, slot, expected) in cases {
        let answer = ask(fields, spec, slot);
        assert!(answer.starts_with(expected), "{fields} {spec}: {answer}");
    }
}
