//! The shape of Amazon States Language: Assign with a copy per branch, ResultPath into the raw
//! input, counters per retrier, errors that cannot be caught.

use super::*;
use crate::ir::{Catcher, Jitter, Pattern, Retrier, VariableScope, Variables};

fn pass(name: &str) -> State {
    State::new(name, Kind::Pass { result: None })
}

fn assign(members: Vec<(&str, Expr)>) -> Option<Variables> {
    Some(Variables { scope: VariableScope::Instance, values: object(members) })
}

fn variable(name: &str) -> Expr {
    Expr::Root(Root::Variable(name.into()))
}

#[test]
fn variables_are_assigned_from_the_values_before_so_they_can_swap() {
    let states = vec![
        State { variables: assign(vec![("a", literal("1")), ("b", literal("2"))]), ..pass("Set") },
        State {
            variables: assign(vec![("a", variable("b")), ("b", variable("a"))]),
            // Not visible in the state that assigns them.
            output: Some(object(vec![("seen", variable("a"))])),
            ..pass("Swap")
        },
        State {
            output: Some(object(vec![
                ("a", variable("a")),
                ("b", variable("b")),
                ("in", Expr::Root(Root::Input)),
            ])),
            ..pass("Show")
        },
    ];
    let rig = Rig::start(program(Handover::Replace, states), "{}");
    assert_eq!(rig.output(), r#"{"a":2,"b":1,"in":{"seen":1}}"#);
}

#[test]
fn every_branch_and_iteration_has_its_own_variables_and_reads_those_around_it() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let body = sequence(
        &mut builder,
        Handover::Replace,
        vec![
            State { variables: assign(vec![("own", Expr::Root(Root::Input))]), ..task("Ask", "r") },
            State {
                output: Some(object(vec![("own", variable("own")), ("outer", variable("outer"))])),
                ..pass("Show")
            },
        ],
    );
    let map = State::new("Each", Kind::Map(Box::new(Map::over(Expr::Root(Root::Input), body))));
    let root = sequence(
        &mut builder,
        Handover::Replace,
        vec![
            State { variables: assign(vec![("outer", literal("\"o\""))]), ..pass("Set") },
            map,
            State {
                output: Some(object(vec![("r", Expr::Root(Root::Input)), ("own", variable("own"))])),
                ..pass("After")
            },
        ],
    );
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "[1, 2]");
    rig.succeed("Each/1/Ask@1", "0");
    rig.succeed("Each/0/Ask@1", "0");
    // Gone with the iteration.
    assert_eq!(rig.output(), r#"{"r":[{"own":1,"outer":"o"},{"own":2,"outer":"o"}],"own":null}"#);
}

#[test]
fn run_wide_variables_are_shared_and_the_later_writer_wins() {
    let global = |name: &str, value: Expr| {
        Some(Variables { scope: VariableScope::Run, values: object(vec![(name, value)]) })
    };
    let mut builder = Builder::new(ERRORS, LIMITS);
    let branch = |builder: &mut Builder, name: &str| {
        let state = State { variables: global("last", Expr::Root(Root::Result)), ..task(name, "r") };
        sequence(builder, Handover::Replace, vec![state])
    };
    let branches = vec![branch(&mut builder, "A"), branch(&mut builder, "B")];
    let root = sequence(
        &mut builder,
        Handover::Replace,
        vec![
            State { variables: global("first", literal("true")), ..pass("Set") },
            State::new("Both", Kind::Parallel { arguments: None, branches }),
            State { output: Some(Expr::Root(Root::Globals)), ..pass("Show") },
        ],
    );
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}");
    rig.succeed("Both/1/B@1", "\"B\"");
    rig.succeed("Both/0/A@1", "\"A\"");
    assert_eq!(rig.output(), r#"{"first":true,"last":"A"}"#);
}

#[test]
fn a_variable_over_the_limit_is_an_error() {
    let long = Expr::Literal(Value::from("x".repeat(LIMITS.variable_bytes_max)));
    let states = vec![State { variables: assign(vec![("v", long)]), ..pass("Set") }];
    let rig = Rig::start(program(Handover::Replace, states), "{}");
    assert_eq!(rig.error().0, Some("Test.DataLimit"));
    assert!(rig.error().1.unwrap().contains("variable `v`"));
}

/// InputPath and ResultPath: work on a part, put the result into the whole.
#[test]
fn a_result_is_placed_into_the_raw_input() {
    let placed = |at: &[&str]| {
        let output = Expr::Place {
            into: Box::new(Expr::Root(Root::RawInput)),
            at: at.iter().map(|name| PathStep::Member((*name).into())).collect(),
            value: Box::new(Expr::Root(Root::Result)),
        };
        let state =
            State { input: Some(member(Root::RawInput, "part")), output: Some(output), ..task("A", "r") };
        let mut rig =
            Rig::start(program(Handover::Replace, vec![state]), r#"{"part": {"x": 1}, "keep": [2]}"#);
        assert_eq!(rig.arguments("A@1"), r#"{"x":1}"#);
        rig.succeed("A@1", "\"done\"");
        rig
    };
    assert_eq!(placed(&["part", "y"]).output(), r#"{"part":{"x":1,"y":"done"},"keep":[2]}"#);
    assert_eq!(placed(&["a", "b"]).output(), r#"{"part":{"x":1},"keep":[2],"a":{"b":"done"}}"#);
    assert_eq!(placed(&[]).output(), "\"done\"");
    assert_eq!(placed(&["keep", "y"]).error().0, Some("Test.Place"));
}

fn retrier(errors: Vec<Pattern>, max_attempts: u32) -> Retrier {
    Retrier {
        errors,
        max_attempts,
        interval_seconds: 0,
        backoff_rate: 1.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }
}

fn named(name: &str) -> Pattern {
    Pattern::Named(name.into())
}

#[test]
fn every_retrier_counts_its_own_attempts() {
    let retry = vec![retrier(vec![named("E1")], 1), retrier(vec![named("E2")], 2)];
    let mut rig = Rig::start(program(Handover::Replace, vec![State { retry, ..task("A", "r") }]), "{}");
    for (attempt, name) in [(1, "E1"), (2, "E2"), (3, "E2")] {
        rig.fail(&format!("A@{attempt}"), name);
        assert_eq!(rig.tasks(), [format!("A@{}", attempt + 1)]);
    }
    // Used up. A later retrier is not asked even where it would match.
    rig.fail("A@4", "E1");
    assert_eq!(rig.error().0, Some("E1"));
}

#[test]
fn a_used_up_retrier_is_not_replaced_by_a_later_one() {
    let retry = vec![retrier(vec![named("E")], 0), retrier(vec![Pattern::Any], 5)];
    let mut rig = Rig::start(program(Handover::Replace, vec![State { retry, ..task("A", "r") }]), "{}");
    rig.fail("A@1", "E");
    assert_eq!(rig.error().0, Some("E"));
}

/// A task that is caught by `pattern` and then gives `caught`.
fn catching(pattern: Pattern, output: Option<Expr>) -> Rig {
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [a, b] = scope.declare_all(["A", "B"]);
    let catch = vec![Catcher {
        errors: vec![pattern],
        output: Some(object(vec![
            ("Error", Expr::Root(Root::ErrorName)),
            ("Cause", Expr::Root(Root::ErrorCause)),
        ])),
        variables: None,
        next: b,
    }];
    scope.define(a, State { catch, output, ..task("A", "r").to(b) });
    scope.define(b, State { output: Some(object(vec![("caught", Expr::Root(Root::Input))])), ..pass("B") });
    let mut builder = Builder::new(ERRORS, LIMITS);
    let root = builder.scope(scope, a).unwrap();
    Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}")
}

#[test]
fn an_error_that_cannot_be_caught_is_not_even_by_its_own_name() {
    for pattern in [Pattern::Any, named("Test.Path")] {
        let mut rig = catching(pattern, Some(member(Root::Result, "missing")));
        rig.succeed("A@1", "{}");
        assert_eq!(rig.error().0, Some("Test.Path"));
    }
}

#[test]
fn a_pattern_can_mean_all_errors_but_some() {
    let all_but = || Pattern::AnyBut(vec!["Test.Timeout".into()]);
    let mut rig = catching(all_but(), None);
    rig.fail("A@1", "Lambda.Whatever");
    assert_eq!(rig.output(), r#"{"caught":{"Error":"Lambda.Whatever","Cause":"because"}}"#);
    let mut rig = catching(all_but(), None);
    rig.fail("A@1", "Test.Timeout");
    assert_eq!(rig.error().0, Some("Test.Timeout"));
}

#[test]
fn an_error_without_name_and_cause_is_null_in_the_error_output() {
    let mut rig = catching(Pattern::Any, None);
    let name = TaskErrorName::Kind(ErrorKind::Unnamed);
    rig.report("A@1", Report::Failed(TaskError { name, cause: None, retry_after_seconds: None }));
    assert_eq!(rig.output(), r#"{"caught":{"Error":null,"Cause":null}}"#);
}

#[test]
fn a_parallel_is_retried_as_a_whole_after_its_delay() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let left = sequence(&mut builder, Handover::Replace, vec![task("L", "r")]);
    let right = sequence(&mut builder, Handover::Replace, vec![task("R", "r")]);
    let retry = vec![Retrier { interval_seconds: 10, ..retrier(vec![Pattern::Any], 1) }];
    let both = State {
        retry,
        ..State::new("Both", Kind::Parallel { arguments: None, branches: vec![left, right] })
    };
    let root = sequence(&mut builder, Handover::Replace, vec![both]);
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}");
    rig.succeed("Both/0/L@1", "1");
    rig.fail("Both/1/R@1", "E");
    assert_eq!((rig.tasks(), rig.wake()), (Vec::new(), Some(10)));
    rig.tick(10);
    // Under new paths: what was out before is not mistaken for what is out now.
    assert_eq!(rig.commands(), ["start Both@2/0/L@1", "start Both@2/1/R@1"]);
    assert!(!rig.succeed("Both/0/L@1", "1"));
    rig.succeed("Both@2/0/L@1", "1");
    rig.succeed("Both@2/1/R@1", "2");
    assert_eq!(rig.output(), "[1,2]");
}

#[test]
fn branches_get_the_arguments_and_a_failure_in_one_can_be_caught_around_it() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let left = sequence(&mut builder, Handover::Replace, vec![task("L", "r")]);
    let right = sequence(&mut builder, Handover::Replace, vec![task("R", "r")]);
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [both, after] = scope.declare_all(["Both", "After"]);
    let catch = vec![Catcher {
        errors: vec![named("E")],
        output: Some(Expr::Root(Root::ErrorName)),
        variables: assign(vec![("caught", literal("true"))]),
        next: after,
    }];
    let kind = Kind::Parallel { arguments: Some(member(Root::Input, "arg")), branches: vec![left, right] };
    scope.define(both, State { catch, ..State::new("Both", kind).to(after) });
    scope.define(
        after,
        State {
            output: Some(object(vec![("in", Expr::Root(Root::Input)), ("caught", variable("caught"))])),
            ..pass("After")
        },
    );
    let root = builder.scope(scope, both).unwrap();
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), r#"{"arg": [7]}"#);
    assert_eq!(rig.arguments("Both/0/L@1"), "[7]");
    rig.fail("Both/0/L@1", "E");
    assert_eq!(rig.commands(), ["cancel Both/1/R@1"]);
    assert_eq!(rig.output(), r#"{"in":"E","caught":true}"#);
}
