//! `millrace explain`: why a run does not move, or how it ended, in sentences.

mod account;
mod ended;
mod facts;
mod going;

use std::process::ExitCode;

use anstyle::Style;
use jiff::Timestamp;

use super::apart::Older;
use super::connection::Target;
use super::execution::View;
use super::format::{self, Document};
use super::terminal::{COLUMNS, harmless, wrap, write_report, write_result};
use super::tree::stays::stays;
use super::{completion, name};
use account::Account;

/// Say why an execution is not moving, what happens next, and what can be done.
///
/// Of one that goes on: what it waits for, since when, and until when; of one that has ended: how, where
/// and why. What it depends on is looked at too: its flow, its Jobs and pods, its children, as far as they
/// can be read.
///
/// Exit status: 0 explained, 2 the request cannot be carried out.
///
/// Example: millrace explain order-7k2xp
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the execution
    #[arg(value_name = "NAME", value_parser = name::parse_execution, add = completion::executions())]
    name: String,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Document,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(explain(args))
}

async fn explain(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(&args.name);
    let view = View::read(&connection.execution(&key).await?);
    let mut view = view.map_err(|why| format!("execution {key} cannot be read: {why}"))?;
    Older::default().fill(&connection, &mut view).await;
    // Without its history there is less to say, and still what its status says.
    let records = view.records().unwrap_or_default();
    let now = Timestamp::now();
    let stays = stays(&view, &records, now);
    let facts = facts::gather(&connection, view, records, stays).await;
    let account = account::of(&facts, now);
    let json = || serde_json::to_string(&account).map_err(|error| format!("a bug in millrace: {error}"));
    match args.output {
        Document::Text => write_report(&text(&account))?,
        Document::Json => write_result(&format::json(&json()?))?,
        Document::Yaml => write_result(&format::yaml(&json()?))?,
    }
    Ok(0)
}

fn text(account: &Account) -> String {
    let bold = Style::new().bold();
    let headline = wrap(&harmless(&account.summary), COLUMNS).join("\n");
    let mut out = format!("{bold}{headline}{bold:#}\n");
    for paragraph in &account.sentences {
        out.push_str(&format!("\n{}\n", wrap(&harmless(paragraph), COLUMNS).join("\n")));
    }
    if !account.advice.is_empty() {
        out.push_str(&format!("\n{bold}What can be done{bold:#}\n"));
        for advice in &account.advice {
            let what = harmless(&advice.what);
            let command = harmless(&advice.command);
            let lines = wrap(&what, COLUMNS - 2).join("\n  ");
            out.push_str(&format!("  {lines}\n"));
            // A command is never broken: somebody wants to copy it.
            out.push_str(&format!("    {command}\n"));
        }
    }
    out
}
