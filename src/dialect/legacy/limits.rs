//! Bounds of the older FDL, from fdl.md §11 unless said otherwise.

use crate::ir::Limits;

/// Branches of a parallel step.
pub(super) const BRANCHES_MAX: usize = 100;

/// Longest interval of a retry (§5), in seconds.
pub(super) const RETRY_SECONDS_MAX: u64 = 86_400;

/// Longest wait, in seconds: two days.
pub(super) const WAIT_SECONDS_MAX: u64 = 172_800;

/// Longest run: one year, in seconds. The service names no bound for a task, which cannot take longer
/// than its run.
pub(super) const EXECUTION_SECONDS_MAX: u64 = 31_536_000;

/// Steps of a definition, those within others included. The service names no bound; this one is ten
/// times what a person can read, and compiles in well under a second.
pub(super) const STEPS_MAX: usize = 10_000;

/// Input, output and local data of a step, together (§3).
const STEP_BYTES_MAX: usize = 32 * 1024;

pub(super) const LIMITS: Limits = Limits {
    input_bytes_max: STEP_BYTES_MAX,
    output_bytes_max: STEP_BYTES_MAX,
    total_bytes_max: Some(STEP_BYTES_MAX),
    // The language has no variables.
    variable_bytes_max: 0,
    assignment_bytes_max: 0,
    // What the steps of a series gave. The service names no bound for that of the flow; it is kept with
    // every step of the run.
    variables_bytes_max: 1024 * 1024,
    events_max: 5_000,
    map_concurrency_max: 100,
    isolated_map_concurrency_max: 100,
    task_timeout_seconds_min: 0,
    wait_seconds_min: 0,
    wait_seconds_max: WAIT_SECONDS_MAX,
    task_timeout_seconds_max: EXECUTION_SECONDS_MAX,
    execution_seconds_max: EXECUTION_SECONDS_MAX,
    error_chars_max: 128,
    cause_chars_max: 4_096,
};
