//! Where executions stand in line that wait for others of their flow.

use std::collections::BTreeMap;

use crate::api::{Phase, Reason};
use crate::cluster::object::Key;
use crate::controller::execution::queue::Rank;

use super::connection::Connection;
use super::selection::{Filter, Found, Pages, Scope};

/// Phases of those that wait: one that is asked for again is Running.
const WAITING: &[Phase] = &[Phase::Starting, Phase::Running];

/// The place of an execution. They sort as lists show them: flow by flow, the first in line first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    flow: Key,
    position: usize,
    waiting: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", Reason::Queued.as_str(), self.position, self.waiting)
    }
}

/// The places of all that wait for others of their flow.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<Key, Place>);

impl Places {
    /// Those of a namespace, or of all. Whatever else is asked for, a place is one among all that wait.
    ///
    /// # Errors
    /// Where they cannot be listed; the message says what to do.
    pub(super) async fn fetch(connection: &Connection, namespace: Option<&str>) -> Result<Self, String> {
        let filter = Filter::default();
        let mut pages = Pages::new(Scope { connection, namespace, phases: WAITING }, &filter);
        let mut lines = Lines::default();
        while let Some(page) = pages.next().await? {
            page.into_iter().for_each(|found| lines.note(found));
        }
        Ok(lines.places())
    }

    /// The place of an execution, if it stands in line.
    pub(super) fn of(&self, key: &Key) -> Option<&Place> {
        self.0.get(key)
    }
}

/// Lines by flow.
#[derive(Debug, Default)]
struct Lines(BTreeMap<Key, Vec<(Rank, Key)>>);

impl Lines {
    fn note(&mut self, found: Found) {
        // What cannot be read is a row of its own, and stands in no line.
        let Ok(view) = found.view else { return };
        if view.reason() != Reason::Queued.as_str() {
            return;
        }
        let priority = view.status.effective.priority.unwrap_or_default();
        let flow = Key::new(&*view.key.namespace, view.flow);
        self.0.entry(flow).or_default().push((Rank::new(priority, view.created_at, view.uid), view.key));
    }

    fn places(self) -> Places {
        let mut places = BTreeMap::new();
        for (flow, mut line) in self.0 {
            line.sort_unstable();
            let waiting = line.len();
            for (position, (_, key)) in (1..).zip(line) {
                places.insert(key, Place { flow: flow.clone(), position, waiting });
            }
        }
        Places(places)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_line_is_shown_in_the_order_in_which_the_controller_lets_begin() {
        let item = |name: &str, flow: &str, second: u32, effective: &str, reason: &str| {
            let text = format!(
                r#"{{"metadata": {{"name": "{name}", "namespace": "n", "uid": "{name}",
                    "creationTimestamp": "2026-11-21T07:00:0{second}Z"}}, "spec": {{"flowRef": {{"name": "{flow}"}}}},
                    "status": {{"phase": "Starting", "effective": {effective}, "conditions": [
                    {{"type": "InProgress", "status": "True", "reason": "{reason}"}}]}}}}"#
            );
            Found::read(RawValue::from_string(text).unwrap())
        };
        let mut lines = Lines::default();
        for (name, flow, second, effective, reason) in [
            ("late", "f", 2, "{}", "Queued"),
            ("early", "f", 1, "{}", "Queued"),
            ("urgent", "f", 9, r#"{"priority": 3}"#, "Queued"),
            ("low", "f", 0, r#"{"priority": -1}"#, "Queued"),
            ("suspended", "f", 0, "{}", "FlowSuspended"),
            ("other", "g", 5, "{}", "Queued"),
        ] {
            lines.note(item(name, flow, second, effective, reason));
        }
        lines.note(Found::read(RawValue::from_string("7".to_owned()).unwrap()));
        let places = lines.places();
        let place = |name: &str| places.of(&Key::new("n", name)).map(ToString::to_string).unwrap_or_default();
        let names = ["urgent", "early", "late", "low", "other", "suspended"];
        let expected = ["Queued 1/4", "Queued 2/4", "Queued 3/4", "Queued 4/4", "Queued 1/1", ""];
        assert_eq!(names.map(place), expected);
    }
}
