//! A run that has ended badly and goes on from where it failed (asl.md §16, RedriveExecution): states that were
//! not left are entered again with their own input, with all of their retries and with time-outs that count anew.
//! Branches and iterations that have succeeded stay as they are. A state that is entered again is another visit, so
//! that none of its tasks is mistaken for an earlier one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ir::{Completion, ErrorKind, Kind};
use crate::value::Value;

use super::children::is_written;
use super::environment::Place;
use super::run::{Active, Frame, Phase, Status};
use super::step::{Fault, Flow, Stepper, Work};
use super::suspend::Suspension;
use super::visit::{Payload, path_text};
use super::{HistoryKind, Outcome, Report, Run, Stop, TaskId, time};

/// How often a run was taken up again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redrives {
    /// How often in all.
    pub count: u32,
    /// When last.
    pub last_at: Option<Timestamp>,
}

/// How tasks have ended whose run had been asked to end before, as far as they have succeeded: a redrive does not
/// do them again.
pub(super) type Finished = BTreeMap<TaskId, Report>;

impl Run {
    /// How often it was taken up again.
    #[must_use]
    pub fn redrives(&self) -> Redrives {
        self.redrives
    }

    /// A run that begins only now, although it was asked for again so often: it was refused before.
    #[must_use]
    pub fn after_redrives(self, count: u32) -> Self {
        let last_at = (count > 0).then_some(self.execution.started_at);
        Self { redrives: Redrives { count, last_at }, ..self }
    }
}

impl Stepper<'_> {
    /// Goes on. Where `stop` still wants the end, that is all there is: no state is entered.
    pub(super) fn redrive(
        &mut self,
        root: &mut Option<Frame>,
        outcome: Outcome,
        stop: Option<Stop>,
    ) -> Result<Status, Fault> {
        let count = self.redrives.count.saturating_add(1);
        self.redrives = Redrives { count, last_at: Some(self.now) };
        self.deadline = time::after(self.now, self.execution.seconds_max(self.program));
        self.record_run(HistoryKind::ExecutionRedriven { count });
        if let Some(stop) = stop {
            self.record_run(HistoryKind::StopRequested { mode: stop.mode });
            return Ok(self.end_stopped(stop));
        }
        match root {
            Some(frame) if frame.active.is_some() => {
                if self.now >= self.deadline {
                    return Ok(self.time_out(None));
                }
                self.make_ready(frame, "")?;
                let flow = self.redrive_frame(frame, &Place::root())?;
                Ok(self.settle(flow, frame))
            }
            // It has ended before its first state.
            Some(_) | None if self.progress.transitions == 0 => self.begin(root),
            // It has ended behind its last state, or was too large to be kept: it would end so again.
            Some(_) | None => Ok(match outcome {
                Outcome::Failed(failure) => self.end_failed(failure),
                Outcome::Succeeded(_) | Outcome::TimedOut | Outcome::Stopped(_) => {
                    let cause = "the execution was too large to be kept: nothing of it can go on";
                    let failure = self.failure(ErrorKind::DataLimit, cause);
                    self.end_failed(failure)
                }
            }),
        }
    }

    /// Keeps how a task has ended that nobody acts upon, where it has succeeded.
    pub(super) fn keep_finished(&mut self, id: &TaskId, report: &Report) {
        match report {
            Report::Succeeded(_) | Report::Accepted(_) => {
                self.finished.insert(id.clone(), report.clone());
            }
            Report::Failed(_) | Report::Heartbeat => {}
        }
    }

    /// The same of all that was told while the run stood still.
    pub(super) fn keep_held(&mut self, suspension: &Suspension) {
        suspension.held.iter().for_each(|(id, report)| self.keep_finished(id, report));
    }

    /// Makes a frame ready to go on: none of the tasks that were out when the run ended is any longer, and what is
    /// written again for a Map is another task. That gives what stands within the Map other paths.
    fn make_ready(&mut self, frame: &mut Frame, prefix: &str) -> Result<(), Fault> {
        let Some(mut active) = frame.active.take() else { return Err(Fault::ForeignProgram) };
        let state = self.state_of(frame, &active)?;
        let finished = self.finished.remove(&active.task_id());
        let visit = frame.visits.get(&active.state.number()).copied().unwrap_or(1);
        active.path = path_text(prefix, &state.name, visit);
        if let Some(report) = finished {
            self.finished.insert(active.task_id(), report);
        }
        active.phase = match std::mem::replace(&mut active.phase, Phase::Failed) {
            Phase::Children(mut children) | Phase::Writing(_, mut children) => {
                if is_written(state) {
                    active.attempt = active.attempt.saturating_add(1);
                }
                let prefix = active.prefix();
                for (slot, child) in children.unfinished_mut() {
                    self.make_ready(child, &format!("{prefix}{slot}/"))?;
                }
                Phase::Children(children)
            }
            Phase::Task(_)
            | Phase::Reading(_)
            | Phase::Waiting { .. }
            | Phase::BackingOff { .. }
            | Phase::Entering
            | Phase::Failed => Phase::Failed,
        };
        frame.active = Some(active);
        Ok(())
    }

    /// Goes on in a frame: with what is left within its state, with what its task has given, or by entering its
    /// state again.
    pub(super) fn redrive_frame(&mut self, frame: &mut Frame, place: &Place<'_>) -> Result<Flow, Fault> {
        let Some(mut active) = frame.active.take() else { return Err(Fault::ForeignProgram) };
        let result = self.result_before(frame, &active)?;
        if let Some(result) = result {
            self.progress.tasks_succeeded = self.progress.tasks_succeeded.saturating_add(1);
            return self.proceed(frame, place, active, Work::Result(result));
        }
        match std::mem::replace(&mut active.phase, Phase::Entering) {
            Phase::Children(children) | Phase::Writing(_, children) => {
                self.redrive_children(frame, place, active, children)
            }
            Phase::Task(_)
            | Phase::Reading(_)
            | Phase::Waiting { .. }
            | Phase::BackingOff { .. }
            | Phase::Entering
            | Phase::Failed => self.enter(frame, place, active.state),
        }
    }

    /// What the task of a state has given after the run had been asked to end.
    fn result_before(&mut self, frame: &Frame, active: &Active) -> Result<Option<Value>, Fault> {
        let state = self.state_of(frame, active)?;
        let Kind::Task { completion, .. } = &state.kind else { return Ok(None) };
        let result = match self.finished.remove(&active.task_id()) {
            Some(Report::Succeeded(result)) => Some(result),
            Some(Report::Accepted(result)) if *completion == Completion::Response => Some(result),
            Some(Report::Accepted(_) | Report::Failed(_) | Report::Heartbeat) | None => None,
        };
        Ok(result.filter(|result| self.check(Payload::Result, state, result).is_ok()))
    }
}
