//! What begins, what waits, what is refused.

use serde_json::json;

use super::rig::{Space, condition, manifest};

const GREET: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates: [{Type: Succeed, Name: a}]";

#[test]
fn an_execution_waits_for_its_flow_and_for_a_valid_definition() {
    let space = Space::new("waits");
    let _controller = space.controller();
    space.start("one", json!({"flowRef": {"name": "late"}}));
    space.condition("one", "Accepted", "Unknown", "FlowNotFound");
    let waiting = space.condition("one", "InProgress", "True", "FlowNotFound");
    assert!(waiting["message"].as_str().unwrap().contains("Flow late does not exist."));
    assert_eq!(space.execution("one")["status"]["phase"], "Starting");
    assert_eq!(space.kstatus("one"), "InProgress");
    space.apply(&manifest("Flow", "late", json!({"definition": "Type: StateMachine"})).to_string());
    // Before the Flow was looked at, the message says so.
    space.condition_saying("one", "Accepted", "Unknown", "FlowNotReady", "E004");
    space.apply(&manifest("Flow", "late", json!({"definition": GREET})).to_string());
    space.output("one");
    assert_eq!(space.kstatus("one"), "Current");
}

#[test]
fn waiting_ends_with_the_starting_deadline() {
    let space = Space::new("deadline");
    let _controller = space.controller();
    space.start("soon", json!({"flowRef": {"name": "missing"}, "startingDeadlineSeconds": 2}));
    space.start("at-once", json!({"flowRef": {"name": "missing"}, "startingDeadlineSeconds": 0}));
    for name in ["soon", "at-once"] {
        let ended = space.ended(name);
        assert_eq!(ended["status"]["phase"], "Rejected");
        let accepted = condition(&ended, "Accepted").unwrap();
        assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("FlowNotFound")));
        assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], "Rejected");
        assert_eq!(condition(&ended, "Stalled").unwrap()["status"], "True");
        assert_eq!(space.kstatus(name), "Failed");
    }
}

#[test]
fn a_refusal_says_which_field_what_was_found_and_what_is_allowed() {
    let space = Space::new("refused");
    let _controller = space.controller();
    space.flow_with(
        "greet",
        GREET,
        json!({"serviceAccountName": "runner", "allowedServiceAccounts": ["other"]}),
    );
    let long = "x".repeat(70_000);
    let cases = [
        (
            "a-list",
            json!({"input": [1]}),
            "InputInvalid",
            "spec.input cannot be taken: the input must be a JSON object, found an array.",
        ),
        ("a-null", json!({"input": null}), "InputInvalid", "found null"),
        (
            "too-long",
            json!({"input": {"a": long}}),
            "InputInvalid",
            "spec.input cannot be taken: the input has 70008 bytes, at most 65536",
        ),
        (
            "not-allowed",
            json!({"serviceAccountName": "admin"}),
            "Forbidden",
            "`admin` is not allowed by Flow greet",
        ),
    ];
    for (name, mut spec, reason, message) in cases {
        spec["flowRef"] = json!({"name": "greet"});
        space.start(name, spec);
        let ended = space.ended(name);
        assert_eq!(ended["status"]["phase"], "Rejected", "{name}");
        let accepted = condition(&ended, "Accepted").unwrap();
        assert_eq!(accepted["reason"], reason, "{name}");
        assert!(accepted["message"].as_str().unwrap().contains(message), "{accepted}");
    }
    space.start("allowed", json!({"flowRef": {"name": "greet"}, "serviceAccountName": "other"}));
    space.output("allowed");
    assert_eq!(space.execution("allowed")["status"]["effective"]["serviceAccountName"], "other");
    // Each refusal makes one warning.
    space.wait("warnings", || {
        let events = space.list("events");
        let refused =
            events.iter().filter(|event| event["reason"] == "Rejected" && event["type"] == "Warning");
        (refused.count() == 4).then_some(())
    });
}

#[test]
fn a_run_keeps_its_revision_whatever_becomes_of_its_flow() {
    let space = Space::new("pinned");
    let controller = space.controller();
    let flow = |word: &str| {
        format!(
            "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates:\n  - {{Type: Wait, Name: w, Seconds: 10, Next: s}}\n  - {{Type: Succeed, Name: s, OutputConstructor: {{word: {word}}}}}\n"
        )
    };
    space.flow("words", &flow("first"));
    space.start("old", json!({"flowRef": {"name": "words"}}));
    space.condition("old", "InProgress", "True", "WaitingForTimer");
    space.flow("words", &flow("second"));
    space.start("new", json!({"flowRef": {"name": "words"}}));
    space.condition("new", "InProgress", "True", "WaitingForTimer");
    space.flow("words", "Type: Nonsense");
    space.start("newest", json!({"flowRef": {"name": "words"}}));
    space.condition("newest", "InProgress", "True", "WaitingForTimer");
    assert!(space.kubectl(&["delete", "flow", "words"]).status.success());
    controller.kill();
    let _controller = space.controller();
    assert_eq!(space.output("old"), json!({"word": "first"}));
    assert_eq!(space.output("new"), json!({"word": "second"}));
    assert_eq!(space.output("newest"), json!({"word": "second"}));
    // Numbers go on when a Flow of the name is made again; content that was published is found again.
    space.flow("words", &flow("third"));
    assert_eq!(space.get("flow", "words").unwrap()["status"]["latestRevision"], 3);
    space.flow("words", &flow("first"));
    assert_eq!(space.get("flow", "words").unwrap()["status"]["latestRevision"], 1);
}

#[test]
fn an_invalid_flow_says_all_that_is_wrong_with_line_and_column() {
    let space = Space::new("invalid");
    let _controller = space.controller();
    let broken = "Type: StateMachine\nSpecVersion: v1\nStartAt: nowhere\nStates:\n  - {Type: Pas, Name: a, End: true}\n  - {Type: Pass, Name: b, Next: c}\n";
    space.flow("broken", broken);
    let status = space.get("flow", "broken").unwrap()["status"].clone();
    assert_eq!(status["flowStatus"], "Draft");
    let diagnostics: Vec<_> = status["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["code"].as_str().unwrap(), d["line"].as_i64().unwrap(), d["column"].as_i64().unwrap()))
        .collect();
    assert_eq!(diagnostics, [("E010", 3, 10), ("E008", 5, 12), ("E010", 6, 33)]);
    for (name, definition, code) in [
        ("text", json!("just text"), "E002"),
        ("yaml", json!("a: [1"), "E001"),
        ("number", json!(7), "E002"),
        ("deep", serde_json::from_str(&("[".repeat(110) + &"]".repeat(110))).unwrap(), "E001"),
    ] {
        space.apply(&manifest("Flow", name, json!({"definition": definition})).to_string());
        let ready = space.wait("the flow to be looked at", || {
            let flow = space.get("flow", name)?;
            flow["status"]["diagnostics"][0]["code"].as_str().map(str::to_owned)
        });
        assert_eq!(ready, code, "{name}");
    }
}
