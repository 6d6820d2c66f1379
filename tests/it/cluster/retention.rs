//! How long Executions stay that have ended.

use std::time::Instant;

use serde_json::{Value, json};

use super::children::{parent, with_runner};
use super::rig::{DEADLINE, Space, manifest};
use super::schedules::condition_of;
use super::watch::Watched;

const PASS: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Succeed, Name: s}]";
const FAIL: &str =
    "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Fail, Name: s, Code: E}]";

/// An Execution whose name is generated; gives the name.
fn generated(space: &Space, spec: Value) -> String {
    let object = json!({"apiVersion": "millrace.dev/v1alpha1", "kind": "Execution",
        "metadata": {"generateName": "made-"}, "spec": spec});
    let made = space
        .cluster
        .kubectl_with(&["--namespace", &space.name, "create", "-o", "name", "-f", "-"], &object.to_string());
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().rsplit('/').next().unwrap().to_owned()
}

fn gone(space: &Space, name: &str) {
    space.wait(&format!("{name} to be removed"), || space.get("executions", name).is_none().then_some(()));
}

fn expiration(space: &Space, name: &str) -> Value {
    space.execution(name)["status"]["expirationTime"].clone()
}

/// Waits until what the spec asks for was looked at; gives when it is to be removed.
fn expiration_once_seen(space: &Space, name: &str) -> Value {
    space.wait(&format!("{name} to be looked at"), || {
        let execution = space.execution(name);
        let is_seen = execution["status"]["observedGeneration"] == execution["metadata"]["generation"];
        is_seen.then(|| execution["status"]["expirationTime"].clone())
    })
}

fn seconds_between(from: &Value, to: &Value) -> i64 {
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    at(to).duration_since(at(from)).as_secs()
}

#[test]
fn a_default_counts_only_where_nobody_has_chosen_the_name() {
    let space = Space::new("ttl");
    let _controller = space.controller_with(&["--default-ttl", "0"]);
    space.flow_with("f", PASS, json!({"defaults": {"ttlSecondsAfterFinished": 0}}));
    space.flow_with("long", PASS, json!({"defaults": {"ttlSecondsAfterFinished": 3600}}));
    let of = |flow: &str| json!({"flowRef": {"name": flow}});
    // As GitOps does it.
    space.apply(&manifest("Execution", "applied", of("f")).to_string());
    space.start("own", json!({"flowRef": {"name": "f"}, "ttlSecondsAfterFinished": 3600}));
    space.start("at-once", json!({"flowRef": {"name": "long"}, "ttlSecondsAfterFinished": 0}));
    space.start("child", json!({"flowRef": {"name": "f"}, "parentRef": {"name": "p", "uid": "u"}}));
    let mut scheduled = manifest("Execution", "scheduled", of("f"));
    scheduled["metadata"]["labels"] = json!({"millrace.dev/schedule": "nightly"});
    assert!(space.try_create(&scheduled.to_string()).status.success());
    let made = generated(&space, of("f"));
    for name in ["at-once", "child", "scheduled", &made] {
        gone(&space, name);
    }
    let stays = generated(&space, of("long"));
    let ended = space.ended(&stays)["status"].clone();
    assert_eq!(seconds_between(&ended["completionTime"], &ended["expirationTime"]), 3_600);
    assert_eq!(space.ended("applied")["status"].get("expirationTime"), None);
    let own = space.ended("own")["status"].clone();
    assert_eq!(seconds_between(&own["completionTime"], &own["expirationTime"]), 3_600);
    // What is refused runs no revision: of it only the controller's default counts.
    let refused = generated(&space, json!({"flowRef": {"name": "none"}, "startingDeadlineSeconds": 0}));
    gone(&space, &refused);
}

#[test]
fn what_is_said_after_the_end_counts_from_the_end() {
    let space = Space::new("ttl-changed");
    let controller = space.controller();
    space.flow_with("f", FAIL, json!({"defaults": {"ttlSecondsAfterFinished": 7200}}));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    space.ended("one");
    assert_eq!(expiration(&space, "one"), Value::Null);
    space.patch("executions", "one", &json!({"ttlSecondsAfterFinished": 3600}));
    let expires =
        space.wait("its time to be written", || Some(expiration(&space, "one")).filter(Value::is_string));
    assert_eq!(seconds_between(&space.execution("one")["status"]["completionTime"], &expires), 3_600);
    space.patch("executions", "one", &json!({"ttlSecondsAfterFinished": null}));
    assert_eq!(expiration_once_seen(&space, "one"), Value::Null);
    let made = generated(&space, json!({"flowRef": {"name": "f"}, "ttlSecondsAfterFinished": 3600}));
    space.ended(&made);
    space.patch("executions", &made, &json!({"ttlSecondsAfterFinished": null}));
    let expires = expiration_once_seen(&space, &made);
    assert_eq!(seconds_between(&space.execution(&made)["status"]["completionTime"], &expires), 7_200);
    // A run that goes on is not removed, and counts anew from its new end.
    space.flow("w", &PASS.replace("Type: Succeed, Name: s", "Type: Wait, Name: s, Seconds: 300, End: true"));
    space.start(
        "again",
        json!({"flowRef": {"name": "w"}, "ttlSecondsAfterFinished": 30, "stop": {"mode": "Cancel"}}),
    );
    space.ended("again");
    space.patch("executions", "again", &json!({"redrive": 1, "stop": null}));
    space.condition("again", "InProgress", "True", "WaitingForTimer");
    assert_eq!(expiration(&space, "again"), Value::Null);
    // Of these the next controller knows only what stands there.
    space.start("soon", json!({"flowRef": {"name": "f"}, "ttlSecondsAfterFinished": 20}));
    space.ended("soon");
    controller.kill();
    space.patch("executions", "one", &json!({"ttlSecondsAfterFinished": 0}));
    assert!(space.get("executions", "soon").is_some() || expiration(&space, "one").is_null());
    let _controller = space.controller();
    gone(&space, "soon");
    gone(&space, "one");
    assert!(space.get("executions", "again").is_some() && space.get("executions", &made).is_some());
}

#[test]
fn many_that_go_at_once_do_not_hold_up_those_that_begin() {
    let space = Space::new("ttl-burst");
    let controller = space.controller();
    space.flow("f", PASS);
    let of = |name: String| {
        manifest("Execution", &name, json!({"flowRef": {"name": "f"}, "ttlSecondsAfterFinished": 0}))
            .to_string()
    };
    let began = Instant::now();
    let all: Vec<_> = (0..300).map(|number| of(format!("burst-{number}"))).collect();
    assert!(space.try_create(&all.join("\n---\n")).status.success());
    let made = began.elapsed();
    space.start("meanwhile", json!({"flowRef": {"name": "f"}}));
    space.output("meanwhile");
    let figure = "millrace_executions_removed_total";
    space.wait("all of them to be removed", || (controller.figure(figure) >= 300.0).then_some(()));
    let took = began.elapsed();
    eprintln!("300 were made within {made:?} and were gone after {took:?}");
    assert!(took < made + DEADLINE / 2, "{made:?}, {took:?}");
    assert_eq!(space.list("executions").len(), 1);
}

#[test]
fn a_child_stays_until_its_parent_has_its_result() {
    let space = Space::new("ttl-child");
    let _controller = space.controller();
    let defaults = json!({"defaults": {"ttlSecondsAfterFinished": 0}});
    space.flow_with("child", PASS, defaults);
    let start = json!({"resourceArn": "acs:fnf:::flow/child", "input": {"k": 1}});
    with_runner(&space, "parent", &parent("WaitForSystemCallback", &start));
    let names: Vec<_> = (0..10).map(|number| format!("parent-{number}")).collect();
    names.iter().for_each(|name| space.start(name, json!({"flowRef": {"name": "parent"}})));
    for name in &names {
        assert_eq!(space.output(name), json!({"k": 1}));
    }
    space
        .wait("the children to be removed", || (space.list("executions").len() == names.len()).then_some(()));
}

#[test]
fn a_run_of_a_schedule_stays_until_its_end_is_counted() {
    let space = Space::new("ttl-schedule");
    let _controller = space.controller();
    let watched = Watched::begin(&space, &[]);
    watched.stands(&space);
    space.flow("f", FAIL);
    let spec = json!({
        "flowRef": {"name": "f"}, "schedule": "@every 1s", "failureThreshold": 3, "ttlSecondsAfterFinished": 0,
    });
    space.apply(&manifest("Schedule", "bad", spec).to_string());
    condition_of(&space, "msched", "bad", "Ready", "FailureThresholdReached");
    space.wait("the runs to be removed", || (space.list("executions").len() == 1).then_some(()));
    // Every one that there ever was is counted.
    let is_made = |event: &Vec<String>| event[0] == "ADDED" && event[1].starts_with("bad-");
    let made = watched.events().into_iter().filter(is_made).count();
    assert_eq!(space.get("msched", "bad").unwrap()["status"]["consecutiveFailures"], made);
}
