//! `millrace lint`: all problems of definitions, with place and help.

use std::process::ExitCode;

use crate::controller::flow::decide;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::dialect::Dialect;
use crate::driver::binding;
use crate::value::Value;

use super::definition::{self, Definition, Document, Manifest};
use super::sarif::Sarif;
use super::source::Source;
use super::terminal::{complain, count, tell, write_report, write_result};
use super::{EXIT_UNUSABLE, problem};

/// Check definitions and print all problems with their places.
///
/// A file holds a definition (FDL, legacy FDL or Amazon States Language, in YAML or JSON) or manifests
/// of Flows.
///
/// Exit status: 0 no problems or only warnings, 1 errors (with --strict warnings too), 2 a file cannot
/// be read or an argument cannot be used.
///
/// Example: millrace lint order.yaml flows/*.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files to check; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Language of the definitions; recognised when absent
    #[arg(long, value_name = "DIALECT", value_parser = parse_dialect)]
    dialect: Option<Dialect>,
    /// Exit with 1 for warnings too, except for W104 of a bare definition: bindings stand in a Flow
    #[arg(long)]
    strict: bool,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// What problems are printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a person: the line of the source with the place underlined
    Text,
    /// For a program: one array of {file, code, severity, path, line, column, endColumn, message, help}
    Json,
    /// For code scanning: SARIF 2.1.0, with the names of files from the current folder
    Sarif,
}

fn parse_dialect(name: &str) -> Result<Dialect, String> {
    let names = || Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect::<Vec<_>>().join(", ");
    Dialect::named(name).ok_or_else(|| format!("dialects are {}", names()))
}

/// What was found so far.
#[derive(Debug)]
struct Findings {
    told: Told,
    files: u64,
    errors: u64,
    warnings: u64,
    /// Warnings that count as failures where the user is strict.
    strict_warnings: u64,
    has_unreadable: bool,
}

/// The problems as they are printed.
#[derive(Debug)]
enum Told {
    Text(String),
    Json(Vec<Value>),
    Sarif(Box<Sarif>),
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut findings = Findings::new(args.output);
    for file in &args.files {
        match Source::read(file) {
            Ok(source) => findings.check(&source, args.dialect),
            Err(message) => findings.note_unreadable(&message),
        }
    }
    let written = match &findings.told {
        Told::Text(text) => write_report(text),
        Told::Json(problems) => write_result(&format!("{}\n", Value::from(problems.clone()))),
        Told::Sarif(sarif) => write_result(&format!("{}\n", sarif.to_json())),
    };
    tell(findings.summary());
    if let Err(message) = written {
        complain(message);
        return ExitCode::from(EXIT_UNUSABLE);
    }
    ExitCode::from(findings.exit_status(args.strict))
}

impl Findings {
    fn new(format: Format) -> Self {
        let told = match format {
            Format::Text => Told::Text(String::new()),
            Format::Json => Told::Json(Vec::new()),
            Format::Sarif => Told::Sarif(Box::new(Sarif::new())),
        };
        Self { told, files: 0, errors: 0, warnings: 0, strict_warnings: 0, has_unreadable: false }
    }

    fn note_unreadable(&mut self, message: &str) {
        self.has_unreadable = true;
        complain(message);
        match &mut self.told {
            Told::Sarif(sarif) => sarif.fail(message),
            Told::Text(_) | Told::Json(_) => {}
        }
    }

    fn check(&mut self, source: &Source, dialect: Option<Dialect>) {
        self.files += 1;
        for document in definition::read(&source.text, dialect) {
            match document {
                Document::Definition(definition) => self.note(&definition, source),
                Document::Other { kind } => {
                    tell(format_args!("{}: {kind} has no definition, nothing to check in it", source.name));
                }
            }
        }
    }

    fn note(&mut self, definition: &Definition, source: &Source) {
        let warnings = warnings(definition);
        for diagnostic in definition.compiled.diagnostics.iter().chain(&warnings) {
            match diagnostic.severity() {
                Severity::Error => self.errors += 1,
                Severity::Warning => {
                    self.warnings += 1;
                    let is_about_elsewhere =
                        diagnostic.code == Code::UnboundResource && definition.manifest.is_none();
                    self.strict_warnings += u64::from(!is_about_elsewhere);
                }
            }
            match &mut self.told {
                Told::Text(text) => {
                    text.push_str(&problem::to_text(diagnostic, source));
                    text.push('\n');
                }
                Told::Json(problems) => problems.push(problem::to_json(diagnostic, source)),
                Told::Sarif(sarif) => sarif.push(diagnostic, source),
            }
        }
    }

    fn summary(&self) -> String {
        let counts =
            [count(self.files, "file"), count(self.errors, "error"), count(self.warnings, "warning")];
        counts.join(", ")
    }

    fn exit_status(&self, is_strict: bool) -> u8 {
        if self.has_unreadable {
            return EXIT_UNUSABLE;
        }
        u8::from(self.errors > 0 || (is_strict && self.strict_warnings > 0))
    }
}

/// What the controller would warn of too.
fn warnings(definition: &Definition) -> Vec<Diagnostic> {
    let Some(program) = &definition.compiled.program else { return Vec::new() };
    match &definition.manifest {
        Some(Manifest { name: Some(name), bindings, .. }) => decide::warnings(name, program, bindings),
        Some(Manifest { name: None, bindings, .. }) => binding::warnings(program, bindings),
        None => binding::warnings(program, &[]),
    }
}
