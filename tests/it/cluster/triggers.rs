//! The life of Flows that something else than people starts.

use serde_json::{Value, json};

use super::rig::{Space, condition, manifest};
use super::schedules::{FAILS, NOW, apply, at_least, condition_of, runs_of, schedule};

fn scheduled(schedule: Value) -> Value {
    json!({"trigger": {"type": "Scheduled", "schedule": schedule}})
}

/// Waits until a Flow has this flowStatus; gives its status.
fn stands(space: &Space, name: &str, word: &str) -> Value {
    space.wait(&format!("flow {name} to be {word}"), || {
        let flow = space.get("flows", name)?;
        let is_observed = flow["status"]["observedGeneration"] == flow["metadata"]["generation"];
        (is_observed && flow["status"]["flowStatus"] == word).then(|| flow["status"].clone())
    })
}

#[test]
fn a_scheduled_flow_is_activated_suspended_and_given_up() {
    let space = Space::new("trigger");
    let _controller = space.controller();
    let mut spec = scheduled(json!({"expression": "rate(1 hour)", "input": {"from": "trigger"}}));
    spec["suspend"] = json!(true);
    space.flow_with("f", NOW, spec);
    let draft = stands(&space, "f", "Draft");
    assert_eq!(draft["activatedAt"], Value::Null, "{draft}");
    condition_of(&space, "flows", "f", "Active", "Draft");
    space.start("waits", json!({"flowRef": {"name": "f"}}));
    space.condition("waits", "Accepted", "Unknown", "FlowSuspended");
    condition_of(&space, "msched", "f", "Ready", "Suspended");

    // A rate has its first time when it is activated.
    space.patch("flows", "f", &json!({"suspend": false}));
    let active = stands(&space, "f", "Active");
    assert!(active["activatedAt"].is_string(), "{active}");
    let run = &at_least(&space, "f", 1)[0];
    assert_eq!(run["spec"]["input"], json!({"from": "trigger"}));
    // It is the Flow's, as all its runs are, and goes with no other object.
    assert_eq!(run["metadata"]["ownerReferences"], Value::Null);
    space.output("waits");

    space.patch("flows", "f", &json!({"suspend": true}));
    let suspended = stands(&space, "f", "Suspended");
    assert_eq!(suspended["activatedAt"], active["activatedAt"]);
    condition_of(&space, "msched", "f", "Ready", "Suspended");
    space.patch("flows", "f", &json!({"suspend": false, "lifecycle": "Deprecated"}));
    stands(&space, "f", "Deprecated");
    condition_of(&space, "msched", "f", "Ready", "Suspended");
    space.patch("flows", "f", &json!({"lifecycle": "Registered"}));
    stands(&space, "f", "Active");
    condition_of(&space, "msched", "f", "Ready", "Scheduled");

    // What somebody else does to its Schedule is taken back.
    space.patch("msched", "f", &json!({"schedule": "@daily"}));
    space.wait("the Schedule to be as it was", || {
        (schedule(&space, "f")?["spec"]["schedule"] == "rate(1 hour)").then_some(())
    });
    let deleted = space.kubectl(&["delete", "msched", "f"]);
    assert!(deleted.status.success(), "{deleted:?}");
    condition_of(&space, "msched", "f", "Ready", "Scheduled");
    space.patch("flows", "f", &json!({"trigger": null}));
    space.wait("the Schedule to go", || schedule(&space, "f").is_none().then_some(()));
    assert!(!runs_of(&space, "f").is_empty());
    let flow = stands(&space, "f", "Active");
    assert!(condition(&json!({"status": flow}), "Active").is_none(), "{flow}");
}

#[test]
fn a_flow_whose_runs_fail_is_errored_until_it_is_edited_or_resumed() {
    let space = Space::new("errored");
    let _controller = space.controller();
    space.flow_with("f", FAILS, scheduled(json!({"expression": "@every 1s", "failureThreshold": 2})));
    let errored = stands(&space, "f", "Errored");
    assert!(errored["consecutiveFailures"].as_i64().unwrap() >= 2, "{errored}");
    let said = condition_of(&space, "flows", "f", "Active", "FailureThresholdReached");
    assert!(said["message"].as_str().unwrap().starts_with("Schedule f: 2 runs"), "{said}");
    // The definition is good, and runs.
    assert_eq!(condition_of(&space, "flows", "f", "Ready", "Valid")["status"], "True");
    space.start("by-hand", json!({"flowRef": {"name": "f"}}));
    assert_eq!(space.ended("by-hand")["status"]["phase"], "Failed");
    // Suspended and resumed it begins anew, and gives up again.
    space.patch("flows", "f", &json!({"suspend": true}));
    stands(&space, "f", "Suspended");
    condition_of(&space, "msched", "f", "Ready", "Suspended");
    let before = runs_of(&space, "f").len();
    space.patch("flows", "f", &json!({"suspend": false}));
    at_least(&space, "f", before + 2);
    condition_of(&space, "flows", "f", "Active", "FailureThresholdReached");
    // An edit is enough.
    space.patch("flows", "f", &json!({"definition": NOW}));
    space.wait("runs to succeed", || {
        runs_of(&space, "f").iter().any(|run| run["status"]["phase"] == "Succeeded").then_some(())
    });
    stands(&space, "f", "Active");
    let deleted = space.kubectl(&["delete", "flow", "f"]);
    assert!(deleted.status.success(), "{deleted:?}");
    space.wait("the Schedule to go with its Flow", || schedule(&space, "f").is_none().then_some(()));
    assert!(!runs_of(&space, "f").is_empty());
}

#[test]
fn a_schedule_of_somebody_else_stands_in_the_way_of_a_flow() {
    let space = Space::new("foreign");
    let _controller = space.controller();
    apply(&space, "f", json!({"schedule": "@daily"}));
    space.flow_with("f", NOW, scheduled(json!({"expression": "@hourly"})));
    stands(&space, "f", "Errored");
    let said = condition_of(&space, "flows", "f", "Active", "NameTaken");
    assert!(
        said["message"].as_str().unwrap().contains("There is a Schedule `f` that is not this Flow's"),
        "{said}"
    );
    assert_eq!(schedule(&space, "f").unwrap()["spec"]["schedule"], "@daily");
    let deleted = space.kubectl(&["delete", "msched", "f"]);
    assert!(deleted.status.success(), "{deleted:?}");
    stands(&space, "f", "Active");
    space.wait("its Schedule", || (schedule(&space, "f")?["spec"]["schedule"] == "@hourly").then_some(()));
    space.patch(
        "flows",
        "f",
        &json!({"trigger": {"type": "Scheduled", "schedule": {"expression": "99 * * * *"}}}),
    );
    stands(&space, "f", "Errored");
    condition_of(&space, "flows", "f", "Active", "InvalidSchedule");
}

/// Deletes a Flow that a finalizer of somebody else holds back, and waits until it says so.
fn hold_and_delete(space: &Space) -> Value {
    set_finalizers(space, &json!(["millrace.test/held"]));
    assert!(space.kubectl(&["delete", "flow", "f", "--wait=false"]).status.success());
    stands(space, "f", "Deleted")
}

fn set_finalizers(space: &Space, finalizers: &Value) {
    let patch = json!({"metadata": {"finalizers": finalizers}}).to_string();
    let patched = space.kubectl(&["patch", "flow", "f", "--type=merge", "-p", &patch]);
    assert!(patched.status.success(), "{patched:?}");
}

#[test]
fn a_flow_on_demand_has_each_word_in_its_life() {
    let space = Space::new("words");
    let _controller = space.controller();
    let start = |name: &str, more: Value| {
        let mut spec = json!({"flowRef": {"name": "f"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space.start(name, spec);
    };
    space.flow("f", "Type: StateMachine");
    stands(&space, "f", "Draft");
    start("early", json!({}));
    space.condition("early", "Accepted", "Unknown", "FlowNotReady");
    space.patch("flows", "f", &json!({"definition": NOW}));
    stands(&space, "f", "Active");
    space.output("early");
    space.patch("flows", "f", &json!({"definition": "Type: StateMachine"}));
    stands(&space, "f", "Errored");
    start("as-before", json!({}));
    assert_eq!(space.ended("as-before")["status"]["flowRevision"], "f-1");
    space.patch("flows", "f", &json!({"definition": NOW, "suspend": true}));
    stands(&space, "f", "Suspended");
    start("waits", json!({}));
    space.condition("waits", "Accepted", "Unknown", "FlowSuspended");
    space.patch("flows", "f", &json!({"suspend": false, "lifecycle": "Deprecated"}));
    stands(&space, "f", "Deprecated");
    assert!(space.rejected("waits").contains("FlowDeprecated"));
    space.patch("flows", "f", &json!({"lifecycle": null}));
    stands(&space, "f", "Active");

    let deleted = hold_and_delete(&space);
    assert_eq!(deleted["latestRevision"], 1, "{deleted}");
    assert_eq!(space.kstatus_of("flows", "f"), "Terminating");
    start("refused", json!({"startingDeadlineSeconds": 0}));
    let refused = space.rejected("refused");
    assert!(refused.contains("FlowNotFound") && refused.contains("Flow f is being deleted."), "{refused}");
    // Another one may come, as if it were gone already.
    start("patient", json!({}));
    space.condition_saying("patient", "Accepted", "Unknown", "FlowNotFound", "Flow f is being deleted.");
    set_finalizers(&space, &Value::Null);
    space.condition_saying("patient", "Accepted", "Unknown", "FlowNotFound", "Flow f does not exist.");
    space.flow("f", NOW);
    stands(&space, "f", "Active");
    space.output("patient");
}

#[test]
fn a_scheduled_flow_that_is_deleted_starts_nothing_while_it_is_held_back() {
    let space = Space::new("deleted");
    let _controller = space.controller();
    space.flow_with("f", NOW, scheduled(json!({"expression": "@every 1s"})));
    at_least(&space, "f", 1);
    hold_and_delete(&space);
    let said = condition_of(&space, "flows", "f", "Active", "Deleted");
    assert_eq!(said["status"], "False", "{said}");
    space.wait("its Schedule to go", || schedule(&space, "f").is_none().then_some(()));
    set_finalizers(&space, &Value::Null);
    space.wait("it to go", || space.get("flows", "f").is_none().then_some(()));
    assert!(schedule(&space, "f").is_none() && !runs_of(&space, "f").is_empty());
}

#[test]
fn an_event_flow_has_the_same_life() {
    let space = Space::new("event");
    let _controller = space.controller();
    space.flow_with("f", NOW, json!({"trigger": {"type": "Event"}, "suspend": true}));
    stands(&space, "f", "Draft");
    space.start("waits", json!({"flowRef": {"name": "f"}}));
    space.condition("waits", "Accepted", "Unknown", "FlowSuspended");
    space.patch("flows", "f", &json!({"suspend": null}));
    assert!(stands(&space, "f", "Active")["activatedAt"].is_string());
    space.output("waits");
    space.patch("flows", "f", &json!({"suspend": true}));
    stands(&space, "f", "Suspended");
    assert!(schedule(&space, "f").is_none());
}

#[test]
fn contradictory_triggers_are_refused() {
    let space = Space::new("trigger-shapes");
    let refused = |name: &str, trigger: Value, says: &str| {
        let flow = manifest("Flow", name, json!({"definition": NOW, "trigger": trigger}));
        let output = space.try_create(&flow.to_string());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(says), "{trigger}: {said}");
    };
    let needs = "trigger.schedule is for type Scheduled, which needs it";
    refused("f", json!({"type": "Scheduled"}), needs);
    refused("f", json!({"type": "OnDemand", "schedule": {"expression": "@daily"}}), needs);
    refused("f", json!({"type": "Event", "schedule": {"expression": "@daily"}}), needs);
    refused("f", json!({"schedule": {"expression": "@daily"}}), "spec.trigger.type");
    let with = |mut more: Value| {
        more["expression"] = json!("@daily");
        json!({"type": "Scheduled", "schedule": more})
    };
    refused("f", json!({"type": "Scheduled", "schedule": {"expression": "soon"}}), "a schedule must be");
    let fences = json!({"startTime": "2026-01-02T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"});
    refused("f", with(fences), "endTime must be after startTime");
    refused("f", with(json!({"offsetSeconds": 36_001})), "less than or equal to 36000");
    refused("f", with(json!({"failureThreshold": 101})), "less than or equal to 100");
    refused(&"n".repeat(53), with(json!({})), "at most 52 characters");
}
