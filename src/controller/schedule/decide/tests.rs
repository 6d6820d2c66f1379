use super::super::runs::{is_done_with, run_of};
use super::*;

/// When the Schedule was made, in seconds; it has its times every ten seconds from then on.
const MADE: i64 = 1_767_225_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(MADE + second).unwrap()
}

fn observed(spec: &str, now: i64) -> Observed {
    let spec = format!(r#"{{"flowRef": {{"name": "f"}}, "schedule": "@every 10s" {spec}}}"#);
    Observed {
        name: "s".to_owned(),
        generation: 1,
        created_at: at(0),
        spec: serde_json::from_str(&spec).unwrap(),
        status: ScheduleStatus::default(),
        runs: Runs::default(),
        last: None,
        now: at(now),
    }
}

/// The next look, with the runs that there are then.
fn later(before: &Observed, decision: &Decision, runs: Runs, now: i64) -> Observed {
    Observed { status: decision.status.clone(), runs, now: at(now), ..before.clone() }
}

fn runs(seconds: &[i64]) -> Vec<Run> {
    seconds.iter().map(|second| run_of("s", &name_of("s", at(*second))).unwrap()).collect()
}

fn active(seconds: &[i64]) -> Runs {
    Runs { active: runs(seconds), ..Runs::default() }
}

fn seconds(times: &[Timestamp]) -> Vec<i64> {
    times.iter().map(|time| time.as_second() - MADE).collect()
}

fn ready(decision: &Decision) -> (ConditionStatus, Reason) {
    let ready = condition::find(&decision.status.conditions, ConditionType::Ready).unwrap();
    let stalled = condition::find(&decision.status.conditions, ConditionType::Stalled).unwrap();
    assert_ne!(ready.status, stalled.status);
    (ready.status, ready.reason)
}

/// A Schedule that has run until 100 s, at some time after.
fn after_a_break(spec: &str, now: i64) -> Observed {
    let first = observed(spec, 5);
    let second = later(&first, &decide(&first), Runs::default(), 100);
    let mut decision = decide(&second);
    decision.status.last_missed = None;
    later(&second, &decision, Runs::default(), now)
}

#[test]
fn each_time_is_started_once() {
    let first = observed("", 5);
    let decision = decide(&first);
    assert_eq!((decision.starts.len(), decision.wake), (0, Some(at(10))));
    assert_eq!(decision.status.next_schedule_time, Some(at(10)));
    assert_eq!(ready(&decision), (ConditionStatus::True, Reason::Scheduled));
    let second = later(&first, &decision, Runs::default(), 10);
    let decision = decide(&second);
    assert_eq!((seconds(&decision.starts), decision.wake), (vec![10], Some(at(20))));
    assert_eq!(decision.status.last_schedule_time, Some(at(10)));
    assert_eq!(
        (decision.status.active.as_slice(), decision.status.active_count),
        (&[name_of("s", at(10))][..], 1)
    );
    let third = later(&second, &decision, active(&[10]), 11);
    let decision = decide(&third);
    assert!(decision.starts.is_empty());
    assert_eq!(decision.status, third.status);
    // Whoever has made a run and could not say so any more.
    let crashed = Observed { runs: active(&[10]), now: at(12), ..second };
    let decision = decide(&crashed);
    assert!(decision.starts.is_empty() && decision.status.last_missed.is_none());
    assert_eq!(decision.status.last_schedule_time, Some(at(10)));
    assert_eq!(decision.status.processed_until, Some(at(10)));
}

#[test]
fn what_was_missed_is_made_up_as_the_policy_says() {
    let missed = |spec: &str, now: i64| {
        let decision = decide(&after_a_break(spec, now));
        let last = decision.status.last_missed.map(|missed| (missed.time.as_second() - MADE, missed.reason));
        (seconds(&decision.starts), last)
    };
    let late = MissedReason::TooLate;
    // What is late by half a minute at most was never missed.
    assert_eq!(missed("", 125), (vec![110, 120], None));
    assert_eq!(missed("", 165), (vec![140, 150, 160], Some((130, late))));
    // The times of a minute, the latest of them 45 s ago.
    let minutely = r#", "schedule": "@every 1m""#;
    let minutely = |policy: &str, now: i64| {
        let spec = format!(r#"{{"flowRef": {{"name": "f"}} {minutely} {policy}}}"#);
        let mut observed = after_a_break("", now);
        observed.spec = serde_json::from_str(&spec).unwrap();
        observed.status.timing = Some(timing(&observed.spec));
        let decision = decide(&observed);
        let last = decision.status.last_missed.map(|missed| (missed.time.as_second() - MADE, missed.reason));
        (seconds(&decision.starts), last)
    };
    assert_eq!(minutely("", 345), (vec![300], Some((240, late))));
    assert_eq!(minutely(r#", "catchUpPolicy": "None""#, 345), (vec![], Some((300, late))));
    assert_eq!(minutely(r#", "catchUpPolicy": "None""#, 315), (vec![300], Some((240, late))));
    assert_eq!(minutely(r#", "catchUpPolicy": "All""#, 345), (vec![120, 180, 240, 300], None));
    let deadline = |policy: &str| format!(r#", "catchUpPolicy": "{policy}", "startingDeadlineSeconds": 120"#);
    assert_eq!(minutely(&deadline("All"), 345), (vec![240, 300], Some((180, late))));
    assert_eq!(minutely(&deadline("None"), 345), (vec![240, 300], Some((180, late))));
    assert_eq!(minutely(&deadline("Latest"), 345), (vec![300], Some((240, late))));
    assert_eq!(minutely(r#", "startingDeadlineSeconds": 44"#, 345), (vec![], Some((300, late))));
}

#[test]
fn not_more_than_so_many_are_made_up() {
    let decision = decide(&after_a_break(r#", "catchUpPolicy": "All""#, 100_000));
    assert_eq!(decision.starts.len(), STARTS_MAX);
    assert_eq!(seconds(&decision.starts).first(), Some(&99_010));
    let (word, note) = decision.warnings.first().cloned().unwrap();
    assert_eq!(word, "ScheduleMissed");
    assert!(note.starts_with("more than 100 times"), "{note}");
    assert_eq!(decision.status.processed_until, Some(at(100_000)));
}

#[test]
fn runs_that_would_overlap_are_left_out_or_replace() {
    let due = |policy: &str, going: &[i64]| {
        let observed = Observed { runs: active(going), ..after_a_break(policy, 121) };
        let decision = decide(&observed);
        let reason = decision.status.last_missed.map(|missed| missed.reason);
        (seconds(&decision.starts), decision.stops.len(), reason)
    };
    let overlap = Some(MissedReason::Overlap);
    assert_eq!(due(r#", "concurrencyPolicy": "Allow""#, &[100]), (vec![110, 120], 0, None));
    assert_eq!(due(r#", "concurrencyPolicy": "Forbid""#, &[100]), (vec![], 0, overlap));
    assert_eq!(due(r#", "concurrencyPolicy": "Forbid""#, &[]), (vec![120], 0, overlap));
    assert_eq!(due(r#", "concurrencyPolicy": "Replace""#, &[90, 100]), (vec![120], 2, overlap));
    // A run that is there for one of the times is not what stands in the way of itself.
    assert_eq!(due(r#", "concurrencyPolicy": "Forbid""#, &[120]), (vec![], 0, overlap));
    assert_eq!(due(r#", "concurrencyPolicy": "Replace""#, &[110, 120]), (vec![], 0, None));
}

#[test]
fn times_before_it_works_are_nobodys() {
    let suspended = observed(r#", "suspend": true"#, 5);
    let decision = decide(&suspended);
    assert_eq!(ready(&decision), (ConditionStatus::True, Reason::Suspended));
    assert_eq!((decision.wake, decision.status.next_schedule_time), (None, None));
    let again = later(&suspended, &decision, Runs::default(), 500);
    assert_eq!(decide(&again).status, again.status);
    let mut resumed = Observed { generation: 2, now: at(505), ..again };
    resumed.spec.suspend = None;
    let decision = decide(&resumed);
    assert_eq!((seconds(&decision.starts), decision.wake), (vec![], Some(at(510))));
    // Unless it is started by the moment in which it is resumed.
    resumed.spec.terms.start_time = Some(at(503));
    let decision = decide(&resumed);
    assert_eq!((seconds(&decision.starts), decision.wake), (vec![503], Some(at(513))));
    // A schedule that was changed counts from then on.
    let mut changed = after_a_break("", 200);
    changed.spec.schedule = "@every 7s".to_owned();
    assert_eq!(decide(&changed).starts, []);
    let fresh = Observed { now: at(0), ..observed("", 0) };
    assert_eq!(decide(&fresh).starts, []);
    let with_start = observed(&format!(r#", "startTime": "{}""#, at(0)), 3);
    assert_eq!(seconds(&decide(&with_start).starts), [0]);
}

#[test]
fn after_the_end_it_is_complete() {
    let observed = after_a_break(&format!(r#", "endTime": "{}""#, at(115)), 121);
    let decision = decide(&observed);
    assert_eq!((seconds(&decision.starts), decision.wake), (vec![110], None));
    assert_eq!(ready(&decision), (ConditionStatus::True, Reason::Completed));
}

#[test]
fn a_schedule_that_cannot_be_read_starts_nothing_until_it_can() {
    let mut observed = after_a_break("", 121);
    observed.spec.schedule = "99 * * * *".to_owned();
    let decision = decide(&observed);
    assert_eq!(ready(&decision), (ConditionStatus::False, Reason::InvalidSchedule));
    assert_eq!(decision.warnings.first().map(|(word, _)| *word), Some("InvalidSchedule"));
    let mut mended = later(&observed, &decision, Runs::default(), 200);
    assert!(decide(&mended).warnings.is_empty());
    mended.spec.schedule = "@every 10s".to_owned();
    assert_eq!(decide(&mended).starts, []);
}

#[test]
fn bad_ends_in_a_row_end_it_until_the_spec_changes() {
    let first = Observed {
        runs: Runs {
            active: runs(&[10]),
            succeeded: runs(&[20]),
            failed: runs(&[30, 40]),
            ..Runs::default()
        },
        ..after_a_break(r#", "failureThreshold": 3"#, 105)
    };
    let decision = decide(&first);
    assert_eq!((decision.status.consecutive_failures, ready(&decision).1), (2, Reason::Scheduled));
    // Seen once, an end is not counted again; one that was passed over is counted when it comes.
    let runs_then =
        Runs { active: runs(&[50]), succeeded: runs(&[20]), failed: runs(&[10, 30, 40]), ..Runs::default() };
    let second = later(&first, &decision, runs_then.clone(), 110);
    let decision = decide(&second);
    assert_eq!((decision.status.consecutive_failures, decision.starts.len()), (3, 0));
    assert_eq!(ready(&decision), (ConditionStatus::False, Reason::FailureThresholdReached));
    assert_eq!(decision.warnings.first().map(|(word, _)| *word), Some("FailureThresholdReached"));
    // A good end that comes late does not begin it again.
    let runs_then = Runs { active: vec![], succeeded: runs(&[20, 50]), ..runs_then };
    let third = later(&second, &decision, runs_then, 130);
    let decision = decide(&third);
    assert_eq!((decision.status.consecutive_failures, decision.starts.len()), (0, 0));
    assert_eq!(ready(&decision).1, Reason::FailureThresholdReached);
    let changed = Observed { generation: 2, ..later(&third, &decision, third.runs.clone(), 145) };
    let decision = decide(&changed);
    assert_eq!((ready(&decision).1, decision.starts.len()), (Reason::Scheduled, 0));
    let on = later(&changed, &decision, changed.runs.clone(), 150);
    assert_eq!(seconds(&decide(&on).starts), [150]);
}

#[test]
fn ended_runs_beyond_the_limits_are_removed_the_oldest_first() {
    let observed = Observed {
        runs: Runs {
            active: runs(&[90]),
            succeeded: runs(&[30, 10, 20]),
            failed: runs(&[50]),
            stopped: runs(&[40]),
        },
        ..after_a_break(r#", "successfulExecutionsHistoryLimit": 1, "failedExecutionsHistoryLimit": 0"#, 101)
    };
    let names = |seconds: &[i64]| seconds.iter().map(|second| name_of("s", at(*second))).collect::<Vec<_>>();
    assert_eq!(decide(&observed).removals, names(&[10, 20, 40, 50]));
    let many: Vec<i64> = (1..=12).collect();
    let observed =
        Observed { runs: Runs { succeeded: runs(&many), ..Runs::default() }, ..after_a_break("", 101) };
    assert_eq!(decide(&observed).removals, names(&[1, 2]));
    let observed = Observed { runs: active(&many), ..after_a_break("", 101) };
    let status = decide(&observed).status;
    assert_eq!((status.active.len(), status.active_count), (10, 12));
}

#[test]
fn what_is_refused_is_due_still() {
    let observed = after_a_break("", 121);
    let decision = decide(&observed);
    assert_eq!(seconds(&decision.starts), [110, 120]);
    let none = refused(&observed, decision.clone(), 0, Reason::Forbidden, "no");
    assert_eq!(ready(&none), (ConditionStatus::False, Reason::Forbidden));
    assert_eq!((none.status.active.len(), none.status.active_count), (0, 0));
    let next = later(&observed, &none, Runs::default(), 131);
    assert_eq!(seconds(&decide(&next).starts), [110, 120, 130]);
    // One was started, and nobody starts it again when it is gone.
    let one = refused(&observed, decision, 1, Reason::Rejected, "no");
    let started = name_of("s", at(110));
    assert_eq!((&one.status.active[..], one.status.active_count), (&[started][..], 1));
    assert_eq!(one.status.last_schedule_time, Some(at(110)));
    let next = later(&observed, &one, Runs::default(), 131);
    assert_eq!(seconds(&decide(&next).starts), [120, 130]);
}

#[test]
fn a_time_whose_name_is_somebody_elses_is_left_out_and_told() {
    let first = after_a_break("", 121);
    let before = first.status.last_schedule_time;
    let decision = decide(&first);
    assert_eq!(seconds(&decision.starts), [110, 120]);
    let whole = left_out(&first, decision.clone(), &[]);
    assert_eq!((&whole.status, whole.warnings.len()), (&decision.status, 0));
    let one = left_out(&first, decision.clone(), &[at(120)]);
    assert_eq!((seconds(&one.starts), one.status.last_schedule_time), (vec![110], Some(at(110))));
    assert_eq!((&one.status.active[..], one.status.active_count), (&[name_of("s", at(110))][..], 1));
    assert_eq!(one.status.last_missed.map(|missed| missed.time), Some(at(120)));
    let (word, note) = &one.warnings[0];
    assert!(*word == "ScheduleMissed" && note.contains(&name_of("s", at(120))), "{word} {note}");
    // It is done with, and not tried again.
    let next = decide(&later(&first, &one, active(&[110]), 131));
    assert_eq!(seconds(&next.starts), [130]);
    let none = left_out(&first, decision, &[at(110), at(120)]);
    assert_eq!((none.status.last_schedule_time, none.status.active_count), (before, 0));
    // Where a later one was refused, what was refused is due still.
    let refused = refused(&first, decide(&first), 1, Reason::Rejected, "no");
    let both = left_out(&first, refused, &[at(110)]);
    assert_eq!((both.status.processed_until, both.warnings.len()), (Some(at(110)), 2));
    assert_eq!((ready(&both).1, both.status.last_schedule_time), (Reason::Rejected, before));
}

#[test]
fn what_somebody_has_stopped_is_no_failure() {
    let first = Observed {
        runs: Runs { failed: runs(&[10, 30]), stopped: runs(&[20, 40]), ..Runs::default() },
        ..after_a_break("", 45)
    };
    let decision = decide(&first);
    assert_eq!(decision.status.consecutive_failures, 2);
    assert_eq!(decision.status.counted_until, Some(at(40)));
}

#[test]
fn an_ended_run_is_done_with_when_it_is_counted_and_not_made_again() {
    let [run] = runs(&[20]).try_into().unwrap();
    let status = |counted: i64, processed: i64, active: &[i64]| ScheduleStatus {
        counted_until: Some(at(counted)),
        processed_until: Some(at(processed)),
        active: runs(active).into_iter().map(|run| run.name).collect(),
        ..ScheduleStatus::default()
    };
    assert!(is_done_with(&status(20, 30, &[10]), at(0), &run));
    for not in [ScheduleStatus::default(), status(10, 30, &[]), status(20, 10, &[]), status(30, 30, &[20])] {
        assert!(!is_done_with(&not, at(0), &run), "{not:?}");
    }
    // It is older than the Schedule, which never counts it.
    assert!(is_done_with(&ScheduleStatus::default(), at(21), &run));
}
