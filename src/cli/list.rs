//! `millrace list`: the runs of a namespace or of a cluster.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};

use crate::api::Phase;
use crate::controller::execution::status::duration_text;

use super::connection::Target;
use super::execution::View;
use super::format::{ListPrinter, resource_name};
use super::selection::{Filter, Found, Pages, Scope};
use super::table::{Cell, Fit, Row, Table};
use super::terminal::{Reader, harmless, offer_result, tell, write_report, write_result};

/// Stands in the list where a later spec asks for something else.
const ALREADY_EXISTS: &str = "AlreadyExists";

/// List executions with where they stand and why they do not move.
///
/// REASON is why an execution is not moving and the state it is in, or the error it ended with. With
/// AlreadyExists, something else was asked for later under its name, which is not done: `tree` tells more.
///
/// The newest stands last; json and yaml keep the order of the cluster. Of what is asked for, all must
/// hold; of several phases, one.
///
/// Exit status: 0 shown, 2 the request cannot be carried out.
///
/// Example: millrace list --flow order --phase Failed,TimedOut --since 2d
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// In all namespaces, whatever --namespace says
    #[arg(short = 'A', long)]
    pub(super) all_namespaces: bool,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    pub(super) target: Target,
}

/// Who a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a person
    Text,
    /// The same with revision, redrives, tags and parent, in as many columns as it takes
    Wide,
    /// For a program: the objects as the cluster has them
    Json,
    /// The same in YAML
    Yaml,
    /// For a script: resource and name, as `kubectl get -o name` prints them
    Name,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(list(args))
}

async fn list(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let namespace = (!args.all_namespaces).then_some(&*connection.namespace);
    let scope = Scope { connection: &connection, namespace, phases: &[] };
    let pages = Pages::new(scope, &args.filter);
    match args.output {
        Format::Text | Format::Wide => show(args, namespace, pages).await?,
        Format::Json => print(pages, false).await?,
        Format::Yaml => print(pages, true).await?,
        Format::Name => print_names(pages).await?,
    }
    Ok(0)
}

/// A table of all pages: its columns are as wide as all of it needs.
async fn show(args: &Args, namespace: Option<&str>, mut pages: Pages<'_>) -> Result<(), String> {
    let now = Timestamp::now();
    let is_wide = args.output == Format::Wide;
    let mut rows = Vec::new();
    while let Some(page) = pages.next().await? {
        rows.extend(page.into_iter().map(|found| {
            let cells = cells(&found, now, is_wide);
            (found.place, cells)
        }));
    }
    if rows.is_empty() {
        tell(format_args!("there are no {}", executions(&args.filter, namespace)));
        return Ok(());
    }
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut table = Table::new(columns(namespace.is_none(), is_wide));
    if is_wide {
        table = table.unlimited();
    }
    for (_, mut cells) in rows {
        if namespace.is_some() {
            cells.remove(0);
        }
        table.push(Row { cells, notes: Vec::new() });
    }
    write_report(&table.render())
}

fn columns(has_namespace: bool, is_wide: bool) -> Vec<(&'static str, Fit)> {
    let mut columns = vec![
        ("NAME", Fit::Whole),
        ("FLOW", Fit::Cut),
        ("PHASE", Fit::Fixed),
        ("REASON", Fit::Cut),
        ("DURATION", Fit::Right),
        ("AGE", Fit::Right),
    ];
    if has_namespace {
        columns.insert(0, ("NAMESPACE", Fit::Whole));
    }
    if is_wide {
        columns.extend([
            ("REVISION", Fit::Fixed),
            ("REDRIVES", Fit::Right),
            ("PARENT", Fit::Fixed),
            ("TAGS", Fit::Fixed),
        ]);
    }
    columns
}

/// `such executions in namespace \`shop\``.
pub(super) fn executions(filter: &Filter, namespace: Option<&str>) -> String {
    let such = if filter.is_empty() { "" } else { "such " };
    match namespace {
        Some(namespace) => format!("{such}executions in namespace `{namespace}`"),
        None => format!("{such}executions in the cluster"),
    }
}

async fn print(mut pages: Pages<'_>, is_yaml: bool) -> Result<(), String> {
    let mut printer = ListPrinter::new(is_yaml);
    while let Some(page) = pages.next().await? {
        let text: String = page.iter().map(|found| printer.item(found.text.get())).collect();
        if offer_result(&text)? == Reader::Gone {
            return Ok(());
        }
    }
    write_result(printer.end())
}

async fn print_names(mut pages: Pages<'_>) -> Result<(), String> {
    let mut places = Vec::new();
    while let Some(page) = pages.next().await? {
        places.extend(page.into_iter().filter_map(|found| found.place));
    }
    places.sort();
    let names = places.iter().map(|(_, key)| resource_name(&key.name) + "\n");
    write_result(&names.collect::<String>())
}

/// Namespace, name, flow, phase, reason, duration, age; and what is shown of it beyond that.
fn cells(found: &Found, now: Timestamp, is_wide: bool) -> Vec<Cell> {
    let Some((created_at, key)) = &found.place else {
        return vec![Cell::default(), Cell::from("?".to_owned()), Cell::default(), unreadable()];
    };
    let age = Cell::from(age(*created_at, now));
    let (namespace, name) = (Cell::from(key.namespace.clone()), Cell::from(key.name.clone()));
    let view = match &found.view {
        Ok(view) => view,
        Err(why) => {
            let why = Cell::from(harmless(why));
            return vec![namespace, name, Cell::default(), unreadable(), why, Cell::default(), age];
        }
    };
    let mut cells = vec![
        namespace,
        name,
        Cell::from(harmless(&view.flow)),
        Cell { text: harmless(&view.status.phase), style: phase_style(view.phase()) },
        Cell::from(marked(view)),
        Cell::from(view.duration(now).map(|text| harmless(&text)).unwrap_or_default()),
        age,
    ];
    if is_wide {
        let revision = view.status.flow_revision.clone().unwrap_or_default();
        let redrives = view.status.redrive_count.filter(|count| *count > 0);
        let redrives = redrives.map(|count| count.to_string()).unwrap_or_default();
        let parent = view.spec.parent_ref.as_ref().map(|parent| parent.name.clone()).unwrap_or_default();
        let texts = [revision, redrives, parent, view.spec.tags.join(",")];
        cells.extend(texts.map(|text| Cell::from(harmless(&text))));
    }
    cells
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
    use serde_json::value::RawValue;

    use super::*;

    fn read(text: &str) -> Vec<Cell> {
        let found = Found::read(RawValue::from_string(text.to_owned()).unwrap());
        cells(&found, Timestamp::UNIX_EPOCH, false)
    }

    #[test]
    fn what_cannot_be_read_is_a_row_like_others() {
        let row = |text: &str| read(text).into_iter().map(|cell| cell.text).collect::<Vec<_>>();
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
        let cells = read(text);
        assert_eq!((&*cells[2].text, &*cells[4].text), ("f", "AlreadyExists, E"));
    }
}
