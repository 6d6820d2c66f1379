//! Maps that read what they run over, put elements together, tolerate failures, write what they gave,
//! and whose iterations are runs of their own.

use super::*;
use crate::expr::{Dataset, Delimiter, Header};
use crate::ir::{
    Access, Batch, Catcher, Jitter, Next, Pattern, Retrier, Tolerance, Until, VariableScope, Variables,
};

fn pass(name: &str) -> State {
    State::new(name, Kind::Pass { result: None })
}

fn access(resource: &str, arguments: Option<Expr>) -> Option<Access> {
    Some(Access { resource: resource.into(), arguments })
}

/// A Map `Each` of these states, then whatever `change` makes of it.
fn each_with(limits: Limits, states: Vec<State>, change: impl FnOnce(&mut Map, &mut State)) -> Program {
    let mut builder = Builder::new(ERRORS, limits);
    let body = sequence(&mut builder, Handover::Replace, states);
    let mut map = Map::over(Expr::Root(Root::Input), body);
    let mut state = pass("Each");
    change(&mut map, &mut state);
    let state = State { kind: Kind::Map(Box::new(map)), ..state };
    let root = sequence(&mut builder, Handover::Replace, vec![state]);
    builder.build(None, root, Boundary::default()).unwrap()
}

fn each(states: Vec<State>, change: impl FnOnce(&mut Map)) -> Program {
    each_with(LIMITS, states, |map, _| change(map))
}

fn retry_once(interval_seconds: u64) -> Vec<Retrier> {
    vec![Retrier {
        errors: vec![Pattern::Any],
        max_attempts: 1,
        interval_seconds,
        backoff_rate: 1.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }]
}

fn tolerating(count: Option<&str>, percentage: Option<&str>) -> impl FnOnce(&mut Map) {
    let tolerance = Tolerance { count: count.map(literal), percentage: percentage.map(literal) };
    |map| {
        map.is_isolated = true;
        map.tolerance = tolerance;
    }
}

const EXCEEDED: (Option<&str>, Option<&str>) =
    (Some("Test.Tolerance"), Some("The specified tolerated failure threshold was exceeded"));

#[test]
fn the_members_of_an_object_are_elements() {
    let item = object(vec![
        ("k", Expr::Root(Root::ItemKey)),
        ("v", Expr::Root(Root::Item)),
        ("i", Expr::Root(Root::ItemIndex)),
        ("s", Expr::Root(Root::ItemSource)),
    ]);
    let seen = State {
        output: Some(Expr::Array(vec![Expr::Root(Root::Input), Expr::Root(Root::ItemKey)])),
        ..pass("A")
    };
    let rig = Rig::start(each(vec![seen], |map| map.item = Some(item)), r#"{"b": 1, "a": [2]}"#);
    assert_eq!(
        rig.output(),
        r#"[[{"k":"b","v":1,"i":0,"s":"STATE_DATA"},"b"],[{"k":"a","v":[2],"i":1,"s":"STATE_DATA"},"a"]]"#
    );
}

#[test]
fn every_element_draws_for_itself() {
    let uuid = Expr::Call(crate::expr::Function::Uuid, vec![]);
    let rig = Rig::start(each(vec![pass("A")], |map| map.item = Some(uuid)), "[1, 2]");
    let Some(Outcome::Succeeded(Value::Array(drawn))) = rig.run.outcome() else { panic!("{:?}", rig.run) };
    assert_ne!(drawn[0], drawn[1]);
}

#[test]
fn so_many_elements_are_taken() {
    let table = [
        ("0", Ok("[1,2,3]")),
        ("2", Ok("[1,2]")),
        ("100000001", Ok("[1,2,3]")),
        ("null", Ok("[1,2,3]")),
        ("-1", Err("Test.Reader")),
        ("1.5", Err("Test.Value")),
        ("\"2\"", Err("Test.Value")),
    ];
    for (max, expected) in table {
        let rig = Rig::start(each(vec![pass("A")], |map| map.items_max = Some(literal(max))), "[1, 2, 3]");
        match expected {
            Ok(output) => assert_eq!(rig.output(), output, "{max}"),
            Err(name) => assert_eq!(rig.error().0, Some(name), "{max}"),
        }
    }
}

fn reading(change: impl FnOnce(&mut Map, &mut State)) -> Program {
    each_with(LIMITS, vec![pass("A")], |map, state| {
        map.reader = access("read", Some(object(vec![("Key", member(Root::Input, "file"))])));
        map.items = Expr::Root(Root::Result);
        change(map, state);
    })
}

#[test]
fn a_map_reads_what_it_runs_over_under_an_id_of_its_own() {
    let dataset = Dataset::Csv { delimiter: Delimiter::Comma, header: Header::FirstRow };
    let items = Expr::Dataset(Arc::new(dataset), Box::new(Expr::Root(Root::Result)));
    let source = object(vec![("row", Expr::Root(Root::Item)), ("from", Expr::Root(Root::ItemSource))]);
    let mut rig = Rig::start(
        reading(|map, _| {
            map.items = items;
            map.item = Some(source);
        }),
        r#"{"file": "f.csv"}"#,
    );
    assert_eq!(rig.commands(), ["start Each#read@1"]);
    assert_eq!(
        (rig.tasks(), rig.arguments("Each#read@1")),
        (vec!["Each#read@1".to_owned()], r#"{"Key":"f.csv"}"#.to_owned())
    );
    let id = TaskId::from("Each#read@1");
    assert_eq!((id.path(), id.state_name(), id.attempt()), ("Each", "Each".to_owned(), 1));
    let active = rig.run.active(&rig.program);
    assert_eq!((&*active[0].path, active[0].kind, active[0].activity), ("Each", "Map", Activity::Task));
    assert_eq!(active[0].resource.as_deref(), Some("read"));
    // The attempt of the Map itself is nothing that is out.
    assert!(!rig.succeed("Each@1", "1"));
    assert!(rig.report("Each#read@1", Report::Accepted(Value::Null)));
    rig.succeed("Each#read@1", r#""a,b\n1,x\n2""#);
    assert_eq!(
        rig.output(),
        r#"[{"row":{"a":"1","b":"x"},"from":"read"},{"row":{"a":"2","b":""},"from":"read"}]"#
    );
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_own_kind() {
    let mut rig = Rig::start(reading(|_, _| ()), r#"{"file": 1}"#);
    rig.fail("Each#read@1", "HTTP.404");
    assert_eq!(rig.error(), (Some("Test.Reader"), Some("because")));
    let mut rig = Rig::start(reading(|_, _| ()), r#"{"file": 1}"#);
    rig.succeed("Each#read@1", "5");
    assert_eq!(rig.error(), (Some("Test.Reader"), Some("Attempting to map over non-iterable node.")));
    // The arguments are the state's own affair.
    assert_eq!(Rig::start(reading(|_, _| ()), "{}").error().0, Some("Test.Path"));
}

#[test]
fn a_map_that_failed_to_read_is_tried_again_as_a_whole() {
    let mut rig = Rig::start(reading(|_, state| state.retry = retry_once(5)), r#"{"file": 1}"#);
    rig.fail("Each#read@1", "E");
    assert_eq!((rig.tasks(), rig.wake()), (Vec::new(), Some(5)));
    rig.tick(5);
    assert_eq!(rig.commands(), ["start Each#read@2"]);
    assert!(!rig.succeed("Each#read@1", "[0]"));
    rig.succeed("Each#read@2", "[7]");
    assert_eq!(rig.output(), "[7]");
}

#[test]
fn reading_and_writing_end_with_the_time_out_of_tasks() {
    let limited = || Execution { task_timeout_seconds: Some(9), ..execution(r#"{"file": 1}"#) };
    let mut rig = Rig::start_with(reading(|_, _| ()), limited());
    assert_eq!(rig.wake(), Some(9));
    rig.tick(9);
    assert_eq!((rig.commands(), rig.error().0), (vec!["cancel Each#read@1".to_owned()], Some("Test.Reader")));
    let mut rig = Rig::start_with(reading(|map, _| map.writer = access("write", None)), limited());
    rig.succeed("Each#read@1", "[1]");
    rig.tick(9);
    assert_eq!(
        (rig.commands(), rig.error().0),
        (vec!["cancel Each#write@1".to_owned()], Some("Test.Writer"))
    );
}

#[test]
fn reading_and_writing_end_with_the_run() {
    for mode in [StopMode::Cancel, StopMode::Terminate] {
        let is_awaited = mode == StopMode::Cancel;
        let verb = if is_awaited { "end" } else { "cancel" };
        let mut rig = Rig::start(reading(|_, _| ()), r#"{"file": 1}"#);
        rig.event(Event::Stop(Stop::new(mode)));
        assert_eq!(rig.commands(), [format!("{verb} Each#read@1")]);
        assert_eq!(rig.run.outcome().is_none(), is_awaited);
        if is_awaited {
            rig.succeed("Each#read@1", "[1]");
            assert!(rig.run.outcome().is_some());
            assert_eq!(&*rig.history[rig.history.len() - 2].path, "Each");
        }
        let mut rig = Rig::start(reading(|map, _| map.writer = access("write", None)), r#"{"file": 1}"#);
        rig.succeed("Each#read@1", "[1]");
        rig.event(Event::Stop(Stop::new(mode)));
        assert_eq!(rig.commands(), [format!("{verb} Each#write@1")]);
    }
}

fn writing() -> Program {
    each_with(LIMITS, vec![task("A", "r")], |map, state| {
        map.writer = access("write", Some(object(vec![("results", Expr::Root(Root::Result))])));
        state.retry = retry_once(0);
    })
}

#[test]
fn a_map_has_its_results_written_and_gives_what_the_writer_gave() {
    let mut rig = Rig::start(writing(), "[1, 2]");
    rig.succeed("Each/1/A@1", "20");
    rig.succeed("Each/0/A@1", "10");
    assert_eq!(rig.arguments("Each#write@1"), r#"{"results":[10,20]}"#);
    rig.succeed("Each#write@1", r#"{"at": "there"}"#);
    assert_eq!(rig.output(), r#"{"at":"there"}"#);
}

#[test]
fn what_cannot_be_written_is_done_again() {
    let mut rig = Rig::start(writing(), "[1]");
    rig.succeed("Each/0/A@1", "10");
    rig.fail("Each#write@1", "E");
    rig.tick(0);
    rig.succeed("Each@2/0/A@1", "11");
    assert_eq!(rig.arguments("Each#write@2"), r#"{"results":[11]}"#);
    rig.fail("Each#write@2", "E");
    assert_eq!(rig.error(), (Some("Test.Writer"), Some("because")));
    // What was finished is kept with the run.
    assert!(snapshot::encode(&rig.run).contains("\"d\":["));
}

#[test]
fn elements_share_iterations() {
    let batch = |items: Option<&str>, bytes: Option<&str>, input: Option<Expr>| Batch {
        items_max: items.map(literal),
        bytes_max: bytes.map(literal),
        input,
    };
    let table = [
        (batch(Some("2"), None, None), r#"[{"Items":[1,2]},{"Items":[3,4]},{"Items":[5]}]"#),
        (
            batch(Some("3"), None, Some(member(Root::ExecutionInput, "b"))),
            r#"[{"Items":[1,2,3],"BatchInput":{"x":1}},{"Items":[4,5],"BatchInput":{"x":1}}]"#,
        ),
        // `{"Items":[1,2]}` has 15 bytes.
        (batch(None, Some("15"), None), r#"[{"Items":[1,2]},{"Items":[3,4]},{"Items":[5]}]"#),
        (batch(None, Some("16"), None), r#"[{"Items":[1,2]},{"Items":[3,4]},{"Items":[5]}]"#),
        (
            batch(Some("2"), Some("13"), None),
            r#"[{"Items":[1]},{"Items":[2]},{"Items":[3]},{"Items":[4]},{"Items":[5]}]"#,
        ),
        (batch(None, None, None), r#"[{"Items":[1,2,3,4,5]}]"#),
    ];
    for (batch, expected) in table {
        let program = each(vec![pass("A")], |map| {
            map.items = member(Root::Input, "n");
            map.batch = Some(batch);
        });
        assert_eq!(Rig::start(program, r#"{"n": [1, 2, 3, 4, 5], "b": {"x": 1}}"#).output(), expected);
    }
}

#[test]
fn batches_keep_their_bounds_to_the_byte() {
    let batch =
        Batch { items_max: None, bytes_max: Some(literal("60")), input: Some(literal(r#"{"k": "ü"}"#)) };
    let program = each(vec![pass("A")], |map| map.batch = Some(batch));
    let rig = Rig::start(program, r#"["aaaaaaa", "b", [1, 2], {"c": null}, "dd", "eeeeeeeeeeeeeeeeeeee"]"#);
    let Some(Outcome::Succeeded(Value::Array(batches))) = rig.run.outcome() else { panic!("{:?}", rig.run) };
    let count: usize =
        batches.iter().map(|batch| batch.get("Items").unwrap().as_array().unwrap().len()).sum();
    assert_eq!(count, 6);
    for pair in batches.windows(2) {
        let next = pair[1].get("Items").unwrap().as_array().unwrap()[0].bytes();
        assert!(pair[0].bytes() <= 60 && pair[0].bytes() + 1 + next > 60, "{pair:?}");
    }
}

#[test]
fn bad_bounds_of_batches_are_errors() {
    let with = |items: &str, bytes: &str| {
        let batch = Batch { items_max: Some(literal(items)), bytes_max: Some(literal(bytes)), input: None };
        Rig::start(each(vec![pass("A")], |map| map.batch = Some(batch)), r#"["a", "bbbbbbbbbbbb"]"#)
    };
    for (items, bytes) in [("0", "100"), ("-1", "100"), ("1.5", "100"), ("\"1\"", "100"), ("1", "0")] {
        assert_eq!(with(items, bytes).error().0, Some("Test.Value"), "{items} {bytes}");
    }
    assert_eq!(with("2", "20").error().0, Some("Test.DataLimit"));
}

#[test]
fn batches_wait_and_go_on_from_storage() {
    let batch = Batch { items_max: Some(literal("2")), bytes_max: None, input: None };
    let program = each(vec![task("A", "r")], |map| {
        map.batch = Some(batch);
        map.concurrency = Some(literal("1"));
    });
    let mut rig = Rig::start(program, "[1, 2, 3]");
    assert_eq!(rig.arguments("Each/0/A@1"), r#"{"Items":[1,2]}"#);
    rig.succeed("Each/0/A@1", "\"x\"");
    assert_eq!(rig.arguments("Each/1/A@1"), r#"{"Items":[3]}"#);
    rig.succeed("Each/1/A@1", "\"y\"");
    assert_eq!(rig.output(), r#"["x","y"]"#);
}

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
    let program = each(vec![task("A", "r")], |map| map.tolerance.count = Some(literal("5")));
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

#[test]
fn runs_that_were_stored_before_there_was_more_of_a_map_are_read() {
    let program = each(vec![task("A", "r")], |map| map.concurrency = Some(literal("1")));
    let stored = r#"{"v":1,"x":{"id":"0000-0001","n":"run-1","f":"flow","i":0,"t":1700000000000},"s":"running","p":[3,1,0,0],"e":7,
        "f":[{"i":0,"d":0,"n":{"0":1},"a":{"s":0,"t":1700000000000,"r":0,"i":0,"n":1,"p":{"c":{"i":0,"s":[{"d":1},{"r":1}],"c":1}}}},
             {"i":2,"d":2,"n":{"0":1},"a":{"s":0,"t":1700000000000,"r":2,"i":2,"n":1,"p":{"t":{"a":2}}}}],
        "d":[[1,2],"one",2]}"#;
    let run = snapshot::decode(stored, &program).unwrap();
    let report = Report::Succeeded(json("\"two\""));
    let event = Event::Task { id: "Each/1/A@1".into(), report };
    let step = step(&program, run, at(1), event, &key()).unwrap();
    assert_eq!(step.run.outcome(), Some(&Outcome::Succeeded(json(r#"["one","two"]"#))));
}
