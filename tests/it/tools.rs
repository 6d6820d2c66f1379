//! Real tools, built by `tests/cluster` the first time they are asked for.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The script that builds and runs Kubernetes.
pub fn cluster_script() -> Command {
    let mut command = Command::new(root().join("tests/cluster/cluster"));
    command.stderr(Stdio::inherit());
    command
}

fn path_of(tool: &str) -> String {
    let output = cluster_script().args([tool, "--path"]).output().expect("tests/cluster/cluster can be run");
    assert!(output.status.success(), "{tool} could not be built");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Helm.
pub fn helm() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    Command::new(PATH.get_or_init(|| path_of("helm")))
}

/// kubectl.
pub fn kubectl() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    Command::new(PATH.get_or_init(|| path_of("kubectl")))
}

/// The judge of objects that Flux uses.
pub fn kstatus() -> Command {
    static PATH: OnceLock<String> = OnceLock::new();
    Command::new(PATH.get_or_init(|| path_of("kstatus")))
}
