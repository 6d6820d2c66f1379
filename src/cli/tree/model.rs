//! The states of a run as a tree, put together from its history and from the states it is in.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::execution::ActiveEntry;
use crate::api::history::{Record, RecordKind};

use super::path::Place;

/// Deepest nesting of states that is shown as such. Definitions nest far less deep.
const DEPTH_MAX: usize = 100;

/// The states of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    states: Vec<State>,
    by_path: BTreeMap<String, usize>,
    /// States at the top, in the order in which they were entered.
    pub(super) top: Vec<usize>,
    /// Events that are no longer kept.
    pub(super) lost: u64,
    /// When the run went on after a bad end.
    pub(super) redriven: Vec<Timestamp>,
}

/// One visit of a state.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) visit: u32,
    /// Its type; nothing where the event that told it is no longer kept.
    pub(super) kind: Option<String>,
    /// The resource of a task.
    pub(super) resource: Option<String>,
    pub(super) standing: Standing,
    pub(super) entered_at: Option<Timestamp>,
    pub(super) left_at: Option<Timestamp>,
    /// The last attempt of its work, from 1.
    pub(super) attempt: u32,
    /// When that attempt begins, where that is decided.
    pub(super) not_before: Option<Timestamp>,
    /// Whether what was begun is there, and the task waits for its end or for a report.
    pub(super) is_accepted: bool,
    /// The Execution that its task has started.
    pub(super) execution: Option<String>,
    /// When something happens at the latest.
    pub(super) deadline: Option<Timestamp>,
    pub(super) failures: Vec<Failure>,
    /// States within it, by attempt and number of the branch or iteration.
    pub(super) scopes: BTreeMap<(u32, u32), Vec<usize>>,
}

/// Where a state stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// The run is in it.
    Active,
    /// It was left.
    Succeeded,
    /// It failed and was left as a Catch says.
    Caught,
    /// It failed for good.
    Failed,
    /// The run has gone on or ended without it.
    Abandoned,
}

/// An error of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) attempt: u32,
    pub(super) at: Timestamp,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
}

impl Tree {
    /// Puts a tree together.
    pub(super) fn new(records: &[Record], active: &[ActiveEntry], has_ended: bool) -> Self {
        let mut tree = Self { lost: lost(records), ..Self::default() };
        for record in records {
            if record.k == RecordKind::ExecutionRedriven {
                tree.redriven.push(record.at());
                tree.states.iter_mut().for_each(State::leave_behind);
            }
            if record.p.is_empty() {
                continue;
            }
            tree.go_on_around(&record.p);
            if let Some(state) = tree.at(&record.p) {
                state.note(record);
            }
        }
        // What is cut is no path.
        for entry in active.iter().filter(|entry| !entry.path.ends_with('…')) {
            tree.go_on_around(&entry.path);
            if let Some(state) = tree.at(&entry.path) {
                state.kind.get_or_insert_with(|| entry.type_.clone());
                state.entered_at.get_or_insert(entry.since);
                state.attempt = state.attempt.max(u32::try_from(entry.attempt).unwrap_or_default());
                state.deadline = entry.deadline;
                state.execution.clone_from(&entry.execution);
            }
        }
        for number in tree.top.clone() {
            tree.abandon(number, has_ended);
        }
        tree
    }

    /// A state by its number.
    pub(super) fn state(&self, number: usize) -> Option<&State> {
        self.states.get(number)
    }

    /// The state at a path.
    pub(super) fn find(&self, path: &str) -> Option<&State> {
        self.by_path.get(path).and_then(|number| self.state(*number))
    }

    /// All states, in the order in which they were entered.
    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.states.iter()
    }

    /// States by their numbers.
    pub(super) fn all<'t>(&'t self, numbers: &'t [usize]) -> impl DoubleEndedIterator<Item = &'t State> {
        numbers.iter().filter_map(|number| self.state(*number))
    }

    /// The state at a path, made with all around it where it is new.
    fn at(&mut self, path: &str) -> Option<&mut State> {
        let number = self.number_of(path);
        self.states.get_mut(number)
    }

    fn number_of(&mut self, path: &str) -> usize {
        if let Some(number) = self.by_path.get(path) {
            return *number;
        }
        let place = Place::of(path);
        let is_sane = path.matches('/').count() <= 2 * DEPTH_MAX;
        let Place { outer, name, visit } = if is_sane { place } else { Place { outer: None, ..place } };
        // A path is longer than that of the state around it, so this ends.
        let outer = outer.map(|outer| (self.number_of(&outer.path), (outer.attempt, outer.number)));
        let number = self.states.len();
        self.states.push(State::new(path, name, visit));
        self.by_path.insert(path.to_owned(), number);
        match outer.and_then(|(outer, scope)| Some((self.states.get_mut(outer)?, scope))) {
            Some((outer, scope)) => outer.scopes.entry(scope).or_default().push(number),
            None => self.top.push(number),
        }
        number
    }

    /// After a redrive the run is again in the states around one that something happens to.
    fn go_on_around(&mut self, path: &str) {
        if self.redriven.is_empty() {
            return;
        }
        let mut outer = Place::of(path).outer;
        while let Some(place) = outer {
            let number = self.by_path.get(&place.path);
            if let Some(state) = number.and_then(|number| self.states.get_mut(*number))
                && matches!(state.standing, Standing::Failed | Standing::Abandoned)
            {
                (state.standing, state.left_at) = (Standing::Active, None);
            }
            outer = Place::of(&place.path).outer;
        }
    }

    /// Nobody is any longer in a state whose outer state is over, or tries again.
    fn abandon(&mut self, number: usize, is_over: bool) {
        let Some(state) = self.states.get_mut(number) else { return };
        if is_over && state.standing == Standing::Active {
            state.standing = Standing::Abandoned;
        }
        let is_over = state.standing != Standing::Active;
        let attempt = state.attempt;
        for ((of_attempt, _), inner) in state.scopes.clone() {
            for number in inner {
                self.abandon(number, is_over || of_attempt < attempt);
            }
        }
    }

    /// Where a branch or an iteration stands: where its last state does.
    pub(super) fn standing(&self, scope: &[usize]) -> Standing {
        self.all(scope).next_back().map_or(Standing::Active, |state| state.standing)
    }
}

/// Events between the first and the others: only the first is kept for ever.
fn lost(records: &[Record]) -> u64 {
    match records {
        [first, second, ..] => second.i.saturating_sub(first.i).saturating_sub(1),
        [_] | [] => 0,
    }
}

impl State {
    fn new(path: &str, name: String, visit: u32) -> Self {
        Self {
            path: path.to_owned(),
            name,
            visit,
            kind: None,
            resource: None,
            standing: Standing::Active,
            entered_at: None,
            left_at: None,
            attempt: 1,
            not_before: None,
            is_accepted: false,
            execution: None,
            deadline: None,
            failures: Vec::new(),
            scopes: BTreeMap::new(),
        }
    }

    /// A redrive enters it again, as another visit.
    fn leave_behind(&mut self) {
        if self.standing == Standing::Active {
            self.standing = Standing::Abandoned;
        }
    }

    /// Takes in what happened to it.
    fn note(&mut self, record: &Record) {
        match record.k {
            RecordKind::StateEntered => {
                self.kind.clone_from(&record.w);
                self.entered_at = Some(record.at());
            }
            RecordKind::TaskScheduled => {
                self.resource.clone_from(&record.w);
                self.attempt = record.n.unwrap_or(self.attempt);
                self.not_before = instant(record.b);
                self.is_accepted = false;
            }
            RecordKind::TaskAccepted => self.is_accepted = true,
            RecordKind::TaskFailed => self.fail(record),
            RecordKind::RetryScheduled => {
                self.fail(record);
                self.attempt = self.attempt.saturating_add(1);
                self.not_before = instant(record.b);
            }
            RecordKind::ErrorCaught => {
                self.fail(record);
                self.standing = Standing::Caught;
            }
            RecordKind::StateFailed => {
                self.fail(record);
                self.standing = Standing::Failed;
                self.left_at = Some(record.at());
            }
            RecordKind::StateExited => {
                if self.standing != Standing::Caught {
                    self.standing = Standing::Succeeded;
                }
                self.left_at = Some(record.at());
            }
            RecordKind::TaskSucceeded
            | RecordKind::ExecutionSuspended
            | RecordKind::ExecutionResumed
            | RecordKind::ExecutionRedriven
            | RecordKind::StopRequested
            | RecordKind::ExecutionStarted
            | RecordKind::ExecutionSucceeded
            | RecordKind::ExecutionFailed
            | RecordKind::ExecutionTimedOut
            | RecordKind::ExecutionStopped
            | RecordKind::Unknown => {}
        }
    }

    /// Notes an error, once: a task's error is told again by what becomes of its state.
    fn fail(&mut self, record: &Record) {
        let attempt = record.n.unwrap_or(self.attempt);
        let (error, cause) = (record.e.clone(), record.c.clone());
        let failure = Failure { attempt, at: record.at(), error, cause };
        let is_told = self.failures.last().is_some_and(|last| last.is_same(&failure));
        if !is_told || record.k == RecordKind::TaskFailed || record.k == RecordKind::RetryScheduled {
            self.failures.push(failure);
        }
    }

    /// The newest attempt of which there are branches or iterations.
    pub(super) fn newest_attempt(&self) -> u32 {
        self.scopes.keys().map(|(attempt, _)| *attempt).max().unwrap_or(1)
    }

    /// When it is tried again, where that is still to come.
    pub(super) fn next_attempt_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|at| *at > now && self.standing == Standing::Active)
    }
}

impl Failure {
    /// Whether it is the same error, wherever it was seen.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.error, &self.cause) == (&other.error, &other.cause)
    }

    /// Error and cause.
    pub(super) fn text(&self) -> String {
        let parts = [self.error.as_deref(), self.cause.as_deref()];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

fn instant(millis: Option<i64>) -> Option<Timestamp> {
    millis.and_then(|millis| Timestamp::from_millisecond(millis).ok())
}
