//! Tasks done by real pods.

use serde_json::{Value, json};

use super::rig::{Space, condition, wait};

/// The image that is there on the test node.
const IMAGE: &str = "millrace.test/busybox:1";

/// A script that goes on until it is told to end, and then ends at once.
const NAP: &str = "trap 'exit 143' TERM; sleep 3600 & wait";

/// A flow of one Job that runs a shell script, as the account `runner`.
fn shell(space: &Space, name: &str, script: &str) {
    task(space, name, json!({"image": IMAGE, "command": ["sh", "-c", script]}), json!({}));
}

fn task(space: &Space, name: &str, parameters: Value, more: Value) {
    let mut state = json!({
        "Type": "Task", "Name": "Work", "Action": "Kubernetes:RunJob", "End": true, "Parameters": parameters,
    });
    for (field, value) in more.as_object().unwrap() {
        state[field] = value.clone();
    }
    let definition =
        json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Work", "States": [state]})
            .to_string();
    space.flow_with(name, &definition, json!({"serviceAccountName": "runner"}));
}

fn start(space: &Space, name: &str) {
    space.start(name, json!({"flowRef": {"name": name}, "input": {}}));
}

fn jobs(space: &Space) -> Vec<Value> {
    space.list("jobs")
}

fn job_of(space: &Space, execution: &str) -> Value {
    wait(&format!("a Job of {execution}"), || {
        jobs(space).into_iter().find(|job| job["metadata"]["labels"]["millrace.dev/execution"] == execution)
    })
}

#[test]
fn a_job_gives_what_its_container_leaves_as_termination_message() {
    let space = Space::new("job");
    let controller = space.controller();
    shell(&space, "says", r#"echo "{\"sum\": $((1 + 2)), \"null\": null}" > /dev/termination-log"#);
    shell(&space, "silent", "true");
    start(&space, "says");
    start(&space, "silent");
    assert_eq!(space.output("says"), json!({"sum": 3, "null": null}));
    assert_eq!(space.output("silent"), json!({}));
    // Two writes each: the intent, and the result with the end. One more says that a pod takes long to run.
    let written = controller.figure("millrace_status_writes_total{outcome=\"Written\"}");
    assert!((4.0..=6.0).contains(&written), "{written}");
    let job = job_of(&space, "says");
    assert_eq!(job["spec"]["backoffLimit"], 0);
    assert_eq!(job["metadata"]["ownerReferences"][0]["name"], "says");
    // Made as the run's account; let go of once the result was committed.
    let managers = space.kubectl(&["get", "jobs", "-o", "json", "--show-managed-fields"]);
    assert!(managers.status.success());
    wait("the finalizer to go", || {
        job_of(&space, "says")["metadata"].get("finalizers").is_none().then_some(())
    });
    // It goes with its Execution.
    assert!(space.kubectl(&["delete", "executions", "says"]).status.success());
    wait("the Job to go", || {
        jobs(&space)
            .iter()
            .all(|job| job["metadata"]["labels"]["millrace.dev/execution"] != "says")
            .then_some(())
    });
}

#[test]
fn why_a_job_failed_is_the_tasks_error() {
    let space = Space::new("jobfail");
    let _controller = space.controller();
    shell(&space, "exit", "echo going wrong; exit 3");
    shell(&space, "noresult", "echo done > /dev/termination-log");
    task(&space, "noimage", json!({"image": "millrace.test/missing:1", "command": ["true"]}), json!({}));
    let pod = |command: &str, more: Value| {
        let mut container = json!({"name": "main", "image": IMAGE, "command": ["sh", "-c", command]});
        for (field, value) in more.as_object().unwrap() {
            container[field] = value.clone();
        }
        json!({"spec": {"restartPolicy": "Never", "containers": [container]}})
    };
    let manifest = |spec: Value| json!({"manifest": {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}});
    let greedy = pod("tail /dev/zero", json!({"resources": {"limits": {"memory": "16Mi"}}}));
    task(&space, "greedy", manifest(json!({"template": greedy})), json!({}));
    let slow = manifest(json!({"activeDeadlineSeconds": 2, "template": pod(NAP, json!({}))}));
    task(&space, "slow", slow, json!({}));
    task(
        &space,
        "invalid",
        manifest(json!({"template": pod("true", json!({"name": "Not A Name"}))})),
        json!({}),
    );
    task(&space, "nonsense", json!({"picture": "x"}), json!({}));
    // The image is never pulled: what is not on the node is not there.
    let never = pod("true", json!({"image": "millrace.test/missing:1", "imagePullPolicy": "Never"}));
    task(&space, "never", manifest(json!({"template": never})), json!({}));
    let names = ["exit", "noresult", "noimage", "greedy", "slow", "invalid", "nonsense", "never"];
    names.iter().for_each(|name| start(&space, name));
    let cases = [
        ("exit", "Job.ExitCode.3", "ended with exit code 3: going wrong"),
        ("noresult", "FnF.InvalidLocal", "termination message of container `main`"),
        ("greedy", "Job.OOMKilled", "more memory than its limit"),
        ("slow", "Job.DeadlineExceeded", "deadline"),
        ("invalid", "Job.Invalid", "Not A Name"),
        ("nonsense", "Job.Invalid", "no parameter `picture`"),
        ("never", "Job.ImageUnavailable", "millrace.test/missing:1"),
        ("noimage", "Job.ImageUnavailable", "millrace.test/missing:1"),
    ];
    for (name, error, cause) in cases {
        let status = space.ended(name)["status"].clone();
        assert_eq!(
            (&status["phase"], &status["error"]),
            (&json!("Failed"), &json!(error)),
            "{name}: {status:#}"
        );
        assert!(status["cause"].as_str().unwrap().contains(cause), "{name}: {}", status["cause"]);
        // By its Job the pod is found, and its log.
        if status["cause"].as_str().unwrap().contains("container `") {
            let job = format!("of Job `{name}-");
            assert!(status["cause"].as_str().unwrap().contains(&job), "{name}: {}", status["cause"]);
        }
    }
}

#[test]
fn a_termination_message_of_garbage_is_an_error_or_cut_to_what_can_be_shown() {
    let space = Space::new("jobgarbage");
    let controller = space.controller();
    let random = "head -c 1000 /dev/urandom > /dev/termination-log";
    // More than is kept, cut by the kubelet in the middle of a letter.
    let long = "yes '\\303\\274' | tr -d '\\n' | head -c 9999 > /dev/termination-log";
    shell(&space, "random", random);
    shell(&space, "random-fails", &format!("{random}; exit 9"));
    shell(&space, "zeros", "head -c 4095 /dev/zero > /dev/termination-log");
    // What is left of it by the kubelet is JSON, and means something else.
    let too_large = "(head -c 200 /dev/zero | tr '\\0' 1; printf '%4095s' '') > /dev/termination-log";
    shell(&space, "too-large", too_large);
    shell(&space, "long-fails", &format!("{long}; exit 9"));
    shell(&space, "long-text", "printf '{\"t\":\"%04084d\"}' 7 > /dev/termination-log");
    let cases = [
        ("random", "FnF.InvalidLocal"),
        ("random-fails", "Job.ExitCode.9"),
        ("zeros", "FnF.InvalidLocal"),
        ("too-large", "Job.ResultTooLarge"),
        ("long-fails", "Job.ExitCode.9"),
    ];
    cases.iter().for_each(|(name, _)| start(&space, name));
    start(&space, "long-text");
    for (name, error) in cases {
        let status = space.ended(name)["status"].clone();
        assert_eq!(status["error"], error, "{name}: {status:#}");
        assert!(status["cause"].as_str().unwrap().chars().count() < 500, "{name}");
    }
    assert_eq!(space.output("long-text")["t"].as_str().unwrap().len(), 4_084);
    let log = controller.log();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_job_that_failed_is_retried_under_another_name() {
    let space = Space::new("jobretry");
    let _controller = space.controller();
    // The first attempt fails; the name of the pod tells which it is.
    let retry = json!([{"Errors": ["Job.ExitCode.7"], "MaxAttempts": 2, "IntervalSeconds": 1}]);
    let parameters = json!({
        "image": IMAGE, "command": ["sh", "-c", "[ $N -gt 0 ] || exit 7"], "env.$": "jsonMerge({}, {\"N\": $Context.Current.RetryCount})",
    });
    task(&space, "retry", parameters, json!({"Retry": retry}));
    start(&space, "retry");
    assert_eq!(space.output("retry"), json!({}));
    let attempts: Vec<_> =
        jobs(&space).iter().map(|job| job["metadata"]["annotations"]["millrace.dev/task"].clone()).collect();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert!(attempts.contains(&json!("Work@1")) && attempts.contains(&json!("Work@2")));
}

#[test]
fn stop_and_time_out_delete_the_job() {
    let space = Space::new("jobstop");
    let _controller = space.controller();
    let sleep = json!({"image": IMAGE, "command": ["sh", "-c", NAP]});
    for name in ["cancel", "terminate"] {
        task(&space, name, sleep.clone(), json!({}));
    }
    task(&space, "timeout", sleep, json!({"Timeout": 15}));
    for name in ["cancel", "terminate", "timeout"] {
        start(&space, name);
        job_of(&space, name);
    }
    for (name, mode) in [("cancel", "Cancel"), ("terminate", "Terminate")] {
        let patch = json!({"spec": {"stop": {"mode": mode}}}).to_string();
        assert!(space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]).status.success());
        assert_eq!(space.ended(name)["status"]["phase"], "Stopped");
    }
    assert_eq!(space.ended("timeout")["status"]["error"], "FnF.TaskTimeout");
    wait("the Jobs to go", || jobs(&space).is_empty().then_some(()));
    wait("the pods to go", || space.list("pods").is_empty().then_some(()));
}

#[test]
fn a_canceled_run_ends_when_its_pod_has_and_a_terminated_one_at_once() {
    let space = Space::new("jobgrace");
    let controller = space.controller();
    let slow = "trap 'sleep 20; exit 143' TERM; sleep 3600 & wait";
    for name in ["cancel", "restarted", "impatient", "terminate"] {
        shell(&space, name, slow);
        start(&space, name);
    }
    let pod_of = |name: &str| {
        let pods = space.list("pods");
        pods.into_iter().find(|pod| pod["metadata"]["labels"]["millrace.dev/execution"] == name)
    };
    let is_running = |name: &str| {
        let pod = pod_of(name);
        pod.is_some_and(|pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object())
    };
    let stop = |name: &str, mode: &str| {
        wait("the pod to run", || is_running(name).then_some(()));
        let patch = json!({"spec": {"stop": {"mode": mode}}}).to_string();
        assert!(space.kubectl(&["patch", "executions", name, "--type=merge", "-p", &patch]).status.success());
    };
    let job = job_of(&space, "cancel")["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(space.execution("cancel")["status"]["active"][0]["job"], json!(job));
    stop("cancel", "Cancel");
    let message = space.condition("cancel", "InProgress", "True", "Stopping")["message"].to_string();
    assert!(message.contains("waiting for 1 task to end: task `Work`"), "{message}");
    assert!(message.contains(&format!("Job `{job}`")), "{message}");
    wait("the pod to be told", || {
        pod_of("cancel")?["metadata"]["deletionTimestamp"].is_string().then_some(())
    });
    // What must not happen shows nothing: it is given time.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(is_running("cancel"));
    assert_eq!(space.execution("cancel")["status"]["phase"], "Running");
    let status = space.ended("cancel")["status"].clone();
    assert!(!is_running("cancel"));
    let ended = condition(&json!({ "status": status }), "Succeeded").unwrap().clone();
    assert_eq!((&status["phase"], &ended["reason"]), (&json!("Stopped"), &json!("Canceled")));
    // Nobody waits for a pod that has to end at once.
    for (name, first) in [("terminate", None), ("impatient", Some("Cancel"))] {
        first.iter().for_each(|mode| stop(name, mode));
        stop(name, "Terminate");
        assert_eq!(space.ended(name)["status"]["phase"], "Stopped");
        assert!(is_running(name), "{name}");
    }
    // Also by a controller that knows of it from the cluster only.
    stop("restarted", "Cancel");
    space.condition("restarted", "InProgress", "True", "Stopping");
    controller.kill();
    let _controller = space.controller();
    assert_eq!(space.ended("restarted")["status"]["phase"], "Stopped");
    assert!(!is_running("restarted"));
    wait("the Jobs to go", || jobs(&space).is_empty().then_some(()));
    wait("the pods to go", || space.list("pods").is_empty().then_some(()));
}

#[test]
fn a_job_that_is_deleted_by_hand_fails_its_task_and_is_not_made_again() {
    let space = Space::new("jobhand");
    let controller = space.controller();
    task(&space, "hand", json!({"image": IMAGE, "command": ["sh", "-c", NAP]}), json!({}));
    start(&space, "hand");
    let job = job_of(&space, "hand")["metadata"]["name"].as_str().unwrap().to_owned();
    // Also while nobody is there to see it: the finalizer keeps the Job until somebody is.
    controller.kill();
    assert!(space.kubectl(&["delete", "job", &job, "--wait=false"]).status.success());
    wait("the Job to be going", || {
        job_of(&space, "hand")["metadata"]["deletionTimestamp"].is_string().then_some(())
    });
    let _controller = space.controller();
    let status = space.ended("hand")["status"].clone();
    assert_eq!(status["error"], "Job.Deleted", "{status:#}");
    wait("the Job to go", || jobs(&space).is_empty().then_some(()));
}

#[test]
fn a_job_that_ended_while_nobody_was_there_is_adopted() {
    let space = Space::new("adopt");
    let controller = space.controller();
    shell(&space, "adopt", r#"sleep 2; echo '{"done": true}' > /dev/termination-log"#);
    start(&space, "adopt");
    let first = job_of(&space, "adopt");
    controller.kill();
    let wait_for = format!("job/{}", first["metadata"]["name"].as_str().unwrap());
    assert!(
        space.kubectl(&["wait", "--for=condition=Complete", &wait_for, "--timeout=60s"]).status.success()
    );
    let _controller = space.controller();
    assert_eq!(space.output("adopt"), json!({"done": true}));
    let all = jobs(&space);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["metadata"]["uid"], first["metadata"]["uid"]);
}

#[test]
fn an_execution_deleted_in_mid_run_takes_its_jobs_along() {
    let space = Space::new("jobgone");
    let controller = space.controller();
    for (name, propagation) in [("one", "background"), ("two", "foreground"), ("three", "background")] {
        task(&space, name, json!({"image": IMAGE, "command": ["sh", "-c", NAP]}), json!({}));
        start(&space, name);
        job_of(&space, name);
        if name != "three" {
            let cascade = format!("--cascade={propagation}");
            assert!(
                space.kubectl(&["delete", "executions", name, &cascade, "--timeout=180s"]).status.success()
            );
        }
    }
    // And one that goes while nobody is there.
    controller.kill();
    assert!(space.kubectl(&["delete", "executions", "three"]).status.success());
    let _controller = space.controller();
    wait("the Jobs to go", || jobs(&space).is_empty().then_some(()));
    wait("the pods to go", || space.list("pods").is_empty().then_some(()));
    assert!(space.list("executions").is_empty());
}

#[test]
fn what_an_account_may_not_do_is_said_and_goes_on_once_it_may() {
    let space = Space::new("rights");
    let _controller = space.controller();
    space.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: weak}}");
    shell(&space, "weak", "true");
    let flow = space.get("flow", "weak").unwrap();
    space.flow_with(
        "weak",
        flow["spec"]["definition"].as_str().unwrap(),
        json!({"serviceAccountName": "weak"}),
    );
    start(&space, "weak");
    let stalled = space.condition("weak", "Stalled", "True", "Forbidden");
    let message = stalled["message"].as_str().unwrap();
    assert!(
        message.contains("task `Work`") && message.contains("cannot create resource \\\"jobs\\\"")
            || message.contains("cannot create resource \"jobs\""),
        "{message}"
    );
    assert!(message.contains(&format!("system:serviceaccount:{}:weak", space.name)), "{message}");
    assert_eq!(space.kstatus("weak"), "Failed");
    assert_eq!(space.execution("weak")["status"]["phase"], "Running");
    space.apply(&format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: weak}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {}-runner}}
subjects: [{{kind: ServiceAccount, name: weak}}]
",
        space.name
    ));
    assert_eq!(space.output("weak"), json!({}));
    let ended = space.execution("weak");
    assert_eq!(condition(&ended, "Stalled").unwrap()["status"], "False");
}

#[test]
fn a_binding_makes_any_resource_a_job() {
    let space = Space::new("template");
    let _controller = space.controller();
    let template = json!({"template": {"spec": {"containers": [{
        "name": "main", "image": IMAGE, "command": ["sh", "-c", "echo \"$MILLRACE_ARGUMENTS\" > /dev/termination-log"],
    }]}}});
    let definition = json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": "Work", "States": [{
        "Type": "Task", "Name": "Work", "Action": "Acme:Mill", "End": true, "Parameters": {"grain.$": "$Input.grain"},
    }]});
    space.flow_with(
        "template",
        &definition.to_string(),
        json!({"serviceAccountName": "runner", "bindings": [{"resource": "Acme:*", "jobTemplate": template}]}),
    );
    space.start("template", json!({"flowRef": {"name": "template"}, "input": {"grain": ["rye", null]}}));
    assert_eq!(space.output("template"), json!({"grain": ["rye", null]}));
}
