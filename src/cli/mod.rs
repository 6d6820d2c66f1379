//! The command line: one file per subcommand.
//!
//! Results go to stdout, everything said about them to stderr. Exit status: 0 as asked, 1 the run or
//! the definition is not as wished, 2 the request cannot be carried out.

mod controller;
mod crds;
mod definition;
mod lint;
mod manifest;
mod placement;
mod problem;
mod run;
mod source;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Run(run::Args),
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
    match Cli::parse().command {
        Command::Controller(args) => controller::run(args),
        Command::Crds(args) => crds::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Run(args) => run::run(&args),
    }
}
