//! What has happened since somebody looked last, a line for each.

use jiff::{SignedDuration, Timestamp};

use crate::api::history::{Record, RecordKind};

use super::super::timeline::{Line, Verb, label, next_attempt, seconds};

/// Tells of the events of one run, each once.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Number of the last event that was told.
    last: u64,
    /// The error that was told in full last: it is only named as it passes outwards.
    told: Option<(Option<String>, Option<String>)>,
}

impl Changes {
    /// Lines for the events that are new.
    pub(super) fn lines(&mut self, records: &[Record], started_at: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = records;
        while let Some((record, behind)) = rest.split_first() {
            let next = behind.first().filter(|next| next.p == record.p).map(|next| next.k);
            rest = match behind.split_first() {
                Some((_, behind)) if is_told_with(record.k, next) => behind,
                Some(_) | None => behind,
            };
            if record.i <= self.last {
                continue;
            }
            let resource = behind.first().and_then(|next| next.w.as_deref());
            let Some((verb, detail)) = self.describe(record, next, resource) else { continue };
            let (depth, subject) = label(&record.p);
            let after = record.at().duration_since(started_at);
            lines.push(Line { after, verb, depth, subject, detail }.render());
        }
        self.last = records.last().map_or(self.last, |record| record.i.max(self.last));
        lines
    }

    fn describe(
        &mut self,
        record: &Record,
        next: Option<RecordKind>,
        resource: Option<&str>,
    ) -> Option<(Verb, String)> {
        let kind = || record.w.clone().unwrap_or_default();
        let until = record.b.map(|until| SignedDuration::from_millis(until.saturating_sub(record.t)));
        Some(match record.k {
            RecordKind::StateEntered => match (next, resource) {
                (Some(RecordKind::StateExited), _) => (Verb::Done, kind()),
                (Some(RecordKind::TaskScheduled), Some(resource)) => {
                    (Verb::Start, format!("{} {resource}", kind()))
                }
                (_, _) => (Verb::Start, kind()),
            },
            RecordKind::StateExited => (Verb::Done, String::new()),
            RecordKind::TaskScheduled => (Verb::Retry, next_attempt(record.n.unwrap_or(1).into(), until)),
            RecordKind::TaskAccepted => (Verb::Waits, "for its callback".to_owned()),
            RecordKind::RetryScheduled => {
                let after = until.map_or_else(String::new, |until| format!(" in {}", seconds(until)));
                (Verb::Retry, format!("again{after} after {}", self.explain(record)))
            }
            RecordKind::TaskFailed => {
                let attempt = record.n.filter(|attempt| *attempt > 1);
                let attempt = attempt.map_or_else(String::new, |attempt| format!("attempt {attempt}: "));
                (Verb::Failed, attempt + &self.explain(record))
            }
            RecordKind::ErrorCaught => (Verb::Caught, self.explain(record)),
            RecordKind::StateFailed => (Verb::Failed, self.explain(record)),
            RecordKind::TaskSucceeded
            | RecordKind::ExecutionSuspended
            | RecordKind::ExecutionResumed
            | RecordKind::ExecutionRedriven
            | RecordKind::StopRequested
            | RecordKind::ExecutionStarted
            | RecordKind::ExecutionSucceeded
            | RecordKind::ExecutionFailed
            | RecordKind::ExecutionTimedOut
            | RecordKind::ExecutionStopped
            | RecordKind::Unknown => return None,
        })
    }

    /// An error with its cause, or only its name where the cause was told with the line before.
    fn explain(&mut self, record: &Record) -> String {
        let error = (record.e.clone(), record.c.clone());
        let is_told = self.told.as_ref() == Some(&error);
        let cause = error.1.as_ref().filter(|_| !is_told || error.0.is_none());
        let text = [error.0.as_ref(), cause].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
        self.told = Some(error);
        text
    }
}

/// Whether an event is part of the line of the one before it.
fn is_told_with(kind: RecordKind, next: Option<RecordKind>) -> bool {
    match (kind, next) {
        (RecordKind::StateEntered, Some(RecordKind::StateExited | RecordKind::TaskScheduled))
        | (RecordKind::ErrorCaught, Some(RecordKind::StateExited))
        | (RecordKind::TaskFailed, Some(RecordKind::StateFailed)) => true,
        (_, _) => false,
    }
}
