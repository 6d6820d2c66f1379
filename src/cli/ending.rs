//! How a run ended badly, for a person.

use anstyle::{AnsiColor, Style};

use super::execution::View;
use super::terminal::{COLUMNS, harmless, wrap};

/// `Failed: Shop.Closed`, and the cause below it.
pub(super) fn to_text(status: &str, error: Option<&str>, cause: Option<&str>) -> String {
    let (style, strong) = (AnsiColor::BrightRed.on_default().bold(), Style::new().bold());
    let mut text = format!("{style}{}{style:#}", harmless(status));
    if let Some(error) = error {
        text.push_str(&format!(": {strong}{}{strong:#}", harmless(error)));
    }
    if let Some(cause) = cause {
        // A cause may be laid out: its lines stay.
        for line in cause.lines().flat_map(|line| wrap(&harmless(line), COLUMNS - 2)) {
            text.push_str(&format!("\n  {line}"));
        }
    }
    text
}

/// How a run in a cluster ended badly, with at most so many characters of its cause.
pub(super) fn of_run(view: &View, cause_chars_max: Option<usize>) -> String {
    let status = &view.status;
    let cut = |text: &str| text.chars().take(cause_chars_max.unwrap_or(usize::MAX)).collect::<String>();
    // What a refusal is for stands in its conditions, and so does whether a stop was gentle.
    let conditions = ["Accepted", "Succeeded"].into_iter().filter_map(|type_| view.condition(type_));
    let condition = conditions.into_iter().find(|condition| condition.status == "False");
    let (error, cause) = match (&status.error, &status.cause, condition) {
        (None, None, Some(condition)) => (Some(&*condition.reason), Some(&*condition.message)),
        (error, cause, _) => (error.as_deref(), cause.as_deref()),
    };
    to_text(&status.phase, error.filter(|error| *error != status.phase), cause.map(cut).as_deref())
}
