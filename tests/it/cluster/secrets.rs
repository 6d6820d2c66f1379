//! Headers whose values are in Secrets: read as the run's account, and shown nowhere.

use serde_json::{Value, json};

use super::rig::{Controller, Space, condition};
use crate::service::{Answer, Service};

const SECRET: &str = "correct-horse-battery-staple";

/// What may have kept something of a run: its objects with all they hold, decoded, the events, the log and
/// the figures of the controller.
fn traces(space: &Space, controller: &Controller) -> String {
    let mut traces = controller.log();
    traces.push_str(&controller.http("/metrics").unwrap().1);
    for resource in ["flows", "flowrevisions", "executions", "executiondata", "events", "jobs", "configmaps"]
    {
        for object in space.list(resource) {
            traces.push_str(&object.to_string());
            for field in ["checkpoint", "history"] {
                if let Some(stored) = object["status"][field].as_str() {
                    let text = millrace::api::stored::decode(stored).unwrap();
                    assert!(text.starts_with(['{', '[']), "{text}");
                    traces.push_str(&text);
                }
            }
        }
    }
    traces
}

/// A flow of one task that posts to a service with a header from a Secret, run by an account.
fn flow(space: &Space, name: &str, account: &str, url: &str, key: (&str, &str), more: Value) {
    let mut task = json!({"Type": "Task", "Name": "Ask", "Action": "Ask:It", "End": true});
    for (field, value) in more.as_object().unwrap() {
        task[field] = value.clone();
    }
    let states = [task, json!({"Type": "Wait", "Name": "Rest", "Seconds": 300, "End": true})];
    let definition = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": states});
    let source = json!({"secretKeyRef": {"name": key.0, "key": key.1}});
    let headers = json!([{"name": "X-Key", "valueFrom": source}, {"name": "X-Plain", "value": "plain"}]);
    let bindings = json!([{"resource": "Ask:*", "url": url, "headers": headers}]);
    space.flow_with(
        name,
        &definition.to_string(),
        json!({"bindings": bindings, "serviceAccountName": account}),
    );
    space.start(name, json!({"flowRef": {"name": name}}));
}

/// Makes accounts, a Secret, and who may read it.
fn prepare(space: &Space, accounts: &[&str], readers: &[&str]) {
    for account in accounts {
        space.apply(&format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {account}}}}}"));
    }
    space.apply(&format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: shop}}
stringData: {{key: \"{SECRET}\\n\", broken: \"a\\nb\"}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reads-shop}}
rules: [{{apiGroups: [\"\"], resources: [secrets], verbs: [get]}}]
"
    ));
    readers.iter().for_each(|account| grant(space, account));
}

fn grant(space: &Space, account: &str) {
    let account = format!("--serviceaccount={}:{account}", space.name);
    let name = format!("reads-{}", account.rsplit(':').next().unwrap());
    let made = space.kubectl(&["create", "rolebinding", &name, "--role=reads-shop", &account]);
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn a_header_from_a_secret_is_sent_and_shown_nowhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = runtime.block_on(Service::echo());
    let elsewhere = other.url("/");
    let service = runtime.block_on(Service::start(move |asked, n| match &*asked.path {
        "/leads-away" => Answer::status(307, "").with("location", elsewhere.clone()),
        "/leads-on" => Answer::status(307, "").with("location", "/works"),
        "/refuses" if n == 0 => Answer::status(503, "busy"),
        "/refuses" => Answer::status(403, "no"),
        "/breaks" => Answer::status(200, "x").after(std::time::Duration::from_secs(3_600)),
        _ => Answer::json(&json!({"fine": true})),
    }));
    let space = Space::new("secret");
    // Every step is told, so that there is something to look through.
    let controller = space.controller_with(&["--events", "all"]);
    prepare(&space, &["reader"], &["reader"]);
    let key = ("shop", "key");
    let retry = json!({"Retry": [{"Errors": ["HTTP.503"], "MaxAttempts": 2, "IntervalSeconds": 0}]});
    flow(&space, "works", "reader", &service.url("/works"), key, json!({"Next": "Rest", "End": false}));
    flow(&space, "refuses", "reader", &service.url("/refuses"), key, retry);
    flow(&space, "breaks", "reader", &service.url("/breaks"), key, json!({"Timeout": 2}));
    flow(&space, "nobody", "reader", "http://127.0.0.1:1/", key, json!({}));
    flow(&space, "leads-away", "reader", &service.url("/leads-away"), key, json!({}));
    flow(&space, "leads-on", "reader", &service.url("/leads-on"), key, json!({}));
    // No header can hold it; what is said of it does not show it.
    flow(&space, "broken", "reader", &service.url("/broken"), ("shop", "broken"), json!({}));
    space.condition("works", "InProgress", "True", "WaitingForTimer");
    let asked = service.asked_at("/works");
    assert_eq!(asked[0].headers["x-key"], SECRET);
    assert_eq!(asked[0].headers["x-plain"], "plain");
    for (name, error) in [
        ("refuses", "HTTP.403"),
        ("breaks", "FnF.TaskTimeout"),
        ("nobody", "HTTP.Unreachable"),
        ("broken", "HTTP.InvalidRequest"),
        ("leads-away", "HTTP.EgressForbidden"),
    ] {
        assert_eq!(space.ended(name)["status"]["error"], error, "{name}");
    }
    assert_eq!(service.asked_at("/refuses").len(), 2);
    assert!(service.asked_at("/broken").is_empty() && other.asked().is_empty());
    assert_eq!(space.output("leads-on"), json!({"fine": true}));
    space.wait("the events", || {
        let failed = |event: &Value| event["reason"] == "Failed";
        (space.list("events").into_iter().filter(failed).count() == 5).then_some(())
    });
    let traces = traces(&space, &controller);
    assert!(traces.contains("X-Plain") && traces.contains("TaskScheduled"));
    let in_base64 = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZ";
    assert!(!traces.contains(SECRET) && !traces.contains(in_base64));
    drop(runtime);
}

#[test]
fn what_stands_between_a_run_and_its_secret_is_said() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(Service::echo());
    let space = Space::new("nosecret");
    let controller = space.controller();
    prepare(&space, &["reader", "stranger", "late"], &["reader"]);
    let url = service.url("/");
    let catch = json!({"Catch": [{"Errors": ["HTTP.SecretMissing"], "Next": "Rest"}]});
    flow(&space, "missing", "reader", &url, ("other", "key"), json!({}));
    flow(&space, "no-key", "reader", &url, ("shop", "kee"), json!({}));
    flow(&space, "caught", "reader", &url, ("shop", "kee"), catch);
    flow(&space, "stranger", "stranger", &url, ("shop", "key"), json!({"Timeout": 40}));
    flow(&space, "late", "late", &url, ("shop", "key"), json!({}));
    flow(&space, "no-account", "no-account", &url, ("shop", "key"), json!({"Timeout": 40}));
    for (name, said) in
        [("missing", "Secret other does not exist"), ("no-key", "Secret shop has no key `kee`")]
    {
        let status = space.ended(name)["status"].clone();
        assert_eq!(status["error"], "HTTP.SecretMissing", "{status:#}");
        assert!(status["cause"].as_str().unwrap().contains(said), "{}", status["cause"]);
    }
    space.condition("caught", "InProgress", "True", "WaitingForTimer");
    for (name, account) in [("late", "late"), ("stranger", "stranger"), ("no-account", "no-account")] {
        let stalled = space.condition(name, "Stalled", "True", "Forbidden");
        let message = stalled["message"].as_str().unwrap().replace("\\\"", "\"");
        let user = format!("system:serviceaccount:{}:{account}", space.name);
        for part in ["task `Ask`", "cannot read Secret shop", "cannot get resource \"secrets\"", &user] {
            assert!(message.contains(part), "{name}: {message}");
        }
        assert_eq!(space.kstatus(name), "Failed");
    }
    grant(&space, "late");
    let output = space.output("late");
    assert_eq!(output["path"], "/");
    assert_eq!(condition(&space.execution("late"), "Stalled").unwrap()["status"], "False");
    for name in ["stranger", "no-account"] {
        let ended = space.ended(name);
        assert_eq!(ended["status"]["error"], "FnF.TaskTimeout", "{name}");
    }
    // Of all of them only the one that may was sent.
    assert_eq!(service.asked().len(), 1);
    assert!(!controller.log().contains(SECRET));
    drop(runtime);
}
