//! Answers for tasks that wait for one: who gave them, and what is told to whom.

use super::decide::Observed;
use crate::api::execution::ANSWERED_MAX;
use crate::cluster::object::Key;
use crate::engine::{Report, Run, TaskId};
use crate::ir::{Completion, Program};

/// What was heard of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The attempt.
    pub task: TaskId,
    /// What.
    pub report: Report,
    /// The TaskReport that says so; absent where the driver does.
    pub from: Option<Source>,
}

/// A TaskReport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub version: u64,
    /// Its generation.
    pub generation: i64,
}

/// What has become of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The TaskReport.
    pub source: Source,
    /// The attempt that it names.
    pub task: TaskId,
    /// Why no task took it; absent where one did.
    pub refusal: Option<String>,
}

impl Judged {
    /// The end of an answer.
    #[must_use]
    pub fn new(heard: &Heard, refusal: Option<String>) -> Option<Self> {
        let source = heard.from.clone()?;
        Some(Self { source, task: heard.task.clone(), refusal })
    }
}

/// Why the task of an answer does not take it, if it does not. A run that has taken it before, and could not say
/// so, does not take it again.
#[must_use]
pub fn refusal(program: &Program, run: &Run, task: &TaskId) -> Option<String> {
    let waits = |out: &crate::engine::TaskCommand| out.id == *task && out.completion == Completion::Callback;
    if run.outstanding(program).iter().any(waits) {
        return None;
    }
    let (attempt, path) = (task.attempt(), task.path());
    Some(format!(
        "task `{path}` does not wait for an answer to its attempt {attempt}: it was answered already, took too long, or is tried again"
    ))
}

/// Notes that an answer was taken.
pub fn remember(answered: &mut Vec<String>, uid: String) {
    answered.push(uid);
    let beyond = answered.len().saturating_sub(ANSWERED_MAX);
    answered.drain(..beyond);
}

/// Answers for an Execution of which nothing runs.
#[must_use]
pub fn judge_all(observed: &Observed) -> Vec<Judged> {
    let refusal = |heard: &Heard| {
        let uid = heard.from.as_ref().map(|source| &source.uid);
        let is_taken = observed.status.answered.iter().any(|taken| Some(taken) == uid);
        let phase = observed.status.phase.as_str();
        (!is_taken).then(|| format!("Execution {} waits for nothing: it is {phase}", observed.facts.name))
    };
    observed.reports.iter().filter_map(|heard| Judged::new(heard, refusal(heard))).collect()
}
