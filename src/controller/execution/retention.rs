//! How long Executions stay that have ended: when each goes is written with its end, and then it is removed.
//!
//! Whoever keeps manifests applied makes an Execution again that was removed, and so runs it again. A default counts
//! therefore only where nobody has chosen the name; on others only what they say themselves.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::decide::Facts;
use super::redrive;
use super::seen::Seen;
use crate::api::execution::ParentRef;
use crate::api::{Execution, ExecutionStatus, LABEL_SCHEDULE, Phase, Schedule, ScheduleStatus};
use crate::cluster::api_server::ApiError;
use crate::cluster::backoff::Backoff;
use crate::cluster::object::{Key, Stored};
use crate::controller::context::Context;
use crate::controller::schedule::runs as scheduled;

/// Removals side by side. A removal takes the API server some milliseconds, so these are hundreds a second. It is in
/// no hurry: where the API server has more to do than it can, runs that begin come first.
const REMOVALS_MAX: usize = 2;

/// Pause before a removal that has failed is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// How long to wait for who has started an Execution and has not taken in yet how it ended. That takes
/// milliseconds, or as long as somebody keeps a parent from going on.
const TAKING_IN: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(60));

/// How long the timer sleeps at most: a clock that was set is noticed after it.
const TIMER_MAX: Duration = Duration::from_secs(10);

/// For how many seconds after their end Executions stay that do not say so themselves, and whose name nobody has
/// chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultTtl {
    /// As the revision says that they run.
    pub flow: Option<i64>,
    /// As the controller was told.
    pub controller: Option<i64>,
}

/// When an Execution that has ended is to be removed, if ever.
#[must_use]
pub fn expiration(
    facts: &Facts,
    status: &ExecutionStatus,
    default: DefaultTtl,
    now: Timestamp,
) -> Option<Timestamp> {
    // It is about to go on.
    if !status.phase.is_ended() || redrive::is_owed(facts, status) {
        return None;
    }
    // What was refused runs no revision.
    let of_flow = status.accepted.as_ref().and(default.flow);
    let default = of_flow.or(default.controller).filter(|_| facts.is_name_generated);
    let seconds = facts.ttl_seconds.or(default)?;
    let ended_at = status.completion_time.unwrap_or(now);
    ended_at.saturating_add(SignedDuration::from_secs(seconds)).ok()
}

/// Whether the default of its revision matters for an Execution.
#[must_use]
pub fn asks_revision(facts: &Facts) -> bool {
    facts.is_name_generated && facts.ttl_seconds.is_none()
}

/// Executions that have ended and are to be removed.
#[derive(Debug, Default)]
pub struct Retention {
    state: Mutex<State>,
    /// The first that is due may be another one now.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeSet<(Timestamp, String)>,
    by_uid: HashMap<String, Expiring>,
}

/// An Execution that is to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    key: Key,
    uid: String,
    /// The version of which that is known. Of any other it may not be true.
    version: u64,
    at: Timestamp,
    /// Who has to take in first how it ended.
    starter: Option<Starter>,
    backoff: Backoff,
}

/// What has started an Execution.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Starter {
    /// Another one.
    Parent(ParentRef),
    /// The Schedule of this name.
    Schedule(Box<str>),
}

impl Starter {
    fn of(parent: Option<ParentRef>, schedule: Option<&str>) -> Option<Self> {
        parent.map(Self::Parent).or_else(|| schedule.map(|schedule| Self::Schedule(schedule.into())))
    }
}

impl Retention {
    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An Execution that has ended is to be removed at a time, as of a version of it; or it is not.
    pub fn stands(&self, key: &Key, seen: &Seen, status: &ExecutionStatus) {
        let uid = &seen.facts.uid;
        match status.expiration_time {
            None => self.forget_until(uid, seen.version),
            Some(at) => {
                let Facts { parent, schedule, .. } = &seen.facts;
                let starter = Starter::of(parent.as_deref().cloned(), schedule.as_deref());
                let (key, uid, version) = (key.clone(), uid.clone(), seen.version);
                self.expect(Expiring { key, uid, version, at, starter, backoff: TAKING_IN });
            }
        }
    }

    fn expect(&self, expiring: Expiring) {
        let mut state = self.locked();
        if state.by_uid.get(&expiring.uid).is_some_and(|known| known.version > expiring.version) {
            return;
        }
        state.forget(&expiring.uid);
        let is_first = state.due.first().is_none_or(|(first, _)| expiring.at < *first);
        state.due.insert((expiring.at, expiring.uid.clone()));
        state.by_uid.insert(expiring.uid.clone(), expiring);
        if is_first {
            self.changed.notify_one();
        }
    }

    fn forget_until(&self, uid: &str, version: u64) {
        let mut state = self.locked();
        if state.by_uid.get(uid).is_some_and(|known| known.version <= version) {
            state.forget(uid);
        }
    }

    /// An Execution goes on, or is gone.
    pub fn forget(&self, uid: &str) {
        self.locked().forget(uid);
    }

    /// A watch no longer shows an Execution as ended, as of a version: it is gone, unless it has ended anew.
    pub fn left(&self, object: &Stored<Execution>) {
        self.forget_until(object.uid(), object.version().saturating_sub(1));
    }

    /// A list shows an Execution that has ended, whole.
    pub fn listed(&self, object: &Stored<Execution>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Listed {
            expiration_time: Option<Timestamp>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Child {
            parent_ref: Option<ParentRef>,
        }
        if object.status.is_none() || object.is_deleting() {
            return;
        }
        let at = object.decode_status().ok().and_then(|Listed { expiration_time }| expiration_time);
        let Some(at) = at else { return };
        let (key, uid, version) = (object.key(), object.uid().to_owned(), object.version());
        let parent = object.decode_spec().ok().and_then(|Child { parent_ref }| parent_ref);
        let starter = Starter::of(parent, object.label(LABEL_SCHEDULE));
        self.expect(Expiring { key, uid, version, at, starter, backoff: TAKING_IN });
    }

    /// The first one that is due; else when the next one is.
    fn due(&self, now: Timestamp) -> Result<Expiring, Option<Timestamp>> {
        let mut state = self.locked();
        let Some((at, uid)) = state.due.first().cloned() else { return Err(None) };
        if at > now {
            return Err(Some(at));
        }
        state.due.pop_first();
        state.by_uid.remove(&uid).ok_or(Some(now))
    }
}

impl State {
    fn forget(&mut self, uid: &str) {
        if let Some(known) = self.by_uid.remove(uid) {
            self.due.remove(&(known.at, known.uid));
        }
    }
}

/// Removes Executions whose time has come, for as long as the term lasts.
pub async fn remove_expired(context: Arc<Context>) {
    let places = Arc::new(Semaphore::new(REMOVALS_MAX));
    let mut removals = JoinSet::new();
    loop {
        let changed = context.retention.changed.notified();
        let now = Timestamp::now();
        match context.retention.due(now) {
            Ok(expiring) => {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                while removals.try_join_next().is_some() {}
                let context = context.clone();
                removals.spawn(async move {
                    remove(&context, expiring).await;
                    drop(place);
                });
            }
            Err(next) => {
                let left = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
                // A millisecond more: an instant is due when it has passed.
                let left = left.map_or(TIMER_MAX, |left| (left + Duration::from_millis(1)).min(TIMER_MAX));
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = changed => {}
                }
            }
        }
    }
}

async fn remove(context: &Context, mut expiring: Expiring) {
    if !context.leadership.is_valid() {
        return;
    }
    let later = |pause: Duration| Timestamp::now().saturating_add(pause).unwrap_or(Timestamp::MAX);
    match is_taken_in(context, &expiring).await {
        Ok(true) => {}
        Ok(false) => {
            let at = later(expiring.backoff.next_pause());
            return context.retention.expect(Expiring { at, ..expiring });
        }
        Err(error) => {
            warn!(execution = %expiring.key, %error, "what has started an Execution cannot be read");
            return context.retention.expect(Expiring { at: later(RETRY), ..expiring });
        }
    }
    let Expiring { key, uid, version, .. } = &expiring;
    match context.api.delete_version::<Execution>(key, uid, *version).await {
        Ok(()) => {
            context.metrics.executions_removed.inc();
            debug!(execution = %key, "an Execution whose time had come was removed");
        }
        // It is not as it was: whoever looks at it knows what is to become of it.
        Err(ApiError::Conflict) => context.executions.look_at(key),
        Err(error) => {
            warn!(execution = %key, %error, "an Execution whose time has come cannot be removed");
            context.retention.expect(Expiring { at: later(RETRY), ..expiring });
        }
    }
}

/// Whether nobody has to be told of the end of an Execution, or to take in how it ended, any more.
async fn is_taken_in(
    context: &Context,
    Expiring { key, uid, starter, .. }: &Expiring,
) -> Result<bool, ApiError> {
    if context.settling.is_at_work(uid) {
        return Ok(false);
    }
    match starter {
        None => Ok(true),
        Some(Starter::Parent(parent)) => is_taken_in_by_parent(context, key, parent).await,
        Some(Starter::Schedule(schedule)) => {
            let Some(run) = scheduled::run_of(schedule, &key.name) else { return Ok(true) };
            let schedule = context.api.get::<Schedule>(&Key::new(&key.namespace, &**schedule)).await?;
            let is_counted = schedule.is_none_or(|schedule| is_done_with(&schedule, &run));
            if !is_counted {
                context.schedules.ended(key);
            }
            Ok(is_counted)
        }
    }
}

async fn is_taken_in_by_parent(context: &Context, key: &Key, parent: &ParentRef) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct Stage {
        phase: Phase,
    }
    if let Some(is_waited_for) = context.driver.is_waited_for(key, &parent.uid) {
        return Ok(!is_waited_for);
    }
    // Nobody has looked at the parent in this term, or it is over.
    let at = Key::new(&key.namespace, &parent.name);
    let object = context.api.get::<Execution>(&at).await?.filter(|object| object.uid() == parent.uid);
    Ok(!object.is_some_and(|object| {
        object.decode_status().is_ok_and(|Stage { phase }| !phase.is_ended()) && !object.is_deleting()
    }))
}

/// Whether a Schedule has counted how a run has ended, and will not make it again.
fn is_done_with(schedule: &Stored<Schedule>, run: &scheduled::Run) -> bool {
    let status: ScheduleStatus = schedule.decode_status().unwrap_or_default();
    schedule.is_deleting() || scheduled::is_done_with(&status, schedule.created_at(), run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn expiring(uid: &str, version: u64, seconds: i64) -> Expiring {
        let (key, uid) = (Key::new("n", uid), uid.to_owned());
        Expiring { key, uid, version, at: at(seconds), starter: None, backoff: TAKING_IN }
    }

    #[test]
    fn they_are_due_in_their_order_and_the_last_word_counts() {
        let retention = Retention::default();
        retention.expect(expiring("a", 5, 20));
        retention.expect(expiring("b", 6, 10));
        assert_eq!(retention.due(at(9)), Err(Some(at(10))));
        // Another time, an older word, none at all.
        retention.expect(expiring("b", 7, 30));
        retention.forget_until("b", 6);
        retention.expect(expiring("b", 6, 1));
        retention.expect(expiring("c", 1, 1));
        retention.forget_until("c", 2);
        assert_eq!(retention.due(at(20)).map(|due| (due.uid, due.version)), Ok(("a".to_owned(), 5)));
        assert_eq!(retention.due(at(20)), Err(Some(at(30))));
        retention.forget("b");
        assert_eq!(retention.due(at(99)), Err(None));
    }

    #[test]
    fn what_left_before_it_ended_anew_is_still_to_be_removed() {
        let object = |version: u64| -> Stored<Execution> {
            let text = format!(r#"{{"metadata": {{"uid": "a", "resourceVersion": "{version}"}}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let retention = Retention::default();
        retention.expect(expiring("a", 5, 20));
        retention.left(&object(4));
        assert_eq!(retention.due(at(0)), Err(Some(at(20))));
        retention.left(&object(6));
        assert_eq!(retention.due(at(0)), Err(None));
    }
}
