//! Tasks that wait for an answer, and those who answer.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::children::{parent, waits, with_runner};
use super::rig::{Space, condition, manifest};
use crate::service::{Answer, Service};

/// A service that is told tokens.
pub fn told() -> Service {
    Service::on_thread(|_, _| async { Answer::json(&json!({})) })
}

/// A Flow that tells a token and waits for the answer.
pub fn asks(service: &Service) -> String {
    let parameters =
        json!({"url": service.url("/"), "method": "POST", "body": {"token.$": "$Context.Current.TaskToken"}});
    let states = json!([{
        "Type": "Task", "Name": "Ask", "Action": "HTTP:Request", "TaskMode": "WaitForCustomCallback",
        "Parameters": parameters, "End": true,
    }]);
    json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": states}).to_string()
}

/// The token that was told at the nth call.
pub fn token(space: &Space, service: &Service, nth: usize) -> String {
    space.wait("a token", || {
        let asked = service.asked();
        Some(asked.get(nth)?.body["token"].as_str().unwrap().to_owned())
    })
}

/// Makes a TaskReport.
pub fn report(space: &Space, name: &str, spec: &Value) {
    let made = space.try_create(&manifest("TaskReport", name, spec.clone()).to_string());
    assert!(made.status.success(), "{made:?}");
}

/// What has become of an answer: its phase, and what is said of it.
pub fn judged(space: &Space, name: &str) -> (String, String) {
    space.wait(&format!("{name} to be judged"), || {
        let report = space.get("taskreports", name)?;
        let phase = report["status"]["phase"].as_str().filter(|phase| *phase != "Pending")?.to_owned();
        let said = condition(&report, "Ready")?;
        let stalled = condition(&report, "Stalled")?;
        assert_ne!(said["status"], stalled["status"]);
        Some((phase, format!("{} {}", said["reason"].as_str()?, said["message"].as_str()?)))
    })
}

#[test]
fn an_answer_is_taken_once_and_a_second_one_is_told_so() {
    let (service, space) = (told(), Space::new("answers"));
    let _controller = space.controller();
    space.flow("f", &asks(&service));
    for name in ["good", "bad"] {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        space.condition(name, "InProgress", "True", "WaitingForCallback");
    }
    let tokens = [token(&space, &service, 0), token(&space, &service, 1)];
    let of = |name: &str| tokens.iter().find(|token| decoded(token).contains(&format!("/{name}#"))).unwrap();
    report(
        &space,
        "yes",
        &json!({"taskToken": of("good"), "outcome": "Succeeded", "output": {"ok": [null, 1]}}),
    );
    assert_eq!(space.output("good"), json!({"ok": [null, 1]}));
    let (phase, said) = judged(&space, "yes");
    assert_eq!((&*phase, &*said), ("Accepted", "Delivered task `Ask` of Execution good has taken it"));
    let taken = space.get("taskreports", "yes").unwrap();
    assert_eq!((&taken["status"]["execution"], &taken["status"]["task"]), (&json!("good"), &json!("Ask@1")));

    report(&space, "late", &json!({"taskToken": of("good"), "outcome": "Failed", "error": "E"}));
    let (phase, said) = judged(&space, "late");
    assert_eq!(
        (&*phase, &*said),
        ("Refused", "TaskNotWaiting Execution good waits for nothing: it is Succeeded")
    );

    report(
        &space,
        "no",
        &json!({"taskToken": of("bad"), "outcome": "Failed", "error": "Denied", "cause": "by hand"}),
    );
    let failed = space.ended("bad");
    assert_eq!(
        (&failed["status"]["error"], &failed["status"]["cause"]),
        (&json!("Denied"), &json!("by hand"))
    );

    // What is no token of ours, and what cannot be taken.
    let mut forged = of("good").clone();
    forged.replace_range(10..11, if forged.as_bytes()[10] == b'A' { "B" } else { "A" });
    for (name, token) in [("forged", &*forged), ("text", "what")] {
        report(&space, name, &json!({"taskToken": token, "outcome": "Succeeded"}));
        let (phase, said) = judged(&space, name);
        assert!(phase == "Refused" && said.starts_with("InvalidToken spec.taskToken is no token"), "{said}");
    }
    space.kubectl(&["delete", "executions", "good"]);
    report(&space, "gone", &json!({"taskToken": of("good"), "outcome": "Succeeded"}));
    let (phase, said) = judged(&space, "gone");
    assert!(phase == "Refused" && said.contains("Execution good is gone"), "{said}");
}

/// What stands in a token.
pub fn decoded(token: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn an_answer_is_not_lost_while_nobody_leads_and_one_to_an_earlier_attempt_does_not_count() {
    let (service, space) = (told(), Space::new("answers-away"));
    let controller = space.controller();
    space.flow("f", &asks(&service));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    space.condition("one", "InProgress", "True", "WaitingForCallback");
    controller.kill();
    let answer = |ok: bool| json!({"taskToken": token(&space, &service, 0), "outcome": "Succeeded", "output": {"ok": ok}});
    report(&space, "away", &answer(true));
    let controller = space.controller();
    assert_eq!(space.output("one"), json!({"ok": true}));
    assert_eq!(judged(&space, "away").0, "Accepted");
    assert_eq!(service.asked().len(), 1);
    // As after a crash between taking it and saying so.
    controller.kill();
    let untold = json!({"status": {"phase": "Pending", "conditions": []}}).to_string();
    let arguments = ["patch", "taskreports", "away", "--subresource=status", "--type=merge", "-p", &untold];
    let patched = space.kubectl(&arguments);
    assert!(patched.status.success(), "{patched:?}");
    report(&space, "second", &answer(false));
    let _controller = space.controller();
    assert_eq!((judged(&space, "away").0, judged(&space, "second").0), ("Accepted".into(), "Refused".into()));

    // An attempt that took too long is tried again with another token.
    let mut again: Value = serde_json::from_str(&asks(&service)).unwrap();
    again["States"][0]["Timeout"] = json!(10);
    again["States"][0]["Retry"] =
        json!([{"Description": "again", "Errors": ["FnF.ALL"], "MaxAttempts": 1, "IntervalSeconds": 0}]);
    space.flow("g", &again.to_string());
    space.start("two", json!({"flowRef": {"name": "g"}, "taskTimeoutSeconds": 10}));
    let (first, second) = (token(&space, &service, 1), token(&space, &service, 2));
    assert_ne!(first, second);
    report(&space, "old", &json!({"taskToken": first, "outcome": "Succeeded"}));
    let (phase, said) = judged(&space, "old");
    assert!(phase == "Refused" && said.starts_with("TaskNotWaiting"), "{said}");
}

#[test]
fn an_answer_that_came_in_time_counts_although_its_deadline_passed_while_nobody_led() {
    let (service, space) = (told(), Space::new("answers-in-time"));
    let controller = space.controller();
    space.flow("f", &asks(&service));
    let names = (0..4).map(|number| format!("run-{number}")).collect::<Vec<_>>();
    for (nth, name) in names.iter().enumerate() {
        space.start(name, json!({"flowRef": {"name": "f"}, "taskTimeoutSeconds": 40}));
        token(&space, &service, nth);
    }
    for name in &names {
        space.condition(name, "InProgress", "True", "WaitingForCallback");
    }
    controller.kill();
    for (nth, name) in names.iter().enumerate() {
        report(&space, name, &json!({"taskToken": token(&space, &service, nth), "outcome": "Succeeded"}));
    }
    let deadline = |name: &String| {
        let deadline = &space.execution(name)["status"]["active"][0]["deadline"];
        deadline.as_str().unwrap().parse::<Timestamp>().unwrap()
    };
    let last = names.iter().map(deadline).max().unwrap();
    space.wait("the deadlines to be over", || (Timestamp::now() > last).then_some(()));
    let _controller = space.controller();
    for name in &names {
        assert_eq!(space.ended(name)["status"]["phase"], "Succeeded");
        assert_eq!(judged(&space, name).0, "Accepted");
    }
}

#[test]
fn whoever_waits_is_told_how_an_execution_ends() {
    let (service, space) = (told(), Space::new("callbacks"));
    let controller = space.controller();
    space.flow("f", &asks(&service));
    space.flow("waits", &waits(1));
    space.flow("long", &waits(300));
    for name in ["first", "second", "third"] {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        space.condition(name, "InProgress", "True", "WaitingForCallback");
    }
    let token_of = |name: &str| {
        let asked = service.asked();
        let mut tokens = asked.iter().map(|asked| asked.body["token"].as_str().unwrap());
        tokens.find(|token| decoded(token).contains(&format!("/{name}#"))).unwrap().to_owned()
    };
    let callback = |name: &str, flow: &str| json!({"flowRef": {"name": flow}, "input": {"k": 1}, "callback": {"taskToken": token_of(name)}});
    space.start("ends", callback("first", "waits"));
    assert_eq!(space.output("first"), json!({"k": 1}));
    // Refused before it has begun: that is an end as well.
    let mut refused = callback("second", "nobody");
    refused["startingDeadlineSeconds"] = json!(0);
    space.start("refused", refused);
    assert_eq!(space.ended("second")["status"]["error"], "FnF.ExecutionRejected");
    // By a token from a Secret, deleted while nobody leads.
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"t": token_of("third")}});
    space.apply(&secret.to_string());
    space.apply(
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reads"},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
        })
        .to_string(),
    );
    space.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reads"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }).to_string());
    let from = json!({"taskTokenFrom": {"secretKeyRef": {"name": "token", "key": "t"}}});
    space.start("deleted", json!({"flowRef": {"name": "long"}, "callback": from}));
    space.condition("deleted", "InProgress", "True", "WaitingForTimer");
    controller.kill();
    assert!(space.kubectl(&["delete", "executions", "deleted", "--wait=false"]).status.success());
    let _controller = space.controller();
    assert_eq!(space.ended("third")["status"]["error"], "FnF.ExecutionStopped");
    space.wait("the deleted one to go", || space.get("executions", "deleted").is_none().then_some(()));
    // Each was told once.
    let reports = space.list("taskreports");
    assert_eq!(reports.len(), 3);
    for report in &reports {
        assert_eq!(judged(&space, report["metadata"]["name"].as_str().unwrap()).0, "Accepted");
    }
}

#[test]
fn a_child_that_answers_by_a_token_in_its_input_lets_its_parent_go_on() {
    let (service, space) = (told(), Space::new("answers-child"));
    let _controller = space.controller();
    let tells = json!([{
        "Type": "Task", "Name": "Tell", "Action": "HTTP:Request",
        "Parameters": {"url": service.url("/"), "method": "POST", "body": {"token.$": "$Input.token"}}, "End": true,
    }]);
    space.flow(
        "child",
        &json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Tell", "States": tells}).to_string(),
    );
    let input = json!({"resourceArn": "child", "input": {"token.$": "$Context.Current.TaskToken"}});
    with_runner(&space, "f", &parent("WaitForCustomCallback", &input));
    let step = "  - {type: task, name: t, resourceArn: 'acs:fnf:::flow/child', pattern: waitForCallback, inputMappings: [{target: token, source: $context.task.token}]}\n";
    with_runner(&space, "legacy", &format!("version: v1\ntype: flow\nsteps:\n{step}"));
    for (nth, flow) in ["f", "legacy"].into_iter().enumerate() {
        space.start(flow, json!({"flowRef": {"name": flow}}));
        let token = token(&space, &service, nth);
        report(
            &space,
            flow,
            &json!({"taskToken": token, "outcome": "Succeeded", "output": {"by": "somebody"}}),
        );
        assert_eq!(space.output(flow)["by"], "somebody");
    }
}

/// A Flow in Amazon States Language whose task has a child that it tells its token, and waits for the answer.
fn asks_by_child(heartbeat: Option<u32>) -> String {
    let mut task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken", "End": true,
        "Parameters": {"StateMachineArn": "arn:aws:states:eu-1:1:stateMachine:child", "Input": {"token.$": "$$.Task.Token"}},
    });
    if let Some(heartbeat) = heartbeat {
        task["HeartbeatSeconds"] = json!(heartbeat);
    }
    json!({"StartAt": "Ask", "States": {"Ask": task}}).to_string()
}

/// The Flow of such a child.
fn tells(service: &Service) -> String {
    let parameters = json!({
        "ApiEndpoint": service.url("/"), "Method": "POST", "RequestBody.$": "$", "Authentication": {"ConnectionArn": "a"},
    });
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": parameters, "End": true});
    json!({"StartAt": "Tell", "States": {"Tell": task}}).to_string()
}

#[test]
fn a_child_of_amazon_states_language_has_a_token_that_is_answered_by_a_success_or_a_failure() {
    let (service, space) = (told(), Space::new("answers-asl"));
    let _controller = space.controller();
    space.flow("child", &tells(&service));
    with_runner(&space, "f", &asks_by_child(None));
    let mut told = Vec::new();
    for (nth, name) in ["good", "bad"].into_iter().enumerate() {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        told.push(token(&space, &service, nth));
        // That the child has ended is no answer.
        space.output(super::children::child_of(&space, name)["metadata"]["name"].as_str().unwrap());
        space.condition(name, "InProgress", "True", "WaitingForCallback");
    }
    report(
        &space,
        "yes",
        &json!({"taskToken": told[0], "outcome": "Succeeded", "output": {"by": ["a", null]}}),
    );
    report(
        &space,
        "no",
        &json!({"taskToken": told[1], "outcome": "Failed", "error": "Denied", "cause": "by hand"}),
    );
    assert_eq!(space.output("good"), json!({"by": ["a", null]}));
    let failed = space.ended("bad")["status"].clone();
    assert_eq!(
        (&failed["phase"], &failed["error"], &failed["cause"]),
        (&json!("Failed"), &json!("Denied"), &json!("by hand"))
    );
    assert_eq!((judged(&space, "yes").0, judged(&space, "no").0), ("Accepted".into(), "Accepted".into()));
}

#[test]
fn a_task_lives_on_as_long_as_it_gives_signs_of_life() {
    let (service, space) = (told(), Space::new("heartbeats"));
    let _controller = space.controller();
    space.flow("child", &tells(&service));
    with_runner(&space, "f", &asks_by_child(Some(20)));
    let start = |name: &str, nth: usize| {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        token(&space, &service, nth)
    };
    let alive = start("alive", 0);
    let silent = start("silent", 1);
    let deadline = || {
        let active = space.execution("alive")["status"]["active"][0].clone();
        active["deadline"].as_str().unwrap().parse::<Timestamp>().unwrap()
    };
    space.condition("alive", "InProgress", "True", "WaitingForCallback");
    let first = deadline();
    let mut count = 0;
    let mut live = || {
        count += 1;
        let name = format!("beat-{count}");
        report(&space, &name, &json!({"taskToken": alive, "outcome": "Heartbeat"}));
        let (phase, said) = judged(&space, &name);
        assert_eq!((&*phase, &*said), ("Accepted", "Delivered task `Ask` of Execution alive has taken it"));
    };
    // Without them it would have ended before the one that began after it.
    let ended = space.wait("the silent one to end", || {
        live();
        let silent = space.execution("silent");
        (condition(&silent, "Complete")?["status"] == "True").then_some(silent)
    });
    assert_eq!(ended["status"]["error"], "States.Timeout", "{:#}", ended["status"]);
    space.wait("the first deadline to be long over", || {
        live();
        (deadline() > first && Timestamp::now() > first).then_some(())
    });
    space.condition("alive", "InProgress", "True", "WaitingForCallback");
    // Nothing brings back what has ended.
    report(&space, "late", &json!({"taskToken": silent, "outcome": "Heartbeat"}));
    let (phase, said) = judged(&space, "late");
    assert!(phase == "Refused" && said.starts_with("TaskNotWaiting Execution silent"), "{said}");
    report(&space, "done", &json!({"taskToken": alive, "outcome": "Succeeded", "output": 7}));
    assert_eq!(space.output("alive"), json!(7));
}

#[test]
fn what_was_judged_is_removed_after_its_time() {
    let (service, space) = (told(), Space::new("answers-gone"));
    let controller = space.controller();
    space.flow("f", &asks(&service));
    space.start("one", json!({"flowRef": {"name": "f"}}));
    let answer = json!({"taskToken": token(&space, &service, 0), "outcome": "Succeeded"});
    report(&space, "taken", &answer);
    space.output("one");
    report(&space, "refused", &answer);
    assert_eq!(
        (judged(&space, "taken").0, judged(&space, "refused").0),
        ("Accepted".into(), "Refused".into())
    );
    // An hour where nobody says so.
    assert_eq!(space.list("taskreports").len(), 2);
    controller.kill();
    let controller = space.controller_with(&["--report-ttl", "20"]);
    space.wait("those of an earlier leader to go", || space.list("taskreports").is_empty().then_some(()));
    report(&space, "new", &answer);
    assert_eq!(judged(&space, "new").0, "Refused");
    space.wait("the new one to go", || space.list("taskreports").is_empty().then_some(()));
    assert_eq!(space.execution("one")["status"]["phase"], "Succeeded");
    drop(controller);
}
