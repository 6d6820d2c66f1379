//! On what terms an Execution begins: what its Flow says beside its definition, and what is said of it.

use serde_json::{Value, json};

use super::children::waits;
use super::rig::{Space, condition, execution};
use crate::command::{program, start_as};

fn flow(word: &str) -> String {
    format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{{Type: Succeed, Name: s, OutputConstructor: {{word: {word}}}}}]"
    )
}

#[test]
fn a_flow_that_is_suspended_or_deprecated_lets_nothing_begin() {
    let space = Space::new("suspended");
    let _controller = space.controller();
    space.flow_with("f", &flow("a"), json!({"suspend": true}));
    assert_eq!(space.get("flow", "f").unwrap()["status"]["flowStatus"], "Suspended");
    // It has no deadline, whatever the Execution says.
    space.start("waits", json!({"flowRef": {"name": "f"}, "startingDeadlineSeconds": 0}));
    space.condition("waits", "Accepted", "Unknown", "FlowSuspended");
    let waiting = space.condition("waits", "InProgress", "True", "FlowSuspended");
    assert_eq!(waiting["message"], "Flow f is suspended (spec.suspend). Starts once it no longer is.");
    assert_eq!(space.kstatus("waits"), "InProgress");
    space.patch("flow", "f", &json!({"suspend": false}));
    assert_eq!(space.output("waits"), json!({"word": "a"}));
    assert_eq!(space.get("flow", "f").unwrap()["status"]["flowStatus"], "Active");
    space.patch("flow", "f", &json!({"lifecycle": "Deprecated"}));
    space.start("late", json!({"flowRef": {"name": "f"}}));
    assert!(space.rejected("late").contains("Flow f is deprecated"));
    assert_eq!(condition(&space.execution("late"), "Accepted").unwrap()["reason"], "FlowDeprecated");
    space.wait("the Flow to say so", || {
        (space.get("flow", "f")?["status"]["flowStatus"] == "Deprecated").then_some(())
    });
}

#[test]
fn a_qualifier_chooses_a_revision_or_an_alias() {
    let space = Space::new("qualifier");
    let controller = space.controller();
    space.flow("f", &flow("first"));
    let routes = |first: i32, second: i32| json!([{"revision": 1, "weight": first}, {"revision": 2, "weight": second}]);
    let aliases = json!([{"name": "prod", "routes": routes(1, 0)}, {"name": "half", "routes": routes(1, 1)},
        {"name": "lost", "routes": [{"revision": 9, "weight": 1}]}]);
    space.flow_with("f", &flow("second"), json!({"aliases": aliases}));
    let start = |name: &str, qualifier: &str| {
        space.start(name, json!({"flowRef": {"name": "f", "qualifier": qualifier}}));
    };
    for (name, qualifier, word, alias) in [
        ("one", "1", "first", Value::Null),
        ("two", "2", "second", Value::Null),
        ("prod", "prod", "first", json!("prod")),
    ] {
        start(name, qualifier);
        assert_eq!(space.output(name), json!({"word": word}));
        let status = &space.execution(name)["status"];
        let number = if word == "first" { 1 } else { 2 };
        assert_eq!((&status["flowRevision"], &status["flowAlias"]), (&json!(format!("f-{number}")), &alias));
    }
    for (name, qualifier, says) in [
        ("nine", "9", "Flow f has no revision 9 that can be run."),
        ("lost", "lost", "Flow f has no revision 9 that can be run, to which alias `lost` leads."),
        ("test", "test", "`test` is no alias of Flow f: it has `prod`, `half`, `lost`."),
    ] {
        start(name, qualifier);
        assert!(space.rejected(name).contains(says), "{}", space.rejected(name));
        let ended = space.execution(name);
        assert_eq!(condition(&ended, "Accepted").unwrap()["reason"], "QualifierNotFound");
    }
    let names: Vec<_> = (0..24).map(|number| format!("half-{number}")).collect();
    names.iter().for_each(|name| start(name, "half"));
    let words: Vec<_> = names.iter().map(|name| space.output(name)["word"].clone()).collect();
    // By chance they would all be one in eight million.
    assert!(words.contains(&json!("first")) && words.contains(&json!("second")), "{words:?}");
    // An alias is no part of a revision: changing it makes none.
    space.patch("flow", "f", &json!({"aliases": [{"name": "prod", "routes": routes(0, 1)}]}));
    start("moved", "prod");
    assert_eq!(space.output("moved"), json!({"word": "second"}));
    assert_eq!(space.list("flowrevisions").len(), 2);
    drop(controller);
}

#[test]
fn a_flow_says_what_must_be_known_and_how_it_runs() {
    let space = Space::new("required");
    let _controller = space.controller();
    let required = json!({"requiredDefaults": ["taskTimeoutSeconds", "taskList", "timeoutSeconds"],
        "defaults": {"taskTimeoutSeconds": 60}});
    space.flow_with("strict", &flow("a"), required);
    space.start("silent", json!({"flowRef": {"name": "strict"}}));
    let says = space.rejected("silent");
    assert!(
        says.contains("timeoutSeconds, taskList must be known (Flow strict, spec.requiredDefaults)"),
        "{says}"
    );
    assert_eq!(condition(&space.execution("silent"), "Accepted").unwrap()["reason"], "DefaultUndefined");
    space.start("told", json!({"flowRef": {"name": "strict"}, "timeoutSeconds": 60, "taskList": "fast"}));
    space.output("told");
    let effective = space.execution("told")["status"]["effective"].clone();
    assert_eq!((&effective["taskTimeoutSeconds"], &effective["taskList"]), (&json!(60), &json!("fast")));
    space.flow_with("express", &flow("a"), json!({"executionMode": "Express"}));
    space.start("quick", json!({"flowRef": {"name": "express"}}));
    assert!(space.rejected("quick").contains("is Express"), "{}", space.rejected("quick"));
}

/// The objects of those that were accepted, and what was said to the others.
fn accepted(space: &Space, names: &[String]) -> (Vec<String>, Vec<Value>) {
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    for name in names {
        let ended = space.ended(name);
        let condition = condition(&ended, "Accepted").unwrap();
        if condition["status"] == "True" {
            accepted.push(name.clone());
        } else {
            refused.push(condition.clone());
        }
    }
    (accepted, refused)
}

#[test]
fn a_name_is_taken_once_however_many_want_it_at_once() {
    let space = Space::new("namesakes");
    let controller = space.controller();
    let named_by_context = "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Pass, Name: s, End: true, OutputConstructor: {word.$: $Context.Execution.Name}}]";
    space.flow("f", named_by_context);
    let named = |object: &str, name: &str| execution(object, json!({"flowRef": {"name": "f"}, "name": name}));
    // Made within one second, so that their times do not tell them apart.
    let objects: Vec<_> = (0..12).map(|number| format!("o-{number}")).collect();
    let all =
        objects.iter().map(|object| named(object, "My_Exec, a=b\\c")).collect::<Vec<_>>().join("\n---\n");
    assert!(space.try_create(&all).status.success());
    let (first, refused) = accepted(&space, &objects);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(space.output(&first[0]), json!({"word": "My_Exec, a=b\\c"}));
    for condition in refused {
        assert_eq!(condition["reason"], "NameTaken");
        let message = condition["message"].as_str().unwrap();
        assert!(message.starts_with("Execution My_Exec, a=b\\c for flow f already exists: o-"), "{message}");
    }
    // Another Flow's name is another name; an object's own name is taken by it.
    space.flow("g", &flow("1"));
    space.start("other", json!({"flowRef": {"name": "g"}, "name": "My_Exec, a=b\\c"}));
    space.output("other");
    space.start("plain", json!({"flowRef": {"name": "f"}}));
    space.output("plain");
    space.start("like-plain", json!({"flowRef": {"name": "f"}, "name": "plain"}));
    assert!(
        space.rejected("like-plain").contains("Execution plain for flow f already exists: plain has ended.")
    );
    drop(controller);
}

#[test]
fn a_name_starts_again_after_the_end_where_the_flow_lets_it() {
    let space = Space::new("again");
    let _controller = space.controller();
    let wait = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 300, End: true}]";
    space.flow_with("f", wait, json!({"nameReuse": "AfterEnd"}));
    let start = |object: &str| space.start(object, json!({"flowRef": {"name": "f"}, "name": "Order_7"}));
    let number = |object: &str| space.execution(object)["status"]["runNumber"].clone();
    start("first");
    space.condition("first", "InProgress", "True", "WaitingForTimer");
    start("early");
    assert!(space.rejected("early").contains("already exists: first is in progress."));
    let stop = json!({"spec": {"stop": {"mode": "Terminate"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "first", "--type=merge", "-p", &stop]).status.success());
    space.ended("first");
    start("second");
    space.condition("second", "InProgress", "True", "WaitingForTimer");
    assert_eq!((number("first"), number("second")), (json!(1), json!(2)));
}

#[test]
fn a_token_starts_one_run() {
    let space = Space::new("tokens");
    let _controller = space.controller();
    space.flow("f", &flow("1"));
    let objects: Vec<_> = (0..6).map(|number| format!("o-{number}")).collect();
    let spec = json!({"flowRef": {"name": "f"}, "clientToken": "1f3a-7"});
    let all =
        objects.iter().map(|object| execution(object, spec.clone())).collect::<Vec<_>>().join("\n---\n");
    assert!(space.try_create(&all).status.success());
    let (first, refused) = accepted(&space, &objects);
    assert_eq!((first.len(), refused.len()), (1, 5));
    for condition in refused {
        assert_eq!(condition["reason"], "DuplicateRequest");
        // Of who was accepted, or of who came first of those that were there then.
        let says = "spec.clientToken is that of Execution o-";
        assert!(condition["message"].as_str().unwrap().starts_with(says), "{condition}");
    }
    space.start("other", json!({"flowRef": {"name": "f"}, "clientToken": "1f3a-8"}));
    space.output("other");
}

#[test]
fn a_name_and_a_token_stay_taken_by_what_was_accepted_whatever_is_applied_later() {
    let space = Space::new("stay-taken");
    let _controller = space.controller();
    space.flow("f", &waits(300));
    space.flow("g", &waits(300));
    let spec = |flow: &str, name: &str, token: &str| json!({"flowRef": {"name": flow}, "name": name, "clientToken": token});
    let going = |name: &str| space.condition(name, "InProgress", "True", "WaitingForTimer");
    space.start("one", spec("f", "Alpha", "A"));
    going("one");
    space.apply(&execution("one", spec("g", "Beta", "B")));
    let said = space.condition("one", "AlreadyExists", "True", "ExecutionInProgress");
    assert!(
        said["message"].as_str().unwrap().starts_with("Execution Alpha for flow f is in progress"),
        "{said}"
    );
    space.start("named", spec("f", "Alpha", "C"));
    assert!(
        space.rejected("named").contains("Execution Alpha for flow f already exists: one is in progress")
    );
    space.start("token", spec("f", "Gamma", "A"));
    assert!(space.rejected("token").contains("spec.clientToken is that of Execution one of flow f"));
    // What was applied later takes nothing.
    space.start("free", spec("g", "Beta", "B"));
    going("free");
}

#[test]
fn a_run_is_not_taken_up_again_while_another_goes_on_under_its_name() {
    let space = Space::new("one-open");
    let _controller = space.controller();
    space.flow_with("f", &waits(300), json!({"nameReuse": "AfterEnd"}));
    let spec = json!({"flowRef": {"name": "f"}, "name": "ID_1"});
    let stop = |name: &str| {
        space.patch("executions", name, &json!({"stop": {"mode": "Terminate"}}));
        space.ended(name);
    };
    space.start("one", spec.clone());
    stop("one");
    space.start("two", spec);
    space.condition("two", "InProgress", "True", "WaitingForTimer");
    space.patch("executions", "one", &json!({"redrive": 1, "stop": null}));
    let said = space.condition("one", "Stalled", "True", "NameTaken");
    assert!(
        said["message"].as_str().unwrap().contains("Execution two has its name and is in progress"),
        "{said}"
    );
    assert_eq!(space.execution("one")["status"]["phase"], "Stopped");
    stop("two");
    let goes_on = space.condition("one", "InProgress", "True", "WaitingForTimer");
    assert_eq!(space.execution("one")["status"]["redriveCount"], 1, "{goes_on}");
}

#[test]
fn what_is_said_of_an_execution_reaches_its_definition() {
    let space = Space::new("said");
    let _controller = space.controller();
    let definition = r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "A"},
        "A": {"Type": "Pass", "End": true, "Parameters": {"e.$": "$$.Execution"}}}}"#;
    space.flow_with("f", definition, json!({"defaults": {"taskList": "slow", "priority": 3}}));
    let said = json!({"flowRef": {"name": "f"}, "tags": ["music purchase", "gold"], "priority": -1,
        "parameters": {"day": "21"}, "scheduledTime": "2018-11-21T07:06:07.503Z"});
    space.start("one", said.clone());
    let seen = space.output("one")["e"].clone();
    assert_eq!(
        (&seen["Tags"], &seen["Priority"], &seen["TaskList"], &seen["Parameters"], &seen["ScheduledTime"]),
        (&said["tags"], &said["priority"], &json!("slow"), &said["parameters"], &said["scheduledTime"])
    );
    // By the command line, too, where the same again is the same run.
    let kubeconfig = space.user("edit");
    let millrace = |args: &[&str]| start_as(program(args).env("KUBECONFIG", &kubeconfig), "").ended();
    let said = ["--parameter", "day=22", "--qualifier", "1"];
    let start =
        |tag: &str| millrace(&[&["start", "f", "--name", "two", "--tag", tag, "--wait"], &said[..]].concat());
    for _ in 0..2 {
        let started = start("gold");
        assert_eq!(started.status, Some(0), "{started:?}");
    }
    let output = space.output("two")["e"].clone();
    assert_eq!((&output["Tags"], &output["Parameters"]), (&json!(["gold"]), &json!({"day": "22"})));
    assert_eq!(output["Priority"], 3);
    let other = start("silver");
    assert_eq!(other.status, Some(2), "{other:?}");
}

#[test]
fn what_is_said_of_an_execution_reaches_both_forms_of_fdl() {
    let space = Space::new("said-fdl");
    let _controller = space.controller();
    let read = "{type: pass, name: p, outputMappings: [{target: e, source: $context.execution}]}";
    let legacy = format!(
        "version: v1\ntype: flow\nsteps:\n  - {{type: wait, name: w, duration: 1}}\n  - {read}\noutputMappings: [{{target: e, source: $local.e}}]\n"
    );
    let states = "[{Type: Wait, Name: w, Seconds: 1, Next: s}, {Type: Pass, Name: s, End: true, OutputConstructor: {e.$: $Context.Execution}}]";
    let new = format!("Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: {states}");
    let defaults = json!({"defaults": {"taskList": "slow", "priority": 3}});
    let said = json!({"tags": ["music purchase", "gold"], "priority": -1, "parameters": {"day": "21"},
        "scheduledTime": "2018-11-21T07:06:07.503Z"});
    let words = ["tags", "priority", "parameters", "scheduledTime", "taskList"];
    for (flow, definition) in [("new", &new), ("legacy", &legacy)] {
        space.flow_with(flow, definition, defaults.clone());
        space.flow(&format!("{flow}-plain"), definition);
        let mut spec = json!({"flowRef": {"name": flow}});
        spec.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        space.start(&format!("{flow}-said"), spec);
        space.start(&format!("{flow}-silent"), json!({"flowRef": {"name": flow}}));
        space.start(&format!("{flow}-plain"), json!({"flowRef": {"name": format!("{flow}-plain")}}));
    }
    for flow in ["new", "legacy"] {
        let name_of = |word: &str| match flow {
            "new" => format!("{}{}", word[..1].to_uppercase(), &word[1..]),
            _ => word.to_owned(),
        };
        let reads = |which: &str| {
            let seen = space.output(&format!("{flow}-{which}"))["e"].clone();
            words.map(|word| seen.get(name_of(word)).cloned())
        };
        let [tags, priority, parameters, time] =
            ["tags", "priority", "parameters", "scheduledTime"].map(|word| Some(said[word].clone()));
        assert_eq!(reads("said"), [tags, priority, parameters, time, Some(json!("slow"))], "{flow}");
        // What the Flow says is there; what nobody has said is not.
        let by_flow = [None, Some(json!(3)), None, None, Some(json!("slow"))];
        assert_eq!(reads("silent"), by_flow, "{flow}");
        assert_eq!(reads("plain"), [const { None }; 5], "{flow}");
    }
}
