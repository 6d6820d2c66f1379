//! A `States` object as a graph, for the check that everything can be reached and come to an end.

use crate::ir::StateIdx;

use super::super::super::reachability::{Codes, Graph, Node};
use super::super::super::reader::Text;
use super::super::syntax::{Body, Kind};
use super::Names;

/// Nothing where a way out of a state is broken, which was noted.
pub(super) fn graph<'b>(body: &'b Body<'_>, names: &Names<'_>, start: StateIdx) -> Option<Graph<'b>> {
    let to = |name: Option<&Text>| {
        let idx = name.and_then(|name| names.get(&*name.value));
        idx.map(|idx| idx.number() as usize)
    };
    let nodes = body.states.iter().map(|state| {
        let mut ways: Vec<_> = state.catch.iter().map(|rule| rule.next.as_ref()).collect();
        if let Kind::Choice { rules, default } = &state.kind {
            if rules.is_empty() {
                // Where it leads was not said, or not in words that can be read.
                return None;
            }
            ways.extend(rules.iter().map(|rule| rule.next.as_ref()));
            ways.extend(default.as_ref().map(Some));
        } else if state.next.is_some() || !state.is_end {
            ways.push(state.next.as_ref());
        }
        let targets = ways.into_iter().map(to).collect::<Option<Vec<_>>>()?;
        Some(Node { name: &state.name, targets, is_end: state.is_end })
    });
    let nodes = nodes.collect::<Option<_>>()?;
    Some(Graph { nodes, start: start.number() as usize, codes: Codes::ERRORS })
}
