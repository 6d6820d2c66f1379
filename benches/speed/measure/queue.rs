//! Many runs at once of a flow that lets few run at a time: how long all of them take, what they cost, and
//! how soon a slot is taken that has become free.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::report::{Figure, Target};
use crate::requests::Requests;
use crate::service::{Answer, Asked, Service};
use crate::stage::{Names, Place, Stage, wait_for_figure};
use crate::{flows, statistics};

/// How long a call takes, which is all that a run does.
const CALL: Duration = Duration::from_millis(100);

/// How many run at a time.
const LIMIT: usize = 100;

/// Seconds that five thousand may take.
const SECONDS_MAX: f64 = 60.0;

/// Writes of a run with one call, and those that waiting may add.
const WRITES_MAX: f64 = 4.0;

/// Milliseconds within which a slot is taken that has become free.
const FREE_MILLIS_MAX: f64 = 100.0;

pub fn take(stage: &Stage) -> Vec<Figure> {
    let place = stage.place("queue");
    let mut controller = place.controller();
    let runs = stage.scale(500, 5_000);
    let ended = r#"millrace_executions_ended_total{phase="Succeeded"}"#;
    // One at a time, and nothing else to do: from an answer the run ends, the next begins, and calls.
    let service = stage.runtime.block_on(Service::echo());
    flow(&place, "line", &service, 1);
    let line = stage.scale(10, 50);
    let names = Names { prefix: "line", flow: "line", count: line };
    stage.runtime.block_on(place.start_all(names, &json!({}), drop));
    wait_for_figure(&mut controller, ended, line as f64);
    let asked = service.asked();
    let gap = |pair: &[Asked]| (pair[1].came_at - pair[0].answered_at.unwrap()).as_secs_f64() * 1_000.0;
    // While they are created there is more to do.
    let gaps: Vec<f64> = asked.windows(2).skip(line / 2).map(gap).collect();

    let service =
        stage.runtime.block_on(Service::start(|_, _| Answer::json(&json!({"ok": true})).after(CALL)));
    flow(&place, "many", &service, LIMIT);
    let before = stage.runtime.block_on(Requests::so_far(&stage.client));
    let began = Instant::now();
    let names = Names { prefix: "many", flow: "many", count: runs };
    stage.runtime.block_on(place.start_all(names, &json!({}), drop));
    let created = began.elapsed().as_secs_f64();
    wait_for_figure(&mut controller, ended, (line + runs) as f64);
    let all = began.elapsed().as_secs_f64();
    let after = stage.runtime.block_on(Requests::so_far(&stage.client));
    let writes = after.since(before).status_writes / runs as f64;
    let seconds = Figure::new(format!("{runs} runs, {LIMIT} at a time, from the first create"), all, "s");
    vec![
        if stage.is_quick { seconds } else { seconds.target(Target::AtMost(SECONDS_MAX)) },
        Figure::new("of it creating them", created, "s"),
        Figure::new("status writes of a run", writes, "").target(Target::Budget(WRITES_MAX)),
        Figure::new("most calls at a time", most_at_once(&service.asked()) as f64, "")
            .target(Target::Budget(LIMIT as f64)),
        Figure::new("from an answer to the call of the next in line, p50", statistics::median(&gaps), "ms")
            .target(Target::AtMost(FREE_MILLIS_MAX)),
        Figure::new("the same, p95", statistics::percentile(&gaps, 95.0), "ms"),
    ]
}

fn flow(place: &Place, name: &str, service: &Service, limit: usize) {
    let concurrency = json!({"concurrency": {"limit": limit}});
    place.space.flow_with(name, &flows::calls(&service.url("/"), 1), concurrency);
}

fn most_at_once(asked: &[Asked]) -> usize {
    let mut moments: Vec<_> = asked
        .iter()
        .flat_map(|asked| [Some((asked.came_at, true)), asked.answered_at.map(|at| (at, false))])
        .flatten()
        .collect();
    moments.sort();
    let (mut now, mut most) = (0_usize, 0);
    for (_, is_begun) in moments {
        now = if is_begun { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}
