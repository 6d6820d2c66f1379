//! Executions that start others: started, waited for, waiting for an answer, and what becomes of them.

use serde_json::{Value, json};

use super::rig::{Space, condition, manifest};
use crate::command::{program, start_as};
use crate::service::{Gate, Service};

/// A Flow of the newer language that starts `child` in a mode.
pub fn parent(mode: &str, parameters: &Value) -> String {
    let states = json!([
        {"Type": "Task", "Name": "Start", "Action": "FNF:StartExecution", "TaskMode": mode, "Parameters": parameters, "End": true},
    ]);
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Start", "States": states}).to_string()
}

/// A Flow that waits.
pub fn waits(seconds: u32) -> String {
    let states = json!([{"Type": "Wait", "Name": "Rest", "Seconds": seconds, "End": true}]);
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Rest", "States": states}).to_string()
}

fn passes(output: &Value) -> String {
    let states = json!([{"Type": "Pass", "Name": "P", "OutputConstructor": output, "End": true}]);
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "P", "States": states}).to_string()
}

fn fails() -> String {
    let states = json!([{"Type": "Fail", "Name": "F", "Code": "AuditError", "Detail": "not yet"}]);
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "F", "States": states}).to_string()
}

/// Whose runs may start others.
pub fn with_runner(space: &Space, name: &str, definition: &str) {
    space.flow_with(name, definition, json!({"serviceAccountName": "runner"}));
}

/// The only child of an execution.
pub fn child_of(space: &Space, parent: &str) -> Value {
    space.wait(&format!("a child of {parent}"), || {
        let selector = format!("millrace.dev/parent={parent}");
        let output = space.kubectl(&["get", "executions", "-l", &selector, "-o", "json"]);
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        list["items"].as_array().unwrap().first().cloned()
    })
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_child_is_started_waited_for_and_tells_its_parent_how_it_ended() {
    let space = Space::new("children");
    let _controller = space.controller();
    space.flow("child", &passes(&json!({"got.$": "$Input.k", "name.$": "$Context.Execution.Name"})));
    space.flow("failing", &fails());
    let of = |flow: &str| json!({"resourceArn": format!("acs:fnf:::flow/{flow}"), "input": {"k": 1}});
    let mut named = of("child");
    named["executionName"] = json!("My_Child");
    with_runner(&space, "sync", &parent("WaitForSystemCallback", &named));
    with_runner(&space, "start", &parent("RequestComplete", &of("child")));
    with_runner(&space, "sync-failing", &parent("WaitForSystemCallback", &of("failing")));
    with_runner(&space, "missing", &parent("RequestComplete", &of("nobody")));

    for flow in ["sync", "start", "sync-failing", "missing"] {
        space.start(flow, json!({"flowRef": {"name": flow}}));
    }
    assert_eq!(space.output("sync"), json!({"got": 1, "name": "My_Child"}));
    let child = child_of(&space, "sync");
    assert_eq!(child["spec"]["name"], "My_Child");
    let parent_of = &child["spec"]["parentRef"];
    let uid = &space.execution("sync")["metadata"]["uid"];
    assert_eq!(
        (&parent_of["name"], &parent_of["uid"], &parent_of["depth"]),
        (&json!("sync"), uid, &json!(1))
    );

    let started = space.output("start");
    let child = name_of(&child_of(&space, "start"));
    assert_eq!((&started["FlowName"], &started["ExecutionName"]), (&json!("child"), &json!(child)));
    space.output(&child);

    let failed = space.ended("sync-failing");
    assert_eq!(
        (&failed["status"]["error"], &failed["status"]["cause"]),
        (&json!("AuditError"), &json!("not yet"))
    );
    let missing = space.ended("missing");
    assert_eq!(missing["status"]["error"], "FNF.FlowNotExists", "{missing:#}");

    // The same name again: it exists, and is not ours.
    space.start("again", json!({"flowRef": {"name": "sync"}}));
    let again = space.ended("again");
    assert_eq!(again["status"]["error"], "FNF.ExecutionAlreadyExists", "{again:#}");
    assert_eq!(again["status"]["cause"], "Execution My_Child for flow child already exists.");
    // Nothing holds what has ended.
    for name in ["sync", "start", "sync-failing", "missing", "again"] {
        space.wait("the finalizer to go", || {
            space.execution(name)["metadata"]["finalizers"].as_array().is_none().then_some(())
        });
    }
}

#[test]
fn a_child_is_neither_lost_nor_doubled_over_a_kill() {
    let gate = Gate::shut();
    let service = Service::behind(&gate, json!({"n": 7}));
    let space = Space::new("children-kill");
    let controller = space.controller();
    let ask = json!([{"Type": "Task", "Name": "Ask", "Action": "HTTP:Request", "Parameters": {"url": service.url("/")}, "OutputConstructor": {"n.$": "$Output.body.n"}, "End": true}]);
    let child = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": ask});
    space.flow("child", &child.to_string());
    with_runner(&space, "f", &parent("WaitForSystemCallback", &json!({"resourceArn": "child"})));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    let child = name_of(&child_of(&space, "one"));
    let said = space.condition_saying("one", "InProgress", "True", "WaitingForTask", &child);
    assert!(said["message"].as_str().unwrap().contains("FNF:StartExecution"), "{said}");
    assert_eq!(space.execution("one")["status"]["active"][0]["execution"], json!(child));
    space.condition(&child, "InProgress", "True", "WaitingForTask");
    controller.kill();
    gate.open();
    let _controller = space.controller();
    assert_eq!(space.output("one"), json!({"n": 7}));
    assert_eq!(space.list("executions").len(), 2);
}

#[test]
fn the_child_policy_acts_when_a_parent_is_terminated_times_out_or_is_deleted() {
    let space = Space::new("child-policy");
    let _controller = space.controller();
    space.flow("child", &waits(300));
    let states = json!([
        {"Type": "Task", "Name": "Start", "Action": "FNF:StartExecution", "Parameters": {"resourceArn": "child"}, "Next": "Rest"},
        {"Type": "Wait", "Name": "Rest", "Seconds": 300, "End": true},
    ]);
    let f = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Start", "States": states});
    with_runner(&space, "f", &f.to_string());
    let begin = |name: &str, spec: Value| {
        let mut whole = json!({"flowRef": {"name": "f"}});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        space.start(name, whole);
        space.condition(name, "InProgress", "True", "WaitingForTimer");
        let child = name_of(&child_of(&space, name));
        space.condition(&child, "InProgress", "True", "WaitingForTimer");
        child
    };
    let stop = |name: &str, mode: &str| {
        let patch = json!({"spec": {"stop": {"mode": mode}}}).to_string();
        assert!(space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]).status.success());
    };
    let reason = |name: &str| {
        let ended = space.ended(name);
        condition(&ended, "Succeeded").unwrap()["reason"].as_str().unwrap().to_owned()
    };

    let child = begin("terminated", json!({}));
    stop("terminated", "Terminate");
    assert_eq!(reason(&child), "Terminated");
    assert_eq!(space.execution(&child)["status"]["error"], "Execution.ParentEnded");

    let child = begin("requested", json!({"childPolicy": "RequestCancel"}));
    stop("requested", "Terminate");
    assert_eq!(reason(&child), "Canceled");

    let child = begin("timed-out", json!({"timeoutSeconds": 30}));
    assert_eq!(space.ended("timed-out")["status"]["phase"], "TimedOut");
    assert_eq!(reason(&child), "Terminated");

    let child = begin("deleted", json!({}));
    let deleted = space.kubectl(&["delete", "executions", "deleted", "--timeout=60s"]);
    assert!(deleted.status.success(), "{deleted:?}");
    assert_eq!(reason(&child), "Terminated");

    // Abandoned children go on, and so do those of a parent that was canceled.
    let abandoned = begin("abandoned", json!({"childPolicy": "Abandon"}));
    let left = begin("canceled", json!({}));
    stop("abandoned", "Terminate");
    stop("canceled", "Cancel");
    assert_eq!((reason("abandoned"), reason("canceled")), ("Terminated".to_owned(), "Canceled".to_owned()));
    for name in ["abandoned", "canceled"] {
        assert!(space.kubectl(&["delete", "executions", name, "--timeout=60s"]).status.success());
    }
    for child in [abandoned, left] {
        let child = space.execution(&child);
        assert_eq!(child["status"]["phase"], "Running");
        assert!(child["metadata"]["ownerReferences"].is_null(), "{child:#}");
    }
}

#[test]
fn a_child_that_is_waited_for_is_canceled_with_its_parent() {
    let space = Space::new("child-cancel");
    let controller = space.controller();
    space.flow("child", &waits(300));
    with_runner(&space, "f", &parent("WaitForSystemCallback", &json!({"resourceArn": "child"})));
    for (name, mode, expected) in [("soft", "Cancel", "Canceled"), ("hard", "Terminate", "Terminated")] {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        let child = name_of(&child_of(&space, name));
        space.condition(&child, "InProgress", "True", "WaitingForTimer");
        let patch = json!({"spec": {"stop": {"mode": mode}}}).to_string();
        assert!(space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]).status.success());
        for name in [name, &child] {
            let ended = space.ended(name);
            assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], expected, "{name}");
        }
    }
    // While nobody leads: the child is asked to end by the next controller.
    space.start("late", json!({"flowRef": {"name": "f"}}));
    let child = name_of(&child_of(&space, "late"));
    space.condition(&child, "InProgress", "True", "WaitingForTimer");
    controller.kill();
    let deleted = space.kubectl(&["delete", "executions", "late", "--wait=false"]);
    assert!(deleted.status.success(), "{deleted:?}");
    let _controller = space.controller();
    assert_eq!(condition(&space.ended(&child), "Succeeded").unwrap()["reason"], "Terminated");
    space.wait("the parent to go", || space.get("executions", "late").is_none().then_some(()));
}

#[test]
fn executions_start_each_other_only_so_deep_and_only_where_the_account_may() {
    let space = Space::new("child-depth");
    let _controller = space.controller();
    with_runner(&space, "endless", &parent("WaitForSystemCallback", &json!({"resourceArn": "endless"})));
    space.start("one", json!({"flowRef": {"name": "endless"}}));
    let ended = space.ended("one");
    assert_eq!(ended["status"]["error"], "FNF.InvalidArgument", "{ended:#}");
    assert!(ended["status"]["cause"].as_str().unwrap().contains("at most 16 deep"), "{ended:#}");
    assert_eq!(space.list("executions").len(), 17);
    // The account `default` has no rights.
    space.flow("powerless", &parent("RequestComplete", &json!({"resourceArn": "endless"})));
    space.start("two", json!({"flowRef": {"name": "powerless"}}));
    let said = space.condition_saying("two", "Stalled", "True", "Forbidden", "cannot create an Execution");
    assert!(said["message"].as_str().unwrap().contains("task `Start`"), "{said}");
}

#[test]
fn the_older_language_starts_children_too() {
    let space = Space::new("child-legacy");
    let _controller = space.controller();
    space.flow("child", "version: v1\ntype: flow\nsteps:\n  - {type: pass, name: p, outputMappings: [{target: got, source: $input.k}]}\noutputMappings: [{target: got, source: $local.got}]\n");
    space.flow(
        "failing",
        "version: v1\ntype: flow\nsteps:\n  - {type: fail, name: f, error: AuditError, cause: not yet}\n",
    );
    let task = |arn: &str, pattern: &str| {
        format!(
            "  - {{type: task, name: t, {arn}, pattern: {pattern}, inputMappings: [{{target: k, source: $input.k}}]}}\n"
        )
    };
    let flow = |step: &str| format!("version: v1\ntype: flow\nsteps:\n{step}");
    with_runner(&space, "sync", &flow(&task("resourceArn: 'acs:fnf:::flow/child'", "sync")));
    with_runner(
        &space,
        "start",
        &flow(
            "  - {type: task, name: t, action: 'fnf:StartExecution', serviceParams: {FlowName: child, ExecutionName: by-name, Input: {k: 2}}}\n",
        ),
    );
    with_runner(&space, "failed", &flow(&task("resourceArn: 'acs:fnf:::flow/failing'", "sync")));
    for flow in ["sync", "start", "failed"] {
        space.start(flow, json!({"flowRef": {"name": flow}, "input": {"k": 1}}));
    }
    assert_eq!(space.output("sync")["got"], 1);
    assert_eq!(space.output("start")["ExecutionName"], "by-name");
    assert_eq!(space.output("by-name"), json!({"got": 2}));
    assert_eq!(space.ended("failed")["status"]["error"], "AuditError");
}

#[test]
fn amazon_states_language_starts_children_too() {
    let space = Space::new("child-asl");
    let _controller = space.controller();
    let pass = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"got.$": "$.k"}, "End": true}}});
    let fail =
        json!({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "AuditError", "Cause": "not yet"}}});
    space.flow("child", &pass.to_string());
    space.flow("failing", &fail.to_string());
    let flow = |suffix: &str, child: &str| {
        let arn = format!("arn:aws:states:us-east-1:1:stateMachine:{child}");
        let task = json!({
            "Type": "Task", "Resource": format!("arn:aws:states:::states:startExecution{suffix}"), "End": true,
            "Parameters": {"StateMachineArn": arn, "Input": {"k": 1}},
        });
        json!({"StartAt": "T", "States": {"T": task}}).to_string()
    };
    for (name, suffix, child) in [
        ("start", "", "child"),
        ("text", ".sync", "child"),
        ("json", ".sync:2", "child"),
        ("failed", ".sync", "failing"),
    ] {
        with_runner(&space, name, &flow(suffix, child));
        space.start(name, json!({"flowRef": {"name": name}}));
    }
    assert!(space.output("start")["ExecutionArn"].as_str().unwrap().contains(":execution:child:start-"));
    let text = space.output("text");
    assert_eq!(
        (&text["Output"], &text["Input"], &text["Status"]),
        (&json!(r#"{"got":1}"#), &json!(r#"{"k":1}"#), &json!("SUCCEEDED"))
    );
    assert_eq!(space.output("json")["Output"], json!({"got": 1}));
    let failed = space.ended("failed");
    assert_eq!(failed["status"]["error"], "States.TaskFailed");
    let cause: Value = serde_json::from_str(failed["status"]["cause"].as_str().unwrap()).unwrap();
    assert_eq!((&cause["Status"], &cause["Error"]), (&json!("FAILED"), &json!("AuditError")));
}

#[test]
fn a_child_that_comes_after_the_end_of_its_parent_does_not_start() {
    let space = Space::new("child-late");
    let _controller = space.controller();
    space.flow("f", &waits(300));
    for (name, mode, policy) in [
        ("hard", "Terminate", "Terminate"),
        ("asked", "Terminate", "RequestCancel"),
        ("left", "Terminate", "Abandon"),
        ("soft", "Cancel", "Terminate"),
    ] {
        space.start(name, json!({"flowRef": {"name": "f"}, "childPolicy": policy, "stop": {"mode": mode}}));
        let uid = space.ended(name)["metadata"]["uid"].clone();
        let child = format!("{name}-child");
        space.start(&child, json!({"flowRef": {"name": "f"}, "parentRef": {"name": name, "uid": uid}}));
        match (name, policy) {
            ("left", _) | ("soft", _) => {
                drop(space.condition(&child, "InProgress", "True", "WaitingForTimer"))
            }
            (_, policy) => {
                let ended = space.ended(&child);
                let expected = if policy == "Terminate" { "Terminated" } else { "Canceled" };
                assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], expected);
                assert_eq!(ended["status"]["progress"]["transitions"], 0, "{ended:#}");
            }
        }
    }
    // One that was waited for is left behind by no end.
    space.flow("bad", &fails());
    space.start("failed", json!({"flowRef": {"name": "bad"}}));
    let uid = space.ended("failed")["metadata"]["uid"].clone();
    for (name, labels) in [("awaited", json!({"millrace.dev/awaited": "true"})), ("alone", json!({}))] {
        let spec = json!({"flowRef": {"name": "f"}, "parentRef": {"name": "failed", "uid": uid}});
        let mut child = manifest("Execution", name, spec);
        child["metadata"]["labels"] = labels;
        space.apply(&child.to_string());
    }
    let ended = space.ended("awaited");
    assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], "Terminated");
    assert_eq!(ended["status"]["progress"]["transitions"], 0, "{ended:#}");
    space.condition("alone", "InProgress", "True", "WaitingForTimer");
}

#[test]
fn of_several_attempts_that_ask_for_one_name_one_gets_it_and_none_waits_for_ever() {
    let space = Space::new("child-names");
    let _controller = space.controller();
    space.flow("failing", &fails());
    space.flow("child", &waits(1));
    let mut retried: Value = serde_json::from_str(&parent(
        "WaitForSystemCallback",
        &json!({"resourceArn": "failing", "executionName": "tried"}),
    ))
    .unwrap();
    retried["States"][0]["Retry"] =
        json!([{"Description": "again", "Errors": ["AuditError"], "MaxAttempts": 2, "IntervalSeconds": 1}]);
    with_runner(&space, "retried", &retried.to_string());
    let item = json!([{
        "Type": "Task", "Name": "Start", "Action": "FNF:StartExecution", "TaskMode": "WaitForSystemCallback", "End": true,
        "Parameters": {"resourceArn": "child", "executionName": "shared"},
        "Catch": [{"Description": "taken", "Errors": ["FNF.ExecutionAlreadyExists"], "Next": "Taken"}],
    }, {"Type": "Pass", "Name": "Taken", "OutputConstructor": {"taken": true}, "End": true}]);
    let map = json!([{"Type": "Map", "Name": "Each", "ItemsPath": "$Input.n", "End": true, "Processor": {"StartAt": "Start", "States": item}}]);
    let each = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Each", "States": map});
    with_runner(&space, "each", &each.to_string());
    space.start("retried", json!({"flowRef": {"name": "retried"}}));
    space.start("each", json!({"flowRef": {"name": "each"}, "input": {"n": [{}, {}, {}]}}));
    assert_eq!(space.ended("retried")["status"]["error"], "FNF.ExecutionAlreadyExists");
    let output = space.output("each").to_string();
    assert_eq!(output.matches("taken").count(), 2, "{output}");
}

#[test]
fn a_child_that_was_removed_while_nobody_leads_is_not_made_again() {
    let space = Space::new("child-removed");
    let controller = space.controller();
    space.flow("child", &waits(300));
    with_runner(&space, "f", &parent("WaitForSystemCallback", &json!({"resourceArn": "child"})));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    let child = name_of(&child_of(&space, "one"));
    space.condition(&child, "InProgress", "True", "WaitingForTimer");
    let kubeconfig = space.user("view");
    space.wait("the parent to know that its child is there", || {
        let history =
            start_as(program(&["history", "one", "-o", "json"]).env("KUBECONFIG", &kubeconfig), "").ended();
        history.stdout.contains("TaskAccepted").then_some(())
    });
    // Whoever asks is led to the child, and nobody is asked to report.
    for command in ["explain", "tree"] {
        let told = start_as(program(&[command, "one"]).env("KUBECONFIG", &kubeconfig), "").ended().stdout;
        assert!(told.contains("waits for the end of") && !told.contains("report"), "{told}");
    }
    controller.kill();
    assert!(space.kubectl(&["delete", "executions", &child, "--timeout=60s"]).status.success());
    let _controller = space.controller();
    let ended = space.ended("one");
    assert_eq!(ended["status"]["error"], "FnF.ExecutionStopped", "{ended:#}");
    assert_eq!(space.list("executions").len(), 1);
}
