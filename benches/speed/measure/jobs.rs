//! Wall time of a flow of Jobs, beside the same Jobs made by a client that waits for the end of each.

use std::time::Instant;

use serde_json::{Value, json};

use crate::api::{Api, Watch};
use crate::flows;
use crate::report::{Figure, Target};
use crate::stage::{Place, Stage, see_success};

/// Seconds that a step may take over its Job.
const OVERHEAD_SECONDS_MAX: f64 = 0.15;

/// Who says that the work of a bare Job is done.
#[derive(Clone, Copy, Debug)]
enum Witness {
    /// The Job, when its controller has seen to all that belongs to it.
    Job,
    /// Its pod, as soon as it has succeeded: no client can know earlier.
    Pod,
}

pub fn take(stage: &Stage) -> Result<Vec<Figure>, String> {
    stage.with_pods()?;
    let place = stage.place("jobs");
    let _controller = place.controller();
    let lengths: &[usize] = if stage.is_quick { &[1] } else { &[1, 3] };
    let mut figures = Vec::new();
    for length in lengths.iter().copied() {
        let flow = format!("jobs-{length}");
        place.space.flow_with(&flow, &flows::jobs(length), json!({"serviceAccountName": "runner"}));
        let contest = stage.runtime.block_on(Contest::new(stage, &place, &flow, length));
        figures.extend(stage.runtime.block_on(contest.take(stage)));
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
    pod_events: Watch,
}

#[derive(serde::Deserialize)]
struct SeenEvent {
    object: Value,
}

impl<'p> Contest<'p> {
    async fn new(stage: &'p Stage, place: &'p Place, flow: &'p str, length: usize) -> Self {
        let namespace = &place.space.name;
        let jobs = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let job_events = stage.client.watch(&jobs, "").await;
        let pod_events = stage.client.watch(&pods, "").await;
        let executions = place.watch().await;
        Self { client: &stage.client, place, flow, length, jobs, executions, job_events, pod_events }
    }

    async fn take(mut self, stage: &Stage) -> Vec<Figure> {
        let (length, rounds) = (self.length, stage.scale(1, 5));
        let (mut ours, mut by_job, mut by_pod) = (Vec::new(), Vec::new(), Vec::new());
        // The first pod of a node is slow.
        self.flow_of_jobs("warm").await;
        for round in 0..rounds {
            by_job.push(self.bare_jobs(round, Witness::Job).await);
            ours.push(self.flow_of_jobs(&round.to_string()).await);
            by_pod.push(self.bare_jobs(round, Witness::Pod).await);
            let (bare, flow, pod) = (by_job[round], ours[round], by_pod[round]);
            let number = round + 1;
            stage.say(&format!(
                "  {number} of {rounds}: {length} bare {bare:.2} s (pods {pod:.2} s), a flow {flow:.2} s"
            ));
        }
        let over = |bare: &[f64]| -> Vec<f64> {
            ours.iter().zip(bare).map(|(ours, bare)| (ours - bare) / length as f64).collect()
        };
        let target = Target::AtMost(OVERHEAD_SECONDS_MAX);
        let steps = if length == 1 { "1 Job".to_owned() } else { format!("{length} Jobs") };
        vec![
            Figure::median(format!("{steps}, bare"), &by_job, "s"),
            Figure::median(format!("{steps}, bare, by the pods"), &by_pod, "s"),
            Figure::median(format!("{steps}, a flow"), &ours, "s"),
            Figure::median("a step over a bare Job", &over(&by_job), "s").target(target),
            Figure::median("a step over its pod", &over(&by_pod), "s").target(target),
        ]
    }

    async fn flow_of_jobs(&mut self, name: &str) -> f64 {
        let name = format!("{}-{name}", self.flow);
        let began = Instant::now();
        self.place.start(&name, self.flow, &json!({})).await;
        (see_success(&mut self.executions, &name).await - began).as_secs_f64()
    }

    async fn bare_jobs(&mut self, round: usize, witness: Witness) -> f64 {
        let began = Instant::now();
        for number in 0..self.length {
            let name = format!("bare-{witness:?}-{}-{round}-{number}", self.length).to_lowercase();
            self.client.create(&self.jobs, job(&name).to_string()).await;
            match witness {
                Witness::Job => self.see_completion(&name).await,
                Witness::Pod => self.see_pod_succeed(&name).await,
            }
        }
        began.elapsed().as_secs_f64()
    }

    async fn see_completion(&mut self, name: &str) {
        loop {
            let SeenEvent { object } = self.job_events.next().await;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is_complete = |condition: &Value| condition["type"] == "Complete";
            if object["metadata"]["name"] == name && conditions.iter().any(is_complete) {
                return;
            }
        }
    }

    async fn see_pod_succeed(&mut self, job: &str) {
        loop {
            let SeenEvent { object } = self.pod_events.next().await;
            let is_its_own = object["metadata"]["labels"]["batch.kubernetes.io/job-name"] == job;
            if is_its_own && object["status"]["phase"] == "Succeeded" {
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
