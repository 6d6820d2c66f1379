//! A look at an Execution, and what its end means: to what is known of it, and to others of its Flow.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedSemaphorePermit};

use super::super::answer::Heard;
use super::super::queue::Queues;
use super::super::seen::Seen;
use super::super::status::Obstacles;
use super::{Registry, State, Turn};
use crate::api::Phase;
use crate::cluster::object::Key;

/// Pause after a look has failed, doubled up to the other.
pub(super) const RETRY_MIN: Duration = Duration::from_millis(100);
pub(super) const RETRY_MAX: Duration = Duration::from_secs(30);

/// Longest pause before a run that stands still is tried again. Whatever it stands still for, an endless
/// expression say, is likely to be there still, and to take its time.
const FAULT_RETRY_MAX: Duration = Duration::from_secs(600);

/// A look at an Execution.
#[derive(Debug)]
pub struct Look {
    /// The Execution as it was last seen; nothing where it must be read.
    pub seen: Option<Seen>,
    /// Uid of the object that all this is about, as far as it is known.
    pub uid: Option<String>,
    /// Uids of others that had its name, of which something may be left over.
    pub strays: BTreeSet<String>,
    /// News of its tasks.
    pub reports: Vec<Heard>,
    /// Tasks that do not begin.
    pub obstacles: Obstacles,
    /// The place that it takes among looks at large runs.
    pub place: Option<OwnedSemaphorePermit>,
    /// What it reaches for and nobody else may meanwhile.
    pub reservations: Vec<OwnedMutexGuard<()>>,
    /// Keeps revisions from being removed, where it asks for one that could be.
    pub revision_kept: Option<OwnedRwLockReadGuard<()>>,
}

/// How a look ended.
#[derive(Debug)]
pub enum Ended {
    /// It stands like this, and is looked at again at this time.
    Settled(Box<Seen>, Option<Timestamp>),
    /// Its run has ended, as of this version.
    Over(u64),
    /// It stands still for a reason that may pass: it is looked at again, ever more rarely.
    Faulted(Box<Seen>, Vec<Heard>),
    /// It is gone, or cannot be read.
    Forgotten,
    /// It must be looked at again, from the API server's own copy.
    Again {
        /// News that was not taken in.
        reports: Vec<Heard>,
        /// Whether to hurry: somebody else has written, and nothing is wrong.
        is_conflict: bool,
    },
}

impl Registry {
    /// Ends a look.
    pub fn end(&self, key: &Key, ended: Ended) {
        let mut state = self.locked();
        let state = &mut *state;
        settle(&mut state.queues, key, &ended);
        self.end_turn(state, key, ended);
        self.call(state);
    }

    fn end_turn(&self, state: &mut State, key: &Key, ended: Ended) {
        let Some(entry) = state.entries.get_mut(key) else { return };
        let again = entry.turn == Turn::Looking { again: true };
        // What a look has left is for the next.
        let is_asked = again || !entry.reports.is_empty();
        entry.turn = Turn::Idle;
        let newer = entry.newer.take();
        let ended_at = entry.ended_at.take();
        let is_waiting = matches!(&ended, Ended::Settled(seen, _) if seen.spec.is_some() || seen.is_in_line);
        if !is_waiting && let Some(flow) = entry.flow.take() {
            waits_no_more(&mut state.waiting, &flow, key);
        }
        match ended {
            Ended::Over(version) => {
                if entry.is_watched {
                    state.over.insert(key.clone(), version);
                }
                let newer = newer.filter(|newer| newer.version > version);
                self.forget_or_look(state, key, newer, is_asked || ended_at > Some(version));
            }
            Ended::Forgotten => self.forget_or_look(state, key, newer, is_asked || ended_at.is_some()),
            Ended::Settled(seen, wake) => {
                entry.failures = 0;
                entry.must_read = false;
                if entry.uid.as_ref() != Some(&seen.facts.uid) {
                    entry.uid = Some(seen.facts.uid.clone());
                    entry.obstacles = Obstacles::default();
                }
                // The watch is going to show it, also where it shows an earlier end of it first.
                entry.is_watched |= !seen.phase.is_ended();
                let ended_at = ended_at.filter(|version| *version > seen.version);
                let newer = newer.filter(|newer| newer.version > seen.version);
                let is_changed = newer.is_some() || ended_at.is_some();
                entry.seen = ended_at.is_none().then(|| newer.unwrap_or(*seen));
                if is_changed || is_asked {
                    self.queue(key, entry);
                }
                self.set_wake(state, key, wake);
            }
            Ended::Faulted(seen, mut reports) => {
                // Nobody reports them a second time.
                reports.append(&mut entry.reports);
                entry.reports = reports;
                entry.must_read = false;
                entry.failures = entry.failures.saturating_add(1);
                let newer = newer.filter(|newer| newer.version > seen.version);
                let is_changed = newer.is_some() || ended_at.is_some();
                entry.seen = ended_at.is_none().then(|| newer.unwrap_or(*seen));
                if is_changed || again {
                    self.queue(key, entry);
                }
                let wake = after(Timestamp::now(), delay(entry.failures, FAULT_RETRY_MAX));
                self.set_wake(state, key, Some(wake));
            }
            Ended::Again { mut reports, is_conflict } => {
                reports.append(&mut entry.reports);
                entry.reports = reports;
                entry.seen = None;
                entry.must_read = true;
                entry.failures = if is_conflict { 0 } else { entry.failures.saturating_add(1) };
                if is_conflict {
                    self.queue(key, entry);
                    return;
                }
                let wake = after(Timestamp::now(), delay(entry.failures, RETRY_MAX));
                self.set_wake(state, key, Some(wake));
            }
        }
    }

    /// The end of what is known of an Execution, unless something has happened meanwhile.
    fn forget_or_look(&self, state: &mut State, key: &Key, newer: Option<Seen>, again: bool) {
        if newer.is_none() && !again {
            return self.forget(state, key);
        }
        let Some(entry) = state.entries.get_mut(key) else { return };
        entry.uid = newer.as_ref().map(|newer| newer.facts.uid.clone());
        entry.obstacles = Obstacles::default();
        entry.must_read = false;
        if let Some(newer) = &newer {
            state.queues.note(key, &newer.shown());
        }
        entry.seen = newer;
        self.queue(key, entry);
    }
}

/// What the end of a look means to others of the Flow.
fn settle(queues: &mut Queues, key: &Key, ended: &Ended) {
    match ended {
        Ended::Settled(seen, _) => queues.settle(key, &seen.shown()),
        Ended::Faulted(seen, _) if seen.phase == Phase::Running => queues.settle(key, &seen.shown()),
        Ended::Faulted(..) | Ended::Over(_) | Ended::Forgotten => queues.forget(key),
        Ended::Again { is_conflict: false, .. } => queues.falter(key),
        // It is looked at again at once.
        Ended::Again { is_conflict: true, .. } => {}
    }
}

fn waits_no_more(waiting: &mut BTreeMap<Key, HashSet<Key>>, flow: &Key, key: &Key) {
    let Some(of_flow) = waiting.get_mut(flow) else { return };
    of_flow.remove(key);
    if of_flow.is_empty() {
        waiting.remove(flow);
    }
}

pub(super) fn delay(failures: u32, max: Duration) -> Duration {
    RETRY_MIN.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(max)
}

fn after(now: Timestamp, delay: Duration) -> Timestamp {
    SignedDuration::try_from(delay).ok().and_then(|delay| now.checked_add(delay).ok()).unwrap_or(now)
}
