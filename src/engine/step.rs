//! One event, taken in by the whole run.

use std::cell::OnceCell;
use std::sync::Arc;

use jiff::Timestamp;

use crate::expr;
use crate::ir::{ErrorKind, Program, State};
use crate::value::{Object, Str, Value};

use super::environment::Place;
use super::outlook::cancel_all;
use super::redrive::{Finished, Redrives};
use super::run::{Active, Execution, Frame, Phase, Progress, Status};
use super::token::TokenKey;
use super::{Command, Event, Failure, HistoryEvent, HistoryKind, Outcome, Report, Run, TaskId, time};

/// States that a run may enter, in iterations that are runs of their own too: the history does not tell
/// of those, and without a bound a Map within a Map would go on for ever within one event. Some ten
/// seconds of a processor.
const TRANSITIONS_MAX: u64 = 10_000_000;

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
    /// Whether what changed must be remembered before anything else happens. A sign of life alone need
    /// not be; what happens in an iteration must, also where the history does not tell of it.
    pub is_progress: bool,
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
    take_in(Stepper::new(program, &run, now, key), run, event)
}

/// The same, and the history tells of everything that happens in iterations that are runs of their own, too.
/// Such events have no number.
///
/// # Errors
/// As [`step`].
pub fn step_in_detail(
    program: &Program,
    run: Run,
    now: Timestamp,
    event: Event,
    key: &TokenKey,
) -> Result<Step, Fault> {
    let stepper = Stepper { is_detailed: true, ..Stepper::new(program, &run, now, key) };
    take_in(stepper, run, event)
}

fn take_in(mut stepper: Stepper<'_>, run: Run, event: Event) -> Result<Step, Fault> {
    let Run { execution, mut root, status, .. } = run;
    let status = match (status, event) {
        (Status::Ended(Outcome::Succeeded(output)), _) => Status::Ended(Outcome::Succeeded(output)),
        (Status::Ended(outcome), Event::Redrive { stop }) => stepper.redrive(&mut root, outcome, stop)?,
        (Status::Ended(outcome), _) => Status::Ended(outcome),
        (Status::Fresh, Event::Start) => stepper.start(&mut root)?,
        // Stopped before it began: nothing is performed.
        (Status::Fresh, Event::Stop(stop)) => stepper.stop_before_start(stop),
        (
            Status::Fresh,
            Event::Tick
            | Event::Task { .. }
            | Event::Suspend
            | Event::Resume
            | Event::Redrive { .. }
            | Event::Overflow { .. },
        ) => return Err(Fault::NotStarted),
        (Status::Running | Status::Suspended(_) | Status::Stopping { .. }, Event::Start) => {
            return Err(Fault::AlreadyStarted);
        }
        (Status::Running | Status::Suspended(_), Event::Overflow { cause }) => {
            stepper.give_up(root.take());
            let failure = stepper.failure(ErrorKind::DataLimit, cause);
            stepper.end_failed(failure)
        }
        (Status::Stopping { stop, .. }, Event::Overflow { .. }) => {
            stepper.give_up(root.take());
            stepper.end_stopped(stop)
        }
        (Status::Running, Event::Suspend) => stepper.suspend(),
        (Status::Running, event) => stepper.move_on(&mut root, event)?,
        (Status::Suspended(suspension), event) => stepper.stand_still(&mut root, suspension, event)?,
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
    pub(super) is_progress: bool,
    /// Path of the state whose expression was interrupted first.
    pub(super) interrupted: OnceCell<Str>,
    pub(super) deadline: Timestamp,
    pub(super) redrives: Redrives,
    pub(super) finished: Finished,
    events: u64,
    iteration: Option<Iteration>,
    history: Vec<HistoryEvent>,
    /// Whether all that happens in iterations is told.
    is_detailed: bool,
}

/// The innermost iteration that is a run of its own, while something moves in it.
struct Iteration {
    events: u64,
    /// Whether its failures are told of.
    is_telling: bool,
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
            is_progress: false,
            interrupted: OnceCell::new(),
            deadline: run.deadline(program),
            redrives: run.redrives,
            finished: run.finished.clone(),
            events: run.events,
            iteration: None,
            history: Vec::new(),
            is_detailed: false,
        }
    }

    fn finish(self, execution: Arc<Execution>, root: Option<Frame>, status: Status) -> Step {
        // Nothing is owed to a run that succeeded; after a bad end it may be redriven.
        let has_succeeded = matches!(status, Status::Ended(Outcome::Succeeded(_)));
        let run = Run {
            execution,
            root: root.filter(|root| !has_succeeded && root.active.is_some()),
            globals: self.globals,
            status,
            progress: self.progress,
            events: self.events,
            redrives: self.redrives,
            finished: if has_succeeded { Finished::new() } else { self.finished },
        };
        let (is_changed, is_progress) = (self.is_changed, self.is_progress);
        Step { run, commands: self.commands, history: self.history, is_changed, is_progress }
    }

    /// Tells something. The path is that of the state it happened to.
    pub(super) fn record(&mut self, path: &Str, kind: HistoryKind) {
        self.is_changed = true;
        self.is_progress = true;
        if let Some(iteration) = &mut self.iteration {
            iteration.events = iteration.events.saturating_add(1);
            if !iteration.is_telling || !matches!(kind, HistoryKind::StateFailed { .. }) {
                if self.is_detailed {
                    self.history.push(HistoryEvent { id: 0, at: self.now, path: path.clone(), kind });
                }
                return;
            }
        }
        self.events = self.events.saturating_add(1);
        self.history.push(HistoryEvent { id: self.events, at: self.now, path: path.clone(), kind });
    }

    /// The number of the next event of the run, or of the run of its own that is at work.
    pub(super) fn next_event(&self) -> u64 {
        self.iteration.as_ref().map_or(self.events, |iteration| iteration.events).saturating_add(1)
    }

    pub(super) fn record_run(&mut self, kind: HistoryKind) {
        self.record(&Arc::from(""), kind);
    }

    /// Lets something move in a scope. Where that is a run of its own, it has its own run-wide variables
    /// and counts its own events; the history tells only how it fails, and only where `is_telling`.
    pub(super) fn within<T>(
        &mut self,
        child: &mut Frame,
        is_telling: bool,
        act: impl FnOnce(&mut Self, &mut Frame) -> T,
    ) -> T {
        let Some(mut own) = child.own.take() else { return act(self, child) };
        std::mem::swap(&mut self.globals, &mut own.globals);
        // One that is not told of tells of nothing within it either.
        let is_telling = is_telling && self.iteration.as_ref().is_none_or(|outer| outer.is_telling);
        let outer = self.iteration.replace(Iteration { events: own.events, is_telling });
        let result = act(self, child);
        let iteration = std::mem::replace(&mut self.iteration, outer);
        own.events = iteration.map_or(own.events, |iteration| iteration.events);
        std::mem::swap(&mut self.globals, &mut own.globals);
        child.own = Some(own);
        result
    }

    /// Whether no further event is allowed.
    pub(super) fn is_out_of_events(&self) -> bool {
        let events = self.iteration.as_ref().map_or(self.events, |iteration| iteration.events);
        events >= self.program.limits().events_max || self.progress.transitions >= TRANSITIONS_MAX
    }

    pub(super) fn out_of_events(&self) -> Failure {
        let limit = self.program.limits().events_max;
        let cause = match self.progress.transitions >= TRANSITIONS_MAX {
            true => format!("the execution has reached its limit of {TRANSITIONS_MAX} states entered"),
            false => format!("the execution has reached its limit of {limit} history events"),
        };
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
        self.record_run(HistoryKind::ExecutionStarted { input });
        self.begin(root)
    }

    /// Enters the first state.
    pub(super) fn begin(&mut self, root: &mut Option<Frame>) -> Result<Status, Fault> {
        let input = self.execution.input.clone();
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

    pub(super) fn move_on(&mut self, root: &mut Option<Frame>, event: Event) -> Result<Status, Fault> {
        let frame = root.as_mut().ok_or(Fault::ForeignProgram)?;
        let place = Place::root();
        let flow = match event {
            Event::Tick if self.now >= self.deadline => return Ok(self.time_out(Some(frame))),
            Event::Tick => self.tick(frame, &place)?,
            Event::Task { id, report } => self.deliver(frame, &place, &id, report)?,
            Event::Stop(stop) => return Ok(self.stop(frame, stop, self.now)),
            // It goes on.
            Event::Suspend | Event::Resume | Event::Redrive { .. } => Flow::Pending,
            Event::Start | Event::Overflow { .. } => return Err(Fault::AlreadyStarted),
        };
        Ok(self.settle(flow, frame))
    }

    /// What the flow of the root scope means for the run.
    pub(super) fn settle(&mut self, flow: Flow, frame: &Frame) -> Status {
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

    pub(super) fn end_failed(&mut self, failure: Failure) -> Status {
        self.record_run(HistoryKind::ExecutionFailed { failure: failure.clone() });
        Status::Ended(Outcome::Failed(failure))
    }

    pub(super) fn time_out(&mut self, frame: Option<&Frame>) -> Status {
        if let Some(frame) = frame {
            cancel_all(frame, &mut self.commands);
        }
        self.record_run(HistoryKind::ExecutionTimedOut);
        Status::Ended(Outcome::TimedOut)
    }

    /// Ends what goes on and forgets it: of a run that cannot be kept nothing can be taken up again.
    fn give_up(&mut self, root: Option<Frame>) {
        if let Some(frame) = root {
            cancel_all(&frame, &mut self.commands);
        }
        self.globals = Object::default();
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
            Phase::Reading(task) => self.tick_reader(&mut active, task),
            Phase::Writing(task, children) => self.tick_writer(&mut active, task, children),
            Phase::Children(children) => self.tick_children(frame, place, &mut active, children)?,
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
        let work = match phase {
            Phase::Task(task) if active.task_id() == *id => self.report(frame, &mut active, task, report)?,
            Phase::Reading(task) if TaskId::reader(&active.path, active.attempt) == *id => {
                self.report_reader(frame, place, &mut active, task, report)?
            }
            Phase::Writing(task, children) if TaskId::writer(&active.path, active.attempt) == *id => {
                self.report_writer(frame, &mut active, (task, children), report)?
            }
            Phase::Children(children) => {
                self.deliver_child(frame, place, &mut active, children, (id, report))?
            }
            phase @ (Phase::Entering
            | Phase::Task(_)
            | Phase::Reading(_)
            | Phase::Writing(..)
            | Phase::Waiting { .. }
            | Phase::BackingOff { .. }
            | Phase::Failed) => {
                active.phase = phase;
                Work::Pending
            }
        };
        self.proceed(frame, place, active, work)
    }
}
