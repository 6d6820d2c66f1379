//! Retry and Catch (asl.md §10).

use crate::diagnostic::Code;
use crate::ir::Jitter;

use super::super::super::reader::{Field, Fields, Problems, Text};
use super::super::limits::{
    BACKOFF_RATE_DEFAULT, INTERVAL_SECONDS_DEFAULT, MAX_ATTEMPTS_DEFAULT, MAX_ATTEMPTS_MAX,
    RETRY_DELAY_SECONDS_MAX, SECONDS_MAX,
};
use super::field::{items_of, number, whole_number};
use super::{Language, Reading};

#[derive(Debug)]
pub(in super::super) struct Retrier {
    pub(in super::super) errors: Vec<Text>,
    pub(in super::super) interval_seconds: u64,
    pub(in super::super) max_attempts: u32,
    pub(in super::super) backoff_rate: f64,
    pub(in super::super) max_delay_seconds: Option<u64>,
    pub(in super::super) jitter: Jitter,
}

#[derive(Debug)]
pub(in super::super) struct Catcher<'n> {
    pub(in super::super) errors: Vec<Text>,
    pub(in super::super) next: Option<Text>,
    pub(in super::super) result_path: Option<Field<'n>>,
    pub(in super::super) output: Option<Field<'n>>,
    pub(in super::super) assign: Option<Field<'n>>,
}

impl Retrier {
    pub(super) fn read(field: &Field<'_>, reading: Reading<'_>) -> Option<Self> {
        let problems = reading.problems;
        let mut fields = field.fields(problems)?;
        reading.comment(&mut fields);
        let errors = read_errors(&mut fields, problems);
        let mut whole = |name, bounds| whole_number(&fields.given(name)?, bounds, problems);
        let interval = whole("IntervalSeconds", 1..=SECONDS_MAX);
        let attempts = whole("MaxAttempts", 0..=MAX_ATTEMPTS_MAX);
        let max_delay_seconds = whole("MaxDelaySeconds", 1..=RETRY_DELAY_SECONDS_MAX);
        let rate = fields.given("BackoffRate").and_then(|rate| number(&rate, 1.0..=f64::MAX, problems));
        let jitter = fields.given("JitterStrategy").and_then(|field| reading.word(&field, &["NONE", "FULL"]));
        reading.finish(fields, "a Retry rule");
        Some(Self {
            errors,
            interval_seconds: interval.unwrap_or(INTERVAL_SECONDS_DEFAULT),
            max_attempts: attempts
                .map_or(MAX_ATTEMPTS_DEFAULT, |attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
            backoff_rate: rate.unwrap_or(BACKOFF_RATE_DEFAULT),
            max_delay_seconds,
            jitter: if jitter == Some("FULL") { Jitter::Full } else { Jitter::None },
        })
    }
}

impl<'n> Catcher<'n> {
    pub(super) fn read(field: &Field<'n>, reading: Reading<'_>) -> Option<Self> {
        let problems = reading.problems;
        let mut fields = field.fields(problems)?;
        reading.comment(&mut fields);
        let errors = read_errors(&mut fields, problems);
        let next = fields.needed("Next", problems).and_then(|field| field.text(problems));
        let (result_path, output) = match reading.language {
            Language::JsonPath => (fields.given("ResultPath"), None),
            Language::Jsonata => (None, fields.given("Output")),
        };
        let assign = fields.given("Assign");
        reading.finish(fields, "a Catch rule");
        Some(Self { errors, next, result_path, output, assign })
    }
}

fn read_errors(fields: &mut Fields<'_>, problems: &Problems) -> Vec<Text> {
    let items = items_of(fields.needed("ErrorEquals", problems), "error name", problems);
    items.iter().filter_map(|item| item.text(problems)).collect()
}

/// Notes where `States.ALL` does not stand alone, or not in the last rule (§10).
pub(in super::super) fn check_catch_all<'t>(
    rules: impl ExactSizeIterator<Item = &'t Vec<Text>>,
    any: &str,
    problems: &Problems,
) {
    let last = rules.len().saturating_sub(1);
    for (number, errors) in rules.enumerate() {
        let Some(all) = errors.iter().find(|error| &*error.value == any) else { continue };
        let message = if errors.len() > 1 {
            format!("`{any}` must stand alone in its list")
        } else if number < last {
            format!("the rule with `{any}` must be the last one")
        } else {
            continue;
        };
        let field = all.problem(Code::InvalidValue, message);
        problems.push(field.with_help("it matches every error that can be caught"));
    }
}
