//! `millrace run`: a definition run here and now by the same engine, without a cluster.

mod clock;
mod entropy;
mod files;
mod local;
mod outcome;
mod progress;
mod request;
mod trace;
mod watchdog;
mod world;

use std::process::ExitCode;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::{Execution, Fault, TokenKey};
use crate::expr::Interrupt;
use crate::value::Str;

use super::attributes::Attributes;
use super::terminal::{complain, tell, write_result};
use super::{EXIT_UNUSABLE, Output};
use clock::{Clock, ClockKind};
use local::Local;
use progress::Progress;
use request::Request;
use trace::Trace;
use world::World;

/// Account that a run acts as where there is no cluster: the one that every namespace has.
const SERVICE_ACCOUNT: &str = "default";

/// Run a definition here and now, without a cluster.
///
/// HTTP tasks are done for real: `HTTP:Request`, and what --bind or the manifest of a Flow binds to a
/// URL. Other tasks are answered by --mock, or fail as unbound, which a Catch can handle.
///
/// Exit status: 0 succeeded, 1 ended otherwise, 2 the definition or an argument cannot be used.
///
/// Example: millrace run order.yaml --input '{"orderId": 7}' --mock answers.yaml --clock virtual
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Definition, or manifest of a Flow; `-` is stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// Name of the Flow to run, where the file holds several
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Input as JSON, or a file with it in JSON or YAML, `-` for stdin; {} when absent
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<String>,
    /// File with answers to tasks: `{"<state or resource>": [{"output": …} | {"error": …, "cause": …}, …]}`,
    /// one for each call in order, the last one repeated; the name of a state wins
    #[arg(long, value_name = "FILE")]
    mock: Option<String>,
    /// Post the arguments of tasks with this resource to this URL, the answer is the result; `*` in the
    /// resource stands for any characters
    #[arg(long, value_name = "RESOURCE=URL")]
    bind: Vec<String>,
    /// Clock of the run
    #[arg(long, value_name = "CLOCK", default_value = "real")]
    clock: ClockKind,
    /// Name of the execution; that of the flow when absent
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    attributes: Attributes,
    /// What to print: the output or the error for a person, or one JSON object with status, output,
    /// error and cause
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// Write what happens into this file, a JSON object on each line: states entered, left, retried and
    /// failed, tasks and errors, each with its time; `-` is stdout, where the output does not go as JSON
    #[arg(long, value_name = "FILE")]
    trace: Option<String>,
    /// Do not tell of progress and warnings
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match request::read(args).and_then(|request| perform(args, request)) {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            complain(message);
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn perform(args: &Args, request: Request) -> Result<u8, String> {
    let interrupt = Interrupt::default();
    let runtime =
        runtime(request.program.is_unbounded()).map_err(|error| format!("cannot start: {error}"))?;
    if request.program.is_unbounded() {
        let interrupt = interrupt.clone();
        runtime.spawn(async move {
            interrupted().await;
            interrupt.interrupt();
        });
    }
    // The engine counts in whole milliseconds: from anything between, all times would seem to be off.
    let now = Timestamp::now();
    let started_at = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let id: Str = entropy::uuid()?.into();
    let trace = args.trace.as_deref().map(Trace::open).transpose()?;
    let local = Local {
        program: &request.program,
        clock: Clock::new(args.clock, started_at),
        world: World::new(id.clone(), request.mocks, request.bindings),
        progress: Progress::new(started_at, args.quiet),
        token_key: TokenKey::new(entropy::bytes()?),
        trace,
        interrupt,
    };
    let execution = Execution {
        id,
        name: request.name.into(),
        flow: request.flow.into(),
        service_account: Some(Str::from(SERVICE_ACCOUNT)),
        input: request.input,
        started_at,
        timeout_seconds: request.timeout_seconds,
        task_timeout_seconds: request.task_timeout_seconds,
        attributes: request.attributes,
    };
    let ended = runtime.block_on(local.run(execution, interrupted()));
    let (run, trace) = ended.map_err(|fault| match fault {
        Fault::Interrupted(state) => format!(
            "the expressions of state `{state}` were given up after {} s; a controller would say `Stalled` and try them again ever more rarely",
            watchdog::TIME_MAX.as_secs()
        ),
        fault => format!("a bug in millrace: {fault}"),
    })?;
    let Some(ended) = run.outcome() else {
        return Err("a bug in millrace: the run has not ended".to_owned());
    };
    match args.output {
        Output::Json => write_result(&format!("{}\n", outcome::to_json(ended)))?,
        Output::Text => match outcome::to_text(ended) {
            Ok(output) => write_result(&format!("{output}\n"))?,
            Err(message) => tell(message),
        },
    }
    trace.map_or(Ok(()), Trace::finish)?;
    Ok(outcome::exit_status(ended))
}

/// One thread; with expressions that can compute for ever, another one that hears of signals meanwhile.
fn runtime(is_unbounded: bool) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = if is_unbounded {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.worker_threads(1).enable_all().build()
}

/// When someone wants the run to end: Ctrl-C, or the polite signal of a supervisor.
async fn interrupted() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = ctrl_c => {}
        _ = terminated => {}
    }
}
