//! Tasks that nobody does, or not yet: an error with a name, or a word on what is waited for.

use serde_json::{Value, json};

use super::rig::{Space, condition};

fn flow(space: &Space, name: &str, task: Value, more: Value) {
    let mut state = json!({"Type": "Task", "Name": "Work", "End": true,
    "Catch": [{"Errors": ["FnF.ALL"], "Next": "Caught", "OutputConstructor": {
        "code.$": "$Context.Current.Error.Code", "detail.$": "$Context.Current.Error.Detail",
    }}]});
    for (field, value) in task.as_object().unwrap() {
        state[field] = value.clone();
    }
    let states = [state, json!({"Type": "Succeed", "Name": "Caught"})];
    let definition =
        json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Work", "States": states});
    space.flow_with(name, &definition.to_string(), more);
    space.start(name, json!({"flowRef": {"name": name}}));
}

#[test]
fn a_task_that_nobody_does_is_warned_of_and_an_error_that_can_be_caught() {
    let space = Space::new("nobody");
    let _controller = space.controller();
    flow(&space, "caught", json!({"Action": "Mail:Send"}), json!({}));
    flow(&space, "uncaught", json!({"Action": "Mail:Send", "Catch": []}), json!({}));
    // A binding of something else does not help; one to a Service that is not there leads nowhere.
    let bindings = json!([{"resource": "Post:*", "url": "http://localhost"}]);
    flow(&space, "other", json!({"Action": "Mail:Send"}), json!({"bindings": bindings}));
    let bindings = json!([{"resource": "Mail:*", "service": {"name": "not-there"}}]);
    flow(&space, "service", json!({"Action": "Mail:Send"}), json!({"bindings": bindings}));
    for (name, warnings) in [("caught", 1), ("uncaught", 1), ("other", 1), ("service", 0)] {
        let status = space.get("flows", name).unwrap()["status"].clone();
        assert_eq!(status["conditions"][0]["status"], "True", "{name}");
        let found = status["diagnostics"].as_array().cloned().unwrap_or_default();
        let unbound: Vec<_> = found.iter().filter(|problem| problem["code"] == "W104").collect();
        assert_eq!(unbound.len(), warnings, "{name}");
        for warning in unbound {
            assert_eq!(warning["severity"], "Warning");
            assert!(warning["message"].as_str().unwrap().contains("`Mail:Send` of task `Work`"), "{warning}");
            assert!(warning["help"].as_str().unwrap().contains("spec.bindings"), "{warning}");
        }
    }
    for (name, code) in [
        ("caught", "FnF.ResourceNotBound"),
        ("other", "FnF.ResourceNotBound"),
        ("service", "HTTP.Unreachable"),
    ] {
        assert_eq!(space.output(name)["code"], code, "{name}");
    }
    let status = space.ended("uncaught")["status"].clone();
    assert_eq!(status["error"], "FnF.ResourceNotBound");
    for part in ["`Mail:Send`", "`Work`", "spec.bindings"] {
        assert!(status["cause"].as_str().unwrap().contains(part), "{}", status["cause"]);
    }
}

#[test]
fn what_a_task_waits_for_is_said_with_its_deadline() {
    let space = Space::new("unanswered");
    let controller = space.controller();
    // The kernel takes the connections; nobody ever answers them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let call = json!({"Action": "HTTP:Request", "Parameters": {"url": url}});
    flow(&space, "silent", call.clone(), json!({}));
    flow(&space, "by-default", call.clone(), json!({"defaults": {"taskTimeoutSeconds": 3}}));
    let mut impatient = call;
    impatient["Parameters"]["timeoutSeconds"] = json!(1);
    flow(&space, "impatient", impatient, json!({}));
    let pod = |image: &str, more: Value| {
        let container =
            json!({"name": "main", "image": image, "command": ["true"], "imagePullPolicy": "IfNotPresent"});
        let mut spec = json!({"restartPolicy": "Never", "containers": [container]});
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": spec}}});
        json!({"Action": "Kubernetes:RunJob", "Parameters": {"manifest": job}, "Timeout": 55})
    };
    let runner = json!({"serviceAccountName": "runner"});
    let nowhere = pod("millrace.test/busybox:1", json!({"nodeSelector": {"millrace.test/no": "node"}}));
    flow(&space, "nowhere", nowhere, runner.clone());
    // Beside something that does move, and the more so for a controller that begins later.
    let mut greedy = pod("millrace.test/busybox:1", json!({}));
    let containers = &mut greedy["Parameters"]["manifest"]["spec"]["template"]["spec"]["containers"];
    containers[0]["resources"] = json!({"requests": {"cpu": 1000}});
    greedy.as_object_mut().unwrap().extend(
        json!({"Type": "Task", "Name": "Mill", "End": true, "Timeout": 600}).as_object().unwrap().clone(),
    );
    let branch = |state: Value| json!({"StartAt": state["Name"], "States": [state]});
    let wait = json!({"Type": "Wait", "Name": "Rest", "Seconds": 250, "End": true});
    let both = json!({"Type": "Parallel", "Branches": [branch(wait), branch(greedy)]});
    flow(&space, "greedy", both, runner);

    let waiting = space.condition("silent", "InProgress", "True", "WaitingForTask");
    let message = waiting["message"].as_str().unwrap();
    assert!(
        message.contains("task `Work` (HTTP:Request) since") && message.contains("without a time-out"),
        "{message}"
    );
    assert_eq!(space.output("by-default")["code"], "FnF.TaskTimeout");
    assert_eq!(space.output("impatient")["code"], "HTTP.Timeout");
    let told = |name: &str, part: &str| {
        space.wait(&format!("it to be told that {part}"), || {
            let execution = space.execution(name);
            let message = condition(&execution, "InProgress")?["message"].as_str()?.to_owned();
            message.contains(part).then_some(message)
        })
    };
    let said = told("nowhere", "its pod is not scheduled");
    for part in ["task `Work` (Kubernetes:RunJob, Job `nowhere-", "given up at", "node affinity/selector"] {
        assert!(said.contains(part), "{said}");
    }
    let said = told("greedy", "its pod is not scheduled");
    assert!(said.contains("task `Work/1/Mill`") && said.contains("Insufficient cpu"), "{said}");
    controller.kill();
    space.start("later", json!({"flowRef": {"name": "impatient"}}));
    let _controller = space.controller();
    space.ended("later");
    told("greedy", "its pod is not scheduled");
    assert_eq!(space.output("nowhere")["code"], "FnF.TaskTimeout");
    let stop = json!({"spec": {"stop": {"mode": "Terminate"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "silent", "--type=merge", "-p", &stop]).status.success());
    space.ended("silent");
    let stop = json!({"spec": {"stop": {"mode": "Cancel"}}}).to_string();
    assert!(space.kubectl(&["patch", "executions", "greedy", "--type=merge", "-p", &stop]).status.success());
    space.ended("greedy");
    space.wait("the Jobs to go", || space.list("jobs").is_empty().then_some(()));
}
