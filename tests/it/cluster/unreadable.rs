//! One bad object never stops the others.

use serde_json::{Value, json};

use super::rig::{Cluster, Space, execution, wait};
use crate::tools;

const GREET: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 1, Next: g}, {Type: Pass, Name: g, End: true, OutputConstructor: {hello: world}}]";

/// Brackets around brackets. The API server takes ten thousand, typed clients a hundred.
const LEVELS: usize = 9_000;

/// A whole life beside the bad objects, with the controller that has seen them and with a new one.
fn others_live(space: &Space, name: &str) {
    space.start(name, json!({"flowRef": {"name": "greet"}}));
    assert_eq!(space.output(name), json!({"hello": "world"}));
}

#[test]
fn an_input_of_thousands_of_levels_is_refused_and_hurts_nobody() {
    let space = Space::new("deep");
    let controller = space.controller();
    space.flow("greet", GREET);
    for (name, open, close) in [("list", "[", "]"), ("object", r#"{"a":"#, "}")] {
        let bottom = if open == "[" { "" } else { "1" };
        let input = format!("{}{bottom}{}", open.repeat(LEVELS), close.repeat(LEVELS));
        let manifest = format!(
            r#"{{"apiVersion":"millrace.dev/v1alpha1","kind":"Execution","metadata":{{"name":"{name}"}},"spec":{{"flowRef":{{"name":"greet"}},"input":{input}}}}}"#
        );
        let made = space.try_create(&manifest);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let ended = space.rejected(name);
        assert!(ended.contains("InputInvalid") && ended.contains("100"), "{ended}");
        others_live(&space, &format!("beside-{name}"));
    }
    controller.kill();
    let controller = space.controller();
    others_live(&space, "afterwards");
    // It can be deleted like any other, and made again.
    assert!(space.kubectl(&["delete", "executions", "list", "object"]).status.success());
    others_live(&space, "list");
    drop(controller);
}

#[test]
fn a_checkpoint_that_somebody_has_broken_stalls_its_own_run_only() {
    let space = Space::new("garbage");
    let controller = space.controller();
    let wait_long = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 300, End: true}]";
    space.flow("greet", GREET);
    space.flow("long", wait_long);
    // Text that is no checkpoint, and a checkpoint of another run.
    space.start("donor", json!({"flowRef": {"name": "long"}}));
    space.condition("donor", "InProgress", "True", "WaitingForTimer");
    let foreign = space.execution("donor")["status"]["checkpoint"].clone();
    assert!(foreign.is_string());
    for (name, checkpoint) in [("noise", json!("garbage")), ("empty", json!("")), ("foreign", foreign)] {
        space.start(name, json!({"flowRef": {"name": "long"}}));
        space.condition(name, "InProgress", "True", "WaitingForTimer");
        let patch = json!({"status": {"checkpoint": checkpoint}}).to_string();
        let patched = space.kubectl(&[
            "patch",
            "executions",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
        assert!(patched.status.success(), "{patched:?}");
        let stalled = space.condition(name, "Stalled", "True", "EngineFault");
        assert!(stalled["message"].as_str().unwrap().contains("checkpoint"), "{stalled}");
        assert_eq!(space.kstatus(name), "Failed");
    }
    others_live(&space, "beside");
    controller.kill();
    let controller = space.controller();
    others_live(&space, "afterwards");
    // It can still be ended.
    let stop = json!({"spec": {"stop": {"mode": "Terminate"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "noise", "--type=merge", "-p", &stop]).status.success());
    assert_eq!(space.ended("noise")["status"]["phase"], "Stopped");
    assert!(space.kubectl(&["delete", "executions", "--all"]).status.success());
    drop(controller);
}

/// The CRDs as they would be if their schemas said nothing.
fn loose_crds() -> Vec<Value> {
    let folder = std::fs::read_dir(tools::root().join("crds")).unwrap();
    let crds = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    crds.map(|text| {
        let crd = millrace::source::parse(&text).unwrap().to_value().to_json();
        let mut crd: Value = serde_json::from_str(&crd).unwrap();
        let version = &mut crd["spec"]["versions"][0];
        version["schema"] = json!({"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"status": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"phase": {"type": "string"}},
            }},
        }});
        version["selectableFields"] = json!([{"jsonPath": ".status.phase"}]);
        crd
    })
    .collect()
}

#[test]
fn stored_objects_of_a_wrong_type_are_left_alone() {
    let cluster = Cluster::own("test-loose", &[]);
    for crd in loose_crds() {
        let applied = cluster
            .kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &crd.to_string());
        assert!(applied.status.success(), "{applied:?}");
    }
    for crd in ["flows", "flowrevisions", "executions"] {
        let crd = format!("crd/{crd}.millrace.dev");
        assert!(
            cluster.kubectl(&["wait", "--for=condition=Established", &crd, "--timeout=30s"]).status.success()
        );
    }
    let space = Space::within(cluster, "loose");
    let bad = [
        execution("no-spec", json!(null)),
        execution("list-spec", json!(["flowRef"])),
        execution("number-ref", json!({"flowRef": 7})),
        execution("text-timeout", json!({"flowRef": {"name": "greet"}, "timeoutSeconds": "soon"})),
        super::rig::manifest("Flow", "number", json!(3)).to_string(),
        super::rig::manifest("Flow", "bindings", json!({"definition": GREET, "bindings": "none"}))
            .to_string(),
        super::rig::manifest("FlowRevision", "greet-1", json!({"revision": "first"})).to_string(),
    ];
    wait("the loose schemas to be served", || space.try_create(&bad[0]).status.success().then_some(()));
    for manifest in &bad[1..] {
        let made = space.try_create(manifest);
        assert!(made.status.success(), "{manifest}: {}", String::from_utf8_lossy(&made.stderr));
    }
    let phase = json!({"status": {"phase": "Dreaming", "conditions": 3}}).to_string();
    space.start("phase", json!({"flowRef": {"name": "greet"}}));
    let patched = space.kubectl(&[
        "patch",
        "executions",
        "phase",
        "--subresource=status",
        "--type=merge",
        "-p",
        &phase,
    ]);
    assert!(patched.status.success(), "{patched:?}");
    cluster.install_crds();
    let mut controller = space.spawn_controller("controller", &[]);
    controller.wait_for("leading", |controller| controller.log().contains("leading"));
    space.flow("greet", GREET);
    others_live(&space, "beside");
    for name in ["no-spec", "list-spec", "number-ref", "text-timeout", "phase"] {
        wait(&format!("a warning about {name}"), || {
            let events = space.list("events");
            let told = events
                .iter()
                .find(|event| event["regarding"]["name"] == name || event["involvedObject"]["name"] == name);
            let told = told?;
            assert_eq!((&told["type"], &told["reason"]), (&json!("Warning"), &json!("Unreadable")));
            Some(())
        });
        // Nothing of it was written, not even that it was looked at.
        let status = &space.execution(name)["status"];
        assert_eq!(status.get("startTime").or(status.get("accepted")), None, "{status}");
    }
    // Whoever mends the object is served.
    let mend = json!({"spec": {"timeoutSeconds": 60}}).to_string();
    let mended = space.kubectl(&["patch", "executions", "text-timeout", "--type=merge", "-p", &mend]);
    assert!(mended.status.success(), "{mended:?}");
    assert_eq!(space.output("text-timeout"), json!({"hello": "world"}));
    drop(controller);
    cluster.down();
}
