//! Installed as a user would: the image loaded onto the node, the chart by the real Helm, the controller
//! as a Pod with the account and rights that the chart gives it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::rig::{Cluster, free_port, manifest};
use crate::service::Service;
use crate::tools;

const SYSTEM: &str = "millrace-system";

/// A call, and a Job that adds up what it gave.
const SUM: &str = r#"Type: StateMachine
SpecVersion: v1
StartAt: Ask
States:
  - Type: Task
    Name: Ask
    Action: HTTP:Request
    Parameters: {url: "URL/two", method: POST, body: {two: 2}}
    OutputConstructor: {"two.$": $Output.body.body.two}
    Next: Add
  - Type: Task
    Name: Add
    Action: Kubernetes:RunJob
    Parameters:
      image: millrace.test/busybox:1
      command: [sh, -c, 'echo "{\"sum\": $((TWO + 2))}" > /dev/termination-log']
      env: {"TWO.$": 'format("{}", $Input.two)'}
    End: true
"#;

/// The image, as an archive.
fn image() -> String {
    let build = Command::new(tools::root().join("image/build")).stderr(Stdio::inherit()).output().unwrap();
    assert!(build.status.success(), "image/build");
    String::from_utf8(build.stdout).unwrap().trim().to_owned()
}

fn helm(cluster: &Cluster, arguments: &[&str]) -> String {
    let mut helm = tools::helm();
    let output = helm.arg("--kubeconfig").arg(&cluster.kubeconfig).args(arguments).output().unwrap();
    said(&output, "helm", &cluster_state(cluster))
}

fn cluster_state(cluster: &Cluster) -> String {
    let pods = cluster.kubectl(&["describe", "pods", "--namespace", SYSTEM]);
    let logs = cluster.kubectl(&["logs", "--namespace", SYSTEM, "deploy/millrace-controller", "--tail=50"]);
    format!("{}{}", String::from_utf8_lossy(&pods.stdout), String::from_utf8_lossy(&logs.stdout))
}

fn said(output: &Output, what: &str, otherwise: &str) -> String {
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {said}{complained}\n{otherwise}");
    said.into_owned()
}

fn port(cluster: &Cluster) -> String {
    let config = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    let server = config.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap().to_owned();
    server.rsplit_once(':').unwrap().1.trim_matches(['"', '/']).to_owned()
}

/// What the chart tells to try first, up to the empty line after it, as a shell runs it.
fn try_first(notes: &str, cluster: &Cluster) -> String {
    let from = notes.find("kubectl apply").unwrap_or_else(|| panic!("no example in {notes}"));
    let script = notes[from..].split_once("\n\n").map_or(&notes[from..], |(script, _)| script);
    let kubectl = tools::kubectl().get_program().to_owned();
    let folder = Path::new(&kubectl).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euc", script])
        .env("KUBECONFIG", &cluster.kubeconfig)
        .env("PATH", path)
        .output()
        .unwrap();
    said(&output, script, &cluster_state(cluster))
}

/// What the controller's container may do, as the kubelet was told.
fn assert_confined(cluster: &Cluster) {
    let pods = cluster.kubectl(&["get", "pods", "--namespace", SYSTEM, "-o", "json"]);
    let pods: Value = serde_json::from_slice(&pods.stdout).unwrap();
    let [pod] = pods["items"].as_array().unwrap().as_slice() else { panic!("{pods}") };
    let container = &pod["spec"]["containers"][0];
    assert_eq!(pod["spec"]["hostNetwork"], true);
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{pod:#}");
}

#[test]
fn the_chart_installs_a_controller_that_runs_as_a_pod() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::echo());
    let archive = image();
    let cluster = Cluster::own("test-chart", &["--pods"]);
    let loaded = cluster.load_image(&archive);
    assert!(loaded.contains("localhost/millrace:"), "{loaded}");
    let chart = tools::root().join("charts/millrace");
    assert!(cluster.kubectl(&["create", "namespace", "shop"]).status.success());
    // The test node has no DNS, and its pods do not reach the loopback of the machine.
    let values = json!({
        "hostNetwork": true,
        "apiServer": {"host": "127.0.0.1", "port": port(cluster).parse::<u16>().unwrap()},
        "http": {"address": "127.0.0.1", "port": free_port()},
        "allowEgress": ["127.0.0.0/8"],
        "impersonation": {"namespaces": ["shop"]},
    });
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed-values.json");
    std::fs::write(&file, values.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let chart = chart.to_str().unwrap();
    let wait = ["--wait", "--timeout", "120s", "--namespace", SYSTEM];
    let install = ["install", "millrace", chart, "--values", file, "--create-namespace"];
    let notes = helm(cluster, &[&install[..], &wait[..]].concat());
    assert!(try_first(&notes, cluster).contains(r#"{"greeting":"Hello, world!"}"#));
    assert_confined(cluster);

    // A run with a Job, as an account of its own.
    let shop = |arguments: &[&str]| {
        let output = cluster.kubectl(&[&["--namespace", "shop"], arguments].concat());
        said(&output, &arguments.join(" "), &cluster_state(cluster))
    };
    shop(&["create", "serviceaccount", "order-runner"]);
    let account = "--serviceaccount=shop:order-runner";
    shop(&["create", "rolebinding", "order-runner", "--clusterrole=millrace-runner", account]);
    let definition = SUM.replace("URL", &service.url("").replace("localhost", "127.0.0.1"));
    let flow = json!({"definition": definition, "serviceAccountName": "order-runner"});
    let apply = |manifest: Value| {
        let output =
            cluster.kubectl_with(&["--namespace", "shop", "apply", "-f", "-"], &manifest.to_string());
        said(&output, "apply", "");
    };
    let wait_for = |name: &str| {
        shop(&["wait", "--for=condition=Complete", &format!("executions/{name}"), "--timeout=60s"]);
        let execution: Value =
            serde_json::from_str(&shop(&["get", "executions", name, "-o", "json"])).unwrap();
        execution["status"].clone()
    };
    apply(manifest("Flow", "sum", flow));
    apply(manifest("Execution", "sum-1", json!({"flowRef": {"name": "sum"}, "input": {}})));
    let status = wait_for("sum-1");
    assert_eq!(status["output"], json!({"sum": 4}), "{status:#}");

    // A run goes on while the release is upgraded.
    let pause = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 5, End: true}]";
    apply(manifest("Flow", "pause", json!({"definition": pause})));
    apply(manifest("Execution", "pause-1", json!({"flowRef": {"name": "pause"}, "input": {"kept": true}})));
    let upgrade = ["upgrade", "millrace", chart, "--values", file, "--set", "log.format=json"];
    helm(cluster, &[&upgrade[..], &wait[..]].concat());
    let status = wait_for("pause-1");
    assert_eq!(
        (&status["phase"], &status["output"]),
        (&json!("Succeeded"), &json!({"kept": true})),
        "{status:#}"
    );

    // What was run stays when the controller goes.
    helm(cluster, &["uninstall", "millrace", "--wait", "--namespace", SYSTEM]);
    assert!(shop(&["get", "executions"]).contains("sum-1"));
    cluster.down();
}
