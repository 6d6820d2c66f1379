//! Turns of those that wait for others of their Flow.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::api::Phase;
use crate::api::flow::Concurrency;
use crate::cluster::watch::Listing;

struct Turns {
    registry: Registry,
    turns: UnboundedReceiver<Key>,
    first: UnboundedReceiver<Key>,
}

impl Turns {
    fn new() -> Self {
        let (turns, turns_out) = unbounded_channel();
        let (first, first_out) = unbounded_channel();
        Self { registry: Registry::new(turns, first), turns: turns_out, first: first_out }
    }

    fn listed(&self) {
        let mut listing = Listing::of(None);
        listing.begin();
        ["a", "b", "c"].iter().for_each(|name| listing.note(&key(name)));
        self.registry.listed(&listing.end());
    }

    /// A look at one that could begin, at a Flow that lets one run: whether it may.
    fn look(&self, name: &str, version: u64) -> bool {
        let look = self.registry.begin(&key(name)).unwrap();
        let mut seen = look.seen.unwrap();
        self.registry.waits_for(&key(name), flow());
        let concurrency = Some(Concurrency { limit: 1, policy: None });
        let limits = Limits { version: 1, concurrency, default_priority: 0 };
        let rank = Rank::new(0, seen.facts.created_at, &*seen.facts.uid);
        let may = self.registry.reach_for_slot(&key(name), &flow(), limits, rank, Timestamp::UNIX_EPOCH);
        if may == Slot::Free {
            seen.phase = Phase::Running;
        }
        seen.version = version;
        self.registry.end(&key(name), Ended::Settled(Box::new(seen), None));
        may == Slot::Free
    }

    fn turns(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.turns.try_recv().ok()).map(|key| key.name).collect()
    }

    fn first(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.first.try_recv().ok()).map(|key| key.name).collect()
    }
}

fn key(name: &str) -> Key {
    Key::new("n", name)
}

fn flow() -> Key {
    key("f")
}

fn object(name: &str, version: u64, phase: &str) -> Stored<Execution> {
    serde_json::from_str(&format!(
        r#"{{"metadata": {{"name": "{name}", "namespace": "n", "uid": "{name}", "resourceVersion": "{version}", "generation": 1}},
            "spec": {{"flowRef": {{"name": "f"}}}},
            "status": {{"phase": "{phase}", "conditions": [], "observedGeneration": 1}}}}"#
    ))
    .unwrap()
}

fn flow_object(generation: i64, observed: i64) -> Stored<Flow> {
    serde_json::from_str(&format!(
        r#"{{"metadata": {{"name": "f", "namespace": "n", "generation": {generation}}},
            "spec": {{}}, "status": {{"observedGeneration": {observed}}}}}"#
    ))
    .unwrap()
}

#[test]
fn a_slot_that_is_freed_is_the_first_turn_of_the_next_in_line() {
    let mut turns = Turns::new();
    for name in ["a", "b", "c"] {
        turns.registry.seen(&object(name, 5, "Starting")).unwrap();
    }
    // Nobody begins before all that run are known.
    assert!(!turns.look("b", 6));
    turns.listed();
    assert_eq!(turns.first(), ["b"]);
    assert_eq!(turns.turns(), ["a", "b", "c", "b"]);
    // Those before it are looked at first.
    assert!(!turns.look("b", 7));
    assert_eq!(turns.first(), ["a"]);
    assert!(turns.look("a", 8) && !turns.look("c", 9));
    assert!(turns.first().is_empty());
    assert_eq!(turns.registry.waiting_count(), 2);
    // The end of the run, as our own write and as a watch shows it.
    turns.registry.look_at(&key("a"));
    turns.registry.begin(&key("a")).unwrap();
    turns.registry.end(&key("a"), Ended::Over(10));
    turns.registry.left(&object("a", 10, "Succeeded"));
    assert_eq!(turns.first(), ["b"]);
    assert!(turns.look("b", 11));
    turns.registry.left(&object("b", 11, "Running"));
    assert_eq!(turns.first(), ["c"]);
}

#[test]
fn those_in_line_are_looked_at_when_a_new_spec_is_in_service_and_not_before() {
    let mut turns = Turns::new();
    turns.listed();
    turns.registry.seen(&object("a", 5, "Running")).unwrap();
    turns.registry.seen(&object("b", 5, "Starting")).unwrap();
    assert!(!turns.look("b", 6));
    turns.turns();
    let mut seen = |generation: i64, observed: i64| {
        turns.registry.flow_seen(&flow_object(generation, observed));
        let woken = turns.turns();
        if !woken.is_empty() {
            assert!(!turns.look("b", 6));
        }
        woken
    };
    assert_eq!(seen(1, 1), ["b"]);
    assert!(seen(1, 1).is_empty());
    assert!(seen(2, 1).is_empty());
    assert_eq!(seen(2, 2), ["b"]);
    assert!(seen(2, 2).is_empty());
    turns.registry.flow_gone(&flow());
    assert_eq!(turns.turns(), ["b"]);
}

#[test]
fn a_redrive_that_is_suspended_holds_no_slot_until_it_has_gone_on() {
    let redriven = |version: u64, suspend: bool, reason: &str, active: &str| {
        serde_json::from_str::<Stored<Execution>>(&format!(
            r#"{{"metadata": {{"name": "a", "namespace": "n", "uid": "a", "resourceVersion": "{version}", "generation": {version}}},
                "spec": {{"flowRef": {{"name": "f"}}, "suspend": {suspend}, "redrive": 1}},
                "status": {{"phase": "Running", "accepted": {{}}, "redriveCount": 1, "observedGeneration": 1, "active": [{active}],
                "conditions": [{{"type": "InProgress", "reason": "{reason}"}}]}}}}"#
        ))
        .unwrap()
    };
    let turns = Turns::new();
    turns.listed();
    turns.registry.seen(&redriven(5, true, "Suspended", "")).unwrap();
    turns.registry.seen(&object("b", 6, "Starting")).unwrap();
    assert!(turns.look("b", 7));
    turns.registry.left(&object("b", 7, "Succeeded"));
    // Lifted, it stands in line: the slot that is free now is kept for it.
    turns.registry.seen(&redriven(8, false, "Suspended", "")).unwrap();
    turns.registry.seen(&object("c", 9, "Starting")).unwrap();
    assert!(!turns.look("c", 10));
    // One that was suspended on its way keeps its slot.
    turns.registry.seen(&redriven(11, true, "Suspended", r#"{"path": "S"}"#)).unwrap();
    turns.registry.look_at(&key("c"));
    assert!(!turns.look("c", 12));
}
