//! `millrace list`: the runs of a namespace or of a cluster.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use crate::api::{Execution, Phase, Reason};
use crate::cluster::object::{Key, Stored};
use crate::controller::execution::status::duration_text;

use super::connection::{Connection, Target};
use super::execution::View;
use super::format::{Format, ListPrinter, resource_name};
use super::page::{self, Page, Selection};
use super::queue::Places;
use super::table::{Cell, Fit, Row, Table};
use super::terminal::{Reader, harmless, offer_result, tell, write_report, write_result};

/// Objects that a page holds. With the largest objects there are, an answer still comes in time.
const PAGE_SIZE: u32 = 200;

/// Stands in the list where a later spec asks for something else.
const ALREADY_EXISTS: &str = "AlreadyExists";

/// The reason of those that wait for others of their flow.
const QUEUED: &str = Reason::Queued.as_str();

/// Where the reason stands among the cells of a row.
const REASON: usize = 4;

/// List executions with where they stand and why they do not move.
///
/// REASON is why an execution is not moving and the state it is in, or the error it ended with. With
/// AlreadyExists, something else was asked for later under its name, which is not done: `tree` tells more.
///
/// The newest stands last, but for those that are queued: they stand behind all others, flow by flow in the
/// order in which they will begin, with their place in the queue. Json and yaml keep the order of the cluster.
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
    pub(super) target: Target,
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
    let phase = args.phase.map(|phase| format!("status.phase={}", phase.as_str()));
    let fields = phase.unwrap_or_default();
    let namespace = (!args.all_namespaces).then_some(&*connection.namespace);
    let selection = Selection { namespace, fields: &fields, limit: PAGE_SIZE };
    let listing = Listing { connection: &connection, selection, flow: args.flow.as_deref() };
    match args.output {
        Format::Text => listing.show().await?,
        Format::Json => listing.print(false).await?,
        Format::Yaml => listing.print(true).await?,
        Format::Name => listing.print_names().await?,
    }
    Ok(0)
}

/// What is listed.
struct Listing<'a> {
    connection: &'a Connection,
    selection: Selection<'a>,
    /// Only runs of this flow. The API server can select only by the flow that is asked for now, and a
    /// run stays one of the flow that it was accepted with.
    flow: Option<&'a str>,
}

impl Listing<'_> {
    /// The page behind `after`, or the first; only what is wanted of it.
    async fn fetch(&self, after: Option<String>) -> Result<Page, String> {
        let mut page = page::fetch::<Execution>(self.connection, &self.selection, after).await?;
        if let Some(flow) = self.flow {
            page.items.retain(|item| View::read(item.get()).is_ok_and(|view| view.flow == flow));
        }
        Ok(page)
    }

    /// A table of all pages: its columns are as wide as all of it needs.
    async fn show(&self) -> Result<(), String> {
        let now = Timestamp::now();
        let mut columns = vec![
            ("NAME", Fit::Whole),
            ("FLOW", Fit::Cut),
            ("PHASE", Fit::Fixed),
            ("REASON", Fit::Cut),
            ("DURATION", Fit::Right),
            ("AGE", Fit::Right),
        ];
        let namespace = self.selection.namespace;
        if namespace.is_none() {
            columns.insert(0, ("NAMESPACE", Fit::Whole));
        }
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.fetch(after).await?;
            rows.extend(page.items.iter().map(|item| (order(item), cells(item, now))));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if rows.is_empty() {
            let is_whole = self.selection.fields.is_empty() && self.flow.is_none();
            let such = if is_whole { "" } else { "such " };
            let place = namespace.map_or_else(
                || "in the cluster".to_owned(),
                |namespace| format!("in namespace `{namespace}`"),
            );
            tell(format_args!("there are no {such}executions {place}"));
            return Ok(());
        }
        self.show_places(&mut rows).await?;
        let mut table = Table::new(columns);
        for (_, mut cells) in rows {
            if namespace.is_some() {
                cells.remove(0);
            }
            table.push(Row { cells, notes: Vec::new() });
        }
        write_report(&table.render())
    }

    /// Sorts rows: those that wait for others of their flow stand last, in the order in which they will begin,
    /// and say which place they have.
    async fn show_places(&self, rows: &mut [(Option<Place>, Vec<Cell>)]) -> Result<(), String> {
        let is_queued = |cells: &[Cell]| cells.get(REASON).is_some_and(|cell| cell.text == QUEUED);
        let places = match rows.iter().any(|(_, cells)| is_queued(cells)) {
            true => Places::fetch(self.connection, self.selection.namespace).await?,
            false => Places::default(),
        };
        let place_of = |place: &Option<Place>| place.as_ref().and_then(|(_, key)| places.of(key));
        for (place, cells) in rows.iter_mut().filter(|(_, cells)| is_queued(cells)) {
            if let (Some(place), Some(cell)) = (place_of(place), cells.get_mut(REASON)) {
                cell.text = place.to_string();
            }
        }
        rows.sort_by(|(one, _), (other, _)| (place_of(one), one).cmp(&(place_of(other), other)));
        Ok(())
    }

    async fn print(&self, is_yaml: bool) -> Result<(), String> {
        let mut printer = ListPrinter::new(is_yaml);
        let mut after = None;
        loop {
            let page = self.fetch(after).await?;
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

    async fn print_names(&self) -> Result<(), String> {
        let mut places = Vec::new();
        let mut after = None;
        loop {
            let page = self.fetch(after).await?;
            places.extend(page.items.iter().filter_map(|item| order(item)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        places.sort();
        let names = places.iter().map(|(_, key)| resource_name(&key.name) + "\n");
        write_result(&names.collect::<String>())
    }
}

/// By what is sorted: the newest stands last, where a terminal shows it.
type Place = (Timestamp, Key);

fn order(item: &RawValue) -> Option<Place> {
    let stored: Stored<Execution> = serde_json::from_str(item.get()).ok()?;
    Some((stored.created_at(), stored.key()))
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
        Cell::from(marked(&view)),
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

/// The reason, behind a mark where something else was asked for later under the name.
fn marked(view: &View) -> String {
    let reason = reason(view);
    match (view.already_exists(), reason.is_empty()) {
        (None, _) => reason,
        (Some(_), true) => ALREADY_EXISTS.to_owned(),
        (Some(_), false) => format!("{ALREADY_EXISTS}, {reason}"),
    }
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

    #[test]
    fn what_was_asked_for_later_is_marked() {
        let text = r#"{"metadata": {}, "spec": {"flowRef": {"name": "g"}}, "status": {"phase": "Failed",
            "flowRevision": "f-1", "error": "E",
            "conditions": [{"type": "AlreadyExists", "status": "True", "reason": "R"}]}}"#;
        let item = RawValue::from_string(text.to_owned()).unwrap();
        let cells = cells(&item, Timestamp::UNIX_EPOCH);
        assert_eq!((&*cells[2].text, &*cells[4].text), ("f", "AlreadyExists, E"));
    }
}
