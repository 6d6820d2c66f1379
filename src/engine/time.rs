//! Instants and spans, saturating: no number that a user writes can leave the calendar.

use jiff::{SignedDuration, Timestamp};

/// `seconds` after `at`, at most the end of the calendar.
pub(super) fn after(at: Timestamp, seconds: u64) -> Timestamp {
    after_millis(at, seconds.saturating_mul(1_000))
}

/// `millis` after `at`, at most the end of the calendar.
pub(super) fn after_millis(at: Timestamp, millis: u64) -> Timestamp {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    at.saturating_add(SignedDuration::from_millis(millis)).unwrap_or(Timestamp::MAX)
}

/// `at` in whole milliseconds, which is what is stored and shown.
pub(super) fn whole_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// As the services write instants: UTC with milliseconds and `Z` (fdl.md §10.1, asl.md §2).
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
