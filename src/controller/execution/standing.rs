//! A status that says where an Execution stands, and whether its newest spec is the one that was accepted.

use super::decide::{Decision, Observed};
use super::retention;
use super::status::{self, Existing, Standing};
use super::telling;
use crate::api::condition::{self, ConditionType};
use crate::api::{ExecutionStatus, Phase, Reason};

/// An Execution that has ended and whose spec was changed, or of which something else is to be said of telling its
/// end: conditions speak of the newest generation, everything else stays as it is.
pub(super) fn restamp(observed: &Observed) -> Decision {
    let before = &observed.status;
    let is_stamped = before.observed_generation == observed.facts.generation;
    if is_stamped && !telling::is_news(&observed.telling, &before.conditions, before.phase) {
        return Decision::nothing();
    }
    let (reason, message) = said(before);
    let standing = Standing { phase: before.phase, reason, message, stalled: None };
    let mut status = with_standing(observed, standing);
    if is_stamped {
        // Nobody has asked for another time.
        status.expiration_time = before.expiration_time;
    }
    Decision { status: changed(observed, status), ..Decision::nothing() }
}

/// What the conditions of an Execution that has ended say of its end.
pub(super) fn said(before: &ExecutionStatus) -> (Reason, String) {
    let said = condition::find(&before.conditions, ConditionType::InProgress);
    let accepted = condition::find(&before.conditions, ConditionType::Accepted);
    match (before.phase, said, accepted) {
        (Phase::Rejected, _, Some(accepted)) => (accepted.reason, accepted.message.clone()),
        (_, Some(said), _) => (said.reason, said.message.clone()),
        (_, None, _) => (Reason::EngineFault, "the conditions were removed".to_owned()),
    }
}

/// The status as it was, in another standing.
pub(super) fn with_standing(observed: &Observed, standing: Standing) -> ExecutionStatus {
    let mut status = observed.status.clone();
    apply_standing(observed, &mut status, &standing);
    status
}

/// The status of what will not be accepted: its name stands for what it asked for all the same.
pub(super) fn refused(observed: &Observed, standing: &Standing) -> ExecutionStatus {
    let mut status = observed.status.clone();
    if status.accepted.is_none() {
        status.refused_spec_digest = Some(observed.facts.spec_digest.clone());
    }
    apply_standing(observed, &mut status, standing);
    status
}

pub(super) fn apply_standing(observed: &Observed, status: &mut ExecutionStatus, standing: &Standing) {
    let facts = &observed.facts;
    let existing = existing(observed, status, standing);
    // What is admitted again says what it said the first time.
    let is_admitted_again = standing.phase == Phase::Running && status.accepted.is_none();
    let phase = if is_admitted_again { Phase::Starting } else { standing.phase };
    let shown = Standing { phase, ..standing.clone() };
    let mut conditions =
        status::conditions(&status.conditions, &shown, &existing, facts.generation, observed.now);
    let told = telling::claim(&observed.telling, &status.conditions, standing.phase).into_iter().collect();
    conditions.extend(condition::merge(&status.conditions, told, facts.generation, observed.now));
    status.conditions = conditions;
    status.phase = standing.phase;
    status.observed_generation = facts.generation;
    status.expiration_time = retention::expiration(facts, status, observed.default_ttl, observed.now);
    if standing.phase.is_ended() {
        status.active.clear();
        status.active_count = None;
    }
}

/// Whether the newest spec asks for what was accepted.
fn existing(observed: &Observed, status: &ExecutionStatus, standing: &Standing) -> Existing {
    let facts = &observed.facts;
    let was_different = condition::find(&status.conditions, ConditionType::AlreadyExists).is_some();
    let accepted = status.accepted.as_ref().map(|accepted| &accepted.spec_digest);
    let refused = status.refused_spec_digest.as_ref().filter(|_| standing.phase.is_ended());
    // What nobody has judged yet may still change.
    if accepted.or(refused).is_none_or(|digest| *digest == facts.spec_digest) {
        return Existing::Matches { was_different };
    }
    let (name, flow) = (facts.run_name(status), facts.run_flow(status));
    Existing::Differs(if standing.phase.is_ended() {
        format!(
            "Execution {name} for flow {flow} already exists. It has ended ({}); another run needs another name.",
            standing.phase.as_str()
        )
    } else {
        let started =
            status.start_time.map_or_else(String::new, |at| format!(" since {}", status::instant_text(at)));
        format!(
            "Execution {name} for flow {flow} is in progress{started} and goes on as it was accepted; another run needs another name."
        )
    })
}

/// The status, where it differs from the stored one.
pub(super) fn changed(observed: &Observed, status: ExecutionStatus) -> Option<Box<ExecutionStatus>> {
    (status != observed.status).then(|| Box::new(status))
}
