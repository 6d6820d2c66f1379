//! What is done about errors, as it is written: Retry, Catch, and OnErrors that they came after
//! (fdl.md §9).

use crate::diagnostic::Code;

use super::super::reader::{Field, Fields, Problems, Text, items_of};
use super::limits::RETRY_SECONDS_MAX;
use super::syntax::read_description;

#[derive(Debug)]
pub(super) struct Retry {
    pub(super) errors: Vec<Text>,
    pub(super) max_attempts: u32,
    pub(super) interval_seconds: u64,
    pub(super) backoff_rate: f64,
    pub(super) max_backoff_seconds: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Catch<'n> {
    pub(super) errors: Vec<Text>,
    pub(super) next: Option<Text>,
    pub(super) output: Option<Field<'n>>,
}

/// A rule of OnErrors.
#[derive(Debug)]
pub(super) enum OnError<'n> {
    Retry(Retry),
    Catch(Catch<'n>),
}

/// Delay of a rule of OnErrors that names none, in seconds: that of the older language.
const FIXED_BACKOFF_SECONDS: u64 = 1;

impl Retry {
    pub(super) fn read(field: &Field<'_>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        read_description(&mut fields, problems);
        let errors = read_errors(&mut fields, problems);
        let max_attempts = read_attempts(&mut fields, problems);
        let seconds = 0..=RETRY_SECONDS_MAX;
        let interval = fields.required("IntervalSeconds", problems);
        let interval_seconds = interval.and_then(|field| field.integer(seconds.clone(), problems));
        let rate = fields.optional("BackoffRate");
        let cap = fields.optional("MaxBackoffSeconds");
        let rule = Self {
            errors,
            max_attempts,
            interval_seconds: interval_seconds.unwrap_or_default(),
            // Without a rate the interval stays the same (§9).
            backoff_rate: rate.and_then(|field| field.factor(problems)).unwrap_or(1.0),
            max_backoff_seconds: cap.and_then(|field| field.integer(seconds, problems)),
        };
        fields.finish("a Retry rule", problems);
        Some(rule)
    }

    /// `Retry` of a rule of OnErrors.
    fn read_inner(field: &Field<'_>, errors: Vec<Text>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        let max_attempts = read_attempts(&mut fields, problems);
        let backoff = fields.optional("FixedBackoff");
        let backoff = backoff.and_then(|field| field.integer(0..=RETRY_SECONDS_MAX, problems));
        let rate = fields.optional("Multiplier");
        let rule = Self {
            errors,
            max_attempts,
            interval_seconds: backoff.unwrap_or(FIXED_BACKOFF_SECONDS),
            backoff_rate: rate.and_then(|field| field.factor(problems)).unwrap_or(1.0),
            max_backoff_seconds: Some(RETRY_SECONDS_MAX),
        };
        fields.finish("the Retry of an OnErrors rule", problems);
        Some(rule)
    }
}

impl<'n> Catch<'n> {
    pub(super) fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        read_description(&mut fields, problems);
        let errors = read_errors(&mut fields, problems);
        let next = fields.required("Next", problems).and_then(|field| field.name(problems));
        let output = fields.optional("OutputConstructor");
        fields.finish("a Catch rule", problems);
        Some(Self { errors, next, output })
    }
}

impl<'n> OnError<'n> {
    pub(super) fn read(field: &Field<'n>, problems: &Problems) -> Option<Self> {
        let mut fields = field.fields(problems)?;
        read_description(&mut fields, problems);
        let errors = read_errors(&mut fields, problems);
        let (retry, next) = (fields.optional("Retry"), fields.optional("Next"));
        let output = fields.optional("OutputConstructor");
        let rule = match (retry, next) {
            // `Next` has priority where both are given (§9).
            (_, Some(next)) => Some(Self::Catch(Catch { errors, next: next.name(problems), output })),
            (Some(retry), None) => Retry::read_inner(&retry, errors, problems).map(Self::Retry),
            (None, None) => {
                let problem = fields.problem(Code::MissingField, "the rule has neither `Next` nor `Retry`");
                problems.push(problem.with_help("say where the error leads, or how it is tried again"));
                None
            }
        };
        fields.finish("an OnErrors rule", problems);
        rule
    }

    pub(super) fn errors(&self) -> &Vec<Text> {
        match self {
            Self::Retry(rule) => &rule.errors,
            Self::Catch(rule) => &rule.errors,
        }
    }
}

fn read_attempts(fields: &mut Fields<'_>, problems: &Problems) -> u32 {
    let attempts = fields.required("MaxAttempts", problems);
    let attempts = attempts.and_then(|field| field.integer(0..=u64::from(u32::MAX), problems));
    u32::try_from(attempts.unwrap_or_default()).unwrap_or(u32::MAX)
}

fn read_errors(fields: &mut Fields<'_>, problems: &Problems) -> Vec<Text> {
    let items = items_of(fields.required("Errors", problems), "error name", problems);
    items.iter().filter_map(|item| item.name(problems)).collect()
}
