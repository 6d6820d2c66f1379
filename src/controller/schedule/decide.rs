//! What a Schedule starts, stops and forgets, and what is said of it. Pure.

use jiff::{SignedDuration, Timestamp};

use super::recurrence::Recurrence;
use super::runs::{Run, Runs, is_counted, name_of};
use crate::api::condition::{self, Claim};
use crate::api::schedule::{
    ACTIVE_MAX, CatchUpPolicy, HISTORY_LIMIT, LastExecution, Missed, MissedReason, OverlapPolicy,
};
use crate::api::{ConditionStatus, ConditionType, Reason, ScheduleSpec, ScheduleStatus};
use crate::controller::execution::digest::hex;
use crate::controller::execution::status::instant_text;

/// How late a run may be started and still counts as on time: a change of leaders takes some fifteen seconds. What
/// is later was missed, and catchUpPolicy says what becomes of it.
pub const PUNCTUAL: SignedDuration = SignedDuration::from_secs(30);

/// Most runs that are started at once, whatever was missed: a Schedule is not what floods a cluster.
pub const STARTS_MAX: usize = 100;

/// Times that a warning names.
const NAMED_MAX: usize = 5;

/// When a start that was refused is tried again.
pub const REFUSED_RETRY: SignedDuration = SignedDuration::from_secs(30);

/// Everything a decision depends on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Name of the Schedule.
    pub name: String,
    /// Generation of its spec.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its spec.
    pub spec: ScheduleSpec,
    /// Its status.
    pub status: ScheduleStatus,
    /// Its runs.
    pub runs: Runs,
    /// The latest of them that has ended.
    pub last: Option<LastExecution>,
    /// The time.
    pub now: Timestamp,
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Names of runs that are terminated.
    pub stops: Vec<String>,
    /// Times for which runs are started.
    pub starts: Vec<Timestamp>,
    /// The status to be written then.
    pub status: ScheduleStatus,
    /// Names of ended runs that are removed after it.
    pub removals: Vec<String>,
    /// When to look again, if nothing happens.
    pub wake: Option<Timestamp>,
    /// What people are warned of: one word and a sentence.
    pub warnings: Vec<(&'static str, String)>,
    /// Up to when times were done with before.
    cursor: Timestamp,
    /// Times for which nothing is started.
    missed: Vec<Missed>,
    /// The latest time for which a run was there already.
    begun: Option<Timestamp>,
}

/// Whether a Schedule works.
enum Standing {
    Works,
    Suspended,
    Failing(i32),
    Invalid(String),
}

impl Standing {
    fn reason(&self) -> Option<Reason> {
        match self {
            Self::Works => None,
            Self::Suspended => Some(Reason::Suspended),
            Self::Failing(_) => Some(Reason::FailureThresholdReached),
            Self::Invalid(_) => Some(Reason::InvalidSchedule),
        }
    }
}

/// Decides.
#[must_use]
pub fn decide(observed: &Observed) -> Decision {
    let Observed { spec, status: before, runs, now, .. } = observed;
    let recurrence = Recurrence::new(&spec.schedule, &spec.terms, observed.created_at);
    let timing = timing(spec);
    let (failures, counted_until) = count(observed);
    let cursor = cursor(observed, &timing);
    let (standing, recurrence) = match recurrence {
        Err(why) => (Standing::Invalid(why), None),
        Ok(recurrence) => (standing(observed, failures), Some(recurrence)),
    };
    let works = recurrence.filter(|_| matches!(standing, Standing::Works));
    let plan = works.as_ref().map(|recurrence| plan(observed, recurrence, cursor)).unwrap_or_default();
    let next = works.as_ref().and_then(|recurrence| recurrence.next(*now));
    let stands_still = standing.reason();
    let processed_until = match stands_still {
        // From the moment on that it stands still.
        Some(reason) if reason_of(before) == Some(reason) => before.processed_until,
        Some(_) => Timestamp::from_second(now.as_second()).ok(),
        None => plan.processed_until.or(Some(cursor)),
    };
    let mut active: Vec<&Run> = runs.active.iter().collect();
    active.sort_by_key(|run| run.time);
    let started = plan.starts.iter().map(|time| name_of(&observed.name, *time));
    let mut names: Vec<String> = active.iter().map(|run| run.name.clone()).chain(started).collect();
    let active_count = i32::try_from(names.len()).unwrap_or(i32::MAX);
    names.truncate(ACTIVE_MAX);
    let missed = plan.missed.last().copied().or(before.last_missed);
    let status = ScheduleStatus {
        conditions: condition::merge(&before.conditions, claims(&standing, next), observed.generation, *now),
        observed_generation: observed.generation,
        last_schedule_time: before.last_schedule_time.max(plan.last),
        next_schedule_time: next,
        active: names,
        active_count,
        last_execution: observed.last.clone(),
        consecutive_failures: failures,
        last_missed: missed,
        processed_until,
        counted_until,
        timing: Some(timing),
    };
    let warning = warning(&plan.missed, plan.is_cut).or_else(|| {
        stands_still.filter(|reason| reason_of(before) != Some(*reason)).and_then(|_| alarm(&standing))
    });
    let removals = removals(observed);
    let warnings = warning.into_iter().collect();
    let Plan { stops, starts, missed, begun, .. } = plan;
    Decision { stops, starts, status, removals, wake: next, warnings, cursor, missed, begun }
}

/// What is left of a decision where the API server refuses to start a run: the first so many were started, and what
/// was due after them is due still.
#[must_use]
pub fn refused(
    observed: &Observed,
    decision: Decision,
    started: usize,
    reason: Reason,
    message: &str,
) -> Decision {
    let before = &observed.status;
    let mut starts = decision.starts;
    let unstarted: Vec<_> =
        starts.split_off(started).into_iter().map(|time| name_of(&observed.name, time)).collect();
    let mut active = decision.status.active.clone();
    active.retain(|name| !unstarted.contains(name));
    let unstarted = i32::try_from(unstarted.len()).unwrap_or(i32::MAX);
    let last = starts.last().copied();
    let missed = decision.missed.iter().rev().find(|missed| Some(missed.time) <= last).copied();
    let ready = Claim::new(ConditionType::Ready, ConditionStatus::False, reason, message);
    let stalled = Claim::new(ConditionType::Stalled, ConditionStatus::True, reason, message);
    let claims = vec![ready, stalled];
    let status = ScheduleStatus {
        conditions: condition::merge(&before.conditions, claims, observed.generation, observed.now),
        processed_until: last.or(Some(decision.cursor)),
        last_schedule_time: before.last_schedule_time.max(last),
        last_missed: missed.or(before.last_missed),
        active,
        active_count: decision.status.active_count.saturating_sub(unstarted),
        ..decision.status
    };
    let wake = observed.now.saturating_add(REFUSED_RETRY).ok();
    let warning = (reason_of(before) != Some(reason)).then(|| ("StartRefused", message.to_owned()));
    Decision { starts, status, wake, warnings: warning.into_iter().collect(), ..decision }
}

/// What is left of a decision where Executions of somebody else have the names that the runs for some times would
/// have: nothing was started for those, and nothing will be.
#[must_use]
pub fn left_out(observed: &Observed, decision: Decision, taken: &[Timestamp]) -> Decision {
    let Some(latest) = taken.iter().max().copied() else { return decision };
    let Decision { mut starts, mut status, mut warnings, begun, .. } = decision;
    starts.retain(|time| !taken.contains(time));
    let names: Vec<_> = taken.iter().map(|time| name_of(&observed.name, *time)).collect();
    status.active.retain(|name| !names.contains(name));
    let count = i32::try_from(names.len()).unwrap_or(i32::MAX);
    status.active_count = status.active_count.saturating_sub(count).max(0);
    let last = starts.iter().copied().max().max(begun);
    status.last_schedule_time = observed.status.last_schedule_time.max(last);
    if status.last_missed.is_none_or(|missed| missed.time < latest) {
        status.last_missed = Some(Missed { time: latest, reason: MissedReason::NameTaken });
    }
    let times: Vec<_> = taken.iter().map(|time| instant_text(*time)).take(NAMED_MAX).collect();
    let more = taken.len().checked_sub(NAMED_MAX).filter(|more| *more > 0);
    let more = more.map_or_else(String::new, |more| format!(" and {more} more"));
    let note = format!(
        "no run was started for {}{more}: Execution {} is there already and is not of this Schedule",
        times.join(", "),
        name_of(&observed.name, latest)
    );
    warnings.push(("ScheduleMissed", note));
    Decision { starts, status, warnings, ..decision }
}

fn reason_of(status: &ScheduleStatus) -> Option<Reason> {
    condition::find(&status.conditions, ConditionType::Ready).map(|ready| ready.reason)
}

/// What decides about the times.
fn timing(spec: &ScheduleSpec) -> String {
    let terms = &spec.terms;
    hex(&format!(
        "{}\n{:?}\n{:?}\n{:?}\n{:?}",
        spec.schedule.trim(),
        terms.time_zone,
        terms.start_time,
        terms.end_time,
        terms.offset_seconds
    ))
}

/// Up to when times are done with. Those that a Schedule would have had before it was made, while it stood still or
/// before it was changed are nobody's.
fn cursor(observed: &Observed, timing: &str) -> Timestamp {
    let Observed { spec, status: before, created_at, now, .. } = observed;
    // Its own start counts.
    let from_start = |since: Timestamp| {
        let start = spec.terms.start_time.filter(|start| *start >= since)?;
        start.checked_sub(SignedDuration::from_nanos(1)).ok()
    };
    let stood_still = [Reason::Suspended, Reason::FailureThresholdReached, Reason::InvalidSchedule]
        .map(Some)
        .contains(&reason_of(before));
    match before.processed_until {
        None => from_start(*created_at).unwrap_or(*created_at).min(*now),
        Some(until) if stood_still || before.timing.as_deref() != Some(timing) => {
            from_start(until).unwrap_or(*now).min(*now)
        }
        Some(until) => until,
    }
}

fn standing(observed: &Observed, failures: i32) -> Standing {
    let Observed { spec, status: before, .. } = observed;
    if spec.suspend == Some(true) {
        return Standing::Suspended;
    }
    let is_unchanged = before.observed_generation == observed.generation;
    let gave_up = is_unchanged && reason_of(before) == Some(Reason::FailureThresholdReached);
    match spec.terms.failure_threshold {
        Some(threshold) if gave_up || failures >= threshold => Standing::Failing(threshold),
        _ => Standing::Works,
    }
}

/// Bad ends in a row, in the order in which they are seen, and up to when ends are counted.
fn count(observed: &Observed) -> (i32, Option<Timestamp>) {
    let Observed { status: before, runs, created_at, .. } = observed;
    let is_new = |run: &Run| !is_counted(before, *created_at, run);
    let succeeded = runs.succeeded.iter().map(|run| (run, true));
    let failed = runs.failed.iter().map(|run| (run, false));
    let mut told: Vec<_> = succeeded.chain(failed).filter(|(run, _)| is_new(run)).collect();
    told.sort_by_key(|(run, _)| run.time);
    let is_unchanged = before.observed_generation == observed.generation;
    let failures = if is_unchanged { before.consecutive_failures } else { 0 };
    let failures = told
        .iter()
        .fold(failures, |failures, (_, is_good)| if *is_good { 0 } else { failures.saturating_add(1) });
    // What somebody has stopped, or another run has replaced, says nothing of how runs end.
    let ended = runs.ended().filter(|run| is_new(run)).map(|run| run.time);
    let until = ended.chain(before.counted_until).max();
    (failures, until)
}

#[derive(Default)]
struct Plan {
    stops: Vec<String>,
    starts: Vec<Timestamp>,
    missed: Vec<Missed>,
    /// Whether more was due than is started at once.
    is_cut: bool,
    /// The latest time for which there is a run.
    last: Option<Timestamp>,
    /// The latest time for which there was one already.
    begun: Option<Timestamp>,
    processed_until: Option<Timestamp>,
}

fn plan(observed: &Observed, recurrence: &Recurrence, cursor: Timestamp) -> Plan {
    let Observed { spec, runs, now, .. } = observed;
    let due = recurrence.between(cursor, *now, STARTS_MAX.saturating_add(1));
    let processed_until = due.last().copied();
    // Begun by a controller that could not say so any more.
    let (begun, due): (Vec<_>, Vec<_>) = due.into_iter().partition(|time| runs.are_there_for(*time));
    let made_up = made_up(spec, &due, *now);
    let is_busy = !runs.active.is_empty();
    let latest = || made_up.last().copied().into_iter().collect::<Vec<_>>();
    let starts = match spec.terms.concurrency_policy.unwrap_or_default() {
        OverlapPolicy::Allow => made_up.clone(),
        OverlapPolicy::Forbid if is_busy => Vec::new(),
        OverlapPolicy::Forbid | OverlapPolicy::Replace => latest(),
    };
    let replaces = spec.terms.concurrency_policy == Some(OverlapPolicy::Replace) && !starts.is_empty();
    let stops = match replaces {
        true => runs.active.iter().map(|run| run.name.clone()).collect(),
        false => Vec::new(),
    };
    let missed = due.iter().filter(|time| !starts.contains(time)).map(|time| Missed {
        time: *time,
        reason: if made_up.contains(time) { MissedReason::Overlap } else { MissedReason::TooLate },
    });
    let missed = missed.collect();
    let last = starts.iter().chain(&begun).max().copied();
    let begun = begun.into_iter().max();
    Plan { stops, missed, is_cut: due.len() > STARTS_MAX, last, begun, processed_until, starts }
}

/// Those of the times that are due which are not too late.
fn made_up(spec: &ScheduleSpec, due: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
    let since = |patience: SignedDuration| now.saturating_sub(patience).unwrap_or(Timestamp::MIN);
    let deadline = spec.terms.starting_deadline_seconds.map(SignedDuration::from_secs);
    let earliest = deadline.map_or(Timestamp::MIN, since);
    let in_time: Vec<_> = due.iter().copied().filter(|time| *time >= earliest).collect();
    let punctual: Vec<_> = in_time.iter().copied().filter(|time| *time >= since(PUNCTUAL)).collect();
    let mut kept = match spec.terms.catch_up_policy.unwrap_or_default() {
        CatchUpPolicy::None if deadline.is_none() => punctual,
        CatchUpPolicy::None | CatchUpPolicy::All => in_time,
        CatchUpPolicy::Latest if punctual.is_empty() => in_time.last().copied().into_iter().collect(),
        CatchUpPolicy::Latest => punctual,
    };
    kept.split_off(kept.len().saturating_sub(STARTS_MAX))
}

/// Ended runs beyond the limits, the oldest first.
fn removals(observed: &Observed) -> Vec<String> {
    let beyond = |mut runs: Vec<Run>, limit: Option<u32>| {
        let limit = usize::try_from(limit.unwrap_or(HISTORY_LIMIT)).unwrap_or(usize::MAX);
        runs.sort_by_key(|run| run.time);
        runs.truncate(runs.len().saturating_sub(limit));
        runs.into_iter().map(|run| run.name)
    };
    let terms = &observed.spec.terms;
    let Runs { succeeded, failed, stopped, .. } = &observed.runs;
    let succeeded = beyond(succeeded.clone(), terms.successful_executions_history_limit);
    let others = [&failed[..], &stopped[..]].concat();
    succeeded.chain(beyond(others, terms.failed_executions_history_limit)).collect()
}

fn claims(standing: &Standing, next: Option<Timestamp>) -> Vec<Claim> {
    let (status, reason, message) = match standing {
        Standing::Works => match next {
            Some(next) => {
                let message = format!("The next run is started at {}.", instant_text(next));
                (ConditionStatus::True, Reason::Scheduled, message)
            }
            None => {
                let message = "There is no time after this any more (spec.schedule, spec.endTime).";
                (ConditionStatus::True, Reason::Completed, message.to_owned())
            }
        },
        Standing::Suspended => {
            let message = "Nothing is started while spec.suspend is true.".to_owned();
            (ConditionStatus::True, Reason::Suspended, message)
        }
        Standing::Failing(threshold) => {
            let message = format!(
                "{threshold} runs have failed, taken too long or been refused one after the other (spec.failureThreshold): nothing more is started until the spec changes, spec.suspend for example to true and back."
            );
            (ConditionStatus::False, Reason::FailureThresholdReached, message)
        }
        Standing::Invalid(why) => (ConditionStatus::False, Reason::InvalidSchedule, why.clone()),
    };
    let is_stalled =
        if status == ConditionStatus::False { ConditionStatus::True } else { ConditionStatus::False };
    vec![
        Claim::new(ConditionType::Ready, status, reason, message.clone()),
        Claim::new(ConditionType::Stalled, is_stalled, reason, message),
    ]
}

fn alarm(standing: &Standing) -> Option<(&'static str, String)> {
    match standing {
        Standing::Works | Standing::Suspended => None,
        Standing::Failing(threshold) => Some((
            "FailureThresholdReached",
            format!(
                "{threshold} runs have failed, taken too long or been refused one after the other: nothing more is started"
            ),
        )),
        Standing::Invalid(why) => Some(("InvalidSchedule", why.clone())),
    }
}

fn warning(missed: &[Missed], is_cut: bool) -> Option<(&'static str, String)> {
    let (first, last) = (missed.first()?, missed.last()?);
    let why = match last.reason {
        MissedReason::TooLate => "it is too late for that (spec.catchUpPolicy, spec.startingDeadlineSeconds)",
        MissedReason::Overlap => "another run goes on or is later (spec.concurrencyPolicy)",
        MissedReason::NameTaken => "an Execution that is not of this Schedule has its name",
    };
    let (first, last) = (instant_text(first.time), instant_text(last.time));
    let note = match missed.len() {
        _ if is_cut => format!(
            "more than {STARTS_MAX} times were missed, and not all are made up; the latest that is not was {last}: {why}"
        ),
        1 => format!("no run was started for {last}: {why}"),
        count => format!("no runs were started for {count} times from {first} to {last}: {why}"),
    };
    Some(("ScheduleMissed", note))
}

#[cfg(test)]
mod tests;
