//! `millrace history`: all that has happened to a run.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::history::{Record, RecordKind};

use super::apart::Older;
use super::connection::Target;
use super::execution::View;
use super::format::{self, Document};
use super::terminal::{COLUMNS, count, harmless, tell, width, wrap, write_report, write_result};
use super::timeline::next_attempt;
use super::{completion, name};

/// Columns that a text keeps, however wide the numbers before it are.
const TEXT_COLUMNS_MIN: usize = 30;

/// Show all that has happened to an execution, event by event.
///
/// Times are UTC. Names of states are paths: Each/3/Charge#2 is the second visit of Charge in iteration 3
/// of Each. What no longer fits into the execution is read from where it is kept.
///
/// Exit status: 0 shown, 2 the request cannot be carried out.
///
/// Example: millrace history order-7k2xp --reverse --limit 20
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the execution
    #[arg(value_name = "NAME", value_parser = name::parse_execution, add = completion::executions())]
    name: String,
    /// The newest event first
    #[arg(long)]
    reverse: bool,
    /// Only the first so many events; with --reverse the newest
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Document,
    #[command(flatten)]
    pub(super) target: Target,
}

/// A history, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct History<'a> {
    name: &'a str,
    namespace: &'a str,
    uid: &'a str,
    flow: &'a str,
    phase: &'a str,
    /// Events that are no longer kept.
    lost_events: u64,
    events: Vec<Event<'a>>,
}

/// An event, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    number: u64,
    time: Timestamp,
    #[serde(rename = "type")]
    kind: RecordKind,
    #[serde(skip_serializing_if = "str::is_empty")]
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    /// What the run was accepted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawValue>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(history(args))
}

async fn history(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(&args.name);
    let view = View::read(&connection.execution(&key).await?);
    let mut view = view.map_err(|why| format!("execution {key} cannot be read: {why}"))?;
    Older::default().fill(&connection, &mut view).await;
    let records = view.records().map_err(|why| format!("the history of {key} cannot be read: {why}"))?;
    let lost = lost(&records);
    let mut shown: Vec<&Record> = records.iter().collect();
    if args.reverse {
        shown.reverse();
    }
    shown.truncate(args.limit.map_or(usize::MAX, |limit| limit as usize));
    match args.output {
        Document::Text if records.is_empty() => {
            tell(format_args!(
                "nothing has happened to `{}` yet: it is {}",
                key.name,
                harmless(&view.status.phase)
            ));
        }
        Document::Text => write_report(&text(&shown))?,
        Document::Json => write_result(&format::json(&json(&view, &shown, lost)?))?,
        Document::Yaml => write_result(&format::yaml(&json(&view, &shown, lost)?))?,
    }
    Ok(0)
}

/// Events between the kept ones: the first is kept for ever, and of the others the last.
fn lost(records: &[Record]) -> u64 {
    let steps = records.iter().zip(records.iter().skip(1));
    steps.map(|(one, next)| next.i.saturating_sub(one.i).saturating_sub(1)).sum()
}

fn json(view: &View, records: &[&Record], lost_events: u64) -> Result<String, String> {
    let raw = |record: &Record| {
        record.d.as_ref().and_then(|input| RawValue::from_string(input.text().to_owned()).ok())
    };
    let inputs: Vec<_> = records.iter().map(|record| raw(record)).collect();
    let events = records.iter().zip(&inputs).map(|(record, input)| event(record, input.as_deref()));
    let history = History {
        name: &view.key.name,
        namespace: &view.key.namespace,
        uid: &view.uid,
        flow: &view.flow,
        phase: &view.status.phase,
        lost_events,
        events: events.collect(),
    };
    serde_json::to_string(&history).map_err(|error| format!("a bug in millrace: {error}"))
}

fn event<'a>(record: &'a Record, input: Option<&'a RawValue>) -> Event<'a> {
    let word = record.w.as_deref();
    let is_state = record.k == RecordKind::StateEntered;
    let is_stop = matches!(record.k, RecordKind::StopRequested | RecordKind::ExecutionStopped);
    Event {
        number: record.i,
        time: record.at(),
        kind: record.k,
        state: &record.p,
        state_type: word.filter(|_| is_state),
        resource: word.filter(|_| !is_state && !is_stop),
        mode: word.filter(|_| is_stop),
        attempt: record.n,
        not_before: not_before(record),
        error: record.e.as_deref(),
        cause: record.c.as_deref(),
        input,
    }
}

fn not_before(record: &Record) -> Option<Timestamp> {
    record.b.and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

/// Lines of events, each day under its date.
fn text(records: &[&Record]) -> String {
    let bold = Style::new().bold();
    let number = records.iter().map(|record| record.i).max().unwrap_or_default().to_string().len();
    let mut out = String::new();
    let mut day = String::new();
    let mut before: Option<u64> = None;
    for record in records {
        let gap = before.map_or(0, |before| before.abs_diff(record.i).saturating_sub(1));
        if gap > 0 {
            out.push_str(&format!("{:number$}  {} no longer kept\n", "…", count(gap, "event")));
        }
        before = Some(record.i);
        let date = record.at().strftime("%Y-%m-%d").to_string();
        if date != day {
            out.push_str(&format!("{bold}{date}{bold:#}\n"));
            day = date;
        }
        out.push_str(&line(record, number));
    }
    out
}

fn line(record: &Record, number: usize) -> String {
    let (kind, style) = (word(record.k), style(record.k));
    let time = record.at().strftime("%H:%M:%S%.3f");
    let head = format!("{:>number$}  {time}  {kind:<18}  ", record.i);
    let margin = width(&head);
    let columns = COLUMNS.saturating_sub(margin).max(TEXT_COLUMNS_MIN);
    let details = details(record);
    let text = match (&*record.p, &*details) {
        (state, "") => state.to_owned(),
        ("", details) => details.to_owned(),
        (state, details) => format!("{state}: {details}"),
    };
    let lines = wrap(&harmless(&text), columns).join(&format!("\n{}", " ".repeat(margin)));
    let head = head.replacen(&kind, &format!("{style}{kind}{style:#}"), 1);
    format!("{}\n", format!("{head}{lines}").trim_end())
}

/// What else there is to say of it.
fn details(record: &Record) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(record.w.clone());
    let pause = not_before(record).map(|at| at.duration_since(record.at()));
    match (record.k, record.n) {
        (RecordKind::RetryScheduled, _) => {
            let pause = pause.map(super::timeline::seconds);
            parts.push(pause.map_or_else(|| "again".to_owned(), |pause| format!("again in {pause}")));
        }
        (_, Some(attempt)) if attempt > 1 || pause.is_some() => {
            parts.push(next_attempt(attempt.into(), pause))
        }
        (_, _) => {}
    }
    let failure = [record.e.as_deref(), record.c.as_deref()];
    let failure: Vec<_> = failure.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    if !failure.is_empty() {
        parts.push(failure.join(": "));
    }
    parts.join(", ")
}

/// The word of an event, as it is stored.
fn word(kind: RecordKind) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn style(kind: RecordKind) -> Style {
    match kind {
        RecordKind::TaskSucceeded | RecordKind::ExecutionSucceeded => AnsiColor::Green.on_default(),
        RecordKind::TaskFailed
        | RecordKind::StateFailed
        | RecordKind::ExecutionFailed
        | RecordKind::ExecutionTimedOut => AnsiColor::BrightRed.on_default(),
        RecordKind::RetryScheduled
        | RecordKind::ErrorCaught
        | RecordKind::ExecutionSuspended
        | RecordKind::StopRequested
        | RecordKind::ExecutionStopped => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        serde_json::from_str(text).unwrap()
    }

    fn records() -> Vec<Record> {
        [
            r#"{"i": 1, "t": 1763800000000, "k": "ExecutionStarted", "d": {"a": 1}}"#,
            r#"{"i": 8, "t": 1763800001000, "p": "Ask", "k": "TaskScheduled", "w": "HTTP:Request", "n": 2, "b": 1763800002500}"#,
            r#"{"i": 9, "t": 1763900003007, "p": "Ask", "k": "TaskFailed", "n": 2, "e": "E\u001b", "c": "c"}"#,
        ]
        .map(record)
        .into()
    }

    #[test]
    fn each_event_has_a_line_and_each_day_a_date() {
        let records = records();
        let shown: Vec<_> = records.iter().collect();
        let text = anstream::adapter::strip_str(&text(&shown)).to_string();
        let expected = "2025-11-22\n\
            1  08:26:40.000  ExecutionStarted\n\
            …  6 events no longer kept\n\
            8  08:26:41.000  TaskScheduled       Ask: HTTP:Request, attempt 2 in 1.5s\n\
            2025-11-23\n\
            9  12:13:23.007  TaskFailed          Ask: attempt 2, E␛: c\n";
        assert_eq!(text, expected);
        assert_eq!(lost(&records), 6);
    }
}
