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

/// What one look takes in of what was heard: no more answers than are remembered, so that none of them is
/// forgotten in the same write that takes it.
#[must_use]
pub fn take(heard: &mut Vec<Heard>) -> Vec<Heard> {
    let mut answers = heard.iter().enumerate().filter(|(_, heard)| heard.from.is_some());
    let until = answers.nth(ANSWERED_MAX).map_or(heard.len(), |(place, _)| place);
    let left = heard.split_off(until);
    std::mem::replace(heard, left)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(is_answer: bool, number: usize) -> Heard {
        let (key, uid) = (Key::new("n", "r"), number.to_string());
        let from = is_answer.then_some(Source { key, uid, version: 1, generation: 1 });
        Heard { task: "T@1".into(), report: Report::Heartbeat, from }
    }

    #[test]
    fn a_look_takes_no_more_answers_than_are_remembered() {
        // Each answer comes with something that the driver has heard.
        let mut all: Vec<Heard> = (0..600).map(|number| heard(number % 2 == 0, number)).collect();
        let mut left = all.clone();
        let mut looks = Vec::new();
        while !left.is_empty() {
            let taken = take(&mut left);
            looks.push(taken.iter().filter(|heard| heard.from.is_some()).count());
            assert_eq!(taken, all.drain(..taken.len()).collect::<Vec<_>>());
        }
        assert_eq!(looks, [128, 128, 44]);
        let mut of_driver: Vec<Heard> = (0..600).map(|number| heard(false, number)).collect();
        assert_eq!((take(&mut of_driver).len(), of_driver.len()), (600, 0));
    }
}
