//! Completion, as shells and kubectl ask for it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::super::rig::Space;
use super::{NAP, Person, check_said};
use crate::command::{millrace, start_as};
use crate::tools;

/// What bash would offer for the last word of a line.
fn offered(person: &Person<'_>, words: &[&str]) -> Vec<String> {
    let mut program = person.program(&["--", "millrace"]);
    program.args(words).env("MILLRACE_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    program.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let ended = start_as(&mut program, "").ended();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended.stdout.lines().map(|word| word.trim().to_owned()).collect()
}

#[test]
fn words_and_names_are_completed() {
    let space = Space::new("complete");
    let person = Person::new(&space, "view");
    person.space.apply(&super::super::rig::manifest("Flow", "nap", json!({"definition": NAP})).to_string());
    for name in ["order-1", "order-2", "refund-1"] {
        space.start(name, json!({"flowRef": {"name": "nap"}}));
    }
    assert_eq!(offered(&person, &["expl"]), ["explain"]);
    assert_eq!(offered(&person, &["tree", "order"]), ["order-1", "order-2"]);
    assert_eq!(offered(&person, &["stop", "order-1", "ref"]), ["refund-1"]);
    assert_eq!(offered(&person, &["list", "--flow", ""]), ["nap"]);
    assert_eq!(offered(&person, &["start", "n"]), ["nap"]);
    assert_eq!(offered(&person, &["list", "--phase", "Fa"]), ["Failed"]);
    // The cluster that the line names, and nothing where it cannot be asked.
    let admin = space.cluster.kubeconfig.to_str().unwrap();
    assert_eq!(offered(&person, &["--kubeconfig", admin, "-n", &space.name, "tree", "ref"]), ["refund-1"]);
    assert_eq!(offered(&person, &["--kubeconfig=/nonexistent", "tree", "ref"]), Vec::<String>::new());
    assert_eq!(offered(&person, &["-n", "kube-system", "tree", "ref"]), Vec::<String>::new());

    // kubectl asks a program of this name about its plugin.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&space.name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_millrace"), folder.join("kubectl-millrace")).unwrap();
    let script = folder.join("kubectl_complete-millrace");
    std::fs::write(&script, person.prints(&["completion", "kubectl"])).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let asked = |words: &[&str]| {
        let mut kubectl = tools::kubectl();
        kubectl.args(["__complete", "millrace"]).args(words).env("KUBECONFIG", &person.kubeconfig);
        kubectl.env("PATH", format!("{}:{path}", folder.display()));
        start_as(&mut kubectl, "").ended()
    };
    let ended = asked(&["tree", "order"]);
    assert!(ended.stdout.starts_with("order-1\norder-2\n:4"), "{ended:?}");
    let ended = asked(&["his"]);
    assert!(ended.stdout.starts_with("history\tShow all that has happened"), "{ended:?}");
}

#[test]
fn each_shell_is_told_how_to_ask() {
    for (shell, word) in [
        ("bash", "complete -o nospace"),
        ("zsh", "#compdef millrace"),
        ("fish", "complete --keep-order --exclusive --command millrace"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer"),
        ("kubectl", "#!/bin/sh\n"),
    ] {
        let ended = millrace(&["completion", shell]);
        assert!(ended.status == Some(0) && ended.stdout.contains(word), "{shell}: {ended:?}");
        assert!(ended.stdout.contains("MILLRACE_COMPLETE"), "{shell}: {ended:?}");
    }
    check_said(&millrace(&["completion", "tcsh"]), 2, &["tcsh", "bash"]);
    check_said(&millrace(&["-n", "shop", "completion", "bash"]), 2, &["takes no --namespace"]);
}
