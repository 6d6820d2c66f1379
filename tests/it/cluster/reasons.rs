//! Why an Execution does not begin: every reason, with what is told of it.

use serde_json::{Value, json};

use super::children::waits;
use super::rig::{Space, condition};

const VALID: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Succeed, Name: s}]";

fn deep(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({"a": inner}))
}

/// A refusal: the Execution, its Flow, what is said of it beside that, the reason, and words of the message.
type Refusal = (&'static str, &'static str, Value, &'static str, &'static str);

/// Those that lie with the Flow.
fn refused_by_flows() -> Vec<Refusal> {
    let qualifier = |text: &str| json!({"flowRef": {"name": "f", "qualifier": text}});
    let missing =
        "timeoutSeconds, taskTimeoutSeconds, childPolicy must be known (Flow strict, spec.requiredDefaults)";
    vec![
        (
            "no-flow",
            "missing",
            json!({"startingDeadlineSeconds": 0}),
            "FlowNotFound",
            "Flow missing does not exist. Gave up after waiting 0 s.",
        ),
        (
            "not-ready",
            "broken",
            json!({"startingDeadlineSeconds": 1}),
            "FlowNotReady",
            "Flow broken cannot be run yet. E0",
        ),
        ("deprecated", "old", json!({}), "FlowDeprecated", "Flow old is deprecated (spec.lifecycle)"),
        ("revision", "f", qualifier("7"), "QualifierNotFound", "Flow f has no revision 7 that can be run."),
        ("alias", "f", qualifier("prod"), "QualifierNotFound", "`prod` is no alias of Flow f"),
        (
            "express",
            "express",
            json!({}),
            "ModeNotSupported",
            "FlowRevision express-1 is Express (spec.executionMode)",
        ),
        ("undefined", "strict", json!({"taskList": "fast"}), "DefaultUndefined", missing),
    ]
}

/// Those that lie with what is asked for.
fn refused_by_themselves() -> Vec<Refusal> {
    let input = |input: Value| json!({"input": input});
    vec![
        (
            "list",
            "f",
            input(json!([1])),
            "InputInvalid",
            "spec.input cannot be taken: the input must be a JSON object, found an array.",
        ),
        ("text", "f", input(json!("{}")), "InputInvalid", "must be a JSON object, found a string"),
        (
            "large",
            "f",
            input(json!({"a": "é".repeat(32_765)})),
            "InputInvalid",
            "spec.input cannot be taken: the input has 65538 bytes, at most 65536",
        ),
        (
            "deep",
            "f",
            input(deep(101)),
            "InputInvalid",
            "spec.input is nested 101 levels deep, at most 100 are allowed",
        ),
        (
            "large-asl",
            "asl",
            input(json!("x".repeat(262_143))),
            "InputInvalid",
            "spec.input cannot be taken: the input has 262145 bytes, at most 262144",
        ),
        (
            "account",
            "f",
            json!({"serviceAccountName": "admin"}),
            "Forbidden",
            "spec.serviceAccountName `admin` is not allowed by Flow f: it runs as `default`",
        ),
        (
            "name",
            "f",
            json!({"name": "My_Exec"}),
            "NameTaken",
            "Execution My_Exec for flow f already exists: first has ended.",
        ),
        (
            "token",
            "f",
            json!({"clientToken": "t-1"}),
            "DuplicateRequest",
            "spec.clientToken is that of Execution first of flow f",
        ),
        (
            "limit",
            "full",
            json!({}),
            "LimitExceeded",
            "Flow full runs 1 at a time (spec.concurrency.limit), as many run, and its policy is Reject.",
        ),
    ]
}

fn check_refused(space: &Space, (name, _, _, reason, words): &Refusal) {
    let ended = space.ended(name);
    let status = &ended["status"];
    assert_eq!(status["phase"], "Rejected", "{name}: {status:#}");
    let accepted = condition(&ended, "Accepted").unwrap();
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!(reason)), "{name}");
    let message = accepted["message"].as_str().unwrap();
    assert!(message.contains(words), "{name}: `{words}` is not in {message}");
    for (type_, said) in [("Succeeded", "False"), ("Complete", "True"), ("Stalled", "True")] {
        let condition = condition(&ended, type_).unwrap();
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&json!(said), &json!("Rejected")),
            "{name}"
        );
    }
    for field in ["startTime", "flowRevision", "checkpoint", "history", "duration"] {
        assert!(status[field].is_null(), "{name} has begun: {field}");
    }
    assert!(status["completionTime"].is_string(), "{name}");
}

#[test]
fn every_refusal_says_why_once_and_nothing_begins() {
    let space = Space::new("reasons");
    let controller = space.controller();
    space.flow("f", VALID);
    space.flow("broken", "Type: StateMachine");
    space.flow_with("old", VALID, json!({"lifecycle": "Deprecated"}));
    space.flow_with("express", VALID, json!({"executionMode": "Express"}));
    space.flow("asl", r#"{"StartAt": "a", "States": {"a": {"Type": "Pass", "End": true}}}"#);
    let required = json!(["childPolicy", "taskTimeoutSeconds", "taskList", "timeoutSeconds"]);
    space.flow_with("strict", VALID, json!({"requiredDefaults": required}));
    let start = |name: &str, flow: &str, more: &Value| {
        let mut spec = json!({"flowRef": {"name": flow}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space.start(name, spec);
    };
    start("first", "f", &json!({"name": "My_Exec", "clientToken": "t-1"}));
    space.output("first");
    // One runs there already, for as long as this takes.
    let full = json!({"concurrency": {"limit": 1, "policy": "Reject"}});
    space.flow_with("full", &waits(300), full);
    start("holds", "full", &json!({}));
    space.condition("holds", "InProgress", "True", "WaitingForTimer");
    let refusals = [refused_by_flows(), refused_by_themselves()].concat();
    refusals.iter().for_each(|(name, flow, more, ..)| start(name, flow, more));
    refusals.iter().for_each(|refusal| check_refused(&space, refusal));
    // One warning for each.
    space.wait("a warning for each", || {
        let events = space.list("events");
        let of = |name: &str| {
            let is_its =
                |event: &&Value| event["involvedObject"]["name"] == *name && event["type"] == "Warning";
            events.iter().filter(is_its).count()
        };
        refusals.iter().all(|(name, ..)| of(name) == 1).then_some(())
    });
    drop(controller);
}

#[test]
fn what_is_just_within_the_limits_begins() {
    let space = Space::new("within");
    let _controller = space.controller();
    space.flow("f", VALID);
    space.flow("asl", r#"{"StartAt": "a", "States": {"a": {"Type": "Pass", "End": true}}}"#);
    for (name, flow, input) in [
        ("deep", "f", deep(100)),
        ("large", "f", json!({"a": "é".repeat(32_764)})),
        ("large-asl", "asl", json!("x".repeat(262_142))),
        ("text", "asl", json!("{}")),
        ("null", "asl", Value::Null),
    ] {
        space.start(name, json!({"flowRef": {"name": flow}, "input": input}));
        assert_eq!(space.ended(name)["status"]["phase"], "Succeeded", "{name}");
    }
    assert_eq!(space.output("text"), json!("{}"));
}
