//! Bounds of the newer FDL, from fdl.md §11 unless said otherwise.

use crate::ir::{ErrorKind, ErrorName, Errors, Limits};

/// Branches of a Parallel.
pub(super) const BRANCHES_MAX: usize = 50;

/// Longest interval of a retry (§9), in seconds.
pub(super) const RETRY_SECONDS_MAX: u64 = 86_400;

/// Longest time-out of a task (§7.3), in seconds.
pub(super) const TASK_TIMEOUT_SECONDS_MAX: u64 = 604_800;

/// Waits of Standard executions (§7.5), in seconds.
pub(super) const WAIT_SECONDS: std::ops::RangeInclusive<u64> = 1..=300;

/// Waits of Express executions (§7.5), in seconds.
pub(super) const EXPRESS_WAIT_SECONDS: std::ops::RangeInclusive<u64> = 1..=20;

/// Longest Express execution (§11), as which the iterations of a distributed Map can run, in seconds.
pub(super) const EXPRESS_SECONDS_MAX: u64 = 300;

/// Longest run: one year, in seconds.
pub(super) const EXECUTION_SECONDS_MAX: u64 = 31_536_000;

/// States of a definition, those within branches included. The service names no bound; this one is
/// ten times what a person can read, and compiles in well under a second.
pub(super) const STATES_MAX: usize = 10_000;

/// Name of a run-wide variable (§8.3), in bytes.
pub(super) const VARIABLE_NAME_BYTES_MAX: usize = 128;

pub(super) const LIMITS: Limits = Limits {
    input_bytes_max: 64 * 1024,
    output_bytes_max: 64 * 1024,
    total_bytes_max: None,
    // §8.3
    variable_bytes_max: 256 * 1024,
    // Nothing is said of one GlobalConstructor: as much as all of them.
    assignment_bytes_max: 1024 * 1024,
    // The service names no bound. All of them are kept with every step of the run.
    variables_bytes_max: 1024 * 1024,
    events_max: 5_000,
    // §7.8: the default of inline Maps, and the most they get.
    map_concurrency_max: 40,
    isolated_map_concurrency_max: 100,
    task_timeout_seconds_min: 0,
    wait_seconds_min: *WAIT_SECONDS.start(),
    wait_seconds_max: *WAIT_SECONDS.end(),
    task_timeout_seconds_max: TASK_TIMEOUT_SECONDS_MAX,
    execution_seconds_max: EXECUTION_SECONDS_MAX,
    error_chars_max: 128,
    cause_chars_max: 4_096,
};

/// What both generations of the language call the engine's errors (§5.1, §14.16).
pub(in crate::dialect) const ERRORS: Errors = Errors(|kind| match kind {
    ErrorKind::Path
    | ErrorKind::Function
    | ErrorKind::Place
    | ErrorKind::Value
    | ErrorKind::Query
    | ErrorKind::Reader
    | ErrorKind::Writer
    | ErrorKind::Tolerance => ErrorName::catchable("FnF.RuntimeError"),
    ErrorKind::DataLimit | ErrorKind::ResultLimit => ErrorName::catchable("FnF.EntityTooLarge"),
    ErrorKind::EventLimit => ErrorName::uncatchable("FnF.EventLimitExceeded"),
    ErrorKind::NoChoice => ErrorName::catchable("FnF.NoChoiceMatched"),
    ErrorKind::TaskTimeout | ErrorKind::HeartbeatTimeout => ErrorName::catchable("FnF.TaskTimeout"),
    ErrorKind::UnboundResource => ErrorName::catchable("FnF.ResourceNotBound"),
    ErrorKind::InvalidResult => ErrorName::catchable("FnF.InvalidLocal"),
    ErrorKind::Unnamed => ErrorName::catchable("FnF.Unknown"),
});
