//! Runs that ended badly and are to go on.

use serde_json::json;

use super::super::rig::Space;
use super::{GREET, NAP, Person, SAD, check_said};
use crate::service::{Answer, Service};

#[test]
fn only_what_ended_badly_is_redriven_and_a_stop_is_taken_back() {
    let space = Space::new("redrive");
    let controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET), ("sad", SAD), ("nap", NAP)]);
    space.start("good", json!({"flowRef": {"name": "greet"}, "input": {"name": "x"}}));
    space.start("bad", json!({"flowRef": {"name": "sad"}}));
    space.start("nap", json!({"flowRef": {"name": "nap"}}));
    space.start("on", json!({"flowRef": {"name": "nap"}}));
    for name in ["nap", "on"] {
        space.condition(name, "InProgress", "True", "WaitingForTimer");
    }
    person.prints(&["stop", "nap", "--terminate", "--error", "Enough"]);
    for name in ["good", "bad", "nap"] {
        space.ended(name);
    }
    check_said(&person.millrace(&["redrive", "good"]), 1, &["`good` has succeeded", "millrace start greet"]);
    let running = person.millrace(&["redrive", "on"]);
    check_said(&running, 1, &["`on` has not ended: it is Running, WaitingForTimer"]);
    check_said(&person.millrace(&["redrive", "bda"]), 2, &["did you mean `bad`?"]);
    let reader = Person::new(&space, "view");
    check_said(&reader.millrace(&["redrive", "bad"]), 2, &["cannot patch", "`edit`"]);

    // Nobody is to answer before it was looked at what is written.
    drop(controller);
    let tried = person.millrace(&["redrive", "--phase", "failed", "--dry-run"]);
    check_said(&tried, 0, &["1 execution would be redriven"]);
    assert_eq!(tried.stdout, "execution.millrace.dev/bad redriven (dry run)\n");
    assert_eq!(space.execution("bad")["spec"].get("redrive"), None, "nothing was written");
    check_said(&person.millrace(&["redrive", "--all"]), 2, &["2 executions", "would be redriven", "--yes"]);

    let redriven = person.millrace(&["redrive", "nap"]);
    check_said(&redriven, 0, &["millrace watch nap"]);
    assert_eq!(redriven.stdout, "execution.millrace.dev/nap redriven\n");
    let spec = &space.execution("nap")["spec"];
    assert_eq!((&spec["redrive"], spec.get("stop")), (&json!(1), None), "{spec}");
    let again = person.millrace(&["redrive", "nap"]);
    check_said(&again, 0, &["is asked to go on already"]);
    assert_eq!(again.stdout, "execution.millrace.dev/nap unchanged\n");
    let told = person.prints(&["explain", "nap"]);
    assert!(told.contains("It was asked to go on (spec.redrive)"), "{told}");
    // The end that is there is not the one that is waited for.
    let waited = person.millrace(&["redrive", "bad", "--wait", "--wait-timeout", "1s"]);
    check_said(&waited, 1, &["asked to go on", "`bad` has not ended within 1s"]);
    check_said(
        &person.millrace(&["redrive", "--all", "-y"]),
        0,
        &["there are no executions", "could be redriven"],
    );
}

#[test]
fn what_failed_goes_on_once_it_is_mended() {
    let service = Service::on_thread(|_, before| async move {
        if before < 2 { Answer::status(500, "broken") } else { Answer::json(&json!({"n": before})) }
    });
    let space = Space::new("mended");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    let url = service.url("/");
    person.flows(&[("ask", &format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: Ask\nStates: [{{Type: Task, Name: Ask, Action: \"HTTP:Request\", End: true, Parameters: {{url: \"{url}\"}}, OutputConstructor: {{n.$: $Output.body.n}}}}]"
    ))]);
    check_said(&person.millrace(&["start", "ask", "--name", "one", "--wait"]), 1, &["Failed: HTTP.500"]);
    let again = person.millrace(&["redrive", "one", "--wait"]);
    check_said(&again, 1, &["Failed: HTTP.500"]);
    let mended = person.millrace(&["redrive", "one", "--wait"]);
    assert_eq!(mended.status, Some(0), "{mended:?}");
    assert!(mended.stdout.starts_with("execution.millrace.dev/one redriven\n{"), "{mended:?}");
    assert_eq!(person.json(&["output", "one"]), json!({"n": 2}));
    assert_eq!(person.prints(&["history", "one"]).matches("ExecutionRedriven").count(), 2);
    let wide = person.prints(&["list", "-o", "wide"]);
    assert!(wide.lines().any(|line| line.starts_with("one") && line.trim_end().ends_with(" 2")), "{wide}");

    // What was refused is admitted anew, once it can be.
    space.start("early", json!({"flowRef": {"name": "later"}, "startingDeadlineSeconds": 0}));
    assert_eq!(space.ended("early")["status"]["phase"], "Rejected");
    person.flows(&[("later", GREET)]);
    let patch = json!({"spec": {"input": {"name": "x"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "early", "--type=merge", "-p", &patch]).status.success());
    let tried = person.millrace(&["redrive", "--phase", "Rejected", "--flow", "later", "-y"]);
    check_said(&tried, 0, &["1 execution redriven"]);
    assert_eq!(person.json(&["output", "early", "--wait"]), json!({"hello": "x"}));
}
