//! Revisions that somebody has deleted.

use serde_json::json;

use super::rig::Space;

fn flow(seconds: u32, v: u32) -> String {
    format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{{Type: Wait, Name: w, Seconds: {seconds}, Next: p}}, {{Type: Pass, Name: p, End: true, OutputConstructor: {{v: {v}}}}}]"
    )
}

fn delete(space: &Space, what: &[&str]) {
    let deleted = space.kubectl(&[&["delete"], what].concat());
    assert!(deleted.status.success(), "{deleted:?}");
}

#[test]
fn a_deleted_revision_is_published_anew_for_the_next_start() {
    let space = Space::new("republish");
    let controller = space.controller();
    space.flow("f", &flow(1, 1));
    space.start("before", json!({"flowRef": {"name": "f"}}));
    assert_eq!(space.output("before"), json!({"v": 1}));
    delete(&space, &["flowrevisions", "f-1"]);
    space.start("after", json!({"flowRef": {"name": "f"}}));
    assert_eq!(space.output("after"), json!({"v": 1}));
    assert_eq!(space.execution("after")["status"]["flowRevision"], "f-2");
    // Also where it is deleted while nobody cares.
    controller.kill();
    delete(&space, &["flowrevisions", "--all"]);
    let _controller = space.controller();
    space.start("later", json!({"flowRef": {"name": "f"}}));
    assert_eq!(space.output("later"), json!({"v": 1}));
    assert_eq!(space.execution("later")["status"]["flowRevision"], "f-3");
}

#[test]
fn a_run_never_goes_on_with_another_revision_of_the_same_name() {
    let space = Space::new("reuse");
    let controller = space.controller();
    space.flow("f", &flow(300, 1));
    space.start("pinned", json!({"flowRef": {"name": "f"}}));
    space.condition("pinned", "InProgress", "True", "WaitingForTimer");
    controller.kill();
    delete(&space, &["flowrevisions", "--all"]);
    delete(&space, &["flows", "f"]);
    let mut controller = space.spawn_controller("controller", &[]);
    controller.wait_for("leading", |controller| controller.log().contains("leading"));
    space.flow("f", &flow(1, 2));
    space.start("fresh", json!({"flowRef": {"name": "f"}}));
    assert_eq!(space.output("fresh"), json!({"v": 2}));
    let stalled = space.condition("pinned", "Stalled", "True", "EngineFault");
    assert!(stalled["message"].as_str().unwrap().contains("FlowRevision `f-1`"), "{stalled}");
    // While one controller lives, too.
    delete(&space, &["flowrevisions", "--all"]);
    delete(&space, &["flows", "f"]);
    space.flow("f", &flow(1, 3));
    space.start("newest", json!({"flowRef": {"name": "f"}}));
    assert_eq!(space.output("newest"), json!({"v": 3}));
}

#[test]
fn revisions_beyond_the_limit_go_unless_something_needs_them() {
    let space = Space::new("garbage");
    let _controller = space.controller();
    let aliases = json!([{"name": "old", "routes": [{"revision": 2, "weight": 1}]}]);
    let apply = |v: u32, suspend: bool| {
        let spec = json!({"revisionHistoryLimit": 1, "aliases": aliases, "suspend": suspend});
        space.flow_with("f", &flow(300, v), spec);
    };
    apply(1, false);
    space.start("one", json!({"flowRef": {"name": "f"}}));
    space.condition("one", "InProgress", "True", "WaitingForTimer");
    (2..=5).for_each(|v| apply(v, false));
    let mut suspend = false;
    let mut left = |expected: &[&str]| {
        space.wait(&format!("only {expected:?} to be left"), || {
            // A Flow is looked at when it changes.
            suspend = !suspend;
            apply(5, suspend);
            let mut names: Vec<_> = space
                .list("flowrevisions")
                .iter()
                .map(|revision| revision["metadata"]["name"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            (names == expected).then_some(())
        });
    };
    left(&["f-1", "f-2", "f-4", "f-5"]);
    delete(&space, &["executions", "one"]);
    left(&["f-2", "f-4", "f-5"]);
}
