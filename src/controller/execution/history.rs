//! The history of a run as it is kept: its end in the status, what came before in ExecutionData. The
//! first record holds the input that was accepted.

use jiff::Timestamp;

use super::keep::Room;
use crate::api::condition::cut;
use crate::api::execution::DATA_REFS_MAX;
use crate::api::execution_data::Content;
use crate::api::history::{self, Record, RecordKind};
use crate::api::{ExecutionStatus, Payload};
use crate::engine::{HistoryEvent, HistoryKind, StopMode};

/// Events in a status: less than 30 KB of it, written anew with every step.
pub const EVENTS_MAX: usize = 1_000;

/// Events that stay in the status when the others leave it.
const EVENTS_LEFT: usize = 250;

/// Longest cause kept with an event, in characters.
const CAUSE_CHARS_MAX: usize = 256;

/// Appends events to the history of a status. Gives what leaves the status and is to be written before
/// it, where it would become too long for `room`.
///
/// What cannot be read is begun anew: history is for people, and no run fails for it.
#[must_use]
pub fn append(
    status: &mut ExecutionStatus,
    uid: &str,
    events: &[HistoryEvent],
    room: Room,
) -> Option<Content> {
    let text = status.history.take();
    let mut records = text.and_then(|text| history::read(&text).ok()).unwrap_or_default();
    records.extend(events.iter().map(record).map(|mut record| {
        record.c = record.c.map(|cause| cut(cause, CAUSE_CHARS_MAX));
        record
    }));
    let stored = history::write(&records);
    if records.len() <= EVENTS_MAX && stored.len() <= room.share() {
        status.history = Some(stored);
        return None;
    }
    let mut left = records.len().min(EVENTS_LEFT);
    let stored = loop {
        let stored = history::write(records.get(records.len() - left..).unwrap_or_default());
        if stored.len() <= room.share() / 2 || left == 0 {
            break stored;
        }
        left /= 2;
    };
    status.history = Some(stored);
    records.truncate(records.len() - left);
    let content = Content::new(uid, &history::text(&records));
    status.history_refs.push(content.reference.clone());
    // The first holds the accepted input. No language allows as many events as it takes to get here.
    if status.history_refs.len() > DATA_REFS_MAX {
        status.history_refs.remove(1);
    }
    Some(content)
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
        | HistoryKind::ExecutionSuspended
        | HistoryKind::ExecutionResumed
        | HistoryKind::ExecutionSucceeded { .. }
        | HistoryKind::ExecutionFailed { .. }
        | HistoryKind::ExecutionTimedOut => {}
        HistoryKind::ExecutionRedriven { count } => record.n = Some(*count),
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
        HistoryKind::ExecutionSuspended => RecordKind::ExecutionSuspended,
        HistoryKind::ExecutionResumed => RecordKind::ExecutionResumed,
        HistoryKind::ExecutionRedriven { .. } => RecordKind::ExecutionRedriven,
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
        | HistoryKind::ExecutionSuspended
        | HistoryKind::ExecutionResumed
        | HistoryKind::ExecutionRedriven { .. }
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
    fn what_does_not_fit_the_status_leaves_it_and_the_end_stays() {
        let input = Value::from("the input");
        let mut events = vec![event(1, HistoryKind::ExecutionStarted { input })];
        events.extend((2..3_000).map(|id| {
            let cause = Some(noise(id).into());
            let failure = Failure { name: None, alias: None, cause, is_catchable: true };
            event(id, HistoryKind::StateFailed { failure })
        }));
        let status = r#"{"phase": "Running", "conditions": [], "observedGeneration": 1}"#;
        let mut status: ExecutionStatus = serde_json::from_str(status).unwrap();
        for room in [Room::beside(0), Room::beside(1_400 * 1024)] {
            (status.history, status.history_refs) = (None, Vec::new());
            let content = append(&mut status, "u", &events, room).unwrap();
            assert_eq!(status.history_refs, [content.reference]);
            let stored = status.history.clone().unwrap();
            assert!(stored.len() <= room.share(), "{}", stored.len());
            let records = history::read(&stored).unwrap();
            assert!(records.len() > 5 && records.len() <= EVENTS_LEFT, "{}", records.len());
            assert_eq!(records.last().unwrap().i, 2_999);
        }
        let last = event(3_000, HistoryKind::ExecutionTimedOut);
        assert_eq!(append(&mut status, "u", &[last], Room::beside(0)), None);
        // What cannot be read is begun anew.
        status.history = Some("garbage".to_owned());
        assert_eq!(append(&mut status, "u", &events[..1], Room::beside(0)), None);
        assert_eq!(history::read(&status.history.unwrap()).unwrap().len(), 1);
    }
}
