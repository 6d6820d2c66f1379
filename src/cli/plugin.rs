//! The same program as a plugin of kubectl: linked as `kubectl-millrace` it is called `kubectl millrace`.

use std::path::Path;

use clap::Command;

/// What the file of the program is called.
pub(super) const PROGRAM: &str = "millrace";

/// What the file of a plugin is called.
pub(super) const FILE: &str = "kubectl-millrace";

/// What the user of the plugin types.
pub(super) const NAME: &str = "kubectl millrace";

/// How an example begins.
const EXAMPLE: &str = "Example: millrace ";

/// The command with the name it was called by.
pub(super) fn named(command: Command) -> Command {
    if is_plugin() { as_plugin(command) } else { command }
}

/// What a person types to call this program.
pub(super) fn program() -> &'static str {
    if is_plugin() { NAME } else { PROGRAM }
}

fn is_plugin() -> bool {
    let called = std::env::args_os().next();
    let file = called.as_ref().and_then(|called| Path::new(called).file_stem());
    file.is_some_and(|file| file == FILE)
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
    use clap::{CommandFactory as _, Parser as _};

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

    #[test]
    fn the_cluster_is_named_before_or_behind_the_command() {
        let aimed = |line: &str| {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Cli { target, all_namespaces, mut command } = cli;
            command.aim(target, all_namespaces).map(|()| format!("{command:?}"))
        };
        for line in ["millrace -n shop list", "millrace list -n shop", "millrace -n other list -n shop"] {
            let list = aimed(line).unwrap();
            assert!(list.contains("namespace: Some(\"shop\")"), "{line}: {list}");
        }
        let both = aimed("millrace --context moon list --namespace shop").unwrap();
        assert!(both.contains("context: Some(\"moon\")") && both.contains("shop"), "{both}");
        assert!(aimed("millrace --context moon lint f").unwrap_err().contains("`lint` takes no --context"));
        assert!(aimed("millrace lint f").is_ok());
        for line in ["millrace -A list", "millrace list -A", "millrace -A watch"] {
            assert!(aimed(line).unwrap().contains("all_namespaces: true"), "{line}");
        }
        assert!(aimed("millrace -A stop one").unwrap_err().contains("`list` and `watch`"));
    }
}
