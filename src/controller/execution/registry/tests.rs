//! Turns, news and wakes of Executions.

use super::turn::{RETRY_MAX, RETRY_MIN, delay};
use super::*;
use crate::engine::Report;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

fn registry() -> (Registry, UnboundedReceiver<Key>) {
    let (turns, receiver) = unbounded_channel();
    (Registry::new(turns, unbounded_channel().0), receiver)
}

fn object(version: u64, generation: i64) -> Stored<Execution> {
    serde_json::from_str(&format!(
        r#"{{"metadata": {{"name": "e", "namespace": "n", "uid": "u", "resourceVersion": "{version}", "generation": {generation}}},
            "spec": {{"flowRef": {{"name": "f"}}, "input": {{"k": 1}}}},
            "status": {{"phase": "Running", "conditions": [], "observedGeneration": 1,
                "accepted": {{"generation": 1, "specDigest": "d"}}}}}}"#
    ))
    .unwrap()
}

fn key() -> Key {
    Key::new("n", "e")
}

fn turns(receiver: &mut UnboundedReceiver<Key>) -> usize {
    std::iter::from_fn(|| receiver.try_recv().ok()).count()
}

fn report(registry: &Registry, uid: &str, what: What) {
    registry.news(News { key: key(), uid: uid.to_owned(), task: "A@1".into(), what });
}

#[test]
fn an_execution_is_looked_at_once_however_often_it_is_seen() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    registry.seen(&object(6, 2)).unwrap();
    registry.seen(&object(4, 1)).unwrap();
    assert_eq!(turns(&mut receiver), 1);
    let look = registry.begin(&key()).unwrap();
    let seen = look.seen.unwrap();
    assert_eq!((seen.version, seen.facts.generation), (6, 2));
    // Accepted: the spec is not kept.
    assert!(seen.spec.is_none());
    assert!(registry.begin(&key()).is_none());
}

#[test]
fn the_echo_of_an_own_write_is_no_reason_to_look() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    let mut seen = registry.begin(&key()).unwrap().seen.unwrap();
    // The echo overtakes the answer to the write.
    registry.seen(&object(7, 1)).unwrap();
    seen.version = 7;
    registry.end(&key(), Ended::Settled(Box::new(seen), None));
    registry.seen(&object(7, 1)).unwrap();
    assert_eq!(turns(&mut receiver), 0);
    // And an end that was ours is the end of it.
    registry.left(&object(7, 1));
    assert_eq!((registry.len(), turns(&mut receiver)), (0, 0));
}

#[test]
fn what_is_over_stays_over_however_late_the_watch_is() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    registry.begin(&key()).unwrap();
    registry.end(&key(), Ended::Over(9));
    // Echoes of what was written before the end.
    registry.seen(&object(7, 1)).unwrap();
    assert_eq!((registry.len(), turns(&mut receiver)), (0, 0));
    registry.left(&object(9, 1));
    assert!(registry.locked().over.is_empty());
    // Another object of the same name.
    registry.seen(&object(12, 1)).unwrap();
    assert_eq!((registry.len(), turns(&mut receiver)), (1, 1));
}

#[test]
fn a_run_that_was_taken_up_again_is_over_when_its_new_end_was_shown() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    let mut seen = registry.begin(&key()).unwrap().seen.unwrap();
    registry.end(&key(), Ended::Over(9));
    // Its spec changes, and what is decided stands as 12.
    registry.look_at(&key());
    assert!(registry.begin(&key()).unwrap().seen.is_none());
    seen.version = 12;
    registry.end(&key(), Ended::Settled(Box::new(seen), None));
    turns(&mut receiver);
    // The watch comes after: the first end, then what goes on.
    registry.left(&object(9, 1));
    registry.seen(&object(12, 2)).unwrap();
    assert_eq!((registry.len(), turns(&mut receiver)), (1, 0));
    // It may be so late that the run has ended again.
    report(&registry, "u", What::Report(Report::Heartbeat));
    registry.begin(&key()).unwrap();
    registry.end(&key(), Ended::Over(14));
    turns(&mut receiver);
    registry.left(&object(9, 1));
    registry.seen(&object(12, 2)).unwrap();
    assert_eq!((registry.len(), turns(&mut receiver)), (0, 0));
    registry.left(&object(14, 2));
    assert!(registry.locked().over.is_empty());
}

#[test]
fn echoes_of_an_end_that_overtake_the_answer_are_no_reason_to_look() {
    let (registry, mut receiver) = registry();
    for (shown, is_looked_at) in [(9, false), (10, true)] {
        registry.seen(&object(5, 1)).unwrap();
        turns(&mut receiver);
        registry.begin(&key()).unwrap();
        registry.left(&object(shown, 1));
        registry.seen_ended(&object(shown, 2));
        registry.end(&key(), Ended::Over(9));
        assert_eq!(turns(&mut receiver), usize::from(is_looked_at));
        assert!(registry.locked().over.is_empty());
    }
}

#[test]
fn after_a_conflict_the_watch_is_not_believed() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    registry.begin(&key()).unwrap();
    registry.end(&key(), Ended::Again { reports: Vec::new(), is_conflict: true });
    registry.seen(&object(6, 1)).unwrap();
    assert_eq!(turns(&mut receiver), 1);
    assert!(registry.begin(&key()).unwrap().seen.is_none());
}

#[test]
fn what_happens_during_a_look_is_looked_at_next() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    let seen = registry.begin(&key()).unwrap().seen.unwrap();
    registry.seen(&object(9, 2)).unwrap();
    report(&registry, "u", What::Report(Report::Heartbeat));
    registry.end(&key(), Ended::Settled(Box::new(seen), None));
    assert_eq!(turns(&mut receiver), 1);
    let look = registry.begin(&key()).unwrap();
    assert_eq!((look.seen.unwrap().version, look.reports.len()), (9, 1));
}

#[test]
fn news_that_was_not_taken_in_is_kept_in_order() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    report(&registry, "u", What::Report(Report::Heartbeat));
    let look = registry.begin(&key()).unwrap();
    report(&registry, "u", What::Report(Report::Accepted(crate::value::Value::Null)));
    registry.end(&key(), Ended::Again { reports: look.reports, is_conflict: true });
    turns(&mut receiver);
    let look = registry.begin(&key()).unwrap();
    assert!(look.seen.is_none());
    assert_eq!(look.reports[0].report, Report::Heartbeat);
    assert_eq!(look.reports.len(), 2);
}

#[test]
fn a_run_that_stands_still_keeps_its_news_and_is_tried_again() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    let seen = registry.begin(&key()).unwrap().seen.unwrap();
    let reports =
        vec![Heard { task: "T@1".into(), report: Report::Accepted(crate::value::Value::Null), from: None }];
    registry.end(&key(), Ended::Faulted(Box::new(seen), reports));
    assert_eq!(turns(&mut receiver), 0);
    let wake = registry.locked().entries[&key()].wake.unwrap();
    assert!(wake > Timestamp::now() - RETRY_MIN && wake <= Timestamp::now() + RETRY_MIN, "{wake}");
    report(&registry, "u", What::Report(Report::Heartbeat));
    assert_eq!(turns(&mut receiver), 1);
    let look = registry.begin(&key()).unwrap();
    assert_eq!((look.seen.unwrap().version, look.reports.len()), (5, 2));
    assert_eq!(look.reports[0].report, Report::Accepted(crate::value::Value::Null));
}

#[test]
fn news_of_another_object_of_the_same_name_is_dropped() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    registry.begin(&key());
    report(&registry, "other", What::Report(Report::Heartbeat));
    registry.end(&key(), Ended::Forgotten);
    assert_eq!(registry.len(), 0);
    report(&registry, "u", What::Report(Report::Heartbeat));
    assert_eq!(registry.len(), 0);
    // But what is left over makes somebody look.
    report(&registry, "u", What::LeftOver);
    assert_eq!(turns(&mut receiver), 1);
}

#[test]
fn what_another_object_of_the_same_name_has_left_over_is_told_with_the_next_look() {
    let (registry, mut receiver) = registry();
    registry.seen(&object(5, 1)).unwrap();
    turns(&mut receiver);
    let look = registry.begin(&key()).unwrap();
    registry.end(&key(), Ended::Settled(Box::new(look.seen.unwrap()), None));
    report(&registry, "earlier", What::LeftOver);
    assert_eq!(turns(&mut receiver), 1);
    let look = registry.begin(&key()).unwrap();
    assert!(look.seen.is_none(), "who has the name now is read");
    assert_eq!((look.uid.as_deref(), look.strays.first().map(String::as_str)), (Some("u"), Some("earlier")));
}

#[test]
fn wakes_come_in_their_order_and_the_last_word_counts() {
    let (registry, mut receiver) = registry();
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    registry.seen(&object(5, 1)).unwrap();
    let seen = registry.begin(&key()).unwrap().seen.unwrap();
    registry.end(&key(), Ended::Settled(Box::new(seen.clone()), Some(at(100))));
    turns(&mut receiver);
    assert_eq!(registry.wake(at(99)), Some(at(100)));
    registry.look_at(&key());
    registry.begin(&key());
    registry.end(&key(), Ended::Settled(Box::new(seen), Some(at(200))));
    turns(&mut receiver);
    assert_eq!(registry.wake(at(150)), Some(at(200)));
    assert_eq!(registry.wake(at(200)), None);
    assert_eq!(turns(&mut receiver), 1);
}

#[test]
fn those_that_wait_for_a_flow_are_looked_at_when_it_changes() {
    let (registry, mut receiver) = registry();
    let flow = Key::new("n", "f");
    registry.seen(&object(5, 1)).unwrap();
    let mut seen = registry.begin(&key()).unwrap().seen.unwrap();
    seen.spec = Some(Box::default());
    turns(&mut receiver);
    registry.waits_for(&key(), flow.clone());
    // While it is being looked at, and after that.
    registry.flow_changed(&flow);
    registry.end(&key(), Ended::Settled(Box::new(seen.clone()), None));
    assert_eq!(turns(&mut receiver), 1);
    registry.flow_changed(&flow);
    assert_eq!(turns(&mut receiver), 0);
    registry.begin(&key()).unwrap();
    registry.waits_for(&key(), flow.clone());
    registry.end(&key(), Ended::Settled(Box::new(seen.clone()), None));
    registry.flow_changed(&flow);
    assert_eq!(turns(&mut receiver), 1);
    // Once it was admitted nobody has to remember.
    registry.begin(&key()).unwrap();
    registry.waits_for(&key(), flow);
    seen.spec = None;
    registry.end(&key(), Ended::Settled(Box::new(seen), None));
    assert!(registry.locked().waiting.is_empty());
}

#[test]
fn pauses_grow_to_their_cap() {
    assert_eq!(delay(1, RETRY_MAX), RETRY_MIN);
    assert_eq!(delay(2, RETRY_MAX), RETRY_MIN * 2);
    assert_eq!(delay(u32::MAX, RETRY_MAX), RETRY_MAX);
}
