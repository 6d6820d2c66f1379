//! The history of a run as it is kept: a bounded tail, and the first record, which holds the input
//! that was accepted.

use jiff::Timestamp;

use crate::api::Payload;
use crate::api::condition::cut;
use crate::api::history::{self, Record, RecordKind};
use crate::engine::{HistoryEvent, HistoryKind, StopMode};

/// Events kept. What a person can read, and less than 30 KB of status.
pub const EVENTS_MAX: usize = 1_000;

/// Longest history kept, in bytes as it is stored. Texts that do not compress can make a thousand events
/// this long; then fewer are kept.
pub const STORED_BYTES_MAX: usize = 256 * 1024;

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
    keep_last(&mut records, EVENTS_MAX);
    loop {
        let stored = history::write(&records);
        if stored.len() <= STORED_BYTES_MAX || records.len() <= 1 {
            return stored;
        }
        let half = records.len() / 2;
        keep_last(&mut records, half);
    }
}

/// Keeps so many records, among them the first one: it holds the accepted input.
fn keep_last(records: &mut Vec<Record>, count: usize) {
    let surplus = records.len().saturating_sub(count.max(1));
    if surplus > 0 {
        records.drain(1..=surplus);
    }
}

/// An event as a record, with all of its cause.
#[must_use]
pub fn record(event: &HistoryEvent) -> Record {
    let (error, cause) = failure(&event.kind);
    let mut record = Record {
        i: event.id,
        t: event.at.as_millisecond(),
        p: event.path.to_string(),
        k: kind(&event.kind),
        w: None,
        n: None,
        b: None,
        e: error,
        c: cause,
        d: None,
    };
    match &event.kind {
        HistoryKind::ExecutionStarted { input } => record.d = Some(Payload::from(input)),
        HistoryKind::StateEntered { state, .. } => record.w = Some((*state).to_owned()),
        HistoryKind::TaskScheduled { resource, attempt, not_before } => {
            record.w = Some(resource.to_string());
            record.n = Some(*attempt);
            record.b = not_before.map(Timestamp::as_millisecond);
        }
        HistoryKind::TaskSucceeded { attempt, .. } | HistoryKind::TaskFailed { attempt, .. } => {
            record.n = Some(*attempt);
        }
        HistoryKind::RetryScheduled { at, .. } => record.b = Some(at.as_millisecond()),
        HistoryKind::StopRequested { mode } | HistoryKind::ExecutionStopped { mode, .. } => {
            record.w = Some(mode_name(*mode).to_owned());
        }
        HistoryKind::StateExited { .. }
        | HistoryKind::TaskAccepted
        | HistoryKind::ErrorCaught { .. }
        | HistoryKind::StateFailed { .. }
        | HistoryKind::ExecutionSucceeded { .. }
        | HistoryKind::ExecutionFailed { .. }
        | HistoryKind::ExecutionTimedOut => {}
    }
    record
}

/// What happened, in the word that is stored.
#[must_use]
pub fn kind(kind: &HistoryKind) -> RecordKind {
    match kind {
        HistoryKind::ExecutionStarted { .. } => RecordKind::ExecutionStarted,
        HistoryKind::StateEntered { .. } => RecordKind::StateEntered,
        HistoryKind::StateExited { .. } => RecordKind::StateExited,
        HistoryKind::TaskScheduled { .. } => RecordKind::TaskScheduled,
        HistoryKind::TaskAccepted => RecordKind::TaskAccepted,
        HistoryKind::TaskSucceeded { .. } => RecordKind::TaskSucceeded,
        HistoryKind::TaskFailed { .. } => RecordKind::TaskFailed,
        HistoryKind::RetryScheduled { .. } => RecordKind::RetryScheduled,
        HistoryKind::ErrorCaught { .. } => RecordKind::ErrorCaught,
        HistoryKind::StateFailed { .. } => RecordKind::StateFailed,
        HistoryKind::StopRequested { .. } => RecordKind::StopRequested,
        HistoryKind::ExecutionSucceeded { .. } => RecordKind::ExecutionSucceeded,
        HistoryKind::ExecutionFailed { .. } => RecordKind::ExecutionFailed,
        HistoryKind::ExecutionTimedOut => RecordKind::ExecutionTimedOut,
        HistoryKind::ExecutionStopped { .. } => RecordKind::ExecutionStopped,
    }
}

/// The error's name and cause that an event tells of.
fn failure(kind: &HistoryKind) -> (Option<String>, Option<String>) {
    let (name, cause) = match kind {
        HistoryKind::TaskFailed { failure, .. }
        | HistoryKind::RetryScheduled { failure, .. }
        | HistoryKind::ErrorCaught { failure }
        | HistoryKind::StateFailed { failure }
        | HistoryKind::ExecutionFailed { failure } => (&failure.name, &failure.cause),
        HistoryKind::ExecutionStopped { error, cause, .. } => (error, cause),
        HistoryKind::ExecutionStarted { .. }
        | HistoryKind::StateEntered { .. }
        | HistoryKind::StateExited { .. }
        | HistoryKind::TaskScheduled { .. }
        | HistoryKind::TaskAccepted
        | HistoryKind::TaskSucceeded { .. }
        | HistoryKind::StopRequested { .. }
        | HistoryKind::ExecutionSucceeded { .. }
        | HistoryKind::ExecutionTimedOut => return (None, None),
    };
    (name.as_deref().map(str::to_owned), cause.as_deref().map(str::to_owned))
}

fn mode_name(mode: StopMode) -> &'static str {
    match mode {
        StopMode::Cancel => "Cancel",
        StopMode::Terminate => "Terminate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Failure;
    use crate::value::Value;
    use sha2::{Digest as _, Sha256};

    fn event(id: u64, kind: HistoryKind) -> HistoryEvent {
        HistoryEvent { id, at: Timestamp::UNIX_EPOCH, path: "A".into(), kind }
    }

    /// Text that does not compress.
    fn noise(number: u64) -> String {
        let words = Sha256::digest(number.to_be_bytes());
        let letter = |byte: u8, turn: u32| char::from_u32(0x4e00 + u32::from(byte) * 64 + turn);
        (0..8).flat_map(|turn| words.iter().filter_map(move |byte| letter(*byte, turn * 7))).collect()
    }

    #[test]
    fn a_history_is_bounded_and_keeps_its_first_record() {
        let input = Value::from("the input");
        let mut events = vec![event(1, HistoryKind::ExecutionStarted { input })];
        events.extend((2..3_000).map(|id| {
            let cause = Some(noise(id).into());
            let failure = Failure { name: None, alias: None, cause, is_catchable: true };
            event(id, HistoryKind::StateFailed { failure })
        }));
        let stored = append(None, &events);
        assert!(stored.len() <= STORED_BYTES_MAX, "{}", stored.len());
        let records = history::read(&stored).unwrap();
        assert!(records.len() > 100, "{}", records.len());
        assert_eq!(records[0].d.as_ref().unwrap().text(), "\"the input\"");
        assert_eq!(records.last().unwrap().i, 2_999);
    }
}
