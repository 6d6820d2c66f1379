//! Runs that are chosen by what they are: lists, and deeds done to many.

use serde_json::json;

use super::super::rig::{Space, manifest};
use super::{GREET, NAP, Person, SAD, check_fits, check_said};
use crate::command::start_as;

/// What `-o name` prints, without the resource.
fn names(person: &Person<'_>, args: &[&str]) -> Vec<String> {
    let text = person.prints(args);
    let mut names: Vec<_> = text.lines().map(|line| line.replace("execution.millrace.dev/", "")).collect();
    names.sort();
    names
}

fn create(space: &Space, name: &str, labels: serde_json::Value, spec: serde_json::Value) {
    let mut object = manifest("Execution", name, spec);
    object["metadata"]["labels"] = labels;
    let created = space.try_create(&object.to_string());
    assert!(created.status.success(), "{created:?}");
}

#[test]
fn a_list_is_of_what_is_asked_for() {
    let space = Space::new("chosen");
    let _controller = space.controller();
    let person = Person::new(&space, "view");
    person.flows(&[("greet", GREET), ("sad", SAD), ("nap", NAP)]);
    let flow = |name: &str| json!({"name": name});
    create(&space, "a", json!({"team": "shop"}), json!({"flowRef": flow("greet"), "tags": ["gold", "eu"]}));
    create(&space, "b", json!({"team": "shop"}), json!({"flowRef": flow("sad"), "tags": ["gold"]}));
    let parent = json!({"name": "a", "uid": "u"});
    let labels = json!({"team": "else", "millrace.dev/parent": "a"});
    create(&space, "c", labels, json!({"flowRef": flow("nap"), "parentRef": parent}));
    create(&space, "d", json!({}), json!({"flowRef": flow("nap"), "clientToken": "t"}));
    space.ended("a");
    space.ended("b");
    for name in ["c", "d"] {
        space.condition(name, "InProgress", "True", "WaitingForTimer");
    }
    let listed = |line: &str| {
        let args: Vec<&str> = ["list", "-o", "name"].into_iter().chain(line.split_whitespace()).collect();
        names(&person, &args).concat()
    };
    for (line, expected) in [
        ("", "abcd"),
        ("--flow nap", "cd"),
        ("--phase failed", "b"),
        ("--phase failed --phase RUNNING", "bcd"),
        ("--phase Failed,Running --flow nap", "cd"),
        ("--tag gold", "ab"),
        ("--tag gold --tag eu", "a"),
        ("--parent a", "c"),
        ("-l team", "abc"),
        ("--selector team=shop --phase succeeded", "a"),
        ("--field-selector spec.clientToken=t", "d"),
        ("--field-selector status.phase!=Running --tag gold", "ab"),
        ("--since 1h", "abcd"),
        ("--younger-than 3d --older-than 0", "abcd"),
        ("--older-than 1h", ""),
    ] {
        assert_eq!(listed(line), expected, "list {line}");
    }
    let wide = person.prints(&["list", "-o", "wide", "--tag", "gold"]);
    for word in ["REVISION", "TAGS", "gold,eu", "greet-1"] {
        assert!(wide.contains(word), "`{word}` is missing:\n{wide}");
    }
    check_said(&person.millrace(&["list", "--older-than", "1h"]), 0, &["there are no such executions"]);
    for (args, words) in [
        (&["list", "--since", "soon"][..], &["--since", "like 90s, 10m, 2h or 3d"][..]),
        (&["list", "--older-than", "-1h"], &["0 or more"]),
        (&["list", "--phase", "Done"], &["Done", "Succeeded", "Rejected"]),
        (&["list", "--field-selector", "spec.input=1"], &["field label not supported: spec.input"]),
        (&["list", "-l", "a b"], &["unable to parse"]),
    ] {
        check_said(&person.millrace(args), 2, words);
    }
}

#[test]
fn what_is_done_to_many_is_asked_for_first() {
    let space = Space::new("many");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET), ("nap", NAP)]);
    for number in 0..12 {
        let tags = if number < 2 { json!(["gold"]) } else { json!([]) };
        space.start(&format!("nap-{number:02}"), json!({"flowRef": {"name": "nap"}, "tags": tags}));
    }
    space.start("done", json!({"flowRef": {"name": "greet"}, "input": {"name": "x"}}));
    space.ended("done");
    for number in 0..12 {
        space.condition(&format!("nap-{number:02}"), "InProgress", "True", "WaitingForTimer");
    }

    // Nobody can be asked.
    let asked = person.millrace(&["suspend", "--flow", "nap"]);
    check_said(&asked, 2, &["12 executions in namespace", "would be suspended", "--yes", "--dry-run"]);
    let tried = person.millrace(&["suspend", "--tag", "gold", "--dry-run"]);
    check_said(&tried, 0, &["2 executions would be suspended"]);
    assert_eq!(
        tried.stdout,
        "execution.millrace.dev/nap-00 suspended (dry run)\nexecution.millrace.dev/nap-01 suspended (dry run)\n"
    );
    assert_eq!(space.execution("nap-00")["spec"].get("suspend"), None, "nothing was written");

    let done = person.millrace(&["suspend", "--tag", "gold", "--yes"]);
    check_said(&done, 0, &["2 executions suspended"]);
    assert_eq!(done.stdout.lines().count(), 2, "{done:?}");
    // Only what stands still is resumed, and what stands still is not suspended again.
    check_said(&person.millrace(&["resume", "--all", "--dry-run"]), 0, &["2 executions would be resumed"]);
    check_said(
        &person.millrace(&["suspend", "--all", "--dry-run"]),
        0,
        &["10 executions would be suspended"],
    );
    check_said(&person.millrace(&["resume", "--all", "-y"]), 0, &["2 executions resumed"]);
    check_said(&person.millrace(&["resume", "--all"]), 0, &["there are no executions", "could be resumed"]);

    // On a terminal a person is shown which, and asked.
    let ask = |answer: &str| {
        let program = person.program(&["stop", "--all", "--terminate"]);
        let line = [program.get_program()].into_iter().chain(program.get_args());
        let line: Vec<_> = line.map(|word| word.to_str().unwrap()).collect();
        let mut terminal = std::process::Command::new("script");
        terminal.args(["-qec", &line.join(" "), "/dev/null"]).env("KUBECONFIG", &person.kubeconfig);
        start_as(&mut terminal, answer).ended()
    };
    let no = ask("n\n");
    assert_eq!(no.status, Some(1), "{no:?}");
    for word in [
        "12 executions in namespace",
        "nap-00",
        "nap-09",
        "and 2 more",
        "Stop them? [y/N]",
        "nothing was done",
    ] {
        assert!(no.stdout.contains(word), "`{word}` is missing: {}", no.stdout);
    }
    assert!(!no.stdout.contains("nap-10"), "{}", no.stdout);
    check_fits(&anstream::adapter::strip_str(&no.stdout.replace('\r', "")).to_string());
    let yes = ask("y\n");
    assert_eq!(yes.status, Some(0), "{yes:?}");
    assert!(yes.stdout.contains("12 executions stopped"), "{}", yes.stdout);
    for number in 0..12 {
        assert_eq!(space.ended(&format!("nap-{number:02}"))["status"]["phase"], "Stopped");
    }
    check_said(
        &person.millrace(&["stop", "--flow", "nap"]),
        0,
        &["there are no such executions", "could be stopped"],
    );
}

#[test]
fn what_cannot_be_done_to_one_is_told_of_each() {
    let space = Space::new("each");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    let reader = Person::new(&space, "view");
    person.flows(&[("nap", NAP), ("greet", GREET)]);
    for name in ["one", "two"] {
        space.start(name, json!({"flowRef": {"name": "nap"}}));
        space.condition(name, "InProgress", "True", "WaitingForTimer");
    }
    space.start("done", json!({"flowRef": {"name": "greet"}, "input": {"name": "x"}}));
    space.ended("done");

    let refused = reader.millrace(&["stop", "--all", "--yes"]);
    check_said(&refused, 1, &["execution", "cannot patch", "`edit`", "0 executions stopped, 2 could not be"]);
    let refused = reader.millrace(&["suspend", "one", "--dry-run"]);
    check_said(&refused, 2, &["cannot patch"]);
    let several = person.millrace(&["stop", "one", "done", "two", "one"]);
    check_said(&several, 1, &["`done` has ended already (Succeeded)"]);
    assert_eq!(several.stdout, "execution.millrace.dev/one stopping\nexecution.millrace.dev/two stopping\n");
    let none = person.millrace(&["stop", "none", "done"]);
    check_said(&none, 2, &["no execution `none`", "`done` has ended already"]);
    for (args, words) in [
        (&["stop"][..], &["name what to stop", "--selector", "--all"][..]),
        (&["suspend", "one", "--flow", "nap"], &["names or a selection"]),
        (&["resume", "--all", "--phase", "Running"], &["--all", "cannot be used with"]),
        (&["stop", "one", "--all"], &["cannot be used with"]),
        (&["redrive", "--all", "--wait"], &["--wait waits for one execution"]),
        (&["redrive", "one", "--wait", "--dry-run"], &["--dry-run does nothing"]),
    ] {
        check_said(&person.millrace(args), 2, words);
    }
}
