//! The Job of an attempt. Its name is derived from the execution and the attempt, so making it again
//! is refused by the API server; whatever Kubernetes itself would repeat is switched off, because the
//! flow's own Retry decides.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::{
    ANNOTATION_TASK, API_VERSION, FINALIZER_RESULT, LABEL_EXECUTION, LABEL_EXECUTION_UID, Payload,
};
use crate::driver::attempt::attempt_name;
use crate::engine::{TaskError, TaskId};
use crate::value::Value;

/// Variable in which the containers of a bound template find the task's arguments.
pub const ARGUMENTS_VARIABLE: &str = "MILLRACE_ARGUMENTS";

/// Name of the container that `image` makes.
const CONTAINER: &str = "main";

/// The execution that a Job belongs to.
#[derive(Clone, Debug)]
pub struct Owner<'a> {
    /// Namespace of both.
    pub namespace: &'a str,
    /// Name of the Execution.
    pub name: &'a str,
    /// Uid of the Execution.
    pub uid: &'a str,
}

/// The name of the Job of an attempt: the execution's, shortened, and a hash.
#[must_use]
pub fn job_name(owner: &Owner<'_>, task: &TaskId) -> String {
    attempt_name(owner.name, owner.uid, task)
}

/// The Job that the arguments of `Kubernetes:RunJob` describe:
/// `{manifest}` or `{image, command, args, env}`.
///
/// # Errors
/// Where a member has the wrong shape; the cause names it, what was found and what was expected.
pub fn from_arguments(owner: &Owner<'_>, task: &TaskId, arguments: &Value) -> Result<Job, TaskError> {
    const MEMBERS: &[&str] = &["manifest", "image", "command", "args", "env"];
    let members = arguments.as_object().ok_or_else(|| {
        refuse(format!(
            "the parameters must be an object, found {} `{}`",
            arguments.kind(),
            arguments.excerpt(64)
        ))
    })?;
    if let Some((unknown, _)) = members.iter().find(|(name, _)| !MEMBERS.contains(&&***name)) {
        return Err(refuse(format!("there is no parameter `{unknown}`; there are {}", MEMBERS.join(", "))));
    }
    let present = |name: &str| members.get(name).filter(|value| **value != Value::Null);
    let spec = match (present("manifest"), present("image")) {
        (Some(manifest), None) if members.len() == 1 => from_manifest(manifest)?,
        (None, Some(image)) => {
            let image = image.as_str().filter(|image| !image.is_empty());
            let image = image.ok_or_else(|| refuse("the parameter `image` must be the name of an image"))?;
            from_image(image, texts("command", present("command"))?, texts("args", present("args"))?, {
                environment(present("env"))?
            })
        }
        (Some(_), _) => return Err(refuse("the parameter `manifest` excludes all others")),
        (None, None) => return Err(refuse("one of the parameters `manifest` and `image` is needed")),
    };
    Ok(complete(owner, task, spec))
}

/// The Job of a binding's template, with the task's arguments in the environment of its containers.
///
/// # Errors
/// Where the template is no spec of a Job.
pub fn from_template(
    owner: &Owner<'_>,
    task: &TaskId,
    template: &Payload,
    arguments: &Value,
) -> Result<Job, TaskError> {
    let mut spec: JobSpec = serde_json::from_str(template.text())
        .map_err(|error| refuse(format!("the jobTemplate of the binding is no spec of a Job: {error}")))?;
    let pod = spec.template.spec.get_or_insert_default();
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        let variable = EnvVar {
            name: ARGUMENTS_VARIABLE.to_owned(),
            value: Some(arguments.to_json()),
            ..EnvVar::default()
        };
        container.env.get_or_insert_default().push(variable);
    }
    Ok(complete(owner, task, (ObjectMeta::default(), spec)))
}

fn refuse(cause: impl AsRef<str>) -> TaskError {
    TaskError::named("Job.Invalid", cause.as_ref())
}

/// A whole Job as users write it.
fn from_manifest(manifest: &Value) -> Result<(ObjectMeta, JobSpec), TaskError> {
    let says = |key: &str, expected: &str| match manifest.get(key) {
        None => Ok(()),
        Some(found) if found.as_str() == Some(expected) => Ok(()),
        Some(found) => Err(refuse(format!(
            "the manifest must be a Job: `{key}` must be `{expected}`, found `{}`",
            found.excerpt(64)
        ))),
    };
    says("kind", "Job")?;
    says("apiVersion", "batch/v1")?;
    let job: Job = serde_json::from_str(&manifest.to_json())
        .map_err(|error| refuse(format!("the manifest is no Job: {error}")))?;
    let spec = job.spec.ok_or_else(|| refuse("the manifest has no `spec`"))?;
    Ok((job.metadata, spec))
}

fn from_image(
    image: &str,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    env: Option<Vec<EnvVar>>,
) -> (ObjectMeta, JobSpec) {
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(image.to_owned()),
        command,
        args,
        env,
        ..Container::default()
    };
    let pod = PodSpec { containers: vec![container], ..PodSpec::default() };
    let template = PodTemplateSpec { spec: Some(pod), ..PodTemplateSpec::default() };
    (ObjectMeta::default(), JobSpec { template, ..JobSpec::default() })
}

/// What every Job of ours has, whatever its author wrote.
fn complete(owner: &Owner<'_>, task: &TaskId, (metadata, spec): (ObjectMeta, JobSpec)) -> Job {
    let mut labels = metadata.labels.unwrap_or_default();
    mark(&mut labels, owner);
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.insert(ANNOTATION_TASK.to_owned(), task.to_string());
    let mut finalizers = metadata.finalizers.unwrap_or_default();
    finalizers.push(FINALIZER_RESULT.to_owned());
    let mut template = spec.template;
    mark(template.metadata.get_or_insert_default().labels.get_or_insert_default(), owner);
    let pod = template.spec.get_or_insert_default();
    pod.restart_policy = Some("Never".to_owned());
    for container in &mut pod.containers {
        // The end of the log tells why a container failed that wrote no message of its own.
        let policy = container.termination_message_policy.get_or_insert_default();
        if policy.is_empty() {
            "FallbackToLogsOnError".clone_into(policy);
        }
    }
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(owner, task)),
            namespace: Some(owner.namespace.to_owned()),
            labels: Some(labels),
            annotations: Some(annotations),
            finalizers: Some(finalizers),
            owner_references: Some(vec![owner_reference(owner)]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            template,
            // The flow's Retry decides; Kubernetes would double the work.
            backoff_limit: Some(0),
            ttl_seconds_after_finished: None,
            // What the API server sets itself and refuses otherwise.
            selector: None,
            manual_selector: None,
            ..spec
        }),
        status: None,
    }
}

fn mark(labels: &mut BTreeMap<String, String>, owner: &Owner<'_>) {
    labels.insert(LABEL_EXECUTION.to_owned(), owner.name.to_owned());
    labels.insert(LABEL_EXECUTION_UID.to_owned(), owner.uid.to_owned());
}

fn owner_reference(owner: &Owner<'_>) -> OwnerReference {
    OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "Execution".to_owned(),
        name: owner.name.to_owned(),
        uid: owner.uid.to_owned(),
        controller: Some(true),
        // Whoever makes the Job may not have the right that blocking needs.
        block_owner_deletion: None,
    }
}

fn texts(parameter: &str, value: Option<&Value>) -> Result<Option<Vec<String>>, TaskError> {
    let Some(value) = value else { return Ok(None) };
    let wrong = || {
        refuse(format!(
            "the parameter `{parameter}` must be a list of strings, found `{}`",
            value.excerpt(64)
        ))
    };
    let items = value.as_array().ok_or_else(wrong)?;
    items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .map(Some)
        .ok_or_else(wrong)
}

/// `{NAME: value}`, or the list that containers have. Values that are no strings are written as JSON.
fn environment(value: Option<&Value>) -> Result<Option<Vec<EnvVar>>, TaskError> {
    let Some(value) = value else { return Ok(None) };
    match value {
        Value::Object(members) => Ok(Some(
            members
                .iter()
                .map(|(name, value)| EnvVar {
                    name: name.to_string(),
                    value: Some(value.as_str().map_or_else(|| value.to_json(), str::to_owned)),
                    ..EnvVar::default()
                })
                .collect(),
        )),
        Value::Array(_) => serde_json::from_str(&value.to_json())
            .map(Some)
            .map_err(|error| refuse(format!("the parameter `env` is no list of variables: {error}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(refuse(format!(
            "the parameter `env` must be an object or a list of variables, found `{}`",
            value.excerpt(64)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'static> =
        Owner { namespace: "shop", name: "order-7", uid: "6dc2c3d2-1a0e-4b53-a56d-b0d4b3d6f6e1" };

    fn job(arguments: &str) -> Result<Job, TaskError> {
        from_arguments(&OWNER, &"Charge@1".into(), &Value::parse(arguments).unwrap())
    }

    #[test]
    fn an_image_becomes_a_job_that_kubernetes_does_not_repeat() {
        let job =
            job(r#"{"image": "busybox", "command": ["sh"], "args": ["-c", "x"], "env": {"A": "b", "N": 3}}"#)
                .unwrap();
        let meta = &job.metadata;
        assert_eq!(meta.namespace.as_deref(), Some("shop"));
        assert_eq!(meta.finalizers, Some(vec![FINALIZER_RESULT.to_owned()]));
        assert_eq!(meta.owner_references.as_ref().unwrap()[0].uid, OWNER.uid);
        assert_eq!(meta.annotations.as_ref().unwrap()[ANNOTATION_TASK], "Charge@1");
        let spec = job.spec.unwrap();
        assert_eq!((spec.backoff_limit, spec.ttl_seconds_after_finished), (Some(0), None));
        let labels = spec.template.metadata.unwrap().labels.unwrap();
        assert_eq!(labels[LABEL_EXECUTION_UID], OWNER.uid);
        let pod = spec.template.spec.unwrap();
        assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
        let container = &pod.containers[0];
        assert_eq!(container.args.as_deref(), Some(&["-c".to_owned(), "x".to_owned()][..]));
        assert_eq!(container.termination_message_policy.as_deref(), Some("FallbackToLogsOnError"));
        assert_eq!(container.env.as_ref().unwrap()[1].value.as_deref(), Some("3"));
    }

    #[test]
    fn a_manifest_keeps_what_its_author_wrote_and_loses_what_would_repeat_it() {
        let job = job(r#"{"manifest": {"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "mine", "namespace": "other", "labels": {"team": "a"}},
            "spec": {"backoffLimit": 6, "ttlSecondsAfterFinished": 1, "activeDeadlineSeconds": 30,
              "template": {"spec": {"restartPolicy": "OnFailure", "hostNetwork": true,
                "containers": [{"name": "c", "image": "i", "terminationMessagePolicy": "File"}]}}}}}"#)
        .unwrap();
        assert_eq!(job.metadata.name, Some(job_name(&OWNER, &"Charge@1".into())));
        assert_eq!(job.metadata.namespace.as_deref(), Some("shop"));
        assert_eq!(job.metadata.labels.unwrap()["team"], "a");
        let spec = job.spec.unwrap();
        assert_eq!((spec.backoff_limit, spec.ttl_seconds_after_finished), (Some(0), None));
        assert_eq!(spec.active_deadline_seconds, Some(30));
        let pod = spec.template.spec.unwrap();
        assert_eq!((pod.restart_policy.as_deref(), pod.host_network), (Some("Never"), Some(true)));
        assert_eq!(pod.containers[0].termination_message_policy.as_deref(), Some("File"));
    }

    #[test]
    fn a_template_finds_the_arguments_in_its_environment() {
        let template = Payload::from(
            &Value::parse(r#"{"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}"#)
                .unwrap(),
        );
        let arguments = Value::parse(r#"{"k": [1]}"#).unwrap();
        let job = from_template(&OWNER, &"A@1".into(), &template, &arguments).unwrap();
        let pod = job.spec.unwrap().template.spec.unwrap();
        let env = pod.containers[0].env.as_ref().unwrap();
        assert_eq!((&*env[0].name, env[0].value.as_deref()), (ARGUMENTS_VARIABLE, Some(r#"{"k":[1]}"#)));
    }

    #[test]
    fn wrong_parameters_are_named() {
        let cases = [
            ("[]", "must be an object"),
            ("{}", "one of the parameters"),
            (r#"{"image": ""}"#, "`image` must be"),
            (r#"{"image": "i", "manifest": {}}"#, "excludes all others"),
            (r#"{"image": "i", "cmd": []}"#, "no parameter `cmd`"),
            (r#"{"image": "i", "args": "x"}"#, "`args` must be a list of strings"),
            (r#"{"image": "i", "env": 1}"#, "`env` must be"),
            (r#"{"manifest": {"kind": "Pod"}}"#, "must be a Job: `kind`"),
            (r#"{"manifest": {"spec": 1}}"#, "is no Job"),
            (r#"{"manifest": {}}"#, "has no `spec`"),
        ];
        for (arguments, expected) in cases {
            let cause = job(arguments).unwrap_err().cause.unwrap();
            assert!(cause.contains(expected), "{arguments}: {cause}");
        }
    }

    #[test]
    fn names_are_labels_and_differ_between_attempts() {
        let long =
            Owner { name: "a.very-long.name-that-is-as-long-as-a-name-can-be-0123456789-0123", ..OWNER };
        let names: Vec<_> = [
            job_name(&OWNER, &"A@1".into()),
            job_name(&OWNER, &"A@2".into()),
            job_name(&Owner { uid: "other", ..OWNER }, &"A@1".into()),
            job_name(&long, &"A@1".into()),
        ]
        .into();
        for (position, name) in names.iter().enumerate() {
            assert!(name.len() <= 63 && !name.contains('.') && !name.contains("--"), "{name}");
            assert!(!names[..position].contains(name), "{name}");
        }
    }
}
