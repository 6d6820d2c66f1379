//! Schedules: Executions that are started on time.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rig::{Space, condition, manifest};

/// How often the controller is killed.
const KILLS: u64 = 8;

/// Longest life of a controller that is killed.
const LIFE_MAX: Duration = Duration::from_millis(3_000);

pub(super) const NOW: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Succeed, Name: s, OutputConstructor: {at.$: $Context.Execution.ScheduledTime, input.$: $Input}}]";
pub(super) const FAILS: &str =
    "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Fail, Name: s, Code: E, Detail: d}]";
const LONG: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: s\nStates: [{Type: Wait, Name: s, Seconds: 600, End: true}]";

/// A Schedule as it is, if it is.
pub(super) fn schedule(space: &Space, name: &str) -> Option<Value> {
    space.get("msched", name)
}

pub(super) fn apply(space: &Space, name: &str, mut spec: Value) {
    if spec.get("flowRef").is_none() {
        spec["flowRef"] = json!({"name": "f"});
    }
    space.apply(&manifest("Schedule", name, spec).to_string());
}

/// Waits until the condition of a Schedule or a Flow that speaks of its newest spec has this reason.
pub(super) fn condition_of(space: &Space, kind: &str, name: &str, type_: &str, reason: &str) -> Value {
    space.wait(&format!("{kind} {name} to be {type_} {reason}"), || {
        let object = space.get(kind, name)?;
        let found = condition(&object, type_)?.clone();
        let is_met =
            found["reason"] == reason && found["observedGeneration"] == object["metadata"]["generation"];
        is_met.then_some(found)
    })
}

pub(super) fn runs_of(space: &Space, name: &str) -> Vec<Value> {
    let label = |run: &Value| run["metadata"]["labels"]["millrace.dev/schedule"] == name;
    space.list("executions").into_iter().filter(label).collect()
}

/// Seconds since 1970 that the runs of a Schedule are for.
fn times(runs: &[Value]) -> BTreeSet<i64> {
    let time = |run: &Value| instant(&run["spec"]["scheduledTime"]).as_second();
    runs.iter().map(time).collect()
}

pub(super) fn instant(text: &Value) -> Timestamp {
    text.as_str().unwrap_or_else(|| panic!("{text} is no instant")).parse().unwrap()
}

/// Waits until so many runs have been made.
pub(super) fn at_least(space: &Space, name: &str, count: usize) -> Vec<Value> {
    space.wait(&format!("{count} runs of {name}"), || {
        let runs = runs_of(space, name);
        (runs.len() >= count).then_some(runs)
    })
}

fn events(space: &Space, reason: &str) -> String {
    let output = space.kubectl(&["get", "events", "--field-selector", &format!("reason={reason}")]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_time_whose_name_is_somebody_elses_is_left_out_and_told() {
    let space = Space::new("squatted");
    let _controller = space.controller();
    space.flow("f", NOW);
    let start = Timestamp::now().as_second() + 4;
    let taken = start + 2;
    space.start(&format!("s-{taken}"), json!({"flowRef": {"name": "f"}}));
    let start = Timestamp::from_second(start).unwrap().to_string();
    apply(&space, "s", json!({"schedule": "@every 2s", "startTime": start}));
    let missed = space.wait("a time to be left out", || {
        let missed = schedule(&space, "s")?["status"]["lastMissed"].clone();
        missed.is_object().then_some(missed)
    });
    assert_eq!((instant(&missed["time"]).as_second(), &missed["reason"]), (taken, &json!("NameTaken")));
    let told = space.wait("the Event", || {
        let told = events(&space, "ScheduleMissed");
        told.contains("no run was started").then_some(told)
    });
    assert!(told.contains(&format!("Execution s-{taken} is there already")), "{told}");
    // What comes next is started, and nothing else is missed.
    space.wait("a later run", || times(&runs_of(&space, "s")).last().filter(|last| **last > taken).copied());
    assert!(!times(&runs_of(&space, "s")).contains(&taken));
    assert_eq!(schedule(&space, "s").unwrap()["status"]["lastMissed"], missed);
}

#[test]
fn runs_are_started_on_time_and_go_with_their_schedule() {
    let space = Space::new("on-time");
    let _controller = space.controller();
    space.flow("f", NOW);
    apply(
        &space,
        "tick",
        json!({
            "schedule": "@every 2s", "input": {"from": "schedule"}, "tags": ["nightly"],
            "successfulExecutionsHistoryLimit": 1_000,
        }),
    );
    for run in at_least(&space, "tick", 3) {
        let time = instant(&run["spec"]["scheduledTime"]);
        let name = run["metadata"]["name"].as_str().unwrap();
        assert_eq!(name, format!("tick-{}", time.as_second()));
        assert_eq!(
            (&run["spec"]["tags"], &run["spec"]["flowRef"]),
            (&json!(["nightly"]), &json!({"name": "f"}))
        );
        let owner = &run["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["kind"], &owner["controller"]), (&json!("Schedule"), &json!(true)));
        assert_eq!(owner["blockOwnerDeletion"], false);
        let output = space.output(name);
        assert_eq!(output["input"], json!({"from": "schedule"}));
        assert_eq!(instant(&output["at"]), time);
    }
    let found = times(&runs_of(&space, "tick"));
    let first = *found.first().unwrap();
    let expected: BTreeSet<i64> = (0..found.len() as i64).map(|number| first + 2 * number).collect();
    assert_eq!(found, expected);
    let status = space.wait("the status to speak of a run", || {
        let status = schedule(&space, "tick")?["status"].clone();
        (status["lastExecution"]["outcome"] == "Succeeded").then_some(status)
    });
    assert!(instant(&status["nextScheduleTime"]) > instant(&status["lastScheduleTime"]), "{status}");
    assert!(status["lastExecution"]["name"].as_str().unwrap().starts_with("tick-"), "{status}");
    let row = String::from_utf8(space.kubectl(&["get", "msched", "tick"]).stdout).unwrap();
    for column in ["SCHEDULE", "TIME ZONE", "SUSPEND", "ACTIVE", "LAST", "NEXT", "@every 2s"] {
        assert!(row.contains(column), "{row}");
    }

    // What falls into a suspension is not made up.
    space.patch("msched", "tick", &json!({"suspend": true}));
    condition_of(&space, "msched", "tick", "Ready", "Suspended");
    let before = times(&runs_of(&space, "tick"));
    let last = *before.last().unwrap();
    space.wait("some of its times to pass", || (Timestamp::now().as_second() > last + 7).then_some(()));
    assert_eq!(times(&runs_of(&space, "tick")), before);
    space.patch("msched", "tick", &json!({"suspend": false}));
    let after = times(&at_least(&space, "tick", before.len() + 1));
    assert!(after.iter().all(|time| before.contains(time) || *time > last + 6), "{before:?} {after:?}");

    let deleted = space.kubectl(&["delete", "msched", "tick"]);
    assert!(deleted.status.success(), "{deleted:?}");
    space.wait("its runs to go with it", || runs_of(&space, "tick").is_empty().then_some(()));
}

#[test]
fn runs_do_not_overlap_unless_they_may() {
    let space = Space::new("overlap");
    let _controller = space.controller();
    space.flow("f", LONG);
    apply(&space, "alone", json!({"schedule": "@every 1s", "concurrencyPolicy": "Forbid"}));
    apply(&space, "newest", json!({"schedule": "@every 3s", "concurrencyPolicy": "Replace"}));
    space.wait("a time to be left out", || {
        let status = schedule(&space, "alone")?["status"].clone();
        (status["lastMissed"]["reason"] == "Overlap" && status["activeCount"] == 1).then_some(())
    });
    let said =
        space.wait("an event", || Some(events(&space, "ScheduleMissed")).filter(|said| !said.is_empty()));
    assert!(said.contains("another run goes on"), "{said}");
    assert_eq!(runs_of(&space, "alone").len(), 1);
    let runs = space.wait("a run to be replaced", || {
        let runs = runs_of(&space, "newest");
        (runs.len() >= 3 && runs.iter().any(|run| run["status"]["phase"] == "Stopped")).then_some(runs)
    });
    let oldest = runs.iter().min_by_key(|run| run["metadata"]["name"].as_str()).unwrap();
    let name = oldest["metadata"]["name"].as_str().unwrap();
    let ended = space.ended(name);
    assert_eq!(condition(&ended, "Succeeded").unwrap()["reason"], "Terminated");
    assert_eq!(ended["status"]["cause"], "replaced by the next run of Schedule newest");
    // The run that goes on ends: the next is started.
    let alone = runs_of(&space, "alone")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    space.patch("executions", &alone, &json!({"stop": {"mode": "Terminate"}}));
    at_least(&space, "alone", 2);
}

#[test]
fn ended_runs_beyond_the_limits_go() {
    let space = Space::new("history");
    let _controller = space.controller();
    space.flow("f", NOW);
    space.flow("bad", FAILS);
    apply(&space, "good", json!({"schedule": "@every 1s", "successfulExecutionsHistoryLimit": 2}));
    let fails =
        json!({"schedule": "@every 1s", "failedExecutionsHistoryLimit": 0, "flowRef": {"name": "bad"}});
    apply(&space, "fails", fails);
    // A Flow that starts itself has limits of its own.
    let schedule_of_flow = json!({"expression": "@every 1s", "successfulExecutionsHistoryLimit": 1});
    space.flow_with("own", NOW, json!({"trigger": {"type": "Scheduled", "schedule": schedule_of_flow}}));
    let made = instant(&schedule(&space, "good").unwrap()["metadata"]["creationTimestamp"]).as_second();
    space.wait("old runs to go", || {
        let [good, bad, own] = ["good", "fails", "own"].map(|name| runs_of(&space, name));
        let is_late = |runs: &[Value]| times(runs).first().is_some_and(|first| *first > made + 5);
        let are_few = good.len() <= 3 && bad.len() <= 1 && own.len() <= 2;
        (is_late(&good) && is_late(&own) && are_few).then_some(())
    });
    space.wait("them to be counted all the same", || {
        let status = schedule(&space, "fails")?["status"].clone();
        let is_counted = status["consecutiveFailures"].as_i64()? >= 4;
        (is_counted && status["lastExecution"]["outcome"] == "Failed").then_some(())
    });
}

#[test]
fn too_many_failures_in_a_row_end_it_until_it_is_changed() {
    let space = Space::new("threshold");
    let _controller = space.controller();
    space.flow("f", FAILS);
    apply(&space, "bad", json!({"schedule": "@every 1s", "failureThreshold": 2}));
    let said = condition_of(&space, "msched", "bad", "Ready", "FailureThresholdReached");
    assert_eq!(said["status"], "False");
    condition_of(&space, "msched", "bad", "Stalled", "FailureThresholdReached");
    let before = times(&runs_of(&space, "bad"));
    let last = *before.last().unwrap();
    space.wait("some of its times to pass", || (Timestamp::now().as_second() > last + 4).then_some(()));
    assert_eq!(times(&runs_of(&space, "bad")), before);
    space.patch("msched", "bad", &json!({"suspend": true}));
    condition_of(&space, "msched", "bad", "Ready", "Suspended");
    space.flow("f", NOW);
    space.patch("msched", "bad", &json!({"suspend": null}));
    let runs = at_least(&space, "bad", before.len() + 2);
    assert!(times(&runs).iter().all(|time| before.contains(time) || *time > last + 3), "{before:?}");
    condition_of(&space, "msched", "bad", "Ready", "Scheduled");
    space.wait("failures to count anew", || {
        (schedule(&space, "bad")?["status"]["consecutiveFailures"] == 0).then_some(())
    });
}

/// Every second from the first to the last has its run.
fn check_none_is_lost(runs: &[Value]) {
    let found = times(runs);
    let all: BTreeSet<i64> = (*found.first().unwrap()..=*found.last().unwrap()).collect();
    let lost: Vec<_> = all.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?} of {found:?}");
    assert_eq!(found.len(), runs.len());
}

#[test]
fn whenever_the_controller_is_killed_no_time_is_lost() {
    let space = Space::new("restart");
    {
        let _controller = space.controller();
        space.flow("f", NOW);
        let spec = json!({"schedule": "@every 1s", "catchUpPolicy": "All", "successfulExecutionsHistoryLimit": 1000});
        apply(&space, "tick", spec);
        at_least(&space, "tick", 1);
    }
    let random = RandomState::new();
    for kill in 0..KILLS {
        let controller = space.spawn_controller("controller", &[]);
        // The moments are what is tested: they depend on nothing that could be waited for.
        std::thread::sleep(Duration::from_millis(random.hash_one(kill) % LIFE_MAX.as_millis() as u64));
        controller.kill();
    }
    let back = Timestamp::now().as_second();
    let _controller = space.controller();
    let runs = space.wait("it to have caught up", || {
        let runs = runs_of(&space, "tick");
        times(&runs).last().is_some_and(|last| *last > back).then_some(runs)
    });
    check_none_is_lost(&runs);
    runs.iter().for_each(|run| drop(space.output(run["metadata"]["name"].as_str().unwrap())));
}

#[test]
fn two_controllers_that_both_act_start_nothing_twice() {
    let space = Space::new("both-act");
    let name = &space.name;
    // Each leads by a lease of its own: as if neither knew that the other has taken over.
    space.apply(&format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: second}}
rules:
  - {{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}}
  - {{apiGroups: [''], resources: [secrets], verbs: [get, create]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: second}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: second}}
subjects: [{{kind: ServiceAccount, name: {name}-controller}}]
"
    ));
    let _one = space.controller();
    let mut two = space.spawn_controller("two", &["--lease-name", "second"]);
    two.wait_for("leading", |controller| controller.log().contains("leading"));
    space.flow("f", NOW);
    apply(&space, "tick", json!({"schedule": "@every 1s", "successfulExecutionsHistoryLimit": 1000}));
    let runs = at_least(&space, "tick", 12);
    check_none_is_lost(&runs);
    for run in &runs {
        assert_eq!(space.output(run["metadata"]["name"].as_str().unwrap())["input"], json!({}));
    }
    assert_eq!(schedule(&space, "tick").unwrap()["status"]["consecutiveFailures"], 0);
}

#[test]
fn a_schedule_that_cannot_be_read_says_what_could_be() {
    let space = Space::new("bad-schedule");
    let _controller = space.controller();
    space.flow("f", NOW);
    for (name, spec, says) in [
        ("ninety-nine", json!({"schedule": "99 * * * *"}), "rate(5 minutes)"),
        ("never", json!({"schedule": "0 0 30 2 *"}), "no such time ever comes"),
        (
            "mars",
            json!({"schedule": "@daily", "timeZone": "Mars/Olympus"}),
            "`Mars/Olympus` is none of IANA's",
        ),
    ] {
        apply(&space, name, spec);
        let said = condition_of(&space, "msched", name, "Ready", "InvalidSchedule");
        assert!(said["status"] == "False" && said["message"].as_str().unwrap().contains(says), "{said}");
        assert_eq!(condition_of(&space, "msched", name, "Stalled", "InvalidSchedule")["status"], "True");
    }
    space.patch("msched", "ninety-nine", &json!({"schedule": "@every 1s"}));
    at_least(&space, "ninety-nine", 1);
    condition_of(&space, "msched", "ninety-nine", "Ready", "Scheduled");
}

#[test]
fn wrong_shapes_of_schedules_are_refused() {
    let space = Space::new("schedule-shapes");
    let refused = |name: &str, spec: Value, says: &str| {
        let mut full = json!({"flowRef": {"name": "f"}, "schedule": "@daily"});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let output = space.try_create(&manifest("Schedule", name, full).to_string());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(says), "{name} {spec}: {said}");
    };
    let forms = "a schedule must be five fields of cron";
    for text in
        ["soon", "* * * *", "0 0 0 1 1 ? 2026", "CRON_TZ=Asia/Shanghai 0 4 * * *", "@fortnightly", "@every"]
    {
        refused("text", json!({"schedule": text}), forms);
    }
    refused("cron", json!({"schedule": "cron(0 3 * * ?)"}), forms);
    refused(&"n".repeat(53), json!({}), "metadata.name must have at most 52 characters");
    let fences = json!({"startTime": "2026-01-02T00:00:00Z", "endTime": "2026-01-01T00:00:00Z"});
    refused("fences", fences, "endTime must be after startTime");
    refused("zone", json!({"timeZone": "not a zone"}), "spec.timeZone");
    refused("offset", json!({"offsetSeconds": 36_001}), "less than or equal to 36000");
    refused("threshold", json!({"failureThreshold": 101}), "less than or equal to 100");
    refused("no-threshold", json!({"failureThreshold": 0}), "greater than or equal to 1");
    refused("overlap", json!({"concurrencyPolicy": "Perhaps"}), r#""Allow", "Forbid", "Replace""#);
    refused("catch-up", json!({"catchUpPolicy": "Perhaps"}), r#""None", "Latest", "All""#);
    refused("limit", json!({"failedExecutionsHistoryLimit": -1}), "greater than or equal to 0");
    refused("flow", json!({"flowRef": {"name": "No Such"}}), "spec.flowRef.name");
    for text in [
        "*/5 * * * *",
        "0 0 3 * * MON-FRI",
        "@hourly",
        "@every 1h30m",
        "rate(5minutes)",
        "cron(0 3 ? * 2#1 *)",
    ] {
        let name = format!("good-{}", text.len());
        apply(&space, &name, json!({"schedule": text}));
    }
}
