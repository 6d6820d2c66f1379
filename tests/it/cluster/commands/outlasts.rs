//! Watching goes on whatever becomes of the API server.

use serde_json::json;

use super::super::rig::{Cluster, Space};
use crate::command::{program, start_as};

#[test]
fn a_watch_outlasts_the_api_server() {
    let cluster = Cluster::own("test-watched", &[]);
    cluster.install_crds();
    let space = Space::within(cluster, "outlasts");
    for name in ["one", "two"] {
        space.start(name, json!({"flowRef": {"name": "f"}}));
    }
    let watch = |names: &[&str]| {
        let mut program = program(&["watch", "--namespace", &space.name]);
        start_as(program.args(names).env("KUBECONFIG", &cluster.kubeconfig), "")
    };
    let watching = [watch(&["one"]), watch(&["one", "two"])];
    for watching in &watching {
        space.wait("the command to watch", || watching.stdout().contains("one  Starting").then_some(()));
    }
    cluster.component("stop", "kube-apiserver");
    cluster.component("start", "kube-apiserver");
    // There is no controller: the test says how they end.
    for name in ["one", "two"] {
        let patch = json!({"status": {"phase": "Succeeded"}}).to_string();
        let patch = ["patch", "executions", name, "--subresource=status", "--type=merge", "-p", &patch];
        space.wait("the API server to take it", || space.kubectl(&patch).status.success().then_some(()));
    }
    for watching in watching {
        let ended = watching.ended();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(
            ended.stdout.contains("one  Starting") && ended.stdout.contains("one  Succeeded"),
            "{ended:?}"
        );
    }
    cluster.down();
}
