//! Status writes per run, as the API server counts them, held against the budget (which a test of the
//! controller's own figures could not do: what counts is what was sent).

use serde_json::{Value, json};

use crate::flows;
use crate::report::{Figure, Target};
use crate::requests::Requests;
use crate::service::{Answer, Service};
use crate::stage::{Names, Place, Stage, wait_for_figure};

/// Items of the Map, and the writes that it may take.
const ITEMS: usize = 100;
const ITEMS_WRITES_MAX: f64 = 30.0;

/// Calls of the long chain.
const CHAIN: usize = 10;

pub fn take(stage: &Stage) -> Vec<Figure> {
    let service = stage.runtime.block_on(Service::start(|_, _| Answer::json(&json!({"ok": true}))));
    let url = service.url("/");
    let runs = stage.scale(20, 100);
    let place = stage.place("writes");
    let items: Vec<usize> = (0..ITEMS).collect();
    let cases = [
        ("pure", "three pure states", flows::pure(), json!({"name": "x", "count": 1}), runs, 1.0),
        ("one", "one HTTP call", flows::calls(&url, 1), json!({}), runs, 2.0),
        ("three", "three HTTP calls", flows::calls(&url, 3), json!({}), runs, 4.0),
        ("ten", "ten HTTP calls", flows::calls(&url, CHAIN), json!({}), runs / 4, CHAIN as f64 + 1.0),
        ("each", "a Map of 100 HTTP calls", flows::each(&url), json!({"items": items}), 5, ITEMS_WRITES_MAX),
    ];
    let mut counter = Counter { stage, place: &place, controller: place.controller(), ended: 0 };
    cases
        .into_iter()
        .map(|(name, what, definition, input, runs, most)| {
            place.space.flow(name, &definition);
            let writes = counter.writes_per_run(name, &input, runs);
            Figure::new(what, writes, "").target(Target::Budget(most))
        })
        .collect()
}

struct Counter<'s> {
    stage: &'s Stage,
    place: &'s Place,
    controller: crate::rig::Controller,
    ended: usize,
}

impl Counter<'_> {
    fn writes_per_run(&mut self, flow: &str, input: &Value, runs: usize) -> f64 {
        let runtime = &self.stage.runtime;
        let before = runtime.block_on(Requests::so_far(&self.stage.client));
        let names = Names { prefix: flow, flow, count: runs };
        runtime.block_on(self.place.start_all(names, input, drop));
        self.ended += runs;
        let ended = r#"millrace_executions_ended_total{phase="Succeeded"}"#;
        wait_for_figure(&mut self.controller, ended, self.ended as f64);
        let after = runtime.block_on(Requests::so_far(&self.stage.client));
        after.since(before).status_writes / runs as f64
    }
}
