//! The examples, as they are: only the addresses are those of this machine.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::rig::Space;
use crate::tools;

#[path = "../../../examples/service.rs"]
#[allow(dead_code, reason = "it is a program of its own too")]
mod service;

/// The service that the examples call, on a port of its own.
struct Shop {
    address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Shop {
    fn open() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(service::serve(listener));
        Self { address, _runtime: runtime }
    }
}

/// Applies the files of an example and starts its Execution; gives the name.
fn start(space: &Space, shop: &Shop, example: &str) -> String {
    let folder = tools::root().join("examples").join(example);
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        text.replace("127.0.0.1:8787", &shop.address)
            .replace("name: millrace-runner", &format!("name: {}-runner", space.name))
    };
    for file in ["runner.yaml", "flow.yaml"] {
        let file = folder.join(file);
        if file.exists() {
            space.apply(&read(&file));
        }
    }
    let manifest = read(&folder.join("execution.yaml"));
    let arguments = ["--namespace", &space.name, "create", "-o", "name", "-f", "-"];
    let made = space.cluster.kubectl_with(&arguments, &manifest);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let name = String::from_utf8(made.stdout).unwrap();
    name.trim().rsplit_once('/').unwrap().1.to_owned()
}

fn boxes(output: &Value) -> Vec<&str> {
    output["packed"].as_array().unwrap().iter().map(|item| item["box"].as_str().unwrap()).collect()
}

#[test]
fn an_order_is_quoted_assessed_charged_and_packed() {
    let (space, shop) = (Space::new("order"), Shop::open());
    let _controller = space.controller();
    let name = start(&space, &shop, "order");
    assert_eq!(name, "order-7");
    let output = space.output(&name);
    assert_eq!((&output["orderId"], &output["total"]), (&json!(7), &json!(130)), "{output:#}");
    assert!(output["receipt"].as_str().unwrap().starts_with("R-7-"), "{output:#}");
    assert_eq!(boxes(&output), ["small", "small", "large"]);
    let progress = &space.execution(&name)["status"]["progress"];
    assert_eq!((&progress["tasksSucceeded"], &progress["retries"]), (&json!(6), &json!(1)), "{progress}");
    // The same manifest again is the same run.
    let before = space.execution(&name);
    let file = tools::root().join("examples/order/execution.yaml");
    space.apply(&std::fs::read_to_string(file).unwrap());
    assert_eq!(space.execution(&name)["status"], before["status"]);
}

#[test]
fn a_report_is_asked_after_until_it_is_ready() {
    let (space, shop) = (Space::new("poll"), Shop::open());
    let _controller = space.controller();
    let name = start(&space, &shop, "poll");
    assert_eq!(space.output(&name), json!({"report": 1, "rows": ["a", "b", "c"]}));
}

#[test]
fn a_container_for_each_item_and_one_that_fails_is_noted() {
    let (space, shop) = (Space::new("batch"), Shop::open());
    let _controller = space.controller();
    let name = start(&space, &shop, "batch");
    let output = space.output(&name);
    let files = output["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/bin/busybox", "/bin/sh", "/bin/missing"]);
    assert!(files[0]["bytes"].as_u64().unwrap() > 100_000, "{output:#}");
    assert_eq!(files[0]["bytes"], files[1]["bytes"]);
    assert!(files[2]["error"].as_str().unwrap().starts_with("Job.ExitCode."), "{output:#}");
}
