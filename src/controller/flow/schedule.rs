//! The Schedule of a Scheduled Flow, read and written.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use tracing::{debug, warn};

use super::leave_alone;
use super::trigger::{self, Own, ScheduleChange, ScheduleView, Subject};
use crate::api::condition::{self, ConditionStatus, ConditionType};
use crate::api::{API_VERSION, FlowSpec, FlowStatus, Schedule, ScheduleSpec};
use crate::cluster::api_server::ApiError;
use crate::cluster::object::Key;
use crate::controller::context::Context;

/// What stands under the name of a Flow's Schedule, where that matters.
pub(super) async fn view(
    context: &Context,
    key: &Key,
    uid: &str,
    spec: &FlowSpec,
) -> Result<ScheduleView, ApiError> {
    if !trigger::is_triggered(spec) && !context.schedules.is_known(key) {
        return Ok(ScheduleView::Absent);
    }
    let Some(schedule) = context.api.get::<Schedule>(key).await? else { return Ok(ScheduleView::Absent) };
    if schedule.controller().is_none_or(|owner| owner.uid != uid) {
        return Ok(ScheduleView::Foreign);
    }
    if schedule.is_deleting() {
        return Ok(ScheduleView::Leaving);
    }
    Ok(ScheduleView::Own(Box::new(Own {
        uid: schedule.uid().to_owned(),
        version: schedule.version(),
        generation: schedule.generation(),
        // What cannot be read is not what it should be.
        spec: schedule.decode_spec().unwrap_or_default(),
        status: schedule.decode_status().unwrap_or_default(),
    })))
}

/// Whether something is to be done for a Flow whose status speaks of its newest spec.
pub(super) fn is_behind(key: &Key, spec: &FlowSpec, status: &FlowStatus, schedule: &ScheduleView) -> bool {
    let ready = condition::find(&status.conditions, ConditionType::Ready);
    trigger::is_behind(&Subject {
        name: &key.name,
        generation: status.observed_generation,
        spec,
        before: status,
        schedule,
        is_valid: ready.is_some_and(|ready| ready.status == ConditionStatus::True),
        latest_revision: status.latest_revision,
        now: Timestamp::now(),
    })
}

/// Makes the Schedule what it should be. Whether nobody else has written meanwhile.
pub(super) async fn change(
    context: &Context,
    key: &Key,
    uid: &str,
    change: ScheduleChange,
) -> Result<bool, ApiError> {
    if !context.leadership.is_valid() {
        return Err(ApiError::Unavailable("the lease has run out".to_owned()));
    }
    let written = match change {
        ScheduleChange::Keep => return Ok(true),
        ScheduleChange::Create(spec) => {
            context.api.create(&key.namespace, &schedule(key, uid, *spec, None)).await
        }
        ScheduleChange::Replace(spec, version) => {
            context.api.replace(key, &schedule(key, uid, *spec, Some(version))).await
        }
        ScheduleChange::Delete(uid, version) => {
            context.api.delete_version::<Schedule>(key, &uid, version).await
        }
    };
    match written {
        Ok(()) => {
            debug!(flow = %key, "the Schedule of a Flow was changed");
            Ok(true)
        }
        Err(ApiError::Conflict | ApiError::NotFound) => Ok(false),
        Err(ApiError::Refused { status, message }) => {
            warn!(flow = %key, %status, message, "the Schedule of a Flow is refused");
            leave_alone(context, key, uid, format!("its Schedule is refused ({status}): {message}"));
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

fn schedule(key: &Key, uid: &str, spec: ScheduleSpec, version: Option<u64>) -> Schedule {
    let owner = OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "Flow".to_owned(),
        name: key.name.clone(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    };
    let mut schedule = Schedule::new(&key.name, spec);
    schedule.metadata = ObjectMeta {
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        owner_references: Some(vec![owner]),
        resource_version: version.map(|version| version.to_string()),
        ..ObjectMeta::default()
    };
    schedule
}
