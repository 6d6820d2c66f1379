//! The command line: one file per subcommand.
//!
//! Results go to stdout, everything said about them to stderr. Exit status: 0 as asked, 1 the run or
//! the definition is not as wished, 2 the request cannot be carried out,
//! 130 a wait was broken off with Ctrl-C.

mod apart;
mod attributes;
mod bulk;
mod completion;
mod connection;
mod controller;
mod crds;
mod definition;
mod ending;
mod execution;
mod explain;
mod follow;
mod format;
mod history;
mod lint;
mod list;
mod live;
mod manifest;
mod name;
mod output;
mod page;
mod placement;
mod plugin;
mod problem;
mod redrive;
mod report;
mod run;
mod sarif;
mod selection;
mod source;
mod start;
mod stop;
mod suspend;
mod table;
mod terminal;
mod timeline;
mod tree;
mod wait;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use connection::Target;

/// Exit status of a request that cannot be carried out.
pub const EXIT_UNUSABLE: u8 = 2;

/// Exit status after Ctrl-C, as shells count it.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs state machines on Kubernetes.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    target: Target,
    /// In all namespaces, with commands that list
    #[arg(short = 'A', long, help_heading = "Cluster")]
    all_namespaces: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Completion(completion::Args),
    Controller(controller::Args),
    Crds(crds::Args),
    Explain(explain::Args),
    History(history::Args),
    Lint(lint::Args),
    List(list::Args),
    Output(output::Args),
    Redrive(redrive::Args),
    Report(report::Args),
    Resume(suspend::ResumeArgs),
    Run(run::Args),
    Start(start::Args),
    Stop(stop::Args),
    Suspend(suspend::Args),
    Tree(tree::Args),
    Watch(watch::Args),
}

impl Command {
    /// Takes over which cluster was meant before the name of the command; what stands behind it wins.
    ///
    /// # Errors
    /// Where it is a command that asks no cluster, or none about all namespaces.
    fn aim(&mut self, before: Target, is_everywhere: bool) -> Result<(), String> {
        match self {
            Self::List(args) => args.all_namespaces |= is_everywhere,
            Self::Watch(args) => args.all_namespaces |= is_everywhere,
            _ if is_everywhere => {
                return Err("--all-namespaces before the command is for `list` and `watch`".to_owned());
            }
            _ => {}
        }
        let (name, target) = match self {
            Self::Explain(args) => ("explain", Some(&mut args.target)),
            Self::History(args) => ("history", Some(&mut args.target)),
            Self::List(args) => ("list", Some(&mut args.target)),
            Self::Output(args) => ("output", Some(&mut args.target)),
            Self::Redrive(args) => ("redrive", Some(&mut args.target)),
            Self::Report(args) => ("report", Some(&mut args.target)),
            Self::Resume(args) => ("resume", Some(&mut args.target)),
            Self::Start(args) => ("start", Some(&mut args.target)),
            Self::Stop(args) => ("stop", Some(&mut args.target)),
            Self::Suspend(args) => ("suspend", Some(&mut args.target)),
            Self::Tree(args) => ("tree", Some(&mut args.target)),
            Self::Watch(args) => ("watch", Some(&mut args.target)),
            Self::Completion(_) => ("completion", None),
            Self::Controller(_) => ("controller", None),
            Self::Crds(_) => ("crds", None),
            Self::Lint(_) => ("lint", None),
            Self::Run(_) => ("run", None),
        };
        match (target, before.first_given()) {
            (Some(target), _) => target.fill(before),
            (None, None) => {}
            (None, Some(option)) => {
                return Err(format!(
                    "`{name}` takes no {option} before it: it asks no cluster of the kubeconfig"
                ));
            }
        }
        Ok(())
    }
}

/// Who a result is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a person
    Text,
    /// For a program
    Json,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    // Whoever opens a TLS connection, the API client too, finds its cryptography here. It can be there
    // already only where this is called twice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(status) = completion::answered(|| plugin::named(Cli::command())) {
        return status;
    }
    let matches = plugin::named(Cli::command()).get_matches();
    let Cli { target, all_namespaces, mut command } =
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Err(message) = command.aim(target, all_namespaces) {
        terminal::complain(message);
        return ExitCode::from(EXIT_UNUSABLE);
    }
    match command {
        Command::Completion(args) => completion::run(&args),
        Command::Controller(args) => controller::run(args),
        Command::Crds(args) => crds::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::History(args) => history::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::List(args) => list::run(&args),
        Command::Output(args) => output::run(&args),
        Command::Redrive(args) => redrive::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Resume(args) => suspend::resume(&args),
        Command::Run(args) => run::run(&args),
        Command::Start(args) => start::run(&args),
        Command::Stop(args) => stop::run(&args),
        Command::Suspend(args) => suspend::suspend(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Watch(args) => watch::run(&args),
    }
}

/// Carries out a request to a cluster; gives its exit status.
fn against_cluster(request: impl Future<Output = Result<u8, String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(request),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            terminal::complain(terminal::harmless(&message));
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}
