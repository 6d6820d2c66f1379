//! Who tends which Schedule, and when it is looked at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use kube::Api;
use kube::runtime::watcher;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tracing::warn;

use super::{Looked, attend};
use crate::api::Schedule;
use crate::cluster::backoff::Backoff;
use crate::cluster::object::{Key, Stored};
use crate::cluster::watch::{Change, Listing, watch};
use crate::controller::context::Context;
use crate::controller::flow;

/// Schedules that are looked at side by side: many have the same times, and everybody else wants to be served too.
const LOOKS_MAX: usize = 16;

/// Changes of the watch that wait to be taken in.
const CHANGES_MAX: usize = 1_024;

/// Pause before a look that did not work is repeated.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// How long a worker sleeps at most: a clock that was set is noticed after it.
const TIMER_MAX: Duration = Duration::from_secs(10);

/// Schedules that there are.
#[derive(Debug)]
pub struct Schedules {
    known: Mutex<HashMap<Key, Arc<Signal>>>,
    places: Semaphore,
}

/// How a worker is told to look.
#[derive(Debug, Default)]
struct Signal {
    look: Notify,
    /// The latest version that is known: ours, or one that was looked at.
    version: AtomicU64,
}

impl Default for Schedules {
    fn default() -> Self {
        Self { known: Mutex::default(), places: Semaphore::new(LOOKS_MAX) }
    }
}

impl Schedules {
    fn locked(&self) -> MutexGuard<'_, HashMap<Key, Arc<Signal>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn is_known(&self, key: &Key) -> bool {
        self.locked().contains_key(key)
    }

    /// An Execution has ended; it may be one of theirs.
    pub fn ended(&self, execution: &Key) {
        let Some((schedule, _)) = super::runs::parts_of(&execution.name) else { return };
        self.notify(&Key::new(&execution.namespace, schedule));
    }

    /// We wrote this version of a status: it needs no look.
    pub fn wrote(&self, key: &Key, version: u64) {
        if let Some(signal) = self.locked().get(key) {
            signal.version.fetch_max(version, Ordering::AcqRel);
        }
    }

    fn notify(&self, key: &Key) {
        if let Some(signal) = self.locked().get(key) {
            signal.look.notify_one();
        }
    }

    /// The watch shows a Schedule. Gives the signal for a worker where it has none yet.
    fn seen(&self, key: &Key, version: u64) -> Option<Arc<Signal>> {
        let mut known = self.locked();
        if let Some(signal) = known.get(key) {
            if signal.version.fetch_max(version, Ordering::AcqRel) < version {
                signal.look.notify_one();
            }
            return None;
        }
        let signal = Arc::new(Signal { look: Notify::new(), version: AtomicU64::new(version) });
        known.insert(key.clone(), signal.clone());
        Some(signal)
    }

    /// A worker has found no Schedule. Whether it may go: not where one was seen since.
    fn retire(&self, key: &Key, signal: &Signal) -> bool {
        let mut known = self.locked();
        let is_asked = signal.look.notified().now_or_never().is_some();
        if !is_asked {
            known.remove(key);
        }
        !is_asked
    }
}

/// Watches the Schedules of a namespace, or of all, and tends them.
pub fn tend_all(
    tasks: &mut JoinSet<()>,
    api: Api<Stored<Schedule>>,
    scope: Option<String>,
    context: &Arc<Context>,
    flows: &Arc<flow::Turns>,
) {
    let (changes, changes_out) = channel(CHANGES_MAX);
    tasks.spawn(watch(api, watcher::Config::default(), "Schedules", changes));
    tasks.spawn(follow(context.clone(), flows.clone(), Listing::of(scope), changes_out));
}

/// Takes in what a watch of Schedules shows, and tends them until it is dropped.
async fn follow(
    context: Arc<Context>,
    flows: Arc<flow::Turns>,
    mut listing: Listing,
    mut changes: Receiver<Change<Stored<Schedule>>>,
) {
    let mut workers = JoinSet::new();
    while let Some(change) = changes.recv().await {
        while workers.try_join_next().is_some() {}
        let key = match change {
            Change::Listing => {
                listing.begin();
                continue;
            }
            Change::Listed => {
                let listed = listing.end();
                let lost: Vec<Key> =
                    context.schedules.locked().keys().filter(|key| listed.lacks(key)).cloned().collect();
                lost.iter().for_each(|key| context.schedules.notify(key));
                continue;
            }
            Change::Seen(schedule) => {
                let key = schedule.key();
                listing.note(&key);
                if let Some(signal) = context.schedules.seen(&key, schedule.version()) {
                    workers.spawn(tend(context.clone(), key.clone(), signal));
                }
                // Its Flow wants to know how it stands.
                if schedule.controller().is_none_or(|owner| owner.kind != "Flow") {
                    continue;
                }
                key
            }
            Change::Gone(schedule) => {
                let key = schedule.key();
                context.schedules.notify(&key);
                key
            }
        };
        // A Flow of its name makes it again, or may have waited for the name.
        let (context, flows) = (context.clone(), flows.clone());
        workers.spawn(async move { flow::look(&context, &flows, key).await });
    }
}

/// Tends a Schedule as long as there is one.
async fn tend(context: Arc<Context>, key: Key, signal: Arc<Signal>) {
    let mut backoff = RETRY;
    loop {
        let looked = {
            // Closed it is never.
            let _place = context.schedules.places.acquire().await;
            attend(&context, &key).await
        };
        let wake = match looked {
            Ok(Looked::Enough(wake)) => {
                backoff.reset();
                wake
            }
            Ok(Looked::Again) => continue,
            Ok(Looked::Gone) if context.schedules.retire(&key, &signal) => return,
            Ok(Looked::Gone) => continue,
            Err(error) => {
                warn!(schedule = %key, %error, "a Schedule cannot be looked at");
                backoff.pause().await;
                continue;
            }
        };
        wait(&signal, wake).await;
    }
}

/// Until a time has come, or something has happened.
async fn wait(signal: &Signal, wake: Option<Timestamp>) {
    loop {
        let left = wake.map(|wake| Duration::try_from(wake.duration_since(Timestamp::now())));
        let left = match left {
            Some(Err(_)) => return,
            // A millisecond more: an instant is due when it has passed.
            Some(Ok(left)) => (left + Duration::from_millis(1)).min(TIMER_MAX),
            None => TIMER_MAX,
        };
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = signal.look.notified() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_known_asks_for_no_look_and_who_is_asked_does_not_go() {
        let schedules = Schedules::default();
        let key = Key::new("n", "s");
        let signal = schedules.seen(&key, 5).unwrap();
        let is_asked = || signal.look.notified().now_or_never().is_some();
        assert!(schedules.seen(&key, 5).is_none() && !is_asked());
        schedules.wrote(&key, 7);
        assert!(schedules.seen(&key, 7).is_none() && !is_asked());
        assert!(schedules.seen(&key, 8).is_none() && is_asked());
        schedules.ended(&Key::new("n", "s-x"));
        schedules.ended(&Key::new("m", "s-12"));
        assert!(!is_asked());
        schedules.ended(&Key::new("n", "s-12"));
        assert!(!schedules.retire(&key, &signal) && schedules.is_known(&key));
        assert!(schedules.retire(&key, &signal) && !schedules.is_known(&key));
    }
}
