//! What a run is asked to do, read from arguments and files and found usable.

use std::path::Path;

use crate::api::flow::Binding;
use crate::diagnostic::{Severity, has_errors};
use crate::driver::binding;
use crate::ir::Program;
use crate::mock::Mocks;
use crate::value::{Object, Value};

use super::super::definition::{self, Definition, Document, Manifest};
use super::super::problem;
use super::super::source::{STDIN, Source};
use super::super::terminal::{count, tell};
use super::Args;

/// A run that can begin.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) program: Program,
    /// Name of the execution.
    pub(super) name: String,
    /// Name of the flow.
    pub(super) flow: String,
    pub(super) input: Value,
    pub(super) mocks: Mocks,
    /// Those of the command line before those of the manifest: of equal patterns the first wins.
    pub(super) bindings: Vec<Binding>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) task_timeout_seconds: Option<u64>,
}

/// Reads everything a run needs. Problems of the definition are told on the way.
///
/// # Errors
/// Where something cannot be used; the message says what.
pub(super) fn read(args: &Args) -> Result<Request, String> {
    let stdin = [Some(&*args.file), args.mock.as_deref(), input_file(args)];
    if stdin.iter().filter(|file| **file == Some(STDIN)).count() > 1 {
        return Err("stdin can be read only once".to_owned());
    }
    let mut bindings = args.bind.iter().map(|bind| parse_bind(bind)).collect::<Result<Vec<_>, _>>()?;
    let source = Source::read(&args.file)?;
    let Definition { compiled, manifest } = the_definition(&source)?;
    for problem in &compiled.diagnostics {
        if !args.quiet || problem.severity() == Severity::Error {
            tell(problem::to_text(problem, &source));
        }
    }
    let Some(program) = compiled.program.filter(|_| !has_errors(&compiled.diagnostics)) else {
        let errors = compiled.diagnostics.iter().filter(|problem| problem.severity() == Severity::Error);
        return Err(format!("{} cannot run: {}", source.name, count(errors.count() as u64, "error")));
    };
    let input = read_input(args)?;
    program.check_input(&input).map_err(|error| error.to_string())?;
    let mocks = match &args.mock {
        None => Mocks::default(),
        Some(file) => {
            let source = Source::read(file)?;
            Mocks::new(&source.value()?).map_err(|error| format!("{}: {error}", source.name))?
        }
    };
    let manifest = manifest.unwrap_or_default();
    let Manifest { name, bindings: of_manifest, defaults } = manifest;
    bindings.extend(of_manifest);
    let flow = name.or_else(|| program.name().map(ToString::to_string)).unwrap_or_else(|| stem(&args.file));
    let seconds = |seconds: Option<i64>| seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Ok(Request {
        program,
        name: args.name.clone().unwrap_or_else(|| flow.clone()),
        flow,
        input,
        mocks,
        bindings,
        timeout_seconds: seconds(defaults.timeout_seconds),
        task_timeout_seconds: seconds(defaults.task_timeout_seconds),
    })
}

/// The one definition that a file must hold.
fn the_definition(source: &Source) -> Result<Definition, String> {
    let mut definitions = Vec::new();
    let mut others = Vec::new();
    for document in definition::read(&source.text, None) {
        match document {
            Document::Definition(definition) => definitions.push(*definition),
            Document::Other { kind } => others.push(kind),
        }
    }
    let found = definitions.len() as u64;
    match (definitions.pop(), found) {
        (Some(definition), 1) => Ok(definition),
        (None, _) => Err(format!("{} holds no definition, only {}", source.name, others.join(", "))),
        (Some(_), _) => {
            Err(format!("{} holds {}; only one can run", source.name, count(found, "definition")))
        }
    }
}

fn input_file(args: &Args) -> Option<&str> {
    args.input.as_deref()?.strip_prefix('@')
}

fn read_input(args: &Args) -> Result<Value, String> {
    match (&args.input, input_file(args)) {
        (None, _) => Ok(Value::Object(Object::default())),
        (Some(_), Some(file)) => Source::read(file)?.value(),
        (Some(text), None) => {
            Value::parse(text).map_err(|error| format!("--input: {error}; a file is given as --input @FILE"))
        }
    }
}

/// `RESOURCE=URL`.
fn parse_bind(text: &str) -> Result<Binding, String> {
    let parts = text.split_once('=').filter(|(resource, url)| !resource.is_empty() && !url.is_empty());
    let Some((resource, url)) = parts else {
        return Err(format!("--bind wants RESOURCE=URL, found `{text}`"));
    };
    let binding = Binding {
        resource: resource.to_owned(),
        url: Some(url.to_owned()),
        service: None,
        job_template: None,
        headers: Vec::new(),
        timeout_seconds: None,
    };
    match binding::problem(&binding) {
        Some(problem) => Err(format!("--bind: {problem}")),
        None => Ok(binding),
    }
}

/// What a flow is called that has no name.
fn stem(file: &str) -> String {
    let stem = Path::new(file).file_stem().filter(|_| file != STDIN);
    stem.map_or_else(|| "flow".to_owned(), |stem| stem.to_string_lossy().into_owned())
}
