//! The program among others: behind a pipe, and as a plugin of kubectl.

use std::path::Path;

use super::super::rig::Space;
use super::{GREET, NAP, Person, check_said};
use crate::command::{start_as, unread};
use crate::tools;

#[test]
fn a_reader_who_goes_away_is_no_reason_to_fail() {
    let space = Space::new("unread");
    let _controller = space.controller();
    let person = Person::new(&space, "edit");
    person.flows(&[("greet", GREET)]);
    person.prints(&["start", "greet", "--name", "one", "--wait", "--input", r#"{"name": "a"}"#]);
    person.flows(&[("nap", NAP)]);
    person.prints(&["start", "nap", "--name", "long"]);
    for args in [
        &["tree", "long", "--watch"][..],
        &["tree", "long", "--watch", "-o", "json"],
        &["crds"],
        &["list"],
        &["list", "-o", "json"],
        &["list", "-o", "name"],
        &["tree", "one"],
        &["tree", "one", "-o", "yaml"],
        &["output", "one"],
        &["explain", "one"],
        &["history", "one"],
        &["history", "one", "-o", "json"],
        &["watch", "long"],
        &["watch", "one"],
        &["watch"],
        &["watch", "-o", "yaml"],
        &["completion", "bash"],
        &["suspend", "--flow", "nap", "--yes"],
        &["start", "greet", "-o", "json"],
        &["start", "greet", "--wait", "--input", r#"{"name": "a"}"#],
        &["start", "--help"],
    ] {
        let ended = unread(&mut person.program(args));
        assert_eq!(ended.status, Some(0), "{args:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{args:?}: {ended:?}");
    }
}

#[test]
fn kubectl_finds_it_as_its_plugin() {
    let space = Space::new("plugin");
    let person = Person::new(&space, "view");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&space.name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_millrace"), folder.join("kubectl-millrace")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let kubectl = |args: &[&str]| {
        let mut kubectl = tools::kubectl();
        kubectl.arg("millrace").args(args).env("PATH", format!("{}:{path}", folder.display()));
        kubectl.env("KUBECONFIG", &person.kubeconfig);
        start_as(&mut kubectl, "").ended()
    };
    let help = kubectl(&["list", "--help"]);
    assert!(help.stdout.contains("Usage: kubectl millrace list"), "{help:?}");
    assert!(help.stdout.contains("Example: kubectl millrace list"), "{help:?}");
    check_said(&kubectl(&["list"]), 0, &["there are no executions in namespace", &space.name]);
    for args in [&["-n", &space.name, "list"][..], &["list", "-n", &space.name]] {
        check_said(&kubectl(args), 0, &["there are no executions in namespace", &space.name]);
    }
    check_said(&kubectl(&["output", "one"]), 2, &["`kubectl millrace list --namespace"]);
}
