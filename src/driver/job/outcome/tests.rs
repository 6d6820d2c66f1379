use super::*;

fn pod(status: serde_json::Value) -> Pod {
    serde_json::from_value(serde_json::json!({"metadata": {"name": "p"}, "status": status})).unwrap()
}

fn job(spec: serde_json::Value, conditions: serde_json::Value) -> Job {
    let mut spec = spec;
    spec["template"] = serde_json::json!({});
    serde_json::from_value(
        serde_json::json!({"metadata": {"name": "j"}, "spec": spec, "status": {"conditions": conditions}}),
    )
    .unwrap()
}

fn going() -> Job {
    job(serde_json::json!({}), serde_json::json!([]))
}

fn now() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().unwrap()
}

#[test]
fn the_end_of_a_container_that_prepares_is_not_the_end_of_the_work() {
    let complete = job(serde_json::json!({}), serde_json::json!([{"type": "Complete", "status": "True"}]));
    let ended = |name: &str, message: &str| {
        serde_json::json!({
            "name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": message}},
        })
    };
    let prepared = pod(serde_json::json!({
        "phase": "Running", "initContainerStatuses": [ended("init", "{\"init\": true}")],
    }));
    assert_eq!(standing(&complete, Some(&prepared), false, now()), Standing::Unread);
    let done = pod(serde_json::json!({
        "phase": "Succeeded",
        "initContainerStatuses": [ended("init", "{\"init\": true}")],
        "containerStatuses": [ended("main", "{\"main\": true}")],
    }));
    let result = Value::parse("{\"main\": true}").unwrap();
    assert_eq!(standing(&complete, Some(&done), false, now()), Standing::Ended(Report::Succeeded(result)));
}

fn ended(exit_code: i32, reason: &str, message: &str) -> Pod {
    let phase = if exit_code == 0 { "Succeeded" } else { "Failed" };
    pod(serde_json::json!({"phase": phase, "containerStatuses": [{
        "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": exit_code, "reason": reason, "message": message}}}]}))
}

fn waiting(reason: &str, began: &str) -> Pod {
    pod(serde_json::json!({"phase": "Pending", "startTime": began, "containerStatuses": [{
        "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": "why"}}}]}))
}

fn error(standing: Standing) -> (String, String) {
    match standing {
        Standing::Ended(Report::Failed(error)) => {
            (format!("{:?}", error.name), error.cause.unwrap().to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_result_is_the_termination_message_as_json() {
    let result = |message: &str| match standing(&going(), Some(&ended(0, "Completed", message)), false, now())
    {
        Standing::Ended(Report::Succeeded(value)) => value.to_json(),
        other => format!("{other:?}"),
    };
    assert_eq!(result(r#" {"a": [1, null]} "#), r#"{"a":[1,null]}"#);
    assert_eq!(result(""), "{}");
    assert!(result("done").contains("InvalidResult"));
    assert!(result("done").contains("`done`"));
    // At 4096 bytes its beginning may be missing.
    assert_eq!(result(&format!("1{}", " ".repeat(4094))), "1");
    for too_long in [format!("1{}", " ".repeat(4095)), " ".repeat(4096)] {
        let said = result(&too_long);
        assert!(said.contains("Job.ResultTooLarge") && said.contains("at most 4095 bytes"), "{said}");
    }
}

#[test]
fn containers_of_one_pod_share_what_is_kept_of_their_messages() {
    let mut crowd = ended(0, "Completed", &format!("1{}", " ".repeat(2999)));
    let containers: Vec<_> = ["a", "b", "c", "d"].map(|name| serde_json::json!({"name": name})).into();
    let kept = |pod: &Pod| match standing(&going(), Some(pod), false, now()) {
        Standing::Ended(Report::Succeeded(value)) => value.to_json(),
        other => error(other).1,
    };
    crowd.spec = serde_json::from_value(serde_json::json!({"containers": containers[..3]})).unwrap();
    assert_eq!(kept(&crowd), "1");
    crowd.spec = serde_json::from_value(serde_json::json!({
        "containers": containers, "initContainers": [{"name": "first"}],
    }))
    .unwrap();
    assert!(kept(&crowd).contains("at most 2456 bytes"));
}

#[test]
fn why_a_container_failed_is_named() {
    let cases = [
        (
            ended(3, "Error", "boom"),
            "Job.ExitCode.3",
            "container `main` of Job `j` ended with exit code 3: boom",
        ),
        (ended(137, "OOMKilled", ""), "Job.OOMKilled", "more memory"),
        (ended(128, "ContainerCannotRun", "no such file"), "Job.ExitCode.128", "(ContainerCannotRun)"),
        (
            pod(serde_json::json!({"phase": "Failed", "reason": "Evicted", "message": "disk"})),
            "Job.Evicted",
            "disk",
        ),
        (
            waiting("ErrImageNeverPull", "2026-01-01T00:00:59Z"),
            "Job.ImageUnavailable",
            "`main` of Job `j` cannot start",
        ),
        (waiting("ImagePullBackOff", "2026-01-01T00:00:30Z"), "Job.ImageUnavailable", "why"),
    ];
    for (pod, name, cause) in cases {
        let (found, said) = error(standing(&going(), Some(&pod), false, now()));
        assert!(found.contains(name) && said.contains(cause), "{found}: {said}");
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_waited_for() {
    let pod = waiting("ImagePullBackOff", "2026-01-01T00:00:50Z");
    assert!(matches!(standing(&going(), Some(&pod), false, now()), Standing::Pending(_)));
    assert_eq!(recheck_after(&pod), Some("2026-01-01T00:01:10Z".parse().unwrap()));
    assert_eq!(
        standing(&going(), Some(&waiting("ContainerCreating", "2026-01-01T00:00:00Z")), false, now()),
        Standing::Going
    );
}

fn with(type_: &str, reason: &str) -> Job {
    let conditions = serde_json::json!([{"type": type_, "status": "True", "reason": reason, "message": "m"}]);
    job(serde_json::json!({}), conditions)
}

#[test]
fn the_job_says_what_no_pod_says() {
    let deadline = with("Failed", "DeadlineExceeded");
    assert!(error(standing(&deadline, None, false, now())).0.contains("Job.DeadlineExceeded"));
    let failed = with("Failed", "BackoffLimitExceeded");
    assert_eq!(standing(&failed, None, false, now()), Standing::Unread);
    assert!(error(standing(&failed, None, true, now())).0.contains("Job.Failed"));
    assert!(
        error(standing(&failed, Some(&ended(3, "Error", "")), false, now())).0.contains("Job.ExitCode.3")
    );
}

#[test]
fn a_pod_that_was_ended_from_outside_leaves_it_to_its_job() {
    let mut killed = ended(137, "Error", "");
    killed.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    assert_eq!(standing(&going(), Some(&killed), false, now()), Standing::Going);
    let deadline = with("Failed", "DeadlineExceeded");
    assert!(error(standing(&deadline, Some(&killed), false, now())).0.contains("Job.DeadlineExceeded"));
    let obeyed = ended(0, "Completed", "");
    let target = with("FailureTarget", "DeadlineExceeded");
    assert_eq!(standing(&target, Some(&obeyed), false, now()), Standing::Going);
}

#[test]
fn a_job_that_ended_before_its_pod_was_seen_to_is_read_again() {
    let complete = with("Complete", "");
    let running = pod(serde_json::json!({"phase": "Running"}));
    assert_eq!(standing(&complete, None, false, now()), Standing::Unread);
    assert_eq!(standing(&complete, Some(&running), false, now()), Standing::Unread);
    assert!(error(standing(&complete, None, true, now())).0.contains("Job.ResultLost"));
    let done = ended(0, "Completed", "[1]");
    assert_eq!(
        standing(&complete, Some(&done), false, now()),
        Standing::Ended(Report::Succeeded(Value::parse("[1]").unwrap()))
    );
}

#[test]
fn a_deleted_job_counts_where_it_was_done() {
    let mut deleted = going();
    deleted.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    assert!(error(standing(&deleted, None, false, now())).0.contains("Job.Deleted"));
    let done = ended(0, "Completed", "[1]");
    assert!(matches!(standing(&deleted, Some(&done), false, now()), Standing::Ended(Report::Succeeded(_))));
}

#[test]
fn a_job_that_is_deleted_after_its_pods_has_ended_when_they_have() {
    let mut deleted = with("Failed", "BackoffLimitExceeded");
    deleted.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    deleted.metadata.finalizers = Some(vec![FINALIZER_FOREGROUND.to_owned(), "other".to_owned()]);
    let running = pod(serde_json::json!({"phase": "Running"}));
    assert_eq!(standing(&deleted, Some(&running), true, now()), Standing::Going);
    assert_eq!(standing(&deleted, None, false, now()), Standing::Going);
    let ended = ended(143, "Error", "");
    assert!(matches!(standing(&deleted, Some(&ended), false, now()), Standing::Ended(_)));
    deleted.metadata.finalizers = Some(vec!["other".to_owned()]);
    assert!(matches!(standing(&deleted, Some(&running), true, now()), Standing::Ended(_)));
}

#[test]
fn a_job_of_several_completions_ends_with_the_job() {
    let done = ended(0, "Completed", "");
    let several = job(serde_json::json!({"completions": 3}), serde_json::json!([]));
    assert_eq!(standing(&several, Some(&done), false, now()), Standing::Going);
    let complete = serde_json::json!([{"type": "Complete", "status": "True"}]);
    let complete = job(serde_json::json!({"completions": 3}), complete);
    assert!(matches!(standing(&complete, Some(&done), false, now()), Standing::Ended(Report::Succeeded(_))));
}
