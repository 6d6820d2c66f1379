//! Bounds and error names of Amazon States Language, from asl.md §15 unless said otherwise.

use crate::ir::{ErrorKind, ErrorName, Errors, Limits};

/// Names of states and of variables (§1, §8), in characters.
pub(super) const NAME_CHARS_MAX: usize = 80;

/// Labels of distributed Maps (§12), in characters.
pub(super) const LABEL_CHARS_MAX: usize = 40;

/// Longest time-out, heartbeat, Wait and interval (§9–§11), in seconds.
pub(super) const SECONDS_MAX: u64 = 99_999_999;

/// Most retries of one rule (§10).
pub(super) const MAX_ATTEMPTS_MAX: u64 = 99_999_999;

/// Longest `MaxDelaySeconds` (§10).
pub(super) const RETRY_DELAY_SECONDS_MAX: u64 = 31_622_400;

/// What a Retry rule that does not say otherwise does (§10).
pub(super) const INTERVAL_SECONDS_DEFAULT: u64 = 1;
/// See [`INTERVAL_SECONDS_DEFAULT`].
pub(super) const MAX_ATTEMPTS_DEFAULT: u32 = 3;
/// See [`INTERVAL_SECONDS_DEFAULT`].
pub(super) const BACKOFF_RATE_DEFAULT: f64 = 2.0;

/// Largest input, result, output, variable and batch, in bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// States of a definition, those within branches included. The service bounds the text only; this is
/// ten times what a person can read, and compiles in well under a second.
pub(super) const STATES_MAX: usize = 10_000;

/// The error that a task ends with where nothing else is known of it, and the pattern for all errors but
/// time-outs (§10).
pub(super) const TASK_FAILED: &str = "States.TaskFailed";

/// Matches every error that can be caught (§10).
pub(super) const ANY_ERROR: &str = "States.ALL";

/// Both names of a heartbeat that is missing, the first that of any time-out (§10).
pub(super) const TIMEOUTS: [&str; 2] = ["States.Timeout", "States.HeartbeatTimeout"];

/// What nothing in a definition can refer to (§10, §17.1).
const RUNTIME: ErrorName = ErrorName::uncatchable("States.Runtime");

/// Longest time of an Express execution, as which the iterations of a distributed Map can run (§15).
pub(super) const EXPRESS_SECONDS_MAX: u64 = 300;

pub(super) const LIMITS: Limits = Limits {
    input_bytes_max: PAYLOAD_BYTES_MAX,
    output_bytes_max: PAYLOAD_BYTES_MAX,
    total_bytes_max: None,
    variable_bytes_max: PAYLOAD_BYTES_MAX,
    assignment_bytes_max: PAYLOAD_BYTES_MAX,
    // All variables of a run.
    variables_bytes_max: 10 * 1024 * 1024,
    events_max: 25_000,
    // §12: the most that inline Maps get.
    map_concurrency_max: 40,
    // The service runs up to 10,000 children, each an execution of its own. Here they share a
    // checkpoint; a tenth keeps it within what is written at once.
    isolated_map_concurrency_max: 1_000,
    wait_seconds_max: SECONDS_MAX,
    wait_seconds_min: 0,
    // §11: 0 is refused.
    task_timeout_seconds_min: 1,
    task_timeout_seconds_max: SECONDS_MAX,
    // One year.
    execution_seconds_max: 31_536_000,
    error_chars_max: 256,
    cause_chars_max: 32_768,
};

/// What the language calls the engine's errors (§10, §17).
pub(super) const ERRORS: Errors = Errors(|kind| match kind {
    ErrorKind::Path | ErrorKind::Value | ErrorKind::EventLimit => RUNTIME,
    ErrorKind::Function => ErrorName::catchable("States.IntrinsicFailure"),
    ErrorKind::Place => ErrorName::catchable("States.ResultPathMatchFailure"),
    ErrorKind::Query => ErrorName::catchable("States.QueryEvaluationError"),
    ErrorKind::DataLimit => ErrorName::uncatchable("States.DataLimitExceeded"),
    // §2, recorded.
    ErrorKind::ResultLimit => ErrorName {
        words: Some(
            "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
        ),
        ..ErrorName::uncatchable("States.DataLimitExceeded")
    },
    ErrorKind::NoChoice => ErrorName::catchable("States.NoChoiceMatched"),
    // §11: without a cause.
    ErrorKind::TaskTimeout => ErrorName { has_cause: false, ..ErrorName::catchable("States.Timeout") },
    // §10: recorded as the one, documented as the other.
    ErrorKind::HeartbeatTimeout => ErrorName {
        has_cause: false,
        alias: Some("States.HeartbeatTimeout"),
        ..ErrorName::catchable("States.Timeout")
    },
    ErrorKind::Tolerance => ErrorName::catchable("States.ExceedToleratedFailureThreshold"),
    ErrorKind::Reader => ErrorName::catchable("States.ItemReaderFailed"),
    ErrorKind::Writer => ErrorName::catchable("States.ResultWriterFailed"),
    ErrorKind::InvalidResult => ErrorName::catchable(TASK_FAILED),
    // There is nothing like it in the service; `States.` is reserved.
    ErrorKind::UnboundResource => ErrorName::catchable("Millrace.ResourceNotBound"),
    // §17.10: the Error Output has `null` members.
    ErrorKind::Unnamed => {
        ErrorName { name: None, alias: None, is_catchable: true, has_cause: true, words: None }
    }
});
