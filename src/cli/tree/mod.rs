//! `millrace tree`: the states of a run, and what it waits for.

mod changes;
mod document;
mod fold;
mod model;
mod path;
mod render;
pub(super) mod stays;

use std::process::ExitCode;

use jiff::Timestamp;

use crate::cluster::object::Key;

use super::apart::Older;
use super::connection::{Connection, Target};
use super::execution::View;
use super::follow::{End, Pace, follow};
use super::format::{self, Document};
use super::live::{Live, Stream};
use super::terminal::{
    Reader, complain, is_stdout_live, offer_report, offer_result, stdout_lines, write_report, write_result,
};
use super::wait::REFRESH;
use changes::Changes;
use model::Tree;
use render::Look;

/// A tree needs all that has happened.
const WITH_HISTORY: Pace = Pace { limit: None, refresh: None, has_history: true, generation: 0 };

/// Show the states of an execution as a tree, and what it is waiting for.
///
/// Branches of a Parallel and iterations of a Map stand below it with their numbers. ✔ succeeded,
/// ● active, ! failed and was caught, ✖ failed, – abandoned. START counts from the start of the
/// execution; TRIES are the attempts where there was more than one.
///
/// Exit status: 0 shown, however the execution ended; 1 --watch was over before it ended; 2 the request
/// cannot be carried out; 130 after Ctrl-C.
///
/// Example: millrace tree order-7k2xp --watch
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the execution
    #[arg(value_name = "NAME", value_parser = super::name::parse_execution, add = super::completion::executions())]
    name: String,
    /// Go on until its end: drawn in place on a terminal, elsewhere a line for each event
    #[arg(short, long)]
    watch: bool,
    /// Leave nothing out: all iterations, all attempts and their errors
    #[arg(long)]
    all: bool,
    /// What to print. With --watch, json and yaml print a document at every change
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Document,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(tree(args))
}

async fn tree(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(&args.name);
    let text = connection.execution(&key).await?;
    let mut view = View::read(&text).map_err(|why| format!("execution {key} cannot be read: {why}"))?;
    Older::default().fill(&connection, &mut view).await;
    if !args.watch || view.is_ended() {
        show(args, &view)?;
        return Ok(0);
    }
    let end = match args.output {
        Document::Text if is_stdout_live() => watch_drawn(args, &connection, &view).await?,
        Document::Text => watch_lines(&connection, &view).await?,
        Document::Json | Document::Yaml => watch_documents(args, &connection, &view).await?,
    };
    finish(args, &key, &end)
}

/// Shows how it ended, where it did.
fn finish(args: &Args, key: &Key, end: &End) -> Result<u8, String> {
    match end {
        End::Ended(view) => {
            match args.output {
                Document::Text => show(args, view)?,
                Document::Json | Document::Yaml => {
                    offer_document(args, view)?;
                }
            }
            Ok(0)
        }
        End::Unread => Ok(0),
        End::OutOfTime(_) | End::Gone | End::Interrupted => {
            complain(end.explain(key));
            Ok(end.status())
        }
    }
}

/// Shows a run once.
fn show(args: &Args, view: &View) -> Result<(), String> {
    match args.output {
        Document::Text => write_report(&text(args, view)),
        Document::Json => write_result(&format::json(&json(view)?)),
        Document::Yaml => write_result(&format::yaml(&json(view)?)),
    }
}

fn text(args: &Args, view: &View) -> String {
    render::to_text(view, &read(view), Look { is_all: args.all, now: Timestamp::now() })
}

fn json(view: &View) -> Result<String, String> {
    // What a program is given is whole or nothing.
    let tree = read(view).map_err(|why| format!("the history of {} cannot be read: {why}", view.key))?;
    document::to_json(view, &tree, Timestamp::now())
}

/// Puts the tree of a run together.
fn read(view: &View) -> Result<Tree, String> {
    Ok(Tree::new(&view.records()?, &view.status.active, view.is_ended()))
}

async fn watch_drawn(args: &Args, connection: &Connection, view: &View) -> Result<End, String> {
    let live = Live::lines(Stream::Stdout);
    let pace = Pace { refresh: Some(REFRESH), ..WITH_HISTORY };
    follow(connection, (&view.key, &view.uid), pace, |view| {
        live.show(&fit(&text(args, view)));
        Reader::There
    })
    .await
}

/// A text that fits the terminal: where it is too long, its head and its end, for there it goes on.
fn fit(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    // The line of the cursor stands below.
    let room = stdout_lines().unwrap_or(usize::MAX).saturating_sub(1);
    let head = lines.iter().position(|line| line.is_empty()).map_or(0, |blank| blank + 2);
    if lines.len() <= room || room <= head + 1 {
        return text.to_owned();
    }
    let end = lines.len().saturating_sub(room.saturating_sub(head + 1));
    let (head, end) = (lines.get(..head).unwrap_or_default(), lines.get(end..).unwrap_or_default());
    [head, &["…"], end].concat().join("\n")
}

async fn watch_lines(connection: &Connection, view: &View) -> Result<End, String> {
    let mut changes = Changes::default();
    let mut written = Ok(Reader::There);
    let mut tell = |view: &View| {
        let records = view.records();
        let began = view.status.start_time.unwrap_or(view.created_at);
        let lines = changes.lines(&records.unwrap_or_default(), began);
        let lines: String = lines.into_iter().map(|line| line + "\n").collect();
        note(&mut written, offer_report(&lines))
    };
    let end = follow(connection, (&view.key, &view.uid), WITH_HISTORY, &mut tell).await?;
    if let End::Ended(view) = &end {
        tell(view);
    }
    written.map(|_| end)
}

async fn watch_documents(args: &Args, connection: &Connection, view: &View) -> Result<End, String> {
    let mut written = Ok(Reader::There);
    let show = |view: &View| note(&mut written, offer_document(args, view));
    let end = follow(connection, (&view.key, &view.uid), WITH_HISTORY, show).await?;
    written.map(|_| end)
}

/// Keeps what became of writing; where it failed nobody is shown any more.
fn note(written: &mut Result<Reader, String>, latest: Result<Reader, String>) -> Reader {
    *written = latest;
    written.as_ref().copied().unwrap_or(Reader::Gone)
}

fn offer_document(args: &Args, view: &View) -> Result<Reader, String> {
    if args.output == Document::Yaml {
        // A stream of documents.
        return offer_result(&format!("---\n{}", format::yaml(&json(view)?)));
    }
    offer_result(&format!("{}\n", json(view)?))
}
