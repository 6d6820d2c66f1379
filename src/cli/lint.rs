//! `millrace lint`: all problems of definitions, with place and help.

use std::process::ExitCode;

use crate::controller::flow::decide;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::dialect::Dialect;
use crate::driver::binding;
use crate::value::Value;

use super::definition::{self, Definition, Document, Manifest};
use super::source::Source;
use super::terminal::{complain, count, tell, write_report, write_result};
use super::{EXIT_UNUSABLE, Output, problem};

/// Check definitions and print all problems with their places.
///
/// A file holds a definition (FDL, legacy FDL or Amazon States Language, in YAML or JSON) or manifests
/// of Flows.
///
/// Exit status: 0 no errors, 1 errors, 2 a file cannot be read.
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
    output: Output,
}

fn parse_dialect(name: &str) -> Result<Dialect, String> {
    let names = || Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect::<Vec<_>>().join(", ");
    Dialect::named(name).ok_or_else(|| format!("dialects are {}", names()))
}

/// What was found so far.
#[derive(Debug)]
struct Findings {
    output: Output,
    files: u64,
    errors: u64,
    warnings: u64,
    /// Warnings that count as failures where the user is strict.
    strict_warnings: u64,
    has_unreadable: bool,
    text: String,
    json: Vec<Value>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut findings = Findings::new(args.output);
    for file in &args.files {
        match Source::read(file) {
            Ok(source) => findings.check(&source, args.dialect),
            Err(message) => {
                findings.has_unreadable = true;
                complain(message);
            }
        }
    }
    let written = match args.output {
        Output::Text => write_report(&findings.text),
        Output::Json => write_result(&format!("{}\n", Value::from(findings.json.clone()))),
    };
    tell(findings.summary());
    if let Err(message) = written {
        complain(message);
        return ExitCode::from(EXIT_UNUSABLE);
    }
    ExitCode::from(findings.exit_status(args.strict))
}

impl Findings {
    fn new(output: Output) -> Self {
        Self {
            output,
            files: 0,
            errors: 0,
            warnings: 0,
            strict_warnings: 0,
            has_unreadable: false,
            text: String::new(),
            json: Vec::new(),
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
            match self.output {
                Output::Text => {
                    self.text.push_str(&problem::to_text(diagnostic, source));
                    self.text.push('\n');
                }
                Output::Json => self.json.push(problem::to_json(diagnostic, source)),
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
