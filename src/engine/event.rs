//! What can happen to a run.

use crate::ir::ErrorKind;
use crate::value::{Str, Value};

use super::TaskId;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The run begins.
    Start,
    /// Time has passed: whatever is due is due now.
    Tick,
    /// News of a task.
    Task {
        /// Which attempt of which task.
        id: TaskId,
        /// What is said of it.
        report: Report,
    },
    /// Someone wants the run to end.
    Stop(Stop),
    /// Someone wants the run to stand still.
    Suspend,
    /// Nobody wants the run to stand still any more.
    Resume,
    /// Someone wants a run that has not succeeded to go on from where it has ended.
    Redrive {
        /// Whether someone still wants its end: then it ends at once.
        stop: Option<Stop>,
    },
    /// There is more to remember than can be kept: the run ends here.
    Overflow {
        /// How much there is and how much can be kept, for a person.
        cause: Str,
    },
}

/// What is said of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The request was answered. For a task that completes with its response this is its result;
    /// for others the work goes on elsewhere.
    Accepted(Value),
    /// The work is alive.
    Heartbeat,
    /// The work is done.
    Succeeded(Value),
    /// The work, or the request for it, failed.
    Failed(TaskError),
}

/// How a task failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError {
    /// What the error is called.
    pub name: TaskErrorName,
    /// Why, for a person.
    pub cause: Option<Str>,
    /// Seconds for which whoever did the work wants to be left alone: no retry begins earlier.
    pub retry_after_seconds: Option<u64>,
}

impl TaskError {
    /// An error with a name of its own.
    #[must_use]
    pub fn named(name: impl Into<Str>, cause: impl Into<Str>) -> Self {
        Self { name: TaskErrorName::Named(name.into()), cause: Some(cause.into()), retry_after_seconds: None }
    }

    /// An error that the language has a word for.
    #[must_use]
    pub fn of(kind: ErrorKind, cause: impl Into<Str>) -> Self {
        Self { name: TaskErrorName::Kind(kind), cause: Some(cause.into()), retry_after_seconds: None }
    }
}

/// What a task's error is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskErrorName {
    /// By whoever did the work.
    Named(Str),
    /// By the language, for a class of errors that it has a word for.
    Kind(ErrorKind),
}

/// How a run is asked to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// At once or in order.
    pub mode: StopMode,
    /// Name of the error the run ends with.
    pub error: Option<Str>,
    /// Its cause.
    pub cause: Option<Str>,
}

/// At once or in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopMode {
    /// Nothing new begins; the run ends when the tasks that run have ended.
    Cancel,
    /// The run ends now; tasks are ended after it.
    Terminate,
}
