//! Answers for tasks that wait for one.

use serde_json::{Value, json};

use super::super::rig::Space;
use super::{Person, check_said};
use crate::command::{Ended, Running, file, program, start_as};
use crate::service::{Answer, Service};

/// Someone who may do everything: what becomes of an answer is said by the test.
fn report(space: &Space, args: &[&str], stdin: &str) -> Running {
    let mut program = program(&["report", "--namespace", &space.name]);
    start_as(program.args(args).env("KUBECONFIG", &space.cluster.kubeconfig), stdin)
}

/// The report that was made, judged.
fn judge(space: &Space, running: Running, phase: &str, message: &str) -> (Value, Ended) {
    let made = space.wait("the report", || {
        space.list("taskreports").into_iter().find(|report| report["status"]["phase"] != "Done")
    });
    let name = made["metadata"]["name"].as_str().unwrap();
    let condition = json!({"type": "Ready", "status": "True", "reason": "Valid", "message": message,
        "lastTransitionTime": "2026-11-22T00:00:00Z", "observedGeneration": 1});
    let status = json!({"phase": phase, "observedGeneration": 1, "conditions": [condition],
        "execution": "order-1", "task": "Ask"});
    let patch = json!({"status": status}).to_string();
    let patched =
        space.kubectl(&["patch", "taskreports", name, "--subresource=status", "--type=merge", "-p", &patch]);
    assert!(patched.status.success(), "{patched:?}");
    let ended = running.ended();
    assert!(space.kubectl(&["delete", "taskreports", name]).status.success());
    (made, ended)
}

#[test]
fn an_answer_is_given_and_what_becomes_of_it_is_told() {
    let space = Space::new("report");
    let running = report(&space, &["--token", "-", "--output", r#"{"approved": null}"#], "secret-1\n");
    let (made, ended) = judge(&space, running, "Accepted", "the task has taken it");
    check_said(&ended, 0, &["the task has taken it"]);
    assert!(
        ended.stdout.starts_with("taskreport.millrace.dev/report-") && ended.stdout.ends_with(" accepted\n"),
        "{ended:?}"
    );
    assert_eq!(
        made["spec"],
        json!({"taskToken": "secret-1", "outcome": "Succeeded", "output": {"approved": null}})
    );

    let token = format!("@{}", file("token", "  secret-2\n"));
    let running = report(&space, &["--token", &token, "--error", "E", "--cause", "c"], "");
    let (made, ended) = judge(&space, running, "Refused", "no task waits for it");
    check_said(&ended, 1, &["the answer was refused", "no task waits for it"]);
    assert!(ended.stdout.ends_with(" refused\n"), "{ended:?}");
    assert_eq!(
        made["spec"],
        json!({"taskToken": "secret-2", "outcome": "Failed", "error": "E", "cause": "c"})
    );

    let running = report(&space, &["--token", "secret-3", "--heartbeat"], "");
    let (made, ended) = judge(&space, running, "Accepted", "");
    assert_eq!(made["spec"]["outcome"], "Heartbeat");
    check_said(&ended, 0, &["task `Ask` of execution `order-1`"]);

    let late = report(&space, &["--token", "secret-4", "--heartbeat", "--wait-timeout", "1s"], "").ended();
    check_said(&late, 1, &["nobody has looked at the answer within 1s", "kubectl get taskreport report-"]);
    let unwaited = report(&space, &["--token", "secret-5", "--heartbeat", "--wait-timeout", "0"], "").ended();
    assert!(unwaited.status == Some(0) && unwaited.stdout.ends_with(" created\n"), "{unwaited:?}");
    let gone = report(&space, &["--token", "secret-6", "--heartbeat"], "");
    space.wait("the report to be removed", || {
        let made =
            space.list("taskreports").into_iter().find(|made| made["spec"]["taskToken"] == "secret-6")?;
        let name = made["metadata"]["name"].as_str().unwrap();
        space.kubectl(&["delete", "taskreports", name]).status.success().then_some(())
    });
    check_said(&gone.ended(), 1, &["somebody has removed the answer"]);

    let long = "t".repeat(2_049);
    let error = "e".repeat(257);
    for (args, words) in [
        (&["--token", "t"][..], &["--output", "--error", "--heartbeat"][..]),
        (&["--heartbeat"], &["--token"]),
        (&["--token", "t", "--output", "{"], &["--output", "not valid JSON", "@FILE"]),
        (&["--token", "t", "--output", "1", "--error", "E"], &["cannot be used with"]),
        (&["--token", "t", "--heartbeat", "--cause", "c"], &["--cause"]),
        (&["--token", "t", "--error", &error], &["at most 256 characters", "found 257"]),
        (&["--token", &long, "--heartbeat"], &["at most 2048 characters", "2049"]),
        (&["--token", " ", "--heartbeat"], &["--token holds no token"]),
        (&["--token", "-", "--heartbeat"], &["stdin holds no token"]),
        (&["--token", "@/nonexistent", "--heartbeat"], &["cannot read /nonexistent"]),
    ] {
        let ended = report(&space, args, "").ended();
        check_said(&ended, 2, words);
        assert!(!ended.stderr.contains("tttt"), "a token is a secret: {ended:?}");
    }
    let reader = space.user("view");
    let refused =
        start_as(program(&["report", "--token", "t", "--heartbeat"]).env("KUBECONFIG", reader), "").ended();
    check_said(&refused, 2, &["the answer cannot be given", "cannot create resource \"taskreports\""]);
}

#[test]
fn a_task_that_waits_goes_on_with_the_answer() {
    let service = Service::on_thread(|_, _| async { Answer::json(&json!({})) });
    let space = Space::new("waiting");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    let states = json!([{
        "Type": "Task", "Name": "Ask", "Action": "HTTP:Request", "TaskMode": "WaitForCustomCallback", "End": true,
        "Parameters": {"url": service.url("/"), "method": "POST", "body": {"token.$": "$Context.Current.TaskToken"}},
    }]);
    let flow = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": states});
    person.flows(&[("asks", &flow.to_string())]);
    space.start("one", json!({"flowRef": {"name": "asks"}}));
    space.condition("one", "InProgress", "True", "WaitingForCallback");
    let explained = person.prints(&["explain", "one"]);
    assert!(
        explained.contains("somebody has to report") && explained.contains("report --token @FILE"),
        "{explained}"
    );

    let token = service.asked()[0].body["token"].as_str().unwrap().to_owned();
    let answer = |output: &str| {
        let mut program = person.program(&["report", "--token", "-", "--output", output]);
        start_as(&mut program, &token).ended()
    };
    let taken = answer(r#"{"ok": true}"#);
    check_said(&taken, 0, &["task `Ask` of Execution one has taken it"]);
    assert!(taken.stdout.ends_with(" accepted\n"), "{taken:?}");
    assert_eq!(space.output("one"), json!({"ok": true}));
    check_said(&answer("2"), 1, &["the answer was refused", "waits for nothing"]);
    let foreign = person.millrace(&["report", "--token", "foreign", "--heartbeat"]);
    check_said(&foreign, 1, &["the answer was refused"]);
}
