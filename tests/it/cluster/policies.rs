//! The chart's policies, as Helm renders them, judged by the real API server.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::rig::{Space, condition, execution, wait};
use crate::tools;

const FLOW: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 300, End: true}]";

/// Policies that hold in this namespace alone. They go with the value.
struct Policies<'s> {
    space: &'s Space,
    rendered: String,
}

impl<'s> Policies<'s> {
    fn new(space: &'s Space, mut policies: Value) -> Self {
        let name = &space.name;
        policies["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
        let values = json!({"fullnameOverride": name, "policies": policies});
        let mut child = tools::helm()
            .args(["template", name, "--namespace", name, "--values", "-"])
            .args(["--show-only", "templates/policies.yaml"])
            .arg(tools::root().join("charts/millrace"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(values.to_string().as_bytes()).unwrap();
        let rendered = child.wait_with_output().unwrap();
        assert!(rendered.status.success(), "helm template");
        let rendered = String::from_utf8(rendered.stdout).unwrap();
        let applied = space.cluster.kubectl_with(&["apply", "-f", "-"], &rendered);
        assert!(applied.status.success(), "{applied:?}");
        Self { space, rendered }
    }
}

impl Drop for Policies<'_> {
    fn drop(&mut self) {
        let _ = self.space.cluster.kubectl_with(&["delete", "--wait=false", "-f", "-"], &self.rendered);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn check_refused(output: &Output, words: &[&str]) {
    let said = said(output);
    assert!(!output.status.success(), "it was taken");
    words.iter().for_each(|word| assert!(said.contains(word), "`{word}` is not in: {said}"));
}

#[test]
fn where_specs_are_immutable_another_one_is_refused_and_wishes_are_heard() {
    let space = Space::new("immutable");
    let _controller = space.controller();
    space.flow("f", FLOW);
    let spec = json!({"flowRef": {"name": "f"}, "input": {"a": [1, {"b": null}]}, "tags": ["gold"]});
    space.start("one", spec.clone());
    space.condition("one", "InProgress", "True", "WaitingForTimer");
    let _policies = Policies::new(&space, json!({"immutableSpec": {"enabled": true}}));
    let patch = |patch: Value, options: &[&str]| {
        let patch = patch.to_string();
        space.kubectl(&[&["patch", "executions", "one", "--type=merge", "-p", &patch], options].concat())
    };
    // A policy takes a moment to hold.
    wait("the policy to hold", || {
        let tried = patch(json!({"spec": {"priority": 1}}), &["--dry-run=server"]);
        said(&tried).contains("already exists").then_some(())
    });
    let about = "Execution one for flow f already exists: spec.";
    for (change, fields) in [
        (json!({"input": {"a": [1, {"b": 2}]}}), "input cannot change. Another run needs another name"),
        (json!({"input": null}), "input cannot change"),
        (json!({"flowRef": {"qualifier": "1"}}), "flowRef cannot change"),
        (json!({"tags": null, "parameters": {"k": "v"}}), "parameters, spec.tags cannot change"),
        (json!({"timeoutSeconds": 5, "suspend": true}), "timeoutSeconds cannot change"),
    ] {
        check_refused(&patch(json!({"spec": change}), &[]), &["immutable-spec", about, fields]);
    }
    let mut other = spec.clone();
    other["input"]["a"][1]["b"] = json!(true);
    let server_side = ["--server-side", "--force-conflicts"];
    check_refused(&space.try_apply(&execution("one", other.clone()), &server_side), &[about, "input"]);
    check_refused(&space.try_apply(&execution("one", other.clone()), &[]), &[about, "input"]);
    let replace = ["--namespace", &space.name, "replace", "-f", "-"];
    check_refused(&space.cluster.kubectl_with(&replace, &execution("one", other)), &[about, "input"]);

    // What was asked for may be asked for again, and what may change does.
    assert!(space.try_apply(&execution("one", spec.clone()), &server_side).status.success());
    assert!(space.cluster.kubectl_with(&replace, &execution("one", spec)).status.success());
    for change in [
        json!({"suspend": true, "ttlSecondsAfterFinished": 600}),
        json!({"suspend": null, "stop": {"mode": "Cancel"}}),
        json!({"stop": {"mode": "Terminate"}}),
    ] {
        let patched = patch(json!({"spec": change}), &[]);
        assert!(patched.status.success(), "{}", said(&patched));
    }
    let ended = space.ended("one");
    assert_eq!(ended["status"]["phase"], "Stopped");
    assert!(condition(&ended, "AlreadyExists").is_none());
    let redriven = patch(json!({"spec": {"redrive": 1}}), &["--dry-run=server"]);
    assert!(redriven.status.success(), "{}", said(&redriven));
    assert!(patch(json!({"metadata": {"labels": {"a": "b"}}}), &[]).status.success());
}

/// Whoever tries something, with the right to make Executions.
struct Caller<'s> {
    space: &'s Space,
    user: String,
    groups: &'static [&'static str],
}

impl Caller<'_> {
    fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let groups = self.groups.iter().chain(&["starters"]).flat_map(|group| ["--as-group", group]);
        let mut all = vec!["--namespace", &self.space.name, "--as", &self.user];
        all.extend(groups);
        all.extend(arguments);
        self.space.cluster.kubectl_with(&all, input)
    }

    fn create(&self, name: &str, spec: Value) -> Output {
        self.kubectl(&["create", "--dry-run=server", "-f", "-"], &execution(name, spec))
    }
}

/// What is asked for: flow, task list, tags.
fn asks(flow: &str, task_list: &str, tags: &[&str]) -> Value {
    let mut spec = json!({"flowRef": {"name": flow}});
    if !task_list.is_empty() {
        spec["taskList"] = json!(task_list);
    }
    if !tags.is_empty() {
        spec["tags"] = json!(tags);
    }
    spec
}

fn starters(space: &Space) {
    let role = format!("--clusterrole={}-edit", space.name);
    let bound = space.kubectl(&["create", "rolebinding", "starters", &role, "--group=starters"]);
    assert!(bound.status.success(), "{bound:?}");
}

#[test]
fn an_account_starts_only_what_its_rules_allow() {
    let space = Space::new("starts");
    starters(&space);
    let account = |name: &str| format!("system:serviceaccount:{}:{name}", space.name);
    let rules = json!([
        {"users": ["o'\"Hara\\"], "groups": ["interns"], "flows": ["report", "trial"], "tags": ["trial", "a b"]},
        {"serviceAccounts": [{"namespace": space.name, "name": "ci"}], "taskLists": ["slow"]},
        {"serviceAccounts": [{"namespace": space.name, "name": "ci"}], "flows": ["deploy"]},
    ]);
    let _policies = Policies::new(&space, json!({"starts": {"enabled": true, "rules": rules}}));
    let caller = |user: &str, groups| Caller { space: &space, user: user.to_owned(), groups };
    let intern = caller("bob", &["interns"]);
    wait("the policy to hold", || {
        said(&intern.create("a", asks("order", "", &["trial"]))).contains("may not start").then_some(())
    });
    let ci = caller(&account("ci"), &[]);
    let hara = caller("o'\"Hara\\", &[]);
    for (who, spec) in [
        (&intern, asks("report", "", &["trial"])),
        (&intern, asks("trial", "fast", &["a b", "trial"])),
        (&hara, asks("report", "", &["trial"])),
        (&ci, asks("report", "slow", &["any"])),
        (&ci, asks("deploy", "fast", &[])),
        // No rule names them.
        (&caller("eve", &[]), asks("order", "", &[])),
        (&caller(&account("other"), &[]), asks("order", "fast", &["gold"])),
    ] {
        let made = who.create("a", spec.clone());
        assert!(made.status.success(), "{} {spec}: {}", who.user, said(&made));
    }
    const INTERN: &str = "It may start: flow report or trial with spec.tags of trial, a b";
    const CI: &str = "It may start: any flow with spec.taskList slow; flow deploy";
    for (who, spec, words) in [
        (&intern, asks("order", "", &["trial"]), ["bob may not start flow order", INTERN]),
        (
            &intern,
            asks("report", "", &[]),
            ["flow report without spec.taskList and without spec.tags", INTERN],
        ),
        (&intern, asks("report", "", &["trial", "gold"]), ["with spec.tags trial, gold", INTERN]),
        (&hara, asks("order", "", &["trial"]), ["o'\"Hara\\ may not start flow order", INTERN]),
        (&ci, asks("report", "fast", &[]), ["flow report with spec.taskList fast", CI]),
        (&ci, asks("report", "", &[]), ["flow report without spec.taskList", CI]),
    ] {
        check_refused(&who.create("a", spec), &words);
    }
    steer(&space, &intern);
}

/// Whoever may not start something may still stop it; what is to be run again is judged as it now stands.
fn steer(space: &Space, intern: &Caller<'_>) {
    space.start("one", asks("order", "", &[]));
    let patch = |spec: Value| {
        let patch = json!({"spec": spec}).to_string();
        intern.kubectl(&["patch", "executions", "one", "--type=merge", "-p", &patch], "")
    };
    let suspended = patch(json!({"suspend": true, "stop": {"mode": "Cancel"}}));
    assert!(suspended.status.success(), "{}", said(&suspended));
    check_refused(&patch(json!({"tags": ["gold"]})), &["bob may not start flow order"]);
    check_refused(&patch(json!({"flowRef": {"name": "deploy"}})), &["bob may not start flow deploy"]);
    let phase = json!({"status": {"phase": "Failed"}}).to_string();
    let set =
        space.kubectl(&["patch", "executions", "one", "--subresource=status", "--type=merge", "-p", &phase]);
    assert!(set.status.success(), "{set:?}");
    check_refused(&patch(json!({"redrive": 1})), &["bob may not start flow order"]);
    assert!(patch(json!({"redrive": 1, "flowRef": {"name": "report"}, "tags": ["trial"]})).status.success());
}

#[test]
fn where_only_named_accounts_may_start_anything_the_controller_still_may() {
    let space = Space::new("closed");
    starters(&space);
    let rules = json!([{"groups": ["operators"]}]);
    let starts = json!({"enabled": true, "others": false, "rules": rules});
    let _policies = Policies::new(&space, json!({"starts": starts}));
    let caller = |user: &str, groups| Caller { space: &space, user: user.to_owned(), groups };
    let (eve, operator) = (caller("eve", &[]), caller("ann", &["operators"]));
    wait("the policy to hold", || {
        said(&eve.create("a", asks("f", "", &[]))).contains("may not start").then_some(())
    });
    check_refused(
        &eve.create("a", asks("f", "", &[])),
        &["eve may not start flow f", "It may start: nothing"],
    );
    let controller = format!("system:serviceaccount:{0}:{0}-controller", space.name);
    for who in [operator, caller(&controller, &[])] {
        let made = who.create("a", asks("f", "", &[]));
        assert!(made.status.success(), "{}: {}", who.user, said(&made));
    }
}
