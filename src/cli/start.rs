//! `millrace start`: a new run of a Flow.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::execution::{FlowRef, NAME_CHARS_MAX};
use crate::api::{API_VERSION, Execution, ExecutionSpec, Payload};
use crate::cluster::api_server::{ApiError, collection};
use crate::cluster::object::{Key, Stored};
use crate::controller::execution::digest::spec_digest;
use crate::controller::execution::status::instant_text;

use super::attributes::Attributes;
use super::connection::{Connection, Target};
use super::execution::View;
use super::follow::End;
use super::format::{self, Format, resource_name};
use super::source::Source;
use super::terminal::{complain, harmless, tell, write_result};
use super::{ending, name, output, wait};

/// Characters that the API server puts behind `generateName`.
const GENERATED_CHARS: usize = 5;

/// Longest `generateName`: the API server cuts what is longer, without a word.
const PREFIX_CHARS_MAX: usize = NAME_CHARS_MAX - GENERATED_CHARS;

/// How often a name is generated. One in 28 million is taken by another.
const GENERATE_ATTEMPTS: usize = 3;

/// Field manager of what the command line writes.
pub(super) const FIELD_MANAGER: &str = "millrace-cli";

/// Start an execution of a flow.
///
/// A name can be used once. Starting it again with the same arguments starts nothing, the execution
/// that is there is the answer; with others it is refused. So with --name, a start whose answer was lost
/// can be repeated.
///
/// With --wait, the output is printed as JSON when the execution has succeeded, and its way there is
/// told on stderr.
///
/// Exit status: 0 started, or was there already; with --wait: 0 succeeded, 1 ended otherwise or not
/// within --wait-timeout (it goes on), 2 the request cannot be carried out, also where the name is taken
/// by an execution with other arguments, 130 after Ctrl-C.
///
/// Example: millrace start order --input '{"orderId": 7}' --wait
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the flow
    #[arg(value_name = "FLOW", value_parser = name::parse, add = super::completion::flows())]
    flow: String,
    /// Name of the execution, at most 63 characters [default: generated, `FLOW-…`]
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,
    /// Generate a name that begins like this [default: `FLOW-`]
    #[arg(long, value_name = "PREFIX", conflicts_with = "name", value_parser = parse_prefix)]
    generate_name: Option<String>,
    /// Input as JSON, or a file with it in JSON or YAML; `@-` is stdin. {} when absent
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<String>,
    /// Time after which the execution is TimedOut, in seconds or like 10m [default: as the flow says]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = wait::parse_seconds)]
    timeout: Option<i64>,
    /// The same for each attempt of a task whose state names none
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, value_parser = wait::parse_seconds)]
    task_timeout: Option<i64>,
    /// Account that the execution acts as; one that the flow allows [default: that of the flow]
    #[arg(long, value_name = "NAME", value_parser = name::parse)]
    service_account: Option<String>,
    /// What of the flow to run: the number of a revision, or an alias [default: the newest valid one]
    #[arg(long, value_name = "REVISION|ALIAS")]
    qualifier: Option<String>,
    #[command(flatten)]
    attributes: Attributes,
    /// Wait for its end
    #[arg(short, long)]
    wait: bool,
    /// Wait no longer than this, such as 90s or 10m [default: as long as it takes]
    #[arg(long, value_name = "DURATION", requires = "wait", allow_hyphen_values = true, value_parser = wait::parse_duration)]
    wait_timeout: Option<Duration>,
    /// What to print: what was done and with --wait the output; the object; or its name at once
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    pub(super) target: Target,
}

/// What is sent to the API server.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    spec: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generate_name: Option<&'a str>,
}

/// An Execution that answers the request.
#[derive(Debug)]
struct Started {
    view: View,
    text: String,
    /// Whether it was there already.
    existed: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    super::against_cluster(start(args))
}

async fn start(args: &Args) -> Result<u8, String> {
    let spec = spec(args)?;
    let connection = args.target.connect().await?;
    connection.check_flow(&args.flow).await?;
    let started = create(&connection, args, &spec).await?;
    if !args.wait {
        print(&started, args.output)?;
        return Ok(0);
    }
    announce(&started, args.output)?;
    let Started { view, .. } = started;
    let end = match view.is_ended() {
        true => End::Ended(Box::new(view.clone())),
        false => wait::wait(&connection, (&view.key, &view.uid), args.wait_timeout).await?,
    };
    match &end {
        End::Ended(view) => finish(&connection, view, args.output).await,
        End::OutOfTime(_) | End::Gone | End::Interrupted | End::Unread => {
            complain(end.explain(&view.key));
            Ok(end.status())
        }
    }
}

/// The spec that the arguments ask for, as text.
fn spec(args: &Args) -> Result<Box<RawValue>, String> {
    let input = match args.input.as_deref().map(|text| (text, text.strip_prefix('@'))) {
        None => None,
        Some((_, Some(file))) => Some(Source::read(file)?.value()?),
        Some((text, None)) => Some(
            crate::value::Value::parse(text)
                .map_err(|error| format!("--input: {error}; a file is given as --input @FILE"))?,
        ),
    };
    let spec = ExecutionSpec {
        flow_ref: FlowRef { name: args.flow.clone(), qualifier: args.qualifier.clone() },
        input: input.as_ref().map(Payload::from),
        timeout_seconds: args.timeout,
        task_timeout_seconds: args.task_timeout,
        service_account_name: args.service_account.clone(),
        ..args.attributes.spec()?
    };
    serde_json::value::to_raw_value(&spec).map_err(|error| format!("a bug in millrace: {error}"))
}

/// Makes the object, or finds the one that is there.
async fn create(connection: &Connection, args: &Args, spec: &RawValue) -> Result<Started, String> {
    let prefix = args.generate_name.clone().unwrap_or_else(|| prefix(&args.flow));
    let name = args.name.as_deref();
    let metadata = Metadata { name, generate_name: name.is_none().then_some(&*prefix) };
    let manifest = Manifest { api_version: API_VERSION, kind: "Execution", metadata, spec };
    let manifest = serde_json::to_string(&manifest).map_err(|error| format!("a bug in millrace: {error}"))?;
    // A cluster that does not know a field must not forget it silently.
    let path = format!(
        "{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict",
        collection::<Execution>(&connection.namespace)
    );
    let what = match name {
        Some(name) => format!("execution `{name}` of flow `{}` cannot be started", args.flow),
        None => format!("an execution of flow `{}` cannot be started", args.flow),
    };
    for _ in 0..GENERATE_ATTEMPTS {
        match connection.server.send(http::Request::post(&path), manifest.clone()).await {
            Ok(text) => {
                let view = View::read(&text).map_err(|why| format!("{what}: the answer: {why}"))?;
                return Ok(Started { view, text, existed: false });
            }
            Err(ApiError::Conflict) => {
                if let Some(name) = name {
                    return existing(connection, &connection.key(name), spec).await;
                }
            }
            Err(error) => return Err(connection.explain(&what, error)),
        }
    }
    Err(format!("{what}: every name that was generated from `{prefix}` is taken"))
}

/// The object that is there already, where it is what was asked for.
async fn existing(connection: &Connection, key: &Key, spec: &RawValue) -> Result<Started, String> {
    let text = connection.execution(key).await?;
    let stored: Stored<Execution> = serde_json::from_str(&text)
        .map_err(|error| format!("execution {key} exists and cannot be read: {error}"))?;
    let view =
        View::of(&stored).map_err(|why| format!("execution {key} exists and cannot be read: {why}"))?;
    if view.is_deleting {
        return Err(format!("execution `{}` is being deleted; try again when it is gone", key.name));
    }
    let asked_for = spec_digest(spec);
    // What was accepted counts, whatever was applied under the name since.
    let digest = match (&view.status.accepted, &stored.spec) {
        (Some(accepted), _) => accepted.spec_digest.clone(),
        (None, Some(spec)) => spec_digest(spec),
        (None, None) => String::new(),
    };
    if digest == asked_for {
        return Ok(Started { view, text, existed: true });
    }
    let standing = match (view.is_ended(), view.status.start_time) {
        (true, _) => format!("already exists with other arguments and has ended ({})", view.status.phase),
        (false, Some(at)) => {
            format!("is in progress since {} with other arguments and goes on as it is", instant_text(at))
        }
        (false, None) => "is about to start with other arguments".to_owned(),
    };
    Err(format!(
        "execution `{}` for flow `{}` {standing}; another run needs another name",
        key.name, view.flow
    ))
}

/// Says what was done where the object is the answer.
fn print(started: &Started, format: Format) -> Result<(), String> {
    let object = || format::without_managed_fields(&started.text);
    match format {
        Format::Text => write_result(&format!("{}\n", deed(started)))?,
        Format::Json => write_result(&format::json(&object()))?,
        Format::Yaml => write_result(&format::yaml(&object()))?,
        Format::Name => write_result(&format!("{}\n", resource_name(&started.view.key.name)))?,
    }
    if started.existed {
        tell(format_args!(
            "`{}` exists already with the same arguments: {}",
            started.view.key.name,
            harmless(&started.view.status.phase)
        ));
    }
    Ok(())
}

/// Says what was done where its end is the answer.
fn announce(started: &Started, format: Format) -> Result<(), String> {
    match format {
        Format::Name => write_result(&format!("{}\n", resource_name(&started.view.key.name))),
        Format::Text | Format::Json | Format::Yaml => {
            tell(deed(started));
            Ok(())
        }
    }
}

/// In the words of kubectl.
fn deed(started: &Started) -> String {
    let deed = if started.existed { "unchanged" } else { "created" };
    format!("{} {deed}", resource_name(&started.view.key.name))
}

/// Tells how the run ended; gives the exit status.
async fn finish(connection: &Connection, view: &View, format: Format) -> Result<u8, String> {
    match format {
        Format::Text => return output::print(connection, view).await,
        Format::Json => write_result(&format::json(&output::object(connection, view).await?))?,
        Format::Yaml => write_result(&format::yaml(&output::object(connection, view).await?))?,
        Format::Name => {}
    }
    if view.has_succeeded() {
        return Ok(0);
    }
    tell(ending::of_run(view, None));
    Ok(1)
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = name::parse_execution(text)?;
    match name.len() {
        ..=NAME_CHARS_MAX => Ok(name),
        length => Err(format!(
            "the name of an execution has at most {NAME_CHARS_MAX} characters, this one {length}"
        )),
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    // It is a name once something stands behind it.
    name::parse(&format!("{text}x"))?;
    match text.len() {
        ..=PREFIX_CHARS_MAX => Ok(text.to_owned()),
        length => Err(format!(
            "a name of {NAME_CHARS_MAX} characters needs room for {GENERATED_CHARS}: at most {PREFIX_CHARS_MAX} \
             are left, this one has {length}"
        )),
    }
}

/// What names of a flow's executions begin with.
fn prefix(flow: &str) -> String {
    let kept: String = flow.chars().take(PREFIX_CHARS_MAX - 1).collect();
    format!("{}-", kept.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_short_enough_for_labels() {
        assert_eq!(prefix("order"), "order-");
        for flow in ["f".repeat(253), format!("{}.{}", "f".repeat(56), "g".repeat(60))] {
            let prefix = prefix(&flow);
            assert!(prefix.len() <= 58 && parse_prefix(&prefix).is_ok(), "{prefix}");
        }
        assert!(parse_name(&"n".repeat(63)).is_ok());
        assert!(parse_name(&"n".repeat(64)).unwrap_err().contains("at most 63 characters, this one 64"));
        assert!(parse_prefix(&"n".repeat(59)).unwrap_err().contains("at most 58"));
        assert!(parse_prefix("Order").is_err());
    }
}
