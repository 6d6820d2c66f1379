//! Runs that go on after a bad end.

use super::isolated::tolerating;
use super::maps::{each, retry_once};
use super::*;
use crate::ir::{Access, Until};

fn redrive(rig: &mut Rig) {
    assert!(rig.event(Event::Redrive { stop: None }) && rig.is_progress);
}

fn told(rig: &Rig) -> Vec<(&str, String)> {
    let is_of_run = |event: &&HistoryEvent| event.path.is_empty();
    let word = |event: &HistoryEvent| {
        let text = format!("{:?}", event.kind);
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    };
    rig.history.iter().filter(is_of_run).map(|event| (&*event.path, word(event))).collect()
}

fn both() -> Program {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let branches = ["A", "B"].map(|name| sequence(&mut builder, Handover::Replace, vec![task(name, "r")]));
    let kind = Kind::Parallel { arguments: None, branches: branches.to_vec() };
    let both = State { retry: retry_once(3), ..State::new("Both", kind) };
    let root = sequence(&mut builder, Handover::Replace, vec![both, task("C", "r")]);
    builder.build(None, root, Boundary::default()).unwrap()
}

#[test]
fn a_failed_state_is_entered_again_with_its_own_input_and_all_of_its_retries() {
    let flaky = State { retry: retry_once(3), ..task("B", "r") };
    let count =
        object(vec![("retries", Expr::Root(Root::RetryCount)), ("redrives", Expr::Root(Root::RedriveCount))]);
    let kind = Kind::Task {
        resource: "r".into(),
        arguments: Some(Expr::Array(vec![Expr::Root(Root::Input), count])),
        completion: Completion::Response,
        timeout: None,
        heartbeat: None,
    };
    let flaky = State { kind, ..flaky };
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r"), flaky]), "{}");
    rig.succeed("A@1", r#"{"a": 1}"#);
    for (number, visit) in ["B", "B#2", "B#3"].into_iter().enumerate() {
        let arguments = |retries: u32| format!(r#"[{{"a":1}},{{"redrives":{number},"retries":{retries}}}]"#);
        let sorted = |text: String| json(&text);
        assert_eq!(sorted(rig.arguments(&format!("{visit}@1"))), sorted(arguments(0)));
        rig.fail(&format!("{visit}@1"), "E");
        assert_eq!(sorted(rig.arguments(&format!("{visit}@2"))), sorted(arguments(1)));
        rig.fail(&format!("{visit}@2"), "E");
        assert_eq!(rig.error().0, Some("E"));
        redrive(&mut rig);
        assert_eq!(rig.run.redrives().count, u32::try_from(number).unwrap() + 1);
        // Old news is no news.
        assert!(!rig.succeed(&format!("{visit}@2"), "1"));
    }
    rig.succeed("B#4@1", r#"{"b": 2}"#);
    assert_eq!(rig.output(), r#"{"b":2}"#);
    assert!(!rig.event(Event::Redrive { stop: None }), "what has succeeded is left alone");
    let words: Vec<_> = told(&rig).into_iter().map(|(_, word)| word).collect();
    assert_eq!(&words[..3], ["ExecutionStarted", "ExecutionFailed", "ExecutionRedriven"]);
}

#[test]
fn a_branch_that_has_ended_is_not_run_again() {
    let mut rig = Rig::start(both(), "{}");
    rig.succeed("Both/0/A@1", "1");
    rig.fail("Both/1/B@1", "E");
    rig.tick(3);
    // The retry runs all of it anew.
    assert_eq!(rig.tasks(), ["Both@2/0/A@1", "Both@2/1/B@1"]);
    rig.succeed("Both@2/0/A@1", "2");
    rig.fail("Both@2/1/B@1", "E");
    assert_eq!(rig.error().0, Some("E"));
    redrive(&mut rig);
    assert_eq!(rig.tasks(), ["Both@2/1/B#2@1"]);
    // Its retries begin anew, and none of its tasks is one of before.
    rig.fail("Both@2/1/B#2@1", "E");
    rig.tick(10);
    assert_eq!(rig.tasks(), ["Both@3/0/A@1", "Both@3/1/B@1"]);
    rig.succeed("Both@3/0/A@1", "3");
    rig.succeed("Both@3/1/B@1", "4");
    assert_eq!(rig.arguments("C@1"), "[3,4]");
}

#[test]
fn what_was_going_on_when_a_run_was_stopped_is_done_again() {
    for mode in [StopMode::Cancel, StopMode::Terminate] {
        let mut rig = Rig::start(both(), "{}");
        rig.event(Event::Stop(Stop::new(mode)));
        if mode == StopMode::Cancel {
            // It was not ended after all: its result counts.
            rig.succeed("Both/0/A@1", "1");
            rig.fail("Both/1/B@1", "Job.Canceled");
        }
        assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));
        redrive(&mut rig);
        match mode {
            StopMode::Cancel => assert_eq!(rig.tasks(), ["Both/1/B#2@1"]),
            StopMode::Terminate => {
                assert_eq!(rig.tasks(), ["Both/0/A#2@1", "Both/1/B#2@1"]);
                rig.succeed("Both/0/A#2@1", "1");
            }
        }
        rig.succeed("Both/1/B#2@1", "2");
        assert_eq!(rig.arguments("C@1"), "[1,2]");
    }
}

#[test]
fn who_still_wants_the_end_has_it_and_nothing_is_entered() {
    let mut rig = Rig::start(both(), "{}");
    rig.event(Event::Stop(Stop::new(StopMode::Terminate)));
    for _ in 0..2 {
        rig.event(Event::Redrive { stop: Some(Stop::new(StopMode::Cancel)) });
        assert!(rig.commands().is_empty());
        assert_eq!(rig.run.outcome(), Some(&Outcome::Stopped(Stop::new(StopMode::Cancel))));
    }
    redrive(&mut rig);
    assert_eq!(rig.tasks(), ["Both/0/A#2@1", "Both/1/B#2@1"]);
    assert_eq!(rig.run.redrives().count, 3);
}

#[test]
fn time_counts_anew() {
    let wait = State::new("W", Kind::Wait(Until::Seconds(literal("40"))));
    let timed = Execution { timeout_seconds: Some(100), task_timeout_seconds: Some(70), ..execution("{}") };
    let mut rig = Rig::start_with(program(Handover::Replace, vec![wait, task("T", "r")]), timed);
    rig.tick(40);
    assert_eq!(rig.wake(), Some(100));
    rig.tick(100);
    assert_eq!(rig.run.outcome(), Some(&Outcome::TimedOut));
    rig.now = at(1_000);
    redrive(&mut rig);
    assert_eq!((rig.tasks(), rig.wake()), (vec!["T#2@1".to_owned()], Some(1_070)));
    rig.tick(1_070);
    assert_eq!(rig.error().0, Some("Test.Timeout"));
    // What had not begun begins, and no time at all is none.
    let none = Execution { timeout_seconds: Some(0), ..execution("{}") };
    let mut rig = Rig::start_with(program(Handover::Replace, vec![task("T", "r")]), none);
    redrive(&mut rig);
    assert_eq!((rig.run.outcome(), rig.run.progress().transitions), (Some(&Outcome::TimedOut), 0));
    let mut rig = Rig { run: Run::new(execution("{}")), ..rig };
    rig.event(Event::Stop(Stop::new(StopMode::Cancel)));
    redrive(&mut rig);
    assert_eq!(rig.tasks(), ["T@1"]);
}

#[test]
fn items_that_failed_wait_for_their_turn() {
    let flow = each(vec![task("A", "r")], |map| {
        tolerating(Some("2"), None)(map);
        map.concurrency = Some(literal("2"));
    });
    let mut rig = Rig::start(flow, "[1, 2, 3, 4, 5]");
    rig.fail("Each/0/A@1", "E");
    rig.succeed("Each/1/A@1", "20");
    rig.fail("Each/2/A@1", "E");
    rig.fail("Each/3/A@1", "E");
    assert_eq!(rig.error().0, Some("Test.Tolerance"));
    redrive(&mut rig);
    // The one that was going on, then those that failed, two at a time; what has succeeded stays.
    let mut seen = rig.tasks();
    while rig.run.outcome().is_none() {
        let tasks = rig.tasks();
        assert!(tasks.len() <= 2, "{tasks:?}");
        seen.extend(tasks.iter().filter(|task| !seen.contains(task)).cloned().collect::<Vec<_>>());
        rig.succeed(&tasks[0], "7");
    }
    seen.sort();
    assert_eq!(seen, ["Each/0/A#2@1", "Each/2/A#2@1", "Each/3/A#2@1", "Each/4/A#2@1"]);
    assert_eq!(rig.output(), "[7,20,7,7,7]");
}

#[test]
fn what_a_map_gave_is_written_again_under_another_name() {
    let flow = each(vec![task("A", "r")], |map| {
        map.is_isolated = true;
        let arguments = Some(object(vec![("r", Expr::Root(Root::Result))]));
        map.writer = Some(Access { resource: "w".into(), arguments });
    });
    let mut rig = Rig::start(flow, "[1]");
    rig.succeed("Each/0/A@1", "1");
    rig.fail("Each#write@1", "E");
    assert_eq!(rig.error().0, Some("Test.Writer"));
    redrive(&mut rig);
    assert_eq!(rig.tasks(), ["Each#write@2"]);
    assert_eq!(rig.arguments("Each#write@2"), r#"{"r":[1]}"#);
    rig.succeed("Each#write@2", "{}");
    assert_eq!(rig.output(), "{}");
}

#[test]
fn what_was_too_large_to_be_kept_ends_so_again() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    rig.event(Event::Overflow { cause: "it is".into() });
    let before = (rig.error().0.map(str::to_owned), rig.error().1.map(str::to_owned));
    redrive(&mut rig);
    assert_eq!((rig.error().0.map(str::to_owned), rig.error().1.map(str::to_owned)), before);
}
