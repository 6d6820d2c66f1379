//! Runs from their start to their end.

use std::time::Duration;

use serde_json::json;

use super::rig::{Space, condition, execution};
use crate::service::{Answer, Gate, Service};

/// One Pass that greets.
const GREET: &str = r#"
Type: StateMachine
SpecVersion: v1
StartAt: Greet
States:
  - {Type: Pass, Name: Greet, End: true, OutputConstructor: {"greeting.$": 'format("hello {}", $Input.name)'}}
"#;

#[test]
fn an_applied_execution_runs_and_its_output_is_in_status() {
    let space = Space::new("greet");
    let controller = space.controller();
    space.flow("greet", GREET);
    space.apply(&execution("one", json!({"flowRef": {"name": "greet"}, "input": {"name": "world"}})));
    assert_eq!(space.output("one"), json!({"greeting": "hello world"}));
    // One write for a run of pure states, from admission to the end.
    assert_eq!(controller.figure("millrace_status_writes_total{outcome=\"Written\"}"), 1.0);
    let status = &space.execution("one")["status"];
    assert_eq!(status["flowRevision"], "greet-1");
    assert!(status.get("checkpoint").is_none());
    let bytes = space.execution("one").to_string().len();
    assert!(bytes < 10_000, "{bytes}");
}

#[test]
fn the_same_manifest_applied_five_times_runs_once() {
    let space = Space::new("again");
    let controller = space.controller();
    space.flow("greet", GREET);
    let manifest = execution("one", json!({"flowRef": {"name": "greet"}, "input": {"name": "world"}}));
    for _ in 0..5 {
        space.apply(&manifest);
    }
    let first = space.ended("one");
    space.apply(&manifest);
    assert_eq!(space.execution("one")["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(controller.figure("millrace_executions_ended_total{phase=\"Succeeded\"}"), 1.0);
}

#[test]
fn nulls_and_unicode_come_out_as_they_went_in() {
    let space = Space::new("exact");
    let _controller = space.controller();
    let echo = GREET.replace(r#"{"greeting.$": 'format("hello {}", $Input.name)'}"#, r#"{"was.$": $Input}"#);
    space.flow("echo", &echo);
    let input = json!({
        "null": null, "deep": [{"a": {"b": null}}, []], "text": "ü – 😀 \u{0007} \"\\", "empty": {},
        "numbers": [0, -1, 9_007_199_254_740_993_i64, 1.5, 1e300], "true": true,
    });
    space.start("one", json!({"flowRef": {"name": "echo"}, "input": input.clone()}));
    assert_eq!(space.output("one"), json!({"was": input}));
}

#[test]
fn a_flow_and_an_execution_applied_together_run_the_new_revision() {
    let space = Space::new("together");
    let _controller = space.controller();
    space.flow("greet", GREET);
    for (number, word) in ["moin", "servus", "tach"].iter().enumerate() {
        let flow = super::rig::manifest("Flow", "greet", json!({"definition": GREET.replace("hello", word)}));
        let run = execution(
            &format!("run-{number}"),
            json!({"flowRef": {"name": "greet"}, "input": {"name": "x"}}),
        );
        // Whichever order the files have.
        let both =
            if number % 2 == 0 { format!("{flow}\n---\n{run}") } else { format!("{run}\n---\n{flow}") };
        space.apply(&both);
        if number % 2 == 0 {
            assert_eq!(space.output(&format!("run-{number}")), json!({"greeting": format!("{word} x")}));
        } else {
            space.ended(&format!("run-{number}"));
        }
    }
}

#[test]
fn tasks_follow_each_other_and_each_costs_one_write() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::echo());
    let space = Space::new("tasks");
    let controller = space.controller();
    let task = |name: &str, next: &str| {
        format!(
            "  - {{Type: Task, Name: {name}, Action: HTTP:Request, Parameters: {{\"url\": \"{}\", method: POST, \"body.$\": $Input}}, OutputConstructor: {{\"last.$\": $Output.body}}, {next}}}\n",
            service.url(&format!("/{name}"))
        )
    };
    let definition = format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates:\n{}{}{}",
        task("a", "Next: b"),
        task("b", "Next: c"),
        task("c", "End: true")
    );
    space.flow("three", &definition);
    space.start("one", json!({"flowRef": {"name": "three"}, "input": {"k": null}}));
    let output = space.output("one");
    assert_eq!(output["last"]["path"], "/c");
    assert_eq!(output["last"]["body"]["last"]["body"]["last"]["body"], json!({"k": null}));
    assert_eq!(controller.figure("millrace_status_writes_total{outcome=\"Written\"}"), 4.0);
    let asked = service.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|asked| asked.method == "POST" && asked.query.is_empty()));
    let mut keys: Vec<_> = asked.iter().map(|asked| asked.idempotency_key().to_owned()).collect();
    keys.dedup();
    assert_eq!(keys.len(), 3, "every task has its own key");
    drop(runtime);
}

#[test]
fn a_wait_and_a_retry_come_at_their_time_and_say_so() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::start(|_, n| match n {
        0 => Answer::status(503, "busy"),
        _ => Answer::json(&json!({"ok": true})),
    }));
    let space = Space::new("timers");
    let controller = space.controller();
    space.flow(
        "timers",
        &format!(
            r#"
Type: StateMachine
SpecVersion: v1
StartAt: Rest
States:
  - {{Type: Wait, Name: Rest, Seconds: 10, Next: Call}}
  - Type: Task
    Name: Call
    Action: HTTP:Request
    Parameters: {{url: "{}"}}
    Retry: [{{Errors: [HTTP.503], MaxAttempts: 2, IntervalSeconds: 8}}]
    OutputConstructor: {{"ok.$": $Output.body.ok}}
    End: true
"#,
            service.url("/call")
        ),
    );
    space.start("one", json!({"flowRef": {"name": "timers"}}));
    let waiting = space.condition("one", "InProgress", "True", "WaitingForTimer");
    assert!(waiting["message"].as_str().unwrap().contains("`Rest` waits since"), "{waiting}");
    let backing_off = space.condition("one", "InProgress", "True", "RetryBackoff");
    let message = backing_off["message"].as_str().unwrap();
    assert!(message.contains("`Call` is tried again at") && message.contains("HTTP.503"), "{message}");
    assert_eq!(space.output("one"), json!({"ok": true}));
    // One for the start and the Wait, one for its end and the task, one for the failure and the retry,
    // one for the end.
    assert_eq!(controller.figure("millrace_status_writes_total{outcome=\"Written\"}"), 4.0);
    let asked = service.asked();
    assert!(asked[1].came_at - asked[0].came_at >= Duration::from_secs(8));
    assert_ne!(asked[0].idempotency_key(), asked[1].idempotency_key());
    drop(runtime);
}

#[test]
fn a_task_that_nothing_answers_is_stated_with_its_deadline() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service =
        runtime.block_on(Service::start(|_, _| Answer::json(&json!({})).after(Duration::from_secs(3_600))));
    let space = Space::new("silent");
    let _controller = space.controller();
    space.flow(
        "silent",
        &format!(
            "Type: StateMachine\nSpecVersion: v1\nStartAt: Call\nStates:\n  - {{Type: Task, Name: Call, Action: HTTP:Request, Timeout: 30, End: true, Parameters: {{url: \"{}\"}}}}\n",
            service.url("/")
        ),
    );
    space.start("one", json!({"flowRef": {"name": "silent"}}));
    let waiting = space.wait("it to wait", || {
        let execution = space.execution("one");
        (condition(&execution, "InProgress")?["reason"] == "WaitingForTask").then_some(execution)
    });
    let message = condition(&waiting, "InProgress").unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("task `Call` (HTTP:Request) since") && message.contains("given up at"),
        "{message}"
    );
    let active = &waiting["status"]["active"][0];
    assert_eq!((&active["path"], &active["type"]), (&json!("Call"), &json!("Task")));
    assert!(active["deadline"].is_string());
    let ended = space.ended("one");
    assert_eq!(ended["status"]["error"], "FnF.TaskTimeout");
    assert_eq!(condition(&ended, "Stalled").unwrap()["status"], "True");
    drop(runtime);
}

#[test]
fn a_hundred_items_share_their_writes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::echo());
    let space = Space::new("items");
    let controller = space.controller();
    space.flow(
        "items",
        &format!(
            r#"
Type: StateMachine
SpecVersion: v1
StartAt: Each
States:
  - Type: Map
    Name: Each
    End: true
    ItemsPath: $Input.list
    Processor:
      StartAt: Call
      States:
        - {{Type: Task, Name: Call, Action: HTTP:Request, End: true, Parameters: {{url: "{}", method: POST, "body.$": $Input}}, OutputConstructor: {{"n.$": $Output.body.body.n}}}}
"#,
            service.url("/item")
        ),
    );
    let list: Vec<_> = (0..100).map(|n| json!({"n": n})).collect();
    space.start("one", json!({"flowRef": {"name": "items"}, "input": {"list": list}}));
    assert_eq!(space.output("one")["Items"], json!(list));
    assert_eq!(service.count(), 100);
    let writes = controller.figure("millrace_status_writes_total{outcome=\"Written\"}");
    // Far fewer than items, however slowly this machine takes the answers in.
    assert!(writes <= 60.0, "{writes} writes");
    drop(runtime);
}

#[test]
fn stop_ends_a_run_in_order_or_at_once() {
    let gate = Gate::shut();
    let waiting = gate.clone();
    let service = Service::on_thread(move |asked, _| {
        let gate = waiting.clone();
        async move {
            if asked.path != "/slow" {
                return std::future::pending().await;
            }
            gate.pass().await;
            Answer::json(&json!({}))
        }
    });
    let space = Space::new("stop");
    let _controller = space.controller();
    let flow = |name: &str| {
        space.flow(
            name,
            &format!(
                "Type: StateMachine\nSpecVersion: v1\nStartAt: Call\nStates:\n  - {{Type: Task, Name: Call, Action: HTTP:Request, Next: Never, Parameters: {{url: \"{}\"}}}}\n  - {{Type: Task, Name: Never, Action: HTTP:Request, End: true, Parameters: {{url: \"{}\"}}}}\n",
                service.url(&format!("/{name}")),
                service.url("/never")
            ),
        );
        space.start(name, json!({"flowRef": {"name": name}}));
        space.condition(name, "InProgress", "True", "WaitingForTask");
    };
    flow("slow");
    let stop = |name: &str, stop: serde_json::Value| {
        let patch = json!({"spec": {"stop": stop}}).to_string();
        space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch])
    };
    assert!(stop("slow", json!({"mode": "Cancel", "error": "E", "cause": "enough"})).status.success());
    space.condition("slow", "InProgress", "True", "Stopping");
    gate.open();
    let ended = space.ended("slow");
    assert_eq!(ended["status"]["phase"], "Stopped");
    assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], "Canceled");
    assert_eq!((&ended["status"]["error"], &ended["status"]["cause"]), (&json!("E"), &json!("enough")));

    flow("endless");
    assert!(stop("endless", json!({"mode": "Cancel"})).status.success());
    space.condition("endless", "InProgress", "True", "Stopping");
    assert!(stop("endless", json!({"mode": "Terminate"})).status.success());
    let ended = space.ended("endless");
    assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], "Terminated");

    let refused = space.kubectl(&[
        "patch",
        "executions",
        "endless",
        "--type=merge",
        "-p",
        r#"{"spec": {"stop": null}}"#,
    ]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop cannot be withdrawn"));
    let refused = stop("endless", json!({"mode": "Cancel"}));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("may only change from Cancel to Terminate"));
    assert!(service.asked_at("/never").is_empty());
}

#[test]
fn a_run_beyond_its_time_is_timed_out() {
    let space = Space::new("timeout");
    let _controller = space.controller();
    let wait = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 300, End: true}]";
    space.flow_with("wait", wait, json!({"defaults": {"timeoutSeconds": 2}}));
    space.start("by-default", json!({"flowRef": {"name": "wait"}}));
    space.start("at-once", json!({"flowRef": {"name": "wait"}, "timeoutSeconds": 0}));
    for name in ["by-default", "at-once"] {
        let ended = space.ended(name);
        assert_eq!(ended["status"]["phase"], "TimedOut");
        assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], "TimedOut");
    }
    assert_eq!(space.execution("at-once")["status"]["progress"]["transitions"], 0);
}

#[test]
fn nothing_happens_to_an_execution_in_another_namespace() {
    let (space, other) = (Space::new("here"), Space::new("there"));
    let _controller = space.controller();
    space.flow("greet", GREET);
    other.start("one", json!({"flowRef": {"name": "greet"}}));
    space.start("one", json!({"flowRef": {"name": "greet"}}));
    space.ended("one");
    assert_eq!(other.execution("one")["status"]["observedGeneration"], 0);
}
