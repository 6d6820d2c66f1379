//! Runs that are stopped, and what is asked for later under a name.

use serde_json::json;

use super::super::rig::Space;
use super::{GREET, NAP, Person, check_said};

#[test]
fn a_run_is_stopped_gently_or_at_once() {
    let space = Space::new("stop");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("nap", NAP), ("greet", GREET)]);
    for name in ["one", "two"] {
        person.prints(&["start", "nap", "--name", name]);
        space.condition(name, "InProgress", "True", "WaitingForTimer");
    }
    let stopped = person.millrace(&["stop", "one", "--error", "Enough", "--cause", "it rains"]);
    check_said(&stopped, 0, &["it begins nothing new", "millrace output one --wait"]);
    assert_eq!(stopped.stdout, "execution.millrace.dev/one stopping\n");
    check_said(&person.millrace(&["output", "one", "--wait"]), 1, &["Stopped: Enough\n  it rains\n"]);
    let object = space.execution("one");
    assert_eq!(object["spec"]["stop"], json!({"mode": "Cancel", "error": "Enough", "cause": "it rains"}));
    check_said(&person.millrace(&["stop", "one"]), 1, &["`one` has ended already (Stopped)"]);

    let stopped = person.millrace(&["stop", "execution.millrace.dev/two", "--terminate"]);
    check_said(&stopped, 0, &["it ends at once"]);
    space.ended("two");
    let two = space.execution("two");
    assert_eq!(
        (&two["spec"]["stop"], &two["status"]["phase"]),
        (&json!({"mode": "Terminate"}), &json!("Stopped"))
    );

    check_said(&person.millrace(&["stop", "tow"]), 2, &["no execution `tow`", "did you mean `two`?"]);
    person.prints(&["start", "nap", "--name", "three"]);
    space.condition("three", "InProgress", "True", "WaitingForTimer");
    let reader = Person::new(&space, "view");
    check_said(&reader.millrace(&["stop", "three"]), 2, &["cannot patch resource \"executions\"", "`edit`"]);
    let long = "e".repeat(257);
    check_said(
        &person.millrace(&["stop", "three", "--error", &long]),
        2,
        &["three cannot be stopped", "256"],
    );

    // A run stays that of its flow, whatever is asked for later.
    let other = json!({"spec": {"flowRef": {"name": "greet"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "three", "--type=merge", "-p", &other]).status.success());
    space.condition("three", "AlreadyExists", "True", "ExecutionInProgress");
    let list = person.prints(&["list", "--flow", "nap"]);
    let line = list.lines().find(|line| line.starts_with("three")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains(" nap ") && line.contains("AlreadyExists, Waiting"), "{list}");
    check_said(&person.millrace(&["list", "--flow", "greet"]), 0, &["no such executions"]);
    let tree = person.prints(&["tree", "three"]);
    assert!(
        tree.contains("Flow     nap (nap-1)") && tree.contains("Conflict ExecutionInProgress: "),
        "{tree}"
    );
    let again = person.millrace(&["start", "greet", "--name", "three"]);
    check_said(&again, 2, &["execution `three` for flow `nap` is in progress since"]);
}
