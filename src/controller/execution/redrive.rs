//! Executions that go on after a bad end because somebody asks for it (`spec.redrive`).
//!
//! A redrive is one write like any other: the phase is Running again, `status.redriveCount` has grown, and the run
//! has gone as far as it could. Where something keeps it from going on, phase Running is written with the reason, and
//! the checkpoint stays that of the end: a run that has ended under a phase that has not waits to be taken up. What
//! was never accepted is admitted again, in phase Running for nothing goes back to Starting.

use jiff::Timestamp;

use super::answer;
use super::decide::{self, Decision, Facts, Footing, Observed};
use super::line;
use super::standing;
use super::status::Standing;
use crate::api::condition::{self, ConditionType};
use crate::api::execution::redrives_done;
use crate::api::{ConditionStatus, ExecutionStatus, Phase, Reason};

/// Why a run that was asked for again has ended at once.
const STILL_STOPPED: &str =
    "spec.stop still asks for it: take it away in the same change as the next redrive";

/// Whether somebody has asked for more redrives than there were.
#[must_use]
pub fn is_owed(facts: &Facts, status: &ExecutionStatus) -> bool {
    let has_ended_badly = match status.phase {
        Phase::Failed | Phase::TimedOut | Phase::Stopped | Phase::Rejected => true,
        Phase::Starting | Phase::Running | Phase::Succeeded => false,
    };
    let done =
        redrives_done(status.accepted.as_ref().and_then(|accepted| accepted.redrive), status.redrive_count);
    has_ended_badly && facts.redrive.unwrap_or_default() > done
}

/// Redrives that were performed.
#[must_use]
pub fn count(status: &ExecutionStatus) -> i64 {
    status.redrive_count.unwrap_or_default()
}

/// Since when it waits to be admitted: since it was made, or since it was asked for again.
#[must_use]
pub fn waits_since(facts: &Facts, status: &ExecutionStatus) -> Timestamp {
    let accepted = condition::find(&status.conditions, ConditionType::Accepted);
    match accepted {
        Some(accepted) if status.phase == Phase::Running && accepted.status == ConditionStatus::Unknown => {
            accepted.last_transition_time
        }
        Some(_) | None => facts.created_at,
    }
}

/// What is refused, or stopped before its admission, is asked for again only by more redrives than its spec asks
/// for by now.
pub fn nothing_is_owed(facts: &Facts, status: &mut ExecutionStatus) {
    if status.accepted.is_none() && facts.redrive.unwrap_or_default() > 0 {
        status.redrive_count = status.redrive_count.max(facts.redrive);
    }
}

/// What keeps a run from being taken up now. Whatever it is, the run is looked at again when that has changed. One
/// that is suspended could not begin if it were its turn: it stands in no line, and nobody waits for it.
#[must_use]
pub fn hindrance(observed: &Observed) -> Option<(Reason, String)> {
    let Facts { suspend, stop, .. } = &observed.facts;
    // Who wants the end has it at once.
    if stop.is_some() {
        return None;
    }
    if *suspend {
        let message = "suspended (spec.suspend); goes on from where it failed once it no longer is";
        return Some((Reason::Suspended, message.to_owned()));
    }
    let message = line::waits(observed.facts.run_flow(&observed.status), observed.slot)?;
    Some((Reason::Queued, message))
}

/// Decides about an Execution that is asked for again.
#[must_use]
pub fn decide(observed: &Observed) -> Decision {
    if let Some(namesake) = &observed.namesake {
        let why =
            format!("Execution {namesake} has its name and is in progress; it begins once that has ended");
        return is_kept_back(observed, Reason::NameTaken, &why);
    }
    let resumed = Observed { status: resumed(observed), ..observed.clone() };
    let decision = match &observed.footing {
        Footing::Revision(revision) => decide::go_on(&resumed, revision.clone(), true),
        Footing::Lost(why) => return cannot(observed, why),
        Footing::Admission { .. } | Footing::Ended => decide::as_it_stands(&resumed),
    };
    if decision.is_fault {
        let stalled = decision.status.as_ref();
        let stalled = stalled.and_then(|status| condition::find(&status.conditions, ConditionType::Stalled));
        let why = stalled.map_or("", |stalled| &*stalled.message);
        return cannot(observed, why.strip_suffix(decide::FAULT_ADVICE).unwrap_or(why));
    }
    let mut status = decision.status.unwrap_or_else(|| Box::new(resumed.status.clone()));
    if observed.facts.stop.is_some() && status.phase.is_ended() {
        let (reason, message) = standing::said(&status);
        let message = format!("{message}; {STILL_STOPPED}");
        let standing = Standing { phase: status.phase, reason, message, stalled: None };
        standing::apply_standing(&resumed, &mut status, &standing);
    }
    Decision { status: Some(status), ..decision }
}

/// The status of an Execution that goes on, as it is before anything has happened.
fn resumed(observed: &Observed) -> ExecutionStatus {
    let is_accepted = observed.status.accepted.is_some();
    let mut status = ExecutionStatus {
        phase: Phase::Running,
        redrive_count: Some(count(&observed.status).saturating_add(1)),
        completion_time: None,
        expiration_time: None,
        duration: None,
        output: None,
        output_ref: None,
        error: None,
        cause: None,
        ..observed.status.clone()
    };
    let (reason, message) = match is_accepted {
        true => (Reason::Running, "goes on from where it failed"),
        false => (Reason::Pending, "is admitted again"),
    };
    let standing = Standing { phase: Phase::Running, reason, message: message.to_owned(), stalled: None };
    standing::apply_standing(observed, &mut status, &standing);
    status
}

/// It cannot be taken up: that is said, its end stays as it was, and it is tried again.
#[must_use]
pub fn cannot(observed: &Observed, why: &str) -> Decision {
    let why = format!("{why}; restore what it needs and it does, or delete the Execution");
    is_kept_back(observed, Reason::EngineFault, &why)
}

fn is_kept_back(observed: &Observed, reason: Reason, why: &str) -> Decision {
    let number = observed.facts.redrive.unwrap_or_default();
    let stalled = Some((reason, format!("redrive {number} cannot begin: {why}")));
    let (reason, message) = standing::said(&observed.status);
    let standing = Standing { phase: observed.status.phase, reason, message, stalled };
    let status = standing::with_standing(observed, standing);
    let judged = answer::judge_all(observed);
    Decision { status: standing::changed(observed, status), is_fault: true, judged, ..Decision::nothing() }
}
