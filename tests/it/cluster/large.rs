//! Runs that hold more than their Execution can, and controllers that end meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::limits::{definition, noise};
use super::rig::{Controller, Space, wait};
use crate::service::{Answer, Asked, Gate, Service};

/// Bytes of each answer.
const BYTES: usize = 20_000;

/// Answers with noise; the last of `count` items waits at the gate.
fn noisy(count: usize, gate: Gate) -> Service {
    Service::on_thread(move |asked: Asked, _| {
        let gate = gate.clone();
        async move {
            let n = usize::try_from(asked.body["n"].as_u64().unwrap_or_default()).unwrap();
            if n + 1 == count {
                gate.pass().await;
            }
            Answer::json(&json!(&noise(n)[..BYTES]))
        }
    })
}

/// Asks for each item and hands over little: together the answers are over the limit of a state, which
/// is caught.
fn gathering(space: &Space, service: &Service, name: &str) {
    let task = json!({"Type": "Task", "Name": "Ask", "Action": "Ask:It", "End": true,
        "OutputConstructor": {"said.$": "$Output"}});
    let map = json!({"Type": "Map", "Name": "Each", "ItemsPath": "$Input.list", "Next": "Done",
        "Catch": [{"Errors": ["FnF.EntityTooLarge"], "Next": "Done"}],
        "Processor": {"StartAt": "Ask", "States": [task]}});
    let done = json!({"Type": "Pass", "Name": "Done", "End": true, "OutputConstructor": {"done": true}});
    let bindings = json!([{"resource": "Ask:*", "url": service.url("/ask")}]);
    space.flow_with(name, &definition(&[map, done]), json!({"bindings": bindings}));
}

fn start(space: &Space, flow: &str, count: usize) {
    let list: Vec<_> = (0..count).map(|n| json!({"n": n})).collect();
    space.start(flow, json!({"flowRef": {"name": flow}, "input": {"list": list}}));
}

fn chunks(space: &Space) -> BTreeSet<String> {
    let names = space.list("executiondata").into_iter();
    names.map(|chunk| chunk["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The chunks that a status names.
fn named(execution: &Value) -> BTreeSet<String> {
    let name = execution["metadata"]["name"].as_str().unwrap();
    let status = &execution["status"];
    let lists = ["checkpointRefs", "historyRefs"].map(|list| status[list].as_array().cloned());
    let output = status.get("outputRef").cloned();
    let all = lists.into_iter().flatten().flatten().chain(output);
    let names = all.flat_map(|reference| {
        let digest = reference["digest"].as_str().unwrap().to_owned();
        (0..reference["chunks"].as_u64().unwrap()).map(move |number| format!("{name}-{digest}-{number}"))
    });
    names.collect()
}

fn wait_for_answers(service: &Service, count: usize) {
    wait(&format!("{count} answers"), || (service.count() >= count).then_some(()));
}

fn millrace(space: &Space, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_millrace"));
    let output = command
        .args(arguments)
        .args(["--namespace", &space.name, "--kubeconfig", space.cluster.kubeconfig.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn check_writes(controller: &Controller, most: f64) {
    let written = controller.figure("millrace_data_writes_total{outcome=\"Written\"}");
    assert!(written >= 1.0 && written <= most, "{written}");
}

#[test]
fn a_map_that_holds_megabytes_survives_kills_and_leaves_nothing_behind() {
    const ITEMS: usize = 150;
    let gate = Gate::shut();
    let service = noisy(ITEMS, gate.clone());
    let space = Space::new("large-map");
    let controller = space.controller();
    gathering(&space, &service, "each");
    start(&space, "each", ITEMS);
    wait_for_answers(&service, 60);
    controller.kill();
    let controller = space.controller();
    wait_for_answers(&service, 120);
    controller.kill();
    // Something that a controller left that was ended between two writes.
    let execution = space.execution("each");
    let uid = execution["metadata"]["uid"].as_str().unwrap();
    let orphan = json!({"apiVersion": "millrace.dev/v1alpha1", "kind": "ExecutionData",
        "metadata": {"name": "orphan", "labels": {"millrace.dev/execution": "each", "millrace.dev/execution-uid": uid}},
        "spec": {"digest": "0".repeat(32), "number": 0, "data": ""}});
    assert!(space.try_create(&orphan.to_string()).status.success());
    let controller = space.controller();
    wait("all to be there but one", || {
        let execution = space.execution("each");
        let done = execution["status"]["progress"]["tasksSucceeded"].as_u64()?;
        (done + 1 == ITEMS as u64).then_some(())
    });
    let execution = space.execution("each");
    assert!(execution["status"]["checkpointRefs"].as_array().unwrap().len() > 3);
    let size = execution.to_string().len();
    assert!(size < 512 * 1024, "{size}");
    wait("the orphan to go, and all else to be named", || {
        (chunks(&space) == named(&execution)).then_some(())
    });
    check_writes(&controller, 60.0);
    gate.open();
    assert_eq!(space.output("each"), json!({"done": true}));
    wait("the chunks to go", || chunks(&space).is_empty().then_some(()));
    // What was asked again was asked with the same key.
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for asked in service.asked() {
        keys.entry(asked.body["n"].to_string()).or_default().insert(asked.idempotency_key().to_owned());
    }
    assert!(keys.len() == ITEMS && keys.values().all(|keys| keys.len() == 1), "{keys:?}");
}

/// Of ten branches each asks for 200,000 bytes, and holds them until the gate is opened. The first hands
/// them over.
#[test]
fn a_parallel_of_ten_large_results_survives_a_kill_and_its_output_is_whole() {
    const LARGE: usize = 200_000;
    let text =
        |n: usize| [noise(n), noise(n + 100), noise(n + 200), noise(n + 300)].concat()[..LARGE].to_owned();
    let gate = Gate::shut();
    let answers = gate.clone();
    let service = Service::on_thread(move |asked: Asked, _| {
        let gate = answers.clone();
        async move {
            if asked.path == "/hold" {
                gate.pass().await;
                return Answer::json(&json!({}));
            }
            Answer::json(&json!(text(usize::try_from(asked.body["n"].as_u64().unwrap()).unwrap())))
        }
    });
    let branches = (0..10).map(|n| {
        let mut hold = json!({"Type": "Task", "Resource": "Hold:It", "Parameters": {"n": n}, "End": true});
        if n == 0 {
            hold["ResultPath"] = Value::Null;
        }
        let ask =
            json!({"Type": "Task", "Resource": "Ask:It", "Parameters": {"n": n}, "Next": format!("Hold{n}")});
        let (asks, holds) = (format!("Ask{n}"), format!("Hold{n}"));
        json!({"StartAt": asks, "States": {asks: ask, holds: hold}})
    });
    let all = json!({"Type": "Parallel", "Branches": branches.collect::<Vec<_>>(), "End": true});
    let space = Space::new("large-parallel");
    let controller = space.controller();
    let bindings = json!([
        {"resource": "Ask:*", "url": service.url("/ask")},
        {"resource": "Hold:*", "url": service.url("/hold")},
    ]);
    let definition = json!({"StartAt": "All", "States": {"All": all}}).to_string();
    space.flow_with("ten", &definition, json!({"bindings": bindings}));
    space.start("ten", json!({"flowRef": {"name": "ten"}}));
    wait("all to be held", || (service.asked_at("/hold").len() >= 10).then_some(()));
    let held = space.execution("ten");
    assert!(held.to_string().len() < 512 * 1024 && !named(&held).is_empty());
    controller.kill();
    let _controller = space.controller();
    wait("all to be asked again", || (service.asked_at("/hold").len() >= 20).then_some(()));
    gate.open();
    let ended = space.ended("ten");
    let status = &ended["status"];
    assert_eq!(
        (&status["phase"], status.get("output")),
        (&json!("Succeeded"), None),
        "{:#}",
        status["conditions"]
    );
    assert!(status["conditions"].to_string().contains("`millrace output ten` prints it"));
    let output: Value = serde_json::from_str(&millrace(&space, &["output", "ten"])).unwrap();
    let mut expected = vec![json!({}); 10];
    expected[0] = json!([noise(0), noise(100), noise(200), noise(300)].concat()[..LARGE]);
    assert!(output == Value::from(expected), "{} bytes", output.to_string().len());
    // What the output needs stays, and nothing else.
    wait("the others to go", || (chunks(&space) == named(&ended)).then_some(()));
    assert_eq!(status["outputRef"]["chunks"], 1);
    assert_eq!(space.kstatus("ten"), "Current");
}

#[test]
fn a_map_of_ten_thousand_items_survives_a_kill() {
    const ITEMS: usize = 10_000;
    let service = Service::on_thread(|asked: Asked, _| async move { Answer::json(&asked.body["n"]) });
    let space = Space::new("large-items");
    let controller = space.controller();
    let ask = json!({"Type": "Task", "Resource": "Ask:It", "Parameters": {"n.$": "$"}, "End": true});
    let map = json!({"Type": "Map", "MaxConcurrency": 500, "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Ask", "States": {"Ask": ask}}});
    let definition = json!({"StartAt": "Each", "States": {"Each": map}}).to_string();
    let bindings = json!([{"resource": "Ask:*", "url": service.url("/ask")}]);
    space.flow_with("items", &definition, json!({"bindings": bindings}));
    let items: Vec<_> = (0..ITEMS).collect();
    space.start("items", json!({"flowRef": {"name": "items"}, "input": items}));
    wait_for_answers(&service, ITEMS / 3);
    controller.kill();
    let controller = space.controller();
    let ended = space.ended_within("items", Duration::from_secs(300));
    assert_eq!(ended["status"]["phase"], "Succeeded", "{:#}", ended["status"]["conditions"]);
    assert_eq!(ended["status"]["output"], json!(items));
    let tree: Value = serde_json::from_str(&millrace(&space, &["tree", "items", "-o", "json"])).unwrap();
    assert_eq!(tree["lostEvents"], 0);
    // What arrives together shares a write.
    let writes = controller.figure("millrace_status_writes_total{outcome=\"Written\"}");
    assert!(writes < ITEMS as f64 / 3.0, "{writes}");
    wait("the others to go", || (chunks(&space) == named(&ended)).then_some(()));
}

#[test]
fn a_chunk_that_somebody_removes_stalls_its_own_run_only() {
    const ITEMS: usize = 40;
    let gate = Gate::shut();
    let service = noisy(ITEMS, gate.clone());
    let space = Space::new("large-lost");
    let controller = space.controller();
    gathering(&space, &service, "lost");
    gathering(&space, &service, "kept");
    for name in ["lost", "kept"] {
        start(&space, name, ITEMS);
        space.wait("its chunks", || {
            let done = space.execution(name)["status"]["progress"]["tasksSucceeded"].as_u64()?;
            (done + 1 == ITEMS as u64).then_some(())
        });
    }
    let lost = named(&space.execution("lost"));
    assert!(!lost.is_empty());
    controller.kill();
    let gone = space.kubectl(&["delete", "executiondata", lost.first().unwrap()]);
    assert!(gone.status.success(), "{gone:?}");
    // Chunks cannot be changed, whoever tries.
    let patch = json!({"spec": {"data": "AAAA"}}).to_string();
    let kept = named(&space.execution("kept")).first().unwrap().clone();
    let patched = space.kubectl(&["patch", "executiondata", &kept, "--type=merge", "-p", &patch]);
    assert!(String::from_utf8_lossy(&patched.stderr).contains("a chunk cannot be changed"), "{patched:?}");
    let _controller = space.controller();
    let stalled = space.condition("lost", "Stalled", "True", "EngineFault");
    let message = stalled["message"].as_str().unwrap();
    assert!(message.contains(&format!("ExecutionData `{}` is gone", lost.first().unwrap())), "{message}");
    gate.open();
    assert_eq!(space.output("kept"), json!({"done": true}));
    let patch = json!({"spec": {"stop": {"mode": "Terminate"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "lost", "--type=merge", "-p", &patch]).status.success());
    assert_eq!(space.ended("lost")["status"]["phase"], "Stopped");
    // They go with their Execution.
    assert!(space.kubectl(&["delete", "executions", "lost"]).status.success());
    wait("the chunks to go", || chunks(&space).is_empty().then_some(()));
}

#[test]
fn a_history_that_leaves_the_status_is_shown_whole() {
    const ITEMS: usize = 700;
    let space = Space::new("large-history");
    let controller = space.controller();
    let pass = |name: &str| json!({"Type": "Pass", "Name": name, "End": true, "OutputConstructor": {}});
    space.flow("small", &definition(&[pass("One")]));
    space.start("small", json!({"flowRef": {"name": "small"}}));
    space.output("small");
    assert_eq!(controller.find_figure("millrace_data_writes_total{outcome=\"Written\"}"), None);
    assert_eq!(controller.figure("millrace_status_writes_total{outcome=\"Written\"}"), 1.0);
    let map = json!({"Type": "Map", "Name": "Each", "ItemsPath": "$Input.list", "End": true,
        "OutputConstructor": {"done": true}, "Processor": {"StartAt": "One", "States": [pass("One")]}});
    space.flow("long", &definition(&[map]));
    start(&space, "long", ITEMS);
    space.output("long");
    let execution = space.execution("long");
    assert!(!execution["status"]["historyRefs"].as_array().unwrap().is_empty());
    assert_eq!(chunks(&space), named(&execution));
    let tree: Value = serde_json::from_str(&millrace(&space, &["tree", "long", "-o", "json"])).unwrap();
    assert_eq!(tree["lostEvents"], 0);
    assert_eq!(tree["states"][0]["branches"].as_array().unwrap().len(), ITEMS);
    // Nothing is left of it, whether anybody looks or not.
    assert!(space.kubectl(&["delete", "executions", "long"]).status.success());
    wait("the chunks to go", || chunks(&space).is_empty().then_some(()));
}
