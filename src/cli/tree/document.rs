//! A run as a document for programs.

use jiff::Timestamp;
use serde::Serialize;

use super::super::execution::View;
use super::fold::word;
use super::model::{Failure, State, Tree};

/// A run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'t> {
    name: &'t str,
    namespace: &'t str,
    uid: &'t str,
    flow: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_revision: Option<&'t str>,
    phase: &'t str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'t str>,
    /// What was asked for later under its name, and is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    already_exists: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'t str>,
    /// Events that are no longer kept, and so missing here.
    lost_events: u64,
    states: Vec<Node<'t>>,
}

/// A visit of a state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'t> {
    name: &'t str,
    path: &'t str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'t str>,
    /// active, succeeded, caught, failed or abandoned.
    standing: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Problem<'t>>,
    /// Branches of a Parallel, iterations of a Map, the body of a Choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    branches: Vec<Branch<'t>>,
}

#[derive(Debug, Serialize)]
struct Problem<'t> {
    attempt: u32,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct Branch<'t> {
    /// Of the state around it, from 1.
    attempt: u32,
    /// From 0.
    number: u32,
    standing: &'static str,
    states: Vec<Node<'t>>,
}

/// The JSON of a run.
///
/// # Errors
/// Where it cannot be written, which is a bug.
pub(super) fn to_json(view: &View, tree: &Tree, now: Timestamp) -> Result<String, String> {
    let status = &view.status;
    let condition = view.condition("InProgress").filter(|_| !view.is_ended());
    let run = Run {
        name: &view.key.name,
        namespace: &view.key.namespace,
        uid: &view.uid,
        flow: &view.flow,
        flow_revision: status.flow_revision.as_deref(),
        phase: &status.phase,
        reason: view.reason(),
        message: condition.map(|condition| &*condition.message),
        already_exists: view.already_exists().map(|condition| &*condition.message),
        start_time: status.start_time,
        completion_time: status.completion_time,
        error: status.error.as_deref(),
        cause: status.cause.as_deref(),
        lost_events: tree.lost,
        states: nodes(tree, &tree.top, now),
    };
    serde_json::to_string(&run).map_err(|error| format!("a bug in millrace: {error}"))
}

fn nodes<'t>(tree: &'t Tree, numbers: &'t [usize], now: Timestamp) -> Vec<Node<'t>> {
    tree.all(numbers).map(|state| node(tree, state, now)).collect()
}

fn node<'t>(tree: &'t Tree, state: &'t State, now: Timestamp) -> Node<'t> {
    let branches = state.scopes.iter().map(|((attempt, number), states)| Branch {
        attempt: *attempt,
        number: *number,
        standing: word(tree.standing(states)),
        states: nodes(tree, states, now),
    });
    Node {
        name: &state.name,
        path: &state.path,
        kind: state.kind.as_deref(),
        resource: state.resource.as_deref(),
        standing: word(state.standing),
        attempts: state.attempt,
        start_time: state.entered_at,
        end_time: state.left_at,
        next_attempt_time: state.next_attempt_at(now),
        deadline: state.deadline,
        errors: state.failures.iter().map(problem).collect(),
        branches: branches.collect(),
    }
}

fn problem(failure: &Failure) -> Problem<'_> {
    Problem {
        attempt: failure.attempt,
        time: failure.at,
        error: failure.error.as_deref(),
        cause: failure.cause.as_deref(),
    }
}
