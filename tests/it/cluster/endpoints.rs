//! What a controller says of itself over HTTP, and how it answers wrong options.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::rig::Space;

/// An answer: its status, its head in lower case, its body.
fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

/// Checks a text in the form of OpenMetrics: every sample has a family that was announced, a value, and is
/// there once.
fn check_metrics(text: &str) {
    let (body, end) = text.rsplit_once("# EOF").expect("the end is marked");
    assert_eq!(end, "\n");
    let (mut families, mut samples) = (BTreeSet::new(), BTreeSet::new());
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (what, name) = (words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&what) && name.starts_with("millrace_"), "{line}");
            families.insert(name.to_owned());
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
        assert!(samples.insert(sample.to_owned()), "twice: {line}");
        let name = sample.split('{').next().unwrap();
        let is_announced = ["", "_total", "_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .any(|family| families.contains(family));
        assert!(is_announced, "{line}");
    }
    for family in
        ["status_writes", "status_write_seconds", "executions_ended", "executions_active", "leading"]
    {
        assert!(families.contains(&format!("millrace_{family}")), "{family}: {text}");
    }
}

#[test]
fn health_readiness_and_figures_are_told_and_nothing_else() {
    let space = Space::new("endpoints");
    let controller = space.controller();
    let wait = "Type: StateMachine\nSpecVersion: v1\nStartAt: w\nStates: [{Type: Wait, Name: w, Seconds: 300, End: true}]";
    space.flow("wait", wait);
    space.start("going", json!({"flowRef": {"name": "wait"}}));
    space.start("refused", json!({"flowRef": {"name": "wait"}, "input": [1]}));
    space.start("late", json!({"flowRef": {"name": "wait"}, "timeoutSeconds": 0}));
    space.condition("going", "InProgress", "True", "WaitingForTimer");
    space.ended("refused");
    space.ended("late");
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ok\n")] {
        let (status, head, answer) = ask(controller.address, &format!("GET {path}"));
        assert_eq!((status, &*answer), (200, body));
        assert!(head.contains("content-type: text/plain"), "{head}");
    }
    let (status, head, figures) = ask(controller.address, "GET /metrics");
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    check_metrics(&figures);
    let figure = |name: &str| controller.figure(name);
    assert_eq!(figure("millrace_leading"), 1.0);
    assert_eq!(figure("millrace_executions_ended_total{phase=\"Rejected\"}"), 1.0);
    assert_eq!(figure("millrace_executions_ended_total{phase=\"TimedOut\"}"), 1.0);
    assert_eq!(figure("millrace_status_writes_total{outcome=\"Written\"}"), 3.0);
    assert_eq!(figure("millrace_status_write_seconds_count"), 3.0);
    space.wait("the run to be counted", || (figure("millrace_executions_active") == 1.0).then_some(()));
    let (status, head, body) = ask(controller.address, "HEAD /healthz");
    assert!(status == 200 && body.is_empty(), "{head}");
    for path in ["/", "/metrics/", "/healthz/x", "/debug/pprof", "/..%2f..%2fetc/passwd"] {
        assert_eq!(ask(controller.address, &format!("GET {path}")).0, 404, "{path}");
    }
    for request in ["POST /metrics", "DELETE /healthz"] {
        assert_eq!(ask(controller.address, request).0, 405, "{request}");
    }
}

#[test]
fn a_port_that_is_taken_ends_the_controller_with_a_word() {
    let space = Space::new("taken");
    let controller = space.controller();
    let address = controller.address.to_string();
    let (status, said) = ended(&space, &["--listen", &address]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("in use"), "{said}");
}

/// How a controller ends that is given wrong options, and what it says.
fn ended(space: &Space, arguments: &[&str]) -> (Option<i32>, String) {
    ended_with(space, arguments, None)
}

fn ended_with(space: &Space, arguments: &[&str], variable: Option<(&str, &str)>) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_millrace"))
        .arg("controller")
        .args(arguments)
        .env("KUBECONFIG", &space.cluster.kubeconfig)
        .envs(variable)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if began.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.and_then(|status| status.code()), said)
}

#[test]
fn wrong_options_are_answered_with_what_is_wrong() {
    let space = Space::new("options");
    let long = "x".repeat(254);
    let cases: &[(&[&str], &[&str])] = &[
        (&["--lease-duration", "0"], &["'0'", "--lease-duration", "1..=3600"]),
        (&["--lease-duration", "15s"], &["'15s'", "--lease-duration"]),
        (&["--allow-egress", "10.0.0.0/33"], &["'10.0.0.0/33'", "--allow-egress", "10.0.0.0/8"]),
        (&["--allow-egress", "example.org"], &["'example.org'", "--allow-egress", "10.0.0.0/8"]),
        (&["--listen", "8080"], &["'8080'", "--listen"]),
        (&["--listen", "203.0.113.1:8080"], &["cannot listen on 203.0.113.1:8080"]),
        (&["--namespace", "Shop"], &["'Shop'", "--namespace", "lower-case"]),
        (&["--namespace", ""], &["--namespace", "lower-case"]),
        (&["--namespace", "a/../b"], &["'a/../b'", "--namespace"]),
        (&["--lease-name", "a b"], &["'a b'", "--lease-name"]),
        (&["--lease-name", &long], &["--lease-name", "253"]),
        (&["--lease-namespace", "a.b"], &["'a.b'", "--lease-namespace"]),
        (&["--events", "some"], &["'some'", "--events", "warnings"]),
        (&["--log-format", "xml"], &["'xml'", "--log-format", "json"]),
        (&["--namespaces", "shop"], &["--namespaces", "--namespace"]),
    ];
    for (arguments, parts) in cases {
        let (status, said) = ended(&space, arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    for (variable, value, part) in [
        ("MILLRACE_LOG", "millrace=loud", "MILLRACE_LOG is `millrace=loud`"),
        ("KUBECONFIG", "/does/not/exist", "no cluster is configured"),
        ("POD_NAMESPACE", "Shop", "--lease-namespace"),
    ] {
        let (status, said) = ended_with(&space, &[], Some((variable, value)));
        assert!(status == Some(2) && said.contains(part), "{variable}: {status:?}: {said}");
    }
}
