//! Which Executions of a Flow run and which wait, where the Flow says how many run at a time. A data
//! structure: no clock, no IO.
//!
//! What runs is what is committed, as the registry knows it. Beside that stand the slots that are reserved
//! for Executions whose admission is being committed. Those that wait stand in line from when they are seen, so
//! that after a restart the first in line begins first, whichever is looked at first.
//!
//! One that stands within the free part of the line has been called, or its look is coming or going on: no
//! slot stays free while somebody waits for it.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::api::flow::{Concurrency, ConcurrencyPolicy};
use crate::cluster::object::Key;

/// So many of a line are told when their position changes: each change of everybody's would be a write
/// for each of them (design.md §4).
const TOLD_AGAIN: usize = 10;

/// How long a position that was told stands at least.
const TOLD_FOR: SignedDuration = SignedDuration::from_mins(1);

/// In which order Executions of a Flow begin: those of higher priority first, then the older ones, then by
/// uid, so that no two are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    priority: Reverse<i32>,
    created_at: Timestamp,
    uid: String,
}

impl Rank {
    /// Of an Execution with a priority after all defaults.
    #[must_use]
    pub fn new(priority: i32, created_at: Timestamp, uid: impl Into<String>) -> Self {
        Self { priority: Reverse(priority), created_at, uid: uid.into() }
    }
}

/// Whether an Execution may begin, as far as others of its Flow are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// There is a slot, and it is kept for whoever has asked.
    Free,
    /// All are taken.
    Taken(Place),
    /// It is not known yet how many run.
    Unknown,
}

/// A place in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub position: usize,
    /// How many stand in line.
    pub waiting: usize,
    /// How many run at a time.
    pub limit: u32,
    /// Whether an earlier place that was told is to be told anew.
    pub is_due: bool,
}

/// What a Flow says of how many run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Version of the Flow that says so: older reads of it may come later.
    pub version: u64,
    /// How many run at a time, and what becomes of others.
    pub concurrency: Option<Concurrency>,
    /// Priority of Executions that name none.
    pub default_priority: i32,
}

/// What an object shows of its Execution.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Name of its Flow: once it was accepted the one that it was accepted for.
    pub flow: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its priority, unless it has that of its Flow.
    pub priority: Option<i32>,
    /// What it does.
    pub doing: Doing,
}

/// What an Execution does, as far as others of its Flow are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It runs.
    Running,
    /// It wants to begin.
    Starting,
    /// It does neither.
    Nothing,
}

/// All lines.
#[derive(Debug, Default)]
pub struct Queues {
    flows: HashMap<Key, Queue>,
    stands: HashMap<Key, Stand>,
    /// Namespaces of which all Executions have been seen; nothing stands for all of them.
    known: Vec<Option<String>>,
    /// Those whose turn has come.
    called: Vec<Key>,
}

/// The Executions of a Flow.
#[derive(Debug, Default)]
struct Queue {
    limits: Limits,
    /// Generation of the Flow's spec that those in line have heard of.
    heard: Option<i64>,
    running: usize,
    reserved: usize,
    /// Sorted.
    line: VecDeque<(Rank, Key)>,
}

impl Queue {
    fn limit(&self) -> Option<usize> {
        let limit = self.limits.concurrency?.limit;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Slots that nobody has. Without a limit there are as many as one likes.
    fn free(&self) -> usize {
        let taken = self.running.saturating_add(self.reserved);
        self.limit().map_or(usize::MAX, |limit| limit.saturating_sub(taken))
    }

    fn position(&self, rank: &Rank) -> Result<usize, usize> {
        self.line.binary_search_by(|(other, _)| other.cmp(rank))
    }

    fn is_empty(&self) -> bool {
        self.running == 0 && self.reserved == 0 && self.line.is_empty()
    }
}

/// Where an Execution stands.
#[derive(Debug)]
struct Stand {
    flow: Key,
    rank: Rank,
    /// Whether its priority is the Flow's.
    has_default: bool,
    is: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Running,
    Reserved,
    Waiting(Waiting),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    /// It was looked at since it was seen.
    is_looked_at: bool,
    /// It has asked for a slot in its last look.
    has_asked: bool,
    /// A look that was called for is still to end.
    is_called: bool,
    /// When it was told its place.
    told_at: Option<Timestamp>,
}

impl Queues {
    /// An object shows this.
    pub fn note(&mut self, key: &Key, shown: &Shown<'_>) {
        let known = self.stands.get(key).filter(|known| *known.rank.uid == *shown.uid);
        let is = match (shown.doing, known.map(|known| known.is)) {
            (Doing::Running, _) => Standing::Running,
            (Doing::Starting, None) => Standing::Waiting(Waiting::default()),
            (Doing::Starting, Some(Standing::Waiting(waiting))) => Standing::Waiting(waiting),
            (Doing::Nothing, None | Some(Standing::Waiting(_))) => return self.forget(key),
            // The look that is going on, or is to be repeated, tells.
            (Doing::Starting | Doing::Nothing, Some(Standing::Reserved | Standing::Running)) => return,
        };
        self.stand(key, shown, is);
    }

    /// A look begins.
    pub fn begin(&mut self, key: &Key) {
        if let Some(waiting) = self.waiting(key) {
            waiting.is_looked_at = true;
            waiting.has_asked = false;
        }
    }

    /// One that could begin asks for a slot. Where it is free it is reserved until the look has ended.
    pub fn reach(&mut self, key: &Key, flow: &Key, limits: Limits, rank: Rank, now: Timestamp) -> Slot {
        let same = self.stands.get(key).filter(|stand| stand.rank.uid == rank.uid);
        let was = same.map(|stand| stand.is);
        let mut waiting = match was {
            Some(Standing::Waiting(waiting)) => waiting,
            Some(Standing::Running) => return Slot::Free,
            Some(Standing::Reserved) | None => Waiting { is_looked_at: true, ..Waiting::default() },
        };
        waiting.has_asked = true;
        self.take_out(key);
        self.learn(flow, limits);
        let stand = |is| Stand { flow: flow.clone(), rank: rank.clone(), has_default: false, is };
        self.put_in(key, stand(Standing::Waiting(waiting)));
        let slot = self.slot(flow, &rank);
        match slot {
            Slot::Free => {
                self.take_out(key);
                self.put_in(key, stand(Standing::Reserved));
            }
            Slot::Unknown => {}
            Slot::Taken(mut place) => {
                let is_old = waiting.told_at.is_some_and(|told_at| is_old(told_at, now));
                place.is_due = is_old && place.position <= TOLD_AGAIN;
                if let (true, Some(waiting)) = (place.is_due || waiting.told_at.is_none(), self.waiting(key))
                {
                    waiting.told_at = Some(now);
                }
                // A slot that it had reserved before may be somebody else's now.
                self.call(flow);
                return Slot::Taken(place);
            }
        }
        slot
    }

    fn slot(&self, flow: &Key, rank: &Rank) -> Slot {
        let Some(queue) = self.flows.get(flow) else { return Slot::Free };
        let Some(Concurrency { limit, policy }) = queue.limits.concurrency else { return Slot::Free };
        if !self.is_known(&flow.namespace) {
            return Slot::Unknown;
        }
        let (Ok(index) | Err(index)) = queue.position(rank);
        // Where nobody waits, nobody waits for anybody.
        let before = match policy.unwrap_or_default() {
            ConcurrencyPolicy::Queue => index,
            ConcurrencyPolicy::Reject => 0,
        };
        if before < queue.free() {
            return Slot::Free;
        }
        let waiting = queue.line.len();
        Slot::Taken(Place { position: index.saturating_add(1), waiting, limit, is_due: false })
    }

    /// A look has ended, and the object stands like this. Who has not asked for a slot waits for something
    /// else, and nobody waits for them.
    pub fn settle(&mut self, key: &Key, shown: &Shown<'_>) {
        if shown.doing == Doing::Running {
            return self.stand(key, shown, Standing::Running);
        }
        let Some(waiting) = self.waiting(key).filter(|waiting| waiting.has_asked) else {
            return self.forget(key);
        };
        waiting.is_called = false;
        let Some(stand) = self.stands.get(key) else { return };
        let flow = stand.flow.clone();
        let may_begin = self.flows.get(&flow).is_some_and(|queue| {
            queue.limit().is_some() && queue.position(&stand.rank).is_ok_and(|index| index < queue.free())
        });
        if may_begin && self.is_known(&flow.namespace) {
            self.call_one(key.clone());
        }
    }

    /// A look has come to nothing and will be repeated later. What it has reserved stays so: its write may
    /// stand all the same. Nobody waits for those in line meanwhile.
    pub fn falter(&mut self, key: &Key) {
        if self.waiting(key).is_some() {
            self.forget(key);
        }
    }

    /// It has ended, is gone, or will never begin.
    pub fn forget(&mut self, key: &Key) {
        if let Some(stand) = self.take_out(key) {
            self.left(&stand.flow);
        }
    }

    /// All Executions of a namespace have been seen, or all there are.
    pub fn know(&mut self, namespace: Option<&str>) {
        if self.known.iter().any(|known| known.as_deref() == namespace) {
            return;
        }
        self.known.push(namespace.map(str::to_owned));
        let is_covered = |key: &Key| namespace.is_none_or(|namespace| *namespace == *key.namespace);
        // They have asked before anybody knew. The others' looks are coming.
        let asked = self.stands.iter_mut().filter_map(|(key, stand)| match &mut stand.is {
            Standing::Waiting(waiting) if waiting.has_asked && is_covered(&stand.flow) => {
                waiting.is_called = true;
                Some(key.clone())
            }
            Standing::Waiting(_) | Standing::Running | Standing::Reserved => None,
        });
        self.called.extend(asked);
    }

    /// Whether a spec of a Flow is one that those in line have not heard of; from now on they have.
    pub fn is_unheard(&mut self, flow: &Key, generation: i64) -> bool {
        let Some(queue) = self.flows.get_mut(flow) else { return true };
        queue.heard.replace(generation) != Some(generation)
    }

    /// A Flow is gone: what one of that name says later is news.
    pub fn flow_is_gone(&mut self, flow: &Key) {
        if let Some(queue) = self.flows.get_mut(flow) {
            queue.heard = None;
        }
    }

    /// Whether it has been told that it stands in line.
    #[must_use]
    pub fn is_told(&self, key: &Key) -> bool {
        let is = self.stands.get(key).map(|stand| stand.is);
        matches!(is, Some(Standing::Waiting(waiting)) if waiting.has_asked && waiting.told_at.is_some())
    }

    /// Those whose turn has come since this was asked.
    pub fn take_called(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.called)
    }

    /// Those at the front of a line that were told their place long ago.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Key> {
        let limited = self.flows.values().filter(|queue| queue.limit().is_some());
        let fronts = limited.flat_map(|queue| queue.line.iter().take(TOLD_AGAIN));
        let is_due = |key: &&Key| match self.stands.get(*key).map(|stand| stand.is) {
            Some(Standing::Waiting(Waiting { told_at: Some(told_at), .. })) => is_old(told_at, now),
            Some(Standing::Waiting(_) | Standing::Running | Standing::Reserved) | None => false,
        };
        fronts.map(|(_, key)| key).filter(is_due).cloned().collect()
    }

    /// How many stand in lines of Flows that limit how many run.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.flows.values().filter(|queue| queue.limit().is_some()).map(|queue| queue.line.len()).sum()
    }

    fn is_known(&self, namespace: &str) -> bool {
        self.known.iter().any(|known| known.as_deref().is_none_or(|known| *known == *namespace))
    }

    fn waiting(&mut self, key: &Key) -> Option<&mut Waiting> {
        match &mut self.stands.get_mut(key)?.is {
            Standing::Waiting(waiting) => Some(waiting),
            Standing::Running | Standing::Reserved => None,
        }
    }

    /// Takes in what a Flow says, unless something newer is known.
    fn learn(&mut self, flow: &Key, limits: Limits) {
        let queue = self.flows.entry(flow.clone()).or_default();
        let before = queue.limits;
        if limits.version < before.version {
            return;
        }
        queue.limits = limits;
        if before.default_priority != limits.default_priority {
            for (rank, key) in &mut queue.line {
                if let Some(stand) = self.stands.get_mut(key).filter(|stand| stand.has_default) {
                    stand.rank.priority = Reverse(limits.default_priority);
                    *rank = stand.rank.clone();
                }
            }
            queue.line.make_contiguous().sort_unstable();
        }
        if before.concurrency != limits.concurrency {
            self.call(flow);
        }
    }

    fn stand(&mut self, key: &Key, shown: &Shown<'_>, is: Standing) {
        let flow = Key::new(&key.namespace, shown.flow);
        let default = self.flows.get(&flow).map_or(0, |queue| queue.limits.default_priority);
        let priority = shown.priority.unwrap_or(default);
        let rank = Rank::new(priority, shown.created_at, shown.uid);
        let stand = Stand { flow: flow.clone(), rank, has_default: shown.priority.is_none(), is };
        let before = self.take_out(key);
        self.put_in(key, stand);
        if let Some(before) = before {
            self.left(&before.flow);
        }
    }

    /// Somebody stands there no longer, or elsewhere.
    fn left(&mut self, flow: &Key) {
        self.call(flow);
        if self.flows.get(flow).is_some_and(Queue::is_empty) {
            self.flows.remove(flow);
        }
    }

    fn put_in(&mut self, key: &Key, stand: Stand) {
        let queue = self.flows.entry(stand.flow.clone()).or_default();
        match stand.is {
            Standing::Running => queue.running += 1,
            Standing::Reserved => queue.reserved += 1,
            Standing::Waiting(_) => {
                let (Ok(index) | Err(index)) = queue.position(&stand.rank);
                queue.line.insert(index, (stand.rank.clone(), key.clone()));
            }
        }
        self.stands.insert(key.clone(), stand);
    }

    fn take_out(&mut self, key: &Key) -> Option<Stand> {
        let stand = self.stands.remove(key)?;
        let queue = self.flows.get_mut(&stand.flow)?;
        match stand.is {
            Standing::Running => queue.running = queue.running.saturating_sub(1),
            Standing::Reserved => queue.reserved = queue.reserved.saturating_sub(1),
            Standing::Waiting(_) => {
                if let Ok(index) = queue.position(&stand.rank) {
                    queue.line.remove(index);
                }
            }
        }
        Some(stand)
    }

    /// Calls those for whom there are slots. From behind: before one that was called already everybody else
    /// has been, or is about to be looked at.
    fn call(&mut self, flow: &Key) {
        let Some(queue) = self.flows.get(flow) else { return };
        if queue.limit().is_some() && !self.is_known(&flow.namespace) {
            return;
        }
        let free = queue.free().min(queue.line.len());
        // Who was not looked at yet will be; that is soon enough where nobody waits for anybody.
        let is_contended = free < queue.line.len();
        let mut called = Vec::new();
        for (_, key) in queue.line.iter().take(free).rev() {
            let Some(Stand { is: Standing::Waiting(waiting), .. }) = self.stands.get_mut(key) else {
                continue;
            };
            if std::mem::replace(&mut waiting.is_called, true) {
                break;
            }
            if waiting.is_looked_at || is_contended {
                called.push(key.clone());
            }
        }
        // The first in line is looked at first.
        called.reverse();
        self.called.extend(called);
    }

    fn call_one(&mut self, key: Key) {
        if let Some(waiting) = self.waiting(&key) {
            waiting.is_called = true;
            self.called.push(key);
        }
    }
}

fn is_old(told_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(told_at) >= TOLD_FOR
}

#[cfg(test)]
mod tests;
