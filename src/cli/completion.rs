//! `millrace completion`: what shells need to complete words, and what to complete them with.
//!
//! Shells call the program itself, with a variable of the environment that says so: what it completes is
//! always what it understands, and names come from the cluster.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};
use clap_complete::env::{Bash, CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use crate::api::{Execution, Flow};

use super::connection::Target;
use super::terminal::{complain, tell, write_result};
use super::{page, plugin};

/// Variable that asks for completions instead of a command.
const VARIABLE: &str = "MILLRACE_COMPLETE";

/// How long a person who has pressed a key waits for names from the cluster.
const PATIENCE: Duration = Duration::from_secs(3);

/// Names that are offered. Nobody reads more.
const NAMES_MAX: u32 = 500;

const SHELLS: Shells<'static> = Shells(&[&Bash, &Zsh, &Fish, &Powershell, &Elvish, &Kubectl]);

/// Print what a shell needs to complete words.
///
/// Names of executions and flows are asked for in the cluster that the line names.
///
/// For bash, put `source <(millrace completion bash)` into ~/.bashrc; for zsh, the same with zsh into
/// ~/.zshrc; for fish, `millrace completion fish | source` into config.fish; for PowerShell,
/// `millrace completion powershell | Out-String | Invoke-Expression` into $PROFILE.
///
/// For `kubectl millrace`, completion of kubectl itself asks a program `kubectl_complete-millrace` in the
/// PATH: write there what `millrace completion kubectl` prints, and make it executable.
///
/// Exit status: 0 printed.
///
/// Example: millrace completion bash
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose completion
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
    /// What kubectl asks about its plugin
    Kubectl,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Elvish => "elvish",
            Self::Kubectl => Kubectl.name(),
        }
    }
}

/// Prints what a shell needs.
pub(super) fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    let written = match SHELLS.completer(args.shell.name()) {
        // Of a plugin the shell completes the program, and kubectl what it calls.
        Some(shell) => {
            shell.write_registration(VARIABLE, plugin::PROGRAM, plugin::PROGRAM, &called(), &mut script)
        }
        None => Ok(()),
    };
    let written = written.map_err(|error| format!("a bug in millrace: {error}"));
    match written.and_then(|()| write_result(&String::from_utf8_lossy(&script))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(message);
            ExitCode::from(super::EXIT_UNUSABLE)
        }
    }
}

/// How this program was called: a path where it was one, so that another of the name is not meant.
fn called() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let path = Path::new(&called);
    if path.components().count() < 2 {
        return called.to_string_lossy().into_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Completes a word where a shell asks for that; says whether one did.
pub(super) fn answered(command: impl Fn() -> Command) -> Option<ExitCode> {
    let here = std::env::current_dir().ok();
    let env = CompleteEnv::with_factory(command).var(VARIABLE).shells(SHELLS);
    match env.try_complete(std::env::args_os(), here.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => {
            tell(error);
            Some(ExitCode::from(super::EXIT_UNUSABLE))
        }
    }
}

/// What kubectl asks: the words of the line behind the plugin's name. It expects a line for each
/// candidate, and a number that says what the shell is to do (cobra's `ShellCompDirective`).
#[derive(Debug)]
struct Kubectl;

/// The shell does not offer files besides.
const NO_FILES: &str = ":4";

impl EnvCompleter for Kubectl {
    fn name(&self) -> &'static str {
        "kubectl"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        variable: &str,
        _: &str,
        _: &str,
        _: &str,
        script: &mut dyn Write,
    ) -> std::io::Result<()> {
        let plugin = plugin::FILE;
        write!(
            script,
            "#!/bin/sh\n# kubectl asks this what may stand in a line of `{}`: keep it as\n# \
             kubectl_complete-millrace in a folder of the PATH, executable.\n{variable}={} exec {plugin} -- {plugin} \"$@\"\n",
            plugin::NAME,
            self.name()
        )
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        answer: &mut dyn Write,
    ) -> std::io::Result<()> {
        let last = words.len().saturating_sub(1);
        for candidate in complete(command, words, last, here)? {
            let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
            let help = help.lines().next().unwrap_or_default();
            let value = candidate.get_value().to_string_lossy();
            writeln!(answer, "{value}{}{help}", if help.is_empty() { "" } else { "\t" })?;
        }
        writeln!(answer, "{NO_FILES}")
    }
}

/// Names of executions.
pub(super) fn executions() -> ArgValueCandidates {
    ArgValueCandidates::new(names::<Execution>)
}

/// Names of flows.
pub(super) fn flows() -> ArgValueCandidates {
    ArgValueCandidates::new(names::<Flow>)
}

/// Names in the namespace that the line names. Where there is no answer nothing is offered: a person who
/// types is not to be told of problems.
fn names<K: kube::Resource<DynamicType = ()>>() -> Vec<CompletionCandidate> {
    let asked = async {
        let connection = Target::of_line(std::env::args_os()).connect().await.ok()?;
        page::names::<K>(&connection, &connection.namespace, NAMES_MAX).await.ok()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let names = runtime.ok().and_then(|runtime| {
        runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.ok().flatten() })
    });
    names.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}
