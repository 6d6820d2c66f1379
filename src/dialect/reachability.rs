//! Whether every state of a scope can be reached, and the end from there.

use crate::diagnostic::Code;

use super::reader::{Problems, Text};

/// A scope as a graph.
pub(super) struct Graph<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    pub(super) start: usize,
    pub(super) codes: Codes,
}

/// How a language takes it: some refuse such definitions.
pub(super) struct Codes {
    pub(super) unreachable: Code,
    pub(super) no_end: Code,
}

impl Codes {
    pub(super) const WARNINGS: Self = Self { unreachable: Code::Unreachable, no_end: Code::NoEnd };
    pub(super) const ERRORS: Self =
        Self { unreachable: Code::UnreachableState, no_end: Code::NoTerminalState };
}

/// A state of it.
pub(super) struct Node<'t> {
    pub(super) name: &'t Text,
    pub(super) targets: Vec<usize>,
    pub(super) is_end: bool,
}

/// Notes states that nothing leads to, and a scope that can never end.
pub(super) fn check(graph: &Graph<'_>, problems: &Problems) {
    let mut is_reached = vec![false; graph.nodes.len()];
    let mut pending = vec![graph.start];
    let mut can_end = false;
    while let Some(at) = pending.pop() {
        match (graph.nodes.get(at), is_reached.get_mut(at)) {
            (Some(node), Some(seen)) if !*seen => {
                *seen = true;
                can_end |= node.is_end;
                pending.extend(&node.targets);
            }
            (_, _) => {}
        }
    }
    let note = |code: Code, name: &Text, message: String| {
        problems.push(name.problem(code, message));
    };
    for (node, seen) in graph.nodes.iter().zip(&is_reached) {
        if !seen {
            note(graph.codes.unreachable, node.name, format!("nothing leads to state `{}`", node.name.value));
        }
    }
    if let (false, Some(start)) = (can_end, graph.nodes.get(graph.start)) {
        let message = format!(
            "no path from state `{}` comes to an end: the run would go on until a limit",
            start.name.value
        );
        note(graph.codes.no_end, start.name, message);
    }
}
