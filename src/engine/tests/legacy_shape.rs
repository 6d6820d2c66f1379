//! The shape of legacy FDL: `$local` merged in completion order, loops by backward gotos between
//! siblings, foreach, a choice with steps of its own.

use super::*;
use crate::expr::Comparison;
use crate::ir::{Branch, Next, Rule};

/// A task whose output is its answer under one key.
fn keyed(name: &str, key: &str) -> State {
    State { output: Some(object(vec![(key, Expr::Root(Root::Result))])), ..task(name, "r") }
}

#[test]
fn outputs_are_merged_and_the_later_one_wins() {
    let states = vec![keyed("A", "x"), keyed("B", "y"), keyed("C", "x")];
    let mut rig = Rig::start(program(Handover::Merge, states), r#"{"x": "in", "z": 0}"#);
    // The input of a step is that of its parent merged with what the steps before gave.
    assert_eq!(rig.arguments("A@1"), r#"{"x":"in","z":0}"#);
    rig.succeed("A@1", "1");
    assert_eq!(rig.arguments("B@1"), r#"{"x":1,"z":0}"#);
    rig.succeed("B@1", "2");
    assert_eq!(rig.arguments("C@1"), r#"{"x":1,"z":0,"y":2}"#);
    rig.succeed("C@1", "3");
    // The output of the flow is what its steps gave, without its input.
    assert_eq!(rig.output(), r#"{"x":3,"y":2}"#);
}

#[test]
fn what_is_no_object_is_no_output() {
    let program = program(Handover::Merge, vec![task("A", "r"), keyed("B", "y")]);
    let mut rig = Rig::start(program.clone(), r#"{"k": 1}"#);
    rig.succeed("A@1", "[1]");
    let (name, cause) = rig.error();
    assert!(name.unwrap().starts_with("Test.InvalidRes"), "{name:?}");
    assert!(cause.unwrap().starts_with("the output of state"), "{cause:?}");
    // An answer without a value adds nothing.
    let mut rig = Rig::start(program, r#"{"k": 1}"#);
    rig.succeed("A@1", "null");
    assert_eq!(rig.arguments("B@1"), r#"{"k":1}"#);
    rig.succeed("B@1", "2");
    assert_eq!(rig.output(), r#"{"y":2}"#);
}

/// `poll` then `check`: not ready yet leads back to `poll`.
fn polling_loop() -> Program {
    let mut scope = ScopeBuilder::new(Handover::Merge);
    let [poll, check] = scope.declare_all(["poll", "check"]);
    scope.define(poll, keyed("poll", "status").to(check));
    let not_ready = Expr::Compare(
        Comparison::NotEqual,
        Box::new(member(Root::Input, "status")),
        Box::new(literal("\"ready\"")),
    );
    let branch = |next| Branch { body: None, output: Some(literal("{}")), variables: None, next };
    let rules = vec![Rule { condition: not_ready, branch: branch(Next::State(poll)) }];
    scope.define(check, State::new("check", Kind::Choice { rules, otherwise: Some(branch(Next::End)) }));
    let mut builder = Builder::new(ERRORS, LIMITS);
    let root = builder.scope(scope, poll).unwrap();
    builder.build(None, root, Boundary::default()).unwrap()
}

#[test]
fn a_backward_goto_visits_a_step_again() {
    let mut rig = Rig::start(polling_loop(), "{}");
    rig.succeed("poll@1", "\"no\"");
    assert_eq!(rig.tasks(), ["poll#2@1"]);
    // The first visit is over; its answer, told again, is none for the second.
    assert!(!rig.succeed("poll@1", "\"ready\""));
    rig.succeed("poll#2@1", "\"no\"");
    rig.succeed("poll#3@1", "\"ready\"");
    assert_eq!(rig.output(), r#"{"status":"ready"}"#);
}

#[test]
fn the_output_of_the_run_can_be_mapped_from_input_and_data() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let root = sequence(&mut builder, Handover::Merge, vec![keyed("A", "x")]);
    let boundary = Boundary {
        input: Some(object(vec![("n", member(Root::ExecutionInput, "number"))])),
        output: Some(object(vec![
            ("from", member(Root::ScopeInput, "n")),
            ("to", member(Root::ScopeData, "x")),
        ])),
        timeout_seconds: Some(30),
        takes_only_objects: true,
    };
    let program = builder.build(None, root, boundary).unwrap();
    let mut rig = Rig::start(program, r#"{"number": 1}"#);
    assert_eq!(rig.wake(), Some(30));
    assert_eq!(rig.arguments("A@1"), r#"{"n":1}"#);
    rig.succeed("A@1", "2");
    assert_eq!(rig.output(), r#"{"from":1,"to":2}"#);
}

#[test]
fn foreach_merges_item_and_index_into_the_iteration() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let body = sequence(&mut builder, Handover::Merge, vec![keyed("greet", "name")]);
    let each = State::new(
        "each",
        Kind::Map(Box::new(Map {
            item: Some(Expr::Merge(vec![
                Expr::Root(Root::Input),
                object(vec![("item", Expr::Root(Root::Item)), ("i", Expr::Root(Root::ItemIndex))]),
            ])),
            ..Map::over(member(Root::Input, "names"), body)
        })),
    );
    let each = State { output: Some(object(vec![("all", Expr::Root(Root::Result))])), ..each };
    let root = sequence(&mut builder, Handover::Merge, vec![each]);
    let program = builder.build(None, root, Boundary::default()).unwrap();
    let mut rig = Rig::start(program, r#"{"names": ["a", "b", "c", "d"], "k": 1}"#);
    // Three at a time is what the language allows here.
    assert_eq!(rig.tasks(), ["each/0/greet@1", "each/1/greet@1", "each/2/greet@1"]);
    assert_eq!(rig.arguments("each/1/greet@1"), r#"{"names":["a","b","c","d"],"k":1,"item":"b","i":1}"#);
    rig.succeed("each/2/greet@1", "\"C\"");
    assert_eq!(rig.commands(), ["start each/3/greet@1"]);
    for (slot, letter) in [(3, "D"), (0, "A"), (1, "B")] {
        rig.succeed(&format!("each/{slot}/greet@1"), &format!("\"{letter}\""));
    }
    assert_eq!(rig.output(), r#"{"all":[{"name":"A"},{"name":"B"},{"name":"C"},{"name":"D"}]}"#);
}

#[test]
fn foreach_over_nothing_gives_nothing() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let body = sequence(&mut builder, Handover::Merge, vec![keyed("greet", "name")]);
    let kind = Kind::Map(Box::new(Map::over(Expr::Root(Root::Input), body)));
    let root = sequence(&mut builder, Handover::Replace, vec![State::new("each", kind)]);
    let program = builder.build(None, root, Boundary::default()).unwrap();
    assert_eq!(Rig::start(program.clone(), "[]").output(), "[]");
    assert_eq!(Rig::start(program, r#""text""#).error().0, Some("Test.Value"));
}

#[test]
fn a_choice_with_steps_runs_them_on_its_input_and_then_jumps() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let body = sequence(&mut builder, Handover::Merge, vec![keyed("inner", "a"), keyed("inner2", "b")]);
    let mut scope = ScopeBuilder::new(Handover::Merge);
    let [choose, skipped, after] = scope.declare_all(["choose", "skipped", "after"]);
    let rules = vec![Rule {
        condition: literal("true"),
        branch: Branch { body: Some(body), output: None, variables: None, next: Next::State(after) },
    }];
    scope.define(choose, State::new("choose", Kind::Choice { rules, otherwise: None }));
    scope.define(skipped, task("skipped", "r").to(after));
    scope.define(after, keyed("after", "c"));
    let root = builder.scope(scope, choose).unwrap();
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), r#"{"k": 1}"#);
    assert_eq!(rig.tasks(), ["choose/0/inner@1"]);
    rig.succeed("choose/0/inner@1", "1");
    assert_eq!(rig.arguments("choose/0/inner2@1"), r#"{"k":1,"a":1}"#);
    rig.succeed("choose/0/inner2@1", "2");
    // What the steps gave is the result of the choice, merged like any other.
    assert_eq!(rig.arguments("after@1"), r#"{"k":1,"a":1,"b":2}"#);
    rig.succeed("after@1", "3");
    assert_eq!(rig.output(), r#"{"a":1,"b":2,"c":3}"#);
}

#[test]
fn a_fail_within_branches_fails_the_run_and_ends_the_others() {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let slow = sequence(&mut builder, Handover::Merge, vec![task("slow", "r")]);
    let fail = Kind::Fail { error: Some(literal("\"Boom\"")), cause: None };
    let failing = sequence(&mut builder, Handover::Merge, vec![task("quick", "r"), State::new("fail", fail)]);
    let kind = Kind::Parallel { arguments: None, branches: vec![slow, failing] };
    let root = sequence(&mut builder, Handover::Merge, vec![State::new("both", kind)]);
    let mut rig = Rig::start(builder.build(None, root, Boundary::default()).unwrap(), "{}");
    assert_eq!(rig.tasks(), ["both/0/slow@1", "both/1/quick@1"]);
    rig.succeed("both/1/quick@1", "{}");
    assert_eq!(rig.commands(), ["cancel both/0/slow@1"]);
    assert_eq!(rig.error().0, Some("Boom"));
}

#[test]
fn a_state_knows_the_number_of_its_event_unless_an_older_version_stored_it() {
    let event = object(vec![("event", Expr::Root(Root::StateEventId))]);
    let states = vec![keyed("A", "x"), State { output: Some(event), ..task("B", "r") }];
    let program = program(Handover::Merge, states);
    let mut rig = Rig::start(program.clone(), "{}");
    rig.succeed("A@1", "1");
    // ExecutionStarted, StateEntered, TaskScheduled, TaskSucceeded and StateExited stand before it.
    let stored = snapshot::encode(&rig.run);
    assert!(stored.contains(r#""e":6,"r""#), "{stored}");
    let older = snapshot::decode(&stored.replace(r#""e":6,"r""#, r#""r""#), &program).unwrap();
    rig.succeed("B@1", "{}");
    assert_eq!(rig.output(), r#"{"x":1,"event":6}"#);
    rig.run = older;
    rig.succeed("B@1", "{}");
    assert_eq!(rig.output(), r#"{"x":1,"event":null}"#);
}
