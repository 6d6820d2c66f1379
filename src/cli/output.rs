//! `millrace output`: what a run gave.

use std::process::ExitCode;
use std::time::Duration;

use super::connection::{Connection, Target};
use super::execution::View;
use super::follow::End;
use super::redrive::counts_from;
use super::terminal::{complain, harmless, tell, write_result};
use super::{apart, ending, format, wait};

/// Print the output of an execution as JSON.
///
/// Of an execution that ended badly, the error and its cause are told on stderr instead.
///
/// Exit status: 0 it succeeded and its output is printed; 1 there is no output: it ended otherwise, has
/// not ended, or did not within --wait-timeout; 2 the request cannot be carried out; 130 after Ctrl-C.
///
/// With --object, what the run has stored under a key in its own store, the bucket `ExecutionData`, is
/// printed as it is, whether the run has ended or not.
///
/// Example: millrace output order-7k2xp --wait | jq .orderId
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the execution
    #[arg(value_name = "NAME", value_parser = super::name::parse_execution, add = super::completion::executions())]
    name: String,
    /// Wait for its end
    #[arg(short, long)]
    wait: bool,
    /// Wait no longer than this, such as 90s or 10m [default: as long as it takes]
    #[arg(long, value_name = "DURATION", requires = "wait", allow_hyphen_values = true, value_parser = wait::parse_duration)]
    wait_timeout: Option<Duration>,
    /// Print the object that the run has stored under this key instead
    #[arg(long, value_name = "KEY", conflicts_with = "wait")]
    object: Option<String>,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(output(args))
}

async fn output(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(&args.name);
    let text = connection.execution(&key).await?;
    let view = View::read(&text).map_err(|why| format!("execution {key} cannot be read: {why}"))?;
    if let Some(key) = &args.object {
        write_result(&apart::object(&connection, &view, key).await?)?;
        return Ok(0);
    }
    // One that was asked to go on has ended for now, and not for who waits.
    if view.is_ended() && (!args.wait || counts_from(&view) == 0) {
        return print(&connection, &view).await;
    }
    if !args.wait {
        let why = view.reason();
        complain(format_args!(
            "`{}` has not ended: it is {}{}{}; --wait waits for its end",
            key.name,
            harmless(&view.status.phase),
            if why.is_empty() { "" } else { ", " },
            harmless(why),
        ));
        return Ok(1);
    }
    match wait::wait_from(&connection, &view, args.wait_timeout).await? {
        End::Ended(view) => print(&connection, &view).await,
        end @ (End::OutOfTime(_) | End::Gone | End::Interrupted | End::Unread) => {
            complain(end.explain(&key));
            Ok(end.status())
        }
    }
}

/// Prints the output of a run that has ended, or tells how it ended; gives the exit status.
///
/// # Errors
/// Where it cannot be read or written.
pub(super) async fn print(connection: &Connection, view: &View) -> Result<u8, String> {
    if view.has_succeeded() {
        write_result(&format::json(&apart::output(connection, view).await?))?;
        return Ok(0);
    }
    tell(ending::of_run(view, None));
    Ok(1)
}

/// The object as it is now, for programs.
///
/// # Errors
/// Where it cannot be read.
pub(super) async fn object(connection: &Connection, view: &View) -> Result<String, String> {
    let text = connection.execution(&view.key).await?;
    Ok(format::without_managed_fields(&text))
}
