//! What judges say of runs that are taken up again, and of runs that have started others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::super::children::{child_of, parent, waits, with_runner};
use super::super::rig::Space;
use super::{ENDED, GOES_ON, REFUSED, Verdict, WAITS, patch, unobserved, verdict, verdicts};
use crate::service::{Answer, Gate, Service};

const SUCCEEDED: &str = "Accepted Succeeded Complete Ready";

fn check(space: &Space, when: &str, expected: &[(&str, Verdict)]) {
    let found = verdicts(space, "executions", "Execution");
    for (name, expected) in expected {
        assert_eq!(&found[*name], expected, "{when}: {name} {:#}", space.execution(name)["status"]);
    }
}

fn goes_on() -> Verdict {
    verdict("InProgress", "Progressing", GOES_ON)
}

/// A service that answers 500 until it is mended, and then when the gate is open.
fn service() -> (Service, Arc<AtomicBool>, Gate) {
    let (mended, gate) = (Arc::new(AtomicBool::new(false)), Gate::shut());
    let (is_mended, waiting) = (mended.clone(), gate.clone());
    let service = Service::on_thread(move |_, _| {
        let (is_mended, gate) = (is_mended.load(Ordering::SeqCst), waiting.clone());
        async move {
            if !is_mended {
                return Answer::status(500, "");
            }
            gate.pass().await;
            Answer::json(&json!({}))
        }
    });
    (service, mended, gate)
}

#[test]
fn judges_are_right_of_a_run_that_is_taken_up_again() {
    let (service, mended, gate) = service();
    let space = Space::new("judged-redrives");
    let controller = space.controller();
    let ask = json!([{"Type": "Task", "Name": "Ask", "Action": "HTTP:Request", "Parameters": {"url": service.url("/")}, "End": true}]);
    let asks = super::definition(&ask);
    space.flow("asks", &asks);
    space.flow_with("one-by-one", &asks, json!({"concurrency": {"limit": 1}}));
    space.start("failed", json!({"flowRef": {"name": "asks"}}));
    space.start("in-line", json!({"flowRef": {"name": "one-by-one"}}));
    space.start("refused", json!({"flowRef": {"name": "late"}, "startingDeadlineSeconds": 0}));
    let names = ["failed", "in-line", "refused"];
    names.iter().for_each(|name| drop(space.ended(name)));
    let ended = |met| verdict("Failed", "Degraded", met);
    let at_first = [("failed", ended(ENDED)), ("in-line", ended(ENDED)), ("refused", ended(REFUSED))];
    check(&space, "at first", &at_first);

    mended.store(true, Ordering::SeqCst);
    space.start("holds", json!({"flowRef": {"name": "one-by-one"}}));
    space.condition("holds", "InProgress", "True", "WaitingForTask");
    space.flow_with("late", &asks, json!({"suspend": true}));
    // Asked for, and nobody has looked: what is said of its end says nothing any more.
    controller.kill();
    names.iter().for_each(|name| patch(&space, "executions", name, &json!({"spec": {"redrive": 1}})));
    check(&space, "unobserved", &names.map(|name| (name, unobserved())));

    let _controller = space.controller();
    space.condition("failed", "InProgress", "True", "WaitingForTask");
    space.condition("in-line", "InProgress", "True", "Queued");
    space.condition("refused", "InProgress", "True", "FlowSuspended");
    let waits = verdict("InProgress", "Progressing", WAITS);
    let again = [("failed", goes_on()), ("in-line", goes_on()), ("refused", waits)];
    check(&space, "while it goes on", &again);

    gate.open();
    patch(&space, "flows", "late", &json!({"spec": {"suspend": false}}));
    names.iter().for_each(|name| drop(space.output(name)));
    let current = verdict("Current", "Healthy", SUCCEEDED);
    check(&space, "after", &names.map(|name| (name, current.clone())));
}

#[test]
fn judges_are_right_of_a_run_with_a_child() {
    let space = Space::new("judged-children");
    let controller = space.controller();
    space.flow("child", &waits(300));
    with_runner(&space, "f", &parent("WaitForSystemCallback", &json!({"resourceArn": "child"})));
    space.start("parent", json!({"flowRef": {"name": "f"}}));
    let child = child_of(&space, "parent")["metadata"]["name"].as_str().unwrap().to_owned();
    space.condition_saying("parent", "InProgress", "True", "WaitingForTask", &child);
    space.condition(&child, "InProgress", "True", "WaitingForTimer");
    check(&space, "while it waits for its child", &[("parent", goes_on()), (&child, goes_on())]);

    // Its own finalizer holds it until its child was dealt with, which needs a controller.
    controller.kill();
    assert!(space.kubectl(&["delete", "execution", "parent", "--wait=false"]).status.success());
    let said = &verdicts(&space, "executions", "Execution")["parent"];
    assert_eq!((&*said.kstatus, &*said.argo), ("Terminating", "Progressing"));
    let _controller = space.controller();
    space.wait("the parent to go", || space.get("executions", "parent").is_none().then_some(()));
    assert_eq!(space.ended(&child)["status"]["phase"], "Stopped");
    check(&space, "after", &[(&child, verdict("Failed", "Degraded", ENDED))]);
}
