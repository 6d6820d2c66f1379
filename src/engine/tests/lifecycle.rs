//! Start, end, stop, time-outs and limits of the run as a whole.

use super::*;
use crate::expr::{Interrupt, interruptible, jsonata};
use crate::ir::{Jitter, Next, Pattern, Retrier, Until};

fn wait(name: &str, seconds: &str) -> State {
    State::new(name, Kind::Wait(Until::Seconds(literal(seconds))))
}

fn pass(name: &str) -> State {
    State::new(name, Kind::Pass { result: None })
}

#[test]
fn a_pure_run_ends_with_its_start() {
    let states = vec![
        State { output: Some(object(vec![("x", member(Root::Input, "a"))])), ..pass("A") },
        State { input: Some(object(vec![("y", member(Root::Input, "x"))])), ..pass("B") },
        State::new("C", Kind::Succeed),
    ];
    let rig = Rig::start(program(Handover::Replace, states), r#"{"a": [1, null]}"#);
    assert_eq!(rig.output(), r#"{"y":[1,null]}"#);
    assert_eq!(rig.run.progress().transitions, 3);
    let kinds: Vec<_> = rig.history.iter().map(|event| &*event.path).collect();
    assert_eq!(kinds, ["", "A", "A", "B", "B", "C", "C", ""]);
}

#[test]
fn after_the_end_nothing_moves() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    assert!(rig.succeed("A@1", r#"{"done": true}"#));
    assert_eq!(rig.output(), r#"{"done":true}"#);
    assert!(!rig.succeed("A@1", "{}"));
    assert!(!rig.tick(1_000_000));
    assert!(!rig.event(Event::Stop(Stop::new(StopMode::Terminate))));
    assert_eq!(rig.output(), r#"{"done":true}"#);
    assert_eq!(rig.run.next_wake(&rig.program), None);
}

#[test]
fn events_out_of_turn_are_faults() {
    let program = program(Handover::Replace, vec![task("A", "r")]);
    let fresh = Run::new(execution("{}"));
    assert_eq!(step(&program, fresh.clone(), at(0), Event::Tick, &key()).unwrap_err(), Fault::NotStarted);
    let started = step(&program, fresh, at(0), Event::Start, &key()).unwrap().run;
    assert_eq!(step(&program, started, at(0), Event::Start, &key()).unwrap_err(), Fault::AlreadyStarted);
}

#[test]
fn a_wait_ends_when_its_time_has_come() {
    let mut rig = Rig::start(program(Handover::Replace, vec![wait("W", "10"), pass("P")]), r#"{"k": 1}"#);
    assert_eq!(rig.wake(), Some(10));
    assert!(!rig.tick(9));
    assert!(rig.tick(10));
    assert_eq!(rig.output(), r#"{"k":1}"#);
}

#[test]
fn a_wait_may_name_an_instant() {
    let until = |text: &str| {
        let kind = Kind::Wait(Until::Timestamp(Expr::Literal(Value::from(text))));
        Rig::start(program(Handover::Replace, vec![State::new("W", kind)]), "{}")
    };
    let instant = at(30).to_string();
    assert_eq!(until(&instant).wake(), Some(30));
    // Past: it ends at once. Nanoseconds are as good as any.
    assert_eq!(until("2016-12-05T21:29:29.123456789Z").output(), "{}");
    assert_eq!(until("2016-12-05T21:29:29+02:00").output(), "{}");
    for bad in ["2016-12-05 21:29:29Z", "2016-12-05T21:29:29", "2016-13-05T21:29:29Z", "2016-12-05", "", "x"]
    {
        assert_eq!(until(bad).error().0, Some("Test.Value"), "{bad}");
    }
    assert_eq!(until("9999-01-01T00:00:00Z").error().0, Some("Test.Value"));
}

#[test]
fn a_wait_needs_whole_seconds_within_the_limits() {
    for bad in ["-1", "1.5", "1001", "\"x\"", "null", "[]"] {
        let rig = Rig::start(program(Handover::Replace, vec![wait("W", bad)]), "{}");
        let (name, cause) = rig.error();
        assert_eq!(name, Some("Test.Value"), "{bad}");
        assert!(cause.unwrap().contains("whole seconds from 0 to 1000"), "{cause:?}");
    }
    assert_eq!(Rig::start(program(Handover::Replace, vec![wait("W", "0")]), "{}").output(), "{}");
}

#[test]
fn a_run_beyond_its_time_is_timed_out_and_its_tasks_are_given_up() {
    let program = program(Handover::Replace, vec![task("A", "r")]);
    let mut rig = Rig::start_with(program, Execution { timeout_seconds: Some(60), ..execution("{}") });
    assert_eq!(rig.wake(), Some(60));
    rig.tick(60);
    assert_eq!(rig.run.outcome(), Some(&Outcome::TimedOut));
    assert_eq!(rig.commands(), ["cancel A@1"]);
    assert_eq!(rig.tasks(), Vec::<String>::new());
}

#[test]
fn a_time_out_of_zero_performs_nothing() {
    let program = program(Handover::Replace, vec![task("A", "r")]);
    let rig = Rig::start_with(program, Execution { timeout_seconds: Some(0), ..execution("{}") });
    assert_eq!(rig.run.outcome(), Some(&Outcome::TimedOut));
    assert_eq!(rig.commands(), Vec::<String>::new());
}

#[test]
fn an_endless_loop_of_pure_states_ends_with_a_named_error() {
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [a, b] = scope.declare_all(["A", "B"]);
    scope.define(a, pass("A").to(b));
    scope.define(b, pass("B").to(a));
    let mut builder = Builder::new(ERRORS, LIMITS);
    let root = builder.scope(scope, a).unwrap();
    let rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}");
    let (name, cause) = rig.error();
    assert_eq!(name, Some("Test.EventLimit"));
    assert!(cause.unwrap().contains("1000 history events"));
    assert!(rig.run.events() <= LIMITS.events_max + 4, "{}", rig.run.events());
}

#[test]
fn a_value_that_grows_or_deepens_in_a_loop_meets_a_limit() {
    for wrap in [
        object(vec![("a", Expr::Root(Root::Input))]),
        object(vec![("a", Expr::Root(Root::Input)), ("b", Expr::Root(Root::Input))]),
    ] {
        let mut scope = ScopeBuilder::new(Handover::Replace);
        let a = scope.declare("A");
        scope.define(a, State { output: Some(wrap), ..pass("A").to(a) });
        let mut builder = Builder::new(ERRORS, LIMITS);
        let root = builder.scope(scope, a).unwrap();
        let rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}");
        assert_eq!(rig.error().0, Some("Test.DataLimit"));
    }
}

#[test]
fn a_run_that_is_stopped_before_it_began_performs_nothing() {
    for mode in [StopMode::Cancel, StopMode::Terminate] {
        let program = program(Handover::Replace, vec![task("A", "r")]);
        let run = Run::new(execution("{}"));
        let step = step(&program, run, at(0), Event::Stop(Stop::new(mode)), &key()).unwrap();
        assert_eq!(step.run.outcome(), Some(&Outcome::Stopped(Stop::new(mode))));
        assert_eq!((step.commands, step.history.len()), (Vec::new(), 3));
    }
}

#[test]
fn terminate_ends_at_once() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r"), pass("B")]), "{}");
    let stop = Stop { mode: StopMode::Terminate, error: Some("E".into()), cause: Some("c".into()) };
    rig.event(Event::Stop(stop.clone()));
    assert_eq!(rig.run.outcome(), Some(&Outcome::Stopped(stop)));
    assert_eq!(rig.commands(), ["cancel A@1"]);
}

#[test]
fn cancel_waits_for_tasks_that_run_and_begins_nothing() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r"), task("B", "r")]), "{}");
    rig.event(Event::Stop(Stop::new(StopMode::Cancel)));
    assert_eq!(rig.commands(), ["end A@1"]);
    assert_eq!(rig.run.outcome(), None);
    assert_eq!(rig.tasks(), ["A@1"]);
    // A second wish for the same changes nothing.
    assert!(!rig.event(Event::Stop(Stop::new(StopMode::Cancel))));
    rig.succeed("A@1", "{}");
    assert_eq!(rig.run.outcome(), Some(&Outcome::Stopped(Stop::new(StopMode::Cancel))));
    assert_eq!(rig.commands(), Vec::<String>::new());
}

#[test]
fn cancel_can_be_hardened() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    let gently = Stop { mode: StopMode::Cancel, error: Some("E".into()), cause: None };
    rig.event(Event::Stop(gently));
    rig.event(Event::Stop(Stop { cause: Some("now".into()), ..Stop::new(StopMode::Terminate) }));
    assert_eq!(rig.commands(), ["cancel A@1"]);
    let expected = Stop { mode: StopMode::Terminate, error: Some("E".into()), cause: Some("now".into()) };
    assert_eq!(rig.run.outcome(), Some(&Outcome::Stopped(expected)));
}

#[test]
fn cancel_ends_waits_back_offs_and_callbacks_at_once() {
    let mut rig = Rig::start(program(Handover::Replace, vec![wait("W", "10")]), "{}");
    rig.event(Event::Stop(Stop::new(StopMode::Cancel)));
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));

    let callback = State::new("A", task_kind("r", Completion::Callback));
    let mut rig = Rig::start(program(Handover::Replace, vec![callback]), "{}");
    rig.report("A@1", Report::Accepted(Value::Null));
    rig.event(Event::Stop(Stop::new(StopMode::Cancel)));
    assert_eq!(rig.commands(), ["cancel A@1"]);
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));
}

#[test]
fn a_canceled_run_gives_its_tasks_up_when_their_time_is_over() {
    let slow = State {
        kind: Kind::Task {
            resource: "r".into(),
            arguments: None,
            completion: Completion::Response,
            timeout: Some(literal("5")),
            heartbeat: None,
        },
        ..task("A", "r")
    };
    let mut rig = Rig::start(program(Handover::Replace, vec![slow]), "{}");
    rig.event(Event::Stop(Stop::new(StopMode::Cancel)));
    assert_eq!(rig.wake(), Some(5));
    rig.tick(5);
    assert_eq!(rig.commands(), ["cancel A@1"]);
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))));
}

#[test]
fn a_fail_state_fails_the_run_with_what_it_says() {
    let fail = |error: Option<Expr>, cause: Option<Expr>| {
        Rig::start(
            program(Handover::Replace, vec![State::new("F", Kind::Fail { error, cause })]),
            r#"{"why": {"a": 1}}"#,
        )
    };
    let rig = fail(Some(literal("\"Boom\"")), Some(member(Root::Input, "why")));
    assert_eq!(rig.error(), (Some("Boom"), Some(r#"{"a":1}"#)));
    assert_eq!(fail(None, None).error(), (None, None));
    // Longer than the language allows.
    let rig = fail(Some(Expr::Literal(Value::from("é".repeat(40)))), None);
    assert_eq!(rig.error().0.unwrap().chars().count(), 16);
}

#[test]
fn a_choice_without_a_rule_that_holds_is_an_error() {
    let kind = Kind::Choice { rules: Vec::new(), otherwise: None };
    let state = State { next: Next::End, ..State::new("C", kind) };
    let rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
    assert_eq!(rig.error().0, Some("Test.NoChoice"));
}

#[test]
fn names_of_states_cannot_break_paths() {
    let rig = Rig::start(program(Handover::Replace, vec![task("a/b#2@3 50%", "r")]), "{}");
    assert_eq!(rig.tasks(), ["a%2Fb%232%403 50%25@1"]);
    let mut rig = rig;
    assert!(!rig.succeed("a/b#2@3 50%@1", "{}"));
    assert_eq!(TaskId::from("x/0/a%2Fb%232%403 50%25#7@1").state_name(), "a/b#2@3 50%");
    assert!(rig.succeed("a%2Fb%232%403 50%25@1", "{}"));
}

#[test]
fn a_run_that_cannot_be_kept_ends_and_leaves_nothing() {
    let overflow = || Event::Overflow { cause: "too much".into() };
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    assert!(rig.event(overflow()));
    assert_eq!(rig.error(), (Some("Test.DataLimit"), Some("too much")));
    assert_eq!(rig.commands(), ["cancel A@1"]);
    assert!(snapshot::encode(&rig.run).len() < 1_000);
    assert!(!rig.event(overflow()));

    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    rig.event(Event::Stop(Stop::new(StopMode::Cancel)));
    assert!(rig.event(overflow()));
    assert!(matches!(rig.run.outcome(), Some(Outcome::Stopped(_))), "it was stopped before");
    let program = program(Handover::Replace, vec![task("A", "r")]);
    let fresh = Run::new(execution("{}"));
    assert_eq!(step(&program, fresh, at(0), overflow(), &key()).unwrap_err(), Fault::NotStarted);
}

#[test]
fn tries_without_end_end_with_the_limit_of_events() {
    let retrier = Retrier {
        errors: vec![Pattern::Any],
        max_attempts: u32::MAX,
        interval_seconds: 0,
        backoff_rate: 1.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    };
    let endless = State { retry: vec![retrier], ..task("A", "r") };
    let mut rig = Rig::start(program(Handover::Replace, vec![endless]), "{}");
    for attempt in 1..=LIMITS.events_max {
        if rig.run.outcome().is_some() {
            break;
        }
        rig.fail(&format!("A@{attempt}"), "E");
    }
    assert_eq!(rig.error().0, Some("Test.EventLimit"));
    assert!(rig.run.events() <= LIMITS.events_max + 10);
}

#[test]
fn a_step_whose_expressions_are_interrupted_says_nothing_of_the_run() {
    let expression = |text: &str| {
        let expected = jsonata::Expected::Any;
        Expr::Jsonata(Arc::new(jsonata::Expression::parse(text, literal("{}"), "Output", expected).unwrap()))
    };
    let endless = State {
        output: Some(expression("($f := function() { $f() }; $f())")),
        ..State::new("Spin", Kind::Pass { result: None })
    };
    let program = program(Handover::Replace, vec![State::new("First", Kind::Pass { result: None }), endless]);
    assert!(program.is_unbounded());
    let interrupt = Interrupt::default();
    interrupt.interrupt();
    let run = Run::new(execution("{}"));
    let start = || step(&program, run.clone(), at(0), Event::Start, &key());
    assert_eq!(interruptible(&interrupt, start).unwrap_err(), Fault::Interrupted("Spin".into()));
}

#[test]
fn the_clock_of_expressions_is_that_of_the_step() {
    let state = State { output: Some(Expr::Root(Root::Now)), ..State::new("When", Kind::Succeed) };
    let program = program(Handover::Replace, vec![state]);
    assert!(!program.is_unbounded());
    let ended = Rig::start(program, "{}").run.outcome().cloned();
    assert_eq!(ended, Some(Outcome::Succeeded(json(r#""2023-11-14T22:13:20.000Z""#))));
}
