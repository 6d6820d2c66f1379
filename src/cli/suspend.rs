//! `millrace suspend` and `millrace resume`: the wish that a run stands still, and that it goes on.

use std::process::ExitCode;

use serde::Deserialize;

use crate::api::Execution;
use crate::cluster::object::{Key, Stored};

use super::connection::Target;
use super::execution::View;
use super::format::resource_name;
use super::name;
use super::terminal::{complain, fit, harmless, tell, write_result};

/// Let an execution stand still.
///
/// No state begins and no timer fires until `millrace resume`. Tasks that run go on, and what becomes of
/// them is kept; the execution's own timeout goes on counting. One that has not begun does not begin.
///
/// Exit status: 0 it is asked to, or was already; 1 it had ended before; 2 the request cannot be carried
/// out.
///
/// Example: millrace suspend order-7k2xp
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the execution
    #[arg(value_name = "NAME", value_parser = name::parse_execution)]
    name: String,
    #[command(flatten)]
    pub(super) target: Target,
}

/// Let a suspended execution go on.
///
/// What has become of its tasks meanwhile and what is due happens at once.
///
/// Exit status: 0 it is asked to, or was not suspended; 1 it had ended before; 2 the request cannot be
/// carried out.
///
/// Example: millrace resume order-7k2xp
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    pub(super) args: Args,
}

pub(super) fn suspend(args: &Args) -> ExitCode {
    super::against_cluster(wish(args, true))
}

pub(super) fn resume(args: &ResumeArgs) -> ExitCode {
    super::against_cluster(wish(&args.args, false))
}

async fn wish(args: &Args, suspend: bool) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(&args.name);
    let (view, before) = read(&key, &connection.execution(&key).await?)?;
    if view.is_ended() {
        return Ok(has_ended(&view));
    }
    if before == suspend {
        let standing = if suspend { "is suspended already" } else { "is not suspended" };
        write_result(&format!("{} unchanged\n", resource_name(&key.name)))?;
        tell(fit(&format!("`{}` {standing}", key.name)));
        return Ok(0);
    }
    let done = if suspend { "suspended" } else { "resumed" };
    let text = connection.change(&key, &serde_json::json!({"suspend": suspend}), done).await?;
    let (view, _) = read(&key, &text)?;
    if view.is_ended() {
        return Ok(has_ended(&view));
    }
    write_result(&format!("{} {done}\n", resource_name(&key.name)))?;
    Ok(0)
}

/// The run, and whether it was wished that it stands still.
fn read(key: &Key, text: &str) -> Result<(View, bool), String> {
    #[derive(Deserialize)]
    struct Spec {
        #[serde(default)]
        suspend: bool,
    }
    let unreadable = |why: String| format!("execution {key} cannot be read: {why}");
    let stored: Stored<Execution> =
        serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    let spec: Spec = stored.decode_spec().map_err(unreadable)?;
    Ok((View::of(&stored).map_err(unreadable)?, spec.suspend))
}

/// Says that there is nothing that could go on; gives the exit status.
fn has_ended(view: &View) -> u8 {
    let (name, phase) = (&view.key.name, harmless(&view.status.phase));
    complain(format_args!("`{name}` has ended already ({phase}); there is nothing that could go on"));
    1
}
