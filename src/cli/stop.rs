//! `millrace stop`: the wish that a run ends.

use std::process::ExitCode;

use serde::Deserialize;

use crate::api::Execution;
use crate::api::execution::{StopModeName, StopRequest};
use crate::cluster::object::{Key, Stored};

use super::connection::Target;
use super::execution::View;
use super::format::resource_name;
use super::terminal::{complain, fit, harmless, tell, write_result};
use super::{name, plugin};

/// Ask an execution to end.
///
/// It begins nothing new and ends as Stopped when its running tasks have ended; with --terminate it ends
/// at once. A stop cannot be withdrawn, only made a --terminate.
///
/// Exit status: 0 it is asked to end, or was already; 1 it had ended before; 2 the request cannot be
/// carried out.
///
/// Example: millrace stop order-7k2xp --error Order.Withdrawn --cause 'the customer called'
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the execution
    #[arg(value_name = "NAME", value_parser = name::parse_execution)]
    name: String,
    /// End it at once, without waiting for running tasks
    #[arg(long)]
    terminate: bool,
    /// Error that it ends with, at most 256 characters
    #[arg(long, value_name = "ERROR")]
    error: Option<String>,
    /// Cause that it ends with
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(stop(args))
}

async fn stop(args: &Args) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(&args.name);
    let (view, before) = read(&key, &connection.execution(&key).await?)?;
    if view.is_ended() {
        return Ok(has_ended(&view));
    }
    let wish = wish(args, before.as_ref());
    if before.as_ref() == Some(&wish) {
        write_result(&format!("{} unchanged\n", resource_name(&key.name)))?;
        tell(fit(&format!("`{}` is asked to end already: {}", key.name, meaning(wish.mode))));
        return Ok(0);
    }
    let (view, _) =
        read(&key, &connection.change(&key, &serde_json::json!({"stop": wish}), "stopped").await?)?;
    if view.is_ended() {
        return Ok(has_ended(&view));
    }
    write_result(&format!("{} stopping\n", resource_name(&key.name)))?;
    let Key { namespace, name } = &key;
    tell(fit(&format!(
        "{}; `{} output {name} --wait --namespace {namespace}` waits for its end",
        meaning(wish.mode),
        plugin::program()
    )));
    Ok(0)
}

/// The run, and what was wished before.
fn read(key: &Key, text: &str) -> Result<(View, Option<StopRequest>), String> {
    #[derive(Deserialize)]
    struct Spec {
        stop: Option<StopRequest>,
    }
    let unreadable = |why: String| format!("execution {key} cannot be read: {why}");
    let stored: Stored<Execution> =
        serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    let spec: Spec = stored.decode_spec().map_err(unreadable)?;
    Ok((View::of(&stored).map_err(unreadable)?, spec.stop))
}

/// The wish as it will stand: what is not said stays, and nothing is wished more gently than before.
fn wish(args: &Args, before: Option<&StopRequest>) -> StopRequest {
    let is_hard = args.terminate || before.is_some_and(|before| before.mode == StopModeName::Terminate);
    let or_before = |new: &Option<String>, old: fn(&StopRequest) -> &Option<String>| {
        new.clone().or_else(|| before.and_then(|before| old(before).clone()))
    };
    StopRequest {
        mode: if is_hard { StopModeName::Terminate } else { StopModeName::Cancel },
        error: or_before(&args.error, |before| &before.error),
        cause: or_before(&args.cause, |before| &before.cause),
    }
}

/// Says that there is nothing to stop; gives the exit status.
fn has_ended(view: &View) -> u8 {
    complain(format_args!(
        "`{}` has ended already ({}); there is nothing to stop",
        view.key.name,
        harmless(&view.status.phase)
    ));
    1
}

fn meaning(mode: StopModeName) -> &'static str {
    match mode {
        StopModeName::Cancel => {
            "it begins nothing new and ends when its running tasks have ended; --terminate ends it at once"
        }
        StopModeName::Terminate => "it ends at once",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_wish_only_grows() {
        let wished = |line: &str, before: Option<&StopRequest>| {
            wish(&Cli::try_parse_from(line.split(' ')).unwrap().args, before)
        };
        let gentle = wished("stop one --error E", None);
        assert_eq!((gentle.mode, gentle.error.as_deref()), (StopModeName::Cancel, Some("E")));
        assert_eq!(wished("stop one", Some(&gentle)), gentle);
        let hard = wished("stop one --terminate --cause c", Some(&gentle));
        assert_eq!((hard.mode, hard.error.as_deref()), (StopModeName::Terminate, Some("E")));
        assert_eq!(wished("stop one", Some(&hard)), hard);
    }
}
