//! Runs that ended badly and are to go on.

use serde_json::json;

use super::super::rig::Space;
use super::{GREET, NAP, Person, SAD, check_said};

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
