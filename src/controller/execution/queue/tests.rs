//! Slots and lines: never over the limit, in order, and nobody forgotten.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn key(name: &str) -> Key {
    Key::new("n", name)
}

fn shown(uid: &str, doing: Doing, priority: Option<i32>) -> Shown<'_> {
    Shown { flow: "f", uid, created_at: at(0), priority, doing }
}

fn limits(version: u64, limit: u32, policy: ConcurrencyPolicy) -> Limits {
    let policy = Some(policy);
    Limits { version, concurrency: Some(Concurrency { limit, policy }), default_priority: 0 }
}

/// A look at one that could begin, up to its decision.
fn reach(queues: &mut Queues, name: &str, limits: Limits, priority: i32, now: i64) -> Slot {
    queues.begin(&key(name));
    queues.reach(&key(name), &key("f"), limits, Rank::new(priority, at(0), name), at(now))
}

fn place(position: usize, waiting: usize, limit: u32) -> Slot {
    Slot::Taken(Place { position, waiting, limit, is_due: false })
}

fn called(queues: &mut Queues) -> Vec<String> {
    queues.take_called().into_iter().map(|key| key.name).collect()
}

fn waits(queues: &mut Queues, name: &str) {
    queues.settle(&key(name), &shown(name, Doing::Starting, None));
}

fn runs(queues: &mut Queues, name: &str) {
    queues.settle(&key(name), &shown(name, Doing::Running, None));
}

#[test]
fn higher_priority_begins_first_then_age_then_uid() {
    let rank = |priority: i32, second: i64, uid: &str| Rank::new(priority, at(second), uid);
    let mut ranks = [rank(0, 2, "a"), rank(-1, 0, "a"), rank(0, 1, "b"), rank(0, 1, "a"), rank(3, 9, "z")];
    ranks.sort();
    let sorted = [rank(3, 9, "z"), rank(0, 1, "a"), rank(0, 1, "b"), rank(0, 2, "a"), rank(-1, 0, "a")];
    assert_eq!(ranks, sorted);
}

#[test]
fn a_slot_that_is_freed_is_for_the_first_in_line_whoever_was_looked_at_first() {
    let mut queues = Queues::default();
    queues.know(None);
    let two = limits(1, 2, ConcurrencyPolicy::Queue);
    for (name, priority) in [("a", None), ("b", None), ("c", None), ("d", Some(5)), ("e", None)] {
        queues.note(&key(name), &shown(name, Doing::Starting, priority));
    }
    // Those before it have not been looked at yet.
    assert_eq!(reach(&mut queues, "c", two, 0, 0), place(4, 5, 2));
    assert_eq!(called(&mut queues), ["d", "a"]);
    waits(&mut queues, "c");
    assert_eq!(reach(&mut queues, "d", two, 5, 0), Slot::Free);
    assert_eq!(reach(&mut queues, "a", two, 0, 0), Slot::Free);
    assert_eq!(reach(&mut queues, "b", two, 0, 0), place(1, 3, 2));
    runs(&mut queues, "a");
    runs(&mut queues, "d");
    waits(&mut queues, "b");
    assert!(called(&mut queues).is_empty());
    queues.forget(&key("d"));
    assert_eq!(called(&mut queues), ["b"]);
    // One that waits for something else by now lets the next pass.
    queues.begin(&key("b"));
    waits(&mut queues, "b");
    assert_eq!(called(&mut queues), ["c"]);
    assert_eq!(reach(&mut queues, "c", two, 0, 0), Slot::Free);
    // And what has come to nothing keeps what it has reserved: its write may stand.
    queues.falter(&key("c"));
    assert!(called(&mut queues).is_empty());
    queues.forget(&key("c"));
    // Its first look is coming, and nobody else wants the slot.
    assert!(called(&mut queues).is_empty());
    assert_eq!(reach(&mut queues, "e", two, 0, 0), Slot::Free);
}

#[test]
fn nobody_of_a_limited_flow_begins_before_all_that_run_are_known() {
    let mut queues = Queues::default();
    let one = limits(1, 1, ConcurrencyPolicy::Reject);
    queues.note(&key("a"), &shown("a", Doing::Starting, None));
    assert_eq!(reach(&mut queues, "a", one, 0, 0), Slot::Unknown);
    waits(&mut queues, "a");
    assert_eq!(reach(&mut queues, "u", Limits { version: 2, ..Limits::default() }, 0, 0), Slot::Free);
    queues.forget(&key("u"));
    called(&mut queues);
    queues.know(Some("another"));
    assert_eq!(reach(&mut queues, "a", limits(3, 1, ConcurrencyPolicy::Reject), 0, 0), Slot::Unknown);
    waits(&mut queues, "a");
    queues.note(&key("r"), &shown("r", Doing::Running, None));
    assert!(called(&mut queues).is_empty());
    queues.know(Some("n"));
    assert_eq!(called(&mut queues), ["a"]);
    assert_eq!(reach(&mut queues, "a", one, 0, 0), place(1, 1, 1));
}

#[test]
fn a_limit_lets_as_many_begin_as_it_says_whenever_it_changes() {
    let mut queues = Queues::default();
    queues.know(None);
    let limit = |version: u64, limit: u32| limits(version, limit, ConcurrencyPolicy::Queue);
    for name in ["a", "b"] {
        assert_eq!(reach(&mut queues, name, limit(1, 2), 0, 0), Slot::Free);
        runs(&mut queues, name);
    }
    for (name, position) in [("c", 1), ("d", 2), ("e", 3)] {
        assert_eq!(reach(&mut queues, name, limit(2, 1), 0, 0), place(position, position, 1));
        waits(&mut queues, name);
    }
    queues.forget(&key("a"));
    assert!(called(&mut queues).is_empty());
    // What was read before is not believed.
    assert_eq!(reach(&mut queues, "c", limit(1, 2), 0, 0), place(1, 3, 1));
    waits(&mut queues, "c");
    assert_eq!(reach(&mut queues, "e", limit(3, 3), 0, 0), place(3, 3, 3));
    assert_eq!(called(&mut queues), ["c", "d"]);
    waits(&mut queues, "e");
    // Without a limit nobody waits.
    let unlimited = Limits { version: 4, ..Limits::default() };
    assert_eq!(reach(&mut queues, "c", unlimited, 0, 0), Slot::Free);
    assert_eq!(reach(&mut queues, "d", unlimited, 0, 0), Slot::Free);
    assert_eq!(called(&mut queues), ["e"]);
}

#[test]
fn only_the_front_of_a_line_is_told_again_and_once_a_minute() {
    let mut queues = Queues::default();
    queues.know(None);
    let one = limits(1, 1, ConcurrencyPolicy::Queue);
    queues.note(&key("r"), &shown("r", Doing::Running, None));
    let names: Vec<_> = (10..25).map(|number| format!("w{number}")).collect();
    for name in &names {
        reach(&mut queues, name, one, 0, 0);
        waits(&mut queues, name);
    }
    assert_eq!((queues.due(at(59)).len(), queues.due(at(60)).len()), (0, 10));
    let is_due = |queues: &mut Queues, name: &str, now: i64| {
        let slot = reach(queues, name, one, 0, now);
        waits(queues, name);
        matches!(slot, Slot::Taken(Place { is_due: true, .. }))
    };
    assert!(!is_due(&mut queues, "w10", 59) && is_due(&mut queues, "w10", 60));
    assert!(!is_due(&mut queues, "w10", 61) && !is_due(&mut queues, "w20", 60));
    assert_eq!(queues.due(at(60)).len(), 9);
    assert_eq!(queues.waiting_count(), 15);
}

#[test]
fn those_without_a_priority_have_that_of_their_flow() {
    let mut queues = Queues::default();
    queues.know(None);
    let five = Limits { default_priority: 5, ..limits(1, 1, ConcurrencyPolicy::Queue) };
    queues.note(&key("r"), &shown("r", Doing::Running, None));
    for (name, priority) in [("plain", None), ("urgent", Some(9)), ("low", Some(1))] {
        queues.note(&key(name), &shown(name, Doing::Starting, priority));
    }
    assert_eq!(reach(&mut queues, "low", five, 1, 0), place(3, 3, 1));
    assert_eq!(reach(&mut queues, "plain", five, 5, 0), place(2, 3, 1));
}

/// An Execution of the model.
#[derive(Clone, Debug)]
struct Stored {
    state: State,
    uid: String,
    priority: i32,
    is_suspended: bool,
}

impl Stored {
    fn shown(&self) -> Shown<'_> {
        let doing = match self.state {
            State::Running => Doing::Running,
            State::Starting if !self.is_suspended => Doing::Starting,
            State::Starting | State::Absent => Doing::Nothing,
        };
        shown(&self.uid, doing, Some(self.priority))
    }

    fn waits(&self) -> bool {
        self.state == State::Starting && !self.is_suspended
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Starting,
    Running,
}

/// What may happen; numbers choose among Executions.
#[derive(Clone, Debug)]
enum Happening {
    /// It is made, with a priority.
    Made(usize, i32),
    /// Somebody suspends it or lets it go on.
    Suspended(usize),
    /// The look that was waited for longest is had, as one that ends like this.
    Looked(Fate),
    /// It ends or is removed.
    Gone(usize),
    /// The limit changes; 0 is none.
    Limit(u32),
    /// The list is complete.
    Listed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// What was decided stands.
    Stands,
    /// The write fails, but stands.
    StandsUnseen,
    /// The write fails.
    Fails,
    /// Somebody else has written.
    Conflicts,
}

fn happening() -> impl Strategy<Value = Happening> {
    let who = 0..12_usize;
    let fate = prop_oneof![
        6 => Just(Fate::Stands),
        1 => Just(Fate::StandsUnseen),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Conflicts),
    ];
    prop_oneof![
        4 => (who.clone(), -1..2).prop_map(|(who, priority)| Happening::Made(who, priority)),
        1 => who.clone().prop_map(Happening::Suspended),
        8 => fate.prop_map(Happening::Looked),
        2 => who.prop_map(Happening::Gone),
        1 => (0..4_u32).prop_map(Happening::Limit),
        1 => Just(Happening::Listed),
    ]
}

/// A world in which looks happen one after the other.
#[derive(Default)]
struct World {
    queues: Queues,
    stored: BTreeMap<String, Stored>,
    /// How many were ever made.
    made: usize,
    looks: Vec<String>,
    limit: u32,
    version: u64,
    is_listed: bool,
}

impl World {
    fn running(&self) -> usize {
        self.stored.values().filter(|stored| stored.state == State::Running).count()
    }

    fn ask_for_look(&mut self, name: &str) {
        if !self.looks.iter().any(|other| other == name) {
            self.looks.push(name.to_owned());
        }
    }

    fn note(&mut self, name: &str) {
        self.queues.note(&key(name), &self.stored[name].shown());
        self.ask_for_look(name);
    }

    fn take_calls(&mut self) {
        for name in called(&mut self.queues) {
            self.ask_for_look(&name);
        }
    }

    fn limits(&self) -> Limits {
        let limited = limits(self.version, self.limit, ConcurrencyPolicy::Queue);
        if self.limit == 0 { Limits { concurrency: None, ..limited } } else { limited }
    }

    /// A look at the one whose turn it is.
    fn look(&mut self, fate: Fate) {
        if self.looks.is_empty() {
            return;
        }
        let name = self.looks.remove(0);
        self.queues.begin(&key(&name));
        let stored = self.stored[&name].clone();
        if stored.state == State::Absent {
            return self.queues.forget(&key(&name));
        }
        if !stored.waits() {
            return self.queues.settle(&key(&name), &stored.shown());
        }
        let (before, limits) = (self.running(), self.limits());
        let rank = Rank::new(stored.priority, at(0), &*stored.uid);
        let slot = self.queues.reach(&key(&name), &key("f"), limits, rank.clone(), at(0));
        let begins = slot == Slot::Free;
        if begins && self.limit > 0 {
            assert!(self.is_listed, "{name} begins before it is known who runs");
            assert!(before < usize::try_from(self.limit).unwrap(), "{name} is one too many");
            let queue = &self.queues.flows[&key("f")];
            let ahead = queue.position(&rank).unwrap_err();
            // There is a slot for each of those that stand before it.
            assert!(ahead <= queue.free(), "{name} begins before {ahead} others");
        }
        if begins && matches!(fate, Fate::Stands | Fate::StandsUnseen) {
            self.stored.insert(name.clone(), Stored { state: State::Running, ..stored });
        }
        match fate {
            Fate::Stands => self.queues.settle(&key(&name), &self.stored[&name].shown()),
            Fate::StandsUnseen | Fate::Fails => {
                self.queues.falter(&key(&name));
                self.ask_for_look(&name);
            }
            Fate::Conflicts => self.ask_for_look(&name),
        }
    }

    fn happen(&mut self, happening: &Happening) {
        let name = |who: usize| format!("e{who:02}");
        match happening {
            Happening::Made(who, priority) => {
                let name = name(*who);
                if self.stored.get(&name).is_none_or(|stored| stored.state == State::Absent) {
                    let uid = format!("{name}-{}", self.made);
                    let (priority, state) = (*priority, State::Starting);
                    self.made += 1;
                    self.stored.insert(name.clone(), Stored { state, uid, priority, is_suspended: false });
                    self.note(&name);
                }
            }
            Happening::Suspended(who) => {
                let name = name(*who);
                let starting = self.stored.get_mut(&name).filter(|stored| stored.state == State::Starting);
                if let Some(stored) = starting {
                    stored.is_suspended = !stored.is_suspended;
                    self.note(&name);
                }
            }
            Happening::Gone(who) => {
                let name = name(*who);
                if let Some(stored) = self.stored.get_mut(&name) {
                    stored.state = State::Absent;
                    self.ask_for_look(&name);
                }
            }
            Happening::Looked(fate) => self.look(*fate),
            Happening::Limit(limit) => {
                (self.limit, self.version) = (*limit, self.version + 1);
                // The change of the Flow has all of them looked at.
                let names: Vec<_> = self.stored.keys().cloned().collect();
                names.iter().for_each(|name| self.ask_for_look(name));
            }
            Happening::Listed => {
                self.is_listed = true;
                self.queues.know(Some("n"));
            }
        }
        self.take_calls();
    }
}

proptest! {
    #[test]
    fn never_over_the_limit_in_order_and_nobody_is_forgotten(
        happenings in prop::collection::vec(happening(), 1..120)
    ) {
        let mut world = World::default();
        for happening in &happenings {
            world.happen(happening);
        }
        world.happen(&Happening::Listed);
        // Once all is quiet no slot is free while somebody waits for it.
        for _ in 0..1_000 {
            if world.looks.is_empty() {
                break;
            }
            world.happen(&Happening::Looked(Fate::Stands));
        }
        prop_assert!(world.looks.is_empty(), "looks without end: {:?}", world.looks);
        let waiting = world.stored.values().filter(|stored| stored.waits()).count();
        let free = if world.limit == 0 { usize::MAX } else {
            usize::try_from(world.limit).unwrap().saturating_sub(world.running())
        };
        prop_assert!(free == 0 || waiting == 0, "{free} free, {waiting} wait");
        let lines: BTreeSet<_> = world.queues.flows.values().flat_map(|queue| &queue.line).collect();
        prop_assert_eq!(lines.len(), waiting);
        let (running, reserved) =
            world.queues.flows.values().fold((0, 0), |sum, queue| (sum.0 + queue.running, sum.1 + queue.reserved));
        prop_assert_eq!((running, reserved), (world.running(), 0));
    }
}
