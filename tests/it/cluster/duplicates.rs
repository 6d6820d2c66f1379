//! The same name again, by every way there is of making or changing an object.

use std::process::Output;

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

fn spec(seconds: i64, word: &str) -> Value {
    json!({"flowRef": {"name": "f"}, "input": {"seconds": seconds, "word": word}, "tags": ["gold"]})
}

/// A way of saying what an object should be.
type Way = fn(&Space, &str) -> Output;

fn replace(space: &Space, manifest: &str) -> Output {
    space.cluster.kubectl_with(&["--namespace", &space.name, "replace", "-f", "-"], manifest)
}

const WAYS: &[(&str, Way)] = &[
    ("apply", |space, manifest| space.try_apply(manifest, &[])),
    ("replace", replace),
    ("apply on the server's side", |space, manifest| {
        space.try_apply(manifest, &["--server-side", "--force-conflicts", "--field-manager=flux"])
    }),
];

fn check_taken(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What of a run nobody can change any more.
fn fixed(space: &Space, name: &str) -> Value {
    let status = space.execution(name)["status"].clone();
    let fields = ["phase", "accepted", "flowRevision", "startTime", "completionTime", "output", "history"];
    fields.map(|field| status[field].clone()).into_iter().collect()
}

/// Says the same and something else of a run in every way: what it is stays, and the conditions tell.
fn say_again(space: &Space, name: &str, seconds: i64, reason: &str) {
    let before = fixed(space, name);
    let (same, other) = (execution(name, spec(seconds, "first")), execution(name, spec(1, "second")));
    for object in [&same, &other] {
        let made = space.try_create(object);
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(!made.status.success() && said.contains("AlreadyExists"), "{said}");
    }
    for (way, say) in WAYS {
        check_taken(&say(space, &other));
        let exists = space.condition(name, "AlreadyExists", "True", reason);
        let message = exists["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("Execution {name} for flow f ")), "{way}: {message}");
        assert_eq!(fixed(space, name), before, "{way}");
        check_taken(&say(space, &same));
        space.condition(name, "AlreadyExists", "False", "SpecMatches");
        let generation = space.execution(name)["metadata"]["generation"].clone();
        check_taken(&say(space, &same));
        let now = space.execution(name);
        assert_eq!(now["metadata"]["generation"], generation, "{way}: the same is no change");
        assert_eq!(fixed(space, name), before, "{way}");
    }
}

#[test]
fn a_name_is_one_run_whichever_way_it_is_said_again() {
    let space = Space::new("duplicates");
    let controller = space.controller();
    space.flow("f", FLOW);
    space.apply(&execution("done", spec(1, "first")));
    assert_eq!(space.output("done")["word"], "first");
    space.apply(&execution("going", spec(120, "first")));
    space.condition("going", "InProgress", "True", "WaitingForTimer");
    say_again(&space, "going", 120, "ExecutionInProgress");
    // With something else in its spec, over a restart and to the end: it runs with what it was accepted with.
    check_taken(&replace(&space, &execution("going", spec(1, "third"))));
    space.condition("going", "AlreadyExists", "True", "ExecutionInProgress");
    controller.kill();
    let _controller = space.controller();
    let ended = space.ended_within("going", std::time::Duration::from_secs(200));
    assert_eq!(ended["status"]["output"], json!({"seconds": 120, "word": "first"}));
    say_again(&space, "done", 1, "ExecutionAlreadyExists");
    let stop = json!({"spec": {"stop": {"mode": "Terminate"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "done", "--type=merge", "-p", &stop]).status.success());
    // What somebody has asked for is not taken out by a manifest that does not know of it.
    let refused = replace(&space, &execution("done", spec(1, "first")));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("stop cannot be withdrawn"), "{said}");
    check_taken(&space.try_apply(&execution("done", spec(1, "first")), &[]));
    // The name is free again when the object is gone.
    assert!(space.kubectl(&["delete", "executions", "done"]).status.success());
    space.apply(&execution("done", spec(1, "second")));
    assert_eq!(space.output("done")["word"], "second");
}

#[test]
fn what_waits_may_change_and_what_was_refused_stands_for_what_it_asked() {
    let space = Space::new("waiting");
    let _controller = space.controller();
    space.apply(&execution("early", spec(1, "first")));
    space.condition("early", "Accepted", "Unknown", "FlowNotFound");
    space.apply(&execution("early", spec(1, "second")));
    space.condition("early", "Accepted", "Unknown", "FlowNotFound");
    assert!(condition(&space.execution("early"), "AlreadyExists").is_none());
    space.flow("f", FLOW);
    assert_eq!(space.output("early")["word"], "second");

    let refused = json!({"flowRef": {"name": "f"}, "input": [1]});
    space.apply(&execution("bad", refused.clone()));
    assert_eq!(space.ended("bad")["status"]["phase"], "Rejected");
    // Other wishes are no other request.
    let patch = |spec: Value| {
        let patch = json!({"spec": spec}).to_string();
        let patched = space.kubectl(&["patch", "executions", "bad", "--type=merge", "-p", &patch]);
        assert!(patched.status.success(), "{patched:?}");
    };
    patch(json!({"suspend": true, "ttlSecondsAfterFinished": 600}));
    space.condition("bad", "Complete", "True", "Rejected");
    assert!(condition(&space.execution("bad"), "AlreadyExists").is_none());
    space.apply(&execution("bad", spec(1, "first")));
    space.condition("bad", "AlreadyExists", "True", "ExecutionAlreadyExists");
    space.apply(&execution("bad", refused));
    space.condition("bad", "AlreadyExists", "False", "SpecMatches");
    assert_eq!(condition(&space.execution("bad"), "Accepted").unwrap()["reason"], "InputInvalid");

    // Stopped before it ever began: that name, too, stands for something.
    space.apply(&execution("never", json!({"flowRef": {"name": "missing"}, "stop": {"mode": "Cancel"}})));
    assert_eq!(space.ended("never")["status"]["phase"], "Stopped");
    space.apply(&execution("never", json!({"flowRef": {"name": "f"}, "stop": {"mode": "Cancel"}})));
    space.condition("never", "AlreadyExists", "True", "ExecutionAlreadyExists");
}
