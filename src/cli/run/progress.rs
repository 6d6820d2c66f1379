//! What a person is told while a run goes on: a line for each state that is entered and left, for
//! each failure and each retry.

use jiff::Timestamp;

use crate::engine::{ActiveState, Activity, Failure, HistoryEvent, HistoryKind};

use super::super::terminal::tell;
use super::super::timeline::{Line, Verb, label, next_attempt, seconds};

/// Most of a cause that is told on the way, in characters.
const CAUSE_CHARS_MAX: usize = 400;

/// Tells of one run.
#[derive(Debug)]
pub(super) struct Progress {
    started_at: Timestamp,
    is_quiet: bool,
    /// The error that was told in full last: it is only named as it passes outwards.
    told: Option<Failure>,
}

impl Progress {
    pub(super) fn new(started_at: Timestamp, is_quiet: bool) -> Self {
        Self { started_at, is_quiet, told: None }
    }

    /// Tells what came of an event. `active` are the states that are being visited after it.
    pub(super) fn tell(&mut self, history: &[HistoryEvent], active: &[ActiveState]) {
        if self.is_quiet {
            return;
        }
        for line in self.lines(history, active) {
            tell(line.render());
        }
    }

    fn lines(&mut self, history: &[HistoryEvent], active: &[ActiveState]) -> Vec<Line> {
        let mut lines = Vec::with_capacity(history.len());
        let mut rest = history;
        while let Some((event, behind)) = rest.split_first() {
            let next = behind.first().filter(|next| next.path == event.path);
            let next_kind = next.map(|next| &next.kind);
            let state = active.iter().find(|state| state.path == event.path);
            let told = self.describe(event, next_kind, state);
            rest = match behind.split_first() {
                Some((_, behind)) if is_told_with(&event.kind, next_kind) => behind,
                Some(_) | None => behind,
            };
            let Some((verb, detail)) = told else { continue };
            let (depth, subject) = label(&event.path);
            lines.push(Line {
                after: event.at.duration_since(self.started_at),
                verb,
                depth,
                subject,
                detail,
            });
        }
        lines
    }

    /// What to tell of an event, in view of the one after it and of where the state stands now.
    fn describe(
        &mut self,
        event: &HistoryEvent,
        next: Option<&HistoryKind>,
        state: Option<&ActiveState>,
    ) -> Option<(Verb, String)> {
        let within = |until: Option<Timestamp>| until.map(|until| until.duration_since(event.at));
        Some(match &event.kind {
            HistoryKind::StateEntered { state: kind, .. } => match next {
                Some(HistoryKind::StateExited { .. }) => (Verb::Done, (*kind).to_owned()),
                Some(HistoryKind::TaskScheduled { resource, .. }) => {
                    (Verb::Start, format!("{kind} {resource}"))
                }
                Some(_) | None => {
                    let timer = state.filter(|state| state.activity == Activity::Timer);
                    let until = within(timer.and_then(|state| state.deadline));
                    let until = until.map_or_else(String::new, |left| format!(" {}", seconds(left)));
                    (Verb::Start, format!("{kind}{until}"))
                }
            },
            HistoryKind::StateExited { .. } => (Verb::Done, String::new()),
            HistoryKind::TaskScheduled { attempt, not_before, .. } => {
                (Verb::Retry, next_attempt(u64::from(*attempt), within(*not_before)))
            }
            HistoryKind::TaskAccepted => {
                let left = within(state.and_then(|state| state.deadline));
                let left = left.map_or_else(String::new, |left| format!(", at most {}", seconds(left)));
                (Verb::Waits, format!("for its callback{left}"))
            }
            HistoryKind::TaskFailed { attempt, failure } => {
                let attempt = if *attempt > 1 { format!("attempt {attempt}: ") } else { String::new() };
                (Verb::Failed, attempt + &self.explain(failure))
            }
            HistoryKind::RetryScheduled { at, .. } => {
                let attempt = state.map_or(2, |state| u64::from(state.attempt));
                (Verb::Retry, next_attempt(attempt, within(Some(*at))))
            }
            HistoryKind::ErrorCaught { failure } => (Verb::Caught, self.explain(failure)),
            HistoryKind::StateFailed { failure } => (Verb::Failed, self.explain(failure)),
            HistoryKind::TaskSucceeded { .. }
            | HistoryKind::ExecutionSuspended
            | HistoryKind::ExecutionResumed
            | HistoryKind::ExecutionRedriven { .. }
            | HistoryKind::StopRequested { .. }
            | HistoryKind::ExecutionStarted { .. }
            | HistoryKind::ExecutionSucceeded { .. }
            | HistoryKind::ExecutionFailed { .. }
            | HistoryKind::ExecutionTimedOut
            | HistoryKind::ExecutionStopped { .. } => return None,
        })
    }

    /// An error with its cause, or only its name where the cause was told with the line before.
    fn explain(&mut self, failure: &Failure) -> String {
        let is_told = self.told.as_ref() == Some(failure);
        self.told = Some(failure.clone());
        let cause = failure.cause.as_ref().filter(|_| !is_told || failure.name.is_none());
        let cause = cause.map(|cause| cause.chars().take(CAUSE_CHARS_MAX).collect::<String>());
        let parts: Vec<_> = failure.name.as_deref().map(ToOwned::to_owned).into_iter().chain(cause).collect();
        parts.join(": ")
    }
}

/// Whether an event is part of the line of the one before it.
fn is_told_with(kind: &HistoryKind, next: Option<&HistoryKind>) -> bool {
    match (kind, next) {
        (HistoryKind::StateEntered { .. }, Some(next)) => {
            matches!(next, HistoryKind::StateExited { .. } | HistoryKind::TaskScheduled { .. })
        }
        (HistoryKind::ErrorCaught { .. }, Some(next)) => matches!(next, HistoryKind::StateExited { .. }),
        (HistoryKind::TaskFailed { .. }, Some(next)) => matches!(next, HistoryKind::StateFailed { .. }),
        (_, _) => false,
    }
}
