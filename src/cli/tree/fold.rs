//! What of a long list is shown.

use std::collections::BTreeMap;

use super::super::terminal::count;
use super::model::{Standing, State, Tree};

/// Branches and iterations that are shown whatever they are.
const FIRST: usize = 3;

/// Of those that failed, and of those that are active: how many more are shown.
const EACH: usize = 5;

/// Visits of states next to each other that are shown: at the beginning and at the end.
const VISITS_FIRST: usize = 5;
const VISITS_LAST: usize = 25;

/// A part of a list in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<T> {
    /// It is shown.
    Shown(T),
    /// Something is left out here; says what.
    Folded(String),
}

/// States below a state, or at the top: those of a branch or iteration with its number before them.
pub(super) type Inner = Vec<Part<(Option<(u32, u32)>, usize)>>;

/// What is shown of the states at the top of a tree.
pub(super) fn top(tree: &Tree, is_all: bool) -> Inner {
    visits(tree, None, &tree.top, is_all)
}

/// What is shown of the states within a state.
pub(super) fn inner(tree: &Tree, state: &State, is_all: bool) -> Inner {
    let newest = state.newest_attempt();
    let mut parts = Vec::new();
    for attempt in 1..newest {
        let scopes = || state.scopes.iter().filter(|((of, _), _)| *of == attempt);
        if is_all {
            parts.extend(scopes().flat_map(|(scope, states)| visits(tree, Some(*scope), states, is_all)));
        } else if scopes().next().is_some() {
            let failure = state.failures.iter().find(|failure| failure.attempt == attempt);
            let why = failure.map(|failure| format!(", {}", failure.text())).unwrap_or_default();
            parts.push(Part::Folded(format!("attempt {attempt} failed{why}; --all shows its states")));
        }
    }
    let scopes: Vec<_> = state.scopes.iter().filter(|((of, _), _)| *of == newest).collect();
    let mut shown: BTreeMap<Standing, usize> = BTreeMap::new();
    let mut folded: BTreeMap<Standing, u64> = BTreeMap::new();
    for (position, (scope, states)) in scopes.iter().enumerate() {
        let standing = tree.standing(states);
        let of_standing = shown.entry(standing).or_default();
        let is_telling = matches!(standing, Standing::Failed | Standing::Active) && *of_standing < EACH;
        // One line that says that one is left out would be as long as the one.
        if is_all || position < FIRST || is_telling || scopes.len() <= FIRST + 1 {
            *of_standing += usize::from(position >= FIRST);
            parts.extend(visits(tree, Some(**scope), states, is_all));
        } else {
            *folded.entry(standing).or_default() += 1;
        }
    }
    if !folded.is_empty() {
        parts.push(Part::Folded(summary(&folded)));
    }
    parts
}

/// `94 more: 90 succeeded, 4 active; --all shows them`.
fn summary(folded: &BTreeMap<Standing, u64>) -> String {
    let total: u64 = folded.values().sum();
    let counts = folded.iter().map(|(standing, number)| format!("{number} {}", word(*standing)));
    format!("{total} more: {}; --all shows them", counts.collect::<Vec<_>>().join(", "))
}

/// A standing within a sentence.
pub(super) fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Succeeded => "succeeded",
        Standing::Caught => "caught",
        Standing::Failed => "failed",
        Standing::Abandoned => "abandoned",
    }
}

/// States that follow each other. A loop may have thousands.
fn visits(tree: &Tree, scope: Option<(u32, u32)>, states: &[usize], is_all: bool) -> Inner {
    let shown = |number: &usize| Part::Shown((scope, *number));
    let middle = states.len().saturating_sub(VISITS_FIRST + VISITS_LAST);
    if is_all || middle <= 1 {
        return states.iter().map(shown).collect();
    }
    let (first, rest) = states.split_at(VISITS_FIRST);
    let (folded, last) = rest.split_at(middle);
    let failed = tree.all(folded).filter(|state| state.standing == Standing::Caught).count();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} of them caught") };
    let folded = count(folded.len() as u64, "more state");
    let folded = Part::Folded(format!("{folded}{failed}; --all shows them"));
    first.iter().map(shown).chain([folded]).chain(last.iter().map(shown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::history::{Record, RecordKind};

    fn record(i: u64, path: &str, kind: RecordKind) -> Record {
        let text = format!(r#"{{"i": {i}, "t": {i}, "p": "{path}", "k": "StateEntered"}}"#);
        Record { k: kind, ..serde_json::from_str(&text).unwrap() }
    }

    /// A Map of a hundred, of which every tenth has failed and the last two are active.
    fn hundred() -> Vec<Record> {
        let mut records =
            vec![record(1, "", RecordKind::ExecutionStarted), record(2, "Each", RecordKind::StateEntered)];
        for item in 0..100 {
            let path = format!("Each/{item}/Charge");
            records.push(record(0, &path, RecordKind::StateEntered));
            match item {
                98.. => {}
                item if item % 10 == 9 => records.push(record(0, &path, RecordKind::StateFailed)),
                _ => records.push(record(0, &path, RecordKind::StateExited)),
            }
        }
        for (number, record) in (1..).zip(&mut records) {
            record.i = number;
        }
        records
    }

    fn shown(parts: &Inner) -> (Vec<u32>, Vec<&str>) {
        let (mut numbers, mut folded) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Shown((scope, _)) => numbers.push(scope.map_or(0, |(_, number)| number)),
                Part::Folded(text) => folded.push(&**text),
            }
        }
        (numbers, folded)
    }

    #[test]
    fn of_a_long_map_the_first_the_failed_and_the_active_are_shown() {
        let tree = Tree::new(&hundred(), &[], false);
        let each = tree.state(tree.top[0]).unwrap();
        let parts = inner(&tree, each, false);
        let (numbers, folded) = shown(&parts);
        assert_eq!(numbers, [0, 1, 2, 9, 19, 29, 39, 49, 98, 99]);
        assert_eq!(folded, ["90 more: 86 succeeded, 4 failed; --all shows them"]);
        assert_eq!(inner(&tree, each, true).len(), 100);
    }

    #[test]
    fn of_a_loop_the_beginning_and_the_end_are_shown() {
        let mut records = vec![record(1, "", RecordKind::ExecutionStarted)];
        for visit in 1..=200 {
            let path = if visit == 1 { "Poll".to_owned() } else { format!("Poll#{visit}") };
            records.push(record(records.len() as u64 + 1, &path, RecordKind::StateExited));
        }
        let tree = Tree::new(&records, &[], true);
        let parts = top(&tree, false);
        assert_eq!(shown(&parts).0.len(), VISITS_FIRST + VISITS_LAST);
        assert_eq!(parts[VISITS_FIRST], Part::Folded("170 more states; --all shows them".to_owned()));
        assert_eq!(top(&tree, true).len(), 200);
    }
}
