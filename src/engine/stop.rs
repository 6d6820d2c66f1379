//! A run that is asked to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ir::Completion;
use crate::value::Str;

use super::outlook::{cancel_all, visit_leaves};
use super::run::{Frame, Status};
use super::step::{Fault, Stepper};
use super::{Command, Event, HistoryKind, Outcome, Report, Stop, StopMode, TaskId};

impl Stepper<'_> {
    pub(super) fn stop_before_start(&mut self, stop: Stop) -> Status {
        let input = self.execution.input.clone();
        self.record_run(HistoryKind::ExecutionStarted { input });
        self.record_run(HistoryKind::StopRequested { mode: stop.mode });
        self.end_stopped(stop)
    }

    pub(super) fn end_stopped(&mut self, stop: Stop) -> Status {
        self.record_run(HistoryKind::ExecutionStopped {
            mode: stop.mode,
            error: stop.error.clone(),
            cause: stop.cause.clone(),
        });
        Status::Ended(Outcome::Stopped(stop))
    }

    /// Someone wants the end: at once, or as soon as the tasks that run have ended.
    /// Tasks whose pause was not over at `begun_until` have nothing that could end.
    pub(super) fn stop(&mut self, frame: &Frame, stop: Stop, begun_until: Timestamp) -> Status {
        self.record_run(HistoryKind::StopRequested { mode: stop.mode });
        let mut cancels = Vec::new();
        cancel_all(frame, &mut cancels);
        if stop.mode == StopMode::Terminate {
            self.commands.append(&mut cancels);
            return self.end_stopped(stop);
        }
        let mut awaited = BTreeMap::new();
        let mut leaves = BTreeMap::new();
        self.awaitable(frame, begun_until, &mut leaves);
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
    fn awaitable(
        &self,
        frame: &Frame,
        begun_until: Timestamp,
        tasks: &mut BTreeMap<TaskId, Option<Timestamp>>,
    ) {
        visit_leaves(frame, &mut |frame, active| {
            let Some((id, task)) = active.errand() else { return };
            let order = self.state_of(frame, active).ok().and_then(|state| active.order(&state.kind));
            let is_callback = order.is_some_and(|(_, completion)| completion == Completion::Callback);
            let is_begun = task.not_before.is_none_or(|at| at <= begun_until);
            if is_begun && !(is_callback && task.is_accepted) {
                tasks.insert(id, task.deadline);
            }
        });
    }

    /// A canceled run takes note of how its tasks end and begins nothing.
    pub(super) fn wind_down(
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
            // It ends all the same.
            Event::Stop(_) | Event::Suspend | Event::Resume | Event::Redrive { .. } => {}
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
                    (self.is_changed, self.is_progress) = (true, true);
                    self.commands.push(Command::Cancel { id, is_awaited: false });
                }
            }
            Event::Task { id, report } => self.note_end(&mut awaited, &id, report),
        }
        Ok(self.wait_for(stop, awaited))
    }

    fn note_end(&mut self, awaited: &mut BTreeMap<TaskId, Option<Timestamp>>, id: &TaskId, report: Report) {
        if report == Report::Heartbeat || awaited.remove(id).is_none() {
            return;
        }
        self.keep_finished(id, &report);
        let kind = match report {
            Report::Heartbeat => return,
            Report::Accepted(result) | Report::Succeeded(result) => {
                HistoryKind::TaskSucceeded { attempt: id.attempt(), result }
            }
            Report::Failed(error) => {
                HistoryKind::TaskFailed { attempt: id.attempt(), failure: self.task_failure(error) }
            }
        };
        self.record(&Arc::from(id.path()), kind);
    }
}
