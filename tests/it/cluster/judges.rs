//! What judges say of an object at every moment of its life: `kubectl wait`, kstatus, which is the library that
//! Flux asks, and Argo CD with the script of docs/gitops.md.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

mod reruns;
mod schedules;

use super::rig::{Space, manifest};
use crate::readme::blocks;
use crate::service::{Answer, Service};
use crate::tools;

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

/// What judges say: kstatus, Argo CD, and what `kubectl wait` finds met.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    kstatus: String,
    argo: String,
    met: String,
}

fn verdict(kstatus: &str, argo: &str, met: &str) -> Verdict {
    Verdict { kstatus: kstatus.to_owned(), argo: argo.to_owned(), met: met.to_owned() }
}

/// Nobody has looked at what is there now.
fn unobserved() -> Verdict {
    verdict("InProgress", "Progressing", "")
}

/// A moment: the object that is in it, what kstatus says, what Argo CD says, what `kubectl wait` finds met.
type Moment = (&'static str, &'static str, &'static str, &'static str);

/// Before it is admitted, or refused.
const WAITS: &str = "InProgress";
/// While it goes on.
const GOES_ON: &str = "Accepted InProgress";
/// Ended, but without success.
const ENDED: &str = "Accepted Succeeded=False Complete Stalled";
/// Ended without ever having begun.
const REFUSED: &str = "Succeeded=False Complete Stalled";

const MOMENTS: &[Moment] = &[
    ("no-flow", "InProgress", "Progressing", WAITS),
    ("flow-suspended", "InProgress", "Progressing", WAITS),
    ("held-back", "InProgress", "Suspended", WAITS),
    ("queued", "InProgress", "Progressing", WAITS),
    ("timer", "InProgress", "Progressing", GOES_ON),
    ("task", "InProgress", "Progressing", GOES_ON),
    ("retrying", "InProgress", "Progressing", GOES_ON),
    ("callback", "InProgress", "Progressing", GOES_ON),
    ("first-in-line", "InProgress", "Progressing", GOES_ON),
    ("still", "InProgress", "Suspended", GOES_ON),
    ("stopping", "InProgress", "Progressing", GOES_ON),
    // It cannot go on before somebody mends something.
    ("blocked", "Failed", "Degraded", "Accepted InProgress Stalled"),
    ("succeeded", "Current", "Healthy", "Accepted Succeeded Complete Ready"),
    ("failed", "Failed", "Degraded", ENDED),
    ("timed-out", "Failed", "Degraded", ENDED),
    ("canceled", "Failed", "Degraded", ENDED),
    ("terminated", "Failed", "Degraded", ENDED),
    ("rejected", "Failed", "Degraded", REFUSED),
    ("stopped-first", "Failed", "Degraded", REFUSED),
];

/// What of each object `kubectl wait` finds met, without waiting.
fn met(space: &Space, resource: &str, names: &[String]) -> BTreeMap<String, String> {
    let mut met: BTreeMap<String, Vec<&str>> = names.iter().map(|name| (name.clone(), Vec::new())).collect();
    for condition in ASKED {
        let asked = format!("--for=condition={condition}");
        let objects: Vec<_> = names.iter().map(|name| format!("{resource}/{name}")).collect();
        let mut wait = vec!["wait", &asked, "--timeout=0s"];
        wait.extend(objects.iter().map(String::as_str));
        let said = String::from_utf8(space.kubectl(&wait).stdout).unwrap();
        for line in said.lines() {
            let name = line.strip_suffix(" condition met").and_then(|object| object.split('/').nth(1));
            met.get_mut(name.unwrap_or_else(|| panic!("{line}"))).unwrap().push(condition);
        }
    }
    met.into_iter().map(|(name, met)| (name, met.join(" "))).collect()
}

/// The script by which Argo CD judges objects of a kind, in a file.
fn argo_script(space: &Space, kind: &str) -> PathBuf {
    let text = std::fs::read_to_string(tools::root().join("docs/gitops.md")).unwrap();
    let block = blocks(&text, "yaml").into_iter().find(|block| block.contains("argocd-cm")).unwrap();
    let settings: Value = serde_saphyr::from_str(&block).unwrap();
    let script = &settings["data"][format!("resource.customizations.health.millrace.dev_{kind}")];
    let file = space.kubeconfig.with_file_name(format!("{kind}.lua"));
    std::fs::write(&file, script.as_str().unwrap()).unwrap();
    file
}

/// What a judge says of each object of a list, in its order.
fn judged(list: &Value, arguments: &[&str]) -> Vec<String> {
    let mut judge = tools::kstatus();
    let mut child = judge.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(list.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let status =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["status"].as_str().unwrap().to_owned();
    said.lines().map(status).collect()
}

/// What judges say of all objects of a kind.
fn verdicts(space: &Space, resource: &str, kind: &str) -> BTreeMap<String, Verdict> {
    let objects = space.list(resource);
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    let names: Vec<_> = objects.iter().map(name).collect();
    let script = argo_script(space, kind);
    let list = Value::Array(objects);
    let kstatus = judged(&list, &[]);
    let argo = judged(&list, &["-health", script.to_str().unwrap()]);
    let mut met = met(space, resource, &names);
    let verdicts = names.into_iter().zip(kstatus.into_iter().zip(argo)).map(|(name, (kstatus, argo))| {
        let met = met.remove(&name).unwrap();
        (name, Verdict { kstatus, argo, met })
    });
    verdicts.collect()
}

/// Holds what judges say of executions against what is expected at each moment.
fn judge(space: &Space, when: &str, expected: impl Fn(&Moment) -> Verdict) {
    let found = verdicts(space, "executions", "Execution");
    let expected = MOMENTS.iter().map(|moment| (moment.0.to_owned(), expected(moment))).collect();
    check(space, "executions", when, &found, &expected);
}

fn check(
    space: &Space,
    resource: &str,
    when: &str,
    found: &BTreeMap<String, Verdict>,
    expected: &BTreeMap<String, Verdict>,
) {
    let differs = expected.iter().filter(|(name, expected)| found.get(*name) != Some(expected));
    let problems: Vec<_> = differs
        .map(|(name, expected)| {
            let object = space.get(resource, name).unwrap_or_default();
            let conditions = &object["status"]["conditions"];
            format!("{name}: {:?}\n  instead of {expected:?}\n  {conditions}", found.get(name))
        })
        .collect();
    assert!(problems.is_empty(), "{when}:\n{}", problems.join("\n"));
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
    // Longer than the test takes.
    let ask =
        |path: &str| task("Ask", "HTTP:Request", json!({"url": service.url(path), "timeoutSeconds": 1_000}));
    let mut again = ask("/broken");
    again["Retry"] = json!([{"Errors": ["FnF.ALL"], "IntervalSeconds": 3_600, "MaxAttempts": 3}]);
    let work = task("Work", "Kubernetes:RunJob", json!({"image": "none"}));
    let mut callback = task("Ask", "HTTP:Request", json!({"url": service.url("/told")}));
    callback["TaskMode"] = json!("WaitForCustomCallback");
    // In the language that lets it rest for so long.
    let rest =
        json!({"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 3_600, "End": true}}});
    space.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: weak}}");
    space.flow("waits", &rest.to_string());
    space.flow_with("one-by-one", &rest.to_string(), json!({"concurrency": {"limit": 1}}));
    for (name, states, spec) in [
        ("is-told", json!([callback]), json!({})),
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
        ("first-in-line", "one-by-one", json!({})),
        ("timer", "waits", json!({})),
        ("callback", "is-told", json!({})),
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
    going("first-in-line", "WaitingForTimer");
    start("queued", "one-by-one", json!({}));
    going("queued", "Queued");
    going("callback", "WaitingForCallback");
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
    let service = Service::on_thread(|asked, _| async move {
        match &*asked.path {
            "/broken" => Answer::status(500, ""),
            "/told" => Answer::json(&json!({})),
            _ => std::future::pending().await,
        }
    });
    let space = Space::new("judges");
    let controller = space.controller();
    flows(&space, &service);
    reach(&space);
    let names: Vec<_> = MOMENTS.iter().map(|(name, ..)| *name).collect();
    let plain = |(_, kstatus, argo, met): &Moment| verdict(kstatus, argo, met);
    judge(&space, "at first", plain);

    // Something else under the same name. What nobody has judged yet may change.
    let changed = |(_, kstatus, argo, met): &Moment| match *met {
        WAITS => verdict(kstatus, argo, met),
        met => verdict(kstatus, argo, &format!("{met} AlreadyExists")),
    };
    patch_all(&space, &json!({"priority": 9}));
    all_observed(&space, "executions", &names);
    judge(&space, "changed", changed);

    // Nobody concludes anything from what is said of an older spec.
    controller.kill();
    patch_all(&space, &json!({"priority": 8}));
    judge(&space, "unobserved", |_| unobserved());
    let _controller = space.controller();
    all_observed(&space, "executions", &names);
    // The call that was waited for went with the controller that was killed.
    let gone = |moment: &Moment| match moment.0 {
        "stopping" => ("stopping", "Failed", "Degraded", ENDED),
        _ => *moment,
    };
    space.ended("stopping");
    // Its first look has not yet tried to make the Job again.
    space.condition("blocked", "Stalled", "True", "Forbidden");
    judge(&space, "changed again", |moment| changed(&gone(moment)));
    patch_all(&space, &json!({"priority": null}));
    all_observed(&space, "executions", &names);
    judge(&space, "taken back", |moment| plain(&gone(moment)));

    // Deleted, while somebody still needs them.
    let held = json!({"metadata": {"finalizers": ["millrace.test/held"]}});
    names.iter().for_each(|name| patch(&space, "executions", name, &held));
    let delete = [&["delete", "executions", "--wait=false"], &names[..]].concat();
    assert!(space.kubectl(&delete).status.success());
    for (name, said) in verdicts(&space, "executions", "Execution") {
        assert_eq!((&*said.kstatus, &*said.argo), ("Terminating", "Progressing"), "{name}");
        assert!(!said.met.contains("AlreadyExists"), "{name}: {}", said.met);
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
    let unseen = |name: &str| BTreeMap::from([(name.to_owned(), unobserved())]);
    assert_eq!(verdicts(&space, "flows", "Flow"), unseen("ends"));
    assert_eq!(verdicts(&space, "executions", "Execution"), unseen("one"));
    space.apply(&manifest("TaskReport", "r", json!({"taskToken": "t", "outcome": "Succeeded"})).to_string());
    assert_eq!(space.kstatus_of("taskreports", "r"), "InProgress");
    let conditions = space.execution("one")["status"]["conditions"].clone();
    let types: Vec<_> = conditions.as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Accepted", "InProgress", "Succeeded", "Complete", "Ready", "Stalled"]);
    let _controller = space.controller();
    let wait = ["wait", "--for=condition=Ready", "flows/ends", "executions/one", "--timeout=60s"];
    assert!(space.kubectl(&wait).status.success());
    // Nobody waits for that answer, and nobody ever will.
    let wait = ["wait", "--for=condition=Stalled", "taskreports/r", "--timeout=60s"];
    assert!(space.kubectl(&wait).status.success());
    assert_eq!(space.kstatus_of("taskreports", "r"), "Failed");
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
        ("valid", "Current", "Healthy", "Ready"),
        ("suspended", "Current", "Healthy", "Ready"),
        ("deprecated", "Current", "Healthy", "Ready"),
        ("invalid", "Failed", "Degraded", "Stalled"),
        ("spoilt", "Failed", "Degraded", "Stalled"),
    ];
    let names = rows.map(|(name, ..)| name);
    let judge = |when: &str, expected: &dyn Fn(Moment) -> Verdict| {
        let expected = rows.iter().map(|row| (row.0.to_owned(), expected(*row))).collect();
        check(&space, "flows", when, &verdicts(&space, "flows", "Flow"), &expected);
    };
    let plain = |(_, kstatus, argo, met): Moment| verdict(kstatus, argo, met);
    judge("at first", &plain);
    assert_eq!(space.kstatus_of("flowrevisions", "valid-1"), "Current");
    controller.kill();
    names.iter().for_each(|name| patch(&space, "flows", name, &json!({"spec": {"revisionHistoryLimit": 9}})));
    judge("unobserved", &|_| unobserved());
    let _controller = space.controller();
    all_observed(&space, "flows", &names);
    judge("changed", &plain);
    let held = json!({"metadata": {"finalizers": ["millrace.test/held"]}});
    names.iter().for_each(|name| patch(&space, "flows", name, &held));
    assert!(space.kubectl(&["delete", "flows", "--all", "--wait=false"]).status.success());
    names.iter().for_each(|name| assert_eq!(space.kstatus_of("flows", name), "Terminating", "{name}"));
    let released = json!({"metadata": {"finalizers": null}});
    names.iter().for_each(|name| patch(&space, "flows", name, &released));
    space.wait("them to go", || space.list("flows").is_empty().then_some(()));
}
