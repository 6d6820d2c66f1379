//! Everything that is remembered of an execution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::ir::{Program, ScopeIdx, StateIdx};
use crate::value::{Array, Object, Str, Value};

use super::{Command, Failure, Stop, StopMode, TaskCommand, TaskId};

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
}

/// The remembered condition of an execution. Made by [`Run::new`] or from its stored form, changed
/// only by [`super::step`].
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub(super) execution: Arc<Execution>,
    pub(super) root: Option<Frame>,
    pub(super) globals: Object,
    pub(super) status: Status,
    pub(super) progress: Progress,
    /// History events so far.
    pub(super) events: u64,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// It has not begun.
    Fresh,
    /// It goes on.
    Running,
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
    /// Scopes run within it.
    Children(Children),
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
    /// The elements of a Map; absent for branches.
    pub(super) items: Option<Array>,
    /// One per branch or iteration that was begun; further ones of a Map are begun in order.
    pub(super) slots: Vec<Slot>,
    /// Branches or iterations in all.
    pub(super) total: usize,
    pub(super) running: usize,
    pub(super) concurrency: usize,
    /// One of them failed and nothing caught it: the run has ended here.
    pub(super) is_failed: bool,
}

/// A branch or iteration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    Running(Box<Frame>),
    Done(Value),
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
            Status::Fresh | Status::Running | Status::Stopping { .. } => None,
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

    /// When the run is TimedOut.
    #[must_use]
    pub fn deadline(&self, program: &Program) -> Timestamp {
        let limit = program.limits().execution_seconds_max;
        let seconds =
            self.execution.timeout_seconds.or(program.timeout_seconds()).unwrap_or(limit).min(limit);
        super::time::after(self.execution.started_at, seconds)
    }

    /// The next instant at which something is due without news from outside.
    #[must_use]
    pub fn next_wake(&self, program: &Program) -> Option<Timestamp> {
        let mut wake = match &self.status {
            Status::Fresh | Status::Ended(_) => return None,
            Status::Stopping { awaited, .. } => {
                let given_up = awaited.values().flatten().min().copied();
                return Some(given_up.map_or(self.deadline(program), |at| at.min(self.deadline(program))));
            }
            Status::Running => self.deadline(program),
        };
        self.visit_leaves(&mut |active| {
            let due = match &active.phase {
                Phase::Task(task) => {
                    let heartbeat = task.heartbeat.map(|heartbeat| heartbeat.due);
                    [task.deadline, heartbeat].into_iter().flatten().min()
                }
                Phase::Waiting { until } | Phase::BackingOff { until } => Some(*until),
                Phase::Entering | Phase::Children(_) | Phase::Failed => None,
            };
            wake = due.map_or(wake, |due| due.min(wake));
        });
        Some(wake)
    }

    /// All tasks that are out: what must be going on outside for the run to go on. This is the
    /// outbox: it is part of the run, and starting each of them again is harmless.
    #[must_use]
    pub fn outstanding(&self, program: &Program) -> Vec<TaskCommand> {
        let mut tasks = Vec::new();
        let awaited: Option<BTreeSet<&TaskId>> = match &self.status {
            Status::Fresh | Status::Ended(_) => return tasks,
            Status::Stopping { awaited, .. } => Some(awaited.keys().collect()),
            Status::Running => None,
        };
        if let Some(root) = &self.root {
            outstanding_of(program, root, &mut |task| {
                if awaited.as_ref().is_none_or(|awaited| awaited.contains(&task.id)) {
                    tasks.push(task);
                }
            });
        }
        tasks
    }

    /// The states that are being visited, innermost only, in the order of the definition.
    #[must_use]
    pub fn active(&self, program: &Program) -> Vec<ActiveState> {
        let mut states = Vec::new();
        if matches!(self.status, Status::Ended(_)) {
            return states;
        }
        if let Some(root) = &self.root {
            active_of(program, root, &mut states);
        }
        states
    }

    pub(super) fn visit_leaves(&self, visit: &mut dyn FnMut(&Active)) {
        if let Some(root) = &self.root {
            visit_leaves(root, visit);
        }
    }
}

/// A state that is being visited, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveState {
    /// Where it is.
    pub path: Str,
    /// What kind of state.
    pub kind: &'static str,
    /// What it does.
    pub activity: Activity,
    /// Since when.
    pub since: Timestamp,
    /// Which attempt.
    pub attempt: u32,
    /// When something happens at the latest.
    pub deadline: Option<Timestamp>,
    /// The error of the attempt before, while it is tried again.
    pub failure: Option<Failure>,
    /// The resource of a task.
    pub resource: Option<Str>,
}

/// What keeps a run from moving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A task is out.
    Task,
    /// Someone has to report with the task's token.
    Callback,
    /// A Wait.
    Timer,
    /// A retry that is not due yet.
    BackOff {
        /// When it is.
        until: Timestamp,
    },
    /// The engine is at work.
    Running,
}

fn visit_leaves(frame: &Frame, visit: &mut dyn FnMut(&Active)) {
    let Some(active) = &frame.active else { return };
    match &active.phase {
        Phase::Children(children) => {
            for slot in &children.slots {
                if let Slot::Running(child) = slot {
                    visit_leaves(child, visit);
                }
            }
        }
        Phase::Entering
        | Phase::Task(_)
        | Phase::Waiting { .. }
        | Phase::BackingOff { .. }
        | Phase::Failed => visit(active),
    }
}

fn outstanding_of(program: &Program, frame: &Frame, push: &mut dyn FnMut(TaskCommand)) {
    let Some(active) = &frame.active else { return };
    match &active.phase {
        Phase::Task(task) => {
            let state = program.scope(frame.scope).and_then(|scope| scope.state(active.state));
            if let Some(command) = state.and_then(|state| active.command(&state.kind, task)) {
                push(command);
            }
        }
        Phase::Children(children) => {
            for slot in &children.slots {
                if let Slot::Running(child) = slot {
                    outstanding_of(program, child, push);
                }
            }
        }
        Phase::Entering | Phase::Waiting { .. } | Phase::BackingOff { .. } | Phase::Failed => {}
    }
}

fn active_of(program: &Program, frame: &Frame, states: &mut Vec<ActiveState>) {
    let Some(active) = &frame.active else { return };
    if let Phase::Children(children) = &active.phase {
        for slot in &children.slots {
            if let Slot::Running(child) = slot {
                active_of(program, child, states);
            }
        }
        return;
    }
    let Some(state) = program.scope(frame.scope).and_then(|scope| scope.state(active.state)) else { return };
    let (activity, deadline) = active.activity(&state.kind);
    let resource = match &state.kind {
        crate::ir::Kind::Task { resource, .. } => Some(resource.clone()),
        crate::ir::Kind::Pass { .. }
        | crate::ir::Kind::Wait(_)
        | crate::ir::Kind::Choice { .. }
        | crate::ir::Kind::Parallel { .. }
        | crate::ir::Kind::Map(_)
        | crate::ir::Kind::Succeed
        | crate::ir::Kind::Fail { .. } => None,
    };
    states.push(ActiveState {
        path: active.path.clone(),
        kind: state.kind.name(),
        activity,
        since: active.entered_at,
        attempt: active.attempt,
        deadline,
        failure: active.failure.clone(),
        resource,
    });
}

impl Active {
    /// Path of what runs within the state, with a `/` behind it. A retry runs it under new paths, so
    /// that no task of an earlier attempt is mistaken for one of this.
    pub(super) fn prefix(&self) -> String {
        match self.attempt {
            1 => format!("{}/", self.path),
            attempt => format!("{}@{attempt}/", self.path),
        }
    }

    pub(super) fn task_id(&self) -> TaskId {
        TaskId::new(&self.path, self.attempt)
    }

    /// The command that has `task` done.
    pub(super) fn command(&self, kind: &crate::ir::Kind, task: &Task) -> Option<TaskCommand> {
        match kind {
            crate::ir::Kind::Task { resource, completion, .. } => Some(TaskCommand {
                id: self.task_id(),
                resource: resource.clone(),
                arguments: task.arguments.clone(),
                completion: *completion,
                not_before: task.not_before,
                deadline: task.deadline,
                is_accepted: task.is_accepted,
            }),
            crate::ir::Kind::Pass { .. }
            | crate::ir::Kind::Wait(_)
            | crate::ir::Kind::Choice { .. }
            | crate::ir::Kind::Parallel { .. }
            | crate::ir::Kind::Map(_)
            | crate::ir::Kind::Succeed
            | crate::ir::Kind::Fail { .. } => None,
        }
    }

    fn activity(&self, kind: &crate::ir::Kind) -> (Activity, Option<Timestamp>) {
        match &self.phase {
            Phase::Task(task) => {
                let heartbeat = task.heartbeat.map(|heartbeat| heartbeat.due);
                let deadline = [task.deadline, heartbeat].into_iter().flatten().min();
                let is_callback = task.is_accepted
                    && matches!(
                        kind,
                        crate::ir::Kind::Task { completion: crate::ir::Completion::Callback, .. }
                    );
                match task.not_before {
                    Some(until) => (Activity::BackOff { until }, deadline),
                    None if is_callback => (Activity::Callback, deadline),
                    None => (Activity::Task, deadline),
                }
            }
            Phase::Waiting { until } => (Activity::Timer, Some(*until)),
            Phase::BackingOff { until } => (Activity::BackOff { until: *until }, Some(*until)),
            Phase::Entering | Phase::Children(_) | Phase::Failed => (Activity::Running, None),
        }
    }
}

impl Stop {
    /// A stop without a reason.
    #[must_use]
    pub fn new(mode: StopMode) -> Self {
        Self { mode, error: None, cause: None }
    }
}

/// All tasks below a frame as cancellations; nobody listens to them any more.
pub(super) fn cancel_all(program: &Program, frame: &Frame, commands: &mut Vec<Command>) {
    outstanding_of(program, frame, &mut |task| {
        commands.push(Command::Cancel { id: task.id, is_awaited: false });
    });
}
