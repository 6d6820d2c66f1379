//! The states a run is in, and those it was in at its end, for who explains it.

use jiff::Timestamp;

use crate::api::history::{Record, RecordKind};
use crate::controller::execution::status::report_for;

use super::super::execution::View;
use super::model::{Standing, State, Tree};

/// How resources of Amazon States Language end that wait for a report.
const WITH_TOKEN: &str = ".waitForTaskToken";

/// A state that a run is in.
#[derive(Clone, Debug)]
pub(in super::super) struct Stay {
    pub(in super::super) path: String,
    /// Its type.
    pub(in super::super) kind: String,
    /// The resource of a task.
    pub(in super::super) resource: Option<String>,
    pub(in super::super) since: Timestamp,
    /// Attempt of its work, from 1.
    pub(in super::super) attempt: u32,
    /// When that begins, where it is still to come.
    pub(in super::super) next_attempt_at: Option<Timestamp>,
    /// Whether someone has to report.
    pub(in super::super) is_reported: bool,
    /// The Execution whose end the task waits for.
    pub(in super::super) awaited: Option<String>,
    /// When something happens at the latest.
    pub(in super::super) deadline: Option<Timestamp>,
    /// The Job that does the task.
    pub(in super::super) job: Option<String>,
    /// The Execution that the task has started.
    pub(in super::super) execution: Option<String>,
    /// How the attempt before has failed.
    pub(in super::super) failure: Option<String>,
}

/// The states that a run is in, as many as its status lists.
pub(in super::super) fn stays(view: &View, records: &[Record], now: Timestamp) -> Vec<Stay> {
    let tree = Tree::new(records, &view.status.active, view.is_ended());
    let active = view.status.active.iter();
    let stays = active.map(|entry| {
        let state = tree.find(&entry.path);
        let awaited = state.and_then(|state| awaited(view, state)).map(str::to_owned);
        Stay {
            path: entry.path.clone(),
            kind: entry.type_.clone(),
            resource: state.and_then(|state| state.resource.clone()),
            since: entry.since,
            attempt: u32::try_from(entry.attempt).unwrap_or_default(),
            next_attempt_at: state.and_then(|state| state.next_attempt_at(now)),
            is_reported: awaited.is_none() && state.is_some_and(|state| state.is_accepted),
            awaited,
            deadline: entry.deadline,
            job: entry.job.clone(),
            execution: entry.execution.clone(),
            failure: state.and_then(|state| state.failures.last()).map(|failure| failure.text()),
        }
    });
    stays.collect()
}

/// The Execution whose end a state waits for; none where someone has to report. Both have started one, and only
/// what the run says that it waits for, or the name of the resource, tells them apart.
pub(super) fn awaited<'s>(view: &View, state: &'s State) -> Option<&'s str> {
    let child = state.execution.as_deref().filter(|_| state.is_accepted)?;
    let asks = report_for(&state.path);
    let is_asked = view.condition("InProgress").is_some_and(|said| said.message.contains(&asks));
    let has_token = state.resource.as_deref().is_some_and(|resource| resource.ends_with(WITH_TOKEN));
    (!is_asked && !has_token).then_some(child)
}

/// The innermost state that a run has failed in.
pub(in super::super) fn failed_in(records: &[Record]) -> Option<&str> {
    let ends = |kind: RecordKind| matches!(kind, RecordKind::StateFailed | RecordKind::ExecutionFailed);
    let chain = records.iter().rev().take_while(|record| ends(record.k));
    chain.filter(|record| record.k == RecordKind::StateFailed).last().map(|record| &*record.p)
}

/// The states that a run was in when it ended, innermost ones only.
pub(in super::super) fn left_in(view: &View, records: &[Record]) -> Vec<String> {
    let tree = Tree::new(records, &view.status.active, view.is_ended());
    let left = tree.states().filter(|state| state.standing == Standing::Abandoned && state.scopes.is_empty());
    left.map(|state| state.path.clone()).collect()
}
