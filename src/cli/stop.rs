//! `millrace stop`: the wish that runs end.

use std::process::ExitCode;

use serde::Deserialize;

use crate::api::execution::{StopModeName, StopRequest};
use crate::api::{Execution, Phase};
use crate::cluster::object::{Key, Stored};

use super::bulk::{Deed, Outcome, Subjects};
use super::connection::{Change, Connection, Target};
use super::execution::View;
use super::plugin;
use super::terminal::harmless;

/// Ask executions to end.
///
/// They begin nothing new and end as Stopped when their running tasks have: their Jobs are deleted and have
/// their grace period, calls may still be answered. With --terminate they end at once. A stop cannot be
/// withdrawn, only made a --terminate.
///
/// Instead of names, a selection can be given. It is done to all that have not ended, once somebody says
/// yes.
///
/// Exit status: 0 they are asked to end, or were already; 1 one had ended before, one of a selection could
/// not be stopped, or nobody said yes; 2 the request cannot be carried out.
///
/// Example: millrace stop order-7k2xp --error Order.Withdrawn --cause 'the customer called'
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    subjects: Subjects,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    pub(super) target: Target,
}

/// How they are to end.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "End")]
struct Wish {
    /// End at once, without waiting for running tasks
    #[arg(long)]
    terminate: bool,
    /// Error to end with, at most 256 characters
    #[arg(long, value_name = "ERROR")]
    error: Option<String>,
    /// Cause to end with
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(args.subjects.each(&args.target, &args.wish))
}

impl Deed for Wish {
    const VERB: &'static str = "stop";
    const DONE: &'static str = "stopped";
    const PHASES: &'static [Phase] = &[Phase::Starting, Phase::Running];

    /// One that stops already may have to stop harder.
    fn is_due(&self, _: &View) -> bool {
        true
    }

    async fn act(&self, connection: &Connection, key: &Key, is_dry_run: bool) -> Result<Outcome, String> {
        let (view, before) = read(key, &connection.execution(key).await?)?;
        if view.is_ended() {
            return Ok(has_ended(&view));
        }
        let wish = self.after(before.as_ref());
        if before.as_ref() == Some(&wish) {
            let meaning = meaning(wish.mode);
            return Ok(Outcome::Unchanged(format!("`{}` is asked to end already: {meaning}", key.name)));
        }
        let change = Change { spec: serde_json::json!({"stop": wish}), version: None, is_dry_run };
        let Some(text) = connection.change(key, &change, "stopped").await? else {
            return Err(format!("execution {key} cannot be stopped: it changes all the time; try again"));
        };
        let (view, _) = read(key, &text)?;
        if view.is_ended() {
            return Ok(has_ended(&view));
        }
        let Key { namespace, name } = key;
        let (meaning, program) = (meaning(wish.mode), plugin::program());
        let hint =
            format!("{meaning}; `{program} output {name} --wait --namespace {namespace}` waits for its end");
        Ok(Outcome::Done { word: "stopping", hint })
    }
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

impl Wish {
    /// The wish as it will stand: what is not said stays, and nothing is wished more gently than before.
    fn after(&self, before: Option<&StopRequest>) -> StopRequest {
        let is_hard = self.terminate || before.is_some_and(|before| before.mode == StopModeName::Terminate);
        let or_before = |new: &Option<String>, old: fn(&StopRequest) -> &Option<String>| {
            new.clone().or_else(|| before.and_then(|before| old(before).clone()))
        };
        StopRequest {
            mode: if is_hard { StopModeName::Terminate } else { StopModeName::Cancel },
            error: or_before(&self.error, |before| &before.error),
            cause: or_before(&self.cause, |before| &before.cause),
        }
    }
}

fn has_ended(view: &View) -> Outcome {
    let (name, phase) = (&view.key.name, harmless(&view.status.phase));
    Outcome::Refused(format!("`{name}` has ended already ({phase}); there is nothing to stop"))
}

fn meaning(mode: StopModeName) -> &'static str {
    match mode {
        StopModeName::Cancel => {
            "it begins nothing new, its Jobs are asked to end, and it ends when its running tasks have; --terminate ends it at once"
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
            Cli::try_parse_from(line.split(' ')).unwrap().args.wish.after(before)
        };
        let gentle = wished("stop one --error E", None);
        assert_eq!((gentle.mode, gentle.error.as_deref()), (StopModeName::Cancel, Some("E")));
        assert_eq!(wished("stop one", Some(&gentle)), gentle);
        let hard = wished("stop one --terminate --cause c", Some(&gentle));
        assert_eq!((hard.mode, hard.error.as_deref()), (StopModeName::Terminate, Some("E")));
        assert_eq!(wished("stop one", Some(&hard)), hard);
    }
}
