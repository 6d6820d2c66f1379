//! From the answer to a call to the arrival of the next one, which depends on it: in between, the answer
//! is committed.

use serde_json::json;

use crate::report::{Figure, Target};
use crate::service::{Asked, Service};
use crate::stage::{Stage, see_success};
use crate::{flows, statistics};

/// Calls of a run.
const CALLS: usize = 10;

/// Milliseconds that half of the gaps do not exceed.
const MEDIAN_MILLIS_MAX: f64 = 10.0;

pub fn take(stage: &Stage) -> Vec<Figure> {
    let service = stage.runtime.block_on(Service::echo());
    let place = stage.place("gap");
    let controller = place.controller();
    place.space.flow("chain", &flows::calls(&service.url("/"), CALLS));
    stage.runtime.block_on(async {
        let mut watch = place.watch().await;
        for number in 0..stage.scale(6, 40) {
            let name = format!("run-{number}");
            place.start(&name, "chain", &json!({"name": "world"})).await;
            see_success(&mut watch, &name).await;
        }
    });
    let asked = service.asked();
    // The first run opens connections.
    let gaps: Vec<f64> = asked.chunks_exact(CALLS).skip(1).flat_map(gaps).collect();
    let seconds = controller.figure("millrace_status_write_seconds_sum");
    let writes = controller.figure("millrace_status_write_seconds_count");
    vec![
        Figure::new("p50", statistics::percentile(&gaps, 50.0), "ms")
            .target(Target::AtMost(MEDIAN_MILLIS_MAX)),
        Figure::new("p95", statistics::percentile(&gaps, 95.0), "ms"),
        Figure::new("of it one status write, mean", seconds / writes * 1_000.0, "ms"),
    ]
}

fn gaps(run: &[Asked]) -> Vec<f64> {
    let gap = |pair: &[Asked]| pair[1].came_at - pair[0].answered_at.unwrap();
    run.windows(2).map(|pair| gap(pair).as_secs_f64() * 1_000.0).collect()
}
