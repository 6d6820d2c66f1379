//! Flows: their definitions compiled, valid ones published as revisions.

pub mod decide;
mod schedule;
pub mod trigger;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tracing::{debug, warn};

use crate::api::flow_revision::revision_name;
use crate::api::{Execution, Flow, FlowRevision, FlowSpec, FlowStatus};
use crate::cluster::api_server::ApiError;
use crate::cluster::object::{Key, Stored};

use super::context::Context;
use super::notice::Notice;
use decide::{Decision, Observed, Published};
use trigger::ScheduleView;

/// Pause before a look that did not work is repeated.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// Flows that are being looked at, and whether to look again: one look at a time each.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Key, bool>>);

impl Turns {
    fn locked(&self) -> MutexGuard<'_, HashMap<Key, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is the caller's turn. If it is somebody's already, that one looks once more.
    fn take(&self, key: &Key) -> bool {
        match self.locked().entry(key.clone()) {
            Entry::Occupied(mut again) => {
                again.insert(true);
                false
            }
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// Ends a turn, unless somebody has asked for another look meanwhile.
    fn give_back(&self, key: &Key) -> bool {
        let mut turns = self.locked();
        let again = turns.get_mut(key).is_some_and(std::mem::take);
        if !again {
            turns.remove(key);
        }
        !again
    }
}

/// Looks at a Flow until its status speaks of its newest spec.
pub async fn look(context: &Context, turns: &Turns, key: Key) {
    if !turns.take(&key) {
        return;
    }
    let mut taken = 0;
    loop {
        match attend(context, &key, taken).await {
            Ok(Looked::Enough) if turns.give_back(&key) => return,
            Ok(Looked::Enough) => taken = 0,
            Ok(Looked::Again) => {}
            Ok(Looked::NumberTaken(number)) => taken = number,
            Err(error) => {
                warn!(flow = %key, %error, "a Flow cannot be looked at");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// What a look has come to.
enum Looked {
    /// The status speaks of the newest spec, as far as it ever will.
    Enough,
    /// Somebody has written meanwhile.
    Again,
    /// The number of the revision is somebody else's.
    NumberTaken(i64),
}

/// One look. Numbers up to `taken` are not free.
async fn attend(context: &Context, key: &Key, taken: i64) -> Result<Looked, ApiError> {
    let Some(flow) = context.api.get::<Flow>(key).await? else { return Ok(Looked::Enough) };
    let status: FlowStatus = flow.decode_status().unwrap_or_default();
    let spec: FlowSpec = match flow.decode_spec() {
        Ok(spec) => spec,
        Err(_) if flow.is_deleting() => return Ok(Looked::Enough),
        Err(why) => {
            leave_alone(context, key, flow.uid(), why);
            return Ok(Looked::Enough);
        }
    };
    let schedule = schedule::view(context, key, flow.uid(), &spec).await?;
    if flow.is_deleting() {
        return leave(context, key, &flow, (&spec, &status), &schedule).await;
    }
    if status.observed_generation == flow.generation()
        && is_published(context, key, &status).await?
        && !schedule::is_behind(key, &spec, &status, &schedule)
    {
        return Ok(Looked::Enough);
    }
    let observed = Observed {
        name: key.name.clone(),
        generation: flow.generation(),
        spec,
        status,
        published: published(context, key).await?,
        taken,
        schedule,
        now: jiff::Timestamp::now(),
    };
    let decision = tokio::task::block_in_place(|| decide::decide(&observed));
    if !context.leadership.is_valid() {
        return Err(ApiError::Unavailable("the lease has run out".to_owned()));
    }
    let (garbage, change) = (decision.garbage.clone(), decision.schedule.clone());
    let looked = commit(context, key, &flow, decision).await?;
    if matches!(looked, Looked::Enough) && !schedule::change(context, key, flow.uid(), change).await? {
        return Ok(Looked::Again);
    }
    if matches!(looked, Looked::Enough) {
        collect(context, key, &garbage).await?;
    }
    Ok(looked)
}

/// A look at a Flow that is being deleted and held back: its Schedule goes before it, so that nothing is started that
/// could never begin.
async fn leave(
    context: &Context,
    key: &Key,
    flow: &Stored<Flow>,
    (spec, status): (&FlowSpec, &FlowStatus),
    schedule: &ScheduleView,
) -> Result<Looked, ApiError> {
    if let ScheduleView::Own(own) = schedule
        && !schedule::change(context, key, flow.uid(), own.removal()).await?
    {
        return Ok(Looked::Again);
    }
    let said = decide::leaving(spec, status, flow.generation(), jiff::Timestamp::now());
    if said == *status {
        return Ok(Looked::Enough);
    }
    if !context.leadership.is_valid() {
        return Err(ApiError::Unavailable("the lease has run out".to_owned()));
    }
    write(context, key, flow, &said).await
}

/// Removes revisions that the Flow needs no longer, but for those that an Execution does: it runs one of them,
/// or may be taken up again.
async fn collect(context: &Context, key: &Key, garbage: &[i64]) -> Result<(), ApiError> {
    for number in garbage {
        let revision = Key::new(&key.namespace, revision_name(&key.name, *number));
        // Who asks for it by its number is admitted before or after.
        let _alone = context.removing_revisions.write().await;
        let name = &revision.name;
        let needed = format!("status.flowRevision={name},status.phase!=Succeeded,status.phase!=Rejected");
        if !context.api.has_any::<Execution>(&key.namespace, &needed).await? {
            context.api.delete::<FlowRevision>(&revision).await?;
            debug!(flow = %key, number, "a revision that nothing needs was removed");
        }
    }
    Ok(())
}

/// Whether the newest valid definition stands where the status says: revisions can be deleted.
async fn is_published(context: &Context, key: &Key, status: &FlowStatus) -> Result<bool, ApiError> {
    let Some(number) = status.latest_revision else { return Ok(true) };
    let revision = Key::new(&key.namespace, revision_name(&key.name, number));
    Ok(context.api.uid::<FlowRevision>(&revision).await?.is_some())
}

/// Makes the revision, if there is a new one, and then writes the status that names it. A revision
/// that no status names does no harm: the next look finds it by its digest.
async fn commit(
    context: &Context,
    key: &Key,
    flow: &Stored<Flow>,
    decision: Decision,
) -> Result<Looked, ApiError> {
    if let Some(revision) = decision.publish {
        match context.api.create(&key.namespace, &revision).await {
            Ok(()) => {}
            // An object that is not listed as a revision of this Flow: none that could be read.
            Err(ApiError::Conflict) => return Ok(Looked::NumberTaken(revision.spec.number)),
            Err(ApiError::Refused { status, message }) => {
                let why = format!("its revision is refused ({status}): {message}");
                leave_alone(context, key, flow.uid(), why);
                return Ok(Looked::Enough);
            }
            Err(error) => return Err(error),
        }
    }
    write(context, key, flow, &decision.status).await
}

async fn write(
    context: &Context,
    key: &Key,
    flow: &Stored<Flow>,
    status: &FlowStatus,
) -> Result<Looked, ApiError> {
    let text = serde_json::to_string(status).map_err(|error| ApiError::Unavailable(error.to_string()))?;
    match context.api.put_status::<Flow>(key, flow.uid(), flow.version(), &text).await {
        Ok(_) => {
            debug!(flow = %key, revision = status.latest_revision, "a Flow was looked at");
            Ok(Looked::Enough)
        }
        Err(ApiError::Conflict) => Ok(Looked::Again),
        Err(ApiError::NotFound) => Ok(Looked::Enough),
        Err(ApiError::Refused { status, message }) => {
            leave_alone(context, key, flow.uid(), format!("its status is refused ({status}): {message}"));
            Ok(Looked::Enough)
        }
        Err(error) => Err(error),
    }
}

/// Revisions that were made for Flows of this name.
async fn published(context: &Context, key: &Key) -> Result<Vec<Published>, ApiError> {
    #[derive(Deserialize)]
    struct NumberAndDigest {
        number: i64,
        digest: String,
    }
    let list: Vec<Stored<FlowRevision>> =
        context.api.list(&key.namespace, &format!("spec.flow={}", key.name)).await?;
    let revisions = list.iter().filter_map(|revision| {
        let NumberAndDigest { number, digest } = revision.decode_spec().ok()?;
        Some(Published { number, digest, created_at: revision.created_at() })
    });
    Ok(revisions.collect())
}

fn leave_alone(context: &Context, key: &Key, uid: &str, why: String) {
    warn!(flow = %key, why, "a Flow is left alone");
    context.notices.give(Notice {
        kind: "Flow",
        key: key.clone(),
        uid: uid.to_owned(),
        reason: "Unreadable",
        note: why,
        action: "Read",
        is_warning: true,
    });
}
