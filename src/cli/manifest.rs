//! What the manifest of a Flow says beside its definition, read as far as it matters without a
//! cluster. What is wrong with it is told with its place, like what is wrong with the definition.

use serde::de::DeserializeOwned;

use crate::api::flow::{Binding, FlowDefaults};
use crate::diagnostic::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::driver::binding;
use crate::source::{Content, Mapping, Node};

use super::definition::Manifest;

/// Reads name, bindings and defaults.
pub(super) fn read(document: &Mapping, problems: &mut Vec<Diagnostic>) -> Manifest {
    let member = |of: &str, name: &str| document.get(of)?.as_mapping()?.get(name);
    let name = member("metadata", "name").and_then(Node::as_str).map(ToString::to_string);
    let defaults: Option<FlowDefaults> =
        member("spec", "defaults").and_then(|node| typed(node, "spec.defaults", problems));
    let bindings = match member("spec", "bindings").map(|node| (node, &node.content)) {
        None | Some((_, Content::Null)) => Vec::new(),
        Some((_, Content::Sequence(items))) => bindings(items, problems),
        Some((node, _)) => {
            let message = format!("expected a list, found {}", node.kind());
            problems.push(Diagnostic::new(Code::WrongType, "spec.bindings", node.span, message));
            Vec::new()
        }
    };
    Manifest { name, bindings, defaults: defaults.unwrap_or_default() }
}

fn bindings(items: &[Node], problems: &mut Vec<Diagnostic>) -> Vec<Binding> {
    let mut bindings = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        let path = format!("spec.bindings[{number}]");
        let Some(binding) = typed::<Binding>(item, &path, problems) else { continue };
        match binding::problem(&binding) {
            Some(message) => {
                problems.push(Diagnostic::new(Code::InvalidValue, path, item.span, message));
            }
            None => bindings.push(binding),
        }
    }
    bindings
}

/// The dialect that the manifest forces.
pub(super) fn dialect(spec: &Mapping, problems: &mut Vec<Diagnostic>) -> Option<Dialect> {
    let node = spec.get("dialect")?;
    let dialect = node.as_str().and_then(|name| Dialect::named(name));
    if dialect.is_none() {
        let names = Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("`{}` is no dialect", node.to_value().excerpt(64).trim_matches('"'));
        let problem = Diagnostic::new(Code::InvalidValue, "spec.dialect", node.span, message);
        problems.push(problem.with_help(format!("dialects are {names}")));
    }
    dialect
}

/// A part of the manifest as the type that the controller reads it as.
fn typed<T: DeserializeOwned>(node: &Node, path: &str, problems: &mut Vec<Diagnostic>) -> Option<T> {
    match serde_json::from_str(&node.to_value().to_json()) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = error.to_string();
            // The place is one in a text that nobody wrote, and the type a name for programmers.
            let message = message.split(" at line ").next().unwrap_or_default();
            let message = message.replace("expected i64", "expected a whole number");
            problems.push(Diagnostic::new(Code::InvalidValue, path, node.span, message));
            None
        }
    }
}
