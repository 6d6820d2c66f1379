//! The same program as a plugin of kubectl: linked as `kubectl-millrace` it is called `kubectl millrace`.

use std::path::Path;

use clap::Command;

/// What the file of a plugin is called.
const FILE: &str = "kubectl-millrace";

/// What its user types.
const NAME: &str = "kubectl millrace";

/// How an example begins.
const EXAMPLE: &str = "Example: millrace ";

/// The command with the name it was called by.
pub(super) fn named(command: Command) -> Command {
    let called = std::env::args_os().next();
    let file = called.as_ref().and_then(|called| Path::new(called).file_stem());
    if file.is_some_and(|file| file == FILE) { as_plugin(command) } else { command }
}

fn as_plugin(command: Command) -> Command {
    let command = command.bin_name(NAME).display_name(NAME);
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |subcommand| {
            let about = subcommand.get_long_about().map(ToString::to_string).unwrap_or_default();
            subcommand.long_about(about.replace(EXAMPLE, &format!("Example: {NAME} ")))
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn every_command_is_well_formed_and_has_an_example_under_both_names() {
        Cli::command().debug_assert();
        for subcommand in Cli::command().get_subcommands() {
            let about = subcommand.get_long_about().unwrap_or_default().to_string();
            assert!(about.contains(&format!("{EXAMPLE}{} ", subcommand.get_name())), "{about}");
        }
        let mut plugin = as_plugin(Cli::command());
        plugin.build();
        for subcommand in plugin.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let help = subcommand.render_long_help().to_string();
            let begin = format!("{NAME} {} ", subcommand.get_name());
            assert!(help.contains(&format!("Usage: {begin}")), "{help}");
            assert!(help.contains(&format!("Example: {begin}")), "{help}");
        }
    }
}
