//! Definitions made to hurt: compiled or refused at once, with a message, on a small stack.
//!
//! `cargo test --release --no-default-features --test it hostile -- --nocapture --test-threads 1` prints how
//! long each of them takes.

mod texts;

use std::time::{Duration, Instant};

use millrace::diagnostic::{Code, has_errors};
use millrace::dialect::{Compiled, Dialect, compile};

use texts::{Case, Expected};

/// The stack of a thread that compiles in the controller.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Longest that any of them may take, unoptimised and on a busy machine. Optimised it is a tenth of a
/// second; what takes the square of its length takes minutes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Compiles on a small stack.
fn compiled(text: String, forced: Option<Dialect>) -> (Compiled, Duration) {
    let compiling = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let started = Instant::now();
        let compiled = compile(&text, forced);
        (compiled, started.elapsed())
    });
    compiling.unwrap().join().expect("no text makes the compiler panic")
}

fn check(case: &Case) {
    let Case { name, text, forced, expected } = case;
    let (compiled, took) = compiled(text.clone(), *forced);
    let diagnostics = &compiled.diagnostics;
    let message = diagnostics.first().map_or("", |problem| &problem.message);
    println!(
        "{:>7.1} ms  {:>7} bytes  {:>5} problems  {name}: {}",
        took.as_secs_f64() * 1e3,
        text.len(),
        diagnostics.len(),
        message.chars().take(150).collect::<String>()
    );
    assert!(took < PATIENCE, "{name} takes {took:?}");
    assert_eq!(compiled.program.is_none(), has_errors(diagnostics), "{name}: {diagnostics:?}");
    let bytes: usize = diagnostics
        .iter()
        .map(|problem| {
            problem.message.len() + problem.path.len() + problem.help.as_deref().map_or(0, str::len)
        })
        .sum();
    assert!(bytes <= 4 * text.len() + 4 * 1024 * 1024, "{name}: {bytes} bytes of diagnostics");
    let first =
        diagnostics.iter().find(|problem| problem.severity() == millrace::diagnostic::Severity::Error);
    // A language that does not run yet refuses everything.
    if diagnostics.iter().any(|problem| problem.code == Code::Unsupported) {
        return;
    }
    match expected {
        Expected::Compiles => assert!(compiled.program.is_some(), "{name}: {first:?}"),
        Expected::Refused(code, words) => {
            let found = diagnostics.iter().any(|problem| {
                problem.code == *code && (problem.message.contains(words) || problem.path.contains(words))
            });
            assert!(found, "{name}: expected {code:?} with `{words}`, the first is {first:?}");
        }
        Expected::Told => {}
    }
}

fn check_all(cases: &[Case]) {
    assert!(!cases.is_empty());
    cases.iter().for_each(check);
}

#[test]
fn texts_that_are_hard_to_read() {
    check_all(&texts::of_yaml());
}

#[test]
fn texts_with_odd_characters() {
    check_all(&texts::odd());
}

#[test]
fn large_definitions() {
    check_all(&texts::large());
}

#[test]
fn deep_definitions() {
    check_all(&texts::deep());
}

#[test]
fn definitions_that_are_wrong_all_over() {
    check_all(&texts::wrong());
}

#[test]
fn long_expressions() {
    check_all(&texts::expressions());
}
