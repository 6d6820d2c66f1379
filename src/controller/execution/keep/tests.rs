//! Runs from decision to decision, with a store that stands for the API server.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::*;
use crate::api::execution_data::ExecutionData;
use crate::api::flow_revision::FlowRevisionSpec;
use crate::api::history::{self, Record};
use crate::api::{ConditionType, ExecutionSpec, Phase, Reason, condition};
use crate::controller::execution::admit::{FlowFacts, FlowView, Latest};
use crate::controller::execution::answer::Heard;
use crate::controller::execution::decide::{Decision, Facts, Footing, Observed, decide};
use crate::controller::execution::queue::Slot;
use crate::controller::execution::retention::DefaultTtl;
use crate::controller::execution::status::Obstacles;
use crate::controller::execution::telling::Telling;
use crate::controller::revision::Revision;
use crate::engine::{Report, TokenKey};
use crate::value::Value;

/// Text that hardly compresses, another for each number.
fn noise(number: usize, bytes: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64.wrapping_mul(2 * number as u64 + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state % 64).unwrap())
    };
    (0..bytes).map(|_| next()).map(|c| if c == '\\' { '~' } else { c }).collect()
}

/// An Execution, its chunks, and what its controller has in memory.
struct World {
    revision: Arc<Revision>,
    room: Room,
    status: ExecutionStatus,
    chunks: BTreeMap<String, ExecutionData>,
    parts: Vec<Part>,
    status_writes: usize,
    chunk_writes: usize,
    chunk_bytes: usize,
    now: Timestamp,
}

impl World {
    fn new(states: &Json) -> Self {
        let start = &states[0]["Name"];
        let definition =
            json!({"Type": "StateMachine", "SpecVersion": "v1", "StartAt": start, "States": states});
        let spec: FlowRevisionSpec = serde_json::from_value(json!({
            "flow": "f", "number": 1, "digest": "d", "dialect": "fdl/v1", "definition": definition,
        }))
        .unwrap();
        let status = json!({"phase": "Starting", "observedGeneration": 0, "conditions": []});
        Self {
            revision: Arc::new(Revision::compile("f-1", "r", spec).unwrap()),
            room: Room::beside(10_000),
            status: serde_json::from_value(status).unwrap(),
            chunks: BTreeMap::new(),
            parts: Vec::new(),
            status_writes: 0,
            chunk_writes: 0,
            chunk_bytes: 0,
            now: Timestamp::from_second(1_700_000_000).unwrap(),
        }
    }

    fn observed(&self, footing: Footing, reports: Vec<(&str, Report)>) -> Observed {
        Observed {
            facts: Facts {
                outer_name: None,
                suspend: false,
                name: "run".to_owned(),
                uid: "u".to_owned(),
                generation: 1,
                created_at: self.now,
                flow: "f".to_owned(),
                spec_digest: "s".to_owned(),
                stop: None,
                redrive: None,
                ttl_seconds: None,
                is_name_generated: false,
                is_awaited: false,
                schedule: None,
                parent: None,
                callback: None,
                room: self.room,
            },
            status: self.status.clone(),
            parts: self.parts.clone(),
            footing,
            namesake: None,
            slot: Slot::Free,
            reports: reports
                .into_iter()
                .map(|(id, report)| Heard { task: id.into(), report, from: None })
                .collect(),
            obstacles: Obstacles::default(),
            default_ttl: DefaultTtl::default(),
            telling: Telling::default(),
            now: self.now,
            token_key: TokenKey::new([7; 32]),
        }
    }

    fn start(&mut self, input: &Json) -> Decision {
        let spec = json!({"flowRef": {"name": "f"}, "input": input});
        let spec: ExecutionSpec = serde_json::from_value(spec).unwrap();
        let latest_revision = Some(Latest { number: 1, uid: Some("r".to_owned()) });
        let flow = FlowFacts { is_observed: true, latest_revision, ..FlowFacts::default() };
        let flow = FlowView::Present(Box::new(flow));
        let revision = Some(self.revision.clone());
        self.commit(&self.observed(
            Footing::Admission { spec: Box::new(spec), flow, revision, siblings: Vec::new() },
            Vec::new(),
        ))
    }

    fn succeed(&mut self, id: &str, result: &Json) -> Decision {
        let result = Value::parse(&result.to_string()).unwrap();
        let footing = Footing::Revision(self.revision.clone());
        self.commit(&self.observed(footing, vec![(id, Report::Succeeded(result))]))
    }

    /// Decides, and stores what was decided as the controller does.
    fn commit(&mut self, observed: &Observed) -> Decision {
        let decision = decide(observed);
        for chunk in decision.contents.iter().flat_map(|content| content.chunks("run", "u")) {
            let name = chunk.metadata.name.clone().unwrap();
            self.chunk_writes += 1;
            self.chunk_bytes += chunk.spec.data.len();
            assert!(self.chunks.insert(name.clone(), chunk).is_none(), "{name} was written twice");
        }
        if let Some(status) = &decision.status {
            self.status_writes += 1;
            self.status = (**status).clone();
            let named: Vec<_> = status.data_refs().flat_map(|reference| reference.names("run")).collect();
            assert!(named.iter().all(|name| self.chunks.contains_key(name)), "named and not there");
            self.chunks.retain(|name, _| named.contains(name));
            let bytes = serde_json::to_string(status).unwrap().len();
            assert!(bytes < self.room.0, "{bytes}");
        }
        self.parts = decision.parts.clone();
        decision
    }

    fn content(&self, reference: &DataRef) -> String {
        let joined: String = reference.names("run").map(|name| &*self.chunks[&name].spec.data).collect();
        reference.content("u", &joined).unwrap()
    }

    /// Another controller: it knows what is stored.
    fn crash(&mut self) {
        let refs = self.status.checkpoint_refs.iter();
        self.parts = refs.map(|reference| Part::read("u", &self.content(reference)).unwrap()).collect();
    }

    fn records(&self) -> Vec<Record> {
        let older = self.status.history_refs.iter();
        let older = older.flat_map(|older| history::read_text(&self.content(older)).unwrap());
        older.chain(history::read(self.status.history.as_deref().unwrap()).unwrap()).collect()
    }
}

/// A Map that asks for something for each of its items and hands over little, and then one more task.
fn gathering() -> Json {
    let ask = json!({"Type": "Task", "Name": "Ask", "Action": "A:B", "End": true,
        "OutputConstructor": {"said.$": "$Output"}});
    json!([
        {"Type": "Map", "Name": "Each", "ItemsPath": "$Input.list", "Next": "Rest",
         "OutputConstructor": {"done": true},
         "Processor": {"StartAt": "Ask", "States": [ask]}},
        {"Type": "Task", "Name": "Rest", "Action": "A:B", "End": true},
    ])
}

fn items(count: usize) -> Json {
    json!({"list": (0..count).collect::<Vec<_>>()})
}

#[test]
fn a_run_that_holds_much_writes_each_value_once_and_survives_a_crash_anywhere() {
    const ITEMS: usize = 120;
    const BYTES: usize = 60_000;
    let mut world = World::new(&gathering());
    world.start(&items(ITEMS));
    assert_eq!((world.chunk_writes, world.status.checkpoint_refs.len()), (0, 0));
    for number in 0..ITEMS - 1 {
        if number % 7 == 0 {
            world.crash();
        }
        world.succeed(&format!("Each/{number}/Ask@1"), &json!(noise(number, BYTES)));
        assert_eq!(world.status.phase, Phase::Running);
        let checkpoint = world.status.checkpoint.as_ref().unwrap().len();
        assert!(checkpoint <= STORED_BYTES_MAX, "{checkpoint}");
    }
    assert_eq!(world.status_writes, ITEMS);
    // Six bits of noise in eight: what is stored is about as long as the text.
    let held = (ITEMS - 1) * BYTES;
    assert!(world.chunk_bytes > held * 9 / 10 && world.chunk_bytes < held * 6 / 5, "{}", world.chunk_bytes);
    assert!(world.chunk_writes < ITEMS, "{}", world.chunk_writes);
    assert!(world.chunks.values().all(|chunk| chunk.spec.data.len() <= 512 * 1024));
    // The result of the Map is over the limit of a state, and all of it is let go.
    world.succeed(&format!("Each/{}/Ask@1", ITEMS - 1), &json!("last"));
    let error = world.status.error.as_deref();
    assert_eq!((world.status.phase, error), (Phase::Failed, Some("FnF.EntityTooLarge")));
}

#[test]
fn what_a_run_no_longer_holds_is_no_longer_named() {
    let mut world = World::new(&json!([
        {"Type": "Parallel", "Name": "Both", "Next": "Rest", "OutputConstructor": {"done": true}, "Branches":
            (0..10).map(|_| json!({"StartAt": "Ask", "States": [
                {"Type": "Task", "Name": "Ask", "Action": "A:B", "Next": "Again", "OutputConstructor": {"big.$": "$Output"}},
                {"Type": "Task", "Name": "Again", "Action": "A:B", "End": true, "OutputConstructor": {}},
            ]})).collect::<Vec<_>>()},
        {"Type": "Task", "Name": "Rest", "Action": "A:B", "End": true},
    ]));
    world.start(&json!({}));
    for branch in 0..10 {
        world.succeed(&format!("Both/{branch}/Ask@1"), &json!(noise(branch, 60_000)));
    }
    assert!(!world.status.checkpoint_refs.is_empty() && !world.chunks.is_empty());
    world.crash();
    for branch in 0..10 {
        world.succeed(&format!("Both/{branch}/Again@1"), &json!(1));
    }
    assert_eq!((world.status.checkpoint_refs.len(), world.chunks.len()), (0, 0));
    world.succeed("Rest@1", &json!({"done": 1}));
    assert_eq!(world.status.output.as_ref().unwrap().text(), r#"{"done":1}"#);
    assert_eq!((world.status.phase, &world.status.checkpoint), (Phase::Succeeded, &None));
}

#[test]
fn a_run_that_holds_more_than_can_be_kept_ends_with_a_named_error() {
    let mut world = World::new(&gathering());
    world.start(&items(700));
    for number in 0..600 {
        // Many texts that compress well: what counts is what the controller would have to hold.
        world.succeed(&format!("Each/{number}/Ask@1"), &json!(format!("{number}{}", "x".repeat(65_000))));
        if world.status.phase != Phase::Running {
            break;
        }
    }
    let cause = world.status.cause.as_deref().unwrap();
    assert_eq!(
        (world.status.phase, world.status.error.as_deref()),
        (Phase::Failed, Some("FnF.EntityTooLarge"))
    );
    assert!(cause.contains("at most 33554432 can be kept"), "{cause}");
    assert_eq!(world.status.checkpoint_refs.len(), 0);
}

#[test]
fn a_large_output_leaves_the_object_and_says_where_it_is() {
    let mut world = World::new(&json!([{"Type": "Task", "Name": "Ask", "Action": "A:B", "End": true}]));
    // Beside a spec that takes most of the object.
    world.room = Room::beside(1_250 * 1024);
    world.start(&json!({}));
    let output = json!({"x": noise(1, 59_994)});
    world.succeed("Ask@1", &output);
    let reference = world.status.output_ref.clone().unwrap();
    assert_eq!((world.status.phase, &world.status.output), (Phase::Succeeded, &None));
    assert_eq!((world.content(&reference), reference.bytes), (output.to_string(), 60_002));
    assert_eq!(world.chunks.len(), 1);
    let said = condition::find(&world.status.conditions, ConditionType::Succeeded).unwrap();
    assert!(said.message.contains("output of 60002 bytes is in ExecutionData"), "{}", said.message);

    // With room for it, it stays.
    let mut world = World::new(&json!([{"Type": "Task", "Name": "Ask", "Action": "A:B", "End": true}]));
    world.start(&json!({}));
    world.succeed("Ask@1", &output);
    assert_eq!((world.status.output_ref, world.chunk_writes, world.status_writes), (None, 0, 2));
}

#[test]
fn a_long_history_is_whole_wherever_it_is_kept() {
    let mut world = World::new(&gathering());
    world.start(&items(400));
    for number in 0..400 {
        world.succeed(&format!("Each/{number}/Ask@1"), &json!(number));
    }
    let records = world.records();
    let ids: Vec<_> = records.iter().map(|record| record.i).collect();
    assert!(ids.len() > 1_500 && ids == (1..=ids.len() as u64).collect::<Vec<_>>(), "{}", ids.len());
    assert_eq!(records[0].d.as_ref().unwrap().text(), items(400).to_string());
    assert!(!world.status.history_refs.is_empty() && world.status.history_refs.len() < 4);
    // Small results need nothing else.
    assert_eq!(
        (world.chunk_writes, world.chunks.len()),
        (world.chunks.len(), world.status.history_refs.len())
    );
}

#[test]
fn a_run_whose_chunks_are_gone_or_altered_stalls() {
    let mut world = World::new(&gathering());
    world.start(&items(20));
    for number in 0..10 {
        world.succeed(&format!("Each/{number}/Ask@1"), &json!(noise(number, 60_000)));
    }
    let before = world.status.clone();
    world.parts.clear();
    world.succeed("Each/10/Ask@1", &json!(1));
    let stalled = condition::find(&world.status.conditions, ConditionType::Stalled).unwrap();
    assert_eq!((stalled.reason, world.status.phase), (Reason::EngineFault, Phase::Running));
    assert!(stalled.message.contains("a part is missing"), "{}", stalled.message);
    assert_eq!(world.status.checkpoint_refs, before.checkpoint_refs);
    // When it is back, it goes on.
    world.crash();
    world.succeed("Each/10/Ask@1", &json!(1));
    let stalled = condition::find(&world.status.conditions, ConditionType::Stalled).unwrap();
    assert_eq!(stalled.status, crate::api::ConditionStatus::False);
}
