//! Definitions, inputs and answers, with what must come of them: `conformance/<dialect>/*.yaml`.
//! A case needs no Rust. Time is virtual and answers are mocks.
//!
//! ```yaml
//! - name: what the case shows, in a sentence
//!   definition: …            # text or an object
//!   input: {}
//!   mocks: {Charge: [{output: {}}]}
//!   expect: {status: Succeeded, output: {}, error: …, cause: …, seconds: 3}
//!   output: {}                                 # in place of expect: succeeds with this output
//!   error: E                                   # in place of expect: fails with this error
//!   trace: [Charge, "Charge failed E", …]      # paths of the states in the order they are entered
//!   calls: [{resource: …, arguments: …}]       # what tasks were asked to do, in order; a member that is not given is free
//!   problems: [{code: E010, line: 3, underlined: "Nowhere"}]   # instead of expect
//!   valid: false                               # instead of expect: whether it has no problem that is an error
//! ```
//!
//! In an expected output, `"<any>"` stands for any value. A run must come of a definition without problems, warnings too, but for `warned: true`.
//!
//! A case can stand for many that differ in one place of the definition:
//!
//! ```yaml
//! - name: …
//!   definition: {StartAt: X, States: {X: {Type: Pass, End: true}}}
//!   at: [States, X]                            # names of members, numbers of elements
//!   variants:
//!     - {put: {Result: 1}, output: 1}          # members of the case, in place of its own
//!   valid: [{Result: 1}]                       # what is put there makes a valid definition
//!   invalid: [{Next: X}, {End: "<absent>"}]    # … or one that is not
//! ```
//!
//! The members of an object that is put where an object stands are laid over it, `"<absent>"` takes one away;
//! anything else that is put takes the place.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use millrace::diagnostic::Diagnostic;
use millrace::dialect::{self, Compiled};
use millrace::engine::{
    Command, Event, Execution, HistoryEvent, HistoryKind, Outcome, Run, TaskCommand, TokenKey, step,
};
use millrace::ir::Program;
use millrace::mock::Mocks;
use millrace::source::{self, Node};
use millrace::value::{Object, Str, Value};

/// Every case of the folder of one dialect. All that fail are reported together.
fn check_dialect(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conformance").join(name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut count, mut failures) = (0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let cases =
            source::parse(&text).unwrap_or_else(|error| panic!("{}: {error:?}", file.display())).to_value();
        let file = file.file_name().unwrap().to_string_lossy();
        for (name, case) in cases.as_array().unwrap().iter().flat_map(single_cases) {
            count += 1;
            if let Err(message) = case.and_then(|case| check(&case)) {
                failures.push(format!("{file}: {name}\n    {message}"));
            }
        }
    }
    assert!(count > 0, "no cases in {}", folder.display());
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn fdl_conforms() {
    check_dialect("fdl");
}

#[test]
fn legacy_conforms() {
    check_dialect("legacy");
}
#[test]
fn asl_conforms() {
    check_dialect("asl");
}

/// The cases that one entry of a file stands for, with their names.
fn single_cases(entry: &Value) -> Vec<(String, Result<Value, String>)> {
    let entry = entry.as_object().expect("a case is an object");
    let name = entry.get("name").and_then(Value::as_str).expect("a case has a name");
    let listed =
        |key: &str| entry.get(key).and_then(Value::as_array).into_iter().flat_map(|list| list.iter());
    let put = |put: &Value, valid: bool| object([("put", put.clone()), ("valid", Value::from(valid))]);
    let variants: Vec<Value> = listed("variants")
        .cloned()
        .chain(listed("valid").map(|value| put(value, true)))
        .chain(listed("invalid").map(|value| put(value, false)))
        .collect();
    if variants.is_empty() {
        return vec![(name.to_owned(), Ok(Value::Object(entry.clone())))];
    }
    let own = |key: &str| !matches!(key, "variants" | "at" | "valid" | "invalid");
    let base: Object =
        entry.iter().filter(|(key, _)| own(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let at: Vec<Value> = listed("at").cloned().collect();
    let single = |variant: &Value| {
        let changes = variant.as_object().ok_or("a variant is an object")?;
        let mut case = base.clone();
        for (key, value) in changes.iter().filter(|(key, _)| &***key != "put") {
            case = case.with(key.clone(), value.clone());
        }
        if let Some(put) = changes.get("put") {
            let definition = case.get("definition").ok_or("no definition")?;
            case = case.with("definition", put_at(definition, &at, put)?);
        }
        Ok(Value::Object(case))
    };
    let named = |variant: &Value| (format!("{name}: {}", variant.excerpt(200)), single(variant));
    variants.iter().map(named).collect()
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (Str::from(key), value)).collect())
}

/// A document with `put` at a place in it.
fn put_at(document: &Value, at: &[Value], put: &Value) -> Result<Value, String> {
    let Some((first, rest)) = at.split_first() else {
        let (Value::Object(there), Value::Object(over)) = (document, put) else { return Ok(put.clone()) };
        let laid = there.merged(over);
        let is_left = |(_, value): &(&Str, &Value)| value.as_str() != Some("<absent>");
        let laid = laid.iter().filter(is_left).map(|(key, value)| (key.clone(), value.clone())).collect();
        return Ok(Value::Object(laid));
    };
    match (document, first) {
        (Value::Object(members), Value::String(key)) => {
            let inner = members.get(key).cloned().unwrap_or_default();
            Ok(Value::Object(members.with(key.clone(), put_at(&inner, rest, put)?)))
        }
        (Value::Array(elements), Value::Number(_)) => {
            let at = first.as_i64().and_then(|at| usize::try_from(at).ok()).filter(|at| *at < elements.len());
            let at = at.ok_or_else(|| format!("no element {first}"))?;
            let change = |(number, element): (usize, &Value)| {
                if number == at { put_at(element, rest, put) } else { Ok(element.clone()) }
            };
            Ok(Value::Array(
                elements
                    .iter()
                    .enumerate()
                    .map(change)
                    .collect::<Result<Vec<_>, String>>()?
                    .into_iter()
                    .collect(),
            ))
        }
        _ => Err(format!("there is no {first} in {}", document.excerpt(100))),
    }
}

const KEYS: &[&str] = &[
    "name",
    "definition",
    "input",
    "mocks",
    "expect",
    "output",
    "error",
    "trace",
    "calls",
    "problems",
    "valid",
    "warned",
];

fn check(case: &Value) -> Result<(), String> {
    if let Some((key, _)) = case.as_object().unwrap().iter().find(|(key, _)| !KEYS.contains(&&***key)) {
        return Err(format!("a case has no `{key}`"));
    }
    let definition = case.get("definition").ok_or("no definition")?;
    let text = definition.as_str();
    let compiled = match text {
        Some(text) => dialect::compile(text, None),
        None => dialect::compile_document(&Node::from(definition), None),
    };
    if let Some(problems) = case.get("problems") {
        return check_problems(text.unwrap_or_default(), &compiled, problems);
    }
    match case.get("valid") {
        Some(valid) => check_verdict(&compiled, valid),
        None => check_run(case, compiled),
    }
}

fn check_verdict(compiled: &Compiled, valid: &Value) -> Result<(), String> {
    let problems: Vec<_> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    let is_valid = compiled.program.is_some();
    match (valid.as_bool().ok_or("valid is true or false")?, is_valid) {
        (true, false) => Err(format!("is valid, but\n    {}", problems.join("\n    "))),
        (false, true) => Err("is not valid, but no error was found".to_owned()),
        (true, true) | (false, false) => Ok(()),
    }
}

fn check_problems(text: &str, compiled: &Compiled, expected: &Value) -> Result<(), String> {
    let found: Vec<_> = compiled
        .diagnostics
        .iter()
        .map(|problem| {
            let underlined = problem.span.map(|span| &text[span.start as usize..span.end as usize]);
            (problem.code.as_str(), problem.span.map(|span| i64::from(span.line)), underlined, problem)
        })
        .collect();
    let shown = || found.iter().map(|(.., problem)| problem.to_string()).collect::<Vec<_>>().join("\n    ");
    let expected = expected.as_array().ok_or("problems is a list")?;
    if found.len() != expected.len() {
        return Err(format!(
            "{} problems where {} were expected:\n    {}",
            found.len(),
            expected.len(),
            shown()
        ));
    }
    for ((code, line, underlined, problem), expected) in found.iter().zip(expected.iter()) {
        let text_of = |key: &str| expected.get(key).and_then(Value::as_str);
        let is_met = text_of("code") == Some(code)
            && expected.get("line").is_none_or(|wanted| wanted.as_i64() == *line)
            && expected.get("column").is_none_or(|wanted| wanted.as_i64() == column(problem))
            && text_of("underlined").is_none_or(|wanted| Some(wanted) == *underlined)
            && text_of("message").is_none_or(|wanted| problem.message.contains(wanted))
            && text_of("path").is_none_or(|wanted| problem.path == wanted)
            && text_of("help")
                .is_none_or(|wanted| problem.help.as_ref().is_some_and(|help| help.contains(wanted)));
        if !is_met {
            return Err(format!("expected {expected}, found {underlined:?} in\n    {}", shown()));
        }
    }
    let has_errors = millrace::diagnostic::has_errors(&compiled.diagnostics);
    if compiled.program.is_some() == has_errors {
        return Err("there is a program exactly where no problem is an error".to_owned());
    }
    Ok(())
}

fn column(problem: &Diagnostic) -> Option<i64> {
    problem.span.map(|span| i64::from(span.column))
}

fn check_run(case: &Value, compiled: Compiled) -> Result<(), String> {
    let problems = compiled.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>();
    let is_warned = case.get("warned").is_some();
    if is_warned == problems.is_empty() {
        return Err(format!(
            "warnings were{} expected: {}",
            if is_warned { "" } else { " not" },
            problems.join("\n    ")
        ));
    }
    let program = compiled.program.ok_or_else(|| problems.join("\n    "))?;
    let mocks =
        case.get("mocks").map_or_else(|| Ok(Mocks::default()), Mocks::new).map_err(|e| e.to_string())?;
    let input = case.get("input").cloned().unwrap_or_else(|| Value::parse("{}").unwrap());
    let Ended { run, history, calls, seconds } = run(&program, input, mocks)?;
    let outcome = outcome(&run, seconds);
    let expected = expected_of(case)?;
    let expected = expected.as_object().ok_or("expect is an object")?;
    for (key, expected) in expected.iter() {
        let found = outcome.get(key);
        let is_met = match (&**key, found) {
            ("cause", Some(Value::String(found))) => {
                expected.as_str().is_some_and(|part| found.contains(part))
            }
            (_, found) => found.is_some_and(|found| meets(found, expected)),
        };
        if !is_met {
            return Err(format!(
                "{key}: expected {expected}, found {}",
                Value::Object(outcome.as_object().unwrap().clone())
            ));
        }
    }
    if expected.get("error").is_none() && outcome.get("error").is_some() {
        return Err(format!("an error that was not expected: {outcome}"));
    }
    if let Some(expected) = case.get("trace") {
        let found: Value = history.iter().filter_map(trace_line).map(Value::from).collect();
        if found != *expected {
            return Err(format!("trace: expected {expected}\n           found {found}"));
        }
    }
    match case.get("calls") {
        Some(expected) => check_calls(&calls, expected),
        None => Ok(()),
    }
}

/// What must come of a run, also where it is said in short.
fn expected_of(case: &Value) -> Result<Value, String> {
    match (case.get("expect"), case.get("output"), case.get("error")) {
        (Some(expect), None, None) => Ok(expect.clone()),
        (None, Some(output), None) => {
            Ok(object([("status", "Succeeded".into()), ("output", output.clone())]))
        }
        (None, None, Some(error)) => Ok(object([("status", "Failed".into()), ("error", error.clone())])),
        _ => Err("a case has one of expect, output, error, problems, valid".to_owned()),
    }
}

fn check_calls(calls: &[TaskCommand], expected: &Value) -> Result<(), String> {
    let found: Vec<Value> = calls
        .iter()
        .map(|call| {
            object([
                ("resource", Value::String(call.resource.clone())),
                ("arguments", call.arguments.clone()),
            ])
        })
        .collect();
    let expected: Vec<&Value> = expected.as_array().ok_or("calls is a list")?.iter().collect();
    let is_met = |(found, expected): (&Value, &&Value)| {
        expected.as_object().is_some_and(|expected| {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| meets(found, value)))
        })
    };
    if found.len() == expected.len() && found.iter().zip(&expected).all(is_met) {
        return Ok(());
    }
    let shown = |calls: &[Value]| calls.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n    ");
    Err(format!("calls: expected {expected:?}, found\n    {}", shown(&found)))
}

/// Whether a value is what was expected, `"<any>"` at any depth being free.
fn meets(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (_, Value::String(text)) if &**text == "<any>" => true,
        (Value::Object(found), Value::Object(expected)) => {
            found.len() == expected.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| meets(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected.iter()).all(|(found, expected)| meets(found, expected))
        }
        (found, expected) => found == expected,
    }
}

fn outcome(run: &Run, seconds: i64) -> Value {
    let members = match run.outcome().expect("the run has ended") {
        Outcome::Succeeded(output) => vec![("status", Value::from("Succeeded")), ("output", output.clone())],
        Outcome::Failed(failure) => vec![
            ("status", Value::from("Failed")),
            ("error", failure.name.clone().map_or(Value::Null, Value::String)),
            ("cause", failure.cause.clone().map_or(Value::Null, Value::String)),
        ],
        Outcome::TimedOut => vec![("status", Value::from("TimedOut"))],
        Outcome::Stopped(_) => vec![("status", Value::from("Stopped"))],
    };
    Value::Object(members.into_iter().chain([("seconds", Value::from(seconds))]).collect())
}

fn trace_line(event: &HistoryEvent) -> Option<String> {
    match &event.kind {
        HistoryKind::StateEntered { .. } => Some(event.path.to_string()),
        HistoryKind::TaskFailed { failure, .. } => {
            Some(format!("{} failed {}", event.path, failure.name.as_deref().unwrap_or("-")))
        }
        HistoryKind::ErrorCaught { .. } => Some(format!("{} caught", event.path)),
        _ => None,
    }
}

/// A run that has ended.
struct Ended {
    run: Run,
    history: Vec<HistoryEvent>,
    calls: Vec<TaskCommand>,
    seconds: i64,
}

/// Runs a program with mocks while time passes at once.
fn run(program: &Program, input: Value, mut mocks: Mocks) -> Result<Ended, String> {
    let started_at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let key = TokenKey::new([0; 32]);
    let mut run = Run::new(Execution {
        id: "00000000-0000-0000-0000-000000000001".into(),
        name: "case".into(),
        flow: "flow".into(),
        service_account: Some("runner".into()),
        input,
        started_at,
        timeout_seconds: None,
        task_timeout_seconds: None,
        attributes: BTreeMap::new(),
    });
    let (mut now, mut event, mut history) = (started_at, Event::Start, Vec::new());
    let (mut tasks, mut calls): (VecDeque<TaskCommand>, Vec<TaskCommand>) = (VecDeque::new(), Vec::new());
    for _ in 0..100_000 {
        let step = step(program, run, now, event, &key).map_err(|fault| fault.to_string())?;
        run = step.run;
        history.extend(step.history);
        for command in step.commands {
            match command {
                Command::Start(task) => {
                    calls.push(task.clone());
                    tasks.push_back(task);
                }
                Command::Cancel { id, .. } => tasks.retain(|task| task.id != id),
            }
        }
        if run.outcome().is_some() {
            let seconds = now.as_second() - started_at.as_second();
            return Ok(Ended { run, history, calls, seconds });
        }
        // Answers come at once, in the order of the questions; a retry when its time has come.
        let ready = tasks.iter().position(|task| task.not_before.is_none_or(|at| at <= now));
        let answer = ready.and_then(|ready| tasks.remove(ready)).and_then(|task| {
            let report = mocks.answer(&task)?;
            Some(Event::Task { id: task.id, report })
        });
        event = answer.unwrap_or_else(|| {
            let waits = tasks.iter().filter_map(|task| task.not_before).filter(|at| *at > now);
            let wake = waits.chain(run.next_wake(program)).min();
            now = now.max(wake.unwrap_or(now));
            Event::Tick
        });
    }
    Err("the run does not end".to_owned())
}
