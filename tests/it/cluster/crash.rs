//! Controllers that end at any moment, and two of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::rig::{Space, execution, wait};
use crate::service::{Answer, Asked, Service};

/// The image that is there on the test node.
const IMAGE: &str = "millrace.test/busybox:1";

/// How often the controller is killed. Each time another execution has just begun.
const KILLS: u64 = 24;

/// How long a run may take of which there are many, each with a pod.
const RUNS_MAX: Duration = Duration::from_secs(240);

/// Longest life of a controller that is killed.
const LIFE_MAX: Duration = Duration::from_millis(1_500);

/// Answers what it is asked; the first attempt at `/flaky` fails, whoever asks how often.
fn service(runtime: &Runtime) -> Service {
    let first: std::sync::Mutex<BTreeMap<String, String>> = std::sync::Mutex::default();
    let answer = move |asked: &Asked, _| {
        let run = asked.body["run"].to_string();
        let key = asked.idempotency_key().to_owned();
        if asked.path == "/flaky" && *first.lock().unwrap().entry(run).or_insert(key.clone()) == key {
            return Answer::status(503, "not the first time").after(Duration::from_millis(100));
        }
        Answer::json(&json!({"path": asked.path, "n": asked.body["n"]})).after(Duration::from_millis(100))
    };
    runtime.block_on(Service::start(answer))
}

/// A call before a call that fails once beside a Job, a wait, calls for each of five items, a call.
fn definition(service: &Service) -> String {
    let call = |name: &str, path: &str, n: &str, next: &str| {
        format!(
            "{{Type: Task, Name: {name}, Action: HTTP:Request, {next}, Parameters: {{url: \"{}\", method: POST, body: {{\"run.$\": $Context.Execution.Name, {n}}}}}, OutputConstructor: {{\"n.$\": $Output.body.n}}, Retry: [{{Errors: [HTTP.503], MaxAttempts: 3, IntervalSeconds: 1}}]}}",
            service.url(path)
        )
    };
    let script = format!(
        "wget -q -O /dev/null --post-data \\\"$RUN\\\" {} && echo '{{\\\"pod\\\": true}}' > /dev/termination-log",
        service.url("/pod")
    );
    let job = format!(
        r#"{{Type: Task, Name: Pod, Action: "Kubernetes:RunJob", End: true, Parameters: {{manifest: {{apiVersion: batch/v1, kind: Job, spec: {{template: {{spec: {{hostNetwork: true, restartPolicy: Never, containers: [{{name: main, image: "{IMAGE}", command: [sh, "-c", "{script}"], env: [{{name: RUN, "value.$": $Context.Execution.Name}}]}}]}}}}}}}}}}}}"#
    );
    format!(
        "
Type: StateMachine
SpecVersion: v1
StartAt: First
States:
  - {first}
  - Type: Parallel
    Name: Both
    Next: Rest
    Branches:
      - StartAt: Flaky
        States:
          - {flaky}
      - StartAt: Pod
        States:
          - {job}
  - {{Type: Wait, Name: Rest, Seconds: 1, Next: List}}
  - {{Type: Pass, Name: List, OutputConstructor: {{list: [{{n: 1}}, {{n: 2}}, {{n: 3}}, {{n: 4}}, {{n: 5}}]}}, Next: Each}}
  - Type: Map
    Name: Each
    ItemsPath: $Input.list
    MaxConcurrency: 2
    Next: Last
    Processor:
      StartAt: Item
      States:
        - {item}
  - {last}
",
        first = call("First", "/first", "n: 0", "Next: Both"),
        flaky = call("Flaky", "/flaky", "n: 0", "End: true"),
        item = call("Item", "/item", "\"n.$\": $Input.n", "End: true"),
        last = call("Last", "/last", "\"n.$\": $Input.Items", "End: true"),
    )
}

/// The keys with which each thing was asked for: a repeated call must be known by its key.
fn keys_by_effect(asked: &[Asked]) -> BTreeMap<String, BTreeSet<String>> {
    let mut effects: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for asked in asked.iter().filter(|asked| asked.path != "/pod") {
        let n = if asked.path == "/item" { asked.body["n"].to_string() } else { String::new() };
        let effect = format!("{}{n} of {}", asked.path, asked.body["run"]);
        effects.entry(effect).or_default().insert(asked.idempotency_key().to_owned());
    }
    effects
}

/// Every effect of the run had one key, and the one that failed once had two; every pod ran once.
fn check_effects(service: &Service, runs: &[String]) {
    let asked = service.asked();
    let effects = keys_by_effect(&asked);
    for run in runs {
        for (path, keys) in
            [("/first", 1), ("/flaky", 2), ("/last", 1), ("/item1", 1), ("/item3", 1), ("/item5", 1)]
        {
            let found = &effects[&format!("{path} of {}", json!(run))];
            assert_eq!(found.len(), keys, "{path} of {run}: {found:?}");
        }
        let pods = asked.iter().filter(|asked| asked.path == "/pod" && asked.body == json!(run));
        assert_eq!(pods.count(), 1, "the pod of {run}");
    }
    let all: usize = effects.values().map(BTreeSet::len).sum();
    let distinct: BTreeSet<_> = effects.values().flatten().collect();
    assert_eq!(distinct.len(), all, "two effects with the same key");
    assert_eq!(all, runs.len() * 9);
}

#[test]
fn whenever_the_controller_is_killed_every_run_ends_as_it_would_have() {
    let runtime = Runtime::new().unwrap();
    let service = service(&runtime);
    let space = Space::new("crash");
    {
        let _controller = space.controller();
        space.flow_with("all", &definition(&service), json!({"serviceAccountName": "runner"}));
    }
    let random = RandomState::new();
    let mut lives = Vec::new();
    let mut runs = Vec::new();
    for kill in 0..KILLS {
        let run = format!("run-{kill}");
        space.start(&run, json!({"flowRef": {"name": "all"}}));
        runs.push(run);
        let controller = space.spawn_controller("controller", &[]);
        // The moments are what is tested: they depend on nothing that could be waited for.
        let life = Duration::from_millis(random.hash_one(kill) % LIFE_MAX.as_millis() as u64);
        lives.push(life.as_millis());
        std::thread::sleep(life);
        controller.kill();
    }
    println!("lives in milliseconds: {lives:?}");
    let mut controller = space.spawn_controller("controller", &[]);
    controller.wait_for("leading", |controller| controller.log().contains("leading"));
    let items: Vec<Value> = (1..=5).map(|n| json!({"n": n})).collect();
    for run in &runs {
        let ended = space.ended_within(run, RUNS_MAX);
        assert_eq!(ended["status"]["output"], json!({"n": items}), "{run}");
    }
    check_effects(&service, &runs);
    let jobs = space.list("jobs");
    assert_eq!(jobs.len(), runs.len());
    wait("the finalizers to go", || {
        space.list("jobs").iter().all(|job| job["metadata"].get("finalizers").is_none()).then_some(())
    });
    drop(runtime);
}

#[test]
fn a_leader_that_stands_still_is_replaced_and_does_no_harm_when_it_goes_on() {
    let runtime = Runtime::new().unwrap();
    let service = service(&runtime);
    let space = Space::new("leaders");
    let lease = ["--lease-duration", "3"];
    let mut one = space.spawn_controller("one", &lease);
    one.wait_for("leading", |one| one.log().contains("leading"));
    space.flow_with("all", &definition(&service), json!({"serviceAccountName": "runner"}));
    let mut two = space.spawn_controller("two", &lease);
    two.wait_for("being ready", |two| two.http("/readyz").is_some_and(|(status, _)| status == 200));
    wait("one of them to lead", || {
        ((one.figure("millrace_leading"), two.figure("millrace_leading")) == (1.0, 0.0)).then_some(())
    });
    let mut runs = Vec::new();
    for turn in 0..3 {
        for number in 0..2 {
            let run = format!("run-{turn}-{number}");
            space.start(&run, json!({"flowRef": {"name": "all"}}));
            runs.push(run);
        }
        let (leader, other) = if turn % 2 == 0 { (&one, &two) } else { (&two, &one) };
        wait("a call", || {
            service.asked().iter().any(|asked| asked.body["run"] == format!("run-{turn}-1")).then_some(())
        });
        leader.signal("-STOP");
        wait("the other to lead", || (other.figure("millrace_leading") == 1.0).then_some(()));
        leader.signal("-CONT");
        wait("the first to notice", || (leader.figure("millrace_leading") == 0.0).then_some(()));
    }
    for run in &runs {
        assert_eq!(space.ended_within(run, RUNS_MAX)["status"]["phase"], "Succeeded", "{run}");
    }
    check_effects(&service, &runs);
    assert_eq!(space.list("jobs").len(), runs.len());
    drop(runtime);
}

#[test]
fn a_lease_that_runs_out_while_nobody_else_wants_it_leaves_no_run_behind() {
    const RUNS: usize = 200;
    let runtime = Runtime::new().unwrap();
    let service = runtime.block_on(Service::start(|_: &Asked, _| Answer::json(&json!({}))));
    let space = Space::new("lapse");
    let controller = space.controller_with(&["--lease-duration", "4"]);
    let task = |name: &str, next: &str| {
        let url = service.url(&format!("/{name}"));
        format!(
            "  - {{Type: Task, Name: {name}, Action: HTTP:Request, {next}, Parameters: {{url: \"{url}\"}}}}\n"
        )
    };
    let head = "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates:\n";
    let tasks = [task("a", "Next: b"), task("b", "Next: c"), task("c", "End: true")].concat();
    space.flow("calls", &format!("{head}{tasks}"));
    let spec = json!({"flowRef": {"name": "calls"}});
    let runs: Vec<_> = (0..RUNS).map(|run| execution(&format!("run-{run}"), spec.clone())).collect();
    let created = space.try_create(&runs.join("\n---\n"));
    assert!(created.status.success(), "{created:?}");
    for asked in [RUNS / 2, RUNS] {
        wait("calls", || (service.asked().len() >= asked).then_some(()));
        controller.signal("-STOP");
        // Its time runs out meanwhile; nothing shows it from outside.
        std::thread::sleep(Duration::from_millis(4_500));
        controller.signal("-CONT");
    }
    wait("all runs to end", || {
        let ended =
            space.list("executions").iter().filter(|run| run["status"]["phase"] == "Succeeded").count();
        (ended == RUNS).then_some(())
    });
    assert!(controller.log().matches("leading").count() >= 2, "{}", controller.log());
    drop(runtime);
}

#[test]
fn a_namespace_without_rights_keeps_no_other_from_being_served() {
    let space = Space::new("rights");
    let controller =
        space.spawn_controller("controller", &["--namespace", "not-granted", "--lease-duration", "8"]);
    // Takes longer than the lease lasts.
    let states = "[{Type: Wait, Name: w, Seconds: 10, End: true}]";
    space.flow("wait", &format!("Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: {states}"));
    space.start("one", json!({"flowRef": {"name": "wait"}}));
    space.output("one");
    assert!(!controller.log().contains("lease has run out"), "{}", controller.log());
    assert_eq!(controller.figure("millrace_leading"), 1.0);
}

#[test]
fn a_controller_that_is_told_to_end_finishes_its_calls_and_hands_over_at_once() {
    let runtime = Runtime::new().unwrap();
    let slow = |asked: &Asked, _| {
        let delay = if asked.path == "/slow" { Duration::from_secs(1) } else { Duration::ZERO };
        Answer::json(&json!({})).after(delay)
    };
    let service = runtime.block_on(Service::start(slow));
    let space = Space::new("shutdown");
    let task = |name: &str, next: &str| {
        format!(
            "  - {{Type: Task, Name: {name}, Action: HTTP:Request, {next}, Parameters: {{url: \"{}\"}}}}\n",
            service.url(&format!("/{name}"))
        )
    };
    // A lease that is given up is free at once, however long it would have lasted.
    let lease = ["--lease-duration", "600"];
    let one = space.spawn_controller("one", &lease);
    let definition = format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: slow\nStates:\n{}{}",
        task("slow", "Next: quick"),
        task("quick", "End: true")
    );
    space.flow("slow", &definition);
    space.start("one", json!({"flowRef": {"name": "slow"}}));
    wait("the call", || (service.asked_at("/slow").len() == 1).then_some(()));
    let told_at = Instant::now();
    let status = one.terminate();
    assert!(status.success(), "{status}");
    // Long before the lease has run out.
    assert!(told_at.elapsed() < Duration::from_secs(60));
    let mut two = space.spawn_controller("two", &lease);
    two.wait_for("leading", |two| two.log().contains("leading"));
    space.output("one");
    // The answer was taken in before the end: nobody had to ask again.
    assert_eq!((service.asked_at("/slow").len(), service.asked_at("/quick").len()), (1, 1));
    drop(runtime);
}
