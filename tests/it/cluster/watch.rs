//! Every state in which objects ever are, as a watch shows them.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::json;

use super::rig::Space;
use crate::tools;

/// What stands between the fields of an event.
const BETWEEN: char = '|';

/// A watch of the executions of a namespace. It ends when it goes out of scope.
pub struct Watched {
    child: Child,
    file: PathBuf,
}

impl Watched {
    /// Notes what has happened (`ADDED`, `MODIFIED`, `DELETED`), the name, and these fields, such as `.status.phase`.
    pub fn begin(space: &Space, fields: &[&str]) -> Self {
        let file = space.kubeconfig.with_file_name("watched");
        let fields = [&[".metadata.name"], fields].concat();
        let fields: String = fields.iter().map(|field| format!("{BETWEEN}{{.object{field}}}")).collect();
        let child = tools::kubectl()
            .arg("--kubeconfig")
            .arg(&space.cluster.kubeconfig)
            .args(["--namespace", &space.name, "get", "executions", "--watch", "--output-watch-events"])
            .arg("-o")
            .arg(format!(r#"jsonpath={{.type}}{fields}{{"\n"}}"#))
            .stdout(Stdio::from(File::create(&file).unwrap()))
            .spawn()
            .unwrap();
        Self { child, file }
    }

    /// Waits until it shows what happens: an execution of its own, called `probe`, which stays.
    pub fn stands(&self, space: &Space) {
        space.start("probe", json!({"flowRef": {"name": "none"}}));
        space.wait("the watch to stand", || (!self.events().is_empty()).then_some(()));
    }

    /// What it has shown so far.
    pub fn events(&self) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(|line| line.split(BETWEEN).map(str::to_owned).collect()).collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
