//! Where HTTP tasks may not go, however it is written.

use serde_json::{Value, json};

use super::rig::Space;
use crate::service::{Answer, Service};

/// A flow that calls the URL of its input and tells the error where there is one.
const CALL: &str = r#"
Type: StateMachine
SpecVersion: v1
StartAt: Call
States:
  - Type: Task
    Name: Call
    Action: HTTP:Request
    Parameters: {"url.$": $Input.url}
    OutputConstructor: {"status.$": $Output.statusCode}
    End: true
    Catch:
      - Errors: [HTTP.EgressForbidden]
        Next: Refused
        OutputConstructor: {"error.$": $Context.Current.Error.Code, "cause.$": $Context.Current.Error.Detail}
  - {Type: Succeed, Name: Refused}
"#;

fn call(space: &Space, name: &str, url: &str) {
    space.start(name, json!({"flowRef": {"name": "call"}, "input": {"url": url}}));
}

#[test]
fn addresses_out_of_reach_are_refused_however_they_are_written() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Listens on every address of this machine.
    let forbidden = runtime.block_on(Service::start_at("[::]:0", |_, _| Answer::json(&json!({}))));
    let port = forbidden.address.port();
    let allowed = runtime.block_on(Service::start_at("127.0.0.2:0", move |asked, _| {
        let to = |url: String| Answer { headers: vec![("location", url)], ..Answer::status(307, "") };
        match &*asked.path {
            "/loopback" => to(format!("http://127.0.0.1:{port}/secret")),
            "/name" => to(format!("http://localhost:{port}/secret")),
            "/metadata" => to("http://169.254.169.254/latest/meta-data".to_owned()),
            "/mapped" => to(format!("//[::ffff:7f00:1]:{port}/secret")),
            "/again" => to(format!("http://{}/loopback", asked.headers["host"].to_str().unwrap())),
            _ => Answer::json(&json!({})),
        }
    }));
    let space = Space::new("egress");
    let _controller =
        space.controller_with(&["--allow-egress", "127.0.0.2/32", "--allow-egress", "10.1.2.3/32"]);
    space.flow("call", CALL);
    let at = |host: &str| format!("http://{host}:{port}/");
    // The API server of the test listens on 127.0.0.1, so that address is its own.
    let cases = [
        (at("127.0.0.1"), "127.0.0.1 (the API server)"),
        (at("127.0.0.3"), "127.0.0.3 (loopback)"),
        (at("localhost"), "127.0.0.1 (the API server)"),
        (at("LOCALHOST"), "127.0.0.1 (the API server)"),
        (at("[::1]"), "::1 (loopback)"),
        (at("[::ffff:127.0.0.3]"), "127.0.0.3 (loopback)"),
        (at("[::ffff:7f00:3]"), "127.0.0.3 (loopback)"),
        (at("[64:ff9b::7f00:3]"), "127.0.0.3 (loopback)"),
        (at("2130706435"), "127.0.0.3 (loopback)"),
        (at("0x7f000003"), "127.0.0.3 (loopback)"),
        (at("0177.0.0.3"), "127.0.0.3 (loopback)"),
        (at("127.3"), "127.0.0.3 (loopback)"),
        (at("%31%32%37.0.0.3"), "127.0.0.3 (loopback)"),
        (at("127。0。0。3"), "127.0.0.3 (loopback)"),
        (at("example.org@127.0.0.3"), "127.0.0.3 (loopback)"),
        (at("0"), "0.0.0.0 (no host)"),
        (at("[::]"), ":: (no host)"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "169.254.169.254 (link-local)"),
        ("http://[fe80::1]/".to_owned(), "fe80::1 (link-local)"),
        ("http://[fd00:ec2::254]/".to_owned(), "fd00:ec2::254 (metadata service)"),
        ("http://100.100.100.200/latest/meta-data".to_owned(), "100.100.100.200 (metadata service)"),
        (allowed.url("/loopback"), "127.0.0.1 (the API server)"),
        (allowed.url("/name"), "127.0.0.1 (the API server)"),
        (allowed.url("/metadata"), "169.254.169.254 (link-local)"),
        (allowed.url("/mapped"), "127.0.0.1 (the API server)"),
        (allowed.url("/again"), "127.0.0.1 (the API server)"),
    ];
    for (number, (url, _)) in cases.iter().enumerate() {
        call(&space, &format!("case-{number}"), url);
    }
    call(&space, "allowed", &allowed.url("/"));
    assert_eq!(space.output("allowed"), json!({"status": 200}));
    for (number, (url, said)) in cases.iter().enumerate() {
        let ended = space.ended(&format!("case-{number}"));
        let output = &ended["status"]["output"];
        assert_eq!(output["error"], "HTTP.EgressForbidden", "{url}: {:#}", ended["status"]["conditions"][0]);
        let cause = output["cause"].as_str().unwrap();
        assert!(cause.contains(said) && cause.contains("--allow-egress"), "{url}: {cause}");
    }
    assert!(forbidden.asked().is_empty(), "{:?}", forbidden.asked());
    drop(runtime);
}

#[test]
fn a_binding_leads_nowhere_else_than_a_call() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let forbidden = runtime.block_on(Service::echo());
    let space = Space::new("egressbind");
    let _controller = space.controller_with(&["--allow-egress", "127.0.0.2/32"]);
    let states: Value = json!([{"Type": "Task", "Name": "Ask", "Action": "Ask:It", "End": true}]);
    let definition = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": states});
    let bindings = json!([{"resource": "Ask:*", "url": forbidden.url("/")}]);
    space.flow_with("bound", &definition.to_string(), json!({"bindings": bindings}));
    space.start("bound", json!({"flowRef": {"name": "bound"}}));
    let status = space.ended("bound")["status"].clone();
    assert_eq!(status["error"], "HTTP.EgressForbidden", "{status:#}");
    assert!(forbidden.asked().is_empty());
    drop(runtime);
}
