//! Executions that stand still.

use serde_json::json;

use super::rig::Space;
use crate::command::{program, start_as};
use crate::service::{Gate, Service};

fn flow(url: &str) -> String {
    format!(
        "Type: StateMachine\nSpecVersion: v1\nStartAt: Ask\nStates:\n  - {{Type: Task, Name: Ask, Action: HTTP:Request, Next: Rest, Parameters: {{url: \"{url}\"}}, OutputConstructor: {{n.$: $Output.body.n}}}}\n  - {{Type: Wait, Name: Rest, Seconds: 1, End: true}}\n"
    )
}

#[test]
fn what_becomes_of_a_task_is_kept_over_a_kill_until_the_run_goes_on() {
    let gate = Gate::shut();
    let service = Service::behind(&gate, json!({"n": 7}));
    let space = Space::new("suspended");
    let controller = space.controller();
    space.flow("f", &flow(&service.url("/")));
    let kubeconfig = space.user("edit");
    let millrace = |args: &[&str]| start_as(program(args).env("KUBECONFIG", &kubeconfig), "").ended();
    let prints = |args: &[&str], status: i32, says: &str| {
        let ended = millrace(args);
        assert_eq!(ended.status, Some(status), "{ended:?}");
        assert!(ended.stdout.contains(says) || ended.stderr.contains(says), "{ended:?}");
    };

    space.start("one", json!({"flowRef": {"name": "f"}}));
    space.condition("one", "InProgress", "True", "WaitingForTask");
    prints(&["suspend", "one"], 0, "execution.millrace.dev/one suspended");
    prints(&["suspend", "one"], 0, "`one` is suspended already");
    let still = space.condition("one", "InProgress", "True", "Suspended");
    assert!(still["message"].as_str().unwrap().contains("(spec.suspend): task `Ask`"), "{still}");
    assert_eq!(
        (space.kstatus("one"), &space.execution("one")["status"]["phase"]),
        ("InProgress".into(), &json!("Running"))
    );
    gate.open();
    space.condition_saying("one", "InProgress", "True", "Suspended", "1 task has ended meanwhile");
    controller.kill();
    let _controller = space.controller();
    space.start("after", json!({"flowRef": {"name": "f"}}));
    space.output("after");
    let still = space.condition("one", "InProgress", "True", "Suspended");
    assert!(still["message"].as_str().unwrap().contains("1 task has ended meanwhile"), "{still}");
    prints(&["resume", "one"], 0, "execution.millrace.dev/one resumed");
    assert_eq!(space.output("one"), json!({"n": 7}));
    assert_eq!(service.asked().len(), 2);
    prints(&["suspend", "one"], 1, "`one` has ended already (Succeeded)");
}

#[test]
fn what_is_suspended_does_not_begin_and_its_time_goes_on() {
    let space = Space::new("held-back");
    let _controller = space.controller();
    let wait = |seconds: u32| {
        format!(
            "Type: StateMachine\nSpecVersion: v1\nStartAt: Rest\nStates: [{{Type: Wait, Name: Rest, Seconds: {seconds}, End: true}}]"
        )
    };
    space.flow("f", &wait(1));
    space.flow("long", &wait(300));
    space.start("held", json!({"flowRef": {"name": "f"}, "suspend": true, "startingDeadlineSeconds": 0}));
    space.condition("held", "Accepted", "Unknown", "Suspended");
    let patch = |name: &str, spec: serde_json::Value| {
        let patch = json!({"spec": spec}).to_string();
        let patched = space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]);
        assert!(patched.status.success(), "{patched:?}");
    };
    patch("held", json!({"suspend": false}));
    space.output("held");
    // The run's own time goes on, and it can be stopped.
    for (name, timeout, ends) in [("late", 20, "TimedOut"), ("stopped", 600, "Stopped")] {
        space.start(name, json!({"flowRef": {"name": "long"}, "timeoutSeconds": timeout}));
        space.condition(name, "InProgress", "True", "WaitingForTimer");
        patch(name, json!({"suspend": true}));
        space.condition(name, "InProgress", "True", "Suspended");
        if ends == "Stopped" {
            patch(name, json!({"stop": {"mode": "Cancel"}}));
        }
        assert_eq!(space.ended(name)["status"]["phase"], ends, "{name}");
    }
}
