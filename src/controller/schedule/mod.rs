//! Schedules: Executions started on time, counted when they end, removed when there are enough of them.
//!
//! Each Schedule is tended by one worker, which looks when it changes, when its next time has come, and when one
//! of its runs has ended. A look reads everything it depends on anew, so that a controller that begins, or one that
//! was told nothing, does the same as one that has led for long. Runs are made before the status that says so:
//! their names are those of their times, so that whoever repeats it makes none twice.

pub mod decide;
pub mod recurrence;
pub mod runs;
mod workers;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;
use tracing::{debug, warn};

use crate::api::schedule::LastExecution;
use crate::api::{
    API_VERSION, Execution, ExecutionStatus, LABEL_SCHEDULE, Phase, Reason, Schedule, ScheduleSpec,
    ScheduleStatus,
};
use crate::cluster::api_server::ApiError;
use crate::cluster::object::{Key, Stored};

use super::context::Context;
use super::notice::Notice;
use decide::{Decision, Observed};
use runs::{Run, Runs, execution_for, name_of, run_of};
pub use workers::{Schedules, tend_all};

/// What a look has come to.
enum Looked {
    /// Nothing is to be done before this time.
    Enough(Option<Timestamp>),
    /// Somebody has written meanwhile.
    Again,
    /// There is no such Schedule any more.
    Gone,
}

/// One look.
async fn attend(context: &Context, key: &Key) -> Result<Looked, ApiError> {
    let Some(schedule) = context.api.get::<Schedule>(key).await? else { return Ok(Looked::Gone) };
    if schedule.is_deleting() {
        return Ok(Looked::Enough(None));
    }
    let spec: ScheduleSpec = match schedule.decode_spec() {
        Ok(spec) => spec,
        Err(why) => {
            warn!(schedule = %key, why, "a Schedule is left alone");
            tell(context, key, schedule.uid(), "Unreadable", why);
            return Ok(Looked::Enough(None));
        }
    };
    let observed = observe(context, key, &schedule, spec).await?;
    let decision = decide::decide(&observed);
    commit(context, key, &schedule, &observed, decision).await
}

async fn observe(
    context: &Context,
    key: &Key,
    schedule: &Stored<Schedule>,
    spec: ScheduleSpec,
) -> Result<Observed, ApiError> {
    let status: ScheduleStatus = schedule.decode_status().unwrap_or_default();
    // First, so that one that ends meanwhile is seen as one or the other.
    let mut active = list(context, key, |phase| !phase.is_ended()).await?;
    let (succeeded, failed, stopped) = tokio::try_join!(
        list(context, key, |phase| phase == Phase::Succeeded),
        list(context, key, |phase| matches!(phase, Phase::Failed | Phase::TimedOut | Phase::Rejected)),
        list(context, key, |phase| phase == Phase::Stopped),
    )?;
    let over = Runs { active: Vec::new(), succeeded, failed, stopped };
    active.retain(|run| !over.are_there_for(run.time));
    let runs = Runs { active, ..over };
    let known = status.last_execution.clone();
    let last = match runs.last_ended() {
        Some(run) if known.as_ref().is_none_or(|known| known.name != run.name) => {
            ended(context, &Key::new(&key.namespace, &run.name)).await?.or(known)
        }
        _ => known,
    };
    Ok(Observed {
        name: key.name.clone(),
        generation: schedule.generation(),
        created_at: schedule.created_at(),
        spec,
        status,
        runs,
        last,
        now: Timestamp::now(),
    })
}

/// Runs of a Schedule in some phases. Only metadata: a run can hold a megabyte.
async fn list(context: &Context, key: &Key, is_meant: impl Fn(Phase) -> bool) -> Result<Vec<Run>, ApiError> {
    let labels = format!("{LABEL_SCHEDULE}={}", key.name);
    let fields = Phase::selector(is_meant);
    let found = context.api.list_metadata::<Execution>(Some(&key.namespace), &labels, &fields).await?;
    Ok(found.into_iter().filter_map(|found| run_of(&key.name, &found.name?)).collect())
}

/// How a run has ended.
async fn ended(context: &Context, key: &Key) -> Result<Option<LastExecution>, ApiError> {
    let execution = context.api.get::<Execution>(key).await?;
    let status = execution.and_then(|execution| execution.decode_status::<ExecutionStatus>().ok());
    Ok(status.filter(|status| status.phase.is_ended()).map(|status| LastExecution {
        name: key.name.clone(),
        outcome: status.phase.as_str().to_owned(),
        time: status.completion_time,
    }))
}

/// Does what was decided. Each step can be repeated: a run that was made is there, a status that was not written is
/// computed again, and what is removed was counted in the status before.
async fn commit(
    context: &Context,
    key: &Key,
    schedule: &Stored<Schedule>,
    observed: &Observed,
    mut decision: Decision,
) -> Result<Looked, ApiError> {
    for name in &decision.stops {
        stop(context, &Key::new(&key.namespace, name), key).await?;
    }
    let mut taken = Vec::new();
    for (started, time) in decision.starts.iter().enumerate() {
        match start(context, key, schedule, &observed.spec, *time).await {
            Ok(true) => {}
            Ok(false) => taken.push(*time),
            Err(ApiError::Forbidden(message)) => {
                let message = format!("No run can be started: {message}");
                decision = decide::refused(observed, decision, started, Reason::Forbidden, &message);
                break;
            }
            Err(ApiError::Refused { status, message }) => {
                let message = format!("The API server refuses the run ({status}): {message}");
                decision = decide::refused(observed, decision, started, Reason::Rejected, &message);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let decision = decide::left_out(observed, decision, &taken);
    if decision.status != observed.status {
        let text = serde_json::to_string(&decision.status)
            .map_err(|error| ApiError::Unavailable(error.to_string()))?;
        may_act(context)?;
        match context.api.put_status::<Schedule>(key, schedule.uid(), schedule.version(), &text).await {
            Ok(version) => context.schedules.wrote(key, version),
            Err(ApiError::Conflict) => return Ok(Looked::Again),
            Err(ApiError::NotFound) => return Ok(Looked::Gone),
            Err(error) => return Err(error),
        }
        debug!(schedule = %key, starts = decision.starts.len(), "a Schedule was looked at");
        for (reason, note) in decision.warnings {
            tell(context, key, schedule.uid(), reason, note);
        }
    }
    for name in &decision.removals {
        may_act(context)?;
        context.api.delete::<Execution>(&Key::new(&key.namespace, name)).await?;
    }
    Ok(Looked::Enough(decision.wake))
}

fn may_act(context: &Context) -> Result<(), ApiError> {
    match context.leadership.is_valid() {
        true => Ok(()),
        false => Err(ApiError::Unavailable("the lease has run out".to_owned())),
    }
}

/// Makes the run for a time, unless it is there already. Whether there is one: somebody else's Execution can have
/// its name.
async fn start(
    context: &Context,
    key: &Key,
    schedule: &Stored<Schedule>,
    spec: &ScheduleSpec,
    time: Timestamp,
) -> Result<bool, ApiError> {
    may_act(context)?;
    // What a Flow's own schedule has started is the Flow's, and outlives it as all its runs do.
    let is_of_flow = schedule.controller().is_some_and(|owner| owner.kind == "Flow");
    let owner = (!is_of_flow).then(|| owner_of(schedule));
    let execution = execution_for(&key.name, spec, owner, time);
    match context.api.create(&key.namespace, &execution).await {
        Ok(()) => {
            debug!(schedule = %key, execution = name_of(&key.name, time), "an Execution was started on time");
            Ok(true)
        }
        Err(ApiError::Conflict) => {
            let other =
                context.api.get::<Execution>(&Key::new(&key.namespace, name_of(&key.name, time))).await?;
            // Gone by now, or something else was in conflict: it is tried again.
            let other = other.ok_or(ApiError::Conflict)?;
            let is_own = match is_of_flow {
                true => other.label(LABEL_SCHEDULE) == Some(&*key.name),
                false => other.controller().is_some_and(|owner| owner.uid == schedule.uid()),
            };
            Ok(is_own)
        }
        Err(error) => Err(error),
    }
}

fn owner_of(schedule: &Stored<Schedule>) -> OwnerReference {
    OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "Schedule".to_owned(),
        name: schedule.key().name,
        uid: schedule.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

/// Terminates a run that another one replaces.
async fn stop(context: &Context, execution: &Key, schedule: &Key) -> Result<(), ApiError> {
    may_act(context)?;
    let cause = format!("replaced by the next run of Schedule {}", schedule.name);
    let patch = json!({"spec": {"stop": {"mode": "Terminate", "cause": cause}}});
    match context.api.merge::<Execution>(execution, &patch).await {
        Ok(_) | Err(ApiError::NotFound) => Ok(()),
        // It cannot be stopped any more than it is; the next one begins all the same.
        Err(ApiError::Refused { message, .. }) => {
            warn!(execution = %execution, message, "a run that is replaced cannot be stopped");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn tell(context: &Context, key: &Key, uid: &str, reason: &'static str, note: String) {
    context.notices.give(Notice {
        kind: "Schedule",
        key: key.clone(),
        uid: uid.to_owned(),
        reason,
        note,
        action: "Schedule",
        is_warning: true,
    });
}
