//! What holds an Execution that others depend on, and who is told of its end although something stands in the way.

use serde_json::{Value, json};

use super::answers::{asks, judged, report, token};
use super::children::{parent, waits, with_runner};
use super::rig::{Space, condition, manifest};
use super::watch::Watched;
use crate::command::{program, start_as};
use crate::service::{Answer, Service};

const HELD: &str = r#"["millrace.dev/dependents"]"#;

fn service() -> Service {
    Service::on_thread(|asked, _| async move {
        if asked.path == "/bad" { Answer::status(500, "broken") } else { Answer::json(&json!({})) }
    })
}

fn flow_of(states: &Value) -> String {
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "A", "States": states}).to_string()
}

fn call(service: &Service, path: &str) -> Value {
    json!({"Type": "Task", "Name": "A", "Action": "HTTP:Request", "Parameters": {"url": service.url(path)}})
}

fn with(mut state: Value, more: &Value) -> Value {
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

/// All that an execution ever was: its phase and its finalizers.
fn life(watched: &Watched, name: &str) -> Vec<[String; 2]> {
    let events = watched.events().into_iter().filter(|event| event[1] == name);
    events.map(|event| [event[2].clone(), event[3].clone()]).collect()
}

/// Waits until a watch shows the end of an execution, with nothing that holds it; gives all that it was.
fn whole_life(space: &Space, watched: &Watched, name: &str) -> Vec<[String; 2]> {
    space.wait(&format!("the end of {name} without a finalizer"), || {
        let life = life(watched, name);
        let [phase, finalizers] = life.last()?;
        let is_over = !["Starting", "Running"].contains(&&**phase) && finalizers.is_empty();
        is_over.then_some(life)
    })
}

#[test]
fn only_what_others_depend_on_is_ever_held() {
    let (service, space) = (service(), Space::new("held"));
    let _controller = space.controller();
    let watched = Watched::begin(&space, &[".status.phase", ".metadata.finalizers"]);
    let retry = json!([{"Errors": ["FnF.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1}]);
    let rest = json!({"Type": "Wait", "Name": "Rest", "Seconds": 1, "End": true});
    space.flow("good", &flow_of(&json!([with(call(&service, "/"), &json!({"Next": "Rest"})), rest])));
    space
        .flow("bad", &flow_of(&json!([with(call(&service, "/bad"), &json!({"End": true, "Retry": retry}))])));
    space.flow("long", &waits(300));
    watched.stands(&space);
    space.flow("asks", &asks(&service));
    with_runner(
        &space,
        "parent",
        &parent("WaitForSystemCallback", &json!({"resourceArn": "good", "executionName": "child"})),
    );
    for (name, flow) in
        [("good", "good"), ("bad", "bad"), ("stopped", "long"), ("waiting", "asks"), ("parent", "parent")]
    {
        space.start(name, json!({"flowRef": {"name": flow}}));
    }
    space.start("refused", json!({"flowRef": {"name": "good"}, "input": [1]}));
    space.condition("stopped", "InProgress", "True", "WaitingForTimer");
    space.patch("executions", "stopped", &json!({"stop": {"mode": "Terminate"}}));
    let asked = space.wait("a token", || {
        let mut asked = service.asked().into_iter();
        asked.find_map(|asked| asked.body["token"].as_str().map(str::to_owned))
    });
    let callback = json!({"taskToken": asked});
    // Waits for its Flow, and runs, and is held all the time.
    space.start("tells", json!({"flowRef": {"name": "later"}, "callback": callback}));
    space.condition("tells", "Accepted", "Unknown", "FlowNotFound");
    space.flow("later", &waits(1));
    for name in ["good", "bad", "stopped", "refused", "waiting", "child"] {
        let life = whole_life(&space, &watched, name);
        assert!(life.iter().all(|[_, finalizers]| finalizers.is_empty()), "{name}: {life:?}");
    }
    for name in ["parent", "tells"] {
        let life = whole_life(&space, &watched, name);
        for [phase, finalizers] in &life {
            assert!(phase != "Running" || finalizers == HELD, "{name}: {life:?}");
            assert!(finalizers.is_empty() || finalizers == HELD, "{name}: {life:?}");
        }
        assert!(
            life.iter().any(|[phase, finalizers]| phase == "Succeeded" && finalizers == HELD),
            "{life:?}"
        );
        assert!(life[0][1].is_empty(), "{life:?}");
    }
}

/// No finalizer of an execution of a namespace can be taken off as long as this is there.
struct Sealed<'s> {
    space: &'s Space,
    objects: String,
}

impl<'s> Sealed<'s> {
    fn new(space: &'s Space) -> Self {
        let name = format!("{}-sealed", space.name);
        let keeps = "!has(oldObject.metadata.finalizers) || (has(object.metadata.finalizers) && oldObject.metadata.finalizers.all(name, name in object.metadata.finalizers))";
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["millrace.dev"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["executions"],
                }]},
                "validations": [{"expression": keeps, "message": "finalizers stay"}],
            },
        });
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": space.name}});
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector}},
        });
        let mut probe =
            manifest("Execution", "probe", json!({"flowRef": {"name": "nobody"}, "suspend": true}));
        probe["metadata"]["finalizers"] = json!(["millrace.test/probe"]);
        space.apply(&probe.to_string());
        let sealed = Self { space, objects: format!("{policy}\n---\n{binding}") };
        let applied = space.cluster.kubectl_with(&["apply", "-f", "-"], &sealed.objects);
        assert!(applied.status.success(), "{applied:?}");
        space.wait("finalizers to stay", || (!sealed.is_open()).then_some(()));
        sealed
    }

    fn is_open(&self) -> bool {
        let none = r#"{"metadata": {"finalizers": null}}"#;
        let arguments = ["patch", "execution", "probe", "--type=merge", "-p", none, "--dry-run=server"];
        self.space.kubectl(&arguments).status.success()
    }

    fn remove(&self) {
        let removed = self.space.cluster.kubectl_with(&["delete", "-f", "-"], &self.objects);
        assert!(removed.status.success(), "{removed:?}");
        self.space.wait("finalizers to go", || self.is_open().then_some(()));
    }
}

impl Drop for Sealed<'_> {
    fn drop(&mut self) {
        let arguments = ["delete", "--wait=false", "--ignore-not-found", "-f", "-"];
        let _ = self.space.cluster.kubectl_with(&arguments, &self.objects);
    }
}

/// A Flow that asks twice, one after the other.
fn asks_twice(service: &Service) -> String {
    let mut flow: Value = serde_json::from_str(&asks(service)).unwrap();
    let mut again = flow["States"][0].clone();
    again["Name"] = json!("Again");
    let first = flow["States"][0].as_object_mut().unwrap();
    first.remove("End");
    first.insert("Next".to_owned(), json!("Again"));
    flow["States"].as_array_mut().unwrap().push(again);
    flow.to_string()
}

#[test]
fn an_end_is_told_once_though_the_controller_is_killed_before_it_lets_go() {
    let (service, space) = (service(), Space::new("told-once"));
    let controller = space.controller();
    space.flow("asks", &asks_twice(&service));
    space.flow("waits", &waits(1));
    let sealed = Sealed::new(&space);
    let mut told = Vec::new();
    for (nth, name) in ["kept", "removed"].into_iter().enumerate() {
        let waiting = format!("waiting-{name}");
        space.start(&waiting, json!({"flowRef": {"name": "asks"}}));
        let callback = json!({"taskToken": token(&space, &service, 2 * nth)});
        space.start(name, json!({"flowRef": {"name": "waits"}, "input": {"by": name}, "callback": callback}));
        let uid = space.ended(name)["metadata"]["uid"].as_str().unwrap().to_owned();
        let made = format!("callback-{uid}");
        assert_eq!(judged(&space, &made).0, "Accepted");
        // It has gone on, with another token, and its call is not made again.
        token(&space, &service, 2 * nth + 1);
        space.condition_saying(&waiting, "InProgress", "True", "WaitingForCallback", "`Again`");
        told.push((made, waiting));
    }
    let uid_of = |name: &str| space.get("taskreports", name).unwrap()["metadata"]["uid"].clone();
    let first = uid_of(&told[0].0);
    assert_eq!(space.execution("kept")["metadata"]["finalizers"].to_string(), HELD);
    controller.kill();
    // As if it had stood there for its time.
    assert!(space.kubectl(&["delete", "taskreport", &told[1].0]).status.success());
    sealed.remove();
    let _controller = space.controller();
    for name in ["kept", "removed"] {
        space.wait("the finalizer to go", || {
            space.execution(name)["metadata"]["finalizers"].is_null().then_some(())
        });
        assert!(condition(&space.execution(name), "CallbackDelivered").is_none());
    }
    assert_eq!(uid_of(&told[0].0), first);
    assert_eq!(judged(&space, &told[1].0).0, "Refused");
    assert_eq!(space.list("taskreports").len(), 2);
    for (nth, (_, waiting)) in told.iter().enumerate() {
        space.condition_saying(waiting, "InProgress", "True", "WaitingForCallback", "`Again`");
        let answer = json!({"taskToken": token(&space, &service, 2 * nth + 1), "outcome": "Succeeded", "output": {"nth": nth}});
        report(&space, waiting, &answer);
        assert_eq!(space.output(waiting), json!({"nth": nth}));
    }
    assert_eq!(service.count(), 4);
}

/// Lets an account read Secrets.
fn grant(space: &Space, account: &str) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reads"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": format!("{account}-reads")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"},
        "subjects": [{"kind": "ServiceAccount", "name": account}],
    });
    space.apply(&format!("{role}\n---\n{binding}"));
}

fn secret(space: &Space, name: &str, key: &str, text: &str) {
    let data = json!({key: text});
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    space.apply(&secret.to_string());
}

#[test]
fn a_token_that_cannot_be_read_is_said_and_whoever_waits_is_told_once_it_can() {
    let (service, space) = (service(), Space::new("unreadable-token"));
    let controller = space.controller();
    space.flow("asks", &asks(&service));
    for account in ["reader", "stranger"] {
        let defaults = json!({"ttlSecondsAfterFinished": 3600});
        space.flow_with(account, &waits(1), json!({"serviceAccountName": account, "defaults": defaults}));
    }
    grant(&space, "reader");
    let names = ["no-secret", "no-key", "no-rights"];
    let mut tokens = Vec::new();
    for (nth, name) in names.into_iter().enumerate() {
        space.start(&format!("waiting-{name}"), json!({"flowRef": {"name": "asks"}}));
        tokens.push(token(&space, &service, nth));
    }
    secret(&space, "no-key", "other", "x");
    secret(&space, "no-token", "t", "another-secret");
    // Without a name of its own it goes after an hour, whatever becomes of its callback.
    let from = json!({"taskTokenFrom": {"secretKeyRef": {"name": "no-token", "key": "t"}}});
    let mut unnamed = manifest("Execution", "", json!({"flowRef": {"name": "reader"}, "callback": from}));
    unnamed["metadata"] = json!({"generateName": "unnamed-"});
    assert!(space.try_create(&unnamed.to_string()).status.success());
    secret(&space, "no-rights", "t", &tokens[2]);
    for (name, flow) in names.into_iter().zip(["reader", "reader", "stranger"]) {
        let from = json!({"taskTokenFrom": {"secretKeyRef": {"name": name, "key": "t"}}});
        space.start(name, json!({"flowRef": {"name": flow}, "input": {"by": name}, "callback": from}));
    }
    let stranger = format!("system:serviceaccount:{}:stranger", space.name);
    for (name, says) in
        names.into_iter().zip(["Secret no-secret does not exist", "Secret no-key has no key `t`", &stranger])
    {
        let said = space.condition_saying(name, "CallbackDelivered", "False", "CallbackPending", says);
        assert!(
            said["message"].as_str().unwrap().starts_with("nobody was told of its end yet (spec.callback)"),
            "{said}"
        );
        let ended = space.execution(name);
        assert_eq!(ended["status"]["phase"], "Succeeded");
        assert_eq!(
            (space.kstatus(name), ended["metadata"]["finalizers"].to_string()),
            ("Current".into(), HELD.into())
        );
    }
    let explain =
        start_as(program(&["explain", "no-secret"]).env("KUBECONFIG", space.user("view")), "").ended();
    let told = explain.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("tried again: Secret no-secret does not exist."), "{told}");
    let unnamed = space.wait("one that has no token to say so", || {
        let mut all = space.list("executions").into_iter();
        all.find(|one| {
            let is_meant = one["metadata"]["generateName"] == "unnamed-";
            is_meant && condition(one, "CallbackDelivered").is_some()
        })
    });
    let said = condition(&unnamed, "CallbackDelivered").unwrap()["message"].to_string();
    assert!(said.contains("Secret no-token holds no token of this installation under `t`"), "{said}");
    assert!(unnamed["status"]["expirationTime"].is_string(), "{unnamed:#}");
    // Somebody mends it, and another leader finds it, in one order or the other.
    controller.kill();
    secret(&space, "no-secret", "t", &tokens[0]);
    let _controller = space.controller();
    secret(&space, "no-key", "t", &format!("{}\n", tokens[1]));
    grant(&space, "stranger");
    for name in names {
        space.condition(name, "CallbackDelivered", "True", "Delivered");
        space.wait("it to be let go", || {
            space.execution(name)["metadata"]["finalizers"].is_null().then_some(())
        });
        assert_eq!(space.output(&format!("waiting-{name}")), json!({"by": name}));
    }
    assert_eq!(space.list("taskreports").len(), 3);
}

#[test]
fn whoever_was_named_when_it_was_accepted_is_told_whatever_is_applied_later() {
    let (service, space) = (service(), Space::new("callback-stays"));
    let controller = space.controller();
    space.flow("asks", &asks(&service));
    space.flow("waits", &waits(300));
    let mut tokens = Vec::new();
    for (nth, name) in ["first", "second", "other"].into_iter().enumerate() {
        space.start(name, json!({"flowRef": {"name": "asks"}}));
        tokens.push(token(&space, &service, nth));
    }
    let callback = |nth: usize| json!({"callback": {"taskToken": tokens[nth]}});
    let of_flow = json!({"flowRef": {"name": "waits"}});
    for (name, spec) in [
        ("taken-away", with(of_flow.clone(), &callback(0))),
        ("changed", with(of_flow.clone(), &callback(1))),
        ("added", of_flow),
    ] {
        space.start(name, spec);
        space.condition(name, "InProgress", "True", "WaitingForTimer");
        let status = space.execution(name)["status"].to_string();
        assert!(tokens.iter().all(|token| !status.contains(&**token)), "a token is nobody's: {status}");
    }
    for (name, spec) in
        [("taken-away", json!({"callback": null})), ("changed", callback(2)), ("added", callback(2))]
    {
        space.patch("executions", name, &spec);
        space.condition(name, "AlreadyExists", "True", "ExecutionInProgress");
    }
    assert!(space.execution("added")["metadata"]["finalizers"].is_null());
    controller.kill();
    let _controller = space.controller();
    for name in ["taken-away", "changed", "added"] {
        space.patch("executions", name, &json!({"stop": {"mode": "Terminate", "error": "E", "cause": name}}));
        space.ended(name);
    }
    for (waiting, name) in [("first", "taken-away"), ("second", "changed")] {
        let told = space.ended(waiting)["status"].clone();
        assert_eq!((&told["error"], &told["cause"]), (&json!("E"), &json!(name)), "{told:#}");
        space.wait("the finalizer to go", || {
            space.execution(name)["metadata"]["finalizers"].is_null().then_some(())
        });
    }
    assert_eq!(space.list("taskreports").len(), 2);
    space.condition("other", "InProgress", "True", "WaitingForCallback");
}

#[test]
fn a_token_that_was_not_made_here_is_said_to_be_none() {
    let space = Space::new("callback-none");
    let _controller = space.controller();
    space.flow("waits", &waits(300));
    let spec = json!({"flowRef": {"name": "waits"}, "callback": {"taskToken": "made up"}});
    space.start("made-up", with(spec.clone(), &json!({"stop": {"mode": "Terminate"}})));
    space.start("refused", with(spec, &json!({"flowRef": {"name": "none"}, "startingDeadlineSeconds": 0})));
    for name in ["made-up", "refused"] {
        space.condition_saying(
            name,
            "CallbackDelivered",
            "False",
            "CallbackLost",
            "no token of this installation",
        );
        space.wait("the finalizer to go", || {
            space.execution(name)["metadata"]["finalizers"].is_null().then_some(())
        });
    }
    assert_eq!(space.list("taskreports").len(), 0);
}
