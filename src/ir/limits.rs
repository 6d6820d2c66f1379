//! Bounds that a language sets to its programs while they run.

/// Where a language draws its lines. The numbers stand with the language, with their source.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest input of a state, in bytes of compact JSON.
    pub input_bytes_max: usize,
    /// Largest result and output of a state.
    pub output_bytes_max: usize,
    /// Largest sum of a state's input, result and output, where the language bounds the sum.
    pub total_bytes_max: Option<usize>,
    /// Largest value of a variable.
    pub variable_bytes_max: usize,
    /// Largest sum of the variables that one state sets.
    pub assignment_bytes_max: usize,
    /// Largest sum of the variables of a scope, or of those of the run; of what a scope gathers that
    /// merges its outputs; of what a program makes of the execution's input and of its output.
    pub variables_bytes_max: usize,
    /// Events in the history of a run.
    pub events_max: u64,
    /// Iterations of a Map that run at a time.
    pub map_concurrency_max: u32,
    /// The same of a Map whose iterations are runs of their own ([`super::Map::is_isolated`]).
    pub isolated_map_concurrency_max: u32,
    /// Longest Wait in seconds.
    pub wait_seconds_max: u64,
    /// Shortest Wait in seconds.
    pub wait_seconds_min: u64,
    /// Shortest time-out or heartbeat of an attempt in seconds; 0: there is 0, and it means none.
    pub task_timeout_seconds_min: u64,
    /// Longest time-out of an attempt in seconds.
    pub task_timeout_seconds_max: u64,
    /// Longest run in seconds.
    pub execution_seconds_max: u64,
    /// Length of an error's name in characters; longer ones are cut.
    pub error_chars_max: usize,
    /// Length of a cause in characters; longer ones are cut.
    pub cause_chars_max: usize,
}
