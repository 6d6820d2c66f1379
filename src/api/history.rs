//! The history of a run as it stands in its status: what is written by the controller and read by
//! whoever shows it to a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Payload;
use super::stored::{self, StoredError};

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
    /// Attempt of a task; number of a redrive.
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
    ExecutionSuspended,
    ExecutionResumed,
    ExecutionRedriven,
    StopRequested,
    ExecutionSucceeded,
    ExecutionFailed,
    ExecutionTimedOut,
    ExecutionStopped,
    /// Something that a newer controller tells: no reason to show nothing of the rest.
    #[serde(other)]
    Unknown,
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
    read_text(&stored::decode(text)?)
}

/// The records of a part of a history that was kept beside the status.
///
/// # Errors
/// Where it cannot be read.
pub fn read_text(text: &str) -> Result<Vec<Record>, StoredError> {
    Ok(serde_json::from_str(text)?)
}

/// Records as text.
#[must_use]
pub fn text(records: &[Record]) -> String {
    serde_json::to_string(records).unwrap_or_default()
}

/// The stored form of records.
#[must_use]
pub fn write(records: &[Record]) -> String {
    stored::encode(&text(records))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_newer_controller_does_not_hide_the_rest() {
        let text =
            r#"[{"i":1,"t":5,"k":"ExecutionStarted","d":null},{"i":2,"t":6,"p":"A","k":"Dreamt","z":1}]"#;
        let records = read(&stored::encode(text)).unwrap();
        let kinds: Vec<_> = records.iter().map(|record| record.k).collect();
        assert_eq!(kinds, [RecordKind::ExecutionStarted, RecordKind::Unknown]);
        assert_eq!(records[1].at().as_millisecond(), 6);
        assert!(read("garbage").is_err() && read(&stored::encode("{}")).is_err());
    }
}
