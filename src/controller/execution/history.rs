//! The history of a run as it is kept: a bounded tail, and the first record, which holds the input
//! that was accepted.

use jiff::Timestamp;

use crate::api::Payload;
use crate::api::condition::cut;
use crate::api::history::{self, Record, RecordKind};
use crate::engine::{HistoryEvent, HistoryKind, StopMode};

/// Events kept. What a person can read, and less than 30 KB of status.
pub const EVENTS_MAX: usize = 1_000;

/// Longest cause kept with an event, in characters.
const CAUSE_CHARS_MAX: usize = 256;

/// A stored history with more events at its end. What cannot be read is begun anew: history is for
/// people, and no run fails for it.
#[must_use]
pub fn append(text: Option<&str>, events: &[HistoryEvent]) -> String {
    let mut records = text.and_then(|text| history::read(text).ok()).unwrap_or_default();
    records.extend(events.iter().map(record).map(|mut record| {
        record.c = record.c.map(|cause| cut(cause, CAUSE_CHARS_MAX));
        record
    }));
    if records.len() > EVENTS_MAX {
        // The first one holds the accepted input.
        let surplus = records.len() - EVENTS_MAX;
        records.drain(1..=surplus);
    }
    history::write(&records)
}

/// An event as a record, with all of its cause.
#[must_use]
pub fn record(event: &HistoryEvent) -> Record {
    let mut record = Record {
        i: event.id,
        t: event.at.as_millisecond(),
        p: event.path.to_string(),
        k: RecordKind::ExecutionStarted,
        w: None,
        n: None,
        b: None,
        e: None,
        c: None,
        d: None,
    };
    let mut fail = None;
    record.k = match &event.kind {
        HistoryKind::ExecutionStarted { input } => {
            record.d = Some(Payload::from(input));
            RecordKind::ExecutionStarted
        }
        HistoryKind::StateEntered { state, .. } => {
            record.w = Some((*state).to_owned());
            RecordKind::StateEntered
        }
        HistoryKind::StateExited { .. } => RecordKind::StateExited,
        HistoryKind::TaskScheduled { resource, attempt, not_before } => {
            record.w = Some(resource.to_string());
            record.n = Some(*attempt);
            record.b = not_before.map(Timestamp::as_millisecond);
            RecordKind::TaskScheduled
        }
        HistoryKind::TaskAccepted => RecordKind::TaskAccepted,
        HistoryKind::TaskSucceeded { attempt, .. } => {
            record.n = Some(*attempt);
            RecordKind::TaskSucceeded
        }
        HistoryKind::TaskFailed { attempt, failure } => {
            record.n = Some(*attempt);
            fail = Some((failure.name.clone(), failure.cause.clone()));
            RecordKind::TaskFailed
        }
        HistoryKind::RetryScheduled { failure, at } => {
            record.b = Some(at.as_millisecond());
            fail = Some((failure.name.clone(), failure.cause.clone()));
            RecordKind::RetryScheduled
        }
        HistoryKind::ErrorCaught { failure } => {
            fail = Some((failure.name.clone(), failure.cause.clone()));
            RecordKind::ErrorCaught
        }
        HistoryKind::StateFailed { failure } => {
            fail = Some((failure.name.clone(), failure.cause.clone()));
            RecordKind::StateFailed
        }
        HistoryKind::StopRequested { mode } => {
            record.w = Some(mode_name(*mode).to_owned());
            RecordKind::StopRequested
        }
        HistoryKind::ExecutionSucceeded { .. } => RecordKind::ExecutionSucceeded,
        HistoryKind::ExecutionFailed { failure } => {
            fail = Some((failure.name.clone(), failure.cause.clone()));
            RecordKind::ExecutionFailed
        }
        HistoryKind::ExecutionTimedOut => RecordKind::ExecutionTimedOut,
        HistoryKind::ExecutionStopped { mode, error, cause } => {
            record.w = Some(mode_name(*mode).to_owned());
            fail = Some((error.clone(), cause.clone()));
            RecordKind::ExecutionStopped
        }
    };
    if let Some((name, cause)) = fail {
        record.e = name.map(|name| name.to_string());
        record.c = cause.map(|cause| cause.to_string());
    }
    record
}

fn mode_name(mode: StopMode) -> &'static str {
    match mode {
        StopMode::Cancel => "Cancel",
        StopMode::Terminate => "Terminate",
    }
}
