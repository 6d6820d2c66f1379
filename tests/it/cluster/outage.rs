//! API servers that are away, or do not know our resources yet. Each test has an API server of its own.

use std::time::{Duration, Instant};

use serde_json::json;

use super::rig::{Cluster, Space, wait};
use crate::service::{Answer, Gate, Service};

/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(16);

const GREET: &str = "Type: StateMachine\nSpecVersion: v1\nStartAt: g\nStates: [{Type: Pass, Name: g, End: true, OutputConstructor: {hello: world}}]";

#[test]
fn a_controller_waits_for_the_resources_and_says_so() {
    let cluster = Cluster::own("test-fresh", &[]);
    let space = Space::within(cluster, "fresh");
    let mut controller = space.spawn_controller("controller", &[]);
    controller.wait_for("saying what is missing", |controller| {
        controller.http("/readyz").is_some_and(|(status, said)| {
            status == 503
                && said.contains("flows.millrace.dev is not installed")
                && said.contains("millrace crds | kubectl apply -f -")
        })
    });
    assert_eq!(controller.http("/healthz").unwrap().0, 200);
    assert!(controller.log().contains("waiting: the resource flows.millrace.dev is not installed"));
    cluster.install_crds();
    controller.wait_for("leading", |controller| controller.log().contains("leading"));
    assert_eq!(controller.http("/readyz").unwrap().0, 200);
    space.flow("greet", GREET);
    space.start("one", json!({"flowRef": {"name": "greet"}}));
    assert_eq!(space.output("one"), json!({"hello": "world"}));
    cluster.down();
}

#[test]
fn an_api_server_that_is_away_for_a_while_costs_nothing_but_time() {
    let gate = Gate::shut();
    let waiting = gate.clone();
    let service = Service::on_thread(move |asked, _| {
        let gate = waiting.clone();
        async move {
            if asked.path == "/during" {
                gate.pass().await;
            }
            Answer::json(&json!({"path": asked.path}))
        }
    });
    let cluster = Cluster::own("test-outage", &[]);
    cluster.install_crds();
    let space = Space::within(cluster, "outage");
    // With a lease that has run out meanwhile, what was answered would be lost with the term.
    let controller = space.controller_with(&["--lease-duration", "60"]);
    let task = |name: &str, next: &str| {
        format!(
            "  - {{Type: Task, Name: {name}, Action: HTTP:Request, {next}, Parameters: {{url: \"{}\"}}, OutputConstructor: {{\"path.$\": $Output.body.path}}}}\n",
            service.url(&format!("/{name}"))
        )
    };
    let head = "Type: StateMachine\nSpecVersion: v1\n";
    space.flow(
        "call",
        &format!(
            "{head}StartAt: during\nStates:\n{}{}",
            task("during", "Next: after"),
            task("after", "End: true")
        ),
    );
    // Its time comes while the API server is away.
    space.flow(
        "timer",
        &format!(
            "{head}StartAt: w\nStates:\n  - {{Type: Wait, Name: w, Seconds: 12, Next: late}}\n{}",
            task("late", "End: true")
        ),
    );
    space.flow("late", &format!("{head}StartAt: late\nStates:\n{}", task("late", "End: true")));
    space.start("call", json!({"flowRef": {"name": "call"}}));
    space.start("timer", json!({"flowRef": {"name": "timer"}}));
    space.condition("timer", "InProgress", "True", "WaitingForTimer");
    wait("the call", || (service.asked_at("/during").len() == 1).then_some(()));
    cluster.component("stop", "kube-apiserver");
    let gone_at = Instant::now();
    gate.open();
    // The outage is what is tested; nothing could be waited for in it.
    std::thread::sleep(OUTAGE);
    // Nothing is done that cannot be committed.
    assert!(service.asked_at("/late").is_empty() && service.asked_at("/after").is_empty());
    assert_eq!(controller.http("/healthz").unwrap().0, 200);
    cluster.component("start", "kube-apiserver");
    space.start("late", json!({"flowRef": {"name": "late"}}));
    for (name, path) in [("call", "/after"), ("timer", "/late"), ("late", "/late")] {
        assert_eq!(space.output(name), json!({"path": path}));
    }
    println!("all runs had ended {:?} after the API server went away for {OUTAGE:?}", gone_at.elapsed());
    // What was answered was not asked again.
    assert_eq!(service.asked_at("/during").len(), 1);
    assert_eq!(service.asked_at("/after").len(), 1);
    drop(controller);
    cluster.down();
}
