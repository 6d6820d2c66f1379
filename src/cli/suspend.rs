//! `millrace suspend` and `millrace resume`: the wish that runs stand still, and that they go on.

use std::process::ExitCode;

use crate::api::Phase;
use crate::cluster::object::Key;

use super::bulk::{Deed, Outcome, Subjects};
use super::connection::{Change, Connection, Target};
use super::execution::View;
use super::terminal::harmless;

/// Let executions stand still.
///
/// No state begins and no timer fires until `millrace resume`. Tasks that run go on, and what becomes of
/// them is kept; the execution's own timeout goes on counting. One that has not begun does not begin.
///
/// Instead of names, a selection can be given. It is done to all that have not ended, once somebody says
/// yes.
///
/// Exit status: 0 they are asked to, or were already; 1 one had ended before, one of a selection could not
/// be suspended, or nobody said yes; 2 the request cannot be carried out.
///
/// Example: millrace suspend order-7k2xp
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    subjects: Subjects,
    #[command(flatten)]
    pub(super) target: Target,
}

/// Let suspended executions go on.
///
/// What has become of their tasks meanwhile and what is due happens at once.
///
/// Instead of names, a selection can be given. It is done to all that are suspended, once somebody says
/// yes.
///
/// Exit status: 0 they are asked to, or were not suspended; 1 one had ended before, one of a selection
/// could not be resumed, or nobody said yes; 2 the request cannot be carried out.
///
/// Example: millrace resume --flow order --tag gold
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    subjects: Subjects,
    #[command(flatten)]
    pub(super) target: Target,
}

struct Suspend;

struct Resume;

/// Phases of runs that may stand still.
const OPEN: &[Phase] = &[Phase::Starting, Phase::Running];

pub(super) fn suspend(args: &Args) -> ExitCode {
    super::against_cluster(args.subjects.each(&args.target, &Suspend))
}

pub(super) fn resume(args: &ResumeArgs) -> ExitCode {
    super::against_cluster(args.subjects.each(&args.target, &Resume))
}

impl Deed for Suspend {
    const VERB: &'static str = "suspend";
    const DONE: &'static str = "suspended";
    const PHASES: &'static [Phase] = OPEN;

    fn is_due(&self, view: &View) -> bool {
        !is_suspended(view)
    }

    async fn act(&self, connection: &Connection, key: &Key, is_dry_run: bool) -> Result<Outcome, String> {
        wish(connection, key, true, is_dry_run).await
    }
}

impl Deed for Resume {
    const VERB: &'static str = "resume";
    const DONE: &'static str = "resumed";
    const PHASES: &'static [Phase] = OPEN;

    fn is_due(&self, view: &View) -> bool {
        is_suspended(view)
    }

    async fn act(&self, connection: &Connection, key: &Key, is_dry_run: bool) -> Result<Outcome, String> {
        wish(connection, key, false, is_dry_run).await
    }
}

fn is_suspended(view: &View) -> bool {
    view.spec.suspend == Some(true)
}

async fn wish(
    connection: &Connection,
    key: &Key,
    suspend: bool,
    is_dry_run: bool,
) -> Result<Outcome, String> {
    let read = |text: &str| View::read(text).map_err(|why| format!("execution {key} cannot be read: {why}"));
    let view = read(&connection.execution(key).await?)?;
    if view.is_ended() {
        return Ok(has_ended(&view));
    }
    if is_suspended(&view) == suspend {
        let standing = if suspend { "is suspended already" } else { "is not suspended" };
        return Ok(Outcome::Unchanged(format!("`{}` {standing}", key.name)));
    }
    let word = if suspend { "suspended" } else { "resumed" };
    let change = Change { spec: serde_json::json!({"suspend": suspend}), version: None, is_dry_run };
    let Some(text) = connection.change(key, &change, word).await? else {
        return Err(format!("execution {key} cannot be {word}: it changes all the time; try again"));
    };
    let view = read(&text)?;
    if view.is_ended() {
        return Ok(has_ended(&view));
    }
    Ok(Outcome::Done { word, hint: String::new() })
}

fn has_ended(view: &View) -> Outcome {
    let (name, phase) = (&view.key.name, harmless(&view.status.phase));
    Outcome::Refused(format!("`{name}` has ended already ({phase}); there is nothing that could go on"))
}
