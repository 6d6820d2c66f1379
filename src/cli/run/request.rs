//! What a run is asked to do, read from arguments and files and found usable.

use std::collections::BTreeMap;
use std::path::Path;

use crate::api::flow::Binding;
use crate::controller::execution::admit;
use crate::diagnostic::{Severity, has_errors};
use crate::driver::binding;
use crate::expr::Attribute;
use crate::ir::Program;
use crate::mock::Mocks;
use crate::value::{Object, Value};

use super::super::definition::{self, Definition, Document, Manifest};
use super::super::name::near;
use super::super::problem;
use super::super::source::{STDIN, Source};
use super::super::terminal::{count, tell};
use super::{Args, Output};

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
    pub(super) attributes: BTreeMap<Attribute, Value>,
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
    if args.trace.as_deref() == Some(STDIN) && args.output == Output::Json {
        return Err("with -o json stdout holds nothing but the outcome: name a file for --trace".to_owned());
    }
    let mut bindings = args.bind.iter().map(|bind| parse_bind(bind)).collect::<Result<Vec<_>, _>>()?;
    let source = Source::read(&args.file)?;
    let Definition { compiled, manifest } = the_definition(&source, args.flow.as_deref())?;
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
    let spec = args.attributes.spec()?;
    let effective = admit::effective(&spec, &defaults);
    let seconds = |seconds: Option<i64>| seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Ok(Request {
        program,
        name: args.name.clone().unwrap_or_else(|| flow.clone()),
        flow,
        input,
        mocks,
        bindings,
        timeout_seconds: seconds(effective.timeout_seconds),
        task_timeout_seconds: seconds(effective.task_timeout_seconds),
        attributes: admit::attributes(&spec, &effective),
    })
}

/// The definition that is to run: the one that the file holds, or that of the Flow `wanted`.
fn the_definition(source: &Source, wanted: Option<&str>) -> Result<Definition, String> {
    let mut definitions = Vec::new();
    let mut others = Vec::new();
    for document in definition::read(&source.text, None) {
        match document {
            Document::Definition(definition) => definitions.push(*definition),
            Document::Other { kind } => others.push(kind),
        }
    }
    if definitions.is_empty() {
        return Err(format!("{} holds no definition, only {}", source.name, others.join(", ")));
    }
    let names: Vec<_> = definitions.iter().filter_map(flow_name).map(ToString::to_string).collect();
    let found = count(definitions.len() as u64, "definition");
    let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        definitions.retain(|definition| flow_name(definition) == Some(wanted));
    }
    match (definitions.pop(), definitions.len(), wanted) {
        (Some(definition), 0, _) => Ok(definition),
        (None, _, _) => {
            let wanted = wanted.unwrap_or_default();
            let there_are = match (near(wanted, &names), &*listed) {
                (Some(near), _) => near,
                (None, "") => format!("the {found} in it have no names"),
                (None, listed) => format!("there are {listed}"),
            };
            Err(format!("{} holds no Flow `{wanted}`; {there_are}", source.name))
        }
        (Some(_), more, Some(wanted)) => {
            Err(format!("{} holds {} Flows `{wanted}`; only one can run", source.name, more + 1))
        }
        (Some(_), _, None) if names.is_empty() => {
            Err(format!("{} holds {found}; only one can run", source.name))
        }
        (Some(_), _, None) => Err(format!(
            "{} holds {found}; only one can run: choose a Flow with --flow, there are {listed}",
            source.name
        )),
    }
}

/// `metadata.name` of the Flow that a definition stands in.
fn flow_name(definition: &Definition) -> Option<&str> {
    definition.manifest.as_ref()?.name.as_deref()
}

fn input_file(args: &Args) -> Option<&str> {
    let input = args.input.as_deref()?;
    if input == STDIN { Some(STDIN) } else { input.strip_prefix('@') }
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
