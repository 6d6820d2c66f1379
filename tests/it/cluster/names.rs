//! One name, one run: what an apply with another spec means, and what judges make of it.

use serde_json::{Value, json};

use super::rig::{Space, condition, execution};

const FLOW: &str = r#"
Type: StateMachine
SpecVersion: v1
StartAt: w
States:
  - {Type: Wait, Name: w, "Seconds.$": $Input.seconds, Next: s}
  - {Type: Succeed, Name: s}
"#;

fn spec(seconds: i64) -> Value {
    json!({"flowRef": {"name": "f"}, "input": {"seconds": seconds}})
}

#[test]
fn another_spec_under_the_same_name_leaves_the_run_untouched() {
    let space = Space::new("names");
    let controller = space.controller();
    space.flow("f", FLOW);
    space.apply(&execution("one", spec(6)));
    space.condition("one", "InProgress", "True", "WaitingForTimer");
    let started = space.execution("one")["status"]["startTime"].clone();
    assert!(condition(&space.execution("one"), "AlreadyExists").is_none());

    // While it runs.
    space.apply(&execution("one", spec(1)));
    let exists = space.condition("one", "AlreadyExists", "True", "ExecutionInProgress");
    assert!(exists["message"].as_str().unwrap().contains("Execution one for flow f is in progress since"));
    assert_eq!(space.kstatus("one"), "InProgress");
    space.apply(&execution("one", spec(6)));
    space.condition("one", "AlreadyExists", "False", "SpecMatches");
    space.apply(&execution("one", spec(1)));
    space.condition("one", "AlreadyExists", "True", "ExecutionInProgress");
    // Also over a restart: the spec it was accepted with is what it runs with.
    controller.kill();
    let _controller = space.controller();
    let ended = space.ended("one");
    assert_eq!(ended["status"]["output"], json!({"seconds": 6}));
    assert_eq!(ended["status"]["startTime"], started);

    // After its end.
    space.condition("one", "AlreadyExists", "True", "ExecutionAlreadyExists");
    assert_eq!(space.kstatus("one"), "Current", "a success is a success");
    space.apply(&execution("one", spec(6)));
    space.condition("one", "AlreadyExists", "False", "SpecMatches");
    space.apply(&execution("one", spec(2)));
    let exists = space.condition("one", "AlreadyExists", "True", "ExecutionAlreadyExists");
    assert!(
        exists["message"].as_str().unwrap().contains("Execution one for flow f already exists."),
        "{exists}"
    );
    let after = space.execution("one");
    for field in ["output", "startTime", "completionTime", "phase", "history"] {
        assert_eq!(after["status"][field], ended["status"][field], "{field}");
    }
    assert_eq!(after["status"]["observedGeneration"], after["metadata"]["generation"]);
    let create = space.try_create(&execution("one", spec(2)));
    assert!(String::from_utf8_lossy(&create.stderr).contains("AlreadyExists"));
    // The name is free again when the object is gone.
    assert!(space.kubectl(&["delete", "executions", "one"]).status.success());
    space.apply(&execution("one", spec(1)));
    assert_eq!(space.output("one"), json!({"seconds": 1}));
}

#[test]
fn a_refused_name_is_used_up_too() {
    let space = Space::new("usedup");
    let _controller = space.controller();
    space.flow("f", FLOW);
    space.apply(&execution("one", json!({"flowRef": {"name": "f"}, "input": []})));
    assert_eq!(space.ended("one")["status"]["phase"], "Rejected");
    space.apply(&execution("one", spec(1)));
    space.condition("one", "AlreadyExists", "True", "ExecutionAlreadyExists");
    let accepted = space.condition("one", "Accepted", "False", "InputInvalid");
    assert!(accepted["message"].as_str().unwrap().contains("must be a JSON object"));
    assert_eq!(space.kstatus("one"), "Failed");
}

#[test]
fn a_table_of_executions_tells_what_matters() {
    let space = Space::new("table");
    let _controller = space.controller();
    space.flow("f", FLOW);
    space.start("done", spec(1));
    space.start("going", spec(300));
    space.ended("done");
    space.condition("going", "InProgress", "True", "WaitingForTimer");
    let table = String::from_utf8(space.kubectl(&["get", "mexec"]).stdout).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "FLOW", "PHASE", "REASON", "STATE", "DURATION", "AGE"]);
    assert_eq!(&rows[1][..4], ["done", "f", "Succeeded", "Succeeded"]);
    assert!(rows[1][4].starts_with("1."), "{table}");
    assert_eq!(&rows[2][..5], ["going", "f", "Running", "WaitingForTimer", "w"]);
    assert!(table.lines().all(|line| line.len() <= 80), "{table}");
    let flows = String::from_utf8(space.kubectl(&["get", "mflow,mrev"]).stdout).unwrap();
    assert!(
        flows.contains("flow.millrace.dev/f") && flows.contains("flowrevision.millrace.dev/f-1"),
        "{flows}"
    );
    let all = String::from_utf8(space.kubectl(&["get", "millrace"]).stdout).unwrap();
    assert!(all.contains("execution.millrace.dev/going"), "{all}");
    let by_phase = space.kubectl(&["get", "mexec", "--field-selector", "status.phase=Running", "-o", "name"]);
    assert_eq!(String::from_utf8_lossy(&by_phase.stdout).trim(), "execution.millrace.dev/going");
    let explained =
        space.kubectl(&["explain", "executions.spec.input", "--api-version=millrace.dev/v1alpha1"]);
    assert!(String::from_utf8_lossy(&explained.stdout).contains("input of the run"), "{explained:?}");
}
