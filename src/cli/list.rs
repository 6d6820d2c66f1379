//! `millrace list`: the runs of a namespace or of a cluster.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use crate::api::{Execution, Phase};
use crate::cluster::object::Stored;
use crate::controller::execution::status::duration_text;

use super::connection::{Connection, Target};
use super::execution::View;
use super::format::{Format, ListPrinter, resource_name};
use super::page::{self, Selection};
use super::table::{Cell, Fit, Row, Table};
use super::terminal::{Reader, harmless, offer_result, tell, write_report, write_result};

/// Objects that a page holds. With the largest objects there are, an answer still comes in time.
const PAGE_SIZE: u32 = 200;

/// List executions with where they stand and why they do not move.
///
/// REASON is why an execution is not moving and the state it is in, or the error it ended with.
///
/// Exit status: 0 shown, 2 the request cannot be carried out.
///
/// Example: millrace list --flow order --phase Failed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only runs of this flow
    #[arg(long, value_name = "FLOW", value_parser = super::name::parse)]
    flow: Option<String>,
    /// Only runs in this phase
    #[arg(long, value_name = "PHASE", ignore_case = true, value_parser = phases())]
    phase: Option<Phase>,
    /// In all namespaces, whatever --namespace says
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

fn phases() -> impl TypedValueParser<Value = Phase> {
    PossibleValuesParser::new(Phase::ALL.iter().map(|phase| phase.as_str())).map(|word| {
        let named = Phase::ALL.iter().copied().find(|phase| phase.as_str().eq_ignore_ascii_case(&word));
        named.unwrap_or_default()
    })
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(list(args))
}

async fn list(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let fields: Vec<String> = [
        args.flow.as_ref().map(|flow| format!("spec.flowRef.name={flow}")),
        args.phase.as_ref().map(|phase| format!("status.phase={}", phase.as_str())),
    ]
    .into_iter()
    .flatten()
    .collect();
    let fields = fields.join(",");
    let namespace = (!args.all_namespaces).then_some(&*connection.namespace);
    let selection = Selection { namespace, fields: &fields, limit: PAGE_SIZE };
    match args.output {
        Format::Text => show(&connection, &selection).await?,
        Format::Json => print(&connection, &selection, false).await?,
        Format::Yaml => print(&connection, &selection, true).await?,
        Format::Name => print_names(&connection, &selection).await?,
    }
    Ok(0)
}

/// A table of all pages: its columns are as wide as all of it needs.
async fn show(connection: &Connection, selection: &Selection<'_>) -> Result<(), String> {
    let now = Timestamp::now();
    let mut columns = vec![
        ("NAME", Fit::Whole),
        ("FLOW", Fit::Cut),
        ("PHASE", Fit::Fixed),
        ("REASON", Fit::Cut),
        ("DURATION", Fit::Right),
        ("AGE", Fit::Right),
    ];
    if selection.namespace.is_none() {
        columns.insert(0, ("NAMESPACE", Fit::Whole));
    }
    let mut table = Table::new(columns);
    let mut is_empty = true;
    let mut after = None;
    loop {
        let page = page::fetch::<Execution>(connection, selection, after).await?;
        for item in &page.items {
            is_empty = false;
            let mut cells = cells(item, now);
            if selection.namespace.is_some() {
                cells.remove(0);
            }
            table.push(Row { cells, notes: Vec::new() });
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if is_empty {
        let such = if selection.fields.is_empty() { "" } else { "such " };
        let place = selection
            .namespace
            .map_or_else(|| "in the cluster".to_owned(), |namespace| format!("in namespace `{namespace}`"));
        tell(format_args!("there are no {such}executions {place}"));
        return Ok(());
    }
    write_report(&table.render())
}

/// Namespace, name, flow, phase, reason, duration, age.
fn cells(item: &RawValue, now: Timestamp) -> Vec<Cell> {
    let stored: Stored<Execution> = match serde_json::from_str(item.get()) {
        Ok(stored) => stored,
        Err(_) => return vec![Cell::default(), Cell::from("?".to_owned()), Cell::default(), unreadable()],
    };
    let key = stored.key();
    let age = Cell::from(age(stored.created_at(), now));
    let view = match View::of(&stored) {
        Ok(view) => view,
        Err(why) => {
            let why = Cell::from(harmless(&why));
            let (namespace, name) = (Cell::from(key.namespace), Cell::from(key.name));
            return vec![namespace, name, Cell::default(), unreadable(), why, Cell::default(), age];
        }
    };
    vec![
        Cell::from(key.namespace),
        Cell::from(key.name),
        Cell::from(harmless(&view.flow)),
        Cell { text: harmless(&view.status.phase), style: phase_style(view.phase()) },
        Cell::from(reason(&view)),
        Cell::from(view.duration(now).map(|text| harmless(&text)).unwrap_or_default()),
        age,
    ]
}

/// As kubectl shows it: creation times have no fractions.
fn age(created_at: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(created_at);
    match age < SignedDuration::from_secs(10) {
        true => format!("{}s", age.as_secs().max(0)),
        false => duration_text(created_at, now),
    }
}

fn unreadable() -> Cell {
    Cell { text: "unreadable".to_owned(), style: AnsiColor::BrightRed.on_default() }
}

/// Why it is not moving and where it is.
pub(super) fn reason(view: &View) -> String {
    let state = match view.active() {
        Some((first, 0)) => format!(" {}", first.path),
        Some((first, more)) => format!(" {} +{more}", first.path),
        None => String::new(),
    };
    harmless(&format!("{}{state}", view.reason()))
}

/// The color of a phase.
pub(super) fn phase_style(phase: Option<Phase>) -> Style {
    match phase {
        Some(Phase::Succeeded) => AnsiColor::Green.on_default(),
        Some(Phase::Failed | Phase::TimedOut | Phase::Rejected) => AnsiColor::BrightRed.on_default(),
        Some(Phase::Stopped) => AnsiColor::Yellow.on_default(),
        Some(Phase::Starting | Phase::Running) => AnsiColor::Cyan.on_default(),
        None => Style::new(),
    }
}

async fn print(connection: &Connection, selection: &Selection<'_>, is_yaml: bool) -> Result<(), String> {
    let mut printer = ListPrinter::new(is_yaml);
    let mut after = None;
    loop {
        let page = page::fetch::<Execution>(connection, selection, after).await?;
        let text: String = page.items.iter().map(|item| printer.item(item.get())).collect();
        if offer_result(&text)? == Reader::Gone {
            return Ok(());
        }
        after = page.next;
        if after.is_none() {
            return write_result(printer.end());
        }
    }
}

async fn print_names(connection: &Connection, selection: &Selection<'_>) -> Result<(), String> {
    let mut after = None;
    loop {
        let page = page::fetch::<Execution>(connection, selection, after).await?;
        let stored = page.items.iter().filter_map(|item| serde_json::from_str(item.get()).ok());
        let names = stored.map(|stored: Stored<Execution>| resource_name(&stored.key().name) + "\n");
        let reader = offer_result(&names.collect::<String>())?;
        after = page.next;
        if after.is_none() || reader == Reader::Gone {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_a_row_like_others() {
        let row = |text: &str| {
            let item = RawValue::from_string(text.to_owned()).unwrap();
            cells(&item, Timestamp::UNIX_EPOCH).into_iter().map(|cell| cell.text).collect::<Vec<_>>()
        };
        let bad = row(r#"{"metadata": {"name": "n", "namespace": "s"}, "spec": 3, "status": {}}"#);
        assert_eq!((&*bad[0], &*bad[1], &*bad[3], bad.len()), ("s", "n", "unreadable", 7));
        assert!(bad[4].contains("spec cannot be read"), "{bad:?}");
        assert_eq!(row("7")[3], "unreadable");
        let status = r#"{"phase": "Failed\u001b", "error": "E\n"}"#;
        let row = row(&format!(
            r#"{{"metadata": {{}}, "spec": {{"flowRef": {{"name": "f"}}}}, "status": {status}}}"#
        ));
        assert_eq!((&*row[2], &*row[3], &*row[4]), ("f", "Failed␛", ""));
    }
}
