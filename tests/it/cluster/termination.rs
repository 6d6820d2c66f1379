//! What becomes of calls and tokens when a run ends before they do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::answers::{asks, judged, report, token};
use super::rig::{Space, condition};
use crate::service::{Answer, Service};

/// A service that never answers, and knows who has gone away before it could.
struct Silent {
    service: Service,
    left: Arc<Mutex<BTreeSet<String>>>,
}

/// Somebody who waits for an answer: dropped where the connection is closed.
struct Caller {
    name: String,
    left: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.left.lock().unwrap().insert(std::mem::take(&mut self.name));
    }
}

impl Silent {
    fn new() -> Self {
        let left = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = left.clone();
        let service = Service::on_thread(move |asked, _| {
            let name = asked.body["run"].as_str().unwrap_or_default().to_owned();
            let caller = Caller { name, left: noted.clone() };
            async move {
                let _caller = caller;
                std::future::pending::<Answer>().await
            }
        });
        Self { service, left }
    }

    /// A Flow that asks it, and would ask it again.
    fn flow(&self) -> String {
        let state = |name: &str, then: Value| {
            let parameters = json!({
                "url": self.service.url(&format!("/{name}")), "method": "POST", "timeoutSeconds": 3_000,
                "body": {"run.$": "$Context.Execution.Name"},
            });
            let catch = json!([{"Errors": ["FnF.ALL"], "Next": "Rest"}]);
            let mut state = json!({"Type": "Task", "Name": name, "Action": "HTTP:Request", "Parameters": parameters, "Catch": catch});
            state.as_object_mut().unwrap().extend(then.as_object().unwrap().clone());
            state
        };
        let rest = json!({"Type": "Wait", "Name": "Rest", "Seconds": 300, "End": true});
        let states =
            json!([state("Ask", json!({"Next": "Again"})), state("Again", json!({"End": true})), rest]);
        json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Ask", "States": states}).to_string()
    }

    fn left(&self) -> BTreeSet<String> {
        self.left.lock().unwrap().clone()
    }
}

#[test]
fn a_call_is_aborted_when_its_run_or_its_task_ends_before_it() {
    let (silent, space) = (Silent::new(), Space::new("aborted"));
    let _controller = space.controller();
    space.flow("f", &silent.flow());
    let start = |name: &str, more: Value| {
        let mut spec = json!({"flowRef": {"name": "f"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space.start(name, spec);
        space.wait("the call to come", || {
            silent.service.asked().iter().any(|asked| asked.body["run"] == name).then_some(())
        });
    };
    let gone = |name: &str| {
        space.wait(&format!("the connection of {name} to be closed"), || {
            silent.left().contains(name).then_some(())
        });
    };
    start("canceled", json!({}));
    start("terminated", json!({}));
    assert!(silent.left().is_empty());
    space.patch("executions", "terminated", &json!({"stop": {"mode": "Terminate"}}));
    assert_eq!(space.ended("terminated")["status"]["phase"], "Stopped");
    gone("terminated");
    // A cancelation waits for the answer, and somebody who has no more patience does not.
    space.patch("executions", "canceled", &json!({"stop": {"mode": "Cancel"}}));
    space.condition("canceled", "InProgress", "True", "Stopping");
    start("deleted", json!({}));
    assert!(space.kubectl(&["delete", "execution", "deleted", "--timeout=60s"]).status.success());
    gone("deleted");
    start("too-slow", json!({"timeoutSeconds": 15}));
    assert_eq!(space.ended("too-slow")["status"]["phase"], "TimedOut");
    gone("too-slow");
    // The run goes on; only its task is given up.
    start("given-up", json!({"taskTimeoutSeconds": 10}));
    space.condition("given-up", "InProgress", "True", "WaitingForTimer");
    gone("given-up");
    assert!(!silent.left().contains("canceled"));
    space.patch("executions", "canceled", &json!({"stop": {"mode": "Terminate"}}));
    assert_eq!(condition(&space.ended("canceled"), "Succeeded").unwrap()["reason"], "Terminated");
    gone("canceled");
    // Nothing has started afterwards.
    assert_eq!(silent.service.count(), 5);
    assert!(silent.service.asked_at("/Again").is_empty());
}

#[test]
fn a_token_is_void_once_its_run_was_stopped_and_stays_so_when_that_goes_on() {
    let space = Space::new("void");
    let service = Service::on_thread(|_, _| async { Answer::json(&json!({})) });
    let _controller = space.controller();
    space.flow("f", &asks(&service));
    let answer =
        |token: &str| json!({"taskToken": token, "outcome": "Succeeded", "output": {"by": token.len()}});
    let mut tokens = Vec::new();
    for (nth, (name, mode)) in [("hard", "Terminate"), ("soft", "Cancel")].into_iter().enumerate() {
        space.start(name, json!({"flowRef": {"name": "f"}}));
        let token = token(&space, &service, nth);
        space.condition(name, "InProgress", "True", "WaitingForCallback");
        space.patch("executions", name, &json!({"stop": {"mode": mode}}));
        assert_eq!(space.ended(name)["status"]["phase"], "Stopped");
        let late = format!("late-{name}");
        report(&space, &late, &answer(&token));
        let refused = format!("TaskNotWaiting Execution {name} waits for nothing: it is Stopped");
        assert_eq!(judged(&space, &late), ("Refused".to_owned(), refused));
        assert!(space.execution(name)["status"].get("output").is_none());
        tokens.push(token);
    }
    // Another visit has another token.
    space.patch("executions", "hard", &json!({"redrive": 1, "stop": null}));
    space.condition("hard", "InProgress", "True", "WaitingForCallback");
    let new = token(&space, &service, 2);
    assert_ne!(new, tokens[0]);
    report(&space, "old", &answer(&tokens[0]));
    let (phase, said) = judged(&space, "old");
    assert!(
        phase == "Refused" && said.starts_with("TaskNotWaiting task `Ask` does not wait for an answer"),
        "{said}"
    );
    report(&space, "new", &answer(&new));
    assert_eq!(space.output("hard"), json!({"by": new.len()}));
}
