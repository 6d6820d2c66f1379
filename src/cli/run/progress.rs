//! What a person is told while a run goes on: a line for each state that is entered and left, for
//! each failure and each retry, indented by nesting.
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
use jiff::{SignedDuration, Timestamp};

use crate::engine::{ActiveState, Activity, Failure, HistoryEvent, HistoryKind};

use super::super::terminal::{COLUMNS, harmless, tell, wrap};

/// Columns before the indented part of a line.
const MARGIN: usize = 20;

/// Columns by which the later lines of a long text stand further in.
const HANG: usize = 2;

/// Columns that a text keeps, however deep its line is indented.
const TEXT_COLUMNS_MIN: usize = 30;

/// Most of a cause that is told on the way, in characters.
const CAUSE_CHARS_MAX: usize = 400;

/// Tells of one run.
#[derive(Debug)]
pub(super) struct Progress {
    started_at: Timestamp,
    is_quiet: bool,
    /// The error that was told in full last: it is only named as it passes outwards.
    told: Option<Failure>,
}

/// What happened to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Start,
    Waits,
    Done,
    Failed,
    Retry,
    Caught,
}

/// A line before it is laid out.
#[derive(Debug)]
struct Line {
    after: SignedDuration,
    verb: Verb,
    depth: usize,
    subject: String,
    detail: String,
}

impl Progress {
    pub(super) fn new(started_at: Timestamp, is_quiet: bool) -> Self {
        Self { started_at, is_quiet, told: None }
    }

    /// Tells what came of an event. `active` are the states that are being visited after it.
    pub(super) fn tell(&mut self, history: &[HistoryEvent], active: &[ActiveState]) {
        if self.is_quiet {
            return;
        }
        for line in self.lines(history, active) {
            tell(line.render());
        }
    }

    fn lines(&mut self, history: &[HistoryEvent], active: &[ActiveState]) -> Vec<Line> {
        let mut lines = Vec::with_capacity(history.len());
        let mut rest = history;
        while let Some((event, behind)) = rest.split_first() {
            let next = behind.first().filter(|next| next.path == event.path);
            let next_kind = next.map(|next| &next.kind);
            let state = active.iter().find(|state| state.path == event.path);
            let told = self.describe(event, next_kind, state);
            rest = match behind.split_first() {
                Some((_, behind)) if is_told_with(&event.kind, next_kind) => behind,
                Some(_) | None => behind,
            };
            let Some((verb, detail)) = told else { continue };
            let (depth, subject) = label(&event.path);
            lines.push(Line {
                after: event.at.duration_since(self.started_at),
                verb,
                depth,
                subject,
                detail,
            });
        }
        lines
    }

    /// What to tell of an event, in view of the one after it and of where the state stands now.
    fn describe(
        &mut self,
        event: &HistoryEvent,
        next: Option<&HistoryKind>,
        state: Option<&ActiveState>,
    ) -> Option<(Verb, String)> {
        let within = |until: Option<Timestamp>| until.map(|until| until.duration_since(event.at));
        Some(match &event.kind {
            HistoryKind::StateEntered { state: kind, .. } => match next {
                Some(HistoryKind::StateExited { .. }) => (Verb::Done, (*kind).to_owned()),
                Some(HistoryKind::TaskScheduled { resource, .. }) => {
                    (Verb::Start, format!("{kind} {resource}"))
                }
                Some(_) | None => {
                    let timer = state.filter(|state| state.activity == Activity::Timer);
                    let until = within(timer.and_then(|state| state.deadline));
                    let until = until.map_or_else(String::new, |left| format!(" {}", seconds(left)));
                    (Verb::Start, format!("{kind}{until}"))
                }
            },
            HistoryKind::StateExited { .. } => (Verb::Done, String::new()),
            HistoryKind::TaskScheduled { attempt, not_before, .. } => {
                (Verb::Retry, next_attempt(u64::from(*attempt), within(*not_before)))
            }
            HistoryKind::TaskAccepted => {
                let left = within(state.and_then(|state| state.deadline));
                let left = left.map_or_else(String::new, |left| format!(", at most {}", seconds(left)));
                (Verb::Waits, format!("for its callback{left}"))
            }
            HistoryKind::TaskFailed { attempt, failure } => {
                let attempt = if *attempt > 1 { format!("attempt {attempt}: ") } else { String::new() };
                (Verb::Failed, attempt + &self.explain(failure))
            }
            HistoryKind::RetryScheduled { at, .. } => {
                let attempt = state.map_or(2, |state| u64::from(state.attempt));
                (Verb::Retry, next_attempt(attempt, within(Some(*at))))
            }
            HistoryKind::ErrorCaught { failure } => (Verb::Caught, self.explain(failure)),
            HistoryKind::StateFailed { failure } => (Verb::Failed, self.explain(failure)),
            HistoryKind::TaskSucceeded { .. }
            | HistoryKind::StopRequested { .. }
            | HistoryKind::ExecutionStarted { .. }
            | HistoryKind::ExecutionSucceeded { .. }
            | HistoryKind::ExecutionFailed { .. }
            | HistoryKind::ExecutionTimedOut
            | HistoryKind::ExecutionStopped { .. } => return None,
        })
    }

    /// An error with its cause, or only its name where the cause was told with the line before.
    fn explain(&mut self, failure: &Failure) -> String {
        let is_told = self.told.as_ref() == Some(failure);
        self.told = Some(failure.clone());
        let cause = failure.cause.as_ref().filter(|_| !is_told || failure.name.is_none());
        let cause = cause.map(|cause| cause.chars().take(CAUSE_CHARS_MAX).collect::<String>());
        let parts: Vec<_> = failure.name.as_deref().map(ToOwned::to_owned).into_iter().chain(cause).collect();
        parts.join(": ")
    }
}

/// Whether an event is part of the line of the one before it.
fn is_told_with(kind: &HistoryKind, next: Option<&HistoryKind>) -> bool {
    match (kind, next) {
        (HistoryKind::StateEntered { .. }, Some(next)) => {
            matches!(next, HistoryKind::StateExited { .. } | HistoryKind::TaskScheduled { .. })
        }
        (HistoryKind::ErrorCaught { .. }, Some(next)) => matches!(next, HistoryKind::StateExited { .. }),
        (HistoryKind::TaskFailed { .. }, Some(next)) => matches!(next, HistoryKind::StateFailed { .. }),
        (_, _) => false,
    }
}

fn next_attempt(attempt: u64, delay: Option<SignedDuration>) -> String {
    match delay.filter(SignedDuration::is_positive) {
        Some(delay) => format!("attempt {attempt} in {}", seconds(delay)),
        None => format!("attempt {attempt}"),
    }
}

/// `300s`, `1.5s`.
fn seconds(duration: SignedDuration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// How deep a state is nested, and what to call it there: its name behind the numbers of the branches
/// and iterations around it, such as `3/Charge` for `Each/3/Charge`.
fn label(path: &str) -> (usize, String) {
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
    fn render(&self) -> String {
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
