//! Problems as SARIF 2.1.0, the format that code scanning reads: one run of one tool, its rules, and a
//! result for each problem.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use crate::diagnostic::{Code, Diagnostic, Severity};

use super::problem;
use super::source::{STDIN, Source};

/// Where the format is described.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The base that URIs are relative to: where the program was started, for code scanning the root of the
/// repository.
const BASE: &str = "%SRCROOT%";

/// Collects results.
#[derive(Debug)]
pub(super) struct Sarif {
    folder: PathBuf,
    results: Vec<ReportedResult>,
    notifications: Vec<Notification>,
}

#[derive(Debug, Serialize)]
struct Log<'l> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'l>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'l> {
    tool: Tool,
    column_kind: &'static str,
    invocations: [Invocation<'l>; 1],
    results: &'l [ReportedResult],
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: &'static str,
    short_description: Text,
    full_description: Text,
    help: Text,
    default_configuration: Configuration,
    properties: Properties,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Debug, Serialize)]
struct Properties {
    tags: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'l> {
    execution_successful: bool,
    tool_execution_notifications: &'l [Notification],
}

#[derive(Debug, Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportedResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
}

impl Sarif {
    pub(super) fn new() -> Self {
        let folder = std::env::current_dir().unwrap_or_default();
        Self { folder, results: Vec::new(), notifications: Vec::new() }
    }

    /// Notes a problem.
    pub(super) fn push(&mut self, problem: &Diagnostic, source: &Source) {
        let (uri, uri_base_id) = uri(&self.folder, &source.name);
        let text = match &problem.help {
            Some(help) => format!("{}; {help}", problem.message),
            None => problem.message.clone(),
        };
        // Code scanning wants a line of every result.
        let region =
            problem.span.map_or(Region { start_line: 1, start_column: None, end_column: None }, |at| {
                Region {
                    start_line: at.line,
                    start_column: Some(at.column),
                    end_column: problem::end_column(at, &source.text),
                }
            });
        let path = Some(&problem.path).filter(|path| !path.is_empty());
        self.results.push(ReportedResult {
            rule_id: problem.code.as_str(),
            rule_index: Code::ALL.iter().position(|code| *code == problem.code).unwrap_or_default(),
            level: level(problem.severity()),
            message: Text { text },
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: ArtifactLocation { uri, uri_base_id },
                    region,
                },
                logical_locations: path
                    .map(|path| LogicalLocation { fully_qualified_name: path.clone() })
                    .into_iter()
                    .collect(),
            }],
        });
    }

    /// Notes that something could not be looked at.
    pub(super) fn fail(&mut self, message: &str) {
        self.notifications.push(Notification { level: "error", message: Text { text: message.to_owned() } });
    }

    /// The whole log.
    pub(super) fn to_json(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let rules = Code::ALL.iter().copied().map(rule).collect();
        let driver = Driver { name: "millrace", version, semantic_version: version, rules };
        let invocation = Invocation {
            execution_successful: self.notifications.is_empty(),
            tool_execution_notifications: &self.notifications,
        };
        let run = Run {
            tool: Tool { driver },
            column_kind: "unicodeCodePoints",
            invocations: [invocation],
            results: &self.results,
        };
        let log = Log { schema: SCHEMA, version: "2.1.0", runs: [run] };
        // Nothing in it could fail: strings and numbers under names.
        serde_json::to_string_pretty(&log).unwrap_or_default()
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn rule(code: Code) -> Rule {
    let text = || Text { text: code.explanation().to_owned() };
    Rule {
        id: code.as_str(),
        name: code.name(),
        short_description: text(),
        full_description: text(),
        help: text(),
        default_configuration: Configuration { level: level(code.severity()) },
        properties: Properties { tags: ["correctness"] },
    }
}

/// A file as a URI: relative to `folder` where it lies within it, absolute elsewhere.
fn uri(folder: &Path, name: &str) -> (String, Option<&'static str>) {
    if name == Source::name_of(STDIN) {
        return ("stdin".to_owned(), None);
    }
    let file = plain(&folder.join(name));
    match file.strip_prefix(folder) {
        Ok(within) => (escaped(&within.to_string_lossy()), Some(BASE)),
        Err(_) => (format!("file://{}", escaped(&file.to_string_lossy())), None),
    }
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// What may not stand in the path of a URI is written as `%20`.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_where_the_program_was_started() {
        let cases = [
            ("order.yaml", "order.yaml", Some(BASE)),
            ("./flows/../a b.yaml", "a%20b.yaml", Some(BASE)),
            ("/srv/shop/flows/é:1.yaml", "flows/%C3%A9%3A1.yaml", Some(BASE)),
            ("../other/x.yaml", "file:///srv/other/x.yaml", None),
            ("/etc/x.yaml", "file:///etc/x.yaml", None),
            ("<stdin>", "stdin", None),
        ];
        for (name, expected, base) in cases {
            assert_eq!(uri(Path::new("/srv/shop"), name), (expected.to_owned(), base), "{name}");
        }
    }
}
