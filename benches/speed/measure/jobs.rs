//! Wall time of a flow of Jobs, beside the same Jobs made by a client that waits for the end of each.

use std::time::Instant;

use serde_json::{Value, json};

use crate::api::{Api, Watch};
use crate::flows;
use crate::report::{Figure, Target};
use crate::stage::{Place, Stage, see_success};

/// Seconds that a step may take over its Job.
const OVERHEAD_SECONDS_MAX: f64 = 0.15;

pub fn take(stage: &Stage) -> Result<Vec<Figure>, String> {
    stage.with_pods()?;
    let place = stage.place("jobs");
    let _controller = place.controller();
    let rounds = stage.scale(1, 7);
    let lengths: &[usize] = if stage.is_quick { &[1] } else { &[1, 3] };
    let mut figures = Vec::new();
    for length in lengths.iter().copied() {
        let flow = format!("jobs-{length}");
        let spec = json!({"serviceAccountName": "runner"});
        place.space.flow_with(&flow, &flows::jobs(length), spec);
        let mut contest = stage.runtime.block_on(Contest::new(stage, &place, &flow, length));
        // The first pod of a node is slow.
        stage.runtime.block_on(contest.flow_of_jobs("warm"));
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            bare.push(stage.runtime.block_on(contest.bare_jobs(round)));
            ours.push(stage.runtime.block_on(contest.flow_of_jobs(&round.to_string())));
            let seconds = |all: &[f64]| all.last().copied().unwrap_or_default();
            let (ours, bare) = (seconds(&ours), seconds(&bare));
            stage.say(&format!("  {} of {rounds}: {length} bare {bare:.2} s, a flow {ours:.2} s", round + 1));
        }
        figures.push(Figure::median(format!("bare Jobs: {length}"), &bare, "s"));
        figures.push(Figure::median(format!("a flow of Jobs: {length}"), &ours, "s"));
        let over: Vec<f64> =
            ours.iter().zip(&bare).map(|(ours, bare)| (ours - bare) / length as f64).collect();
        figures.push(
            Figure::median(format!("over a bare Job, each of {length}"), &over, "s")
                .target(Target::AtMost(OVERHEAD_SECONDS_MAX)),
        );
    }
    stage.runtime.block_on(place.clear());
    Ok(figures)
}

struct Contest<'p> {
    client: &'p Api,
    place: &'p Place,
    flow: &'p str,
    length: usize,
    jobs: String,
    executions: Watch,
    job_events: Watch,
}

#[derive(serde::Deserialize)]
struct JobEvent {
    object: Value,
}

impl<'p> Contest<'p> {
    async fn new(stage: &'p Stage, place: &'p Place, flow: &'p str, length: usize) -> Self {
        let jobs = format!("/apis/batch/v1/namespaces/{}/jobs", place.space.name);
        let job_events = stage.client.watch(&jobs, "").await;
        let executions = place.watch().await;
        Self { client: &stage.client, place, flow, length, jobs, executions, job_events }
    }

    async fn flow_of_jobs(&mut self, name: &str) -> f64 {
        let name = format!("{}-{name}", self.flow);
        let began = Instant::now();
        self.place.start(&name, self.flow, &json!({})).await;
        (see_success(&mut self.executions, &name).await - began).as_secs_f64()
    }

    async fn bare_jobs(&mut self, round: usize) -> f64 {
        let began = Instant::now();
        for number in 0..self.length {
            let name = format!("bare-{}-{round}-{number}", self.length);
            self.client.create(&self.jobs, job(&name).to_string()).await;
            self.see_completion(&name).await;
        }
        began.elapsed().as_secs_f64()
    }

    async fn see_completion(&mut self, name: &str) {
        loop {
            let JobEvent { object } = self.job_events.next().await;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is_complete = |condition: &Value| condition["type"] == "Complete";
            if object["metadata"]["name"] == name && conditions.iter().any(is_complete) {
                return;
            }
        }
    }
}

/// The Job that `Kubernetes:RunJob` makes of an image and a command.
fn job(name: &str) -> Value {
    let container = json!({"name": "main", "image": flows::IMAGE, "command": ["true"]});
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    })
}
