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
use crate::api::{Execution, ExecutionStatus};
use crate::cluster::api_server::ApiError;
use crate::cluster::object::{Key, Stored};
use crate::controller::context::Context;

/// Removals side by side. A removal takes the API server some milliseconds, so these are several hundred a second, and
/// an eighth of what looks may take of it.
const REMOVALS_MAX: usize = 8;

/// Pause before a removal that has failed is tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

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
}

impl Retention {
    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An Execution that has ended is to be removed at this time, as of a version of it; or it is not.
    pub fn expect(&self, key: &Key, uid: &str, version: u64, at: Option<Timestamp>) {
        let mut state = self.locked();
        if state.by_uid.get(uid).is_some_and(|known| known.version > version) {
            return;
        }
        state.forget(uid);
        let Some(at) = at else { return };
        let is_first = state.due.first().is_none_or(|(first, _)| at < *first);
        state.due.insert((at, uid.to_owned()));
        let expiring = Expiring { key: key.clone(), uid: uid.to_owned(), version, at };
        state.by_uid.insert(uid.to_owned(), expiring);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// An Execution goes on, or is gone.
    pub fn forget(&self, uid: &str) {
        self.locked().forget(uid);
    }

    /// A watch no longer shows an Execution as ended, as of a version: it is gone, unless it has ended anew.
    pub fn left(&self, object: &Stored<Execution>) {
        let mut state = self.locked();
        if state.by_uid.get(object.uid()).is_some_and(|known| known.version < object.version()) {
            state.forget(object.uid());
        }
    }

    /// A list shows an Execution that has ended, whole.
    pub fn listed(&self, object: &Stored<Execution>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Listed {
            expiration_time: Option<Timestamp>,
        }
        if object.status.is_none() || object.is_deleting() {
            return;
        }
        let at = object.decode_status().ok().and_then(|Listed { expiration_time }| expiration_time);
        self.expect(&object.key(), object.uid(), object.version(), at);
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

async fn remove(context: &Context, expiring: Expiring) {
    let Expiring { key, uid, version, .. } = &expiring;
    if !context.leadership.is_valid() {
        return;
    }
    match context.api.delete_version::<Execution>(key, uid, *version).await {
        Ok(()) => {
            context.metrics.executions_removed.inc();
            debug!(execution = %key, "an Execution whose time had come was removed");
        }
        // It is not as it was: whoever looks at it knows what is to become of it.
        Err(ApiError::Conflict) => context.executions.look_at(key),
        Err(error) => {
            warn!(execution = %key, %error, "an Execution whose time has come cannot be removed");
            let later = Timestamp::now().saturating_add(RETRY).ok();
            context.retention.expect(key, uid, *version, later);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    #[test]
    fn they_are_due_in_their_order_and_the_last_word_counts() {
        let retention = Retention::default();
        retention.expect(&key("a"), "a", 5, Some(at(20)));
        retention.expect(&key("b"), "b", 6, Some(at(10)));
        assert_eq!(retention.due(at(9)), Err(Some(at(10))));
        // Another time, an older word, none at all.
        retention.expect(&key("b"), "b", 7, Some(at(30)));
        retention.expect(&key("b"), "b", 6, None);
        retention.expect(&key("c"), "c", 1, Some(at(1)));
        retention.expect(&key("c"), "c", 2, None);
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
        retention.expect(&key("a"), "a", 5, Some(at(20)));
        retention.left(&object(4));
        assert_eq!(retention.due(at(0)), Err(Some(at(20))));
        retention.left(&object(6));
        assert_eq!(retention.due(at(0)), Err(None));
    }
}
