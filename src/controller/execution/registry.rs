//! What the controller remembers of Executions that have not ended, and whose turn it is.
//!
//! One owner, one look at a time per Execution: while one is being looked at, what happens to it is
//! noted and looked at next. Nothing in here does IO or decides anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedSemaphorePermit};

use super::answer::Heard;
use super::decide::Facts;
use super::digest::spec_digest;
use super::keep::Room;
use super::queue::{Doing, Limits, Queues, Rank, Shown, Slot};
use super::redrive;
use super::status::Obstacles;
use crate::api::condition::{ConditionType, Reason};
use crate::api::flow_revision::flow_of;
use crate::api::{
    Execution, ExecutionSpec, FINALIZER_DEPENDENTS, Flow, LABEL_AWAITED, LABEL_SCHEDULE, Phase,
};
use crate::cluster::object::{Key, Stored};
use crate::cluster::watch::Listed;
use crate::driver::{News, What};

/// Pause after a look has failed, doubled up to the other.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Longest pause before a run that stands still is tried again. Whatever it stands still for, an endless
/// expression say, is likely to be there still, and to take its time.
const FAULT_RETRY_MAX: Duration = Duration::from_secs(600);

/// Versions of our own that are remembered: the watches show them within a second or so.
const WRITTEN_MAX: usize = 8_192;

/// An Execution as it was last seen or written.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What matters of the object.
    pub facts: Facts,
    /// Version of the object.
    pub version: u64,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// Whether it carries our finalizer.
    pub is_held: bool,
    /// Its phase.
    pub phase: Phase,
    /// Whether it has its phase only because it was asked for again, and waits.
    pub is_in_line: bool,
    /// The revision that it was accepted with.
    pub flow_revision: Option<String>,
    /// The priority that it stands in line with, unless it has that of its Flow.
    pub priority: Option<i32>,
    /// The whole spec, until it was admitted.
    pub spec: Option<Box<ExecutionSpec>>,
    /// The text of its status.
    pub status: Box<str>,
}

impl Seen {
    /// What matters of an object. `known` is what was known of it: what its generation says has not
    /// changed is not read again.
    ///
    /// # Errors
    /// Where the object cannot be read.
    pub fn read(object: &Stored<Execution>, known: Option<&Self>) -> Result<Self, String> {
        let Glance { phase, accepted, conditions, flow_revision, effective } = object.decode_status()?;
        let status = object.status.as_deref().map(serde_json::value::RawValue::get).unwrap_or_default();
        let key = object.key();
        let room = Room::beside(object.bytes_beside_status());
        let unchanged = known
            .filter(|known| known.facts.uid == object.uid() && known.facts.generation == object.generation());
        let (facts, spec) = match unchanged {
            Some(known) => (Facts { room, ..known.facts.clone() }, known.spec.clone()),
            None => {
                let spec: ExecutionSpec = object.decode_spec()?;
                let digest = object.spec.as_deref().map(spec_digest).unwrap_or_default();
                let facts = Facts {
                    name: key.name,
                    outer_name: spec.name.clone(),
                    uid: object.uid().to_owned(),
                    generation: object.generation(),
                    created_at: object.created_at(),
                    flow: spec.flow_ref.name.clone(),
                    spec_digest: digest,
                    suspend: spec.suspend.unwrap_or_default(),
                    stop: spec.stop.clone(),
                    redrive: spec.redrive,
                    ttl_seconds: spec.ttl_seconds_after_finished,
                    is_name_generated: object.has_generated_name()
                        || object.label(LABEL_SCHEDULE).is_some()
                        || spec.parent_ref.is_some(),
                    parent: spec.parent_ref.clone().map(Box::new),
                    is_awaited: object.label(LABEL_AWAITED).is_some(),
                    schedule: object.label(LABEL_SCHEDULE).map(Into::into),
                    callback: spec.callback.clone().map(Box::new),
                    room,
                };
                (facts, Some(Box::new(spec)))
            }
        };
        let is_accepted = accepted.is_some();
        // What was accepted has the priority that it was accepted with.
        let asked = spec.as_ref().filter(|_| !is_accepted).and_then(|spec| spec.priority);
        let is_queued = || {
            let said = conditions.iter().find(|said| said.type_ == ConditionType::InProgress.as_str());
            said.is_some_and(|said| said.reason == Reason::Queued.as_str())
        };
        Ok(Self {
            facts,
            version: object.version(),
            is_deleting: object.is_deleting(),
            is_held: object.has_finalizer(FINALIZER_DEPENDENTS),
            phase,
            is_in_line: phase == Phase::Running && (!is_accepted || is_queued()),
            flow_revision,
            priority: asked.or_else(|| effective.and_then(|effective| effective.priority)),
            // Nothing of a run depends on the spec after it was accepted.
            spec: spec.filter(|_| !is_accepted),
            status: status.into(),
        })
    }

    /// What others of its Flow have to do with.
    fn shown(&self) -> Shown<'_> {
        let Facts { uid, created_at, flow, suspend, .. } = &self.facts;
        let doing = match self.phase {
            Phase::Running if !self.is_in_line => Doing::Running,
            Phase::Starting | Phase::Running if !*suspend && !self.is_deleting => Doing::Starting,
            Phase::Starting
            | Phase::Running
            | Phase::Succeeded
            | Phase::Failed
            | Phase::TimedOut
            | Phase::Stopped
            | Phase::Rejected => Doing::Nothing,
        };
        let flow = self.flow_revision.as_deref().and_then(flow_of).unwrap_or(flow);
        Shown { flow, uid, created_at: *created_at, priority: self.priority, doing }
    }
}

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
            reports: std::mem::take(&mut entry.reports),
            obstacles: entry.obstacles.clone(),
            place: None,
            reservations: Vec::new(),
            revision_kept: None,
        })
    }

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
                self.forget_or_look(state, key, newer, again || ended_at > Some(version));
            }
            Ended::Forgotten => self.forget_or_look(state, key, newer, again || ended_at.is_some()),
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
                if is_changed || again || !entry.reports.is_empty() {
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

/// What is decoded of each status that is seen.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Glance {
    phase: Phase,
    accepted: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    conditions: Vec<Said>,
    flow_revision: Option<String>,
    effective: Option<EffectivePriority>,
}

#[derive(serde::Deserialize)]
struct Said {
    #[serde(rename = "type")]
    type_: String,
    reason: String,
}

#[derive(serde::Deserialize)]
struct EffectivePriority {
    priority: Option<i32>,
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

/// Whether the newest spec of a Flow is in service.
fn is_in_service(flow: &Stored<Flow>) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Observed {
        observed_generation: i64,
    }
    flow.decode_status::<Observed>().is_ok_and(|status| status.observed_generation == flow.generation())
}

/// Whether the status of an object that was listed whole speaks of its newest spec, and nothing is held by it.
fn owes_nothing(object: &Stored<Execution>) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Observed {
        observed_generation: i64,
        #[serde(default)]
        conditions: Vec<Said>,
    }
    // One that holds nothing any more has told its end.
    let is_pending = |said: &Said| said.reason == Reason::CallbackPending.as_str();
    let is_observed = |status: Observed| {
        status.observed_generation == object.generation() && !status.conditions.iter().any(is_pending)
    };
    !object.has_finalizer(FINALIZER_DEPENDENTS)
        && object.decode_status().is_ok_and(is_observed)
        && !owes_redrive(object)
}

/// Whether a redrive is owed that could not begin before, or was one of several.
fn owes_redrive(object: &Stored<Execution>) -> bool {
    #[derive(serde::Deserialize)]
    struct Asked {
        redrive: Option<i64>,
    }
    // Most were never asked for again.
    if !object.decode_spec::<Asked>().is_ok_and(|asked| asked.redrive.is_some()) {
        return false;
    }
    let Ok(seen) = Seen::read(object, None) else { return false };
    serde_json::from_str(&seen.status).is_ok_and(|status| redrive::is_owed(&seen.facts, &status))
}

fn waits_no_more(waiting: &mut BTreeMap<Key, HashSet<Key>>, flow: &Key, key: &Key) {
    let Some(of_flow) = waiting.get_mut(flow) else { return };
    of_flow.remove(key);
    if of_flow.is_empty() {
        waiting.remove(flow);
    }
}

fn delay(failures: u32, max: Duration) -> Duration {
    RETRY_MIN.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(max)
}

fn after(now: Timestamp, delay: Duration) -> Timestamp {
    SignedDuration::try_from(delay).ok().and_then(|delay| now.checked_add(delay).ok()).unwrap_or(now)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_queue;
