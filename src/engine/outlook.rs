//! What a run waits for: tasks that are out, instants, and the states a person sees.

use jiff::Timestamp;

use crate::ir::{Completion, Kind, Program, State};
use crate::value::Str;

use super::run::{Active, Children, Execution, Frame, Phase, Run, Slot, Status, Task};
use super::{ANSWER_BYTES_MAX, Command, FILE_BYTES_MAX, Failure, TaskCommand, TaskId};

impl Execution {
    /// How long the run may take.
    pub(super) fn seconds_max(&self, program: &Program) -> u64 {
        let limit = program.limits().execution_seconds_max;
        self.timeout_seconds.or(program.timeout_seconds()).unwrap_or(limit).min(limit)
    }
}

impl Run {
    /// When the run is TimedOut.
    #[must_use]
    pub fn deadline(&self, program: &Program) -> Timestamp {
        let began_at = self.redrives.last_at.unwrap_or(self.execution.started_at);
        super::time::after(began_at, self.execution.seconds_max(program))
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
            // Nothing else is due before it goes on.
            Status::Suspended(_) => return Some(self.deadline(program)),
            Status::Running => self.deadline(program),
        };
        self.visit_leaves(&mut |_, active| {
            let due = match &active.phase {
                Phase::Task(task) | Phase::Reading(task) | Phase::Writing(task, _) => task.due(),
                Phase::Waiting { until } | Phase::BackingOff { until } => Some(*until),
                Phase::Entering | Phase::Children(_) | Phase::Failed => None,
            };
            wake = due.map_or(wake, |due| due.min(wake));
        });
        let given_up = self.root.as_ref().and_then(first_given_up);
        Some(given_up.map_or(wake, |at| at.min(wake)))
    }

    /// All tasks that are out: what must be going on outside for the run to go on. This is the
    /// outbox: it is part of the run, and starting each of them again is harmless.
    #[must_use]
    pub fn outstanding(&self, program: &Program) -> Vec<TaskCommand> {
        let mut tasks = Vec::new();
        if matches!(self.status, Status::Fresh | Status::Ended(_)) {
            return tasks;
        }
        self.visit_leaves(&mut |frame, active| {
            let task = state_of(program, frame, active).and_then(|state| active.command(&state.kind));
            tasks.extend(task.filter(|task| self.is_wanted(task)));
        });
        tasks
    }

    /// Whether a task that was asked for is still to be done.
    fn is_wanted(&self, task: &TaskCommand) -> bool {
        match &self.status {
            Status::Fresh | Status::Ended(_) => false,
            Status::Running => true,
            Status::Stopping { awaited, .. } => awaited.contains_key(&task.id),
            // One whose back-off was not over is begun when the run goes on.
            Status::Suspended(suspension) => {
                let is_begun = task.not_before.is_none_or(|at| at <= suspension.begun_until());
                is_begun && !suspension.held.contains_key(&task.id)
            }
        }
    }

    /// The states that are being visited, innermost only, in the order of the definition.
    #[must_use]
    pub fn active(&self, program: &Program) -> Vec<ActiveState> {
        let mut states = Vec::new();
        if matches!(self.status, Status::Ended(_)) {
            return states;
        }
        self.visit_leaves(&mut |frame, active| {
            let state = state_of(program, frame, active);
            states.extend(state.map(|state| active.shown(&state.kind)));
        });
        states
    }

    fn visit_leaves(&self, visit: &mut dyn FnMut(&Frame, &Active)) {
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
    /// The task that is out for it.
    pub task: Option<TaskId>,
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

/// Shows every state that is being visited and has no scope running within it, in the order of the
/// definition.
pub(super) fn visit_leaves(frame: &Frame, visit: &mut dyn FnMut(&Frame, &Active)) {
    let Some(active) = &frame.active else { return };
    match &active.phase {
        Phase::Children(children) => {
            children.running().for_each(|child| visit_leaves(child, visit));
        }
        Phase::Entering
        | Phase::Task(_)
        | Phase::Reading(_)
        | Phase::Writing(..)
        | Phase::Waiting { .. }
        | Phase::BackingOff { .. }
        | Phase::Failed => visit(frame, active),
    }
}

/// When the first of the iterations within a frame is given up.
fn first_given_up(frame: &Frame) -> Option<Timestamp> {
    let Phase::Children(children) = &frame.active.as_ref()?.phase else { return None };
    let of_child = |child: &Frame| {
        let own = child.own.as_ref().and_then(|own| own.deadline);
        own.into_iter().chain(first_given_up(child)).min()
    };
    children.running().filter_map(of_child).min()
}

fn state_of<'p>(program: &'p Program, frame: &Frame, active: &Active) -> Option<&'p State> {
    program.scope(frame.scope).and_then(|scope| scope.state(active.state))
}

/// All tasks below a frame as cancellations; nobody listens to them any more.
pub(super) fn cancel_all(frame: &Frame, commands: &mut Vec<Command>) {
    visit_leaves(frame, &mut |_, active| {
        commands.extend(active.errand().map(|(id, _)| Command::Cancel { id, is_awaited: false }));
    });
}

impl Children {
    /// The same to be changed.
    pub(super) fn running_mut(&mut self) -> impl Iterator<Item = &mut Frame> {
        let running = &self.running;
        let slots = self.slots.iter_mut().enumerate();
        slots.filter(|(slot, _)| running.contains(slot)).filter_map(|(_, slot)| match slot {
            Slot::Running(child) => Some(&mut **child),
            Slot::Done(_) | Slot::Failed(_) => None,
        })
    }

    /// The frames that run, in their order.
    pub(super) fn running(&self) -> impl Iterator<Item = &Frame> {
        self.running.iter().filter_map(|slot| match self.slots.get(*slot) {
            Some(Slot::Running(child)) => Some(&**child),
            Some(Slot::Done(_) | Slot::Failed(_)) | None => None,
        })
    }
}

impl Task {
    /// When it is given up without news.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let heartbeat = self.heartbeat.map(|heartbeat| heartbeat.due);
        [self.deadline, heartbeat].into_iter().flatten().min()
    }
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

    /// The task that is out for the state itself, and its id.
    pub(super) fn errand(&self) -> Option<(TaskId, &Task)> {
        match &self.phase {
            Phase::Task(task) => Some((self.task_id(), task)),
            Phase::Reading(task) => Some((TaskId::reader(&self.path, self.attempt), task)),
            Phase::Writing(task, _) => Some((TaskId::writer(&self.path, self.attempt), task)),
            Phase::Entering
            | Phase::Waiting { .. }
            | Phase::BackingOff { .. }
            | Phase::Children(_)
            | Phase::Failed => None,
        }
    }

    pub(super) fn task_id(&self) -> TaskId {
        TaskId::new(&self.path, self.attempt)
    }

    /// What the task that is out asks for, and when it counts as done.
    pub(super) fn order<'k>(&self, kind: &'k Kind) -> Option<(&'k Str, Completion)> {
        match (kind, &self.phase) {
            (Kind::Task { resource, completion, .. }, _) => Some((resource, *completion)),
            // Reading and writing is done when it is done, whoever does it.
            (Kind::Map(map), Phase::Reading(_)) => {
                map.reader.as_ref().map(|reader| (&reader.resource, Completion::Job))
            }
            (Kind::Map(map), Phase::Writing(..)) => {
                map.writer.as_ref().map(|writer| (&writer.resource, Completion::Job))
            }
            (
                Kind::Pass { .. }
                | Kind::Wait(_)
                | Kind::Choice { .. }
                | Kind::Parallel { .. }
                | Kind::Map(_)
                | Kind::Succeed
                | Kind::Fail { .. },
                _,
            ) => None,
        }
    }

    /// The command that has the task done that is out.
    pub(super) fn command(&self, kind: &Kind) -> Option<TaskCommand> {
        let (id, task) = self.errand()?;
        let (resource, completion) = self.order(kind)?;
        Some(TaskCommand {
            id,
            resource: resource.clone(),
            arguments: task.arguments.clone(),
            completion,
            not_before: task.not_before,
            deadline: task.deadline,
            is_accepted: task.is_accepted,
            answer_bytes_max: match self.phase {
                Phase::Reading(_) => FILE_BYTES_MAX,
                Phase::Entering
                | Phase::Task(_)
                | Phase::Waiting { .. }
                | Phase::Children(_)
                | Phase::Writing(..)
                | Phase::BackingOff { .. }
                | Phase::Failed => ANSWER_BYTES_MAX,
            },
        })
    }

    fn shown(&self, kind: &Kind) -> ActiveState {
        let order = self.order(kind);
        let is_callback = order.is_some_and(|(_, completion)| completion == Completion::Callback);
        let (activity, deadline) = match &self.phase {
            Phase::Task(task) | Phase::Reading(task) | Phase::Writing(task, _) => match task.not_before {
                Some(until) => (Activity::BackOff { until }, task.due()),
                None if is_callback && task.is_accepted => (Activity::Callback, task.due()),
                None => (Activity::Task, task.due()),
            },
            Phase::Waiting { until } => (Activity::Timer, Some(*until)),
            Phase::BackingOff { until } => (Activity::BackOff { until: *until }, Some(*until)),
            Phase::Entering | Phase::Children(_) | Phase::Failed => (Activity::Running, None),
        };
        ActiveState {
            path: self.path.clone(),
            kind: kind.name(),
            activity,
            since: self.entered_at,
            attempt: self.attempt,
            deadline,
            failure: self.failure.clone(),
            resource: order.map(|(resource, _)| resource.clone()),
            task: self.errand().map(|(id, _)| id),
        }
    }
}
