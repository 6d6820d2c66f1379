//! The definitions that are run.

use serde_json::{Value, json};

/// Image of the Jobs: it is there on the node of tests/cluster.
pub const IMAGE: &str = "millrace.test/busybox:1";

/// A flow of three states that need nobody: the input is worked on, looked at and handed out.
pub fn pure() -> String {
    machine(&json!([
        {"Type": "Pass", "Name": "Greet", "Next": "Check",
         "OutputConstructor": {"greeting.$": "format(\"hello {}\", $Input.name)", "count.$": "intAdd($Input.count, 1)"}},
        {"Type": "Choice", "Name": "Check", "Branches": [{"Condition": "$Input.count > 1", "Next": "Done"}], "Default": "Done"},
        {"Type": "Succeed", "Name": "Done"},
    ]))
}

/// So many HTTP calls, one after the other.
pub fn calls(url: &str, count: usize) -> String {
    let states: Vec<Value> = (1..=count).map(|number| call(number, url, number == count)).collect();
    machine(&json!(states))
}

fn call(number: usize, url: &str, is_last: bool) -> Value {
    let mut state = json!({
        "Type": "Task", "Name": format!("Call{number}"), "Action": "HTTP:Request",
        "Parameters": {"url": url, "method": "POST", "body.$": "$Input"},
        "OutputConstructor": {"name.$": "$Input.name", "answer.$": "$Output.body"},
    });
    let (field, value) =
        if is_last { ("End", json!(true)) } else { ("Next", json!(format!("Call{}", number + 1))) };
    state[field] = value;
    state
}

/// A Map over `$Input.items` with one HTTP call each.
pub fn each(url: &str) -> String {
    machine(&json!([{
        "Type": "Map", "Name": "Each", "End": true, "ItemsPath": "$Input.items",
        "Processor": {"StartAt": "Call", "States": [
            {"Type": "Task", "Name": "Call", "Action": "HTTP:Request", "End": true,
             "Parameters": {"url": url}, "OutputConstructor": {"answer.$": "$Output.body"}},
        ]},
    }]))
}

/// Nothing but a long wait.
pub fn wait() -> String {
    machine(&json!([{"Type": "Wait", "Name": "Sleep", "Seconds": 86_400, "End": true}]))
}

/// So many Jobs that do nothing, one after the other.
pub fn jobs(count: usize) -> String {
    let states: Vec<Value> = (1..=count)
        .map(|number| {
            let mut state = json!({
                "Type": "Task", "Name": format!("Job{number}"), "Action": "Kubernetes:RunJob",
                "Parameters": {"image": IMAGE, "command": ["true"]},
            });
            let (field, value) = match number == count {
                true => ("End", json!(true)),
                false => ("Next", json!(format!("Job{}", number + 1))),
            };
            state[field] = value;
            state
        })
        .collect();
    machine(&json!(states))
}

fn machine(states: &Value) -> String {
    let first = &states[0]["Name"];
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": first, "States": states}).to_string()
}
