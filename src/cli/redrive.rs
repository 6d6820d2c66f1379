//! `millrace redrive`: runs that ended badly go on from where they have failed.

use std::process::ExitCode;
use std::time::Duration;

use crate::api::Phase;
use crate::api::execution::redrives_done;
use crate::cluster::object::Key;

use super::bulk::{Deed, Outcome, Subjects};
use super::connection::{Change, Connection, Target};
use super::execution::View;
use super::follow::End;
use super::terminal::{complain, harmless};
use super::{output, plugin, wait};

/// How often a redrive is asked for anew where the execution has changed since it was read. Who else
/// changes one that has ended does so once or twice.
const ATTEMPTS_MAX: usize = 5;

/// Run executions that ended badly again, from where they have failed.
///
/// What has succeeded is not done again; what failed, timed out or was stopped is tried anew, with all its
/// attempts and all its time, on the definition and the input of before. One that was refused is admitted
/// anew. A stop is taken back.
///
/// Instead of names, a selection can be given. It is done to all that failed, timed out, were stopped or
/// refused, once somebody says yes.
///
/// Exit status: 0 they are asked to go on, with --wait: it succeeded; 1 one has not ended or has succeeded,
/// one of a selection could not be redriven, or nobody said yes, with --wait: it ended badly again or did
/// not end within --wait-timeout; 2 the request cannot be carried out; 130 after Ctrl-C.
///
/// Example: millrace redrive --flow order --phase Failed --since 2h
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Wait for its end and print its output; of one that is named
    #[arg(short, long)]
    wait: bool,
    /// Wait no longer than this, such as 90s or 10m [default: as long as it takes]
    #[arg(long, value_name = "DURATION", requires = "wait", allow_hyphen_values = true, value_parser = wait::parse_duration)]
    wait_timeout: Option<Duration>,
    #[command(flatten)]
    subjects: Subjects,
    #[command(flatten)]
    pub(super) target: Target,
}

struct Redrive;

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(redrive(args))
}

async fn redrive(args: &Args) -> Result<u8, String> {
    let name = match (args.wait, args.subjects.only()) {
        (false, _) => None,
        (true, Some(_)) if args.subjects.is_dry_run() => {
            return Err("--wait waits for what is done, and --dry-run does nothing".to_owned());
        }
        (true, Some(name)) => Some(name),
        (true, None) => return Err("--wait waits for one execution: name it".to_owned()),
    };
    let status = args.subjects.each(&args.target, &Redrive).await?;
    match name {
        Some(name) if status == 0 => wait_for(args, name).await,
        Some(_) | None => Ok(status),
    }
}

/// Waits for the end that comes after what was asked for, not the one before.
async fn wait_for(args: &Args, name: &str) -> Result<u8, String> {
    let connection = args.target.connect().await?;
    let key = connection.key(name);
    let view = read(&key, &connection.execution(&key).await?)?;
    let end = wait::wait_from(&connection, &view, args.wait_timeout).await?;
    match &end {
        End::Ended(view) => output::print(&connection, view).await,
        End::OutOfTime(_) | End::Gone | End::Interrupted | End::Unread => {
            complain(end.explain(&key));
            Ok(end.status())
        }
    }
}

impl Deed for Redrive {
    const VERB: &'static str = "redrive";
    const DONE: &'static str = "redriven";
    const PHASES: &'static [Phase] = &[Phase::Failed, Phase::TimedOut, Phase::Stopped, Phase::Rejected];

    fn is_due(&self, view: &View) -> bool {
        !is_owed(view) && !view.is_deleting
    }

    async fn act(&self, connection: &Connection, key: &Key, is_dry_run: bool) -> Result<Outcome, String> {
        for _ in 0..ATTEMPTS_MAX {
            let view = read(key, &connection.execution(key).await?)?;
            if let Some(outcome) = standing(&view) {
                return Ok(outcome);
            }
            let next = view.spec.redrive.unwrap_or_default().saturating_add(1);
            let spec = serde_json::json!({"redrive": next, "stop": null});
            let change = Change { spec, version: Some(view.version), is_dry_run };
            if connection.change(key, &change, "redriven").await?.is_some() {
                let Key { namespace, name } = key;
                let program = plugin::program();
                let hint = format!("`{program} watch {name} --namespace {namespace}` shows how it goes on");
                return Ok(Outcome::Done { word: "redriven", hint });
            }
        }
        Err(format!("execution {key} cannot be redriven: it changes all the time; try again"))
    }
}

fn read(key: &Key, text: &str) -> Result<View, String> {
    View::read(text).map_err(|why| format!("execution {key} cannot be read: {why}"))
}

/// What there is to say instead of redriving it.
fn standing(view: &View) -> Option<Outcome> {
    let name = &view.key.name;
    if view.is_deleting {
        return Some(Outcome::Refused(format!("`{name}` is being deleted; it cannot be redriven")));
    }
    if !view.is_ended() {
        let why = list_reason(view);
        return Some(Outcome::Refused(format!(
            "`{name}` has not ended: it is {}{why}; only what ended badly is redriven",
            harmless(&view.status.phase)
        )));
    }
    if view.has_succeeded() {
        return Some(Outcome::Refused(format!(
            "`{name}` has succeeded; only what ended badly is redriven, and `{} start {}` starts another",
            plugin::program(),
            harmless(&view.flow)
        )));
    }
    if is_asked_for(view) {
        let asked = format!("`{name}` is asked to go on already, and no controller has looked at that yet");
        return Some(Outcome::Unchanged(asked));
    }
    is_owed(view)
        .then(|| Outcome::Refused(format!("`{name}` is asked to go on already: {}", hindrance(view))))
}

fn list_reason(view: &View) -> String {
    match view.reason() {
        "" => String::new(),
        reason => format!(", {}", harmless(reason)),
    }
}

/// Whether it was asked for more often than it was done.
pub(super) fn is_owed(view: &View) -> bool {
    let accepted = view.status.accepted.as_ref().and_then(|accepted| accepted.redrive);
    let done = redrives_done(accepted, view.status.redrive_count);
    let has_ended_badly = view.is_ended() && !view.has_succeeded();
    has_ended_badly && view.spec.redrive.unwrap_or_default() > done
}

/// Whether it was asked for and nobody has looked at that yet.
pub(super) fn is_asked_for(view: &View) -> bool {
    is_owed(view) && view.generation > view.status.observed_generation
}

/// What keeps it from going on although it was asked to.
pub(super) fn hindrance(view: &View) -> String {
    harmless(view.condition("Stalled").map_or("it does not", |stalled| &*stalled.message))
}

/// Generation of the oldest spec whose end counts for who waits: one that was asked to go on has not ended
/// before that was looked at.
pub(super) fn counts_from(view: &View) -> i64 {
    if is_asked_for(view) { view.generation } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(spec: &str, status: &str) -> View {
        let text = format!(
            r#"{{"metadata": {{"name": "one", "generation": 2}},
                "spec": {{"flowRef": {{"name": "f"}} {spec}}}, "status": {{{status}}}}}"#
        );
        View::read(&text).unwrap()
    }

    #[test]
    fn only_what_ended_badly_and_was_not_asked_to_go_on_is_redriven() {
        let said = |spec: &str, status: &str| match standing(&view(spec, status)) {
            None => "due".to_owned(),
            Some(Outcome::Refused(why) | Outcome::Unchanged(why)) => why,
            Some(Outcome::Done { .. }) => String::new(),
        };
        for phase in ["Failed", "TimedOut", "Stopped", "Rejected"] {
            assert_eq!(said("", &format!(r#""phase": "{phase}""#)), "due");
        }
        assert!(said("", r#""phase": "Running""#).contains("has not ended: it is Running;"));
        assert!(said("", r#""phase": "Succeeded""#).contains("millrace start f"));
        let asked = r#", "redrive": 3"#;
        let behind = r#""phase": "Failed", "observedGeneration": 1, "accepted": {"generation": 1, "specDigest": "d", "redrive": 1}"#;
        assert!(said(asked, &format!(r#"{behind}, "redriveCount": 1"#)).contains("already"));
        assert_eq!(said(asked, &format!(r#"{behind}, "redriveCount": 2"#)), "due");
        let stuck = r#""phase": "Failed", "observedGeneration": 2,
            "conditions": [{"type": "Stalled", "status": "True", "reason": "EngineFault", "message": "lost"}]"#;
        assert!(said(asked, stuck).ends_with("asked to go on already: lost"));
    }
}
