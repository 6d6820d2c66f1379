//! Maps whose iterations are runs of their own: tolerance, variables, history.

use super::maps::{each, each_with, pass, retry_once};
use super::*;
use crate::ir::{Batch, Catcher, Next, Pattern, Tolerance, Until, VariableScope, Variables};

pub(super) fn tolerating(count: Option<&str>, percentage: Option<&str>) -> impl FnOnce(&mut Map) {
    let tolerance = Tolerance { count: count.map(literal), percentage: percentage.map(literal) };
    |map| {
        map.is_isolated = true;
        map.tolerance = Some(tolerance);
    }
}

const EXCEEDED: (Option<&str>, Option<&str>) =
    (Some("Test.Tolerance"), Some("The specified tolerated failure threshold was exceeded"));

#[test]
fn failures_are_tolerated_up_to_a_bound() {
    // Bounds, and how many of four may fail.
    let table = [
        (None, None, 0),
        (Some("0"), None, 0),
        (Some("1"), None, 1),
        (None, Some("50"), 2),
        (None, Some("49.9"), 1),
        (Some("1"), Some("75"), 1),
        (Some("3"), Some("25"), 1),
        (Some("9"), Some("100"), 4),
    ];
    for (count, percentage, may_fail) in table {
        let start = || Rig::start(each(vec![task("A", "r")], tolerating(count, percentage)), "[1, 2, 3, 4]");
        let mut rig = start();
        for number in 0..may_fail {
            rig.fail(&format!("Each/{number}/A@1"), "E");
        }
        for number in may_fail..4 {
            assert_eq!(rig.run.outcome(), None);
            rig.succeed(&format!("Each/{number}/A@1"), &number.to_string());
        }
        let succeeded: Vec<_> = (may_fail..4).map(|number| number.to_string()).collect();
        assert_eq!(rig.output(), format!("[{}]", succeeded.join(",")));
        if may_fail < 4 {
            let mut rig = start();
            for number in 0..=may_fail {
                rig.fail(&format!("Each/{number}/A@1"), "E");
            }
            assert_eq!(rig.error(), EXCEEDED);
            assert_eq!(rig.commands().len(), 3 - may_fail, "the others are canceled");
        }
    }
}

#[test]
fn bad_tolerances_are_errors() {
    let error = |count, percentage| {
        let rig = Rig::start(each(vec![pass("A")], tolerating(count, percentage)), "[1]");
        (rig.error().0.unwrap().to_owned(), rig.error().1.unwrap().to_owned())
    };
    let (name, cause) = error(Some("-1"), None);
    assert!(name == "Test.Value" && cause.contains("ToleratedFailureCount cannot be negative"), "{cause}");
    assert_eq!(error(Some("1.5"), None).0, "Test.Value");
    for percentage in ["100.1", "-1", "-1.1", "\"1\""] {
        let (name, cause) = error(None, Some(percentage));
        assert!(name == "Test.Value" && cause.contains("must be between 0 and 100"), "{cause}");
    }
}

#[test]
fn a_batch_that_fails_is_as_many_failures_as_it_has_elements() {
    let program = |count: &'static str| {
        each(vec![task("A", "r")], |map| {
            tolerating(Some(count), None)(map);
            map.batch = Some(Batch { items_max: Some(literal("2")), bytes_max: None, input: None });
        })
    };
    let mut rig = Rig::start(program("1"), "[1, 2, 3]");
    rig.fail("Each/0/A@1", "E");
    assert_eq!(rig.error(), EXCEEDED);
    let mut rig = Rig::start(program("2"), "[1, 2, 3]");
    rig.fail("Each/0/A@1", "E");
    rig.succeed("Each/1/A@1", "7");
    assert_eq!(rig.output(), "[7]");
}

#[test]
fn the_bound_holds_only_for_iterations_that_are_runs_of_their_own() {
    let program = each(vec![task("A", "r")], |map| {
        map.tolerance = Some(Tolerance { count: Some(literal("5")), percentage: None })
    });
    let mut rig = Rig::start(program, "[1, 2]");
    rig.fail("Each/0/A@1", "E");
    assert_eq!(rig.error().0, Some("E"));
}

#[test]
fn a_run_of_its_own_sees_no_variables_but_its_own() {
    let set = |scope, name: &str, value: Expr| Some(Variables { scope, values: object(vec![(name, value)]) });
    let mut builder = Builder::new(ERRORS, LIMITS);
    let show = object(vec![
        ("outer", Expr::Root(Root::Variable("outer".into()))),
        ("globals", Expr::Root(Root::Globals)),
        ("input", Expr::Root(Root::ExecutionInput)),
    ]);
    let body = sequence(
        &mut builder,
        Handover::Replace,
        vec![
            State { variables: set(VariableScope::Run, "mine", Expr::Root(Root::Input)), ..task("Ask", "r") },
            State { output: Some(show), ..pass("Show") },
        ],
    );
    let mut map = Map::over(Expr::Root(Root::Input), body);
    map.is_isolated = true;
    let after = Expr::Array(vec![Expr::Root(Root::Input), Expr::Root(Root::Globals)]);
    let root = sequence(
        &mut builder,
        Handover::Replace,
        vec![
            State { variables: set(VariableScope::Instance, "outer", literal("1")), ..pass("One") },
            State { variables: set(VariableScope::Run, "global", literal("2")), ..pass("Two") },
            State::new("Each", Kind::Map(Box::new(map))),
            State { output: Some(after), ..pass("After") },
        ],
    );
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), r#"["a", "b"]"#);
    rig.succeed("Each/1/Ask@1", "0");
    rig.succeed("Each/0/Ask@1", "0");
    assert_eq!(
        rig.output(),
        r#"[[{"outer":null,"globals":{"mine":"a"},"input":"a"},{"outer":null,"globals":{"mine":"b"},"input":"b"}],{"global":2}]"#
    );
}

/// A loop without an end within a Map.
fn looping(change: impl FnOnce(&mut Map)) -> Program {
    let mut builder = Builder::new(ERRORS, Limits { events_max: 50, ..LIMITS });
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [again] = scope.declare_all(["Again"]);
    scope.define(again, pass("Again").to(again));
    let body = builder.scope(scope, again).unwrap();
    let mut map = Map::over(Expr::Root(Root::Input), body);
    change(&mut map);
    let root = sequence(&mut builder, Handover::Replace, vec![State::new("Each", Kind::Map(Box::new(map)))]);
    builder.build(None, root, Boundary::default()).unwrap()
}

#[test]
fn a_run_of_its_own_has_its_own_bound_of_events() {
    assert_eq!(Rig::start(looping(|_| ()), "[1]").error().0, Some("Test.EventLimit"));
    assert_eq!(Rig::start(looping(tolerating(None, None)), "[1]").error(), EXCEEDED);
    let rig = Rig::start(looping(tolerating(None, Some("100"))), "[1, 2, 3]");
    assert_eq!(rig.output(), "[]");
    // Each failure is told of, and nothing else.
    let told: Vec<_> = rig.history.iter().map(|event| &*event.path).collect();
    assert_eq!(told, ["", "Each", "Each/0/Again#26", "Each/1/Again#26", "Each/2/Again#26", "Each", ""]);
}

#[test]
fn the_history_of_a_run_does_not_grow_with_runs_of_their_own() {
    let limits = Limits { events_max: 10, input_bytes_max: 100_000, output_bytes_max: 100_000, ..LIMITS };
    let items = Value::from((0..1_000_usize).map(Value::from).collect::<Vec<_>>()).to_json();
    let program = |states: Vec<State>, percentage: &'static str| {
        each_with(limits, states, |map, _| tolerating(None, Some(percentage))(map))
    };
    let rig = Rig::start(program(vec![pass("A"), pass("B")], "0"), &items);
    assert_eq!((rig.output(), rig.history.len()), (items.clone(), 4));
    assert_eq!(rig.run.progress().transitions, 2_001);
    let fail = State::new("F", Kind::Fail { error: None, cause: None });
    let limits = Limits { events_max: 1_000, ..limits };
    let program = each_with(limits, vec![fail], |map, _| tolerating(None, Some("100"))(map));
    let rig = Rig::start(program, &items);
    assert_eq!((rig.output(), rig.history.len()), ("[]".to_owned(), 104));
}

#[test]
fn what_happens_in_a_run_of_its_own_must_be_remembered_though_it_is_not_told() {
    let wait = State::new("W", Kind::Wait(Until::Seconds(literal("5"))));
    let program = each(vec![wait, task("A", "r")], tolerating(None, None));
    let mut rig = Rig::start(program, "[1]");
    let before = rig.history.len();
    rig.tick(5);
    assert_eq!((rig.commands(), rig.history.len()), (vec!["start Each/0/A@1".to_owned()], before));
    assert!(rig.is_progress);
    rig.succeed("Each/0/A@1", "3");
    assert_eq!(rig.output(), "[3]");
}

#[test]
fn so_many_runs_of_their_own_go_on_at_a_time() {
    let items = Value::from((0..50_usize).map(Value::from).collect::<Vec<_>>()).to_json();
    let start = |is_isolated| {
        let program = each(vec![task("A", "r")], |map| map.is_isolated = is_isolated);
        Rig::start(program, &items).tasks().len()
    };
    assert_eq!((start(false), start(true)), (3, 40));
}

#[test]
fn a_map_that_fails_by_tolerance_can_be_caught_and_tried_again() {
    let program = each_with(LIMITS, vec![task("A", "r")], |map, state| {
        map.is_isolated = true;
        map.tolerance = Some(Tolerance::default());
        state.retry = retry_once(0);
    });
    let mut rig = Rig::start(program, "[1]");
    rig.fail("Each/0/A@1", "E");
    rig.tick(0);
    rig.succeed("Each@2/0/A@1", "4");
    assert_eq!(rig.output(), "[4]");

    let mut builder = Builder::new(ERRORS, LIMITS);
    let body = sequence(&mut builder, Handover::Replace, vec![task("A", "r")]);
    let mut map = Map::over(Expr::Root(Root::Input), body);
    map.is_isolated = true;
    map.tolerance = Some(Tolerance::default());
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [each, after] = scope.declare_all(["Each", "After"]);
    let catch = vec![Catcher {
        errors: vec![Pattern::Named("Test.Tolerance".into())],
        output: Some(Expr::Root(Root::ErrorName)),
        variables: None,
        next: after,
    }];
    scope.define(each, State { catch, next: Next::End, ..State::new("Each", Kind::Map(Box::new(map))) });
    scope.define(after, pass("After"));
    let root = builder.scope(scope, each).unwrap();
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "[1, 2]");
    rig.fail("Each/1/A@1", "E");
    assert_eq!(rig.output(), "\"Test.Tolerance\"");
}
