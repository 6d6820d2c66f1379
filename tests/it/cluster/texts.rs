//! Names of errors, causes and other texts of any length and alphabet.

use serde_json::{Value, json};

use super::rig::{Space, condition, execution, manifest};
use crate::service::{Answer, Gate, Service};

/// Texts that are hard to store or to show.
fn awkward() -> Vec<(&'static str, String)> {
    vec![
        ("letters", "x".repeat(10_000)),
        ("emoji", "😀👩‍👩‍👧‍👦".repeat(1_500)),
        ("right-to-left", "\u{202e}שלום \u{2066}مرحبا".repeat(700)),
        ("quotes", "\"\\'`{{}}$$.%s\u{2028}".repeat(700)),
        ("controls", (0..10_000).map(|n| char::from(u8::try_from(n % 32).unwrap())).collect()),
        ("lines", "a: b\n\t- c\r\n".repeat(900)),
        ("combining", "e\u{301}\u{302}\u{303}".repeat(2_500)),
        ("edges", "\u{0}\u{7f}\u{80}\u{ffff}\u{10ffff}\u{feff}".repeat(1_700)),
        ("empty", String::new()),
    ]
}

/// Runs a flow of one state. Its definition is given as an object: YAML has no word for some letters.
fn start(space: &Space, name: &str, state: Value, mut more: Value) {
    more["definition"] =
        json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": state["Name"], "States": [state]});
    space.apply(&manifest("Flow", name, more).to_string());
    space.start(name, json!({"flowRef": {"name": name}}));
}

/// The status of an execution that failed as its flow wanted it to, and not because it could not be
/// stored.
fn failed(space: &Space, name: &str) -> Value {
    let ended = space.ended(name);
    let status = ended["status"].clone();
    assert_eq!(status["phase"], "Failed", "{name}: {status:#}");
    assert_eq!(condition(&ended, "Stalled").unwrap()["reason"], "Failed", "{name}");
    let sizes = [("error", 256), ("cause", 32_768)];
    for (field, max) in sizes {
        assert!(status[field].as_str().unwrap_or_default().chars().count() <= max, "{name}");
    }
    status
}

/// Whether `shown` is `whole`, or the beginning of it with a mark that there was more.
fn is_cut(shown: &str, whole: &str) -> bool {
    shown == whole || shown.strip_suffix('…').is_some_and(|shown| whole.starts_with(shown))
}

#[test]
fn a_fail_state_may_say_anything() {
    let space = Space::new("failtexts");
    let controller = space.controller();
    for (name, text) in awkward() {
        start(&space, name, json!({"Type": "Fail", "Name": "F", "Code": text, "Detail": text}), json!({}));
        let computed =
            json!({"Type": "Fail", "Name": "F", "Code.$": "$Input.text", "Detail.$": "$Input.text"});
        let flow = format!("{name}-computed");
        let definition =
            json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "F", "States": [computed]});
        space.flow(&flow, &definition.to_string());
        space.start(&flow, json!({"flowRef": {"name": flow}, "input": {"text": text}}));
    }
    for (name, text) in awkward() {
        for run in [name.to_owned(), format!("{name}-computed")] {
            let status = failed(&space, &run);
            for (field, chars_max) in [("error", 128), ("cause", 4_096)] {
                let shown = status[field].as_str().unwrap_or_default();
                assert!(is_cut(shown, &text), "{run}: {shown:?}");
                assert_eq!(shown.chars().count(), text.chars().count().min(chars_max), "{run}");
            }
        }
    }
    let log = controller.log();
    assert!(!log.contains("ERROR") && !log.contains("refused"), "{log}");
}

fn stop(mode: &str, error: &str, cause: &str) -> Value {
    json!({"mode": mode, "error": error, "cause": cause})
}

#[test]
fn who_stops_a_run_may_say_anything_that_the_schema_takes() {
    let space = Space::new("stoptexts");
    let controller = space.controller();
    let wait = json!({"Type": "Wait", "Name": "W", "Seconds": 300, "End": true});
    let task = json!({"Type": "Task", "Name": "T", "Action": "Ask:It", "End": true});
    let definition = |state: &Value| {
        json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": state["Name"], "States": [state]})
            .to_string()
    };
    space.flow("wait", &definition(&wait));
    let gate = Gate::shut();
    let service = Service::behind(&gate, json!({}));
    space.flow_with(
        "task",
        &definition(&task),
        json!({"bindings": [{"resource": "Ask:*", "url": service.url("/")}]}),
    );
    // Emoji are two units of UTF-16 and four bytes: it is characters that are counted.
    let texts = [
        ("at", "😀".repeat(256), "😀".repeat(32_768)),
        ("controls", "\u{0}\n\u{1b}".repeat(80), "\u{7}".repeat(9_000)),
    ];
    for (name, error, cause) in &texts {
        for (flow, mode) in [("wait", "Terminate"), ("task", "Cancel")] {
            // From the first moment on, and while it runs.
            let run = format!("{name}-{flow}");
            space.start(
                &format!("{run}-early"),
                json!({"flowRef": {"name": flow}, "stop": stop(mode, error, cause)}),
            );
            space.start(&run, json!({"flowRef": {"name": flow}}));
            let going = if flow == "wait" { "WaitingForTimer" } else { "WaitingForTask" };
            if flow == "wait" {
                space.condition(&run, "InProgress", "True", going);
            }
            let spec = json!({"flowRef": {"name": flow}, "stop": stop(mode, error, cause)});
            let applied = space.try_apply(&execution(&run, spec), &["--server-side", "--force-conflicts"]);
            assert!(applied.status.success(), "{:.500}", String::from_utf8_lossy(&applied.stderr));
        }
    }
    gate.open();
    for (name, error, cause) in &texts {
        for run in ["wait", "wait-early", "task", "task-early"] {
            let ended = space.ended(&format!("{name}-{run}"));
            let status = &ended["status"];
            assert_eq!(status["phase"], "Stopped", "{run}: {:.2000}", status["conditions"].to_string());
            assert_eq!(
                (status["error"].as_str(), status["cause"].as_str()),
                (Some(&**error), Some(&**cause))
            );
        }
    }
    let log = controller.log();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn more_than_the_schema_takes_is_refused_by_the_api_server() {
    let space = Space::new("overtexts");
    for (error, cause, said) in [
        ("x".repeat(257), String::new(), "spec.stop.error: Too long"),
        (String::new(), "x".repeat(32_769), "spec.stop.cause: Too long"),
    ] {
        let spec = json!({"flowRef": {"name": "wait"}, "stop": stop("Cancel", &error, &cause)});
        let refused = space.try_create(&execution("over", spec));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(said), "{refused:?}");
    }
}

#[test]
fn a_service_may_answer_with_anything() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::start(|asked, _| {
        let name = asked.path.trim_start_matches('/');
        let (base, status) =
            if let Some(name) = name.strip_suffix("-json") { (name, 500) } else { (name, 418) };
        let text =
            awkward().into_iter().find(|(known, _)| *known == base).map(|(_, text)| text).unwrap_or_default();
        match status {
            500 => Answer { status, ..Answer::json(&json!({"errorType": text, "errorMessage": text})) },
            _ => Answer::status(status, &text),
        }
    }));
    let space = Space::new("answertexts");
    let controller = space.controller();
    for (name, _) in awkward() {
        for (kind, code) in [("", 418), ("-json", 500)] {
            let name = format!("{name}{kind}");
            let task = json!({"Type": "Task", "Name": "Ask", "Action": "Ask:It", "End": true,
                "Retry": [{"Errors": [format!("HTTP.{code}")], "MaxAttempts": 1, "IntervalSeconds": 0}]});
            let bindings = json!([{"resource": "Ask:*", "url": service.url(&format!("/{name}"))}]);
            start(&space, &name, task, json!({"bindings": bindings}));
        }
    }
    for (name, _) in awkward() {
        for (kind, error) in [("", "HTTP.418"), ("-json", "HTTP.500")] {
            let status = failed(&space, &format!("{name}{kind}"));
            assert_eq!(status["error"], error, "{name}");
            assert!(status["cause"].as_str().unwrap().chars().count() < 600, "{}", status["cause"]);
        }
    }
    let log = controller.log();
    assert!(!log.contains("ERROR"), "{log}");
    drop(runtime);
}
