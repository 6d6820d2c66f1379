//! How long a run, a task and a state may take: nothing said, 0, and the most that can be said.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rig::Space;
use crate::service::{Answer, Service};

const YEAR: i64 = 31_536_000;

fn flow(url: &str, timeout: &Value) -> String {
    let mut task = json!({"Type": "Task", "Name": "Ask", "Action": "HTTP:Request", "End": true,
        "Parameters": {"url": url, "timeoutSeconds": 3_000}});
    if !timeout.is_null() {
        task["Timeout"] = timeout.clone();
    }
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": [task]}).to_string()
}

/// A service that never answers.
fn silent() -> Service {
    Service::on_thread(|_, _| std::future::pending::<Answer>())
}

/// For how many seconds the task of a run may go on, as its status says.
fn patience(execution: &Value) -> Option<i64> {
    let active = &execution["status"]["active"][0];
    let at = |field: &str| active[field].as_str()?.parse::<Timestamp>().ok();
    Some(at("deadline")?.as_second() - at("since")?.as_second())
}

#[test]
fn a_task_has_the_time_of_its_state_else_of_its_run_else_of_its_flow() {
    let service = silent();
    let space = Space::new("patience");
    let _controller = space.controller();
    let url = service.url("/");
    let defaults = json!({"defaults": {"taskTimeoutSeconds": 500}});
    space.flow("plain", &flow(&url, &Value::Null));
    space.flow_with("with-default", &flow(&url, &Value::Null), defaults.clone());
    space.flow_with("with-state", &flow(&url, &json!(400)), defaults);
    let cases = [
        ("nothing", "plain", json!({}), None, Value::Null),
        ("zero", "plain", json!({"taskTimeoutSeconds": 0}), None, json!(0)),
        ("most", "plain", json!({"taskTimeoutSeconds": YEAR}), Some(YEAR), json!(YEAR)),
        ("flows", "with-default", json!({}), Some(500), json!(500)),
        ("own", "with-default", json!({"taskTimeoutSeconds": 300}), Some(300), json!(300)),
        ("own-zero", "with-default", json!({"taskTimeoutSeconds": 0}), None, json!(0)),
        ("states", "with-state", json!({"taskTimeoutSeconds": 300}), Some(400), json!(300)),
    ];
    for (name, flow, more, ..) in &cases {
        let mut spec = json!({"flowRef": {"name": flow}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space.start(name, spec);
    }
    for (name, _, _, expected, effective) in &cases {
        let told = space.condition(name, "InProgress", "True", "WaitingForTask");
        let execution = space.execution(name);
        assert_eq!(patience(&execution), *expected, "{name}: {told}");
        assert_eq!(execution["status"]["effective"]["taskTimeoutSeconds"], *effective, "{name}");
        let message = told["message"].as_str().unwrap();
        let words = if expected.is_some() { "given up at" } else { "without a time-out of its own" };
        assert!(message.contains(words), "{name}: {message}");
    }
    space.start("soon", json!({"flowRef": {"name": "plain"}, "taskTimeoutSeconds": 1}));
    assert_eq!(space.ended("soon")["status"]["error"], "FnF.TaskTimeout");
}

#[test]
fn a_run_has_its_own_time_else_that_of_its_flow_else_that_of_its_definition() {
    let space = Space::new("runtime");
    let _controller = space.controller();
    let waits = |timeout: Value| {
        let mut definition = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Rest",
            "States": [{"Type": "Wait", "Name": "Rest", "Seconds": 3, "End": true}]});
        if !timeout.is_null() {
            definition["Timeout"] = timeout;
        }
        definition.to_string()
    };
    space.flow("plain", &waits(Value::Null));
    space.flow_with("with-default", &waits(Value::Null), json!({"defaults": {"timeoutSeconds": 0}}));
    let asl = json!({"StartAt": "Rest", "TimeoutSeconds": 1,
        "States": {"Rest": {"Type": "Wait", "Seconds": 3, "End": true}}});
    space.flow("with-own", &asl.to_string());
    let cases = [
        ("nothing", "plain", json!({}), "Succeeded"),
        ("zero", "plain", json!({"timeoutSeconds": 0}), "TimedOut"),
        ("most", "plain", json!({"timeoutSeconds": YEAR}), "Succeeded"),
        ("flows", "with-default", json!({}), "TimedOut"),
        ("own", "with-default", json!({"timeoutSeconds": YEAR}), "Succeeded"),
        ("definitions", "with-own", json!({}), "TimedOut"),
        ("longer", "with-own", json!({"timeoutSeconds": 600}), "Succeeded"),
    ];
    for (name, flow, more, _) in &cases {
        let mut spec = json!({"flowRef": {"name": flow}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space.start(name, spec);
    }
    for (name, _, more, phase) in &cases {
        let status = space.ended(name)["status"].clone();
        assert_eq!(status["phase"], *phase, "{name}: {status:#}");
        if more["timeoutSeconds"] == json!(0) {
            assert_eq!(status["startTime"], status["completionTime"], "{name} has done nothing");
        }
    }
}
