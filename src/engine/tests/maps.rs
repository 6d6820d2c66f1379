//! Maps that read what they run over, put elements together and write what they gave.

use super::*;
use crate::expr::{Dataset, Delimiter, Header};
use crate::ir::{Access, Batch, Jitter, Pattern, Retrier};

pub(super) fn pass(name: &str) -> State {
    State::new(name, Kind::Pass { result: None })
}

fn access(resource: &str, arguments: Option<Expr>) -> Option<Access> {
    Some(Access { resource: resource.into(), arguments })
}

/// A Map `Each` of these states, then whatever `change` makes of it.
pub(super) fn each_with(
    limits: Limits,
    states: Vec<State>,
    change: impl FnOnce(&mut Map, &mut State),
) -> Program {
    let mut builder = Builder::new(ERRORS, limits);
    let body = sequence(&mut builder, Handover::Replace, states);
    let mut map = Map::over(Expr::Root(Root::Input), body);
    let mut state = pass("Each");
    change(&mut map, &mut state);
    let state = State { kind: Kind::Map(Box::new(map)), ..state };
    let root = sequence(&mut builder, Handover::Replace, vec![state]);
    builder.build(None, root, Boundary::default()).unwrap()
}

pub(super) fn each(states: Vec<State>, change: impl FnOnce(&mut Map)) -> Program {
    each_with(LIMITS, states, |map, _| change(map))
}

pub(super) fn retry_once(interval_seconds: u64) -> Vec<Retrier> {
    vec![Retrier {
        errors: vec![Pattern::Any],
        max_attempts: 1,
        interval_seconds,
        backoff_rate: 1.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }]
}

#[test]
fn the_members_of_an_object_are_elements() {
    let item = object(vec![
        ("k", Expr::Root(Root::ItemKey)),
        ("v", Expr::Root(Root::Item)),
        ("i", Expr::Root(Root::ItemIndex)),
        ("s", Expr::Root(Root::ItemSource)),
    ]);
    let change = |map: &mut Map| (map.item, map.takes_objects) = (Some(item), true);
    let seen = State {
        output: Some(Expr::Array(vec![Expr::Root(Root::Input), Expr::Root(Root::ItemKey)])),
        ..pass("A")
    };
    let rig = Rig::start(each(vec![seen], change), r#"{"b": 1, "a": [2]}"#);
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

#[test]
fn iterations_share_what_they_are_given() {
    let whole = Some(Expr::Root(Root::Input));
    let rig = Rig::start(each(vec![pass("A")], |map| map.item = whole), "[1, 2, 3, 4, 5]");
    let inputs: std::collections::BTreeSet<usize> = rig
        .history
        .iter()
        .filter_map(|event| match &event.kind {
            HistoryKind::StateEntered { input: Value::Array(items), .. } => Some(items.identity()),
            _ => None,
        })
        .collect();
    assert_eq!(inputs.len(), 1, "one array, however many iterations");
}
