//! A run as text: a head that says where it stands, then its states as a tree.
//!
//! ```text
//! order-7k2xp  Running for 12s
//! Flow     order (order-3), started 2026-11-21T07:06:07Z
//! Waiting  RetryBackoff: `Both/1/Fetch` is tried again at 2026-11-21T07:06:20Z
//!
//! STATE              TYPE      START  DURATION  TRIES
//! ✔ Prepare          Pass       +0ms       0ms
//! ● Both             Parallel   +0ms       12s
//! ├─ ✔ 0/Save        Pass       +0ms       0ms
//! └─ ● 1/Fetch       Task       +0ms       12s      2
//!      HTTP.503: GET http://127.0.0.1:8080/x was answered with 503
//!      tried again in 1s
//! ```

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use crate::controller::execution::status::{duration_text, instant_text};

use super::super::ending;
use super::super::execution::{Condition, View};
use super::super::list::phase_style;
use super::super::table::{Cell, Fit, Row, Table};
use super::super::terminal::{COLUMNS, harmless, width, wrap};
use super::fold::{self, Inner, Part};
use super::model::{Failure, Standing, State, Tree};
use super::stays::awaited;

/// Columns of the words before what the head says.
const MARGIN: usize = 9;

/// Columns that a text keeps, however deep it stands.
const TEXT_COLUMNS_MIN: usize = 30;

/// Most of a cause that is shown, in characters: `-o json` has all of it.
const CAUSE_CHARS_MAX: usize = 400;

/// How to look at a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Whether nothing is left out.
    pub(super) is_all: bool,
    pub(super) now: Timestamp,
}

/// The whole text with colors.
pub(super) fn to_text(view: &View, tree: &Result<Tree, String>, look: Look) -> String {
    let mut text = head(view, look.now);
    match tree {
        Err(why) => text.push_str(&said("History", &format!("cannot be read: {why}"))),
        Ok(tree) => {
            if tree.lost > 0 {
                text.push_str(&said("History", &format!("{} earlier events are no longer kept", tree.lost)));
            }
            if let Some(last) = tree.redriven.last() {
                let times = super::super::terminal::count(tree.redriven.len() as u64, "time");
                text.push_str(&said("Redriven", &format!("{times}, last at {}", instant_text(*last))));
            }
            text.push_str(&states(tree, view, look));
        }
    }
    if view.is_ended() && !view.has_succeeded() && !tree.as_ref().is_ok_and(|tree| tells_end(tree, view)) {
        text.push('\n');
        text.push_str(&ending::of_run(view, Some(CAUSE_CHARS_MAX)));
        text.push('\n');
    }
    text
}

/// Whether the error that the run ended with is shown in full at the state that failed.
fn tells_end(tree: &Tree, view: &View) -> bool {
    let failed = tree.all(&tree.top).next_back().filter(|state| state.standing == Standing::Failed);
    let failure = failed.and_then(|state| state.failures.last());
    failure
        .is_some_and(|failure| (&failure.error, &failure.cause) == (&view.status.error, &view.status.cause))
}

/// Where the run stands, and why it does not move.
fn head(view: &View, now: Timestamp) -> String {
    let status = &view.status;
    let (bold, style) = (Style::new().bold(), phase_style(view.phase()));
    let span = view.duration(now).map_or_else(String::new, |span| {
        format!(" {} {}", if view.is_ended() { "after" } else { "for" }, harmless(&span))
    });
    let name = &view.key.name;
    let mut head = format!("{bold}{name}{bold:#}  {style}{}{style:#}{span}\n", harmless(&status.phase));
    let revision = status.flow_revision.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let started = match status.start_time {
        Some(at) => format!(", started {}", instant_text(at)),
        None => format!(", created {}", instant_text(view.created_at)),
    };
    head.push_str(&said("Flow", &format!("{}{revision}{started}", view.flow)));
    let message = |condition: &Condition| format!("{}: {}", condition.reason, condition.message);
    if let Some(condition) = view.already_exists() {
        head.push_str(&said("Conflict", &message(condition)));
    }
    if view.is_ended() {
        return head;
    }
    let stalled = view.stalled().map(message);
    // Where the engine is at fault both say the same.
    let waiting =
        view.condition("InProgress").map(message).filter(|waiting| Some(waiting) != stalled.as_ref());
    for (word, text) in [("Waiting", waiting), ("Stalled", stalled)] {
        head.extend(text.map(|text| said(word, &text)));
    }
    head
}

fn said(word: &str, text: &str) -> String {
    let lines = wrap(&harmless(text), COLUMNS - MARGIN);
    format!("{word:<MARGIN$}{}\n", lines.join(&format!("\n{}", " ".repeat(MARGIN))))
}

fn states(tree: &Tree, view: &View, look: Look) -> String {
    if tree.top.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        ("STATE", Fit::Whole),
        ("TYPE", Fit::Fixed),
        ("START", Fit::Right),
        ("DURATION", Fit::Right),
        ("TRIES", Fit::Right),
    ]);
    let began = view.status.start_time.unwrap_or(view.created_at);
    let mut printer = Printer { tree, view, look, began, table: &mut table };
    printer.parts(&fold::top(tree, look.is_all), "", None);
    format!("\n{}", table.render())
}

/// Fills a table.
struct Printer<'t> {
    tree: &'t Tree,
    view: &'t View,
    look: Look,
    /// When the run began.
    began: Timestamp,
    table: &'t mut Table,
}

impl Printer<'_> {
    /// Rows for states below `outer`, or at the top. `bars` are those of the states around.
    fn parts(&mut self, parts: &Inner, bars: &str, outer: Option<&State>) {
        for (position, part) in parts.iter().enumerate() {
            let is_last = position + 1 == parts.len();
            let (joint, below) = match (outer, is_last) {
                (None, _) => ("", ""),
                (Some(_), false) => ("├─ ", "│  "),
                (Some(_), true) => ("└─ ", "   "),
            };
            let below = format!("{bars}{below}");
            match part {
                Part::Folded(text) => self.folded(text, &format!("{bars}{joint}"), &below),
                Part::Shown((scope, number)) => {
                    let Some(state) = self.tree.state(*number) else { continue };
                    let label = label(state, *scope, outer);
                    let inner = fold::inner(self.tree, state, self.look.is_all);
                    // Notes stand beside the bar that leads to what is below.
                    let bar = if inner.is_empty() { "  " } else { "│ " };
                    let row = self.row(state, &format!("{bars}{joint}{label}"), &format!("{below}{bar}"));
                    self.table.push(row);
                    self.parts(&inner, &below, Some(state));
                }
            }
        }
    }

    fn folded(&mut self, text: &str, begin: &str, below: &str) {
        let lines = note(&format!("… {text}"), begin, &format!("{below}  "), Style::new().dimmed());
        self.table.push(Row { cells: Vec::new(), notes: lines });
    }

    fn row(&self, state: &State, label: &str, bars: &str) -> Row {
        let times = state.entered_at.map(|entered_at| {
            let end = match state.standing {
                Standing::Active => Some(self.look.now),
                Standing::Succeeded | Standing::Caught | Standing::Failed | Standing::Abandoned => {
                    state.left_at
                }
            };
            let span = end.map_or_else(unknown, |end| duration_text(entered_at, end));
            (format!("+{}", duration_text(self.began, entered_at)), span)
        });
        let (start, span) = times.unwrap_or_else(|| (unknown(), unknown()));
        let tries = if state.attempt > 1 { state.attempt.to_string() } else { String::new() };
        let cells = vec![
            Cell { text: label.to_owned(), style: style(state.standing) },
            Cell::from(state.kind.as_deref().map_or_else(unknown, harmless)),
            Cell::from(start),
            Cell::from(span),
            Cell::from(tries),
        ];
        Row { cells, notes: self.notes(state, bars) }
    }

    /// What there is to say of a state beside its times.
    fn notes(&self, state: &State, bars: &str) -> Vec<String> {
        let mut notes = Vec::new();
        let red = AnsiColor::BrightRed.on_default();
        let yellow = AnsiColor::Yellow.on_default();
        let last = state.failures.last();
        for failure in &state.failures {
            let is_last = last.is_some_and(|last| std::ptr::eq(last, failure));
            let text = match (state.standing, is_last) {
                (Standing::Caught, true) => format!("caught {}", text(failure)),
                (Standing::Failed | Standing::Active, true) if self.is_told_within(state, failure) => {
                    continue;
                }
                (Standing::Failed | Standing::Active, true) => text(failure),
                (_, _) if self.look.is_all => format!("attempt {}: {}", failure.attempt, text(failure)),
                (_, _) => continue,
            };
            let style = if state.standing == Standing::Failed { red } else { yellow };
            notes.extend(note(&text, bars, bars, style));
        }
        if let Some(why) = self.waiting(state) {
            notes.extend(note(&why, bars, bars, AnsiColor::Cyan.on_default()));
        }
        notes
    }

    /// Whether the error is shown already at a state within it, from where it came.
    fn is_told_within(&self, state: &State, failure: &Failure) -> bool {
        let newest = state.newest_attempt();
        let scopes = state.scopes.iter().filter(|((attempt, _), _)| *attempt == newest);
        scopes.flat_map(|(_, states)| self.tree.all(states)).any(|inner| {
            let is_same = inner.failures.last().is_some_and(|last| last.is_same(failure));
            is_same && inner.standing == Standing::Failed
        })
    }

    /// Why an active state does not move.
    fn waiting(&self, state: &State) -> Option<String> {
        if state.standing != Standing::Active {
            return None;
        }
        let now = self.look.now;
        if let Some(at) = state.next_attempt_at(now) {
            return Some(format!("tried again in {}", duration_text(now, at)));
        }
        let left = state.deadline.map(|deadline| duration_text(now, deadline));
        let resource = state.resource.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        if let Some(child) = awaited(self.view, state) {
            let left = left.map_or_else(String::new, |left| format!(", given up in {left}"));
            return Some(format!("waits for the end of Execution {child}{left}"));
        }
        match (state.kind.as_deref(), left) {
            (Some("Wait"), left) => left.map(|left| format!("waits for another {left}")),
            (_, Some(left)) if state.is_accepted => Some(format!("someone has to report within {left}")),
            (_, None) if state.is_accepted => Some("someone has to report".to_owned()),
            (Some("Task"), Some(left)) => Some(format!("{resource}given up in {left}")),
            (Some("Task"), None) => Some(format!("{resource}without a time-out of its own")),
            (_, _) => None,
        }
    }
}

/// What stands for a time or type that is not known: the event that told it is no longer kept, or there
/// never was one.
fn unknown() -> String {
    "-".to_owned()
}

/// An error as it is shown.
fn text(failure: &Failure) -> String {
    failure.text().chars().take(CAUSE_CHARS_MAX).collect()
}

/// Text over the whole width, behind bars.
fn note(text: &str, begin: &str, below: &str, style: Style) -> Vec<String> {
    let columns = COLUMNS.saturating_sub(width(below)).max(TEXT_COLUMNS_MIN);
    let lines = wrap(&harmless(text), columns).into_iter().enumerate();
    lines
        .map(|(number, line)| {
            let bars = if number == 0 { begin } else { below };
            format!("{bars}{style}{line}{style:#}")
        })
        .collect()
}

/// `● 3/Charge`, with the number of the branch or iteration, and of the visit.
fn label(state: &State, scope: Option<(u32, u32)>, outer: Option<&State>) -> String {
    let mark = match state.standing {
        Standing::Active => '●',
        Standing::Succeeded => '✔',
        Standing::Caught => '!',
        Standing::Failed => '✖',
        Standing::Abandoned => '–',
    };
    // What a Choice runs is no branch among others.
    let is_numbered = outer.is_none_or(|outer| outer.kind.as_deref() != Some("Choice"));
    let number = match (scope.filter(|_| is_numbered), outer) {
        (Some((attempt, number)), Some(outer)) if attempt < outer.newest_attempt() => {
            format!("@{attempt}/{number}/")
        }
        (Some((_, number)), _) => format!("{number}/"),
        (None, _) => String::new(),
    };
    let visit = if state.visit > 1 { format!("#{}", state.visit) } else { String::new() };
    format!("{mark} {number}{}{visit}", harmless(&state.name))
}

fn style(standing: Standing) -> Style {
    match standing {
        Standing::Active => AnsiColor::Cyan.on_default(),
        Standing::Succeeded => AnsiColor::Green.on_default(),
        Standing::Caught => AnsiColor::Yellow.on_default(),
        Standing::Failed => AnsiColor::BrightRed.on_default(),
        Standing::Abandoned => Style::new().dimmed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::history::Record;

    fn told(status: &str, records: &str) -> String {
        let view = format!(
            r#"{{"metadata": {{"name": "one"}}, "spec": {{"flowRef": {{"name": "later"}}}}, "status": {status}}}"#
        );
        let view = View::read(&view).unwrap();
        let records: Vec<Record> = serde_json::from_str(records).unwrap();
        let tree = Tree::new(&records, &view.status.active, view.is_ended());
        let text = to_text(&view, &Ok(tree), Look { is_all: false, now: Timestamp::UNIX_EPOCH });
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn what_is_told_twice_is_shown_once_and_what_was_asked_for_later_too() {
        let fault = r#""status": "True", "reason": "EngineFault", "message": "its revision is gone""#;
        let text = told(
            &format!(
                r#"{{"phase": "Running", "flowRevision": "order-3", "conditions": [
                {{"type": "InProgress", {fault}}}, {{"type": "Stalled", {fault}}},
                {{"type": "AlreadyExists", "status": "True", "reason": "ExecutionInProgress", "message": "no"}}]}}"#
            ),
            "[]",
        );
        assert_eq!(text.matches("EngineFault: its revision is gone").count(), 1, "{text}");
        assert!(text.contains("Stalled  EngineFault") && text.contains("Flow     order (order-3)"), "{text}");
        assert!(text.contains("Conflict ExecutionInProgress: no"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let records = r#"[{"i": 1, "t": 0, "p": "", "k": "ExecutionStarted"},
            {"i": 9, "t": 5, "p": "Cut", "k": "StateExited"},
            {"i": 10, "t": 5, "p": "Left", "k": "StateEntered", "w": "Wait"}]"#;
        let text = told(r#"{"phase": "Failed", "startTime": "1970-01-01T00:00:00Z"}"#, records);
        let cells = |name: &str| {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace().skip(2).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(cells("Cut"), ["-", "-", "-"], "{text}");
        assert_eq!(cells("Left"), ["Wait", "+5ms", "-"], "{text}");
    }

    #[test]
    fn a_task_that_waits_for_an_execution_asks_nobody_to_report() {
        let records = r#"[{"i": 1, "t": 0, "p": "", "k": "ExecutionStarted"},
            {"i": 2, "t": 0, "p": "Run", "k": "StateEntered", "w": "Task"},
            {"i": 3, "t": 0, "p": "Run", "k": "TaskScheduled", "w": "FNF:StartExecution"},
            {"i": 4, "t": 0, "p": "Run", "k": "TaskAccepted"}]"#;
        let told = |reason: &str, message: &str| {
            let status = format!(
                r#"{{"phase": "Running", "startTime": "1970-01-01T00:00:00Z", "active": [{{"path": "Run", "type": "Task",
                "since": "1970-01-01T00:00:00Z", "attempt": 1, "execution": "child-1"}}], "conditions": [
                {{"type": "InProgress", "status": "True", "reason": "{reason}", "message": "{message}"}}]}}"#
            );
            told(&status, records)
        };
        let text = told("WaitingForTask", "task `Run` (FNF:StartExecution, Execution `child-1`)");
        assert!(
            text.contains("waits for the end of Execution child-1") && !text.contains("report"),
            "{text}"
        );
        let text = told("WaitingForCallback", "someone has to report for `Run` (FNF:StartExecution)");
        assert!(!text.contains("waits for the end") && text.matches("someone has to report").count() == 2);
    }
}
