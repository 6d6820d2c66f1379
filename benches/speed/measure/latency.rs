//! From create to Succeeded, as a watch shows it, when nothing else goes on; beside the same with a
//! client that writes the end without deciding anything.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::floor::{self, Floor};
use crate::report::Figure;
use crate::stage::{Stage, see_success};
use crate::{flows, statistics};

/// Pause between two runs, so that each finds an idle controller.
const PAUSE: Duration = Duration::from_millis(30);

pub fn take(stage: &Stage) -> Vec<Figure> {
    let place = stage.place("latency");
    let _controller = place.controller();
    place.space.flow("pure", &flows::pure());
    let input = json!({"name": "world", "count": 1});
    stage.runtime.block_on(async {
        let statuses = floor::record(&place, "pure", &input).await;
        let floor = Floor::new(stage.place("latency-floor"), statuses).await;
        let (mut ours, mut bare) = (place.watch().await, floor.place().watch().await);
        let (mut controlled, mut least) = (Vec::new(), Vec::new());
        for number in 0..stage.scale(30, 200) {
            let name = format!("run-{number}");
            tokio::time::sleep(PAUSE).await;
            let began = Instant::now();
            place.start(&name, "pure", &input).await;
            controlled.push(millis(see_success(&mut ours, &name).await - began));
            tokio::time::sleep(PAUSE).await;
            let began = Instant::now();
            floor.write_one(floor.place().start(&name, "pure", &input).await).await;
            least.push(millis(see_success(&mut bare, &name).await - began));
        }
        let figure = |name: &str, values: &[f64], percent| {
            Figure::new(name, statistics::percentile(values, percent), "ms")
        };
        vec![
            figure("controller, p50", &controlled, 50.0),
            figure("controller, p95", &controlled, 95.0),
            figure("floor, p50", &least, 50.0),
            figure("floor, p95", &least, 95.0),
        ]
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
