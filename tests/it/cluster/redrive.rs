//! Executions that are asked for again after a bad end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::rig::{Space, condition};
use crate::command::{program, start_as};
use crate::service::{Answer, Gate, Service};

/// A service that answers `{n}` at every path, and 500 at `/bad` until it is mended.
fn service() -> (Service, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let service = Service::on_thread(move |asked, n| {
        let is_bad = asked.path.starts_with("/bad") && !mended.load(Ordering::SeqCst);
        async move { if is_bad { Answer::status(500, "broken") } else { Answer::json(&json!({"n": n})) } }
    });
    (service, is_mended)
}

fn ask(name: &str, url: &str, more: &str) -> String {
    format!(
        "{{Type: Task, Name: {name}, Action: HTTP:Request, End: true, Parameters: {{url: \"{url}\"}}{more}}}"
    )
}

fn flow_of(states: &str) -> String {
    format!("Type: StateMachine\nSpecVersion: v1\nStartAt: Both\nStates: [{states}]")
}

/// A Parallel of one branch that succeeds and one that fails.
fn both(service: &Service) -> String {
    let branch = |name: &str, path: &str, more: &str| {
        format!("{{StartAt: {name}, States: [{}]}}", ask(name, &service.url(path), more))
    };
    let retry = ", Retry: [{Errors: [FnF.ALL], MaxAttempts: 1, IntervalSeconds: 1}]";
    let branches = format!("{}, {}", branch("Good", "/good", ""), branch("Bad", "/bad", retry));
    flow_of(&format!("{{Type: Parallel, Name: Both, End: true, Branches: [{branches}]}}"))
}

fn try_patch(space: &Space, name: &str, spec: &Value) -> Result<(), String> {
    let patch = json!({"spec": spec}).to_string();
    let patched = space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]);
    patched.status.success().then_some(()).ok_or_else(|| String::from_utf8(patched.stderr).unwrap())
}

fn patch(space: &Space, name: &str, spec: &Value) {
    try_patch(space, name, spec).unwrap();
}

/// Asks for the so many-th redrive and waits until it has ended.
fn redrive(space: &Space, name: &str, number: i64, more: Value) -> Value {
    let mut spec = json!({"redrive": number});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    patch(space, name, &spec);
    redriven(space, name, number)
}

fn redriven(space: &Space, name: &str, number: i64) -> Value {
    space.wait(&format!("redrive {number} of {name} to end"), || {
        let execution = space.execution(name);
        let is_over = execution["status"]["redriveCount"] == number
            && condition(&execution, "Complete")?["status"] == "True";
        is_over.then_some(execution)
    })
}

/// What the program prints for a person who may look.
fn says(space: &Space, args: &[&str]) -> String {
    let ended = start_as(program(args).env("KUBECONFIG", space.user("view")), "").ended();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn what_has_succeeded_is_not_done_again_and_retries_begin_anew() {
    let (service, is_mended) = service();
    let space = Space::new("redrive");
    let controller = space.controller();
    space.flow("f", &both(&service));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    let failed = space.ended("one");
    assert_eq!(failed["status"]["phase"], "Failed");
    let counts = || (service.asked_at("/good").len(), service.asked_at("/bad").len());
    assert_eq!(counts(), (1, 2));
    // In vain, with all of its retries.
    let again = redrive(&space, "one", 1, json!({}));
    assert_eq!((&again["status"]["phase"], counts()), (&json!("Failed"), (1, 4)));
    assert_eq!(space.kstatus("one"), "Failed");
    is_mended.store(true, Ordering::SeqCst);
    // The word of a leader that was killed meanwhile is that of the next.
    controller.kill();
    patch(&space, "one", &json!({"redrive": 2}));
    let _controller = space.controller();
    let done = redriven(&space, "one", 2);
    let status = &done["status"];
    assert_eq!((&status["phase"], counts()), (&json!("Succeeded"), (1, 5)), "{status:#}");
    assert!(status.get("error").is_none() && status.get("cause").is_none(), "{status:#}");
    assert_eq!(status["startTime"], failed["status"]["startTime"]);
    assert!(condition(&done, "AlreadyExists").is_none());
    assert_eq!(space.kstatus("one"), "Current");
    // None of the calls is a repetition of another.
    let asked = service.asked_at("/bad");
    let keys: std::collections::BTreeSet<_> = asked.iter().map(|asked| asked.idempotency_key()).collect();
    assert_eq!(keys.len(), 5);
    let text = says(&space, &["tree", "one"]);
    assert!(text.contains("Redriven 2 times") && text.contains("1/Bad#3"), "{text}");
    // It has succeeded: there is nothing more to ask for.
    let refused = try_patch(&space, "one", &json!({"redrive": 3})).unwrap_err();
    assert!(refused.contains("redrive may only grow once the run has ended without success"), "{refused}");
}

#[test]
fn items_that_have_succeeded_are_not_done_again() {
    let (service, is_mended) = service();
    let space = Space::new("redrive-items");
    let _controller = space.controller();
    let work = json!({"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": true,
        "Parameters": {"ApiEndpoint.$": format!("States.Format('{}{{}}', $)", service.url("/")), "Method": "GET",
            "Authentication": {"ConnectionArn": "a"}}, "ResultSelector": {"n.$": "$.StatusCode", "r.$": "$$.Execution.RedriveCount"}});
    let definition = json!({"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true, "MaxConcurrency": 1,
        "ItemProcessor": {"StartAt": "Work", "States": {"Work": work}}}}});
    space.flow("f", &definition.to_string());
    space.start("one", json!({"flowRef": {"name": "f"}, "input": ["a", "b", "bad-1", "c", "d"]}));
    assert_eq!(space.ended("one")["status"]["phase"], "Failed");
    is_mended.store(true, Ordering::SeqCst);
    let done = redrive(&space, "one", 1, json!({}));
    assert_eq!(done["status"]["phase"], "Succeeded", "{:#}", done["status"]);
    let counts: Vec<_> =
        done["status"]["output"].as_array().unwrap().iter().map(|item| item["r"].clone()).collect();
    assert_eq!(counts, [0, 0, 1, 1, 1].map(|count| json!(count)));
    for (path, times) in [("/a", 1), ("/b", 1), ("/bad-1", 2)] {
        assert_eq!(service.asked_at(path).len(), times, "{path}");
    }
}

#[test]
fn a_run_that_was_stopped_or_too_slow_goes_on_where_it_was() {
    let gate = Gate::shut();
    let waiting = gate.clone();
    let service = Service::on_thread(move |asked, n| {
        let gate = waiting.clone();
        async move {
            if asked.path == "/slow" && n < 2 {
                gate.pass().await;
            }
            Answer::json(&json!({"n": n}))
        }
    });
    let space = Space::new("redrive-stop");
    let _controller = space.controller();
    let first = ask("Both", &service.url("/first"), "").replace("End: true", "Next: Slow");
    space.flow("f", &flow_of(&format!("{first}, {}", ask("Slow", &service.url("/slow"), ""))));
    space.start("stopped", json!({"flowRef": {"name": "f"}}));
    space.start("slow", json!({"flowRef": {"name": "f"}, "timeoutSeconds": 20}));
    for name in ["stopped", "slow"] {
        space.condition_saying(name, "InProgress", "True", "WaitingForTask", "task `Slow`");
    }
    patch(&space, "stopped", &json!({"stop": {"mode": "Terminate", "error": "E"}}));
    assert_eq!(space.ended("stopped")["status"]["phase"], "Stopped");
    let refused = try_patch(&space, "stopped", &json!({"stop": null})).unwrap_err();
    assert!(refused.contains("stop cannot be withdrawn, but together with a redrive"), "{refused}");
    // As long as somebody still wants the end, that is what is there.
    let still = redrive(&space, "stopped", 1, json!({}));
    let says = condition(&still, "Succeeded").unwrap();
    assert_eq!((&still["status"]["phase"], &says["reason"]), (&json!("Stopped"), &json!("Terminated")));
    assert!(
        says["message"].as_str().unwrap().contains("spec.stop still asks for it: take it away"),
        "{says}"
    );
    // And as long as it is to stand still it does.
    patch(&space, "stopped", &json!({"redrive": 2, "stop": null, "suspend": true}));
    space.condition_saying("stopped", "InProgress", "True", "Suspended", "goes on from where it failed");
    let held = space.execution("stopped")["status"].clone();
    assert_eq!((&held["phase"], &held["redriveCount"]), (&json!("Running"), &json!(2)));
    assert!(held.get("error").is_none() && held.get("completionTime").is_none(), "{held:#}");
    let refused = try_patch(&space, "stopped", &json!({"redrive": 3})).unwrap_err();
    assert!(refused.contains("redrive may only grow once the run has ended without success"), "{refused}");
    let others = service.asked_at("/slow").len();
    patch(&space, "stopped", &json!({"suspend": false}));
    assert_eq!(redriven(&space, "stopped", 2)["status"]["phase"], "Succeeded");
    assert_eq!(service.asked_at("/slow").len(), others + 1);
    assert_eq!(space.ended("slow")["status"]["phase"], "TimedOut");
    let done = redrive(&space, "slow", 1, json!({}));
    assert_eq!(done["status"]["phase"], "Succeeded", "{:#}", done["status"]);
    assert_eq!((service.asked_at("/first").len(), service.asked_at("/slow").len()), (2, 4));
    gate.open();
}

#[test]
fn what_was_refused_is_admitted_again() {
    let space = Space::new("redrive-refused");
    let _controller = space.controller();
    let spec = json!({"flowRef": {"name": "f"}, "startingDeadlineSeconds": 0, "redrive": 7});
    space.start("one", spec);
    space.rejected("one");
    // What it asked for when it was refused asks for nothing.
    let again = redrive(&space, "one", 8, json!({"input": 5}));
    assert_eq!(again["status"]["phase"], "Rejected");
    assert!(condition(&again, "AlreadyExists").is_none(), "{again:#}");
    // The deadline counts from when it is asked for.
    patch(&space, "one", &json!({"redrive": 9, "startingDeadlineSeconds": 300}));
    let waits = space.condition("one", "Accepted", "Unknown", "FlowNotFound");
    assert!(waits["message"].as_str().unwrap().contains("Waits until"), "{waits}");
    assert_eq!(space.execution("one")["status"]["phase"], "Running");
    assert_eq!(space.kstatus("one"), "InProgress");
    let count = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true, "Parameters": {"in.$": "$", "e.$": "$$.Execution"}}}}"#;
    space.flow("f", count);
    let done = redriven(&space, "one", 9);
    let output = &done["status"]["output"];
    assert_eq!((&done["status"]["phase"], &output["in"]), (&json!("Succeeded"), &json!(5)), "{done:#}");
    assert_eq!(output["e"]["RedriveCount"], 9);
    assert!(output["e"]["RedriveTime"].is_string() && condition(&done, "AlreadyExists").is_none());
}

#[test]
fn a_run_whose_revision_is_gone_says_so_and_goes_on_once_it_is_there_again() {
    let (service, is_mended) = service();
    let space = Space::new("redrive-lost");
    let controller = space.controller();
    space.flow("f", &both(&service));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    space.ended("one");
    let mut revision = space.get("flowrevisions", "f-1").unwrap();
    // In memory it would still have it.
    controller.kill();
    assert!(space.kubectl(&["delete", "flow", "f"]).status.success());
    assert!(space.kubectl(&["delete", "flowrevision", "f-1"]).status.success());
    patch(&space, "one", &json!({"redrive": 1}));
    let _controller = space.controller();
    space.condition_saying("one", "Stalled", "True", "EngineFault", "redrive 1 cannot begin");
    let still = space.execution("one")["status"].clone();
    assert_eq!((&still["phase"], still.get("redriveCount")), (&json!("Failed"), None));
    is_mended.store(true, Ordering::SeqCst);
    revision["metadata"] = json!({"name": "f-1", "labels": revision["metadata"]["labels"]});
    assert!(space.try_create(&revision.to_string()).status.success());
    let done = redriven(&space, "one", 1);
    assert_eq!(done["status"]["phase"], "Succeeded", "{:#}", done["status"]);
    assert_eq!(space.kstatus("one"), "Current");
}

#[test]
fn the_api_server_refuses_wrong_redrives() {
    let space = Space::new("redrive-cel");
    let controller = space.controller();
    let wait = "{Type: Fail, Name: Both, Code: E}";
    space.flow("f", &flow_of(wait));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    space.ended("one");
    drop(controller);
    let grow = "redrive may only grow, and by one at a time";
    for (spec, expected) in [
        (json!({"redrive": 2}), grow),
        (json!({"redrive": -1}), "spec.redrive"),
        (json!({"redrive": "1"}), "spec.redrive"),
    ] {
        let refused = try_patch(&space, "one", &spec).unwrap_err();
        assert!(refused.contains(expected), "{spec}: {refused}");
    }
    patch(&space, "one", &json!({"redrive": 1}));
    for spec in [json!({"redrive": 0}), json!({"redrive": null}), json!({"redrive": 3})] {
        let refused = try_patch(&space, "one", &spec).unwrap_err();
        assert!(refused.contains(grow), "{spec}: {refused}");
    }
    // Two that nobody has looked at are two.
    patch(&space, "one", &json!({"redrive": 2}));
    let _controller = space.controller();
    let ended = redriven(&space, "one", 2);
    assert_eq!(ended["status"]["phase"], "Failed");
    assert_eq!(condition(&ended, "Stalled").unwrap()["reason"], "Failed");
}

#[test]
fn a_task_that_is_done_again_is_another_job() {
    let space = Space::new("redrive-job");
    let _controller = space.controller();
    let state = "{Type: Task, Name: Both, Action: Kubernetes:RunJob, End: true, Parameters: {image: none, command: [\"true\"]}}";
    space.flow_with("f", &flow_of(state), json!({"serviceAccountName": "runner"}));
    space.start("one", json!({"flowRef": {"name": "f"}, "timeoutSeconds": 20}));
    let job = |place: &str| {
        space.wait("its Job to be told", || {
            let active = space.execution("one")["status"]["active"][0].clone();
            (active["path"] == place).then(|| active["job"].as_str().unwrap().to_owned())
        })
    };
    let first = job("Both");
    // It took too long, or its image did.
    assert_ne!(space.ended("one")["status"]["phase"], "Succeeded");
    patch(&space, "one", &json!({"redrive": 1}));
    let second = job("Both#2");
    assert_ne!(first, second);
    space.wait("the second Job alone to be there", || {
        let jobs: Vec<_> = space.list("jobs").iter().map(|job| job["metadata"]["name"].clone()).collect();
        (jobs == [json!(second)]).then_some(())
    });
}

/// A service that refuses everything until it is mended, and then holds its answers back until they are let through.
struct Busy {
    service: Service,
    is_mended: Arc<AtomicBool>,
    gate: Gate,
    /// How many it had to answer at a time at most since it was mended.
    most: Arc<AtomicUsize>,
}

/// Counts who is there, also where a caller goes away.
struct Present(Arc<AtomicUsize>);

impl Present {
    fn new(count: &Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        most.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Busy {
    fn new() -> Self {
        let (is_mended, gate) = (Arc::new(AtomicBool::new(false)), Gate::shut());
        let (count, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (mended, waiting, highest) = (is_mended.clone(), gate.clone(), most.clone());
        let service = Service::on_thread(move |_, _| {
            let (gate, count, most) = (waiting.clone(), count.clone(), highest.clone());
            let is_mended = mended.load(Ordering::SeqCst);
            async move {
                if !is_mended {
                    return Answer::status(500, "broken");
                }
                let _present = Present::new(&count, &most);
                gate.pass().await;
                Answer::json(&json!({}))
            }
        });
        Self { service, is_mended, gate, most }
    }

    fn flow(&self) -> String {
        let body = "method: POST, body: {run.$: $Context.Execution.Name}";
        let task = ask("Both", &self.service.url("/"), "").replace("}}", &format!(", {body}}}}}"));
        flow_of(&task)
    }

    /// Runs that it was asked by, in the order in which they came for the first time since `nth`.
    fn asked_by(&self, nth: usize) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for asked in &self.service.asked()[nth..] {
            let name = asked.body["run"].as_str().unwrap();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Starts runs of `f` that fail, and mends the service.
    fn fail(&self, space: &Space, names: &[&str]) {
        for name in names {
            space.start(name, json!({"flowRef": {"name": "f"}}));
            assert_eq!(space.ended(name)["status"]["phase"], "Failed");
        }
        self.is_mended.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_redrive_stands_in_line_says_so_and_goes_on_in_its_turn() {
    let busy = Busy::new();
    let space = Space::new("redrive-line");
    let controller = space.controller();
    space.flow_with("f", &busy.flow(), json!({"concurrency": {"limit": 2}}));
    busy.fail(&space, &["a", "b"]);
    for name in ["one", "two"] {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        space.condition(name, "InProgress", "True", "WaitingForTask");
    }
    space.start("young", json!({"flowRef": {"name": "f"}}));
    space.condition_saying("young", "Accepted", "Unknown", "Queued", "position 1 of 1");
    let started_at = space.execution("a")["status"]["startTime"].clone();
    for name in ["a", "b"] {
        patch(&space, name, &json!({"redrive": 1}));
        space.condition_saying(name, "InProgress", "True", "Queued", "Flow f runs 2 at a time");
    }
    let waits = space.execution("a");
    let status = &waits["status"];
    assert_eq!((&status["phase"], &status["redriveCount"]), (&json!("Running"), &json!(1)), "{status:#}");
    assert!(status.get("error").is_none() && status.get("completionTime").is_none(), "{status:#}");
    assert_eq!(condition(&waits, "Stalled").unwrap()["status"], "False");
    assert_eq!(space.kstatus("a"), "InProgress");
    // Whoever was made first goes first: those that are redriven before the one that has not begun.
    let listed = says(&space, &["list"]);
    let line: Vec<_> = listed.lines().filter(|row| row.contains("Queued")).collect();
    assert_eq!(line.len(), 3, "{listed}");
    for (place, row) in (1..).zip(&line) {
        assert!(row.contains(&format!("Queued {place}/3")), "{listed}");
    }
    let name_in = |row: &str| row.split_whitespace().next().unwrap().to_owned();
    let line: Vec<_> = line.iter().map(|row| name_in(row)).collect();
    assert_eq!(line[2], "young", "{listed}");
    let explained = says(&space, &["explain", "a"]);
    assert!(explained.contains("it is queued") && explained.contains("in its queue"), "{explained}");
    assert!(!explained.contains("is out since"), "{explained}");
    // None of them gets a slot from a new leader either.
    controller.kill();
    let controller = space.controller();
    space.wait("three to be queued", || {
        (controller.find_figure("millrace_executions_queued")? == 3.0).then_some(())
    });
    assert_eq!(busy.asked_by(2).len(), 2);
    for place in 0..3 {
        busy.gate.let_pass(1);
        space.wait("the next to go on", || (busy.asked_by(2).len() == 3 + place).then_some(()));
    }
    assert_eq!(busy.asked_by(2)[2..], line);
    busy.gate.let_pass(2);
    ["one", "two", "a", "b", "young"].iter().for_each(|name| drop(space.output(name)));
    assert_eq!(busy.most.load(Ordering::SeqCst), 2);
    assert_eq!(space.execution("a")["status"]["startTime"], started_at);
}

#[test]
fn a_redrive_that_is_suspended_stands_in_no_line_and_takes_no_place() {
    let busy = Busy::new();
    let space = Space::new("redrive-suspended");
    let _controller = space.controller();
    space.flow_with("f", &busy.flow(), json!({"concurrency": {"limit": 1}}));
    busy.fail(&space, &["a"]);
    for name in ["one", "two"] {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        space.condition(name, "InProgress", "True", if name == "one" { "WaitingForTask" } else { "Queued" });
    }
    patch(&space, "a", &json!({"redrive": 1}));
    space.condition("a", "InProgress", "True", "Queued");
    patch(&space, "a", &json!({"suspend": true}));
    space.condition("a", "InProgress", "True", "Suspended");
    // The one behind it goes on in its stead.
    busy.gate.let_pass(1);
    space.output("one");
    space.condition("two", "InProgress", "True", "WaitingForTask");
    patch(&space, "a", &json!({"suspend": false}));
    space.condition_saying("a", "InProgress", "True", "Queued", "position 1 of 1 in its queue");
    busy.gate.let_pass(2);
    ["two", "a"].iter().for_each(|name| drop(space.output(name)));
    assert_eq!(busy.most.load(Ordering::SeqCst), 1);
}

#[test]
fn a_redrive_waits_its_turn_where_new_runs_are_refused_and_what_was_refused_is_so_again() {
    let busy = Busy::new();
    let space = Space::new("redrive-reject");
    let _controller = space.controller();
    space.flow_with("f", &busy.flow(), json!({"concurrency": {"limit": 1, "policy": "Reject"}}));
    busy.fail(&space, &["failed"]);
    space.start("holds", json!({"flowRef": {"name": "f"}}));
    space.condition("holds", "InProgress", "True", "WaitingForTask");
    space.start("refused", json!({"flowRef": {"name": "f"}}));
    assert!(space.rejected("refused").contains("LimitExceeded"));
    patch(&space, "failed", &json!({"redrive": 1}));
    space.condition_saying("failed", "InProgress", "True", "Queued", "position 1 of 1 in its queue");
    assert_eq!(space.execution("failed")["status"]["phase"], "Running");
    patch(&space, "failed", &json!({"suspend": true}));
    space.condition("failed", "InProgress", "True", "Suspended");
    patch(&space, "failed", &json!({"suspend": false}));
    space.condition_saying("failed", "InProgress", "True", "Queued", "position 1 of 1 in its queue");
    // What was never accepted goes through admission again.
    let again = redrive(&space, "refused", 1, json!({}));
    let said = condition(&again, "Accepted").unwrap();
    assert_eq!((&again["status"]["phase"], &said["reason"]), (&json!("Rejected"), &json!("LimitExceeded")));
    busy.gate.let_pass(1);
    space.output("holds");
    space.condition("failed", "InProgress", "True", "WaitingForTask");
    space.start("new", json!({"flowRef": {"name": "f"}}));
    assert!(space.rejected("new").contains("LimitExceeded"));
    busy.gate.let_pass(1);
    assert_eq!(redriven(&space, "failed", 1)["status"]["phase"], "Succeeded");
    patch(&space, "refused", &json!({"redrive": 2}));
    busy.gate.let_pass(1);
    assert_eq!(redriven(&space, "refused", 2)["status"]["phase"], "Succeeded");
    assert_eq!(busy.most.load(Ordering::SeqCst), 1);
}
