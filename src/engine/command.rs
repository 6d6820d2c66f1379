//! What a run can ask for.

use std::fmt;

use jiff::Timestamp;

use crate::ir::Completion;
use crate::value::{Str, Value};

/// Largest answer of a task, but for what a Map reads, in bytes. The languages allow less and say so by
/// their own error; this keeps a service that never stops from filling the memory.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Names one attempt of one task of a run: `Each/3/Charge#2@1` is the first attempt at the second
/// visit of `Charge` in the fourth iteration of `Each`.
///
/// `Both@2/0/Charge@1` is within the second attempt of a Parallel `Both`; `Each#read@1` reads what the Map
/// `Each` runs over, `Each#write@1` writes what it gave. It is derived, never drawn: performing a command again under the same id is harmless. `%`, `/`,
/// `#` and `@` in names of states are written as `%25`, `%2F`, `%23`, `%40`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Str);

/// Marks the tasks of a Map itself.
const READ: &str = "#read";
const WRITE: &str = "#write";

impl TaskId {
    pub(super) fn new(path: &str, attempt: u32) -> Self {
        Self(format!("{path}@{attempt}").into())
    }

    /// The task that reads what a Map runs over. No path of a state ends so: behind `#` stands a number.
    pub(super) fn reader(path: &str, attempt: u32) -> Self {
        Self(format!("{path}{READ}@{attempt}").into())
    }

    /// The task that writes what a Map gave.
    pub(super) fn writer(path: &str, attempt: u32) -> Self {
        Self(format!("{path}{WRITE}@{attempt}").into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the state, without the attempt.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.0.rsplit_once('@').map_or(&*self.0, |(path, _)| path);
        path.strip_suffix(READ).or_else(|| path.strip_suffix(WRITE)).unwrap_or(path)
    }

    /// The name of the state.
    #[must_use]
    pub fn state_name(&self) -> String {
        let segment = self.path().rsplit('/').next().unwrap_or_default();
        let name = segment.split('#').next().unwrap_or_default();
        // `%25` last: it may stand before what looks like another escape.
        name.replace("%2F", "/").replace("%23", "#").replace("%40", "@").replace("%25", "%")
    }

    /// The attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.rsplit_once('@').and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or_default()
    }
}

impl From<&str> for TaskId {
    /// An id as it was told to someone. Whether such a task exists is found out when it is used.
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something to do outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Have a task done.
    Start(TaskCommand),
    /// End a task.
    Cancel {
        /// Which one.
        id: TaskId,
        /// Whether its end is awaited (the run goes on until it reports), or nobody listens any more.
        is_awaited: bool,
    },
}

/// A task to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCommand {
    /// Which attempt of which task.
    pub id: TaskId,
    /// What is to be done, as the language names it.
    pub resource: Str,
    /// What is told to whoever does it.
    pub arguments: Value,
    /// When it counts as done.
    pub completion: Completion,
    /// Not to be begun earlier: the back-off of a retry.
    pub not_before: Option<Timestamp>,
    /// When the attempt is given up.
    pub deadline: Option<Timestamp>,
    /// Whether the request was answered already, and only its outcome is awaited.
    pub is_accepted: bool,
    /// Most of an answer that is taken, in bytes as it arrives. Nobody need read more.
    pub answer_bytes_max: usize,
}
