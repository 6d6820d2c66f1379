//! What the controller remembers of Executions that have not ended, and whose turn it is.
//!
//! One owner, one look at a time per Execution: while one is being looked at, what happens to it is
//! noted and looked at next. Nothing in here does IO or decides anything.

mod turn;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::answer::{self, Heard};
use super::queue::{Doing, Limits, Queues, Rank, Slot};
use super::seen::{Seen, owes_nothing};
use super::status::Obstacles;
use crate::api::{Execution, Flow};
use crate::cluster::object::{Key, Stored};
use crate::cluster::watch::Listed;
use crate::driver::{News, What};
pub use turn::{Ended, Look};

/// Versions of our own that are remembered: the watches show them within a second or so.
const WRITTEN_MAX: usize = 8_192;

#[derive(Debug, Default)]
struct Entry {
    seen: Option<Seen>,
    uid: Option<String>,
    strays: BTreeSet<String>,
    reports: Vec<Heard>,
    obstacles: Obstacles,
    turn: Turn,
    wake: Option<Timestamp>,
    failures: u32,
    /// What the watch has shown while it was being looked at.
    newer: Option<Seen>,
    /// Whether the watch of those that have not ended has shown it and not yet its end.
    is_watched: bool,
    /// Version by which a watch has shown its end while it was being looked at.
    ended_at: Option<u64>,
    /// A write of ours may stand that is not known of: what the watch shows may be older.
    must_read: bool,
    /// The Flow that it waits for.
    flow: Option<Key>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Idle,
    Queued,
    Looking {
        again: bool,
    },
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    wakes: BTreeSet<(Timestamp, Key)>,
    /// Executions that wait for a Flow.
    waiting: BTreeMap<Key, HashSet<Key>>,
    /// Versions that we wrote last.
    written: BTreeSet<u64>,
    /// Executions that are over as of a version, until the watch shows that too: what it shows of them
    /// before is older, and would be acted on as if it were going on.
    over: HashMap<Key, u64>,
    /// Who runs and who waits of each Flow.
    queues: Queues,
}

/// Executions that have not ended.
#[derive(Debug)]
pub struct Registry {
    state: Mutex<State>,
    turns: UnboundedSender<Key>,
    /// Those for whom a slot is free: they are looked at before others.
    first_turns: UnboundedSender<Key>,
    /// The next wake has changed.
    pub rewound: Notify,
}

impl Registry {
    /// A registry that says whose turn it is, and who comes before others.
    #[must_use]
    pub fn new(turns: UnboundedSender<Key>, first_turns: UnboundedSender<Key>) -> Self {
        Self { state: Mutex::default(), turns, first_turns, rewound: Notify::new() }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an object is known to go on.
    #[must_use]
    pub fn goes_on(&self, key: &Key, uid: &str) -> bool {
        let state = self.locked();
        let seen = state.entries.get(key).and_then(|entry| entry.seen.as_ref());
        seen.is_some_and(|seen| seen.facts.uid == uid && !seen.phase.is_ended() && !seen.is_deleting)
    }

    /// Executions that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locked().entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any of them is being looked at, or is to be.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        self.locked().entries.values().any(|entry| entry.turn != Turn::Idle)
    }

    /// The watch shows an Execution that has not ended.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn seen(&self, object: &Stored<Execution>) -> Result<(), String> {
        let key = object.key();
        let mut state = self.locked();
        let state = &mut *state;
        match state.over.get(&key) {
            Some(over) if object.version() <= *over => return Ok(()),
            Some(_) => drop(state.over.remove(&key)),
            None => {}
        }
        let entry = state.entries.entry(key.clone()).or_default();
        entry.is_watched = true;
        let known = entry.newer.as_ref().or(entry.seen.as_ref());
        // Older than what is known, or the echo of our own last write.
        if known.is_some_and(|known| known.version >= object.version()) {
            return Ok(());
        }
        let seen = match Seen::read(object, known) {
            Ok(seen) => seen,
            // A look that is going on finds that out itself.
            Err(why) if matches!(entry.turn, Turn::Looking { .. }) => return Err(why),
            Err(why) => {
                self.forget(state, &key);
                return Err(why);
            }
        };
        match entry.turn {
            Turn::Looking { .. } => {
                // What runs is counted as soon as it is seen.
                if seen.shown().doing == Doing::Running {
                    state.queues.note(&key, &seen.shown());
                }
                entry.newer = Some(seen);
            }
            Turn::Idle | Turn::Queued => {
                // Another object of the same name: the look begins with the end of the old one.
                let is_same = entry.uid.as_ref().is_none_or(|uid| *uid == seen.facts.uid);
                state.queues.note(&key, &seen.shown());
                entry.uid.get_or_insert_with(|| seen.facts.uid.clone());
                entry.seen = (is_same && !entry.must_read).then_some(seen);
                self.queue(&key, entry);
            }
        }
        self.call(state);
        Ok(())
    }

    /// The watch no longer shows an Execution: it is gone, or has ended. Whether it was our own write
    /// that ended it.
    pub fn left(&self, object: &Stored<Execution>) {
        let (key, version) = (object.key(), object.version());
        let mut state = self.locked();
        if state.over.get(&key).is_some_and(|over| *over <= version) {
            state.over.remove(&key);
        }
        let Some(entry) = state.entries.get_mut(&key) else { return };
        if entry.seen.as_ref().is_some_and(|seen| seen.version > version) {
            // An end that a redrive has taken back since.
            return;
        }
        entry.is_watched = false;
        let is_own = entry.seen.as_ref().is_some_and(|seen| seen.version == version);
        if is_own && entry.turn == Turn::Idle {
            return self.forget(&mut state, &key);
        }
        entry.newer = None;
        self.has_ended(&key, entry, version);
    }

    /// A list was complete: what was not in it is looked at.
    pub fn listed(&self, listed: &Listed) {
        let mut state = self.locked();
        state.over.retain(|key, _| !listed.lacks(key));
        for (key, entry) in state.entries.iter_mut().filter(|(key, _)| listed.lacks(key)) {
            entry.is_watched = false;
            self.has_ended(key, entry, u64::MAX);
        }
        state.queues.know(listed.namespace());
        self.call(&mut state);
    }

    /// We wrote this version.
    pub fn wrote(&self, version: u64) {
        let mut state = self.locked();
        if state.written.len() >= WRITTEN_MAX {
            state.written.pop_first();
        }
        state.written.insert(version);
    }

    /// The metadata watch shows an Execution that has ended: something may be owed to it.
    pub fn seen_ended(&self, object: &Stored<Execution>) {
        let (key, version) = (object.key(), object.version());
        let mut state = self.locked();
        if state.written.contains(&version) || owes_nothing(object) {
            return;
        }
        let entry = state.entries.entry(key.clone()).or_default();
        self.has_ended(&key, entry, version);
    }

    /// A watch shows an end. While it is being looked at that may be the echo of our own write, which
    /// the end of the look tells.
    fn has_ended(&self, key: &Key, entry: &mut Entry, version: u64) {
        if matches!(entry.turn, Turn::Looking { .. }) {
            entry.ended_at = entry.ended_at.max(Some(version));
            return;
        }
        entry.seen = None;
        self.queue(key, entry);
    }

    /// An Execution is to be looked at, whatever is known of it.
    pub fn look_at(&self, key: &Key) {
        let mut state = self.locked();
        let entry = state.entries.entry(key.clone()).or_default();
        self.queue(key, entry);
    }

    /// The same of several.
    pub fn look_at_all(&self, keys: impl IntoIterator<Item = Key>) {
        keys.into_iter().for_each(|key| self.look_at(&key));
    }

    /// A Flow is shown: those that wait for it are looked at. Those that wait for others of it have to do
    /// only with another spec, once that is in service: there may be thousands.
    pub fn flow_seen(&self, flow: &Stored<Flow>) {
        let key = flow.key();
        let is_in_service = is_in_service(flow);
        let mut state = self.locked();
        if is_in_service && state.queues.is_unheard(&key, flow.generation()) {
            drop(state);
            return self.flow_changed(&key);
        }
        let State { waiting: all_waiting, queues, entries, .. } = &mut *state;
        let Some(waiting) = all_waiting.get_mut(&key) else { return };
        let (told, woken): (HashSet<_>, HashSet<_>) = waiting.drain().partition(|key| queues.is_told(key));
        *waiting = told;
        if waiting.is_empty() {
            all_waiting.remove(&key);
        }
        for key in woken {
            if let Some(entry) = entries.get_mut(&key) {
                self.queue(&key, entry);
            }
        }
    }

    /// A Flow is gone.
    pub fn flow_gone(&self, flow: &Key) {
        self.locked().queues.flow_is_gone(flow);
        self.flow_changed(flow);
    }

    /// A Flow has changed: those that wait for it are looked at.
    fn flow_changed(&self, flow: &Key) {
        let mut state = self.locked();
        let waiting = state.waiting.remove(flow).unwrap_or_default();
        for key in waiting {
            if let Some(entry) = state.entries.get_mut(&key) {
                self.queue(&key, entry);
            }
        }
    }

    /// An Execution waits for a Flow. Called before the Flow is read, so that no change is missed.
    pub fn waits_for(&self, key: &Key, flow: Key) {
        let mut state = self.locked();
        let Some(entry) = state.entries.get_mut(key) else { return };
        entry.flow = Some(flow.clone());
        state.waiting.entry(flow).or_default().insert(key.clone());
    }

    /// One that could begin asks for a slot of its Flow. A slot that is free stays reserved until the look
    /// that is going on has ended, and from then on is taken while it runs.
    pub fn reach_for_slot(&self, key: &Key, flow: &Key, limits: Limits, rank: Rank, now: Timestamp) -> Slot {
        let mut state = self.locked();
        let slot = state.queues.reach(key, flow, limits, rank, now);
        self.call(&mut state);
        slot
    }

    /// One that has ended needs its slot no longer.
    pub fn give_back_slot(&self, key: &Key) {
        let mut state = self.locked();
        state.queues.forget(key);
        self.call(&mut state);
    }

    /// Those at the front of a line that were told their place long ago are looked at, and told anew.
    pub fn tell_places(&self, now: Timestamp) {
        let due = self.locked().queues.due(now);
        self.look_at_all(due);
    }

    /// How many wait for others of their Flow.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.locked().queues.waiting_count()
    }

    /// Those for whom a slot is free are looked at before others, so that it is not free for long.
    fn call(&self, state: &mut State) {
        for key in state.queues.take_called() {
            let Some(entry) = state.entries.get_mut(&key) else { continue };
            self.queue(&key, entry);
            // Its turn among the others may be far.
            let _ = self.first_turns.send(key);
        }
    }

    /// Something was learned of a task.
    pub fn news(&self, news: News) {
        let News { key, uid, task, what } = news;
        let mut state = self.locked();
        let is_known =
            state.entries.get(&key).is_some_and(|entry| entry.uid.as_ref().is_none_or(|known| *known == uid));
        // Of one that is not known only what is left over matters: its run has ended or is gone.
        if !is_known && what != What::LeftOver {
            return;
        }
        let entry = state.entries.entry(key.clone()).or_default();
        if *entry.uid.get_or_insert_with(|| uid.clone()) != uid {
            // Whoever has the name now is read, so that nothing of it is taken for a stray.
            entry.strays.insert(uid);
            entry.seen = None;
        }
        match what {
            What::Report(report) => {
                entry.obstacles.blocked.remove(&task);
                entry.obstacles.pending.remove(&task);
                entry.reports.push(Heard { task, report, from: None });
            }
            What::Blocked(why) => drop(entry.obstacles.blocked.insert(task, why)),
            What::Pending(why) => drop(entry.obstacles.pending.insert(task, why)),
            What::Clear => {
                entry.obstacles.blocked.remove(&task);
                entry.obstacles.pending.remove(&task);
            }
            What::LeftOver => {}
        }
        self.queue(&key, entry);
    }

    /// Somebody has answered for a task of an Execution. Whether that may be there: another one of its name
    /// is not asked.
    pub fn answered(&self, key: &Key, uid: &str, heard: Heard) -> bool {
        let mut state = self.locked();
        let entry = state.entries.entry(key.clone()).or_default();
        if *entry.uid.get_or_insert_with(|| uid.to_owned()) != uid {
            return false;
        }
        entry.reports.push(heard);
        self.queue(key, entry);
        true
    }

    /// Executions whose time has come are looked at. Gives the time of the next.
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.locked();
        while let Some((at, key)) = state.wakes.first().cloned() {
            if at > now {
                return Some(at);
            }
            state.wakes.pop_first();
            if let Some(entry) = state.entries.get_mut(&key) {
                entry.wake = None;
                self.queue(&key, entry);
            }
        }
        None
    }

    /// Begins a look; nothing where there is nothing to look at.
    pub fn begin(&self, key: &Key) -> Option<Look> {
        let mut state = self.locked();
        let state = &mut *state;
        let entry = state.entries.get_mut(key)?;
        if entry.turn != Turn::Queued {
            return None;
        }
        state.queues.begin(key);
        entry.turn = Turn::Looking { again: false };
        Some(Look {
            seen: entry.seen.clone(),
            uid: entry.uid.clone(),
            strays: entry.strays.clone(),
            reports: answer::take(&mut entry.reports),
            obstacles: entry.obstacles.clone(),
            place: None,
            reservations: Vec::new(),
            revision_kept: None,
        })
    }

    fn set_wake(&self, state: &mut State, key: &Key, wake: Option<Timestamp>) {
        let Some(entry) = state.entries.get_mut(key) else { return };
        if let Some(old) = std::mem::replace(&mut entry.wake, wake) {
            state.wakes.remove(&(old, key.clone()));
        }
        if let Some(wake) = wake {
            let is_next = state.wakes.first().is_none_or(|(next, _)| wake < *next);
            state.wakes.insert((wake, key.clone()));
            if is_next {
                self.rewound.notify_one();
            }
        }
    }

    fn forget(&self, state: &mut State, key: &Key) {
        state.queues.forget(key);
        self.call(state);
        let Some(entry) = state.entries.remove(key) else { return };
        if let Some(wake) = entry.wake {
            state.wakes.remove(&(wake, key.clone()));
        }
    }

    fn queue(&self, key: &Key, entry: &mut Entry) {
        match entry.turn {
            Turn::Idle => {
                entry.turn = Turn::Queued;
                // The receiver is gone only when the controller ends.
                let _ = self.turns.send(key.clone());
            }
            Turn::Queued => {}
            Turn::Looking { .. } => entry.turn = Turn::Looking { again: true },
        }
    }
}

/// Whether the newest spec of a Flow is in service.
fn is_in_service(flow: &Stored<Flow>) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Observed {
        observed_generation: i64,
    }
    flow.decode_status::<Observed>().is_ok_and(|status| status.observed_generation == flow.generation())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_queue;
