//! Stored objects without a store: a Map of Amazon States Language that reads a ConfigMap and writes to one,
//! as the run's account.

use serde_json::json;

use super::rig::Space;

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
    space.apply(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: clerk}
rules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [get, create, update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: clerk}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: clerk}
subjects: [{kind: ServiceAccount, name: clerk}]
",
    );
    let place = space.output("run")["ResultWriterDetails"].clone();
    assert_eq!(place["Bucket"], "results", "{place}");
    let key = place["Key"].as_str().unwrap().replace('/', ".");
    let written = space.get("configmap", "results").unwrap();
    let results = written["data"][&*key].as_str().unwrap_or_else(|| panic!("no {key} in {written}"));
    assert_eq!(results, r#"[{"id":"1","city":"Bonn"},{"id":"2","city":"Kiel"}]"#);
    assert_eq!(space.kstatus("run"), "Current");
}
