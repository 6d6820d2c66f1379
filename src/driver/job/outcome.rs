//! What a Job and its pod say about the task they do.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use crate::engine::{Report, TaskError};
use crate::ir::ErrorKind;
use crate::value::{Object, Value};

/// How long an image that cannot be pulled is waited for: registries have hiccups.
pub const IMAGE_GRACE: Duration = Duration::from_secs(20);

/// How much of a container's message is shown in a cause, in characters.
const MESSAGE_CHARS_MAX: usize = 256;

/// What the kubelet keeps of a termination message, in bytes: the end of it.
const MESSAGE_BYTES_KEPT: usize = 4096;

/// What it keeps of all messages of a pod, in bytes; each container has an equal share.
const POD_MESSAGE_BYTES_KEPT: usize = 12 * 1024;

/// What Kubernetes keeps an object with until everything that belongs to it is gone.
const FINALIZER_FOREGROUND: &str = "foregroundDeletion";

/// Reasons for which a container waits that time does not mend.
const HOPELESS: &[&str] = &["ErrImageNeverPull", "InvalidImageName"];

/// Reasons for which a container waits that time may mend.
const DOUBTFUL: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// What is known of a task's work.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It goes on, or has not begun.
    Going,
    /// It has not begun, and this is why.
    Pending(String),
    /// The Job has ended and its pod has not been seen to: the pod must be read.
    Unread,
    /// It has ended.
    Ended(Report),
}

/// Where the work of a Job stands, as far as the Job and one of its pods say.
///
/// `is_read` says that the pod, or its absence, was just read from the API server. From watches a Job
/// may be seen to have ended before its pod is.
#[must_use]
pub fn standing(job: &Job, pod: Option<&Pod>, is_read: bool, now: Timestamp) -> Standing {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    if awaits_its_pods(job) && !pod.is_some_and(|pod| has_done_its_work(job, pod)) {
        return Standing::Going;
    }
    // Not some container of it: one that only prepares the others ends long before.
    let has_ended = pod.is_some_and(terminated_phase);
    if let Some((reason, message)) = condition(job, "Failed") {
        if reason == "DeadlineExceeded" {
            return fail("Job.DeadlineExceeded", format!("Job `{name}`: {message}"));
        }
        if !has_ended && !is_read {
            return Standing::Unread;
        }
        return Standing::Ended(Report::Failed(pod.and_then(|pod| failure_of(name, pod)).unwrap_or_else(
            || TaskError::named("Job.Failed", format!("Job `{name}` failed: {reason}: {message}")),
        )));
    }
    if condition(job, "Complete").is_some() {
        return match pod {
            Some(pod) if has_ended => Standing::Ended(result_of(name, pod)),
            Some(_) | None if is_read => {
                fail("Job.ResultLost", format!("Job `{name}` succeeded, but its pod and the result are gone"))
            }
            Some(_) | None => Standing::Unread,
        };
    }
    // The pod of a Job of one says it before the Job does; unless it was ended from outside: then the Job
    // knows why.
    let standing = match pod {
        Some(pod) if has_ended && (condition(job, "FailureTarget").is_some() || is_being_deleted(pod)) => {
            Standing::Going
        }
        Some(pod) if is_single(job) => pod_standing(name, pod, now),
        Some(_) | None => Standing::Going,
    };
    match standing {
        Standing::Going | Standing::Pending(_) | Standing::Unread
            if job.metadata.deletion_timestamp.is_some() =>
        {
            fail("Job.Deleted", format!("Job `{name}` was deleted before its task was done"))
        }
        standing => standing,
    }
}

/// Whether a Job that is being deleted is kept until its pods have ended, whatever it says of itself before.
fn awaits_its_pods(job: &Job) -> bool {
    let finalizers = job.metadata.finalizers.as_deref().unwrap_or_default();
    job.metadata.deletion_timestamp.is_some()
        && finalizers.iter().any(|finalizer| finalizer == FINALIZER_FOREGROUND)
        && condition(job, "Complete").is_none()
}

/// Whether the only pod of a Job has done its work, well or badly, so that nothing of it goes on.
#[must_use]
pub fn has_done_its_work(job: &Job, pod: &Pod) -> bool {
    is_single(job) && terminated_phase(pod)
}

/// Whether a pod has terminated.
#[must_use]
pub fn terminated_phase(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_single(job: &Job) -> bool {
    job.spec
        .as_ref()
        .is_some_and(|spec| spec.completions.unwrap_or(1) == 1 && spec.parallelism.unwrap_or(1) <= 1)
}

fn is_being_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn pod_standing(name: &str, pod: &Pod, now: Timestamp) -> Standing {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    match phase {
        "Succeeded" => Standing::Ended(result_of(name, pod)),
        "Failed" => match failure_of(name, pod) {
            Some(error) => Standing::Ended(Report::Failed(error)),
            None => Standing::Going,
        },
        "Pending" => pending(name, pod, now),
        _ => Standing::Going,
    }
}

fn pending(job: &str, pod: &Pod, now: Timestamp) -> Standing {
    let waiting = statuses(pod).find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        (reason != "ContainerCreating" && reason != "PodInitializing")
            .then(|| (status, reason, waiting.message.as_deref().unwrap_or_default()))
    });
    let Some((status, reason, message)) = waiting else {
        return match unschedulable(pod) {
            Some(message) => Standing::Pending(format!("its pod is not scheduled: {message}")),
            None => Standing::Going,
        };
    };
    let text = format!("container `{}` of Job `{job}` cannot start: {reason}: {message}", status.name);
    let began = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0);
    let is_over = Duration::try_from(now.duration_since(began)).is_ok_and(|waited| waited >= IMAGE_GRACE);
    if HOPELESS.contains(&reason) || (is_over && DOUBTFUL.contains(&reason)) {
        let name = if reason.contains("Image") { "Job.ImageUnavailable" } else { "Job.CannotStart" };
        return fail(name, text);
    }
    Standing::Pending(text)
}

/// When a pod that waits for its image is given up, where it waits for one.
#[must_use]
pub fn recheck_after(pod: &Pod) -> Option<Timestamp> {
    let status = pod.status.as_ref()?;
    let began = status.start_time.as_ref()?.0;
    let is_doubtful = statuses(pod).any(|status| {
        let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
        waiting.and_then(|waiting| waiting.reason.as_deref()).is_some_and(|reason| DOUBTFUL.contains(&reason))
    });
    is_doubtful.then(|| began.checked_add(IMAGE_GRACE).ok()).flatten()
}

fn fail(name: &str, cause: String) -> Standing {
    Standing::Ended(Report::Failed(TaskError::named(name, cause)))
}

fn condition<'j>(job: &'j Job, type_: &str) -> Option<(&'j str, &'j str)> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let met = conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")?;
    Some((met.reason.as_deref().unwrap_or_default(), met.message.as_deref().unwrap_or_default()))
}

fn unschedulable(pod: &Pod) -> Option<&str> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
    (scheduled.status == "False").then(|| scheduled.message.as_deref().unwrap_or_default())
}

/// Those of the containers that do the work first: what they say counts for more.
fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    main.into_iter().chain(init).flatten()
}

fn terminated(pod: &Pod) -> impl Iterator<Item = (&ContainerStatus, &ContainerStateTerminated)> {
    statuses(pod).filter_map(|status| Some((status, status.state.as_ref()?.terminated.as_ref()?)))
}

/// The result is the termination message of the first container that left one, as JSON; `{}` where
/// none did.
fn result_of(job: &str, pod: &Pod) -> Report {
    let bytes_kept = message_bytes_kept(pod);
    let message = terminated(pod)
        .filter_map(|(status, state)| Some((status, state.message.as_deref()?)))
        .find(|(_, message)| message.len() >= bytes_kept || !message.trim().is_empty());
    let Some((status, message)) = message else { return empty() };
    let container = format!("container `{}` of Job `{job}`", status.name);
    if message.len() >= bytes_kept {
        // It may be a part, and a part may be JSON of another meaning.
        let cause = format!(
            "the result of {container} is too large: a result may have at most {} bytes; store it \
             elsewhere and return a reference",
            bytes_kept - 1
        );
        return Report::Failed(TaskError::named("Job.ResultTooLarge", cause));
    }
    let message = message.trim();
    match Value::parse(message) {
        Ok(value) => Report::Succeeded(value),
        Err(error) => Report::Failed(TaskError::of(
            ErrorKind::InvalidResult,
            format!("the termination message of {container} is {error}: `{}`", cut(message)),
        )),
    }
}

/// A termination message of this length, in bytes, may have been cut. Bytes that are no text are replaced
/// on its way here, which makes them more, never less.
fn message_bytes_kept(pod: &Pod) -> usize {
    let containers = pod.spec.as_ref().map_or(1, |spec| {
        let more = spec.init_containers.as_ref().map_or(0, Vec::len)
            + spec.ephemeral_containers.as_ref().map_or(0, Vec::len);
        (spec.containers.len() + more).max(1)
    });
    MESSAGE_BYTES_KEPT.min(POD_MESSAGE_BYTES_KEPT / containers)
}

fn empty() -> Report {
    Report::Succeeded(Value::Object(Object::default()))
}

/// Why a pod failed, as far as it says.
fn failure_of(job: &str, pod: &Pod) -> Option<TaskError> {
    let status = pod.status.as_ref()?;
    if let Some(reason) = status.reason.as_deref() {
        let message = status.message.as_deref().unwrap_or_default();
        let name = match reason {
            "DeadlineExceeded" => "Job.DeadlineExceeded".to_owned(),
            "Evicted" | "Preempted" | "Shutdown" | "NodeLost" => "Job.Evicted".to_owned(),
            _ => "Job.Failed".to_owned(),
        };
        return Some(TaskError::named(name, format!("Job `{job}`: {reason}: {message}")));
    }
    let (status, state) = terminated(pod).find(|(_, state)| state.exit_code != 0)?;
    let message = state.message.as_deref().map(str::trim).filter(|message| !message.is_empty());
    let said = message.map_or_else(String::new, |message| format!(": {}", cut(message)));
    let container = format!("container `{}` of Job `{job}`", status.name);
    if state.reason.as_deref() == Some("OOMKilled") {
        let cause = format!("{container} was killed: it used more memory than its limit{said}");
        return Some(TaskError::named("Job.OOMKilled", cause));
    }
    let code = state.exit_code;
    let reason = state.reason.as_deref().filter(|reason| *reason != "Error");
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let cause = format!("{container} ended with exit code {code}{reason}{said}");
    Some(TaskError::named(format!("Job.ExitCode.{code}"), cause))
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        None => message.to_owned(),
        // The end of a log says more than its beginning.
        Some(_) => {
            let skipped = message.chars().count().saturating_sub(MESSAGE_CHARS_MAX - 1);
            std::iter::once('…').chain(message.chars().skip(skipped)).collect()
        }
    }
}

#[cfg(test)]
mod tests;
