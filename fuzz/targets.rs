//! What is tried with random input, for `cargo fuzz` (fuzz/fuzz_targets) and for the property tests
//! (tests/it/fuzzing.rs) alike. Each of these takes whatever it is given and panics only where something
//! is wrong with Millrace.

use std::collections::BTreeMap;

use jiff::Timestamp;

use millrace::diagnostic::{Diagnostic, has_errors};
use millrace::dialect::{Dialect, compile};
use millrace::engine::{
    Command, Event, Execution, Report, Run, TaskCommand, TaskError, TokenKey, snapshot, step,
};
use millrace::expr::{Dataset, Delimiter, Expr, Header, Layout, Missing, Root, Scope};
use millrace::expr::{fdl, intrinsic, jsonata, jsonpath};
use millrace::ir::Program;
use millrace::value::Value;

/// Events that a program is given at most.
const EVENTS_MAX: usize = 200;

/// A definition, compiled and run for a while.
pub fn definition(text: &str, forced: Option<Dialect>) {
    let compiled = compile(text, forced);
    assert_eq!(compiled.program.is_none(), has_errors(&compiled.diagnostics), "{:?}", compiled.diagnostics);
    for problem in &compiled.diagnostics {
        check_problem(problem, text);
    }
    let again = compile(text, forced);
    assert_eq!(again.diagnostics, compiled.diagnostics);
    if let Some(program) = compiled.program {
        run(&program);
    }
}

fn check_problem(problem: &Diagnostic, text: &str) {
    assert!(!problem.message.is_empty(), "{problem:?}");
    let Some(span) = problem.span else { return };
    let (start, end) = (span.start as usize, span.end as usize);
    assert!(start <= end && end <= text.len(), "{problem:?} in {} bytes", text.len());
    assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{problem:?}");
    assert!(span.line >= 1 && span.column >= 1, "{problem:?}");
    assert!(span.line as usize <= text.split(['\n', '\r']).count(), "{problem:?}");
}

fn execution() -> Execution {
    Execution {
        id: "00000000-0000-0000-0000-000000000001".into(),
        name: "run".into(),
        flow: "flow".into(),
        service_account: Some("runner".into()),
        input: sample(),
        started_at: Timestamp::UNIX_EPOCH,
        timeout_seconds: None,
        task_timeout_seconds: None,
        attributes: BTreeMap::new(),
    }
}

/// An input in which many a path leads somewhere.
pub fn sample() -> Value {
    let text = r#"{"a": {"b": [1, -2.5, "x", null, true, {"c": "é"}], "a": "text"}, "b": [[1, 2], [3]], "list": [1, 2, 3],
        "names": ["x", "y"], "n": 7, "s": "2026-01-01T00:00:00Z", "x y": {}, "": [], "0": "zero", "csv": "a,b\n1,2\n"}"#;
    Value::parse(text).unwrap_or_default()
}

/// Runs a program; every other task fails. What is stored of it on the way is what was there.
fn run(program: &Program) {
    let key = TokenKey::new([0; 32]);
    let mut run = Run::new(execution());
    let (mut now, mut event) = (Timestamp::UNIX_EPOCH, Event::Start);
    let mut tasks: Vec<TaskCommand> = Vec::new();
    for number in 0..EVENTS_MAX {
        let moved = step(program, run, now, event, &key).expect("a program that was compiled has no faults");
        for command in moved.commands {
            match command {
                Command::Start(task) => tasks.push(task),
                Command::Cancel { id, .. } => tasks.retain(|task| task.id != id),
            }
        }
        let stored = snapshot::encode(&moved.run);
        let decoded = snapshot::decode(&stored, program).expect("what was stored can be read");
        assert_eq!(decoded, moved.run);
        run = moved.run;
        if run.outcome().is_some() {
            return;
        }
        let ready = tasks.iter().position(|task| task.not_before.is_none_or(|at| at <= now));
        event = match ready.map(|ready| tasks.swap_remove(ready)) {
            Some(task) if number % 2 == 0 => Event::Task { id: task.id, report: Report::Succeeded(sample()) },
            Some(task) => {
                let error = TaskError::named("E", "why");
                Event::Task { id: task.id, report: Report::Failed(error) }
            }
            None => {
                let waits = tasks.iter().filter_map(|task| task.not_before);
                let wake = waits.chain(run.next_wake(program)).min();
                now = now.max(wake.unwrap_or(Timestamp::MAX));
                Event::Tick
            }
        };
    }
}

/// Everything that an expression can ask for.
struct Everything;

impl Scope for Everything {
    fn get(&self, root: &Root) -> Option<Value> {
        match root {
            Root::ItemIndex => Some(Value::from(1_u32)),
            Root::Variable(name) if name.len() > 3 => None,
            _ => Some(sample()),
        }
    }

    fn draw(&self) -> [u8; 16] {
        [7; 16]
    }
}

fn evaluate(expr: &Expr) {
    if let Err(error) = expr.eval(&Everything) {
        assert!(!error.message.is_empty());
    }
    let _ = expr.holds(&Everything);
}

fn check_offset(text: &str, offset: usize, message: &str) {
    assert!(offset <= text.len() && text.is_char_boundary(offset), "{offset} in {text:?}: {message}");
    assert!(!message.is_empty());
}

/// An expression of either FDL.
pub fn fdl_expression(text: &str) {
    const KNOWN: &[(&str, Layout)] = &[
        ("", Layout::Leaf(Root::Input)),
        ("Input", Layout::Leaf(Root::Input)),
        (
            "Context",
            Layout::Group(&[("Execution", Layout::Group(&[("Name", Layout::Leaf(Root::ExecutionName))]))]),
        ),
    ];
    for missing in [Missing::Null, Missing::Undefined, Missing::Error] {
        match fdl::parse(text, fdl::Variables { known: KNOWN, missing }) {
            Ok(expr) => evaluate(&expr),
            Err(error) => check_offset(text, error.offset, &error.message),
        }
    }
}

/// A path in Jayway's dialect.
pub fn path(text: &str) {
    match jsonpath::Path::parse(text) {
        Ok((head, path)) => {
            let again = jsonpath::Path::parse(path.text()).expect("a path is one when it is read again");
            assert_eq!((&again.0, again.1.is_definite()), (&head, path.is_definite()));
            for missing in [Missing::Null, Missing::Undefined, Missing::Error] {
                let found = path.select(Some(&sample()), missing);
                let is_list = matches!(found, Ok(Some(Value::Array(_))));
                assert!(path.is_definite() || is_list || found.is_err(), "{text:?} finds {found:?}");
                let _ = path.select(None, missing);
            }
        }
        Err(error) => check_offset(text, error.offset, &error.message),
    }
}

/// A call of an intrinsic function.
pub fn call(text: &str) {
    let path = |text: &str| match jsonpath::Path::parse(text) {
        Ok((_, path)) => Ok(Expr::Query {
            from: Box::new(Expr::Root(Root::Input)),
            path: path.into(),
            missing: Missing::Null,
        }),
        Err(jsonpath::SyntaxError { offset, message }) => Err(intrinsic::SyntaxError { offset, message }),
    };
    match intrinsic::parse(text, &path) {
        Ok(expr) => evaluate(&expr),
        Err(error) => check_offset(text, error.offset, &error.message),
    }
}

/// A `JSONata` expression.
pub fn query(text: &str) {
    let expected = jsonata::Expected::Any;
    match jsonata::Expression::parse(text, Expr::Root(Root::Input), "Output", expected) {
        Ok(expression) => {
            if let Err(error) = expression.eval(&Everything) {
                assert!(!error.message.is_empty());
            }
        }
        Err(error) => check_offset(text, error.offset, &error.message),
    }
}

/// The text of a file that a Map runs over.
pub fn dataset(text: &str) {
    let mut formats = vec![Dataset::Json { pointer: None }, Dataset::JsonLines];
    formats.push(Dataset::Json { pointer: Some("/a/b".into()) });
    let delimiters =
        [Delimiter::Comma, Delimiter::Pipe, Delimiter::Semicolon, Delimiter::Space, Delimiter::Tab];
    for delimiter in delimiters {
        let given = Header::Given(vec!["x".into(), "y".into()]);
        formats.extend([Header::FirstRow, given].map(|header| Dataset::Csv { delimiter, header }));
    }
    for format in formats {
        match format.items(&Value::from(text)) {
            Ok(items) => assert!(matches!(items, Value::Array(_) | Value::Object(_)), "{format:?}: {items}"),
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
}

/// A program whose snapshots are decoded.
const STORED: &str = "{Type: StateMachine, SpecVersion: v1, StartAt: A, States: [
  {Type: Pass, Name: A, GlobalConstructor: {g.$: $Input.n}, Next: P},
  {Type: Parallel, Name: P, Next: W, Retry: [{Errors: [E], MaxAttempts: 1, IntervalSeconds: 1}], Branches: [
    {StartAt: T, States: [{Type: Task, Name: T, Action: HTTP:Request, End: true}]},
    {StartAt: V, States: [{Type: Wait, Name: V, Seconds: 5, End: true}]}]},
  {Type: Wait, Name: W, Seconds: 7, Next: M},
  {Type: Map, Name: M, ItemsPath: $Context.Execution.Input.list, MaxConcurrency: 2, End: true, Processor: {StartAt: U, States: [
    {Type: Task, Name: U, Action: HTTP:Request, Timeout: 9, End: true, TaskMode: WaitForCustomCallback}]}}]}";

/// A snapshot, decoded and gone on with.
pub fn stored(text: &str) {
    let Some(program) = compile(STORED, None).program else { return };
    let Ok(run) = snapshot::decode(text, &program) else { return };
    assert!(snapshot::decode(&snapshot::encode(&run), &program).is_ok(), "{text}");
    let _ =
        (run.outstanding(&program), run.active(&program), run.next_wake(&program), run.deadline(&program));
    let key = TokenKey::new([0; 32]);
    for event in [Event::Start, Event::Tick] {
        let _ = step(&program, run.clone(), Timestamp::MAX, event, &key);
    }
}

/// Snapshots that a run of that program leaves behind.
pub fn snapshots() -> Vec<String> {
    let Some(program) = compile(STORED, None).program else { return Vec::new() };
    let key = TokenKey::new([0; 32]);
    let mut run = Run::new(execution());
    let mut stored = vec![snapshot::encode(&run)];
    let mut event = Event::Start;
    for number in 0..40_i64 {
        let at = Timestamp::from_second(number * 3).unwrap_or_default();
        let Ok(moved) = step(&program, run, at, event, &key) else { break };
        run = moved.run;
        stored.push(snapshot::encode(&run));
        event = match run.outstanding(&program).into_iter().next() {
            Some(task) if number % 3 == 1 => Event::Task { id: task.id, report: Report::Accepted(sample()) },
            Some(task) if number == 2 => {
                Event::Task { id: task.id, report: Report::Failed(TaskError::named("E", "c")) }
            }
            Some(task) if number % 3 == 2 => Event::Task { id: task.id, report: Report::Succeeded(sample()) },
            Some(_) | None => Event::Tick,
        };
    }
    stored
}
