//! The audit record of a run: written for people, never read back by the engine.

use jiff::Timestamp;

use crate::value::{Str, Value};

use super::{Failure, StopMode};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEvent {
    /// Numbered from 1 without gaps; 0 of what happens in an iteration that is a run of its own.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// The state it happened to, such as `Each/3/Charge#2`; empty for the run as a whole.
    pub path: Str,
    /// What.
    pub kind: HistoryKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the words of the engine, explained there")]
pub enum HistoryKind {
    /// The run began.
    ExecutionStarted { input: Value },
    /// A state was entered.
    StateEntered { state: &'static str, input: Value },
    /// A state was left.
    StateExited { output: Value },
    /// An attempt of a task was asked for.
    TaskScheduled { resource: Str, attempt: u32, not_before: Option<Timestamp> },
    /// The request was answered and the work goes on elsewhere.
    TaskAccepted,
    /// An attempt succeeded.
    TaskSucceeded { attempt: u32, result: Value },
    /// An attempt failed.
    TaskFailed { attempt: u32, failure: Failure },
    /// A Parallel or Map failed and is tried again.
    RetryScheduled { failure: Failure, at: Timestamp },
    /// An error was caught.
    ErrorCaught { failure: Failure },
    /// A state failed for good.
    StateFailed { failure: Failure },
    /// Someone wants the run to stand still.
    ExecutionSuspended,
    /// The run goes on.
    ExecutionResumed,
    /// The run goes on after a bad end, for the so many-th time.
    ExecutionRedriven { count: u32 },
    /// Someone asked for the end.
    StopRequested { mode: StopMode },
    /// The run succeeded.
    ExecutionSucceeded { output: Value },
    /// The run failed.
    ExecutionFailed { failure: Failure },
    /// The run took too long.
    ExecutionTimedOut,
    /// The run was stopped.
    ExecutionStopped { mode: StopMode, error: Option<Str>, cause: Option<Str> },
}
