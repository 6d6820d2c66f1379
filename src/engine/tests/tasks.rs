//! Tasks: answers, callbacks, child runs, heartbeats, retries.

use super::*;
use crate::ir::{Catcher, Jitter, Pattern, Retrier};

fn retrier(errors: Vec<Pattern>, max_attempts: u32, interval_seconds: u64) -> Retrier {
    Retrier {
        errors,
        max_attempts,
        interval_seconds,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }
}

fn named(name: &str) -> Pattern {
    Pattern::Named(name.into())
}

fn timed(timeout: Option<&str>, heartbeat: Option<&str>, completion: Completion) -> State {
    let kind = Kind::Task {
        resource: "r".into(),
        arguments: None,
        completion,
        timeout: timeout.map(literal),
        heartbeat: heartbeat.map(literal),
    };
    State::new("A", kind)
}

#[test]
fn a_task_is_asked_for_with_its_arguments_and_ends_with_its_answer() {
    let kind = Kind::Task {
        resource: "HTTP:Request".into(),
        arguments: Some(object(vec![("url", member(Root::Input, "u"))])),
        completion: Completion::Response,
        timeout: None,
        heartbeat: None,
    };
    let state =
        State { output: Some(object(vec![("got", Expr::Root(Root::Result))])), ..State::new("A", kind) };
    let mut rig = Rig::start(program(Handover::Replace, vec![state]), r#"{"u": "x"}"#);
    assert_eq!(rig.commands(), ["start A@1"]);
    assert_eq!(rig.arguments("A@1"), r#"{"url":"x"}"#);
    // For a task that completes with its response, the answer to the request is the result.
    rig.report("A@1", Report::Accepted(json("[1]")));
    assert_eq!(rig.output(), r#"{"got":[1]}"#);
    assert_eq!(rig.run.progress().tasks_succeeded, 1);
}

#[test]
fn news_of_tasks_that_are_not_out_changes_nothing() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r"), task("AB", "r")]), "{}");
    for id in ["A@2", "B@1", "A", "", "A/0/B@1", "AB@1", "A@one", "A@1/0", "@1"] {
        assert!(!rig.succeed(id, "{}"), "{id}");
    }
    assert!(rig.succeed("A@1", "{}"));
    assert!(!rig.succeed("A@1", "{}"));
    assert_eq!(rig.tasks(), ["AB@1"]);
}

#[test]
fn a_callback_task_goes_on_when_someone_reports() {
    let mut rig =
        Rig::start(program(Handover::Replace, vec![timed(None, None, Completion::Callback)]), r#"{"k": 1}"#);
    rig.report("A@1", Report::Accepted(json("\"asked\"")));
    assert_eq!(rig.run.outcome(), None);
    let active = rig.run.active(&rig.program);
    assert_eq!(active[0].activity, Activity::Callback);
    rig.succeed("A@1", r#"{"approved": true}"#);
    assert_eq!(rig.output(), r#"{"approved":true}"#);
}

#[test]
fn a_callback_that_comes_before_the_answer_to_the_request_counts() {
    let mut rig = Rig::start(program(Handover::Replace, vec![timed(None, None, Completion::Callback)]), "{}");
    rig.succeed("A@1", "\"early\"");
    assert_eq!(rig.output(), "\"early\"");
    assert!(!rig.report("A@1", Report::Accepted(Value::Null)));
}

#[test]
fn a_child_run_is_begun_and_then_ends() {
    let mut rig = Rig::start(program(Handover::Replace, vec![timed(None, None, Completion::Job)]), "{}");
    assert!(!rig.run.outstanding(&rig.program)[0].is_accepted);
    assert!(rig.report("A@1", Report::Accepted(json(r#"{"ExecutionName": "c"}"#))));
    // Being told twice that it was begun is no news.
    assert!(!rig.report("A@1", Report::Accepted(json(r#"{"ExecutionName": "c"}"#))));
    assert!(rig.run.outstanding(&rig.program)[0].is_accepted);
    rig.fail("A@1", "ChildFailed");
    assert_eq!(rig.error(), (Some("ChildFailed"), Some("because")));
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up() {
    let state = timed(Some("\"30\""), None, Completion::Response);
    let mut rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
    assert_eq!(rig.wake(), Some(30));
    assert!(!rig.tick(29));
    rig.tick(30);
    assert_eq!(rig.commands(), ["cancel A@1"]);
    assert_eq!(rig.error().0, Some("Test.Timeout"));
    assert_eq!(rig.run.progress().tasks_failed, 1);
}

#[test]
fn an_answer_counts_until_the_time_out_is_noticed() {
    let mut rig =
        Rig::start(program(Handover::Replace, vec![timed(Some("30"), None, Completion::Response)]), "{}");
    rig.now = at(31);
    assert!(rig.succeed("A@1", "1"));
    assert_eq!(rig.output(), "1");
}

#[test]
fn the_execution_says_how_long_a_task_may_take_where_the_state_does_not() {
    let with = |timeout: Option<&str>| {
        let program = program(Handover::Replace, vec![timed(timeout, None, Completion::Response)]);
        Rig::start_with(program, Execution { task_timeout_seconds: Some(7), ..execution("{}") }).wake()
    };
    assert_eq!(with(None), Some(7));
    assert_eq!(with(Some("null")), Some(7));
    assert_eq!(with(Some("9")), Some(9));
    // 0 is no time-out; what remains is the end of the run.
    assert_eq!(with(Some("0")), Some(100_000));
}

#[test]
fn a_bad_time_out_is_an_error_of_the_task() {
    for bad in ["-1", "1.5", "\"x\"", "1001", "[]"] {
        let state = timed(Some(bad), None, Completion::Response);
        let rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
        assert_eq!(rig.error().0, Some("Test.Value"), "{bad}");
        assert_eq!(rig.commands(), Vec::<String>::new());
    }
}

#[test]
fn heartbeats_put_the_end_off() {
    let state = timed(Some("100"), Some("10"), Completion::Callback);
    let mut rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
    assert_eq!(rig.wake(), Some(10));
    rig.now = at(8);
    assert!(rig.report("A@1", Report::Heartbeat));
    assert_eq!(rig.wake(), Some(18));
    assert!(!rig.tick(17));
    rig.tick(18);
    assert_eq!(rig.error().0, Some("Test.Timeout"));
}

#[test]
fn a_missed_heartbeat_answers_to_both_its_names() {
    for name in ["Test.Timeout", "Test.HeartbeatTimeout"] {
        let retry = vec![retrier(vec![named(name)], 1, 5)];
        let state = State { retry, ..timed(None, Some("10"), Completion::Callback) };
        let mut rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
        rig.tick(10);
        assert_eq!(rig.commands(), ["cancel A@1", "start A@2"], "{name}");
    }
}

#[test]
fn a_retry_is_asked_for_at_once_and_begins_later() {
    let state = State {
        retry: vec![retrier(vec![Pattern::Any], 2, 10)],
        ..timed(Some("30"), None, Completion::Response)
    };
    let mut rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
    rig.now = at(1);
    rig.fail("A@1", "E");
    let task = &rig.run.outstanding(&rig.program)[0];
    assert_eq!((task.id.as_str(), task.not_before, task.deadline), ("A@2", Some(at(11)), Some(at(41))));
    assert_eq!(rig.run.active(&rig.program)[0].activity, Activity::BackOff { until: at(11) });
    // The second delay is the double.
    rig.now = at(12);
    rig.fail("A@2", "E");
    assert_eq!(rig.run.outstanding(&rig.program)[0].not_before, Some(at(32)));
    rig.fail("A@3", "E");
    assert_eq!(rig.error().0, Some("E"));
    assert_eq!((rig.run.progress().retries, rig.run.progress().tasks_failed), (2, 3));
}

#[test]
fn a_retry_begins_no_earlier_than_the_answer_asked_for() {
    let state = State { retry: vec![retrier(vec![named("E")], 2, 10)], ..task("A", "r") };
    let mut rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
    let busy = |seconds| {
        Report::Failed(TaskError { retry_after_seconds: Some(seconds), ..TaskError::named("E", "busy") })
    };
    rig.report("A@1", busy(45));
    assert_eq!(rig.run.outstanding(&rig.program)[0].not_before, Some(at(45)));
    // The policy's own delay where that is longer, and nothing is remembered of the last wish.
    rig.report("A@2", busy(1));
    assert_eq!(rig.run.outstanding(&rig.program)[0].not_before, Some(at(20)));
}

#[test]
fn jitter_stays_within_the_delay_and_is_the_same_every_time() {
    let retry = vec![Retrier { jitter: Jitter::Full, ..retrier(vec![Pattern::Any], 9, 100) }];
    let state = State { retry, ..task("A", "r") };
    let program = program(Handover::Replace, vec![state]);
    let mut delays = Vec::new();
    for _ in 0..2 {
        let mut rig = Rig::start(program.clone(), "{}");
        rig.fail("A@1", "E");
        let until = rig.run.outstanding(&rig.program)[0].not_before.unwrap();
        assert!(until >= at(0) && until <= at(100));
        delays.push(until);
    }
    assert_eq!(delays[0], delays[1]);
}

#[test]
fn a_caught_error_leads_on_with_what_the_catcher_makes_of_it() {
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [a, b] = scope.declare_all(["A", "B"]);
    let catch = vec![
        Catcher { errors: vec![named("Other")], output: None, variables: None, next: a },
        Catcher {
            errors: vec![named("E")],
            output: Some(object(vec![
                ("code", Expr::Root(Root::ErrorName)),
                ("why", Expr::Root(Root::ErrorCause)),
                ("was", Expr::Root(Root::Input)),
            ])),
            variables: None,
            next: b,
        },
    ];
    scope.define(a, State { catch, ..task("A", "r").to(b) });
    scope.define(b, State::new("B", Kind::Succeed));
    let mut builder = Builder::new(ERRORS, LIMITS);
    let root = builder.scope(scope, a).unwrap();
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), r#"{"k": 1}"#);
    rig.fail("A@1", "E");
    assert_eq!(rig.output(), r#"{"code":"E","why":"because","was":{"k":1}}"#);
}

#[test]
fn an_answer_over_the_limit_is_the_tasks_error() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    let long = format!("\"{}\"", "x".repeat(LIMITS.output_bytes_max));
    rig.succeed("A@1", &long);
    let (name, cause) = rig.error();
    assert_eq!(name, Some("Test.DataLimit"));
    assert!(cause.unwrap().contains("has 10002 bytes, at most 10000 are allowed"), "{cause:?}");
}

#[test]
fn an_error_without_a_name_of_its_own_gets_the_languages_name() {
    let mut rig = Rig::start(program(Handover::Replace, vec![task("A", "r")]), "{}");
    let name = TaskErrorName::Kind(ErrorKind::UnboundResource);
    rig.report(
        "A@1",
        Report::Failed(TaskError {
            name,
            cause: Some("nothing is bound to `r`".into()),
            retry_after_seconds: None,
        }),
    );
    assert_eq!(rig.error(), (Some("Test.Unbound"), Some("nothing is bound to `r`")));
}

#[test]
fn a_token_is_new_with_every_attempt() {
    let state = State {
        input: Some(object(vec![
            ("token", Expr::Root(Root::TaskToken)),
            ("n", Expr::Root(Root::RetryCount)),
        ])),
        retry: vec![retrier(vec![Pattern::Any], 1, 0)],
        ..timed(None, None, Completion::Callback)
    };
    let mut rig = Rig::start(program(Handover::Replace, vec![state]), "{}");
    let first = rig.arguments("A@1");
    rig.fail("A@1", "E");
    let second = rig.arguments("A@2");
    assert_ne!(first, second);
    assert!(second.contains(&key().token("0000-0001", &"A@2".into())), "{second}");
    assert!(second.ends_with(r#""n":1}"#), "{second}");
}
