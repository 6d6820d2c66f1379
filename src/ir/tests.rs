use super::*;
use crate::value::Value;

fn errors() -> Errors {
    Errors(|_| ErrorName::catchable("Test"))
}

/// Bounds wide enough for any test.
fn limits() -> Limits {
    Limits {
        input_bytes_max: 65_536,
        output_bytes_max: 65_536,
        total_bytes_max: None,
        variable_bytes_max: 65_536,
        assignment_bytes_max: 65_536,
        variables_bytes_max: 65_536,
        events_max: 5_000,
        map_concurrency_max: 40,
        isolated_map_concurrency_max: 40,
        task_timeout_seconds_min: 0,
        wait_seconds_min: 0,
        wait_seconds_max: 1_000,
        task_timeout_seconds_max: 1_000,
        execution_seconds_max: 1_000,
        error_chars_max: 128,
        cause_chars_max: 4_096,
    }
}

fn pass(name: &str) -> State {
    State::new(name, Kind::Pass { result: None })
}

fn scope_of(builder: &mut Builder, name: &str, kind: Kind) -> Result<ScopeIdx, BuildError> {
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let only = scope.declare(name);
    scope.define(only, State::new(name, kind));
    builder.scope(scope, only)
}

#[test]
fn a_program_that_is_built_is_valid() {
    let mut builder = Builder::new(errors(), limits());
    let inner = scope_of(&mut builder, "Inner", Kind::Succeed).unwrap();
    let outer =
        scope_of(&mut builder, "Outer", Kind::Parallel { arguments: None, branches: vec![inner] }).unwrap();
    let program = builder.build(Some("p".into()), outer, Boundary::default()).unwrap();
    assert_eq!(program.states().count(), 2);
    assert_eq!(program.scope(program.root()).unwrap().named("Outer").unwrap().number(), 0);
}

#[test]
fn what_is_no_program_is_refused() {
    let mut builder = Builder::new(errors(), limits());
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [a, b] = scope.declare_all(["A", "B"]);
    scope.define(a, pass("A").to(b));
    assert_eq!(builder.scope(scope, a).unwrap_err(), BuildError::Undefined("B".into()));

    let mut scope = ScopeBuilder::new(Handover::Replace);
    let [a, b] = scope.declare_all(["A", "A"]);
    scope.define(a, pass("A").to(b));
    scope.define(b, pass("A"));
    assert_eq!(builder.scope(scope, a).unwrap_err(), BuildError::DuplicateName("A".into()));

    let mut scope = ScopeBuilder::new(Handover::Replace);
    let a = scope.declare("A");
    scope.define(a, pass("A").to(StateIdx(7)));
    assert_eq!(builder.scope(scope, a).unwrap_err(), BuildError::DanglingTarget("A".into()));

    let mut scope = ScopeBuilder::new(Handover::Replace);
    let a = scope.declare("A");
    let retry = vec![Retrier {
        errors: vec![Pattern::Any],
        max_attempts: 1,
        interval_seconds: 1,
        backoff_rate: f64::NAN,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }];
    scope.define(a, State { retry, ..pass("A") });
    assert_eq!(builder.scope(scope, a).unwrap_err(), BuildError::BackoffRate("A".into()));

    let empty = builder.scope(ScopeBuilder::new(Handover::Merge), StateIdx(0));
    assert_eq!(empty.unwrap_err(), BuildError::EmptyScope);
}

#[test]
fn scopes_form_a_tree_of_bounded_depth() {
    let mut builder = Builder::new(errors(), limits());
    let shared = scope_of(&mut builder, "Shared", Kind::Succeed).unwrap();
    let twice = Kind::Parallel { arguments: None, branches: vec![shared, shared] };
    let root = scope_of(&mut builder, "Root", twice).unwrap();
    assert_eq!(builder.build(None, root, Boundary::default()).unwrap_err(), BuildError::NotATree);

    let mut builder = Builder::new(errors(), limits());
    let mut idx = scope_of(&mut builder, "Leaf", Kind::Succeed).unwrap();
    for _ in 0..=SCOPE_NESTING_MAX {
        let items = Expr::Literal(Value::from(Vec::new()));
        idx = scope_of(&mut builder, "Map", Kind::Map(Box::new(Map::over(items, idx)))).unwrap();
    }
    assert_eq!(builder.build(None, idx, Boundary::default()).unwrap_err(), BuildError::TooDeep);
}

#[test]
fn an_input_is_refused_before_anything_runs() {
    let program = |takes_only_objects| {
        let mut builder = Builder::new(errors(), Limits { input_bytes_max: 300, ..limits() });
        let root = scope_of(&mut builder, "Only", Kind::Succeed).unwrap();
        builder.build(None, root, Boundary { takes_only_objects, ..Boundary::default() }).unwrap()
    };
    let refusal = |takes_only_objects, input: &Value| {
        program(takes_only_objects).check_input(input).err().map(|error| error.to_string())
    };
    let object = Value::parse("{}").unwrap();
    let list = Value::from(Vec::new());
    assert_eq!(refusal(true, &object), None);
    assert_eq!(refusal(false, &list), None);
    assert_eq!(refusal(true, &list).unwrap(), "the input must be a JSON object, found an array");
    let large = Value::from("x".repeat(300));
    assert_eq!(refusal(false, &large).unwrap(), "the input has 302 bytes, at most 300 are allowed");
    let deep = (0..=DEPTH_MAX).fold(Value::Null, |inner, _| Value::from(vec![inner]));
    assert_eq!(
        refusal(false, &deep).unwrap(),
        "the input is nested 101 levels deep, at most 100 are allowed"
    );
}
