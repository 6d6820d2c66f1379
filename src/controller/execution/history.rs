//! The history of a run as it stands in its status: a bounded tail, and the first record, which holds
//! the input that was accepted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::stored::{self, StoredError};
use crate::api::Payload;
use crate::engine::{HistoryEvent, HistoryKind, StopMode};

/// Events kept. What a person can read, and less than 30 KB of status.
pub const EVENTS_MAX: usize = 1_000;

/// Longest history kept, in bytes as it is stored. Texts that do not compress can make a thousand events
/// this long; then fewer are kept.
pub const STORED_BYTES_MAX: usize = 256 * 1024;

/// Longest cause kept with an event, in characters.
const CAUSE_CHARS_MAX: usize = 256;

/// One thing that happened, as it is stored. Payloads are not, but for the accepted input.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct Record {
    /// Number from 1.
    pub i: u64,
    /// When, in milliseconds since 1970.
    pub t: i64,
    /// Path of the state; absent for the run as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub p: String,
    /// What.
    pub k: RecordKind,
    /// Type of the state, resource of the task, or mode of the stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub w: Option<String>,
    /// Attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Not before, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<i64>,
    /// Name of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Its cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c: Option<String>,
    /// The accepted input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d: Option<Payload>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the engine's history, explained there")]
pub enum RecordKind {
    ExecutionStarted,
    StateEntered,
    StateExited,
    TaskScheduled,
    TaskAccepted,
    TaskSucceeded,
    TaskFailed,
    RetryScheduled,
    ErrorCaught,
    StateFailed,
    StopRequested,
    ExecutionSucceeded,
    ExecutionFailed,
    ExecutionTimedOut,
    ExecutionStopped,
}

impl Record {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.t).unwrap_or_default()
    }
}

/// The records of a stored history.
///
/// # Errors
/// Where it cannot be read.
pub fn read(text: &str) -> Result<Vec<Record>, StoredError> {
    let json = stored::decode(text)?;
    serde_json::from_str(&json).map_err(|error| StoredError::Compression(error.into()))
}

/// A stored history with more events at its end. What cannot be read is begun anew: history is for
/// people, and no run fails for it.
#[must_use]
pub fn append(text: Option<&str>, events: &[HistoryEvent]) -> String {
    let mut records = text.and_then(|text| read(text).ok()).unwrap_or_default();
    records.extend(events.iter().map(record));
    keep_last(&mut records, EVENTS_MAX);
    loop {
        let stored = stored::encode(&serde_json::to_string(&records).unwrap_or_default());
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

fn record(event: &HistoryEvent) -> Record {
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
        record.c = cause.map(|cause| crate::api::condition::cut(cause.to_string(), CAUSE_CHARS_MAX));
    }
    record
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
        let records = read(&stored).unwrap();
        assert!(records.len() > 100, "{}", records.len());
        assert_eq!(records[0].d.as_ref().unwrap().text(), "\"the input\"");
        assert_eq!(records.last().unwrap().i, 2_999);
    }
}
