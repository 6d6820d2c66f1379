//! `millrace crds`: what is generated is what is checked in.

use std::path::Path;

use crate::command::millrace;
use crate::tools::root;

fn check(folder: &Path) -> crate::command::Ended {
    millrace(&["crds", "--output", folder.to_str().unwrap(), "--check"])
}

#[test]
fn the_definitions_in_the_repository_are_those_of_the_types() {
    for folder in ["crds", "charts/millrace/files/crds"] {
        let ended = check(&root().join(folder));
        assert_eq!(ended.status, Some(0), "make crds: {}", ended.stderr);
    }
}

#[test]
fn a_definition_that_has_drifted_is_told() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drifted-crds");
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(millrace(&["crds", "--output", folder.to_str().unwrap()]).status, Some(0));
    assert_eq!(check(&folder).status, Some(0));
    let file = folder.join("executions.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("timeoutSeconds", "timeout", 1)).unwrap();
    let ended = check(&folder);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("executions.yaml"), "{}", ended.stderr);
}
