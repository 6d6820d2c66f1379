//! How long people wait for a list of many executions.

use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::flows;
use crate::report::{Figure, Target};
use crate::stage::{Names, Stage, wait_for_figure};

/// Seconds that a list of ten thousand may take.
const SECONDS_MAX: f64 = 2.0;

pub fn take(stage: &Stage) -> Vec<Figure> {
    let place = stage.place("list");
    let mut controller = place.controller();
    place.space.flow("pure", &flows::pure());
    let runs = stage.scale(500, 10_000);
    let names = Names { prefix: "run", flow: "pure", count: runs };
    stage.runtime.block_on(place.start_all(names, &json!({"name": "world", "count": 1}), drop));
    wait_for_figure(&mut controller, r#"millrace_executions_ended_total{phase="Succeeded"}"#, runs as f64);
    let list = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
        command.args(["list", "--namespace", &place.space.name]).env("KUBECONFIG", &place.space.kubeconfig);
        let began = Instant::now();
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        assert!(output.status.success() && lines > runs, "{lines} lines of {runs}");
        seconds
    };
    let seconds: Vec<f64> = (0..5).map(|_| list()).collect();
    let figure = Figure::median(format!("{runs} runs, listed"), &seconds, "s");
    vec![if stage.is_quick { figure } else { figure.target(Target::AtMost(SECONDS_MAX)) }]
}
