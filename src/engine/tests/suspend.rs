//! Runs that stand still.

use super::*;
use crate::ir::{Jitter, Pattern, Retrier, Until};

fn wait(name: &str, seconds: &str) -> State {
    State::new(name, Kind::Wait(Until::Seconds(literal(seconds))))
}

fn held(rig: &Rig) -> Vec<String> {
    match rig.run.status() {
        Status::Suspended(suspension) => suspension.held.keys().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_becomes_of_tasks_is_kept_and_nothing_begins() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r"), task("B", "r")]), "{}");
    assert!(rig.event(Event::Suspend) && rig.is_progress);
    assert!(!rig.event(Event::Suspend));
    // It goes on being done.
    assert_eq!(rig.tasks(), ["A@1"]);
    assert!(!rig.report("A@1", Report::Heartbeat) && !rig.succeed("X@1", "{}"));
    assert!(rig.succeed("A@1", r#"{"a": 1}"#) && rig.is_progress);
    assert!(rig.tasks().is_empty() && rig.commands().is_empty());
    // The first word counts.
    assert!(!rig.fail("A@1", "E"));
    assert_eq!(held(&rig), ["A@1"]);
    assert!(rig.event(Event::Resume));
    assert_eq!((rig.tasks(), rig.commands()), (vec!["B@1".to_owned()], vec!["start B@1".to_owned()]));
    assert_eq!(rig.arguments("B@1"), r#"{"a":1}"#);
    assert!(!rig.event(Event::Resume));
}

#[test]
fn timers_do_not_fire_and_are_due_at_once_when_it_goes_on() {
    let mut rig = Rig::start(program(Handover::Replace, vec![wait("W", "10"), task("T", "r")]), "{}");
    rig.event(Event::Suspend);
    assert_eq!(rig.wake(), Some(100_000));
    assert!(!rig.tick(50));
    assert!(rig.event(Event::Resume));
    assert_eq!(rig.tasks(), ["T@1"]);
}

#[test]
fn a_retry_whose_pause_is_not_over_begins_when_the_run_goes_on() {
    let start = || {
        let timed = Execution { task_timeout_seconds: Some(10), ..execution("{}") };
        let mut rig = Rig::start_with(retried(30), timed);
        rig.fail("T@1", "E");
        assert_eq!(rig.tasks(), ["T@2"]);
        rig.event(Event::Suspend);
        assert!(rig.tasks().is_empty());
        rig.tick(60);
        rig
    };
    // Its time runs from when it begins.
    let mut rig = start();
    assert!(rig.event(Event::Resume));
    assert_eq!((rig.tasks(), rig.wake()), (vec!["T@2".to_owned()], Some(70)));
    assert!(rig.tick(70));
    assert_eq!(rig.tasks(), ["T@3"]);
    // One that never began has nothing that could end.
    let mut rig = start();
    assert!(rig.event(Event::Stop(Stop::new(StopMode::Cancel))));
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));
    // One that may have begun before the word was heard goes on.
    let mut rig = Rig::start(retried(15), "{}");
    rig.fail("T@1", "E");
    rig.event(Event::Suspend);
    assert_eq!(rig.tasks(), ["T@2"]);
}

fn retried(interval_seconds: u64) -> Program {
    let mut state = task("T", "r");
    state.retry = vec![Retrier {
        errors: vec![Pattern::Any],
        max_attempts: 3,
        interval_seconds,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }];
    program(Handover::Replace, vec![state])
}

#[test]
fn deadlines_keep_their_meaning() {
    let limited = || Execution { timeout_seconds: Some(60), ..execution("{}") };
    let mut rig = Rig::start_with(program(Handover::Replace, vec![task("A", "r")]), limited());
    rig.event(Event::Suspend);
    assert_eq!(rig.wake(), Some(60));
    assert!(rig.tick(60));
    assert_eq!(rig.run.outcome(), Some(&Outcome::TimedOut));
    assert_eq!(rig.commands(), ["cancel A@1"]);
    // A task that is too late is given up when the run goes on, unless it has ended before.
    let timed = || Execution { task_timeout_seconds: Some(10), ..execution("{}") };
    for ends in [false, true] {
        let mut rig = Rig::start_with(program(Handover::Replace, vec![task("A", "r")]), timed());
        rig.event(Event::Suspend);
        if ends {
            assert!(rig.succeed("A@1", "{}"));
        }
        assert!(!rig.tick(20));
        assert!(rig.event(Event::Resume));
        match ends {
            true => assert_eq!(rig.output(), "{}"),
            false => assert!(rig.error().1.unwrap().contains("took longer"), "{:?}", rig.run.outcome()),
        }
    }
}

#[test]
fn a_run_that_stands_still_can_be_stopped() {
    let start = || {
        let mut builder = Builder::new(ERRORS, LIMITS);
        let branches =
            ["A", "B"].map(|name| sequence(&mut builder, Handover::Replace, vec![task(name, "r")])).to_vec();
        let state = State::new("P", Kind::Parallel { arguments: None, branches });
        let root = sequence(&mut builder, Handover::Replace, vec![state]);
        let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}");
        rig.event(Event::Suspend);
        assert!(rig.succeed("P/0/A@1", "{}"));
        rig
    };
    let mut rig = start();
    assert!(rig.event(Event::Stop(Stop::new(StopMode::Terminate))));
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));
    // One has ended already, the other is waited for.
    let mut rig = start();
    assert!(rig.event(Event::Stop(Stop::new(StopMode::Cancel))));
    assert_eq!(rig.tasks(), ["P/1/B@1"]);
    assert!(rig.succeed("P/1/B@1", "{}"));
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));
}
