//! A run that stands still because somebody wants it to: no state begins and no timer fires. Tasks that are
//! out go on, and what becomes of them is kept until the run goes on. Deadlines keep their meaning: that of
//! the run ends it meanwhile; that of a task counts, and is acted upon when the run goes on, unless its end was
//! told before.

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use crate::ir::Completion;

use super::environment::Place;
use super::outlook::visit_leaves;
use super::run::{Frame, Phase, Status};
use super::step::{Fault, Stepper};
use super::{Event, HistoryKind, Report, TaskId};

/// What a run that stands still keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspension {
    /// Since when it stands still.
    pub since: Timestamp,
    /// How tasks have ended meanwhile, in the order in which it was told.
    pub held: IndexMap<TaskId, Report>,
}

/// An attempt whose pause ends so soon after the run was told to stand still may have begun before whoever begins
/// it heard of that. It counts as begun: not to be begun twice matters more than not to be begun now.
const BEGUN_WITHIN: SignedDuration = SignedDuration::from_secs(15);

impl Suspension {
    /// Until when attempts were begun: later ones wait for the run to go on.
    #[must_use]
    pub fn begun_until(&self) -> Timestamp {
        self.since.saturating_add(BEGUN_WITHIN).unwrap_or(Timestamp::MAX)
    }
}

impl Stepper<'_> {
    pub(super) fn suspend(&mut self) -> Status {
        self.record_run(HistoryKind::ExecutionSuspended);
        Status::Suspended(Suspension { since: self.now, held: IndexMap::new() })
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
                self.keep_held(&suspension);
                return self.move_on(root, Event::Tick);
            }
            Event::Tick | Event::Suspend | Event::Redrive { .. } => {}
            Event::Task { id, report } => {
                let frame = root.as_mut().ok_or(Fault::ForeignProgram)?;
                if suspension.held.contains_key(&id) {
                    return Ok(Status::Suspended(suspension));
                }
                if self.is_end(frame, &id, &report) {
                    // Told when it goes on, by whom it concerns.
                    (self.is_changed, self.is_progress) = (true, true);
                    self.progress.held = self.progress.held.saturating_add(1);
                    suspension.held.insert(id, report);
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
                self.keep_held(&suspension);
                let frame = root.as_ref().ok_or(Fault::ForeignProgram)?;
                let status = self.stop(frame, stop, self.now.min(suspension.begun_until()));
                return self.tell_held(root, status, suspension);
            }
            Event::Start | Event::Overflow { .. } => return Err(Fault::AlreadyStarted),
        }
        Ok(Status::Suspended(suspension))
    }

    /// What has happened meanwhile happens now, then whatever is due.
    fn go_on(&mut self, root: &mut Option<Frame>, suspension: Suspension) -> Result<Status, Fault> {
        if let Some(frame) = root {
            self.begin_held_back(frame, suspension.begun_until());
        }
        match self.tell_held(root, Status::Running, suspension)? {
            Status::Running => self.move_on(root, Event::Tick),
            other @ (Status::Fresh | Status::Suspended(_) | Status::Stopping { .. } | Status::Ended(_)) => {
                Ok(other)
            }
        }
    }

    /// The clocks of attempts that were held back run from now.
    fn begin_held_back(&mut self, frame: &mut Frame, begun_until: Timestamp) {
        let Some(active) = &mut frame.active else { return };
        match &mut active.phase {
            Phase::Task(task) => {
                let Some(not_before) = task.not_before.filter(|at| *at > begun_until && *at < self.now)
                else {
                    return;
                };
                let late = self.now.duration_since(not_before);
                let later = |at: Timestamp| at.saturating_add(late).unwrap_or(Timestamp::MAX);
                task.not_before = Some(self.now);
                task.deadline = task.deadline.map(later);
                if let Some(heartbeat) = &mut task.heartbeat {
                    heartbeat.due = later(heartbeat.due);
                }
                self.is_changed = true;
            }
            Phase::Children(children) => {
                children.running_mut().for_each(|child| self.begin_held_back(child, begun_until));
            }
            // They are asked for without a pause.
            Phase::Reading(_) | Phase::Writing(..) => {}
            Phase::Entering | Phase::Waiting { .. } | Phase::BackingOff { .. } | Phase::Failed => {}
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
            let is_near = *active.path == *id.path();
            if is_near && active.errand().is_some_and(|(out, _)| out == *id) {
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
