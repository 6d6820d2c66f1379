//! Where states lead, as far as languages say it alike.

use crate::diagnostic::{Code, Diagnostic};

use super::reader::{Field, Fields, Problems, Text};

/// Notes a state that says neither or both of where it leads and that it is an end.
pub(super) fn check_next_or_end(
    next: Option<&Field<'_>>,
    is_end: bool,
    fields: &Fields<'_>,
    problems: &Problems,
) {
    match (next, is_end) {
        (Some(next), true) => problems.push(
            next.problem(Code::NextOrEnd, "the state has both `Next` and `End: true`")
                .with_help("remove one of them"),
        ),
        (None, false) => problems.push(
            fields
                .problem(Code::NextOrEnd, "the state has neither `Next` nor `End: true`")
                .with_help("say where it leads, or that it is the end"),
        ),
        (Some(_), false) | (None, true) => {}
    }
}

/// That there is no state of this name in `place`, with the one that was probably meant.
pub(super) fn missing_target<'k>(
    name: &Text,
    place: &str,
    known: impl Iterator<Item = &'k str>,
    problems: &Problems,
) -> Diagnostic {
    let problem = name.problem(Code::MissingTarget, format!("there is no state `{}` in {place}", name.value));
    match problems.closest(&name.value, known) {
        Some(close) => problem.with_help(format!("did you mean `{close}`?")),
        None => problem,
    }
}
