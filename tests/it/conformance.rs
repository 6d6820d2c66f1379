//! Definitions, inputs and answers, with what must come of them: `conformance/<dialect>/*.yaml`.
//! A case needs no Rust. Time is virtual and answers are mocks.
//!
//! ```yaml
//! - name: what the case shows, in a sentence
//!   definition: …            # text or an object
//!   input: {}
//!   mocks: {Charge: [{output: {}}]}
//!   expect: {status: Succeeded, output: {}, error: …, cause: …, seconds: 3}
//!   trace: [Charge, "Charge failed E", …]      # paths of the states in the order they are entered
//!   problems: [{code: E010, line: 3, underlined: "Nowhere"}]   # instead of expect
//! ```

use std::collections::VecDeque;
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
use millrace::value::Value;

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
        for case in cases.as_array().unwrap().iter() {
            count += 1;
            let name = case.get("name").and_then(Value::as_str).expect("a case has a name");
            if let Err(message) = check(case) {
                let file = file.file_name().unwrap().to_string_lossy();
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

const KEYS: &[&str] = &["name", "definition", "input", "mocks", "expect", "trace", "problems"];

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
    match case.get("problems") {
        Some(problems) => check_problems(text.unwrap_or_default(), &compiled, problems),
        None => check_run(case, compiled),
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
    let program = compiled.program.filter(|_| problems.is_empty()).ok_or_else(|| problems.join("\n    "))?;
    let mocks =
        case.get("mocks").map_or_else(|| Ok(Mocks::default()), Mocks::new).map_err(|e| e.to_string())?;
    let input = case.get("input").cloned().unwrap_or_else(|| Value::parse("{}").unwrap());
    let (run, history, seconds) = run(&program, input, mocks)?;
    let outcome = outcome(&run, seconds);
    let expected = case.get("expect").ok_or("no expect")?.as_object().ok_or("expect is an object")?;
    for (key, expected) in expected.iter() {
        let found = outcome.get(key);
        let is_met = match (&**key, found) {
            ("cause", Some(Value::String(found))) => {
                expected.as_str().is_some_and(|part| found.contains(part))
            }
            (_, found) => found == Some(expected),
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
    Ok(())
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

/// Runs a program with mocks while time passes at once.
fn run(program: &Program, input: Value, mut mocks: Mocks) -> Result<(Run, Vec<HistoryEvent>, i64), String> {
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
    });
    let (mut now, mut event, mut history) = (started_at, Event::Start, Vec::new());
    let mut tasks: VecDeque<TaskCommand> = VecDeque::new();
    for _ in 0..100_000 {
        let step = step(program, run, now, event, &key).map_err(|fault| fault.to_string())?;
        run = step.run;
        history.extend(step.history);
        for command in step.commands {
            match command {
                Command::Start(task) => tasks.push_back(task),
                Command::Cancel { id, .. } => tasks.retain(|task| task.id != id),
            }
        }
        if run.outcome().is_some() {
            return Ok((run, history, now.as_second() - started_at.as_second()));
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
