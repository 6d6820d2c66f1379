//! Resident memory: idle, and with runs that wait.

use std::time::Duration;

use serde_json::json;

use crate::flows;
use crate::process::resident_kib;
use crate::report::{Figure, Target};
use crate::rig::Controller;
use crate::service::{Answer, Service};
use crate::stage::{Names, Stage, wait_for_figure};

const IDLE_MIB_MAX: f64 = 25.0;
const RUN_KIB_MAX: f64 = 10.0;

/// How long it is left alone before it is looked at.
const SETTLE: Duration = Duration::from_secs(10);

/// How long the answer takes that runs wait for.
const LONG: Duration = Duration::from_secs(3_600);

pub fn take(stage: &Stage) -> Vec<Figure> {
    let runs = stage.scale(200, 1_000);
    let service = stage.runtime.block_on(Service::start(|_, _| Answer::json(&json!({})).after(LONG)));
    let waits = waiting(stage, "wait", &flows::wait(), runs);
    let calls = waiting(stage, "call", &flows::calls(&service.url("/"), 1), runs);
    let per_run = |waiting: &Waiting| (waiting.full_kib - waiting.idle_kib) / runs as f64;
    // The first ones also pay for connections and threads, which stay as many however many runs come.
    let per_further_run = |waiting: &Waiting| (waiting.fuller_kib - waiting.full_kib) / runs as f64;
    let mib = |kib: f64| kib / 1024.0;
    vec![
        Figure::new("idle", mib(waits.idle_kib), "MiB").target(Target::AtMost(IDLE_MIB_MAX)),
        Figure::new(format!("{runs} runs in a Wait"), mib(waits.full_kib), "MiB"),
        Figure::new("each of them", per_run(&waits), "KiB").target(Target::AtMost(RUN_KIB_MAX)),
        Figure::new("each of as many more", per_further_run(&waits), "KiB"),
        Figure::new(format!("{runs} runs in an HTTP call"), mib(calls.full_kib), "MiB"),
        Figure::new("each of them", per_run(&calls), "KiB"),
        Figure::new("each of as many more", per_further_run(&calls), "KiB"),
    ]
}

struct Waiting {
    idle_kib: f64,
    full_kib: f64,
    /// With as many again.
    fuller_kib: f64,
}

fn waiting(stage: &Stage, name: &str, definition: &str, runs: usize) -> Waiting {
    let place = stage.place(&format!("memory-{name}"));
    let mut controller = place.controller();
    let idle_kib = settled_kib(stage, &controller);
    place.space.flow(name, definition);
    let mut fill = |prefix, total: usize| {
        let names = Names { prefix, flow: name, count: runs };
        stage.runtime.block_on(place.start_all(names, &json!({"name": "world", "count": 1}), drop));
        let written = r#"millrace_status_writes_total{outcome="Written"}"#;
        wait_for_figure(&mut controller, written, total as f64);
        settled_kib(stage, &controller)
    };
    let full_kib = fill("run", runs);
    let fuller_kib = fill("more", runs * 2);
    drop(controller);
    stage.runtime.block_on(place.clear());
    Waiting { idle_kib, full_kib, fuller_kib }
}

fn settled_kib(stage: &Stage, controller: &Controller) -> f64 {
    std::thread::sleep(if stage.is_quick { SETTLE / 4 } else { SETTLE });
    resident_kib(controller.pid())
}
