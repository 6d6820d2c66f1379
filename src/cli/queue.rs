//! Where executions stand in line that wait for others of their flow.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Execution, Phase, Reason};
use crate::cluster::object::{Key, Stored};
use crate::controller::execution::queue::Rank;

use super::connection::Connection;
use super::execution::View;
use super::page::{self, Selection};

/// Objects that a page holds, as in a list.
const PAGE_SIZE: u32 = 200;

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
        let ended = Phase::ALL.iter().filter(|phase| phase.is_ended());
        let fields: Vec<_> = ended.map(|phase| format!("status.phase!={}", phase.as_str())).collect();
        let fields = fields.join(",");
        let selection = Selection { namespace, fields: &fields, labels: "", limit: PAGE_SIZE };
        let mut lines = Lines::default();
        let mut after = None;
        loop {
            let page = page::fetch::<Execution>(connection, &selection, after).await?;
            page.items.iter().for_each(|item| lines.note(item));
            after = page.next;
            if after.is_none() {
                return Ok(lines.places());
            }
        }
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
    fn note(&mut self, item: &RawValue) {
        #[derive(Deserialize)]
        struct Status {
            effective: Option<Effective>,
        }
        #[derive(Deserialize)]
        struct Effective {
            priority: Option<i32>,
        }
        // What cannot be read is a row of its own, and stands in no line.
        let Ok(stored) = serde_json::from_str::<Stored<Execution>>(item.get()) else { return };
        let Ok(view) = View::of(&stored) else { return };
        if view.reason() != Reason::Queued.as_str() {
            return;
        }
        let Ok(Status { effective }) = stored.decode_status() else { return };
        let priority = effective.and_then(|effective| effective.priority).unwrap_or_default();
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
            RawValue::from_string(text).unwrap()
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
            lines.note(&item(name, flow, second, effective, reason));
        }
        lines.note(&RawValue::from_string("7".to_owned()).unwrap());
        let places = lines.places();
        let place = |name: &str| places.of(&Key::new("n", name)).map(ToString::to_string).unwrap_or_default();
        let names = ["urgent", "early", "late", "low", "other", "suspended"];
        let expected = ["Queued 1/4", "Queued 2/4", "Queued 3/4", "Queued 4/4", "Queued 1/1", ""];
        assert_eq!(names.map(place), expected);
    }
}
