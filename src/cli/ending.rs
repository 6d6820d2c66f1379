//! How a run ended badly, for a person.

use anstyle::{AnsiColor, Style};

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
