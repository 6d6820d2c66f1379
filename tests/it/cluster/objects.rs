//! Stored objects without a store: Maps of Amazon States Language that read and write ConfigMaps, as the
//! run's account, and the run's own store.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::limits::noise;
use super::rig::{Space, wait};
use crate::command::{program, start_as};
use crate::service::{Answer, Asked, Gate, Service};

fn let_use_config_maps(space: &Space, account: &str) {
    space.apply(&format!(
        r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: clerk}}
rules: [{{apiGroups: [""], resources: [configmaps], verbs: [get, create, update]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: clerk}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: clerk}}
subjects: [{{kind: ServiceAccount, name: {account}}}]
"#
    ));
}

#[test]
fn a_map_reads_a_config_map_and_writes_to_one_as_the_runs_account() {
    let space = Space::new("objects");
    let _controller = space.controller();
    space.apply(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {name: clerk}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: orders}
data: {today.csv: \"id,city\\n1,Bonn\\n2,Kiel\\n\"}
",
    );
    let processor = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
    let map = json!({"Type": "Map", "End": true, "ItemProcessor": processor,
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "orders", "Key": "today.csv"}},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "results", "Prefix": "done"}}});
    let machine = json!({"StartAt": "Each", "States": {"Each": map}});
    space.flow_with("orders", &machine.to_string(), json!({"serviceAccountName": "clerk"}));
    space.start("run", json!({"flowRef": {"name": "orders"}}));
    // What the account may not read, it does not read.
    let stalled = space.condition("run", "Stalled", "True", "Forbidden");
    assert!(stalled["message"].as_str().unwrap().contains("ConfigMap"), "{stalled}");
    let_use_config_maps(&space, "clerk");
    let place = space.output("run")["ResultWriterDetails"].clone();
    assert_eq!(place["Bucket"], "results", "{place}");
    let key = place["Key"].as_str().unwrap().replace('/', ".");
    let written = space.get("configmap", "results").unwrap();
    let results = written["data"][&*key].as_str().unwrap_or_else(|| panic!("no {key} in {written}"));
    assert_eq!(results, r#"[{"id":"1","city":"Bonn"},{"id":"2","city":"Kiel"}]"#);
    assert_eq!(space.kstatus("run"), "Current");
}

/// A distributed Map of tasks.
fn map(resource: &str, state: &str, more: Value) -> Value {
    let task = json!({"Type": "Task", "Resource": resource, "End": true});
    let mut map = json!({"Type": "Map", "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": state, "States": {state: task}}});
    map.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    map
}

/// Five megabytes of noise from forty calls replace a small object, and are listed and read again. One
/// controller ends while they are being written, one while the last of them waits at a gate.
#[test]
fn a_large_result_in_the_runs_own_store_survives_kills_and_goes_with_its_execution() {
    const ITEMS: usize = 40;
    let text = |n: usize| (0..2).map(|part| noise(n * 2 + part)).collect::<String>();
    let gate = Gate::shut();
    let waiting = gate.clone();
    let service = Service::on_thread(move |asked: Asked, _| {
        let gate = waiting.clone();
        async move {
            let n = usize::try_from(asked.body["n"].as_u64().unwrap_or_default()).unwrap();
            if asked.path == "/make" {
                return Answer::json(&json!({"n": n, "text": text(n)}));
            }
            if n + 1 == ITEMS {
                gate.pass().await;
            }
            let is_whole = asked.body["text"] == json!(text(n));
            Answer::json(&json!({"n": n, "isWhole": is_whole}))
        }
    });
    let space = Space::new("own-store");
    let controller = space.controller();
    let put = json!({"Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "ExecutionData", "Key": "all.json"}});
    let get = json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket": "ExecutionData", "Key.$": "$.written.Key"}});
    let small = json!({"Type": "Task", "Resource": "arn:aws:states:::s3:putObject", "ResultPath": null,
        "Parameters": {"Bucket": "ExecutionData", "Key": "all.json", "Body": "[]"}, "Next": "Make"});
    let list = json!({"Type": "Task", "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Parameters": {"Bucket": "ExecutionData"}, "ResultPath": "$.listed", "Next": "Check"});
    let definition = json!({"StartAt": "Small", "States": {
        "Small": small,
        "Make": map("Make:It", "MakeOne", json!({"ItemsPath": "$.items", "ResultWriter": put, "ResultPath": "$.written", "Next": "List"})),
        "List": list,
        "Check": map("Check:It", "CheckOne", json!({"ItemReader": get, "ResultPath": "$.checked", "End": true})),
    }});
    let bindings = json!([
        {"resource": "Make:*", "url": service.url("/make")},
        {"resource": "Check:*", "url": service.url("/check")},
    ]);
    space.flow_with("large", &definition.to_string(), json!({"bindings": bindings}));
    let items: Vec<_> = (0..ITEMS).map(|n| json!({"n": n})).collect();
    space.start("large", json!({"flowRef": {"name": "large"}, "input": {"items": items}}));
    let names = || space.kubectl(&["get", "executiondata", "-l", "millrace.dev/objects-of", "-o", "name"]);
    wait("the first chunks of the result", || {
        (String::from_utf8(names().stdout).unwrap().lines().count() > 1).then_some(())
    });
    controller.kill();
    let controller = space.controller();
    wait("all but one to be read again", || {
        let checked: BTreeSet<_> =
            service.asked_at("/check").iter().map(|asked| asked.body["n"].to_string()).collect();
        (checked.len() == ITEMS).then_some(())
    });
    controller.kill();
    let _controller = space.controller();
    gate.open();
    let ended = space.ended_within("large", Duration::from_secs(120));
    assert_eq!(ended["status"]["phase"], "Succeeded", "{:#}", ended["status"]["conditions"]);
    let output = space.execution("large")["status"]["output"].clone();
    let checked: Vec<_> = (0..ITEMS).map(|n| json!({"n": n, "isWhole": true})).collect();
    assert_eq!(output["checked"], json!(checked));
    let made: Vec<_> = (0..ITEMS).map(|n| json!({"n": n, "text": text(n)})).collect();
    let made = json!(made).to_string();
    assert!(made.len() > 4_000_000, "{}", made.len());
    assert_eq!(output["listed"]["Contents"], json!([{"Key": "all.json", "Size": made.len()}]));
    let kubeconfig = space.user("view");
    let print = |key: &str| {
        let mut program = program(&["output", "large", "--object", key]);
        start_as(program.env("KUBECONFIG", &kubeconfig), "").ended()
    };
    assert_eq!(print("all.json").stdout.trim_end(), made);
    let missing = print("al.json");
    assert!(missing.stderr.contains("there are `all.json`"), "{missing:?}");
    // Nothing but the object is left: what the status named is gone, and what the object replaced.
    let chunks = || space.list("executiondata");
    space.wait("the others to go", || {
        let is_object = |chunk: &Value| chunk["metadata"]["labels"].get("millrace.dev/objects-of").is_some();
        chunks().iter().all(is_object).then_some(())
    });
    let heads = chunks().into_iter().filter(|chunk| chunk["spec"]["number"] == 0).count();
    assert!(heads == 1 && chunks().len() > 4, "{heads} of {}", chunks().len());
    assert!(space.kubectl(&["delete", "executions", "large"]).status.success());
    wait("the object to go", || chunks().is_empty().then_some(()));
}

#[test]
fn what_no_config_map_can_hold_is_an_error_that_names_the_runs_own_store() {
    let service = Service::on_thread(|_, _| async { Answer::json(&json!({"text": "x".repeat(60_000)})) });
    let space = Space::new("too-large");
    let _controller = space.controller();
    let_use_config_maps(&space, "default");
    let bindings = json!([{"resource": "Make:*", "url": service.url("/")}]);
    let put = json!({"Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "results", "Key": "all.json"}});
    let definition = json!({"StartAt": "Make", "States": {
        "Make": map("Make:It", "MakeOne", json!({"ResultWriter": put, "End": true}))}});
    space.flow_with("put", &definition.to_string(), json!({"bindings": bindings}));
    for (name, count) in [("some", 20), ("many", 260)] {
        space.start(name, json!({"flowRef": {"name": "put"}, "input": vec![0; count]}));
        let ended = space.ended(name);
        let (phase, cause) =
            (&ended["status"]["phase"], ended["status"]["cause"].as_str().unwrap_or_default());
        assert_eq!(
            (phase, &ended["status"]["error"]),
            (&json!("Failed"), &json!("States.ResultWriterFailed"))
        );
        assert!(
            cause.contains("at most 1048576 fit into one") && cause.contains("`ExecutionData`"),
            "{cause}"
        );
    }
    assert_eq!(space.get("configmap", "results"), None);
}
