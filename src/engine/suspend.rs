//! A run that stands still because somebody wants it to: no state begins and no timer fires. Tasks that are
//! out go on, and what becomes of them is kept until the run goes on. Deadlines keep their meaning: that of
//! the run ends it meanwhile; that of a task counts, and is acted upon when the run goes on, unless its end was
//! told before.

use std::sync::Arc;

use jiff::Timestamp;

use crate::ir::Completion;

use super::environment::Place;
use super::outlook::visit_leaves;
use super::run::{Frame, Status};
use super::step::{Fault, Stepper};
use super::{Event, HistoryKind, Report, TaskId};

/// What a run that stands still keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspension {
    /// Since when it stands still.
    pub since: Timestamp,
    /// How tasks have ended meanwhile, in the order in which it was told.
    pub held: Vec<(TaskId, Report)>,
}

impl Stepper<'_> {
    pub(super) fn suspend(&mut self) -> Status {
        self.record_run(HistoryKind::ExecutionSuspended);
        Status::Suspended(Suspension { since: self.now, held: Vec::new() })
    }

    /// Takes in an event while the run stands still.
    pub(super) fn stand_still(
        &mut self,
        root: &mut Option<Frame>,
        mut suspension: Suspension,
        event: Event,
    ) -> Result<Status, Fault> {
        match event {
            Event::Tick if self.now >= self.deadline => {
                let timed_out = self.move_on(root, Event::Tick)?;
                return Ok(timed_out);
            }
            Event::Tick | Event::Suspend => {}
            Event::Task { id, report } => {
                let frame = root.as_mut().ok_or(Fault::ForeignProgram)?;
                if suspension.held.iter().any(|(held, _)| *held == id) {
                    return Ok(Status::Suspended(suspension));
                }
                if self.is_end(frame, &id, &report) {
                    self.record(&Arc::from(id.path()), HistoryKind::TaskHeld { attempt: id.attempt() });
                    suspension.held.push((id, report));
                } else {
                    // A sign of life moves nothing.
                    self.deliver(frame, &Place::root(), &id, report)?;
                }
            }
            Event::Resume => {
                self.record_run(HistoryKind::ExecutionResumed);
                return self.go_on(root, suspension);
            }
            Event::Stop(stop) => {
                let status = self.move_on(root, Event::Stop(stop))?;
                return self.tell_held(root, status, suspension);
            }
            Event::Start | Event::Overflow { .. } => return Err(Fault::AlreadyStarted),
        }
        Ok(Status::Suspended(suspension))
    }

    /// What has happened meanwhile happens now, then whatever is due.
    fn go_on(&mut self, root: &mut Option<Frame>, suspension: Suspension) -> Result<Status, Fault> {
        match self.tell_held(root, Status::Running, suspension)? {
            Status::Running => self.move_on(root, Event::Tick),
            other @ (Status::Fresh | Status::Suspended(_) | Status::Stopping { .. } | Status::Ended(_)) => {
                Ok(other)
            }
        }
    }

    fn tell_held(
        &mut self,
        root: &mut Option<Frame>,
        mut status: Status,
        suspension: Suspension,
    ) -> Result<Status, Fault> {
        for (id, report) in suspension.held {
            let event = Event::Task { id, report };
            status = match status {
                Status::Running => self.move_on(root, event)?,
                Status::Stopping { stop, awaited } => self.wind_down(stop, awaited, event)?,
                ended @ (Status::Fresh | Status::Suspended(_) | Status::Ended(_)) => return Ok(ended),
            };
        }
        Ok(status)
    }

    /// Whether a report is the end of a task that is out.
    fn is_end(&self, frame: &Frame, id: &TaskId, report: &Report) -> bool {
        let mut completion = None;
        visit_leaves(frame, &mut |frame, active| {
            if active.errand().is_some_and(|(out, _)| out == *id) {
                let order = self.state_of(frame, active).ok().and_then(|state| active.order(&state.kind));
                completion = order.map(|(_, completion)| completion);
            }
        });
        match (report, completion) {
            (_, None) | (Report::Heartbeat, _) => false,
            (Report::Succeeded(_) | Report::Failed(_), Some(_)) => true,
            (Report::Accepted(_), Some(completion)) => completion == Completion::Response,
        }
    }
}
