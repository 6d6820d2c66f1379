//! The status of an Execution, computed as a whole from what is known.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::condition::{self, Claim, cut};
use crate::api::execution::{
    ACTIVE_MAX, ActiveEntry, CAUSE_CHARS_MAX, ERROR_CHARS_MAX, PATH_CHARS_MAX, ProgressCounts,
};
use crate::api::flow::Binding;
use crate::api::{
    Condition, ConditionStatus, ConditionType, DataRef, ExecutionStatus, Payload, Phase, Reason,
};
use crate::driver::attempt::attempt_name;
use crate::driver::binding::{self, Executor};
use crate::driver::child::request::ChildRequest;
use crate::driver::job::manifest::{Owner, job_name};
use crate::engine::{
    ActiveState, Activity, Failure, Outcome, Run, Status, StopMode, Suspension, TaskCommand, TaskId,
};
use crate::ir::Program;

use ConditionStatus::{False, True, Unknown};

/// Where an Execution stands, for its conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its phase.
    pub phase: Phase,
    /// Why it is not moving, or how it ended.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
    /// Why it cannot go on although it has not ended.
    pub stalled: Option<(Reason, String)>,
}

/// Whether a later spec asks for something else than what was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nobody asked for anything else, or it was taken back.
    Matches {
        /// Whether somebody did at some time.
        was_different: bool,
    },
    /// Something else was asked for.
    Differs(String),
}

/// The conditions for a standing.
#[must_use]
pub fn conditions(
    before: &[Condition],
    standing: &Standing,
    existing: &Existing,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let Standing { phase, reason, message, stalled } = standing;
    let (phase, reason) = (*phase, *reason);
    let claim = |type_, status, reason, message: &str| Claim::new(type_, status, reason, message);
    let is_ended = phase.is_ended();
    let has_succeeded = phase == Phase::Succeeded;
    let accepted = match phase {
        Phase::Starting => claim(ConditionType::Accepted, Unknown, reason, message),
        Phase::Rejected => claim(ConditionType::Accepted, False, reason, message),
        Phase::Stopped if !condition_is(before, ConditionType::Accepted, True) => {
            claim(ConditionType::Accepted, False, reason, "stopped before it was admitted")
        }
        Phase::Running | Phase::Succeeded | Phase::Failed | Phase::TimedOut | Phase::Stopped => {
            claim(ConditionType::Accepted, True, Reason::Admitted, "the execution was admitted")
        }
    };
    // A refusal has a reason of its own in Accepted; the others say that it is one.
    let outcome = if phase == Phase::Rejected { Reason::Rejected } else { reason };
    let going = |type_| {
        if is_ended {
            let status = if has_succeeded { True } else { False };
            claim(type_, status, outcome, message)
        } else {
            let status = if type_ == ConditionType::Succeeded { Unknown } else { False };
            claim(type_, status, outcome, message)
        }
    };
    let complete = if is_ended { True } else { False };
    let in_progress = if is_ended { False } else { True };
    let stalled = match stalled {
        Some((reason, message)) => claim(ConditionType::Stalled, True, *reason, message),
        None if is_ended && !has_succeeded => claim(ConditionType::Stalled, True, outcome, message),
        None => claim(ConditionType::Stalled, False, outcome, "nothing stands in the way"),
    };
    let mut claims = vec![
        accepted,
        claim(ConditionType::InProgress, in_progress, outcome, message),
        going(ConditionType::Succeeded),
        claim(ConditionType::Complete, complete, outcome, message),
        going(ConditionType::Ready),
        stalled,
    ];
    match existing {
        Existing::Differs(message) => {
            let reason = if is_ended { Reason::ExecutionAlreadyExists } else { Reason::ExecutionInProgress };
            claims.push(claim(ConditionType::AlreadyExists, True, reason, message));
        }
        Existing::Matches { was_different: true } => {
            let message = "the spec is the one that was accepted";
            claims.push(claim(ConditionType::AlreadyExists, False, Reason::SpecMatches, message));
        }
        Existing::Matches { was_different: false } => {}
    }
    condition::merge(before, claims, generation, now)
}

fn condition_is(conditions: &[Condition], type_: ConditionType, status: ConditionStatus) -> bool {
    condition::find(conditions, type_).is_some_and(|condition| condition.status == status)
}

/// Whether a status says of this generation that it waits for others of its Flow.
#[must_use]
pub fn is_queued(status: &ExecutionStatus, generation: i64) -> bool {
    status.observed_generation == generation && says_queued(status)
}

fn says_queued(status: &ExecutionStatus) -> bool {
    going_because(status) == Some(Reason::Queued)
}

fn going_because(status: &ExecutionStatus) -> Option<Reason> {
    condition::find(&status.conditions, ConditionType::InProgress).map(|going| going.reason)
}

/// Whether it has the phase Running only because it was asked for again, and waits to go on.
#[must_use]
pub fn is_in_line(status: &ExecutionStatus) -> bool {
    let reason = going_because(status).map(Reason::as_str);
    status.phase == Phase::Running
        && (status.accepted.is_none() || waits_to_go_on(reason, status.active.is_empty()))
}

/// Whether a run that was accepted waits to be taken up, by the reason why it is in progress. One that was suspended
/// on its way is in some state, one that is still to be taken up in none.
#[must_use]
pub fn waits_to_go_on(reason: Option<&str>, is_in_no_state: bool) -> bool {
    reason == Some(Reason::Queued.as_str()) || (reason == Some(Reason::Suspended.as_str()) && is_in_no_state)
}

/// Why a task's work does not begin, as its driver says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// Tasks that cannot be begun before somebody mends something.
    pub blocked: BTreeMap<TaskId, String>,
    /// Tasks that take their time to begin.
    pub pending: BTreeMap<TaskId, String>,
}

/// What the Jobs of a run are named by.
#[derive(Clone, Copy, Debug)]
pub struct Jobs<'a> {
    /// Name of the Execution.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// What resources mean.
    pub bindings: &'a [Binding],
    /// The tasks that are out.
    pub tasks: &'a [TaskCommand],
}

impl Jobs<'_> {
    /// The name of the Job that a state's task is done by, if it is.
    fn job_of(&self, active: &ActiveState) -> Option<String> {
        if active.activity != Activity::Task {
            return None;
        }
        let id = active.task.as_ref()?;
        let task = self.tasks.iter().find(|task| task.id == *id)?;
        match binding::executor_of(task, self.bindings) {
            Executor::Job | Executor::JobTemplate(_) => {
                let owner = Owner { namespace: "", name: self.name, uid: self.uid };
                Some(job_name(&owner, id))
            }
            Executor::Http
            | Executor::HttpInvoke
            | Executor::Store(_)
            | Executor::Post(_)
            | Executor::Child
            | Executor::Unbound => None,
        }
    }

    /// The name of the Execution that a state's task has started, if it does.
    fn child_of(&self, active: &ActiveState) -> Option<String> {
        let id = active.task.as_ref()?;
        let task = self.tasks.iter().find(|task| task.id == *id)?;
        if binding::executor_of(task, self.bindings) != Executor::Child {
            return None;
        }
        let request = ChildRequest::of(task).ok()?;
        Some(request.object_name().unwrap_or_else(|| attempt_name(self.name, self.uid, id)))
    }

    /// Whether any of the tasks starts an Execution.
    #[must_use]
    pub fn have_children(&self) -> bool {
        self.tasks.iter().any(|task| binding::executor_of(task, self.bindings) == Executor::Child)
    }
}

/// Where a run stands.
#[must_use]
pub fn standing(program: &Program, run: &Run, obstacles: &Obstacles, jobs: &Jobs<'_>) -> Standing {
    if let Some(outcome) = run.outcome() {
        return ended(outcome);
    }
    let mut active = run.active(program);
    if let Status::Stopping { awaited, .. } = run.status() {
        active.retain(|active| active.task.as_ref().is_some_and(|task| awaited.contains_key(task)));
    }
    // What is not moving says more than what may be.
    let is_told = |active: &&ActiveState| pending(active, obstacles).is_some();
    let told = active.iter().find(is_told);
    let (mut reason, mut message) = match told.or(active.first()) {
        None => (Reason::Running, "states are being passed".to_owned()),
        Some(told) => going(told, obstacles, jobs),
    };
    if active.len() > 1 {
        message.push_str(&format!("; and {} more", active.len() - 1));
    }
    if let Status::Suspended(Suspension { since, held }) = run.status() {
        reason = Reason::Suspended;
        let held = match held.len() {
            0 => String::new(),
            1 => "; 1 task has ended meanwhile".to_owned(),
            count => format!("; {count} tasks have ended meanwhile"),
        };
        message = format!("suspended since {} (spec.suspend){held}: {message}", instant_text(*since));
    }
    if let Status::Stopping { awaited, .. } = run.status() {
        reason = Reason::Stopping;
        let tasks = if awaited.len() == 1 { "task" } else { "tasks" };
        message = format!("canceled; waiting for {} {tasks} to end: {message}", awaited.len());
    }
    let stalled = first_blocked(jobs.tasks, obstacles);
    let stalled = stalled.map(|(task, why)| (Reason::Forbidden, format!("task `{}`: {why}", task.path())));
    Standing { phase: Phase::Running, reason, message, stalled }
}

/// The first task that is out and cannot be begun. Of those that are over, nobody says that the way is
/// free.
fn first_blocked<'o>(tasks: &[TaskCommand], obstacles: &'o Obstacles) -> Option<(&'o TaskId, &'o String)> {
    obstacles.blocked.iter().find(|(id, _)| tasks.iter().any(|task| task.id == **id))
}

/// What keeps the task of a state from beginning.
fn pending<'o>(active: &ActiveState, obstacles: &'o Obstacles) -> Option<&'o String> {
    obstacles.pending.get(active.task.as_ref()?)
}

fn going(active: &ActiveState, obstacles: &Obstacles, jobs: &Jobs<'_>) -> (Reason, String) {
    let ActiveState { path, since, attempt, deadline, resource, .. } = active;
    let child = || jobs.child_of(active).map(|child| format!(", Execution `{child}`"));
    let job = jobs.job_of(active).map(|job| format!(", Job `{job}`")).or_else(child).unwrap_or_default();
    let resource = resource.as_deref().map_or_else(String::new, |resource| format!(" ({resource}{job})"));
    let since = instant_text(*since);
    let attempt_text = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    let given_up = deadline.map_or_else(
        || ", without a time-out of its own".to_owned(),
        |deadline| format!(", given up at {}", instant_text(deadline)),
    );
    let obstacle = pending(active, obstacles).map_or_else(String::new, |why| format!(": {why}"));
    match active.activity {
        Activity::Task => (
            Reason::WaitingForTask,
            format!("task `{path}`{resource} since {since}{attempt_text}{given_up}{obstacle}"),
        ),
        Activity::Callback => (
            Reason::WaitingForCallback,
            format!("{}{resource}, waiting since {since}{attempt_text}{given_up}", report_for(path)),
        ),
        Activity::Timer => {
            let until = deadline.map_or_else(String::new, |until| format!(" until {}", instant_text(until)));
            (Reason::WaitingForTimer, format!("`{path}` waits since {since}{until}"))
        }
        Activity::BackOff { until } => {
            let error = active
                .failure
                .as_ref()
                .map_or_else(String::new, |failure| format!(" after {}", failure_text(failure)));
            (
                Reason::RetryBackoff,
                format!("`{path}` is tried again at {}{attempt_text}{error}", instant_text(until)),
            )
        }
        Activity::Running => (Reason::Running, format!("`{path}` since {since}")),
    }
}

/// How what a run waits for begins where somebody has to report for a state.
#[must_use]
pub fn report_for(path: &str) -> String {
    format!("someone has to report for `{path}`")
}

/// How a run ended.
#[must_use]
pub fn ended(outcome: &Outcome) -> Standing {
    let (phase, reason, message) = match outcome {
        Outcome::Succeeded(_) => {
            (Phase::Succeeded, Reason::Succeeded, "the execution has succeeded".to_owned())
        }
        Outcome::Failed(failure) => (Phase::Failed, Reason::Failed, failure_text(failure)),
        Outcome::TimedOut => {
            (Phase::TimedOut, Reason::TimedOut, "the execution took longer than its time-out".to_owned())
        }
        Outcome::Stopped(stop) => {
            let (reason, word) = match stop.mode {
                StopMode::Cancel => (Reason::Canceled, "canceled"),
                StopMode::Terminate => (Reason::Terminated, "terminated"),
            };
            let why: Vec<&str> =
                [&stop.error, &stop.cause].into_iter().flatten().map(|text| &**text).collect();
            let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(": ")) };
            (Phase::Stopped, reason, format!("the execution was {word}{why}"))
        }
    };
    Standing { phase, reason, message, stalled: None }
}

/// How a run ended whose output is too large for the object.
#[must_use]
pub fn kept_apart(name: &str, output: &DataRef) -> String {
    let DataRef { bytes, .. } = output;
    format!(
        "the execution has succeeded; its output of {bytes} bytes is in ExecutionData: `millrace output {name}` prints it"
    )
}

fn failure_text(failure: &Failure) -> String {
    let name = failure.name.as_deref().unwrap_or("an error without a name");
    match failure.cause.as_deref() {
        Some(cause) if !cause.is_empty() => format!("{name}: {cause}"),
        Some(_) | None => name.to_owned(),
    }
}

/// An instant as conditions and people are told it, to the second.
#[must_use]
pub fn instant_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a run shows of itself in the status, cut to what the schema allows.
pub fn show_run(status: &mut ExecutionStatus, program: &Program, run: &Run, jobs: &Jobs<'_>) {
    let active = run.active(program);
    status.active = active.iter().take(ACTIVE_MAX).map(|active| entry(active, jobs)).collect();
    status.active_count = i32::try_from(active.len()).ok().filter(|count| *count > 0);
    let progress = run.progress();
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    status.progress = Some(ProgressCounts {
        transitions: count(progress.transitions),
        tasks_succeeded: count(progress.tasks_succeeded),
        tasks_failed: count(progress.tasks_failed),
        retries: count(progress.retries),
    });
    match run.outcome() {
        Some(Outcome::Succeeded(output)) => status.output = Some(Payload::from(output)),
        Some(Outcome::Failed(failure)) => {
            show_error(status, failure.name.as_deref(), failure.cause.as_deref())
        }
        Some(Outcome::Stopped(stop)) => show_error(status, stop.error.as_deref(), stop.cause.as_deref()),
        Some(Outcome::TimedOut) | None => {}
    }
}

/// Error and cause, cut to what the schema allows.
pub fn show_error(status: &mut ExecutionStatus, error: Option<&str>, cause: Option<&str>) {
    status.error = error.map(|error| cut(error.to_owned(), ERROR_CHARS_MAX));
    status.cause = cause.map(|cause| cut(cause.to_owned(), CAUSE_CHARS_MAX));
}

fn entry(active: &ActiveState, jobs: &Jobs<'_>) -> ActiveEntry {
    ActiveEntry {
        path: cut(active.path.to_string(), PATH_CHARS_MAX),
        type_: active.kind.to_owned(),
        since: active.since,
        attempt: i32::try_from(active.attempt).unwrap_or(i32::MAX),
        deadline: active.deadline,
        job: jobs.job_of(active),
        execution: jobs.child_of(active),
    }
}

/// A span for people: `312ms`, `3.2s`, `1m12s`, `2h5m`, `3d4h`.
#[must_use]
pub fn duration_text(from: Timestamp, to: Timestamp) -> String {
    let millis = to.as_millisecond().saturating_sub(from.as_millisecond()).max(0);
    let total = millis / 1_000;
    let (days, hours, minutes, seconds) = (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60);
    match (days, hours, minutes, total) {
        (0, 0, 0, 0) => format!("{millis}ms"),
        (0, 0, 0, 1..10) => format!("{}.{}s", total, millis % 1_000 / 100),
        (0, 0, 0, _) => format!("{seconds}s"),
        (0, 0, _, _) => format!("{minutes}m{seconds}s"),
        (0, ..) => format!("{hours}h{minutes}m"),
        (..) => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap();
        let cases = [
            (0, "0ms"),
            (312, "312ms"),
            (3_249, "3.2s"),
            (12_900, "12s"),
            (72_000, "1m12s"),
            (7_500_000, "2h5m"),
            (273_600_000, "3d4h"),
            (-5, "0ms"),
        ];
        for (millis, expected) in cases {
            assert_eq!(duration_text(at(0), at(millis)), expected);
        }
    }

    fn claims(standing: &Standing, existing: &Existing) -> Vec<(ConditionType, ConditionStatus, Reason)> {
        let admitted = Claim::new(ConditionType::Accepted, True, Reason::Admitted, "");
        let before = match standing.phase {
            Phase::Starting | Phase::Rejected => Vec::new(),
            _ => condition::merge(&[], vec![admitted], 1, Timestamp::UNIX_EPOCH),
        };
        let conditions = conditions(&before, standing, existing, 2, Timestamp::UNIX_EPOCH);
        assert!(conditions.iter().all(|condition| condition.observed_generation == 2));
        conditions
            .into_iter()
            .map(|condition| (condition.type_, condition.status, condition.reason))
            .collect()
    }

    #[test]
    fn conditions_follow_the_table() {
        use ConditionType::{Accepted, AlreadyExists, Complete, InProgress, Ready, Stalled, Succeeded};
        let standing = |phase, reason| Standing { phase, reason, message: String::new(), stalled: None };
        let matches = Existing::Matches { was_different: false };
        let row = |phase, reason, statuses: [ConditionStatus; 6], accepted: Reason, other: Reason| {
            let expected: Vec<_> = [Accepted, InProgress, Succeeded, Complete, Ready, Stalled]
                .into_iter()
                .zip(statuses)
                .map(|(type_, status)| (type_, status, if type_ == Accepted { accepted } else { other }))
                .collect();
            assert_eq!(claims(&standing(phase, reason), &matches), expected, "{phase:?}");
        };
        let waiting = Reason::FlowNotFound;
        row(Phase::Starting, waiting, [Unknown, True, Unknown, False, False, False], waiting, waiting);
        let going = Reason::WaitingForTask;
        row(Phase::Running, going, [True, True, Unknown, False, False, False], Reason::Admitted, going);
        let done = Reason::Succeeded;
        row(Phase::Succeeded, done, [True, False, True, True, True, False], Reason::Admitted, done);
        for (phase, reason) in [
            (Phase::Failed, Reason::Failed),
            (Phase::TimedOut, Reason::TimedOut),
            (Phase::Stopped, Reason::Canceled),
        ] {
            row(phase, reason, [True, False, False, True, False, True], Reason::Admitted, reason);
        }
        let refused = Reason::InputInvalid;
        row(Phase::Rejected, refused, [False, False, False, True, False, True], refused, Reason::Rejected);

        // What was stopped before it was admitted stays so, however often it is said.
        let stopped = standing(Phase::Stopped, Reason::Canceled);
        let mut said = Vec::new();
        for generation in 1..3 {
            said = conditions(&said, &stopped, &matches, generation, Timestamp::UNIX_EPOCH);
            assert!(condition_is(&said, Accepted, False));
        }

        let differs = Existing::Differs(String::new());
        let last =
            |phase, reason, existing: &Existing| *claims(&standing(phase, reason), existing).last().unwrap();
        assert_eq!(last(Phase::Running, going, &differs), (AlreadyExists, True, Reason::ExecutionInProgress));
        assert_eq!(
            last(Phase::Failed, Reason::Failed, &differs),
            (AlreadyExists, True, Reason::ExecutionAlreadyExists)
        );
        let back = Existing::Matches { was_different: true };
        assert_eq!(last(Phase::Succeeded, done, &back), (AlreadyExists, False, Reason::SpecMatches));
    }
}
