//! What `kubectl get` shows of Executions and Flows.

use serde_json::{Value, json};

use super::rig::Space;

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
    assert_eq!(rows[1][4], space.execution("done")["status"]["duration"].as_str().unwrap(), "{table}");
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
