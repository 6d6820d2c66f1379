//! `millrace report`: an answer for a task that waits for one.

use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::api::execution::{CAUSE_CHARS_MAX, ERROR_CHARS_MAX, TOKEN_CHARS_MAX};
use crate::api::task_report::ReportOutcome;
use crate::api::{Payload, TaskReport, TaskReportSpec};
use crate::cluster::api_server::{ApiError, collection};
use crate::cluster::backoff::Backoff;
use crate::cluster::object::{Key, Stored};
use crate::value::Value;

use super::connection::{Connection, Target};
use super::execution::Condition;
use super::source::{STDIN, Source};
use super::start::FIELD_MANAGER;
use super::terminal::{complain, fit, harmless, tell, write_result};
use super::wait;

/// How long the answer is waited for where nobody says. A controller takes milliseconds; one that is being
/// replaced, as long as its lease.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shortest pause before it is looked whether the answer was taken.
const LOOK_MIN: Duration = Duration::from_millis(50);

/// Pauses between looks.
const LOOK: Backoff = Backoff::new(LOOK_MIN, Duration::from_secs(1));

/// What a report begins its name with.
const PREFIX: &str = "report-";

/// Answer for a task that waits for its callback.
///
/// The task is the one that was given the token. It succeeds with --output, fails with --error, or says
/// with --heartbeat that the work goes on. The answer is a TaskReport; whether the task took it is waited
/// for and told.
///
/// Whoever has the token can answer for the task. `--token -` reads it from stdin and `--token @FILE` from
/// a file: then it is neither in the history of the shell nor in the list of processes.
///
/// Exit status: 0 the task took the answer; 1 it was refused, or nobody looked at it within --wait-timeout
/// (the answer stays, and counts as soon as somebody does); 2 the request cannot be carried out.
///
/// Example: millrace report --token @token --output '{"approved": true}'
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("outcome").required(true).args(["output", "error", "heartbeat"]))]
pub(super) struct Args {
    /// Token that the task was given, a file that holds it, or `-` for stdin
    #[arg(long, value_name = "TOKEN|@FILE|-", allow_hyphen_values = true)]
    token: String,
    /// The task has succeeded with this output as JSON, or that of a file in JSON or YAML
    #[arg(long, value_name = "JSON|@FILE")]
    output: Option<String>,
    /// The task has failed with this error, at most 256 characters
    #[arg(long, value_name = "ERROR", value_parser = parse_error)]
    error: Option<String>,
    /// Cause of the error
    #[arg(long, value_name = "CAUSE", conflicts_with_all = ["output", "heartbeat"], requires = "error", value_parser = parse_cause)]
    cause: Option<String>,
    /// The task goes on: its heartbeat timeout begins anew
    #[arg(long)]
    heartbeat: bool,
    /// Wait no longer than this for what becomes of it, such as 90s or 10m; 0 does not wait [default: 30s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = wait::parse_duration)]
    wait_timeout: Option<Duration>,
    #[command(flatten)]
    pub(super) target: Target,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(report(args))
}

async fn report(args: &Args) -> Result<u8, String> {
    let spec = spec(args)?;
    let connection = args.target.connect().await?;
    let key = create(&connection, &spec).await?;
    let limit = args.wait_timeout.unwrap_or(PATIENCE);
    if limit.is_zero() {
        write_result(&format!("taskreport.millrace.dev/{} created\n", key.name))?;
        return Ok(0);
    }
    tokio::select! {
        biased;
        judged = judged(&connection, &key, limit) => tell_of(&key, limit, judged?),
        _ = tokio::signal::ctrl_c() => {
            complain(format_args!("stopped waiting; the answer stays: `kubectl get taskreport {}`", key.name));
            Ok(super::EXIT_INTERRUPTED)
        }
    }
}

fn spec(args: &Args) -> Result<TaskReportSpec, String> {
    let output = match args.output.as_deref().map(|text| (text, text.strip_prefix('@'))) {
        None => None,
        Some((_, Some(file))) => Some(Source::read(file)?.value()?),
        Some((text, None)) => Some(
            Value::parse(text)
                .map_err(|error| format!("--output: {error}; a file is given as --output @FILE"))?,
        ),
    };
    let outcome = match (&output, args.heartbeat) {
        (Some(_), _) => ReportOutcome::Succeeded,
        (None, true) => ReportOutcome::Heartbeat,
        (None, false) => ReportOutcome::Failed,
    };
    Ok(TaskReportSpec {
        task_token: token(args)?,
        outcome,
        output: output.as_ref().map(Payload::from),
        error: args.error.clone(),
        cause: args.cause.clone(),
    })
}

/// The token. It is a secret: no message shows it.
fn token(args: &Args) -> Result<String, String> {
    let (token, from) = match args.token.strip_prefix('@') {
        None if args.token == STDIN => (Source::read(STDIN)?.text, "stdin"),
        None => (args.token.clone(), "--token"),
        Some(STDIN) => (Source::read(STDIN)?.text, "stdin"),
        Some(file) => (Source::read(file)?.text, file),
    };
    let token = token.trim();
    match token.chars().count() {
        0 => Err(format!("{from} holds no token")),
        1..=TOKEN_CHARS_MAX => Ok(token.to_owned()),
        length => {
            Err(format!("a token has at most {TOKEN_CHARS_MAX} characters, that of {from} has {length}"))
        }
    }
}

/// Makes the report; gives where it is.
async fn create(connection: &Connection, spec: &TaskReportSpec) -> Result<Key, String> {
    let what = "the answer cannot be given";
    let mut report = TaskReport::new("", spec.clone());
    report.metadata.name = None;
    report.metadata.generate_name = Some(PREFIX.to_owned());
    let body = serde_json::to_string(&report).map_err(|error| format!("a bug in millrace: {error}"))?;
    let path = format!(
        "{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict",
        collection::<TaskReport>(&connection.namespace)
    );
    let sent = connection.server.send(http::Request::post(path), body).await;
    let text = sent.map_err(|error| connection.explain(what, error))?;
    let made: Stored<TaskReport> = serde_json::from_str(&text)
        .map_err(|error| format!("{what}: the answer of the API server: {error}"))?;
    Ok(made.key())
}

/// What has become of a report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
    phase: String,
    execution: Option<String>,
    task: Option<String>,
}

/// Why it is not known what has become of a report.
#[derive(Debug)]
enum Judged {
    Known(Status),
    /// Nobody has looked at it in time.
    Late,
    /// Somebody has removed it.
    Gone,
}

/// Waits until a report was looked at. That the API server is away for a while is borne: the report stands.
async fn judged(connection: &Connection, key: &Key, limit: Duration) -> Result<Judged, String> {
    let began = Instant::now();
    let mut backoff = LOOK;
    loop {
        let left = limit.saturating_sub(began.elapsed()).max(LOOK_MIN);
        tokio::time::sleep(backoff.next_pause().min(left)).await;
        match connection.server.get::<TaskReport>(key).await {
            Ok(Some(report)) => {
                let status: Status = report.decode_status().unwrap_or_default();
                if !matches!(&*status.phase, "" | "Pending") {
                    return Ok(Judged::Known(status));
                }
            }
            Ok(None) => return Ok(Judged::Gone),
            Err(ApiError::Unavailable(_)) => {}
            Err(error) => {
                let what = format!("the answer was given as taskreport {key}, and cannot be read");
                return Err(connection.explain(&what, error));
            }
        }
        if began.elapsed() >= limit {
            return Ok(Judged::Late);
        }
    }
}

fn tell_of(key: &Key, limit: Duration, judged: Judged) -> Result<u8, String> {
    let resource = format!("taskreport.millrace.dev/{}", key.name);
    let Key { namespace, name } = key;
    match judged {
        Judged::Known(status) => {
            let phase = harmless(&status.phase.to_lowercase());
            write_result(&format!("{resource} {phase}\n"))?;
            let of = [
                status.task.as_deref().map(|task| format!("task `{task}`")),
                status.execution.as_deref().map(|run| format!("execution `{run}`")),
            ];
            let of = of.into_iter().flatten().collect::<Vec<_>>().join(" of ");
            let message = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            let message = message.map(|condition| condition.message.clone()).unwrap_or_default();
            let told = harmless(if message.is_empty() { &of } else { &message });
            match status.phase == "Accepted" {
                true if told.is_empty() => Ok(0),
                true => {
                    tell(fit(&told));
                    Ok(0)
                }
                false => {
                    complain(format_args!(
                        "the answer was refused{}{told}",
                        if told.is_empty() { "" } else { ": " }
                    ));
                    Ok(1)
                }
            }
        }
        Judged::Late => {
            complain(format_args!(
                "nobody has looked at the answer within {}s; it stays, and counts as soon as a controller does: \
                 `kubectl get taskreport {name} --namespace {namespace}`",
                limit.as_secs_f64()
            ));
            Ok(1)
        }
        Judged::Gone => {
            complain(format_args!(
                "somebody has removed the answer `{name}` before it was told what became of it"
            ));
            Ok(1)
        }
    }
}

fn parse_error(text: &str) -> Result<String, String> {
    at_most(text, ERROR_CHARS_MAX)
}

fn parse_cause(text: &str) -> Result<String, String> {
    at_most(text, CAUSE_CHARS_MAX)
}

fn at_most(text: &str, most: usize) -> Result<String, String> {
    match text.chars().count() {
        length if length > most => Err(format!("at most {most} characters are stored, found {length}")),
        _ => Ok(text.to_owned()),
    }
}
