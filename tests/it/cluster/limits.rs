//! What is too large, too long or never ends: a named error of the one it belongs to, and nobody else's.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{Space, execution, manifest};
use crate::service::{Answer, Service};

/// A definition of these states, beginning with the first.
pub fn definition(states: &[Value]) -> String {
    let first = &states[0]["Name"];
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": first, "States": states}).to_string()
}

/// Text that does not compress well, another for each number.
pub fn noise(number: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64.wrapping_mul(2 * number as u64 + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + u8::try_from(state % 64).unwrap())
    };
    (0..60_000).map(|_| next()).map(|c| if matches!(c, '"' | '\\') { '~' } else { c }).collect()
}

#[test]
fn an_answer_over_the_limit_is_an_error_that_can_be_caught() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::start(|asked, _| match &*asked.path {
        "/long" => Answer::json(&json!({"x": "x".repeat(65_528)})),
        "/too-long" => Answer::json(&json!({"x": "x".repeat(65_529)})),
        "/huge" => Answer::status(200, &"x".repeat(3 << 20)),
        _ => Answer::json(&json!({"half": "x".repeat(40_000)})),
    }));
    let space = Space::new("answers");
    let _controller = space.controller();
    let post = json!([{"resource": "Ask:*", "url": "placeholder"}]);
    let flow = |name: &str, output: Value, is_caught: bool| {
        let mut task = json!({"Type": "Task", "Name": "Ask", "Action": "Ask:It", "End": true});
        if !output.is_null() {
            task["OutputConstructor"] = output;
        }
        if is_caught {
            task["Catch"] = json!([{"Errors": ["FnF.EntityTooLarge"], "Next": "Caught", "OutputConstructor": {
                "code.$": "$Context.Current.Error.Code", "detail.$": "$Context.Current.Error.Detail",
            }}]);
        }
        let mut bindings = post.clone();
        bindings[0]["url"] = json!(service.url(&format!("/{}", name.trim_end_matches("-caught"))));
        let states = [task, json!({"Type": "Succeed", "Name": "Caught"})];
        space.flow_with(name, &definition(&states), json!({"bindings": bindings}));
        space.start(name, json!({"flowRef": {"name": name}}));
    };
    flow("long", Value::Null, false);
    flow("too-long", Value::Null, false);
    flow("too-long-caught", Value::Null, true);
    flow("huge-caught", Value::Null, true);
    flow("twice-caught", json!({"a.$": "$Output.half", "b.$": "$Output.half"}), true);
    assert_eq!(space.output("long")["x"].as_str().unwrap().len(), 65_528);
    let failed = space.ended("too-long")["status"].clone();
    assert_eq!((&failed["phase"], &failed["error"]), (&json!("Failed"), &json!("FnF.EntityTooLarge")));
    assert!(failed["cause"].as_str().unwrap().contains("65537 bytes, at most 65536"), "{}", failed["cause"]);
    for (name, detail) in [
        ("too-long-caught", "at most 65536"),
        ("huge-caught", "more than 1048576 bytes"),
        ("twice-caught", "at most 65536"),
    ] {
        let caught = space.output(name);
        assert_eq!(caught["code"], "FnF.EntityTooLarge", "{name}");
        assert!(caught["detail"].as_str().unwrap().contains(detail), "{name}: {caught}");
    }
    drop(runtime);
}

/// Definitions that go round for ever, each in its own way.
fn endless() -> Vec<(&'static str, String)> {
    let pass = |name: &str, next: &str| json!({"Type": "Pass", "Name": name, "Next": next});
    let choice = json!({"Type": "Choice", "Name": "b", "Default": "a", "Branches": [
        {"Condition": "$Input.text == \"never\"", "Next": "c"},
    ]});
    let heavy = json!({"Type": "Pass", "Name": "a", "Next": "b", "OutputConstructor": {
        "text.$": "format(\"{}{}\", uuid(), $Context.Execution.Input.text)",
    }});
    let retry = json!([{"Errors": ["FnF.ALL"], "MaxAttempts": 1_000_000, "IntervalSeconds": 0}]);
    // One that is done by nobody fails at once; fifty states stand between it and itself.
    let mut with_task = vec![json!({"Type": "Task", "Name": "s0", "Action": "No:Body", "Next": "s1",
        "Catch": [{"Errors": ["FnF.ALL"], "Next": "s1"}]})];
    with_task.extend((1..=50).map(|n| pass(&format!("s{n}"), &format!("s{}", (n + 1) % 51))));
    let end = json!({"Type": "Succeed", "Name": "c"});
    vec![
        ("pure", definition(&[pass("a", "b"), choice.clone(), end.clone()])),
        ("heavy", definition(&[heavy, choice, end])),
        ("tasks", definition(&with_task)),
        (
            "within",
            definition(&[
                json!({"Type": "Map", "Name": "m", "ItemsPath": "$Input.list", "End": true, "Processor": {
                    "StartAt": "a", "States": [pass("a", "b"), pass("b", "a")],
                }}),
            ]),
        ),
        (
            "retries",
            definition(&[json!({"Type": "Parallel", "Name": "p", "End": true, "Retry": retry, "Branches": [
                {"StartAt": "a", "States": [pass("a", "b"), pass("b", "a")]},
            ]})]),
        ),
    ]
}

#[test]
fn loops_without_end_end_with_the_limit_of_events_and_others_go_on() {
    let space = Space::new("loops");
    let controller = space.controller();
    space.flow("greet", &definition(&[json!({"Type": "Succeed", "Name": "s"})]));
    let mut runs = Vec::new();
    for (name, definition) in endless() {
        space.flow(name, &definition);
        let copies = if name == "heavy" { 4 } else { 1 };
        for copy in 0..copies {
            let run = format!("{name}-{copy}");
            let input =
                json!({"text": "x".repeat(if name == "heavy" { 60_000 } else { 1 }), "list": [1, 2, 3]});
            space.start(&run, json!({"flowRef": {"name": name}, "input": input}));
            runs.push(run);
        }
    }
    space.start("beside", json!({"flowRef": {"name": "greet"}}));
    space.ended_within("beside", Duration::from_secs(180));
    for run in runs {
        let ended = space.ended(&run);
        let status = &ended["status"];
        assert_eq!(
            (&status["phase"], &status["error"]),
            (&json!("Failed"), &json!("FnF.EventLimitExceeded")),
            "{run}: {:#}",
            status["conditions"]
        );
        assert!(status["cause"].as_str().unwrap().contains("limit of 5000 history events"), "{run}");
        // The input is in the spec, and compressed in checkpoint and history.
        let bytes = ended.to_string().len();
        assert!(bytes < 200_000, "{run}: {bytes}");
    }
    assert_eq!(controller.figure("millrace_leading"), 1.0);
    assert!(!controller.log().contains("the lease"), "{}", controller.log());
}

#[test]
fn a_run_may_hold_more_than_its_execution_can() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::start(|asked, n| match &*asked.path {
        "/noise" => Answer::json(&json!(noise(n))),
        _ => Answer::json(&json!("x".repeat(60_000))),
    }));
    let space = Space::new("outgrown");
    let controller = space.controller();
    for name in ["noise", "plain"] {
        let task = json!({"Type": "Task", "Name": "Ask", "Action": "Ask:It", "End": true,
            "OutputConstructor": {"said.$": "$Output"}});
        // The last item waits, so that all others are to be remembered.
        let rest = json!({"Type": "Wait", "Name": "Rest", "Seconds": 300, "End": true});
        let choice = json!({"Type": "Choice", "Name": "Which", "Default": "Ask", "Branches": [
            {"Condition": "$Input.n == 0", "Next": "Rest"},
        ]});
        let map = json!({"Type": "Map", "Name": "Each", "ItemsPath": "$Input.list", "End": true,
            "Catch": [{"Errors": ["FnF.ALL"], "Next": "Never"}],
            "Processor": {"StartAt": "Which", "States": [choice, task, rest]}});
        let bindings = json!([{"resource": "Ask:*", "url": service.url(&format!("/{name}"))}]);
        let definition = definition(&[map, json!({"Type": "Succeed", "Name": "Never"})]);
        space.flow_with(name, &definition, json!({"bindings": bindings}));
        let list: Vec<_> = (0..40).map(|n| json!({"n": n})).collect();
        space.start(name, json!({"flowRef": {"name": name}, "input": {"list": list}}));
    }
    for name in ["noise", "plain"] {
        space.wait("all answers", || {
            (space.execution(name)["status"]["progress"]["tasksSucceeded"] == 39).then_some(())
        });
        let patch = json!({"spec": {"stop": {"mode": "Terminate"}}}).to_string();
        assert!(space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]).status.success());
        let status = &space.ended(name)["status"];
        assert_eq!(status["phase"], "Stopped");
        // How it stood is kept after a bad end.
        assert!(!status["checkpointRefs"].as_array().unwrap().is_empty());
    }
    assert!(!controller.log().contains("a status was refused"));
    drop(runtime);
}

#[test]
fn a_definition_over_the_limit_is_told_by_whoever_cannot_take_it() {
    let space = Space::new("longdef");
    let controller = space.controller();
    let text = |bytes: usize| {
        let head = "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates: [{Type: Succeed, Name: a}]\n# ";
        format!("{head}{}", "x".repeat(bytes - head.len()))
    };
    let flow =
        |name: &str, bytes: usize| manifest("Flow", name, json!({"definition": text(bytes)})).to_string();
    let ready = |name: &str| {
        space.wait(&format!("flow {name} to be looked at"), || {
            let flow = space.get("flows", name)?;
            let is_looked_at = flow["status"]["observedGeneration"] == flow["metadata"]["generation"];
            is_looked_at.then(|| flow["status"].clone())
        })
    };
    let create = |name: &str, bytes: usize| space.try_create(&flow(name, bytes));
    assert!(create("largest", 1 << 20).status.success());
    assert_eq!(ready("largest")["conditions"][0]["status"], "True");
    space.start("largest", json!({"flowRef": {"name": "largest"}}));
    space.output("largest");
    for (name, bytes) in [("longer", (1 << 20) + 1), ("longest", 1_500_000)] {
        assert!(create(name, bytes).status.success());
        let status = ready(name);
        assert_eq!(status["conditions"][0]["reason"], "InvalidDefinition");
        let message = format!("E001: the definition has {bytes} bytes, at most 1048576 are allowed");
        assert_eq!(status["conditions"][0]["message"], message);
        assert_eq!(status["diagnostics"][0]["code"], "E001");
    }
    // Beyond that the API server itself says what it does not take.
    for (bytes, said) in [(1_700_000, "too large"), (4_000_000, "too large")] {
        let refused = create("never", bytes);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains(said), "{words:.300}");
    }
    // So does kubectl's own apply, because of the copy that it keeps; a server-side apply keeps none.
    let applied = space.try_apply(&flow("applied", 300_000), &[]);
    assert!(String::from_utf8_lossy(&applied.stderr).contains("metadata.annotations: Too long"));
    let applied = space.try_apply(&flow("applied", 300_000), &["--server-side"]);
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(ready("applied")["conditions"][0]["status"], "True");
    // A shorter text heals it, and nobody else has noticed anything.
    let applied = space.try_apply(&flow("longer", 1_000), &["--server-side", "--force-conflicts"]);
    assert!(applied.status.success(), "{applied:?}");
    space.start("healed", json!({"flowRef": {"name": "longer"}}));
    space.output("healed");
    assert!(!controller.log().contains("ERROR"), "{}", controller.log());
}

#[test]
fn an_input_of_any_size_is_answered() {
    let space = Space::new("longinput");
    let _controller = space.controller();
    space.flow("greet", &definition(&[json!({"Type": "Succeed", "Name": "s"})]));
    for bytes in [65_537, 1_000_000, 1_550_000] {
        let name = format!("input-{bytes}");
        let spec = json!({"flowRef": {"name": "greet"}, "input": {"a": "x".repeat(bytes - 8)}});
        let made = space.try_create(&execution(&name, spec));
        assert!(made.status.success(), "{:.300}", String::from_utf8_lossy(&made.stderr));
        let refused = space.rejected(&name);
        assert!(refused.contains(&format!("has {bytes} bytes, at most 65536")), "{refused}");
    }
}
