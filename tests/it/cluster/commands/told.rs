//! Runs that are told of: why they do not move, what has happened, and what changes.

use serde_json::json;

use super::super::children::{parent, waits, with_runner};
use super::super::rig::{Space, wait};
use super::{GREET, NAP, Person, SAD, check_fits, check_said};
use crate::service::{Answer, Service};

/// A task that is tried again after a minute.
fn flaky(url: &str) -> String {
    format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: Ask\nStates: [{{Type: Task, Name: Ask, Action: \"HTTP:Request\", End: true,
  Parameters: {{url: \"{url}\"}}, Retry: [{{Errors: [HTTP.503], MaxAttempts: 5, IntervalSeconds: 60}}]}}]"
    )
}

const JOB: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: Work\nStates: [{Type: Task, Name: Work, Action: \"Kubernetes:RunJob\", Parameters: {image: \"millrace.test/busybox:1\"}, End: true}]";

/// What a person is told, and whether all of it stands there.
fn explained(person: &Person<'_>, name: &str, words: &[&str]) {
    let text = person.prints(&["explain", name]);
    // Commands are to be copied, and are not broken.
    check_fits(&text.lines().filter(|line| !line.starts_with("    ")).collect::<Vec<_>>().join("\n"));
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(joined.contains(word), "`{word}` is missing:\n{text}");
    }
}

#[test]
fn why_it_does_not_move_is_explained() {
    let service = Service::on_thread(|_, _| async { Answer::status(503, "busy") });
    let space = Space::new("explain");
    let _controller = space.controller();
    let person = Person::new(&space, "view");
    person.flows(&[("nap", NAP), ("flaky", &flaky(&service.url("/"))), ("job", JOB)]);
    person.flows(&[(
        "broken",
        "Type: StateMachine\nSpecVersion: v1\nStartAt: Nope\nStates: [{Type: Pass, Name: A, End: true}]",
    )]);
    space.flow_with("held", GREET, json!({"suspend": true}));
    for flow in ["nap", "flaky", "job", "broken", "held", "absent"] {
        space.start(flow, json!({"flowRef": {"name": flow}, "startingDeadlineSeconds": 86_400}));
    }
    space.start("timed", json!({"flowRef": {"name": "nap"}, "timeoutSeconds": 240}));
    space.start("before", json!({"flowRef": {"name": "nap"}, "suspend": true}));
    for (name, reason) in [
        ("nap", "WaitingForTimer"),
        ("flaky", "RetryBackoff"),
        ("broken", "FlowNotReady"),
        ("held", "FlowSuspended"),
        ("absent", "FlowNotFound"),
        ("timed", "WaitingForTimer"),
        ("before", "Suspended"),
    ] {
        space.condition(name, "InProgress", "True", reason);
    }
    space.condition("job", "Stalled", "True", "Forbidden");

    explained(
        &person,
        "nap",
        &[
            "`nap` has been going on for",
            "it waits for time to pass",
            "State `Nap` waits since 2",
            "until 2",
            "Next: `Nap` is over at 2",
            "(in ",
            "millrace tree nap --namespace",
        ],
    );
    explained(
        &person,
        "timed",
        &["The execution itself ends as TimedOut at 2", "Next: the execution ends as TimedOut at 2", "(in "],
    );
    explained(
        &person,
        "flaky",
        &[
            "tried again later",
            "State `Ask` (HTTP:Request) is tried again at 2",
            "attempt 2",
            "The attempt before has failed: HTTP.503",
            "Next: `Ask` is tried again at 2",
        ],
    );
    explained(
        &person,
        "job",
        &[
            "It cannot go on before somebody mends something",
            "cannot create resource \"jobs\"",
            "Job `job-",
            "kubectl auth can-i --list --as system:serviceaccount:",
        ],
    );
    explained(
        &person,
        "broken",
        &[
            "its flow `broken` cannot be run yet",
            "there is no state `Nope`",
            "refused for good (Rejected)",
            "(in 23h",
            "status.diagnostics",
        ],
    );
    explained(&person, "held", &["its flow `held` is suspended", "kubectl patch flow held"]);
    explained(
        &person,
        "absent",
        &["its flow `absent` does not exist", "Next: it is refused for good", "(in 23h"],
    );
    explained(&person, "before", &["it is suspended (spec.suspend)", "millrace resume before"]);
    let account = person.json(&["explain", "flaky", "-o", "json"]);
    assert_eq!(
        (&account["phase"], &account["reason"]),
        (&json!("Running"), &json!("RetryBackoff")),
        "{account:#}"
    );
    assert_eq!(account["next"]["what"], "`Ask` is tried again");
    assert!(account["advice"][0]["command"].as_str().unwrap().starts_with("millrace tree flaky"));

    let patch = json!({"spec": {"suspend": true}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "nap", "--type=merge", "-p", &patch]).status.success());
    space.condition("nap", "InProgress", "True", "Suspended");
    explained(&person, "nap", &["it is suspended", "millrace resume nap"]);
    let other = json!({"spec": {"input": {"other": 1}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "timed", "--type=merge", "-p", &other]).status.success());
    space.condition("timed", "AlreadyExists", "True", "ExecutionInProgress");
    explained(&person, "timed", &["Something else was asked for later under its name", "needs another name"]);
    check_said(&person.millrace(&["explain", "npa"]), 2, &["did you mean `nap`?"]);
}

#[test]
fn a_parent_is_explained_by_its_children() {
    let space = Space::new("explain-parent");
    let _controller = space.controller();
    let person = Person::new(&space, "view");
    space.flow("waits", &waits(300));
    let child = json!({"resourceArn": "acs:fnf:::flow/waits", "executionName": "child"});
    with_runner(&space, "parent", &parent("WaitForSystemCallback", &child));
    space.start("one", json!({"flowRef": {"name": "parent"}}));
    space.wait("the child to wait", || {
        let child = space.get("executions", "child")?;
        (child["status"]["active"][0]["path"] == "Rest").then_some(())
    });
    // That it was made is known to the parent a write later.
    space.wait("what it waits for to be told", || {
        let told = person.prints(&["explain", "one"]).split_whitespace().collect::<Vec<_>>().join(" ");
        told.contains("waits for the end of execution `child`; since").then_some(())
    });
    let words = ["there go on: `child` (Running WaitingForTimer Rest)", "explain child"];
    explained(&person, "one", &words);
    assert!(person.prints(&["list", "--parent", "one", "-o", "wide"]).contains("child"));
}

#[test]
fn how_it_ended_is_explained_and_what_nobody_looks_at() {
    let space = Space::new("explained");
    let controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET), ("sad", SAD), ("nap", NAP)]);
    space.start("good", json!({"flowRef": {"name": "greet"}, "input": {"name": "x"}}));
    space.start("bad", json!({"flowRef": {"name": "sad"}}));
    space.start("late", json!({"flowRef": {"name": "nap"}, "timeoutSeconds": 1}));
    space.start("refused", json!({"flowRef": {"name": "greet", "qualifier": "prod"}}));
    space.start("stopped", json!({"flowRef": {"name": "nap"}}));
    space.condition("stopped", "InProgress", "True", "WaitingForTimer");
    person.prints(&["stop", "stopped", "--terminate", "--error", "Enough"]);
    for name in ["good", "bad", "late", "refused", "stopped"] {
        space.ended(name);
    }
    explained(&person, "good", &["`good` has succeeded after", "millrace output good"]);
    explained(
        &person,
        "bad",
        &[
            "`bad` has failed",
            "The error in state `Close`: Shop.Closed: nobody is there.",
            "millrace redrive bad",
        ],
    );
    explained(
        &person,
        "late",
        &["took longer than it may", "of 1 s", "It was in `Nap` then", "millrace redrive late"],
    );
    explained(&person, "stopped", &["was stopped", "terminated: Enough", "It was in `Nap` then"]);
    explained(
        &person,
        "refused",
        &["was refused and has never begun", "QualifierNotFound", "kubectl get flow greet"],
    );

    drop(controller);
    space.start("unseen", json!({"flowRef": {"name": "greet"}}));
    explained(&person, "unseen", &["no controller has looked at it yet"]);
    wait("it to be unseen for long enough", || {
        person.prints(&["explain", "unseen"]).contains("Is there one that watches").then_some(())
    });
}

#[test]
fn a_history_tells_every_event() {
    let service = Service::on_thread(|_, before| async move {
        if before == 0 { Answer::status(503, "busy \u{1b}[31m") } else { Answer::json(&json!({})) }
    });
    let space = Space::new("history");
    let _controller = space.controller();
    let person = Person::new(&space, "view");
    person
        .flows(&[("flaky", &flaky(&service.url("/")).replace("IntervalSeconds: 60", "IntervalSeconds: 1"))]);
    space.start("one", json!({"flowRef": {"name": "flaky"}, "input": {"a": 1}}));
    space.output("one");
    let text = person.prints(&["history", "one"]);
    check_fits(&text);
    let kinds = [
        "ExecutionStarted",
        "StateEntered",
        "TaskScheduled",
        "TaskFailed",
        "TaskScheduled",
        "TaskSucceeded",
        "StateExited",
        "ExecutionSucceeded",
    ];
    let told: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|word| kinds.contains(word))
        .collect();
    assert_eq!(told, kinds, "{text}");
    for word in ["Ask: HTTP:Request, attempt 2 in 1s", "Ask: HTTP.503", "  1  "] {
        assert!(text.replace("\n1  ", "\n  1  ").contains(word), "`{word}` is missing:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    for document in
        [person.json(&["history", "one", "-o", "json"]), person.yaml(&["history", "one", "-o", "yaml"])]
    {
        let events = document["events"].as_array().unwrap();
        let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, kinds);
        assert_eq!((&events[0]["input"], &events[1]["stateType"]), (&json!({"a": 1}), &json!("Task")));
        assert_eq!((&events[4]["attempt"], &events[3]["error"]), (&json!(2), &json!("HTTP.503")));
        assert!(events[4]["notBefore"].as_str() > events[4]["time"].as_str(), "{document:#}");
    }
    let newest = person.json(&["history", "one", "-o", "json", "--reverse", "--limit", "2"]);
    let numbers: Vec<_> =
        newest["events"].as_array().unwrap().iter().map(|event| event["number"].clone()).collect();
    assert_eq!(numbers, [8, 7]);
    assert_eq!(person.prints(&["history", "one", "--limit", "1", "-o", "table"]).lines().count(), 2);

    space.start("none", json!({"flowRef": {"name": "absent"}}));
    check_said(
        &person.millrace(&["history", "none"]),
        0,
        &["nothing has happened to `none` yet: it is Starting"],
    );
    check_said(&person.millrace(&["history", "noone"]), 2, &["did you mean"]);
    check_said(&person.millrace(&["history", "one", "--limit", "0"]), 2, &["--limit"]);
}

#[test]
fn a_watch_tells_each_change() {
    let space = Space::new("watch");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET), ("sad", SAD), ("nap", NAP)]);
    space.start("old", json!({"flowRef": {"name": "sad"}}));
    space.ended("old");
    for name in ["one", "two", "gone"] {
        space.start(name, json!({"flowRef": {"name": "nap"}}));
        space.condition(name, "InProgress", "True", "WaitingForTimer");
    }
    let all = person.start(&["watch"]);
    let several = person.start(&["watch", "one", "gone"]);
    let one = person.start(&["watch", "one", "-o", "json"]);
    let nap = person.start(&["watch", "--flow", "nap", "--phase", "stopped"]);
    for watching in [&all, &several, &one, &nap] {
        space.wait("the command to watch", || watching.catches_interrupts().then_some(()));
    }
    person.prints(&["suspend", "one"]);
    space.condition("one", "InProgress", "True", "Suspended");
    person.prints(&["stop", "one", "--terminate", "--error", "Enough"]);
    space.ended("one");
    let ended = one.ended();
    check_said(&ended, 1, &["Stopped: Enough"]);
    let changes: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = changes.last().unwrap();
    assert_eq!((&last["name"], &last["phase"]), (&json!("one"), &json!("Stopped")), "{changes:#?}");
    assert_eq!((&changes[0]["phase"], &changes[0]["state"]), (&json!("Running"), &json!("Nap")));

    assert!(space.kubectl(&["delete", "executions", "gone"]).status.success());
    let ended = several.ended();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("gone  Deleted") && ended.stdout.contains("one   Stopped"), "{ended:?}");

    space.start("new", json!({"flowRef": {"name": "greet"}, "input": {"name": "x"}}));
    space.ended("new");
    // What it has seen before it is told to end stands there.
    space.wait("the watch to see it", || {
        let again = person.start(&["watch", "new"]).ended();
        (again.status == Some(0) && again.stdout.contains("new  Succeeded")).then_some(())
    });
    nap.interrupt();
    let ended = nap.ended();
    check_said(&ended, 130, &["stopped watching"]);
    assert!(ended.stdout.contains("one  Stopped") && !ended.stdout.contains("two"), "{ended:?}");
    all.interrupt();
    let ended = all.ended();
    assert_eq!(ended.status, Some(130), "{ended:?}");
    check_fits(&ended.stdout);
    for line in ["two", "gone  Deleted", "one   Stopped"] {
        assert!(ended.stdout.contains(line), "`{line}` is missing: {ended:?}");
    }
    assert!(!ended.stdout.contains("old "), "what had ended is no change: {ended:?}");

    check_said(&person.millrace(&["watch", "tow"]), 2, &["did you mean `two`?"]);
    check_said(&person.millrace(&["watch", "two", "--flow", "nap"]), 2, &["names or a selection"]);
    check_said(&person.millrace(&["watch", "-n", "kube-system"]), 2, &["cannot", "kube-system"]);
}
