//! Error names in Retry and Catch of both generations (fdl.md §5.1): they are compared as they are
//! written.

use crate::diagnostic::Code;
use crate::ir::{ErrorKind, Pattern};

use super::super::reader::{Problems, Text};
use super::limits::ERRORS;

/// Matches every error.
const ANY_ERROR: &str = "FnF.ALL";

/// Names of Amazon States Language, and what is meant by them here.
const FOREIGN: &[(&str, &str)] = &[("States.ALL", ANY_ERROR), ("States.Timeout", "FnF.TaskTimeout")];

pub(in crate::dialect) fn patterns(errors: &[Text]) -> Vec<Pattern> {
    errors
        .iter()
        .map(|error| match &*error.value {
            ANY_ERROR => Pattern::Any,
            _ => Pattern::Named(error.value.clone()),
        })
        .collect()
}

/// Notes rules behind one that matches everything, which are never used, and names that no error has.
pub(in crate::dialect) fn check<'t>(rules: impl Iterator<Item = &'t Vec<Text>>, problems: &Problems) {
    let mut is_caught = false;
    for errors in rules {
        if let (true, Some(first)) = (is_caught, errors.first()) {
            let message = format!("the rule is never used: one before it matches `{ANY_ERROR}`");
            let problem = first.problem(Code::ShadowedPattern, message);
            problems.push(problem.with_help("rules are tried in order, put it first"));
        }
        is_caught |= errors.iter().any(|error| &*error.value == ANY_ERROR);
        for error in errors {
            if let Some(help) = meant(&error.value) {
                let message = format!("no error has the name `{}`", error.value);
                let problem = error.problem(Code::UnknownError, message);
                problems.push(problem.with_help(help));
            }
        }
    }
}

/// What to do about a name that no error can have; nothing for names that some error may well have.
fn meant(name: &str) -> Option<String> {
    if let Some((_, own)) = FOREIGN.iter().find(|(foreign, _)| foreign.eq_ignore_ascii_case(name)) {
        return Some(format!("did you mean `{own}`?"));
    }
    if name.contains('*') {
        return Some(format!("names are compared as they are written, `{ANY_ERROR}` matches every error"));
    }
    let engine = ErrorKind::ALL.iter().map(|kind| ERRORS.name(*kind));
    let mut known = engine.filter(|own| own.is_catchable).filter_map(|own| own.name).chain([ANY_ERROR]);
    let own = known.find(|own| own.eq_ignore_ascii_case(name)).filter(|own| *own != name)?;
    Some(format!("did you mean `{own}`?"))
}
