//! The command line: one file per subcommand.
//!
//! Results go to stdout, everything said about them to stderr. Exit status: 0 as asked, 1 the run or
//! the definition is not as wished, 2 the request cannot be carried out.

mod connection;
mod controller;
mod crds;
mod definition;
mod ending;
mod execution;
mod follow;
mod format;
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
mod run;
mod source;
mod start;
mod table;
mod terminal;
mod timeline;
mod tree;
mod wait;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Exit status of a request that cannot be carried out.
pub const EXIT_UNUSABLE: u8 = 2;

/// Runs state machines on Kubernetes.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Controller(controller::Args),
    Crds(crds::Args),
    Lint(lint::Args),
    List(list::Args),
    Output(output::Args),
    Run(run::Args),
    Start(start::Args),
    Tree(tree::Args),
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
    let matches = plugin::named(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Controller(args) => controller::run(args),
        Command::Crds(args) => crds::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::List(args) => list::run(&args),
        Command::Output(args) => output::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Start(args) => start::run(&args),
        Command::Tree(args) => tree::run(&args),
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
