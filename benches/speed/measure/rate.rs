//! Runs per second, beside the floor. Rounds of the two take turns, so that whatever else the machine
//! does hits both alike, and what counts is the ratio of neighbours.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::floor::{self, Floor};
use crate::flows;
use crate::process::cpu_time;
use crate::report::{Figure, Target};
use crate::requests::Requests;
use crate::rig::Controller;
use crate::service::Service;
use crate::stage::{Names, Place, Stage, wait_for_figure};

/// Share of the floor that the controller reaches at least.
const SHARE_LEAST: f64 = 0.7;

const ENDED: &str = r#"millrace_executions_ended_total{phase="Succeeded"}"#;

pub fn pure(stage: &Stage) -> Vec<Figure> {
    let sizes = Sizes { pairs: stage.scale(3, 7), runs: stage.scale(150, 500), writes: 1 };
    take(stage, "pure", &flows::pure(), sizes)
}

pub fn calls(stage: &Stage) -> Vec<Figure> {
    let service = stage.runtime.block_on(Service::echo());
    let sizes = Sizes { pairs: stage.scale(3, 7), runs: stage.scale(60, 200), writes: 4 };
    take(stage, "calls", &flows::calls(&service.url("/"), 3), sizes)
}

#[derive(Clone, Copy)]
struct Sizes {
    pairs: usize,
    runs: usize,
    /// Status writes of a run.
    writes: usize,
}

/// The controller in its namespace, and the floor in another.
struct Contest<'s> {
    stage: &'s Stage,
    place: Place,
    controller: Controller,
    floor: Floor,
    flow: &'static str,
    input: Value,
    runs: usize,
    ended: f64,
}

/// What a round has cost.
#[derive(Clone, Copy, Debug)]
struct Round {
    per_second: f64,
    writes: f64,
    others: f64,
    server_cpu_millis: f64,
    controller_cpu_millis: f64,
}

fn take(stage: &Stage, flow: &'static str, definition: &str, sizes: Sizes) -> Vec<Figure> {
    let place = stage.place(flow);
    let controller = place.controller();
    place.space.flow(flow, definition);
    let input = json!({"name": "world", "count": 1});
    let statuses = stage.runtime.block_on(floor::record(&place, flow, &input));
    assert_eq!(statuses.len(), sizes.writes, "status writes of one run");
    let bare = stage.place(&format!("{flow}-floor"));
    let floor = stage.runtime.block_on(Floor::new(bare, statuses));
    let mut contest = Contest { stage, place, controller, floor, flow, input, runs: sizes.runs, ended: 1.0 };
    contest.pair(0);
    let pairs: Vec<(Round, Round)> = (1..=sizes.pairs)
        .map(|number| {
            let (floor, controller) = contest.pair(number);
            stage.say(&format!(
                "  {number} of {}: floor {:.0}/s, controller {:.0}/s",
                sizes.pairs, floor.per_second, controller.per_second
            ));
            (floor, controller)
        })
        .collect();
    figures(&pairs, sizes)
}

fn figures(pairs: &[(Round, Round)], sizes: Sizes) -> Vec<Figure> {
    let of = |pick: fn(&(Round, Round)) -> f64| pairs.iter().map(pick).collect::<Vec<f64>>();
    vec![
        Figure::median("controller", &of(|pair| pair.1.per_second), "/s"),
        Figure::median("floor", &of(|pair| pair.0.per_second), "/s"),
        Figure::median("controller / floor", &of(|pair| pair.1.per_second / pair.0.per_second), "")
            .target(Target::AtLeast(SHARE_LEAST)),
        Figure::median("status writes of a run", &of(|pair| pair.1.writes), "")
            .target(Target::Budget(sizes.writes as f64)),
        Figure::median("other requests per run", &of(|pair| pair.1.others - pair.0.others), ""),
        Figure::median("controller's CPU per run", &of(|pair| pair.1.controller_cpu_millis), "ms"),
        Figure::median("API server's CPU per run", &of(|pair| pair.1.server_cpu_millis), "ms"),
        Figure::median("the same at the floor", &of(|pair| pair.0.server_cpu_millis), "ms"),
    ]
}

impl Contest<'_> {
    /// One round each; who begins changes.
    fn pair(&mut self, number: usize) -> (Round, Round) {
        let prefix = format!("r{number}");
        if number.is_multiple_of(2) {
            let floor = self.floor_round(&prefix);
            (floor, self.controller_round(&prefix))
        } else {
            let controller = self.controller_round(&prefix);
            (self.floor_round(&prefix), controller)
        }
    }

    fn controller_round(&mut self, prefix: &str) -> Round {
        let names = Names { prefix, flow: self.flow, count: self.runs };
        let runtime = &self.stage.runtime;
        let before = self.costs();
        let began = Instant::now();
        runtime.block_on(self.place.start_all(names, &self.input, drop));
        // Asked only now, so that being asked does not slow it down.
        self.ended += self.runs as f64;
        wait_for_figure(&mut self.controller, ENDED, self.ended);
        let took = began.elapsed();
        let after = self.costs();
        runtime.block_on(self.place.check_all_succeeded(self.runs + usize::from(prefix == "r0")));
        runtime.block_on(self.place.clear());
        self.round(took, before, after)
    }

    fn floor_round(&mut self, prefix: &str) -> Round {
        let names = Names { prefix, flow: self.flow, count: self.runs };
        let runtime = &self.stage.runtime;
        let before = self.costs();
        let took = runtime.block_on(self.floor.round(names, &self.input));
        let after = self.costs();
        runtime.block_on(self.floor.place().check_all_succeeded(self.runs));
        runtime.block_on(self.floor.place().clear());
        self.round(took, before, after)
    }

    fn costs(&self) -> (Requests, Duration) {
        let requests = self.stage.runtime.block_on(Requests::so_far(&self.stage.client));
        (requests, cpu_time(self.controller.pid()))
    }

    fn round(&self, took: Duration, before: (Requests, Duration), after: (Requests, Duration)) -> Round {
        let runs = self.runs as f64;
        let served = after.0.since(before.0);
        Round {
            per_second: runs / took.as_secs_f64(),
            writes: served.status_writes / runs,
            others: served.others / runs,
            server_cpu_millis: served.cpu_seconds * 1_000.0 / runs,
            controller_cpu_millis: after.1.saturating_sub(before.1).as_secs_f64() * 1_000.0 / runs,
        }
    }
}
