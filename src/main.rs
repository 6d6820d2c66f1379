//! The `millrace` command. Linked as `kubectl-millrace` it is a kubectl plugin.

use std::process::ExitCode;

fn main() -> ExitCode {
    millrace::cli::main()
}
