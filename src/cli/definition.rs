//! Definitions in files: bare, or in the manifests of Flows, one or more of them in a file.

use crate::api::flow::FlowDefaults;
use crate::api::{GROUP, flow::Binding};
use crate::diagnostic::{self, Code, Diagnostic};
use crate::dialect::{self, Compiled, Dialect};
use crate::source::{self, Content, Mapping, Node};

use super::manifest;
use super::placement::Placement;

/// One document of a file.
#[derive(Debug)]
pub(super) enum Document {
    /// A definition, whatever is wrong with it.
    Definition(Box<Definition>),
    /// A Kubernetes object of another kind.
    Other {
        /// Which.
        kind: String,
    },
}

/// A definition and what stands beside it.
#[derive(Debug)]
pub(super) struct Definition {
    /// What came of it. The places of problems are those of the file.
    pub(super) compiled: Compiled,
    /// What the manifest says that it stands in.
    pub(super) manifest: Option<Manifest>,
}

/// What the manifest of a Flow says beside its definition.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub(super) name: Option<String>,
    pub(super) bindings: Vec<Binding>,
    pub(super) defaults: FlowDefaults,
}

/// All documents of a file, in the dialect that is forced or in the one they are written in.
pub(super) fn read(text: &str, forced: Option<Dialect>) -> Vec<Document> {
    pieces(text).into_iter().map(|piece| document(text, &piece, forced)).collect()
}

/// A document within its file.
#[derive(Debug)]
struct Piece<'t> {
    text: &'t str,
    /// Bytes and lines before it.
    bytes: usize,
    lines: usize,
}

/// The documents of a file. Lines that begin with `---` part them; nothing else can begin such a
/// line, for a scalar that spans lines is indented. Directives (`%YAML 1.2`) stand before the
/// line that begins their document, and behind a `...` that ends the one before.
fn pieces(file: &str) -> Vec<Piece<'_>> {
    let is_marker = |line: &str| line.trim_end() == "---" || line.starts_with("--- ");
    let is_between = |line: &str| line.trim().is_empty() || line.starts_with(['#', '%']);
    let mut starts = vec![(0, 0)];
    // Where the lines before a document began, if nothing else has come since.
    let mut between = Some((0, 0));
    let mut at = 0;
    for (number, line) in file.split_inclusive('\n').enumerate() {
        let end = at + line.len();
        if is_marker(line) {
            let start = between.take().unwrap_or((at, number));
            if start != (0, 0) {
                starts.push(start);
            }
        } else if line.trim_end() == "..." {
            between = Some((end, number + 1));
        } else if !is_between(line) {
            between = None;
        }
        at = end;
    }
    let ends = starts.iter().skip(1).map(|(bytes, _)| *bytes).chain([file.len()]);
    let all = starts.iter().zip(ends).map(|((bytes, lines), end)| Piece {
        text: file.get(*bytes..end).unwrap_or_default(),
        bytes: *bytes,
        lines: *lines,
    });
    let says_something = |line: &str| !(is_between(line) || matches!(line.trim(), "---" | "..."));
    let mut pieces: Vec<_> = all.filter(|piece| piece.text.lines().any(says_something)).collect();
    if pieces.is_empty() {
        pieces.push(Piece { text: file, bytes: 0, lines: 0 });
    }
    pieces
}

fn document(file: &str, piece: &Piece<'_>, forced: Option<Dialect>) -> Document {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let behind = Placement::Behind { bytes: number(piece.bytes), lines: number(piece.lines) };
    let node = match source::parse(piece.text) {
        Ok(node) => node,
        Err(error) => {
            let problem = Diagnostic::new(Code::Syntax, "", error.span, error.message);
            let diagnostics = vec![behind.place(problem)];
            let compiled = Compiled { dialect: forced, program: None, diagnostics };
            return Document::Definition(Box::new(Definition { compiled, manifest: None }));
        }
    };
    let definition = match node.as_mapping().map(|mapping| (mapping, object_kind(mapping))) {
        Some((manifest, Some((api, "Flow")))) if api == GROUP => flow(file, manifest, &behind, &node, forced),
        Some((_, Some((_, kind)))) => return Document::Other { kind: kind.to_owned() },
        Some((_, None)) | None => {
            let compiled = dialect::compile_document(&node, forced);
            Definition { compiled: placed(compiled, &behind), manifest: None }
        }
    };
    Document::Definition(Box::new(definition))
}

/// API group and kind, where the document is a Kubernetes object.
fn object_kind(document: &Mapping) -> Option<(&str, &str)> {
    let text = |key: &str| document.get(key).and_then(Node::as_str).map(|text| &**text);
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    Some((api_version.split('/').next().unwrap_or_default(), kind))
}

fn flow(
    file: &str,
    document: &Mapping,
    behind: &Placement,
    node: &Node,
    forced: Option<Dialect>,
) -> Definition {
    let mut problems = Vec::new();
    let manifest = manifest::read(document, &mut problems);
    let spec = document.get("spec").and_then(Node::as_mapping);
    let forced = forced.or_else(|| spec.and_then(|spec| manifest::dialect(spec, &mut problems)));
    let definition = spec.and_then(|spec| spec.get("definition"));
    let compiled = match definition.map(|definition| (definition, &definition.content)) {
        None | Some((_, Content::Null)) => {
            let message = "field `spec.definition` is missing";
            let problem = Diagnostic::new(Code::MissingField, "spec", node.span, message);
            problems.push(problem);
            Compiled { dialect: forced, program: None, diagnostics: Vec::new() }
        }
        Some((definition, Content::String(text))) => {
            let at = definition.span.and_then(|span| behind.span(span));
            let placement = Placement::of_string(file, at, text);
            placed(dialect::compile(text, forced), &placement)
        }
        Some((definition, _)) => placed(dialect::compile_document(definition, forced), behind),
    };
    let problems = problems.into_iter().map(|problem| behind.place(problem));
    let mut diagnostics: Vec<_> = problems.chain(compiled.diagnostics).collect();
    diagnostic::sort(&mut diagnostics);
    let program = compiled.program.filter(|_| !diagnostic::has_errors(&diagnostics));
    Definition { compiled: Compiled { program, diagnostics, ..compiled }, manifest: Some(manifest) }
}

fn placed(compiled: Compiled, placement: &Placement) -> Compiled {
    let diagnostics = compiled.diagnostics.into_iter().map(|problem| placement.place(problem)).collect();
    Compiled { diagnostics, ..compiled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_belong_to_the_document_behind_them() {
        let definition =
            "Type: StateMachine\nSpecVersion: v1\nStartAt: a\nStates: [{Type: Succeed, Name: a}]\n";
        let directives = "%YAML 1.2\n# what follows\n%TAG !e! tag:example.com,2000:\n";
        let cases = [
            (definition.to_owned(), vec![0]),
            (format!("---\n{definition}---\n{definition}"), vec![0, 5]),
            (format!("# only words\n\n---\n{definition}"), vec![0]),
            (format!("{directives}---\n{definition}"), vec![0]),
            (format!("{directives}---\n{definition}...\n{directives}---\n{definition}..."), vec![0, 9]),
            (format!("{definition}...\n\n--- # next\n{definition}"), vec![0, 5]),
            (format!("{definition}---\n# nothing\n---\n{definition}"), vec![0, 6]),
        ];
        for (file, lines) in cases {
            assert_eq!(pieces(&file).iter().map(|piece| piece.lines).collect::<Vec<_>>(), lines, "{file}");
            for document in read(&file, None) {
                let Document::Definition(definition) = document else { panic!("{file}") };
                assert_eq!(definition.compiled.diagnostics, [], "{file}");
            }
        }
        assert_eq!(pieces("%YAML 1.2\n").len(), 1);
    }
}
