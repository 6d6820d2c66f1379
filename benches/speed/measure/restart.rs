//! Killed with runs that wait and started again: the time until each of them was looked at.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::flows;
use crate::report::Figure;
use crate::service::{Answer, Service};
use crate::stage::{DEADLINE, Names, POLL, Stage, wait_for_figure};

/// How long the answer takes that runs wait for.
const LONG: Duration = Duration::from_secs(3_600);

pub fn take(stage: &Stage) -> Vec<Figure> {
    let runs = stage.scale(200, 1_000);
    let place = stage.place("restart");
    let mut controller = place.controller();
    let service = stage.runtime.block_on(Service::start(|_, _| Answer::json(&json!({})).after(LONG)));
    place.space.flow("wait", &flows::wait());
    place.space.flow("call", &flows::calls(&service.url("/"), 1));
    let written = r#"millrace_status_writes_total{outcome="Written"}"#;
    let begin = |flow| {
        let names = Names { prefix: flow, flow, count: runs };
        stage.runtime.block_on(place.start_all(names, &json!({"name": "world"}), drop));
    };
    begin("wait");
    wait_for_figure(&mut controller, written, runs as f64);
    let mut waits = Vec::new();
    for _ in 0..stage.scale(2, 5) {
        let began = Instant::now();
        controller.kill();
        controller = place.controller();
        wait_for_figure(&mut controller, "millrace_looks_total", runs as f64);
        waits.push(began.elapsed().as_secs_f64());
    }
    stage.runtime.block_on(place.clear());
    begin("call");
    wait_for_figure(&mut controller, written, runs as f64);
    // Each of them waits in the service before it is counted.
    wait_for_calls(&service, runs);
    let mut calls = Vec::new();
    for _ in 0..stage.scale(2, 5) {
        let before = service.count();
        let began = Instant::now();
        controller.kill();
        controller = place.controller();
        // What the outside sees of it: calls that were out are made again, under the same key.
        wait_for_calls(&service, before + runs);
        calls.push(began.elapsed().as_secs_f64());
    }
    drop(controller);
    stage.runtime.block_on(place.clear());
    vec![
        Figure::median(format!("{runs} in a Wait looked at"), &waits, "s"),
        Figure::median(format!("{runs} in a call call again"), &calls, "s"),
    ]
}

/// Waits until a service was called so often.
fn wait_for_calls(service: &Service, least: usize) {
    let began = Instant::now();
    while service.count() < least {
        assert!(began.elapsed() < DEADLINE, "{} of {least} calls came", service.count());
        std::thread::sleep(POLL);
    }
}
