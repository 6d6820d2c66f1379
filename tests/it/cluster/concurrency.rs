//! How many Executions of a Flow run at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rig::{Controller, Space, condition, execution};
use super::watch::Watched;
use crate::command::{program, start_as};
use crate::service::{Answer, Gate, Service};

/// How long many runs may take to end on a machine that is busy.
const LONG: Duration = Duration::from_secs(240);

/// How often it is looked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Writes of a run with one task.
const OWN_WRITES: usize = 2;

/// A service whose answers wait until they are let through.
fn held() -> (Service, Gate) {
    let gate = Gate::shut();
    (Service::behind(&gate, json!({})), gate)
}

/// A flow that tells a service its name, and waits for the answer.
fn definition(service: &Service) -> String {
    format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: Ask\nStates: [{{Type: Task, Name: Ask, End: true, Action: HTTP:Request, Parameters: {{url: \"{}\", method: POST, body: {{run.$: $Context.Execution.Name}}}}}}]",
        service.url("/")
    )
}

fn queue(limit: u32) -> Value {
    json!({"concurrency": {"limit": limit}})
}

fn of(flow: &str) -> Value {
    json!({"flowRef": {"name": flow}})
}

/// Makes many, with priorities that depend on their number.
fn start_many(space: &Space, count: usize, priority: impl Fn(usize) -> i32) -> Vec<String> {
    let names: Vec<_> = (0..count).map(|number| format!("e-{number:03}")).collect();
    let spec = |number: usize| json!({"flowRef": {"name": "f"}, "priority": priority(number)});
    let objects: Vec<_> = (0..count).map(|number| execution(&names[number], spec(number))).collect();
    assert!(space.try_create(&objects.join("\n---\n")).status.success());
    names
}

fn phase(space: &Space, name: &str) -> String {
    space.execution(name)["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

fn queued(space: &Space, controller: &Controller, count: u32) {
    space.wait(&format!("{count} to be queued"), || {
        (controller.find_figure("millrace_executions_queued")? == f64::from(count)).then_some(())
    });
}

/// Runs that the service was asked by, in the order in which they came.
fn asked_by(service: &Service) -> Vec<String> {
    let names = service.asked().into_iter().map(|asked| asked.body["run"].as_str().unwrap().to_owned());
    let mut known = BTreeSet::new();
    names.filter(|name| known.insert(name.clone())).collect()
}

/// All names in the order in which they are to begin.
fn in_order(space: &Space) -> Vec<String> {
    let mut ranked: Vec<_> = space
        .list("executions")
        .iter()
        .map(|object| {
            let meta = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
            let priority = -object["spec"]["priority"].as_i64().unwrap_or_default();
            (priority, meta("creationTimestamp"), meta("uid"), meta("name"))
        })
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(.., name)| name).collect()
}

/// Most that ever ran at the same time, and how often each was written, once all have ended.
fn most_running(watched: &Watched, names: &[String]) -> (usize, BTreeMap<String, usize>) {
    let began = Instant::now();
    let events = loop {
        let events: Vec<[String; 3]> =
            watched.events().into_iter().map(|event| event.try_into().unwrap()).collect();
        let ended = events.iter().filter(|[_, _, phase]| phase == "Succeeded");
        let ended: BTreeSet<_> = ended.map(|[_, name, _]| name.clone()).collect();
        if names.iter().all(|name| ended.contains(name)) {
            break events;
        }
        assert!(began.elapsed() < LONG, "only {} have ended after {LONG:?}", ended.len());
        std::thread::sleep(LOOK_EVERY);
    };
    let mut running = BTreeSet::new();
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    let mut most = 0;
    for [what, name, phase] in events {
        if phase == "Running" && what != "DELETED" {
            running.insert(name.clone());
        } else {
            running.remove(&name);
        }
        most = most.max(running.len());
        if what == "MODIFIED" {
            *writes.entry(name).or_default() += 1;
        }
    }
    (most, writes)
}

#[test]
fn never_more_than_the_limit_run_those_of_higher_priority_first_and_nobody_is_written_often() {
    let (service, gate) = held();
    let space = Space::new("queue");
    let controller = space.controller();
    space.flow_with("f", &definition(&service), queue(20));
    let watched = Watched::begin(&space, &[".status.phase"]);
    let names = start_many(&space, 300, |number| i32::try_from(number % 3).unwrap());
    queued(&space, &controller, 280);
    let expected = in_order(&space);
    space.wait("the first to call", || (service.count() >= 20).then_some(()));
    let first: BTreeSet<_> = asked_by(&service).into_iter().collect();
    assert_eq!(first.len(), 20, "{first:?}");
    gate.open();
    let (most, writes) = most_running(&watched, &names);
    assert_eq!(most, 20);
    let often: Vec<_> = writes.iter().filter(|(_, count)| **count > OWN_WRITES + 2).collect();
    assert!(often.is_empty(), "{often:?}");
    // But for those whose place was told anew because all this took minutes.
    let total: usize = writes.values().sum();
    assert!(total <= names.len() * OWN_WRITES + 280 + 60, "{total} writes");
    // Up to the limit begin side by side: so far, and further where a write takes long, may one overtake another.
    let expected: Vec<_> = expected.into_iter().filter(|name| !first.contains(name)).collect();
    let began: Vec<_> = asked_by(&service).into_iter().filter(|name| !first.contains(name)).collect();
    for (place, name) in expected.iter().enumerate() {
        let came = began.iter().position(|other| other == name).unwrap();
        assert!(came.abs_diff(place) <= 100, "{name} is {place} in line and began as {came}");
    }
}

#[test]
fn a_line_moves_in_its_order_and_says_so() {
    let (service, gate) = held();
    let space = Space::new("line");
    let controller = space.controller();
    let spec = json!({"concurrency": {"limit": 1}, "defaults": {"priority": 1}});
    space.flow_with("f", &definition(&service), spec);
    space.start("holds", of("f"));
    space.wait("the first to run", || (service.count() == 1).then_some(()));
    let priorities = [("a", json!(0)), ("b", json!(2)), ("c", Value::Null), ("d", json!(2)), ("e", json!(1))];
    for (name, priority) in &priorities {
        let mut spec = of("f");
        spec["startingDeadlineSeconds"] = json!(0);
        if !priority.is_null() {
            spec["priority"] = priority.clone();
        }
        space.start(name, spec);
        let accepted = space.condition(name, "Accepted", "Unknown", "Queued");
        let message = accepted["message"].as_str().unwrap();
        assert!(
            message.starts_with("Flow f runs 1 at a time (spec.concurrency.limit): position "),
            "{message}"
        );
    }
    let going = space.condition("a", "InProgress", "True", "Queued");
    assert!(going["message"].as_str().unwrap().ends_with("position 1 of 1 in its queue."), "{going}");
    assert_eq!(space.kstatus("a"), "InProgress");
    assert_eq!(space.execution("c")["status"]["effective"]["priority"], 1);
    // Ages are told apart by the second, and then uids decide.
    let mut line: Vec<_> = priorities
        .iter()
        .map(|(name, priority)| {
            let object = space.execution(name);
            let meta = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
            (-priority.as_i64().unwrap_or(1), meta("creationTimestamp"), meta("uid"), *name)
        })
        .collect();
    line.sort();
    let line: Vec<_> = line.into_iter().map(|(.., name)| name.to_owned()).collect();
    let user = space.user("view");
    let listed = start_as(program(&["list"]).env("KUBECONFIG", &user), "").ended();
    let rows: Vec<_> = listed.stdout.lines().filter(|row| row.contains("Queued")).collect();
    assert_eq!(rows.len(), line.len(), "{listed:?}");
    for (position, (row, name)) in (1..).zip(rows.iter().zip(&line)) {
        assert!(row.starts_with(name) && row.contains(&format!("Queued {position}/5")), "{listed:?}");
    }
    queued(&space, &controller, 5);
    gate.open();
    line.iter().for_each(|name| drop(space.ended(name)));
    assert_eq!(asked_by(&service)[1..], line);
    let asked = service.asked();
    let gaps = asked.windows(2).map(|pair| pair[1].came_at - pair[0].answered_at.unwrap());
    println!("from an answer to the next call: {:?}", gaps.collect::<Vec<_>>());
    // The time in line is none of the run's.
    let last = space.execution(line.last().unwrap());
    assert!(
        last["status"]["startTime"].as_str() > space.execution("holds")["status"]["completionTime"].as_str()
    );
}

#[test]
fn the_limit_holds_whenever_the_controller_is_killed_or_replaced() {
    let service =
        Service::on_thread(|_, _| async { Answer::json(&json!({})).after(Duration::from_millis(150)) });
    let space = Space::new("killed");
    let lease = ["--lease-duration", "3"];
    let mut controller = space.controller_with(&lease);
    space.flow_with("f", &definition(&service), queue(5));
    let watched = Watched::begin(&space, &[".status.phase"]);
    let names = start_many(&space, 120, |_| 0);
    let going = |number: usize| {
        space.wait(&format!("{number} calls"), || (service.count() >= number).then_some(()));
    };
    for calls in [10, 30, 50, 70] {
        going(calls);
        controller.kill();
        controller = space.controller_with(&lease);
    }
    // Another one takes over.
    let mut other = space.spawn_controller("other", &lease);
    going(90);
    assert!(controller.terminate().success());
    other.wait_for("leading", |other| other.log().contains("leading"));
    let (most, writes) = most_running(&watched, &names);
    assert!(most <= 5, "{most} ran at a time");
    let often: Vec<_> = writes.iter().filter(|(_, count)| **count > OWN_WRITES + 2).collect();
    assert!(often.is_empty(), "{often:?}");
    let keys: BTreeSet<_> = service.asked().iter().map(|asked| asked.idempotency_key().to_owned()).collect();
    assert_eq!(keys.len(), names.len());
}

#[test]
fn what_is_beyond_the_limit_is_refused_where_the_flow_says_so() {
    let (service, gate) = held();
    let space = Space::new("refused");
    let controller = space.controller();
    let reject = json!({"concurrency": {"limit": 2, "policy": "Reject"}});
    space.flow_with("f", &definition(&service), reject);
    for name in ["one", "two"] {
        space.start(name, of("f"));
        space.condition(name, "InProgress", "True", "WaitingForTask");
    }
    space.start("three", of("f"));
    let says = space.rejected("three");
    assert!(says.contains("Flow f runs 2 at a time (spec.concurrency.limit), as many run"), "{says}");
    let refused = space.execution("three");
    assert_eq!(condition(&refused, "Accepted").unwrap()["reason"], "LimitExceeded");
    assert_eq!(refused["status"]["phase"], "Rejected");
    // What could never begin says so, and what is suspended takes no place.
    space.start("wrong", json!({"flowRef": {"name": "f"}, "input": [1]}));
    space.rejected("wrong");
    assert_eq!(condition(&space.execution("wrong"), "Accepted").unwrap()["reason"], "InputInvalid");
    space.start("held", json!({"flowRef": {"name": "f"}, "suspend": true}));
    space.condition("held", "Accepted", "Unknown", "Suspended");
    // The place of one that ended is free, whatever the controller remembers.
    controller.kill();
    let _controller = space.controller();
    space.start("early", of("f"));
    space.rejected("early");
    gate.let_pass(1);
    space.wait("one to end", || {
        ["one", "two"].iter().any(|name| phase(&space, name) == "Succeeded").then_some(())
    });
    space.start("four", of("f"));
    space.condition("four", "InProgress", "True", "WaitingForTask");
    gate.open();
    ["one", "two", "four"].iter().for_each(|name| drop(space.output(name)));
}

#[test]
fn a_limit_that_changes_ends_nothing_and_lets_as_many_begin_as_it_says() {
    let (service, gate) = held();
    let space = Space::new("limits");
    let controller = space.controller();
    space.flow_with("f", &definition(&service), queue(2));
    let names = start_many(&space, 12, |_| 0);
    queued(&space, &controller, 10);
    let written = || controller.figure("millrace_status_writes_total{outcome=\"Written\"}");
    // Those in line are counted before they are told.
    space.wait("all to be told", || (written() == 12.0).then_some(()));
    let before = written();
    space.patch("flow", "f", &queue(5));
    queued(&space, &controller, 7);
    space.wait("five to run", || (service.count() == 5).then_some(()));
    assert_eq!(written() - before, 3.0, "nobody who goes on waiting is written");
    // Lower: nothing ends, and nothing begins before fewer run.
    space.patch("flow", "f", &queue(3));
    space.wait("the Flow to be looked at", || {
        let flow = space.get("flow", "f")?;
        (flow["status"]["observedGeneration"] == flow["metadata"]["generation"]).then_some(())
    });
    let running = || names.iter().filter(|name| phase(&space, name) == "Running").count();
    let ended = || names.iter().filter(|name| phase(&space, name) == "Succeeded").count();
    for end in 1..=2 {
        gate.let_pass(1);
        space.wait("another to end", || (ended() == end).then_some(()));
    }
    assert_eq!((running(), service.count()), (3, 5));
    gate.let_pass(1);
    space.wait("one to end and one to begin", || (service.count() == 6).then_some(()));
    assert_eq!(running(), 3);
    // The first in line is stopped, one that runs is deleted.
    let first = names.iter().find(|name| phase(&space, name) == "Running").unwrap();
    assert!(space.kubectl(&["delete", "execution", first, "--wait=false"]).status.success());
    space.wait("the next to begin", || (service.count() == 7).then_some(()));
    queued(&space, &controller, 5);
    let waits = names
        .iter()
        .find(|name| space.get("executions", name).is_some() && phase(&space, name) == "Starting");
    space.patch("execution", waits.unwrap(), &json!({"stop": {"mode": "Cancel"}}));
    assert_eq!(space.ended(waits.unwrap())["status"]["phase"], "Stopped");
    // Without a limit all go.
    space.patch("flow", "f", &json!({"concurrency": null}));
    space.wait("all to run", || (service.count() == 11).then_some(()));
    gate.open();
    names.iter().filter(|name| *name != first).for_each(|name| drop(space.ended(name)));
}

#[test]
fn only_what_could_begin_stands_in_line_and_what_is_suspended_runs_all_the_same() {
    let (service, gate) = held();
    let space = Space::new("inline");
    let _controller = space.controller();
    space.flow_with("f", &definition(&service), queue(1));
    space.start("one", of("f"));
    space.condition("one", "InProgress", "True", "WaitingForTask");
    space.patch("execution", "one", &json!({"suspend": true}));
    space.condition("one", "InProgress", "True", "Suspended");
    space.start("held", json!({"flowRef": {"name": "f"}, "priority": 9, "suspend": true}));
    space.condition("held", "Accepted", "Unknown", "Suspended");
    space.start("wrong", json!({"flowRef": {"name": "f"}, "priority": 9, "input": [1]}));
    space.rejected("wrong");
    space.start("two", of("f"));
    space.condition_saying("two", "Accepted", "Unknown", "Queued", "position 1 of 1");
    // A Flow that is suspended has nobody in line.
    space.patch("flow", "f", &json!({"suspend": true}));
    space.condition("two", "Accepted", "Unknown", "FlowSuspended");
    space.patch("flow", "f", &json!({"suspend": false}));
    space.condition_saying("two", "Accepted", "Unknown", "Queued", "position 1 of 1");
    // Who is suspended in line makes way for others.
    space.start("three", of("f"));
    space.condition_saying("three", "Accepted", "Unknown", "Queued", "position 2 of 2");
    space.patch("execution", "two", &json!({"suspend": true}));
    space.condition("two", "Accepted", "Unknown", "Suspended");
    space.patch("execution", "one", &json!({"suspend": false}));
    gate.let_pass(2);
    space.output("three");
    assert_eq!(asked_by(&service), ["one", "three"]);
    // Those that wait are refused once the Flow refuses what is beyond its limit.
    space.patch("execution", "two", &json!({"suspend": false}));
    space.condition("two", "InProgress", "True", "WaitingForTask");
    space.patch("execution", "held", &json!({"suspend": false}));
    space.condition("held", "Accepted", "Unknown", "Queued");
    space.patch("flow", "f", &json!({"concurrency": {"limit": 1, "policy": "Reject"}}));
    assert!(space.rejected("held").contains("LimitExceeded"));
    let began = Instant::now();
    gate.open();
    space.output("two");
    println!("ended after {:?}", began.elapsed());
}
