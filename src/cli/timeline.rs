//! Lines that tell how a run goes on: what happened to which state after how long, indented by
//! nesting.
//!
//! ```text
//!     0.000s  done    Prepare: Pass
//!     0.000s  start   Both: Parallel
//!     0.000s  start     0/Fetch: Task HTTP:Request
//!     0.012s  failed    0/Fetch: HTTP.503: GET http://127.0.0.1:8080/x was
//!                         answered with 503 Service Unavailable
//!     0.012s  retry     0/Fetch: attempt 2 in 2s
//! ```

use anstyle::{AnsiColor, Style};
use jiff::SignedDuration;

use super::terminal::{COLUMNS, harmless, wrap};

/// Columns before the indented part of a line.
const MARGIN: usize = 20;

/// Columns by which the later lines of a long text stand further in.
const HANG: usize = 2;

/// Columns that a text keeps, however deep its line is indented.
const TEXT_COLUMNS_MIN: usize = 30;

/// What happened to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Waits,
    Done,
    Failed,
    Retry,
    Caught,
}

/// A line before it is laid out.
#[derive(Debug)]
pub(super) struct Line {
    /// Since the start of the run.
    pub(super) after: SignedDuration,
    pub(super) verb: Verb,
    /// How deep the state is nested.
    pub(super) depth: usize,
    /// The state.
    pub(super) subject: String,
    /// The rest, from wherever.
    pub(super) detail: String,
}

/// `attempt 2 in 2s`.
pub(super) fn next_attempt(attempt: u64, delay: Option<SignedDuration>) -> String {
    match delay.filter(SignedDuration::is_positive) {
        Some(delay) => format!("attempt {attempt} in {}", seconds(delay)),
        None => format!("attempt {attempt}"),
    }
}

/// `300s`, `1.5s`.
pub(super) fn seconds(duration: SignedDuration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// How deep a state is nested, and what to call it there: its name behind the numbers of the branches
/// and iterations around it, such as `3/Charge` for `Each/3/Charge`.
pub(super) fn label(path: &str) -> (usize, String) {
    let segments: Vec<_> = path.split('/').collect();
    let numbers: String = segments.iter().skip(1).step_by(2).map(|number| format!("{number}/")).collect();
    let name = segments.last().copied().unwrap_or_default();
    // As `TaskId::state_name` reads it, with the number of the visit.
    let name = name.replace("%2F", "/").replace("%23", "#").replace("%40", "@").replace("%25", "%");
    (segments.len() / 2, harmless(&format!("{numbers}{name}")))
}

impl Verb {
    fn style(self) -> (&'static str, Style) {
        let colored = |color: AnsiColor| color.on_default();
        match self {
            Self::Start => ("start", Style::new()),
            Self::Waits => ("waits", Style::new()),
            Self::Done => ("done", colored(AnsiColor::Green)),
            Self::Failed => ("failed", colored(AnsiColor::BrightRed)),
            Self::Retry => ("retry", colored(AnsiColor::Yellow)),
            Self::Caught => ("caught", colored(AnsiColor::Yellow)),
        }
    }
}

impl Line {
    /// The line laid out, with colors.
    pub(super) fn render(&self) -> String {
        let (verb, style) = self.verb.style();
        let time = format!("{}.{:03}s", self.after.as_secs(), self.after.subsec_millis());
        let indent = " ".repeat(self.depth * 2);
        let text = match &*self.detail {
            "" => self.subject.clone(),
            detail => format!("{}: {}", self.subject, harmless(detail)),
        };
        let columns = COLUMNS.saturating_sub(MARGIN + indent.len() + HANG).max(TEXT_COLUMNS_MIN);
        let text = wrap(&text, columns).join(&format!("\n{}", " ".repeat(MARGIN + indent.len() + HANG)));
        format!("{time:>10}  {style}{verb:<6}{style:#}  {indent}{text}")
    }
}
