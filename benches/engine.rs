//! What the pure half costs: compiling, a transition, a Map of ten thousand, the stored form.
//!
//! `cargo bench --bench engine -- PATTERN` measures what matches; `docs/performance.md` says what is
//! promised and what was found.
#![expect(clippy::expect_used, reason = "a measure that cannot be taken is none")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use millrace::dialect;
use millrace::engine::{Event, Execution, Report, Run, Step, TaskId, TokenKey, snapshot, step};
use millrace::expr::jsonata::{Expected, Expression};
use millrace::expr::{Expr, Missing, PathStep, Root, Scope};
use millrace::ir::{
    Boundary, Builder, Completion, ErrorName, Errors, Handover, Kind, Limits, Map, Next, Program,
    ScopeBuilder, ScopeIdx, State,
};
use millrace::source;
use millrace::value::{Str, Value};

/// Elements of the large Map.
const ITEMS: usize = 10_000;

/// Iterations of it that run at a time where they have tasks.
const AT_A_TIME: u32 = 40;

const ERRORS: Errors = Errors(|_| ErrorName::catchable("Error"));

/// Bounds out of the way of what is measured.
const LIMITS: Limits = Limits {
    input_bytes_max: 1 << 24,
    output_bytes_max: 1 << 24,
    total_bytes_max: None,
    variable_bytes_max: 1 << 24,
    assignment_bytes_max: 1 << 24,
    variables_bytes_max: 1 << 24,
    events_max: 1 << 40,
    map_concurrency_max: AT_A_TIME,
    isolated_map_concurrency_max: AT_A_TIME,
    wait_seconds_max: 1_000,
    wait_seconds_min: 0,
    task_timeout_seconds_min: 0,
    task_timeout_seconds_max: 1_000,
    execution_seconds_max: 1_000_000,
    error_chars_max: 128,
    cause_chars_max: 4_096,
};

fn pass(name: &str, output: Option<Expr>) -> State {
    State { output, ..State::new(name, Kind::Pass { result: None }) }
}

fn sequence(builder: &mut Builder, states: Vec<State>) -> ScopeIdx {
    let mut scope = ScopeBuilder::new(Handover::Replace);
    let positions: Vec<_> = states.iter().map(|state| scope.declare(state.name.clone())).collect();
    for (number, state) in states.into_iter().enumerate() {
        let next = positions.get(number + 1).map_or(Next::End, |next| Next::State(*next));
        scope.define(positions[number], State { next, ..state });
    }
    builder.scope(scope, positions[0]).expect("a scope")
}

fn program(states: impl FnOnce(&mut Builder) -> Vec<State>) -> Program {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let states = states(&mut builder);
    let root = sequence(&mut builder, states);
    builder.build(None, root, Boundary::default()).expect("a program")
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn fresh(input: Value) -> Run {
    Run::new(Execution {
        id: "8f7c1b52-0000-4000-8000-000000000001".into(),
        name: "bench".into(),
        flow: "bench".into(),
        service_account: None,
        input,
        started_at: now(),
        timeout_seconds: None,
        task_timeout_seconds: None,
        attributes: BTreeMap::new(),
    })
}

fn take(program: &Program, run: Run, event: Event) -> Step {
    step(program, run, now(), event, &TokenKey::new([7; 32])).expect("a step")
}

fn member(root: Root, name: &str) -> Expr {
    Expr::path(root, vec![PathStep::Member(name.into())], Missing::Error)
}

/// What definitions build most often: a few members picked out of the input, one of them nested.
fn constructor() -> Expr {
    let nested = Expr::Object(vec![(Str::from("id"), member(Root::Input, "orderId"))]);
    Expr::Object(vec![
        (Str::from("orderId"), member(Root::Input, "orderId")),
        (Str::from("customer"), member(Root::Input, "customer")),
        (Str::from("order"), nested),
        (Str::from("kind"), Expr::Literal(Value::from("order"))),
    ])
}

fn order() -> Value {
    Value::parse(
        r#"{"orderId": 7, "customer": {"name": "Ada", "mail": "ada@example.com"}, "tags": ["a", "b"]}"#,
    )
    .expect("JSON")
}

/// A definition of a hundred states in the newer FDL: tasks, choices and passes in turns.
fn hundred_states() -> String {
    let mut text = String::from("Type: StateMachine\nSpecVersion: v1\nName: hundred\nStartAt: S0\nStates:\n");
    for number in 0..100 {
        let (name, next) = (format!("S{number}"), number + 1);
        let to = if next < 100 { format!("    Next: S{next}\n") } else { "    End: true\n".to_owned() };
        let state = match number % 3 {
            1 if next < 99 => format!(
                "  - Type: Choice\n    Name: {name}\n    Branches:\n      - Condition: $Input.total > {number}\n        Next: S{next}\n    Default: S{}\n",
                next + 1
            ),
            2 => format!(
                "  - Type: Pass\n    Name: {name}\n    OutputConstructor:\n      total.$: $Input.total\n      list.$: $Input.items\n{to}"
            ),
            _ => format!(
                "  - Type: Task\n    Name: {name}\n    Action: HTTP:Request\n    Parameters:\n      url: http://service/{number}\n      body.$: $Input\n    Retry:\n      - Errors: [HTTP.503]\n        MaxAttempts: 3\n        IntervalSeconds: 1\n        BackoffRate: 2\n    OutputConstructor:\n      total.$: $Input.total\n{to}"
            ),
        };
        let _ = write!(text, "{state}");
    }
    text
}

/// The same kind of definition in Amazon States Language.
fn hundred_states_of_asl() -> String {
    let states = (0..100).map(|number| {
        let next = number + 1;
        let to = if next < 100 { format!(r#""Next":"S{next}""#) } else { r#""End":true"#.to_owned() };
        let state = match number % 3 {
            1 if next < 99 => format!(
                r#"{{"Type":"Choice","Choices":[{{"Variable":"$.total","NumericGreaterThan":{number},"Next":"S{next}"}}],"Default":"S{}"}}"#,
                next + 1
            ),
            2 => format!(r#"{{"Type":"Pass","Parameters":{{"total.$":"$.total","list.$":"$.items[*].id"}},{to}}}"#),
            _ => format!(
                r#"{{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{{"FunctionName":"f{number}","Payload.$":"$"}},"Retry":[{{"ErrorEquals":["States.TaskFailed"],"MaxAttempts":3,"IntervalSeconds":1,"BackoffRate":2}}],"ResultPath":"$.result",{to}}}"#
            ),
        };
        format!("\"S{number}\": {state}")
    });
    format!("{{\"StartAt\": \"S0\", \"States\": {{\n{}\n}}}}", states.collect::<Vec<_>>().join(",\n"))
}

/// From the text to a program, and the part of it that is ours: from the document that was read.
fn compiling(criterion: &mut Criterion) {
    for (name, text) in [("fdl", hundred_states()), ("asl", hundred_states_of_asl())] {
        let compiled = dialect::compile(&text, None);
        assert!(compiled.program.is_some(), "{name}: {:?}", compiled.diagnostics.first());
        let mut group = criterion.benchmark_group(format!("compile-100-states-{name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("text", |bench| bench.iter(|| dialect::compile(&text, None)));
        let document = source::parse(&text).expect("a document");
        group.bench_function("document", |bench| bench.iter(|| dialect::compile_document(&document, None)));
        group.finish();
    }
}

/// Time of one transition: that of a run of so many, divided.
fn transitions(criterion: &mut Criterion) {
    const COUNT: u64 = 1_000;
    let mut group = criterion.benchmark_group("transition");
    group.throughput(Throughput::Elements(COUNT));
    for (name, output) in [("pass", None), ("constructor", Some(constructor()))] {
        // The first ones have a constructor too, so that every input is that of the constructor.
        let states = |_: &mut Builder| {
            let output =
                |_| output.as_ref().map(|_| Expr::Merge(vec![Expr::Root(Root::Input), constructor()]));
            (0..COUNT).map(|number| pass(&format!("State {number}"), output(number))).collect()
        };
        let program = program(states);
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || fresh(order()),
                |run| take(&program, run, Event::Start),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn elements(of: impl Fn(usize) -> Value) -> Value {
    (0..ITEMS).map(of).collect()
}

fn each(body: State, is_isolated: bool) -> Program {
    program(|builder| {
        let body = sequence(builder, vec![body]);
        let map = Map { is_isolated, ..Map::over(Expr::Root(Root::Input), body) };
        vec![State::new("Each", Kind::Map(Box::new(map)))]
    })
}

fn task() -> State {
    State::new(
        "Call",
        Kind::Task {
            resource: "HTTP:Request".into(),
            arguments: None,
            completion: Completion::Response,
            timeout: None,
            heartbeat: None,
        },
    )
}

fn maps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("map-10000");
    let input = elements(Value::from);
    for (name, is_isolated) in [("pass", false), ("pass-isolated", true)] {
        let program = each(pass("Pass", None), is_isolated);
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || fresh(input.clone()),
                |run| take(&program, run, Event::Start),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// A run in the middle of a Map of ten thousand tasks.
fn halfway(program: &Program) -> (Run, usize) {
    let input = elements(|number| Value::Object([("order", Value::from(number))].into_iter().collect()));
    let mut run = take(program, fresh(input), Event::Start).run;
    for number in 0..ITEMS / 2 {
        run = take(program, run, answer(number)).run;
    }
    (run, ITEMS / 2)
}

fn answer(number: usize) -> Event {
    let id = TaskId::from(&*format!("Each/{number}/Call@1"));
    let result = Value::Object([("charged", Value::from(number))].into_iter().collect());
    Event::Task { id, report: Report::Succeeded(result) }
}

fn tasks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("map-10000-of-tasks");
    let program = each(task(), false);
    let (run, next) = halfway(&program);
    // One result after another, as the controller takes them in; the run is moved, never copied.
    group.bench_function("result", |bench| {
        bench.iter_custom(|count| {
            let (mut taken, mut spent) = (0, Duration::ZERO);
            while taken < count {
                let mut moving = run.clone();
                let many = usize::try_from(count - taken).unwrap_or(ITEMS).min(ITEMS / 4);
                let events: Vec<_> = (next..next + many).map(answer).collect();
                let begun = Instant::now();
                for event in events {
                    moving = take(&program, moving, event).run;
                }
                spent += begun.elapsed();
                taken += many as u64;
            }
            spent
        });
    });
    group.bench_function("tick", |bench| {
        let mut run = Some(run.clone());
        bench.iter(|| {
            if let Some(moving) = run.take() {
                run = Some(take(&program, moving, Event::Tick).run);
            }
        });
    });
    group.bench_function("outstanding", |bench| bench.iter(|| run.outstanding(&program)));
    group.bench_function("next-wake", |bench| bench.iter(|| run.next_wake(&program)));
    group.bench_function("active", |bench| bench.iter(|| run.active(&program)));
    let stored = snapshot::encode(&run);
    group.throughput(Throughput::Bytes(stored.len() as u64));
    group.bench_function("encode", |bench| bench.iter(|| snapshot::encode(&run)));
    group.bench_function("decode", |bench| bench.iter(|| snapshot::decode(&stored, &program)));
    group.finish();
}

/// A state's data, for expressions by themselves.
struct Data(Value);

impl Scope for Data {
    fn get(&self, root: &Root) -> Option<Value> {
        (*root == Root::Input).then(|| self.0.clone())
    }

    fn draw(&self) -> [u8; 16] {
        [7; 16]
    }
}

fn queries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jsonata");
    let text = r#"{"a": 1, "name": "Ann", "items": [{"id": 1, "tags": ["x"]}, {"id": 2, "tags": ["y"]}]}"#;
    let data = Data(Value::parse(text).expect("a text of this file"));
    for (name, text) in [
        ("sum", "$states.input.a + 1"),
        ("filter", "$states.input.items[id > 1].tags"),
        ("text", "'Hello ' & $states.input.name"),
        ("uuid", "$uuid()"),
        ("recursion", "($f := function($n) { $n = 0 ? 0 : $f($n - 1) }; $f(1000))"),
    ] {
        let states = Expr::Record(vec![(Str::from("input"), Expr::Root(Root::Input))]);
        let expression = Expression::parse(text, states, "Output", Expected::Any).expect(text);
        group.bench_function(name, |bench| bench.iter(|| expression.eval(&data)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = compiling, transitions, maps, tasks, queries
}
criterion_main!(benches);
