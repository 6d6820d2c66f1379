//! Runs that begin at a steady pace and are removed as soon as they have ended, beside runs at the same pace while a
//! client deletes as many others: whether removing keeps up, and what it costs those that begin beyond what the API
//! server asks for the deletes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use crate::api::Api;
use crate::report::{Figure, Target};
use crate::rig::{Controller, execution};
use crate::stage::{Changed, Place, Stage, wait_for_figure};
use crate::{flows, statistics};

/// Pause between two runs: a hundred begin, and end, each second.
const PAUSE: Duration = Duration::from_millis(10);

/// What the API says who wants an Execution gone at its end, and who keeps it for an hour.
const GONE: u64 = 0;
const KEPT: u64 = 3_600;

/// Runs a second that have to be removed.
const REMOVED_MIN: f64 = 95.0;

/// How much slower those that begin may be than beside a client that deletes as many.
const SLOWER_MAX: f64 = 1.5;

pub fn take(stage: &Stage) -> Vec<Figure> {
    let place = stage.place("removal");
    let mut controller = place.controller();
    place.space.flow("pure", &flows::pure());
    let runs = stage.scale(200, 1_500);
    let (mut rates, mut lags, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let alone = begin_all(stage, &place, "kept-0", runs, KEPT).latency;
    for round in 1..=stage.scale(1, 3) {
        let deleting =
            stage.runtime.spawn(delete_all(stage.client.clone(), place.executions.clone(), round - 1, runs));
        bare.push(begin_all(stage, &place, &format!("kept-{round}"), runs, KEPT).latency);
        stage.runtime.block_on(deleting).unwrap();
        let before = removed(&controller);
        let began = Instant::now();
        let gone = begin_all(stage, &place, &format!("gone-{round}"), runs, GONE);
        wait_for_figure(&mut controller, REMOVED, before + runs as f64);
        rates.push(runs as f64 / began.elapsed().as_secs_f64());
        lags.push(gone.last_ended.elapsed().as_secs_f64() * 1_000.0);
        ours.push(gone.latency);
    }
    let ratios: Vec<f64> = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
    vec![
        Figure::median("removed, at 100 that begin a second", &rates, "/s")
            .target(Target::AtLeast(REMOVED_MIN)),
        Figure::median("from the last end until all were gone", &lags, "ms"),
        Figure::median("from create to Succeeded meanwhile, p50", &ours, "ms"),
        Figure::median("the same where a client removes as many others", &bare, "ms"),
        Figure::median("the two of them", &ratios, "").target(Target::AtMost(SLOWER_MAX)),
        Figure::new("the same where nothing is removed", alone, "ms"),
    ]
}

/// Deletes the runs of an earlier round at the pace at which others begin.
async fn delete_all(client: Api, collection: String, round: usize, runs: usize) {
    let mut pace = pace();
    let mut deletes = JoinSet::new();
    for number in 0..runs {
        pace.tick().await;
        let (client, path) = (client.clone(), format!("{collection}/kept-{round}-{number}"));
        deletes.spawn(async move { client.delete(&path).await });
    }
    deletes.join_all().await;
}

/// A create, or a delete, that took long is made up for.
fn pace() -> Interval {
    let mut pace = tokio::time::interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}

const REMOVED: &str = "millrace_executions_removed_total";

fn removed(controller: &Controller) -> f64 {
    controller.find_figure(REMOVED).unwrap_or_default()
}

/// What a watch has shown of runs that began at a pace.
struct Shown {
    /// From create to Succeeded, median, in milliseconds.
    latency: f64,
    last_ended: Instant,
}

fn begin_all(stage: &Stage, place: &Place, prefix: &str, runs: usize, ttl_seconds: u64) -> Shown {
    let name = |number: usize| format!("{prefix}-{number}");
    stage.runtime.block_on(async {
        let mut watch = place.watch().await;
        let mut pace = pace();
        let (client, collection) = (stage.client.clone(), place.executions.clone());
        let names: Vec<String> = (0..runs).map(name).collect();
        let creating = tokio::spawn(async move {
            let mut creates = JoinSet::new();
            let mut began = HashMap::new();
            for name in names {
                pace.tick().await;
                let spec = json!({
                    "flowRef": {"name": "pure"}, "ttlSecondsAfterFinished": ttl_seconds,
                    "input": {"name": "world", "count": 1},
                });
                let (client, collection, body) = (client.clone(), collection.clone(), execution(&name, spec));
                began.insert(name, Instant::now());
                creates.spawn(async move { client.create(&collection, body).await });
            }
            creates.join_all().await;
            began
        });
        let mut ended: HashMap<String, Instant> = HashMap::new();
        while ended.len() < runs {
            let Changed { object } = watch.next().await;
            // Those of the round before may still be going.
            let is_meant = object.metadata.name.starts_with(prefix);
            if is_meant && object.status.phase == "Succeeded" {
                ended.entry(object.metadata.name).or_insert_with(Instant::now);
            }
        }
        let began = creating.await.unwrap();
        let millis = |(name, began): (&String, &Instant)| (ended[name] - *began).as_secs_f64() * 1_000.0;
        let latencies: Vec<f64> = began.iter().map(millis).collect();
        Shown { latency: statistics::median(&latencies), last_ended: ended.values().copied().max().unwrap() }
    })
}
