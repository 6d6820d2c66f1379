//! One event, taken in by the whole run.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::expr;
use crate::ir::{Completion, ErrorKind, Program, State};
use crate::value::{Object, Str, Value};

use super::children::Inner;
use super::environment::Place;
use super::run::{Active, Children, Execution, Frame, Phase, Progress, Slot, Status, cancel_all};
use super::token::TokenKey;
use super::{
    Command, Event, Failure, HistoryEvent, HistoryKind, Outcome, Report, Run, Stop, StopMode, TaskId, time,
};

/// What came of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is to be remembered.
    pub run: Run,
    /// What is to be done, in this order, once it is remembered.
    pub commands: Vec<Command>,
    /// What there is to tell.
    pub history: Vec<HistoryEvent>,
    /// Whether anything changed. An event for a task that is no longer out changes nothing.
    pub is_changed: bool,
}

/// A bug of ours, a stored run that was tampered with, or a step that somebody interrupted; never an
/// error of the user's definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The run refers to a scope or state that its program does not have.
    #[error("the run is in a state that its program does not have")]
    ForeignProgram,
    /// The run was begun a second time.
    #[error("the run has begun already")]
    AlreadyStarted,
    /// Something happened to a run that has not begun.
    #[error("the run has not begun")]
    NotStarted,
    /// The stored form cannot be read.
    #[error("the stored run cannot be read: {0}")]
    Snapshot(String),
    /// Its expressions were interrupted from outside ([`crate::expr::Interrupt`]); nothing of the step
    /// holds.
    #[error("the expressions of state `{0}` were interrupted: they take too long or too much memory")]
    Interrupted(Str),
}

/// Takes in one event.
///
/// `key` makes the task tokens that expressions ask for.
///
/// # Errors
/// Only a [`Fault`]. Whatever goes wrong in the user's state machine is part of the run.
pub fn step(
    program: &Program,
    run: Run,
    now: Timestamp,
    event: Event,
    key: &TokenKey,
) -> Result<Step, Fault> {
    let mut stepper = Stepper::new(program, &run, now, key);
    let Run { execution, mut root, status, .. } = run;
    let status = match (status, event) {
        (Status::Ended(outcome), _) => Status::Ended(outcome),
        (Status::Fresh, Event::Start) => stepper.start(&mut root)?,
        // Stopped before it began: nothing is performed.
        (Status::Fresh, Event::Stop(stop)) => stepper.stop_before_start(stop),
        (Status::Fresh, Event::Tick | Event::Task { .. } | Event::Overflow { .. }) => {
            return Err(Fault::NotStarted);
        }
        (Status::Running | Status::Stopping { .. }, Event::Start) => return Err(Fault::AlreadyStarted),
        (Status::Running, Event::Overflow { cause }) => {
            stepper.give_up(root.take());
            let failure = stepper.failure(ErrorKind::DataLimit, cause);
            stepper.end_failed(failure)
        }
        (Status::Stopping { stop, .. }, Event::Overflow { .. }) => {
            stepper.give_up(root.take());
            stepper.end_stopped(stop)
        }
        (Status::Running, event) => stepper.move_on(&mut root, event)?,
        (Status::Stopping { stop, awaited }, event) => stepper.wind_down(stop, awaited, event)?,
    };
    // What was computed since then says nothing about the run.
    if expr::is_interrupted() {
        return Err(Fault::Interrupted(stepper.interrupted.into_inner().unwrap_or_default()));
    }
    Ok(stepper.finish(execution, root, status))
}

/// Where a frame stands after something moved in it.
pub(super) enum Flow {
    /// It waits for an event.
    Pending,
    /// It has ended with this.
    Done(Value),
    /// It has ended with an error.
    Failed(Failure),
}

/// What became of the work of a state.
pub(super) enum Work {
    /// It waits for an event.
    Pending,
    /// It gave this.
    Result(Value),
    /// It failed.
    Failed(Failure),
}

/// The engine at work: what all states share while one event is taken in.
pub(super) struct Stepper<'p> {
    pub(super) program: &'p Program,
    pub(super) now: Timestamp,
    pub(super) key: &'p TokenKey,
    pub(super) execution: Arc<Execution>,
    pub(super) globals: Object,
    pub(super) progress: Progress,
    pub(super) commands: Vec<Command>,
    pub(super) is_changed: bool,
    /// Path of the state whose expression was interrupted first.
    pub(super) interrupted: OnceCell<Str>,
    deadline: Timestamp,
    events: u64,
    history: Vec<HistoryEvent>,
}

impl<'p> Stepper<'p> {
    fn new(program: &'p Program, run: &Run, now: Timestamp, key: &'p TokenKey) -> Self {
        Self {
            program,
            now: time::whole_millis(now),
            key,
            execution: run.execution.clone(),
            globals: run.globals.clone(),
            progress: run.progress,
            commands: Vec::new(),
            is_changed: false,
            interrupted: OnceCell::new(),
            deadline: run.deadline(program),
            events: run.events,
            history: Vec::new(),
        }
    }

    fn finish(self, execution: Arc<Execution>, root: Option<Frame>, status: Status) -> Step {
        let run = Run {
            execution,
            // Nothing is owed to a run that succeeded; after a bad end it may be redriven.
            root: root.filter(|_| !matches!(status, Status::Ended(Outcome::Succeeded(_)))),
            globals: self.globals,
            status,
            progress: self.progress,
            events: self.events,
        };
        Step { run, commands: self.commands, history: self.history, is_changed: self.is_changed }
    }

    /// Tells something. The path is that of the state it happened to.
    pub(super) fn record(&mut self, path: &Str, kind: HistoryKind) {
        self.is_changed = true;
        self.events = self.next_event();
        self.history.push(HistoryEvent { id: self.events, at: self.now, path: path.clone(), kind });
    }

    /// The number of the event that is told next.
    pub(super) fn next_event(&self) -> u64 {
        self.events.saturating_add(1)
    }

    fn record_run(&mut self, kind: HistoryKind) {
        self.record(&Arc::from(""), kind);
    }

    /// Whether the language allows no further event.
    pub(super) fn is_out_of_events(&self) -> bool {
        self.events >= self.program.limits().events_max
    }

    pub(super) fn out_of_events(&self) -> Failure {
        let limit = self.program.limits().events_max;
        let cause = format!("the execution has reached its limit of {limit} history events");
        self.failure(ErrorKind::EventLimit, cause)
    }

    pub(super) fn failure(&self, kind: ErrorKind, cause: impl Into<Str>) -> Failure {
        Failure::of(self.program, kind, Some(cause.into()))
    }

    pub(super) fn state_of(&self, frame: &Frame, active: &Active) -> Result<&'p State, Fault> {
        let scope = self.program.scope(frame.scope).ok_or(Fault::ForeignProgram)?;
        scope.state(active.state).ok_or(Fault::ForeignProgram)
    }

    fn start(&mut self, root: &mut Option<Frame>) -> Result<Status, Fault> {
        let input = self.execution.input.clone();
        self.record_run(HistoryKind::ExecutionStarted { input: input.clone() });
        if self.now >= self.deadline {
            // A time-out of 0: nothing is performed.
            return Ok(self.time_out(None));
        }
        let input = match self.boundary_input(input) {
            Ok(input) => input,
            Err(failure) => return Ok(self.end_failed(failure)),
        };
        let frame = root.insert(Frame::new(self.program, self.program.root(), input)?);
        let place = Place::root();
        let start = self.program.scope(frame.scope).ok_or(Fault::ForeignProgram)?.start();
        let flow = self.enter(frame, &place, start)?;
        Ok(self.settle(flow, frame))
    }

    fn move_on(&mut self, root: &mut Option<Frame>, event: Event) -> Result<Status, Fault> {
        let frame = root.as_mut().ok_or(Fault::ForeignProgram)?;
        let place = Place::root();
        let flow = match event {
            Event::Tick if self.now >= self.deadline => return Ok(self.time_out(Some(frame))),
            Event::Tick => self.tick(frame, &place)?,
            Event::Task { id, report } => self.deliver(frame, &place, &id, report)?,
            Event::Stop(stop) => return Ok(self.stop(frame, stop)),
            Event::Start | Event::Overflow { .. } => return Err(Fault::AlreadyStarted),
        };
        Ok(self.settle(flow, frame))
    }

    /// What the flow of the root scope means for the run.
    fn settle(&mut self, flow: Flow, frame: &Frame) -> Status {
        match flow {
            Flow::Pending => Status::Running,
            Flow::Failed(failure) => self.end_failed(failure),
            Flow::Done(data) => match self.boundary_output(frame, data) {
                Ok(output) => {
                    self.record_run(HistoryKind::ExecutionSucceeded { output: output.clone() });
                    Status::Ended(Outcome::Succeeded(output))
                }
                Err(failure) => self.end_failed(failure),
            },
        }
    }

    fn end_failed(&mut self, failure: Failure) -> Status {
        self.record_run(HistoryKind::ExecutionFailed { failure: failure.clone() });
        Status::Ended(Outcome::Failed(failure))
    }

    fn time_out(&mut self, frame: Option<&Frame>) -> Status {
        if let Some(frame) = frame {
            cancel_all(self.program, frame, &mut self.commands);
        }
        self.record_run(HistoryKind::ExecutionTimedOut);
        Status::Ended(Outcome::TimedOut)
    }

    /// Ends what goes on and forgets it: of a run that cannot be kept nothing can be taken up again.
    fn give_up(&mut self, root: Option<Frame>) {
        if let Some(frame) = root {
            cancel_all(self.program, &frame, &mut self.commands);
        }
        self.globals = Object::default();
    }

    fn stop_before_start(&mut self, stop: Stop) -> Status {
        let input = self.execution.input.clone();
        self.record_run(HistoryKind::ExecutionStarted { input });
        self.record_run(HistoryKind::StopRequested { mode: stop.mode });
        self.end_stopped(stop)
    }

    fn end_stopped(&mut self, stop: Stop) -> Status {
        self.record_run(HistoryKind::ExecutionStopped {
            mode: stop.mode,
            error: stop.error.clone(),
            cause: stop.cause.clone(),
        });
        Status::Ended(Outcome::Stopped(stop))
    }

    /// Someone wants the end: at once, or as soon as the tasks that run have ended.
    fn stop(&mut self, frame: &Frame, stop: Stop) -> Status {
        self.record_run(HistoryKind::StopRequested { mode: stop.mode });
        let mut cancels = Vec::new();
        cancel_all(self.program, frame, &mut cancels);
        if stop.mode == StopMode::Terminate {
            self.commands.append(&mut cancels);
            return self.end_stopped(stop);
        }
        let mut awaited = BTreeMap::new();
        let mut leaves = BTreeMap::new();
        self.awaitable(frame, &mut leaves);
        for cancel in cancels {
            let Command::Cancel { id, .. } = cancel else { continue };
            // A task that waits for a callback or for its back-off has nothing that could end.
            let is_awaited = leaves.get(&id).copied();
            if let Some(deadline) = is_awaited {
                awaited.insert(id.clone(), deadline);
            }
            self.commands.push(Command::Cancel { id, is_awaited: is_awaited.is_some() });
        }
        self.wait_for(stop, awaited)
    }

    fn wait_for(&mut self, stop: Stop, awaited: BTreeMap<TaskId, Option<Timestamp>>) -> Status {
        if awaited.is_empty() {
            return self.end_stopped(stop);
        }
        Status::Stopping { stop, awaited }
    }

    /// Tasks that are going on outside, with the instant at which they are given up.
    fn awaitable(&self, frame: &Frame, tasks: &mut BTreeMap<TaskId, Option<Timestamp>>) {
        let Some(active) = &frame.active else { return };
        match &active.phase {
            Phase::Task(task) => {
                let completion = match self.state_of(frame, active).map(|state| &state.kind) {
                    Ok(crate::ir::Kind::Task { completion, .. }) => *completion,
                    Ok(_) | Err(_) => return,
                };
                let is_begun = task.not_before.is_none_or(|at| at <= self.now);
                let awaits_callback = completion == Completion::Callback && task.is_accepted;
                if is_begun && !awaits_callback {
                    tasks.insert(active.task_id(), task.deadline);
                }
            }
            Phase::Children(children) => {
                for slot in &children.slots {
                    if let Slot::Running(child) = slot {
                        self.awaitable(child, tasks);
                    }
                }
            }
            Phase::Entering | Phase::Waiting { .. } | Phase::BackingOff { .. } | Phase::Failed => {}
        }
    }

    /// A canceled run takes note of how its tasks end and begins nothing.
    fn wind_down(
        &mut self,
        stop: Stop,
        mut awaited: BTreeMap<TaskId, Option<Timestamp>>,
        event: Event,
    ) -> Result<Status, Fault> {
        match event {
            Event::Start | Event::Overflow { .. } => return Err(Fault::AlreadyStarted),
            Event::Stop(harder) if harder.mode > stop.mode => {
                self.record_run(HistoryKind::StopRequested { mode: harder.mode });
                for (id, _) in awaited {
                    self.commands.push(Command::Cancel { id, is_awaited: false });
                }
                let reason = |new: Option<Str>, old: Option<Str>| new.or(old);
                return Ok(self.end_stopped(Stop {
                    mode: harder.mode,
                    error: reason(harder.error, stop.error),
                    cause: reason(harder.cause, stop.cause),
                }));
            }
            Event::Stop(_) => {}
            Event::Tick => {
                // Beyond the run's own time all of them are given up; it was stopped before.
                let is_over = self.now >= self.deadline;
                let due: Vec<_> = awaited
                    .iter()
                    .filter(|(_, deadline)| is_over || deadline.is_some_and(|deadline| deadline <= self.now))
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in due {
                    awaited.remove(&id);
                    self.is_changed = true;
                    self.commands.push(Command::Cancel { id, is_awaited: false });
                }
            }
            Event::Task { id, report } => self.note_end(&mut awaited, &id, report),
        }
        Ok(self.wait_for(stop, awaited))
    }

    fn note_end(&mut self, awaited: &mut BTreeMap<TaskId, Option<Timestamp>>, id: &TaskId, report: Report) {
        let kind = match report {
            Report::Heartbeat => return,
            Report::Accepted(result) | Report::Succeeded(result) => {
                HistoryKind::TaskSucceeded { attempt: id.attempt(), result }
            }
            Report::Failed(error) => {
                HistoryKind::TaskFailed { attempt: id.attempt(), failure: self.task_failure(error) }
            }
        };
        if awaited.remove(id).is_some() {
            self.record(&Arc::from(id.path()), kind);
        }
    }

    /// Everything below `frame` whose time has come.
    pub(super) fn tick(&mut self, frame: &mut Frame, place: &Place<'_>) -> Result<Flow, Fault> {
        let Some(mut active) = frame.active.take() else { return Err(Fault::ForeignProgram) };
        let phase = std::mem::replace(&mut active.phase, Phase::Entering);
        let work = match phase {
            Phase::Task(task) => self.tick_task(frame, &mut active, task)?,
            Phase::Waiting { until } if until <= self.now => {
                self.is_changed = true;
                Work::Result(self.idle_result(frame, &active)?)
            }
            Phase::BackingOff { until } if until <= self.now => {
                self.is_changed = true;
                self.work_again(frame, place, &mut active)?
            }
            phase @ (Phase::Waiting { .. } | Phase::BackingOff { .. }) => {
                active.phase = phase;
                Work::Pending
            }
            Phase::Children(children) => {
                self.with_children(frame, place, &mut active, children, |stepper, children, inner| {
                    stepper.tick_children(children, inner)
                })?
            }
            Phase::Entering | Phase::Failed => return Err(Fault::ForeignProgram),
        };
        self.proceed(frame, place, active, work)
    }

    /// News of a task, passed down to the state it belongs to.
    pub(super) fn deliver(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        id: &TaskId,
        report: Report,
    ) -> Result<Flow, Fault> {
        let Some(mut active) = frame.active.take() else { return Err(Fault::ForeignProgram) };
        let phase = std::mem::replace(&mut active.phase, Phase::Entering);
        let work =
            match phase {
                Phase::Task(task) if active.task_id() == *id => {
                    self.report(frame, &mut active, task, report)?
                }
                Phase::Children(children) => {
                    let within = id.path().strip_prefix(&active.prefix());
                    let slot = within.and_then(|rest| rest.split('/').next()?.parse().ok());
                    self.with_children(frame, place, &mut active, children, |stepper, children, inner| {
                        match slot {
                            Some(slot) => stepper.deliver_child(children, inner, slot, id, report),
                            None => Ok(Work::Pending),
                        }
                    })?
                }
                phase @ (Phase::Entering
                | Phase::Task(_)
                | Phase::Waiting { .. }
                | Phase::BackingOff { .. }
                | Phase::Failed) => {
                    active.phase = phase;
                    Work::Pending
                }
            };
        self.proceed(frame, place, active, work)
    }

    /// Runs `act` on the children of a state and puts them back while they go on.
    fn with_children(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        mut children: Children,
        act: impl FnOnce(&mut Self, &mut Children, &Inner<'_>) -> Result<Work, Fault>,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let inherited = Self::inherit(frame, place);
        let inner = Inner { frame, place, active, state, inherited: &inherited };
        let work = act(self, &mut children, &inner)?;
        if !matches!(work, Work::Result(_)) {
            // After a failure they stay for as long as nothing catches it: the run may be redriven.
            active.phase = Phase::Children(children);
        }
        Ok(work)
    }
}
