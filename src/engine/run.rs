//! Everything that is remembered of an execution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::expr::Attribute;
use crate::ir::{ScopeIdx, StateIdx};
use crate::value::{Array, Object, Str, Value};

use super::redrive::{Finished, Redrives};
use super::suspend::Suspension;
use super::{Failure, Stop, StopMode, TaskId};

/// What an execution is, fixed from its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Identity, unique over time. All draws and task ids of the run hang on it.
    pub id: Str,
    /// Name shown to people.
    pub name: Str,
    /// Name of the Flow.
    pub flow: Str,
    /// Account the run acts as, where there is one.
    pub service_account: Option<Str>,
    /// The input it was started with.
    pub input: Value,
    /// When it started.
    pub started_at: Timestamp,
    /// Seconds after which it is TimedOut; absent: as the definition says.
    pub timeout_seconds: Option<u64>,
    /// Seconds for each attempt of a task whose state names none; absent: unlimited.
    pub task_timeout_seconds: Option<u64>,
    /// What was said of it where it was started.
    pub attributes: BTreeMap<Attribute, Value>,
}

/// The remembered condition of an execution. Made by [`Run::new`] or from its stored form, changed
/// only by [`super::step()`].
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub(super) execution: Arc<Execution>,
    pub(super) root: Option<Frame>,
    pub(super) globals: Object,
    pub(super) status: Status,
    pub(super) progress: Progress,
    /// History events so far.
    pub(super) events: u64,
    pub(super) redrives: Redrives,
    /// For a redrive.
    pub(super) finished: Finished,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// It has not begun.
    Fresh,
    /// It goes on.
    Running,
    /// It stands still.
    Suspended(Suspension),
    /// It was canceled and waits for these tasks.
    Stopping {
        /// What was asked.
        stop: Stop,
        /// Tasks whose end is awaited, and when they are given up.
        awaited: BTreeMap<TaskId, Option<Timestamp>>,
    },
    /// It has ended.
    Ended(Outcome),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With an output.
    Succeeded(Value),
    /// With an error that nothing caught.
    Failed(Failure),
    /// Beyond its time.
    TimedOut,
    /// On request.
    Stopped(Stop),
}

/// Counts for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// States entered.
    pub transitions: u64,
    /// Attempts of tasks that succeeded.
    pub tasks_succeeded: u64,
    /// Attempts of tasks that failed or took too long.
    pub tasks_failed: u64,
    /// Retries.
    pub retries: u64,
    /// Ends of tasks that were told while the run stood still.
    pub held: u64,
}

/// An instance of a scope.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) scope: ScopeIdx,
    pub(super) input: Value,
    /// The last output, or the merge of all outputs, as the scope hands over.
    pub(super) data: Value,
    pub(super) variables: Object,
    /// How often states were entered that were entered more than once.
    pub(super) visits: BTreeMap<u32, u32>,
    /// The current state. Absent only while the engine moves.
    pub(super) active: Option<Active>,
    /// What an iteration that is a run of its own does not share with the run.
    pub(super) own: Option<Box<Own>>,
}

/// What each run has for itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Own {
    /// Run-wide variables.
    pub(super) globals: Object,
    /// History events, told or not.
    pub(super) events: u64,
    /// When it is given up.
    pub(super) deadline: Option<Timestamp>,
}

/// A state that is being visited.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    pub(super) state: StateIdx,
    pub(super) path: Str,
    pub(super) entered_at: Timestamp,
    /// Number of the event that told of its entry; not known where it was stored by an older version.
    pub(super) event_id: Option<u64>,
    pub(super) raw: Value,
    pub(super) input: Value,
    /// Retries used up, per retrier of the state.
    pub(super) retries: Vec<u32>,
    /// Attempt of the work, from 1.
    pub(super) attempt: u32,
    /// The rule that a Choice with a body took; the number of rules where none held.
    pub(super) branch: Option<u32>,
    /// The error of the last attempt, while the work is tried again.
    pub(super) failure: Option<Failure>,
    /// What the last attempt's error said about when to try again. Used up within the same step.
    pub(super) retry_after_seconds: Option<u64>,
    pub(super) phase: Phase,
}

/// What a visited state is doing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// Its input is being made. Never stored.
    Entering,
    /// A task is out.
    Task(Task),
    /// A Wait, until then.
    Waiting { until: Timestamp },
    /// A Parallel or Map that failed, until it is tried again.
    BackingOff { until: Timestamp },
    /// What a Map is to run over is being read.
    Reading(Task),
    /// Scopes run within it.
    Children(Children),
    /// All iterations of a Map have ended, and what they gave is being written.
    Writing(Task, Children),
    /// It failed and nothing caught it: the run has ended here.
    Failed,
}

/// A task that is out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    pub(super) arguments: Value,
    pub(super) not_before: Option<Timestamp>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) is_accepted: bool,
}

/// Signs of life that are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heartbeat {
    pub(super) seconds: u64,
    pub(super) due: Timestamp,
}

/// Scopes that run within a state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Children {
    /// What a Map runs over; absent for branches.
    pub(super) mapping: Option<Box<Mapping>>,
    /// One per branch or iteration that was begun; further ones of a Map are begun in order.
    pub(super) slots: Vec<Slot>,
    /// Branches in all; for a Map the elements.
    pub(super) total: usize,
    /// The slots that run. Whatever happens costs by their number, not by that of all.
    pub(super) running: BTreeSet<usize>,
    /// Those that have failed and are to be run again, as soon as there is room.
    pub(super) again: BTreeSet<usize>,
    pub(super) concurrency: usize,
    /// One of them failed and nothing caught it: the run has ended here.
    pub(super) is_failed: bool,
}

/// What a Map runs over, computed once when it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mapping {
    pub(super) elements: Elements,
    /// Where they come from, as expressions are told.
    pub(super) source: Str,
    pub(super) batches: Option<Batches>,
    /// Elements that an iteration was begun for.
    pub(super) begun: usize,
    /// Elements whose iteration failed.
    pub(super) failed: usize,
    /// Elements whose iteration may fail.
    pub(super) failed_max: usize,
}

/// Elements that share iterations.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Batches {
    /// The first element of each slot.
    pub(super) starts: Vec<usize>,
    pub(super) items_max: Option<usize>,
    pub(super) bytes_max: usize,
    pub(super) input: Option<Value>,
}

/// The elements of a Map.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Elements {
    Array(Array),
    Object(Object),
}

/// An element of a Map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) index: usize,
    pub(super) key: Option<Str>,
    pub(super) source: Str,
}

/// A branch or iteration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    Running(Box<Frame>),
    Done(Value),
    /// A run of its own that failed without failing the Map by that alone. It stays for a redrive.
    Failed(Box<Frame>),
}

impl Run {
    /// A run that has not begun.
    #[must_use]
    pub fn new(execution: Execution) -> Self {
        let started_at = super::time::whole_millis(execution.started_at);
        let execution = Execution { started_at, ..execution };
        Self {
            execution: Arc::new(execution),
            root: None,
            globals: Object::default(),
            status: Status::Fresh,
            progress: Progress::default(),
            events: 0,
            redrives: Redrives::default(),
            finished: Finished::new(),
        }
    }

    /// What the run is a run of.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        &self.execution
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How it ended, nothing while it goes on.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.status {
            Status::Ended(outcome) => Some(outcome),
            Status::Fresh | Status::Running | Status::Suspended(_) | Status::Stopping { .. } => None,
        }
    }

    /// Counts for people.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// History events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }
}

impl Stop {
    /// A stop without a reason.
    #[must_use]
    pub fn new(mode: StopMode) -> Self {
        Self { mode, error: None, cause: None }
    }
}
