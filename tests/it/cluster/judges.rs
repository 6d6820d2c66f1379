//! What judges say of an object at every moment of its life: `kubectl wait`, and kstatus, the library that Flux
//! asks.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::rig::{Space, manifest};
use crate::service::{Answer, Service};

/// What `kubectl wait` is asked for.
const ASKED: &[&str] = &[
    "Accepted",
    "InProgress",
    "Succeeded",
    "Succeeded=False",
    "Complete",
    "Ready",
    "Stalled",
    "AlreadyExists",
];

/// A moment: the object that is in it, what kstatus says, what `kubectl wait` finds met.
type Moment = (&'static str, &'static str, &'static str);

/// Before it is admitted, or refused.
const WAITS: &str = "InProgress";
/// While it goes on.
const GOES_ON: &str = "Accepted InProgress";
/// Ended, but without success.
const ENDED: &str = "Accepted Succeeded=False Complete Stalled";
/// Ended without ever having begun.
const REFUSED: &str = "Succeeded=False Complete Stalled";

const MOMENTS: &[Moment] = &[
    ("no-flow", "InProgress", WAITS),
    ("flow-suspended", "InProgress", WAITS),
    ("held-back", "InProgress", WAITS),
    ("timer", "InProgress", GOES_ON),
    ("task", "InProgress", GOES_ON),
    ("retrying", "InProgress", GOES_ON),
    ("still", "InProgress", GOES_ON),
    ("stopping", "InProgress", GOES_ON),
    // It cannot go on before somebody mends something.
    ("blocked", "Failed", "Accepted InProgress Stalled"),
    ("succeeded", "Current", "Accepted Succeeded Complete Ready"),
    ("failed", "Failed", ENDED),
    ("timed-out", "Failed", ENDED),
    ("canceled", "Failed", ENDED),
    ("terminated", "Failed", ENDED),
    ("rejected", "Failed", REFUSED),
    ("stopped-first", "Failed", REFUSED),
];

fn is_judged(name: &str) -> bool {
    MOMENTS.iter().any(|(moment, _, met)| *moment == name && *met != WAITS)
}

/// What `kubectl wait` finds met of an object, without waiting.
fn met(space: &Space, object: &str) -> String {
    let is_met = |condition: &&&str| {
        let condition = format!("--for=condition={condition}");
        space.kubectl(&["wait", &condition, object, "--timeout=0s"]).status.success()
    };
    ASKED.iter().filter(is_met).copied().collect::<Vec<_>>().join(" ")
}

/// Holds what is found against what is expected of each moment.
fn judge(space: &Space, resource: &str, when: &str, moments: &[(&str, &str, String)]) {
    let mut problems = Vec::new();
    for (name, expected, expected_met) in moments {
        let found = space.kstatus_of(resource, name);
        let found_met = met(space, &format!("{resource}/{name}"));
        if found != *expected || found_met != *expected_met {
            let status = &space.get(resource, name).unwrap()["status"]["conditions"];
            problems.push(format!(
                "{name}: {found}, {found_met}\n  instead of {expected}, {expected_met}\n  {status}"
            ));
        }
    }
    assert!(problems.is_empty(), "{when}:\n{}", problems.join("\n"));
}

fn moments(
    as_expected: impl Fn(&Moment) -> (&'static str, String),
) -> Vec<(&'static str, &'static str, String)> {
    let row = |moment: &Moment| {
        let (kstatus, met) = as_expected(moment);
        (moment.0, kstatus, met)
    };
    MOMENTS.iter().map(row).collect()
}

fn patch(space: &Space, resource: &str, name: &str, patch: &Value) {
    let patched = space.kubectl(&["patch", resource, name, "--type=merge", "-p", &patch.to_string()]);
    assert!(patched.status.success(), "{patched:?}");
}

fn patch_all(space: &Space, spec: &Value) {
    MOMENTS.iter().for_each(|(name, ..)| patch(space, "executions", name, &json!({"spec": spec})));
}

/// Waits until the status speaks of the newest generation of them all.
fn all_observed(space: &Space, resource: &str, names: &[&str]) {
    for name in names {
        space.wait(&format!("{name} to be looked at"), || {
            let object = space.get(resource, name)?;
            (object["status"]["observedGeneration"] == object["metadata"]["generation"]).then_some(())
        });
    }
}

fn definition(states: &Value) -> String {
    let first = &states[0]["Name"];
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": first, "States": states}).to_string()
}

fn flows(space: &Space, service: &Service) {
    let task = |name: &str, action: &str, parameters: Value| json!({"Type": "Task", "Name": name, "Action": action, "Parameters": parameters, "End": true});
    let ask = |path: &str| task("Ask", "HTTP:Request", json!({"url": service.url(path)}));
    let mut again = ask("/broken");
    again["Retry"] = json!([{"Errors": ["FnF.ALL"], "IntervalSeconds": 300, "MaxAttempts": 3}]);
    let work = task("Work", "Kubernetes:RunJob", json!({"image": "none"}));
    space.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: weak}}");
    for (name, states, spec) in [
        ("waits", json!([{"Type": "Wait", "Name": "Rest", "Seconds": 600, "End": true}]), json!({})),
        ("ends", json!([{"Type": "Succeed", "Name": "Done"}]), json!({})),
        ("fails", json!([{"Type": "Fail", "Name": "Bad", "Code": "E", "Detail": "d"}]), json!({})),
        ("asks", json!([ask("/")]), json!({})),
        ("asks-again", json!([again]), json!({})),
        ("works", json!([work]), json!({"serviceAccountName": "weak"})),
        ("suspended", json!([{"Type": "Succeed", "Name": "Done"}]), json!({"suspend": true})),
    ] {
        space.flow_with(name, &definition(&states), spec);
    }
}

/// Brings an execution into each of the moments.
fn reach(space: &Space) {
    let start = |name: &str, flow: &str, more: Value| {
        let mut spec = json!({"flowRef": {"name": flow}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space.start(name, spec);
    };
    let going = |name: &str, reason: &str| space.condition(name, "InProgress", "True", reason);
    let ask = |name: &str, spec: Value| patch(space, "executions", name, &json!({"spec": spec}));
    for (name, flow, more) in [
        ("no-flow", "missing", json!({})),
        ("flow-suspended", "suspended", json!({})),
        ("held-back", "ends", json!({"suspend": true})),
        ("timer", "waits", json!({})),
        ("task", "asks", json!({})),
        ("retrying", "asks-again", json!({})),
        ("still", "waits", json!({})),
        ("stopping", "asks", json!({})),
        ("blocked", "works", json!({})),
        ("succeeded", "ends", json!({})),
        ("failed", "fails", json!({})),
        ("timed-out", "waits", json!({"timeoutSeconds": 0})),
        ("canceled", "waits", json!({})),
        ("terminated", "asks", json!({})),
        ("rejected", "ends", json!({"input": [1]})),
        ("stopped-first", "missing", json!({"stop": {"mode": "Cancel"}})),
    ] {
        start(name, flow, more);
    }
    going("no-flow", "FlowNotFound");
    going("flow-suspended", "FlowSuspended");
    going("held-back", "Suspended");
    going("retrying", "RetryBackoff");
    space.condition("blocked", "Stalled", "True", "Forbidden");
    ["timer", "still", "canceled"].iter().for_each(|name| drop(going(name, "WaitingForTimer")));
    ["task", "stopping", "terminated"].iter().for_each(|name| drop(going(name, "WaitingForTask")));
    ask("still", json!({"suspend": true}));
    ask("stopping", json!({"stop": {"mode": "Cancel"}}));
    ask("canceled", json!({"stop": {"mode": "Cancel"}}));
    ask("terminated", json!({"stop": {"mode": "Terminate"}}));
    going("still", "Suspended");
    going("stopping", "Stopping");
    let ends = MOMENTS.iter().filter(|(.., met)| met.contains("Complete"));
    ends.for_each(|(name, ..)| drop(space.ended(name)));
}

#[test]
fn judges_are_right_at_every_moment_of_a_run() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Service::on_thread(move |asked, _| {
        let gate = gate.clone();
        async move {
            if asked.path == "/broken" {
                return Answer::status(500, "");
            }
            let _never = gate.acquire().await.unwrap();
            Answer::json(&json!({}))
        }
    });
    let space = Space::new("judges");
    let controller = space.controller();
    flows(&space, &service);
    reach(&space);
    let names: Vec<_> = MOMENTS.iter().map(|(name, ..)| *name).collect();
    let plain = moments(|(_, kstatus, met)| (kstatus, (*met).to_owned()));
    judge(&space, "executions", "at first", &plain);

    // Something else under the same name. What nobody has judged yet may change.
    let changed = moments(|(name, kstatus, met)| {
        (kstatus, if is_judged(name) { format!("{met} AlreadyExists") } else { (*met).to_owned() })
    });
    patch_all(&space, &json!({"priority": 9}));
    all_observed(&space, "executions", &names);
    judge(&space, "executions", "changed", &changed);

    // Nobody concludes anything from what is said of an older spec.
    controller.kill();
    patch_all(&space, &json!({"priority": 8}));
    judge(&space, "executions", "unobserved", &moments(|_| ("InProgress", String::new())));
    let _controller = space.controller();
    all_observed(&space, "executions", &names);
    judge(&space, "executions", "changed again", &changed);
    patch_all(&space, &json!({"priority": null}));
    all_observed(&space, "executions", &names);
    judge(&space, "executions", "taken back", &plain);

    // Deleted, while somebody still needs them.
    let held = json!({"metadata": {"finalizers": ["millrace.test/held"]}});
    names.iter().for_each(|name| patch(&space, "executions", name, &held));
    let delete = [&["delete", "executions", "--wait=false"], &names[..]].concat();
    assert!(space.kubectl(&delete).status.success());
    for name in &names {
        assert_eq!(space.kstatus(name), "Terminating", "{name}");
    }
    let released = json!({"metadata": {"finalizers": null}});
    names.iter().for_each(|name| patch(&space, "executions", name, &released));
    space.wait("them to go", || space.list("executions").is_empty().then_some(()));
}

#[test]
fn nothing_reads_as_done_before_anybody_has_looked() {
    let space = Space::new("unseen");
    let definition = definition(&json!([{"Type": "Succeed", "Name": "Done"}]));
    space.apply(&manifest("Flow", "ends", json!({"definition": definition})).to_string());
    space.start("one", json!({"flowRef": {"name": "ends"}}));
    let unseen = |name| (name, "InProgress", String::new());
    judge(&space, "flows", "unseen", &[unseen("ends")]);
    judge(&space, "executions", "unseen", &[unseen("one")]);
    let conditions = space.execution("one")["status"]["conditions"].clone();
    let types: Vec<_> = conditions.as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Accepted", "InProgress", "Succeeded", "Complete", "Ready", "Stalled"]);
    let _controller = space.controller();
    let wait = ["wait", "--for=condition=Ready", "flows/ends", "executions/one", "--timeout=60s"];
    assert!(space.kubectl(&wait).status.success());
}

#[test]
fn judges_are_right_at_every_moment_of_a_flow() {
    let space = Space::new("judged-flows");
    let controller = space.controller();
    let valid = definition(&json!([{"Type": "Succeed", "Name": "Done"}]));
    for (name, spec) in [
        ("valid", json!({})),
        ("suspended", json!({"suspend": true})),
        ("deprecated", json!({"lifecycle": "Deprecated"})),
        ("spoilt", json!({})),
    ] {
        space.flow_with(name, &valid, spec);
    }
    space.flow("invalid", "Type: StateMachine");
    // The revision before goes on being run, and yet this is not what was asked for.
    space.flow("spoilt", "Type: StateMachine");
    let rows = [
        ("valid", "Current", "Ready"),
        ("suspended", "Current", "Ready"),
        ("deprecated", "Current", "Ready"),
        ("invalid", "Failed", "Stalled"),
        ("spoilt", "Failed", "Stalled"),
    ];
    let names = rows.map(|(name, ..)| name);
    let plain = rows.map(|(name, kstatus, met)| (name, kstatus, met.to_owned()));
    judge(&space, "flows", "at first", &plain);
    assert_eq!(space.kstatus_of("flowrevisions", "valid-1"), "Current");
    controller.kill();
    names.iter().for_each(|name| patch(&space, "flows", name, &json!({"spec": {"revisionHistoryLimit": 9}})));
    judge(&space, "flows", "unobserved", &rows.map(|(name, ..)| (name, "InProgress", String::new())));
    let _controller = space.controller();
    all_observed(&space, "flows", &names);
    judge(&space, "flows", "changed", &plain);
    let held = json!({"metadata": {"finalizers": ["millrace.test/held"]}});
    names.iter().for_each(|name| patch(&space, "flows", name, &held));
    assert!(space.kubectl(&["delete", "flows", "--all", "--wait=false"]).status.success());
    names.iter().for_each(|name| assert_eq!(space.kstatus_of("flows", name), "Terminating", "{name}"));
    let released = json!({"metadata": {"finalizers": null}});
    names.iter().for_each(|name| patch(&space, "flows", name, &released));
    space.wait("them to go", || space.list("flows").is_empty().then_some(()));
}
