//! Executions: one look at a time, observe → decide → commit → perform.

pub mod admit;
pub mod answer;
pub mod commit;
pub mod data;
pub mod decide;
pub mod digest;
mod finalizers;
pub mod history;
pub mod keep;
pub mod line;
mod moves;
pub mod observe;
mod parent;
pub mod qualifier;
pub mod queue;
mod reach;
pub mod redrive;
pub mod registry;
pub mod retention;
mod seen;
pub mod settle;
pub mod siblings;
mod standing;
pub mod status;
pub mod telling;
mod watched;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, warn};

use crate::api::condition::{self, ConditionType};
use crate::api::{ConditionStatus, DEFAULT_SERVICE_ACCOUNT, ExecutionStatus, Phase};
use crate::cluster::object::Key;
use crate::driver::Owner;
use crate::engine::snapshot::Part;
use crate::engine::{Run, Status};

use super::context::Context;
use super::notice::Notice;
use super::revision::Revision;
use answer::{Heard, Judged};
use commit::Committed;
use decide::{Decision, Observed};
use observe::Found;
use registry::{Ended, Look};
use seen::Seen;

/// Checkpoints longer than this are taken aside, in bytes.
const LONG_CHECKPOINT_BYTES: usize = 16 * 1024;

/// A revision whose runs are decided about for longer than this is decided about aside from then on.
/// Most decisions take a tenth of a millisecond; one run may pass thousands of states at once.
const SLOW_DECISION: Duration = Duration::from_millis(5);

/// Looks at an Execution whose turn it is.
pub async fn look(context: Arc<Context>, key: Key) {
    let Some(mut look) = context.executions.begin(&key) else { return };
    let ended = attend(&context, &key, &mut look).await;
    context.executions.end(&key, ended);
    context.metrics.looks.inc();
}

async fn attend(context: &Context, key: &Key, look: &mut Look) -> Ended {
    let known = look.uid.clone();
    let answers: Vec<Heard> = look.reports.iter().filter(|heard| heard.from.is_some()).cloned().collect();
    let (seen, observed) = match observe::observe(context, key, look).await {
        Ok(Found::Execution(found)) => *found,
        Ok(Found::Deleting(seen)) => {
            refuse(context, key, &answers);
            // Its Jobs hold finalizers of ours that would keep it for ever.
            context.driver.let_go(&seen.facts.uid);
            context.retention.forget(&seen.facts.uid);
            settle::begin(context, key, &seen);
            return Ended::Settled(seen, None);
        }
        Ok(Found::Nothing) => {
            refuse(context, key, &answers);
            context.driver.child_gone(key);
            known.iter().chain(&look.strays).for_each(|uid| {
                context.driver.let_go(uid);
                context.data.forget(uid);
            });
            return Ended::Forgotten;
        }
        Ok(Found::Unreadable(why)) => {
            refuse(context, key, &answers);
            leave_alone(context, key, known.as_deref().unwrap_or_default(), why);
            return Ended::Forgotten;
        }
        Err(why) => {
            warn!(execution = %key, %why, "an Execution cannot be looked at");
            return Ended::Again { reports: std::mem::take(&mut look.reports), is_conflict: false };
        }
    };
    // Others that had its name.
    let others = known.iter().chain(&look.strays).filter(|uid| **uid != seen.facts.uid);
    others.for_each(|uid| {
        context.driver.let_go(uid);
        context.data.forget(uid);
    });
    if known.as_ref().is_some_and(|known| *known != seen.facts.uid) {
        refuse(context, key, &answers);
    }
    let decision = decide_aside(context, &observed).await;
    let committed = commit::commit(context, key, seen, &observed, &decision).await;
    match committed {
        // What stands is for the next term to perform.
        Committed::Stands(_) | Committed::Faulted(_) | Committed::Gone if !context.leadership.is_valid() => {
            Ended::Again { reports: Vec::new(), is_conflict: false }
        }
        Committed::Stands(seen) => stands(context, key, seen, observed, decision).await,
        Committed::Faulted(seen) => faulted(context, key, seen, observed).await,
        Committed::Gone => {
            refuse(context, key, &answers);
            context.driver.child_gone(key);
            context.driver.let_go(&observed.facts.uid);
            context.data.forget(&observed.facts.uid);
            Ended::Forgotten
        }
        Committed::Conflict => Ended::Again { reports: observed.reports, is_conflict: true },
        Committed::Unavailable => Ended::Again { reports: observed.reports, is_conflict: false },
    }
}

/// The end of a look whose decision stands.
async fn stands(
    context: &Context,
    key: &Key,
    seen: Box<Seen>,
    observed: Observed,
    decision: Decision,
) -> Ended {
    if seen.phase.is_ended() {
        context.executions.give_back_slot(key);
    }
    perform(context, key, &seen, &observed, &decision);
    tell(context, key, &observed, &decision);
    if decision.is_fault && !seen.phase.is_ended() {
        return Ended::Faulted(seen, observed.reports);
    }
    let Decision { status: written, parts, wake, is_fault, .. } = decision;
    if !tidy(context, key, &observed, written.as_deref(), parts).await {
        return Ended::Again { reports: Vec::new(), is_conflict: false };
    }
    let status = written.as_deref().unwrap_or(&observed.status);
    if redrive::is_owed(&observed.facts, status) {
        // At once where it has failed again, later where it could not begin.
        return Ended::Again { reports: Vec::new(), is_conflict: !is_fault };
    }
    retain(context, key, &seen, &observed.status, status);
    settled(seen, wake)
}

/// The end of a look whose decision was refused.
async fn faulted(context: &Context, key: &Key, seen: Box<Seen>, observed: Observed) -> Ended {
    if !seen.phase.is_ended() {
        return Ended::Faulted(seen, observed.reports);
    }
    context.executions.give_back_slot(key);
    let end = Decision { judged: answer::judge_all(&observed), ..Decision::nothing() };
    perform(context, key, &seen, &observed, &end);
    // What the refused status would have named is named by nobody.
    let is_tidy = tidy(context, key, &observed, None, Vec::new()).await;
    if is_tidy && !redrive::is_owed(&observed.facts, &observed.status) {
        return settled(seen, None);
    }
    Ended::Again { reports: Vec::new(), is_conflict: false }
}

/// Removes what nothing names any more, now that what was decided stands. Whether the end of a run left
/// nothing behind.
async fn tidy(
    context: &Context,
    key: &Key,
    before: &Observed,
    written: Option<&ExecutionStatus>,
    parts: Vec<Part>,
) -> bool {
    let uid = &before.facts.uid;
    context.data.remember(uid, parts);
    let stands = written.unwrap_or(&before.status);
    let is_ended = stands.phase.is_ended();
    // Of a run that goes on only who has written may say what is not needed.
    if written.is_none() && !is_ended {
        return true;
    }
    let removed = context.data.collect(key, uid, stands).await;
    context.metrics.data_removed.inc_by(removed.unwrap_or_default() as u64);
    // While it goes on there is another write.
    removed.is_some() || !is_ended
}

/// Notes when an Execution that has ended is to be removed, and of one that goes on again that it is not.
fn retain(context: &Context, key: &Key, seen: &Seen, before: &ExecutionStatus, status: &ExecutionStatus) {
    if before.phase.is_ended() || status.expiration_time.is_some() {
        context.retention.stands(key, seen, status);
    }
}

fn settled(seen: Box<Seen>, wake: Option<Timestamp>) -> Ended {
    if seen.phase.is_ended() { Ended::Over(seen.version) } else { Ended::Settled(seen, wake) }
}

/// Decides where it keeps nobody waiting: here, or aside where that may take long. Going aside takes a
/// thread and its memory, which most decisions are not worth.
async fn decide_aside(context: &Context, observed: &Observed) -> Decision {
    let revision = observed.footing.revision();
    if revision.is_some_and(|revision| revision.program.is_unbounded()) {
        let _place = context.deciding.acquire().await;
        return watched::decide(observed.clone()).await;
    }
    let is_long = !observed.parts.is_empty()
        || observed.status.checkpoint.as_ref().is_some_and(|text| text.len() > LONG_CHECKPOINT_BYTES);
    let was_slow = revision.is_some_and(|revision| revision.is_slow.load(Ordering::Relaxed));
    let timed = || {
        let began = Instant::now();
        let decision = decide::decide(observed);
        if let Some(revision) = revision {
            revision.is_slow.store(began.elapsed() > SLOW_DECISION, Ordering::Relaxed);
        }
        decision
    };
    if !is_long && !was_slow {
        return timed();
    }
    // Closed it is never.
    let _place = context.deciding.acquire().await;
    tokio::task::block_in_place(timed)
}

/// Makes what was committed so. Takes what stands, so nothing is performed that was not committed.
fn perform(context: &Context, key: &Key, seen: &Seen, observed: &Observed, decision: &Decision) {
    for judged in &decision.judged {
        context.reports.judge(judged.clone(), key);
    }
    if seen.facts.parent.is_some() {
        context.driver.child_stands(key, seen.phase);
    }
    match &decision.run {
        Some((run, revision)) => {
            let status = decision.status.as_deref().unwrap_or(&observed.status);
            let owner = owner_of(key, seen, status, run, revision);
            let is_stopping = matches!(run.status(), Status::Stopping { .. });
            context.driver.keep_going(&owner, &run.outstanding(&revision.program), is_stopping);
        }
        None if seen.phase.is_ended() => {
            context.driver.let_go(&seen.facts.uid);
            settle::begin(context, key, seen);
        }
        None => {}
    }
}

/// Answers for tasks of an Execution that is gone, or goes.
fn refuse(context: &Context, key: &Key, answers: &[Heard]) {
    let why = format!("Execution {} is gone, or is being deleted", key.name);
    let judged = answers.iter().filter_map(|heard| Judged::new(heard, Some(why.clone())));
    judged.for_each(|judged| context.reports.judge(judged, key));
}

fn owner_of(key: &Key, seen: &Seen, status: &ExecutionStatus, run: &Run, revision: &Revision) -> Owner {
    let account = run.execution().service_account.as_deref().unwrap_or(DEFAULT_SERVICE_ACCOUNT);
    Owner {
        key: key.clone(),
        uid: seen.facts.uid.clone(),
        service_account: account.to_owned(),
        bindings: revision.bindings.clone(),
        child_policy: settle::child_policy(status),
        depth: seen.facts.parent.as_ref().and_then(|parent| parent.depth).unwrap_or_default(),
        has_children: seen.is_held,
    }
}

/// Tells people and monitoring.
fn tell(context: &Context, key: &Key, before: &Observed, decision: &Decision) {
    let Some(status) = decision.status.as_deref() else { return };
    let notice = |reason: &'static str, note: String, is_warning: bool| {
        let uid = before.facts.uid.clone();
        let action = "Run";
        context.notices.give(Notice {
            kind: "Execution",
            key: key.clone(),
            uid,
            reason,
            note,
            action,
            is_warning,
        });
    };
    let is_redriven = status.redrive_count != before.status.redrive_count;
    if (status.phase != before.status.phase || is_redriven) && status.phase.is_ended() {
        context.metrics.ended(status.phase);
        context.schedules.ended(key);
        debug!(execution = %key, phase = status.phase.as_str(), "an Execution has ended");
        let message = message_of(status, ConditionType::InProgress);
        match status.phase {
            Phase::Succeeded => notice("Succeeded", message, false),
            Phase::Failed => notice("Failed", message, true),
            Phase::TimedOut => notice("TimedOut", message, true),
            Phase::Rejected => notice("Rejected", message, true),
            Phase::Stopped => notice("Stopped", message, false),
            Phase::Starting | Phase::Running => {}
        }
    }
    let exists = |status: &ExecutionStatus| {
        condition::find(&status.conditions, ConditionType::AlreadyExists)
            .is_some_and(|condition| condition.status == ConditionStatus::True)
    };
    if exists(status) && !exists(&before.status) {
        notice("AlreadyExists", message_of(status, ConditionType::AlreadyExists), true);
    }
    if context.notices.takes_all() {
        for event in &decision.history {
            let (kind, path) = (history::kind(&event.kind), &event.path);
            notice("Step", format!("{kind:?} {path}"), false);
        }
    }
}

fn message_of(status: &ExecutionStatus, type_: ConditionType) -> String {
    condition::find(&status.conditions, type_).map(|condition| condition.message.clone()).unwrap_or_default()
}

/// An object that cannot be read is nobody's but its author's: it gets a warning and is left alone.
pub fn leave_alone(context: &Context, key: &Key, uid: &str, why: String) {
    warn!(execution = %key, why, "an Execution cannot be read and is left alone");
    context.notices.give(Notice {
        kind: "Execution",
        key: key.clone(),
        uid: uid.to_owned(),
        reason: "Unreadable",
        note: why,
        action: "Read",
        is_warning: true,
    });
}
