//! How fast the controller is and what it costs: the real program, built for release, against a real
//! API server, as the chart's account with its rights.
//!
//! `cargo bench --bench speed -- --help` says what can be asked for; docs/performance.md says what is
//! measured and how.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a measure that fails panics")]
#![allow(unreachable_pub, reason = "nothing of a bench is reachable")]

mod api;
mod floor;
mod flows;
mod measure;
mod options;
mod process;
mod report;
mod requests;
#[path = "../../tests/it/cluster/rig.rs"]
#[allow(dead_code, reason = "it is there for the tests, and this needs less")]
mod rig;
#[path = "../../tests/it/service.rs"]
#[allow(dead_code, reason = "it is there for the tests, and this needs less")]
mod service;
mod stage;
mod statistics;
#[path = "../../tests/it/tools.rs"]
#[allow(dead_code, reason = "it is there for the tests, and this needs less")]
mod tools;

use std::process::ExitCode;

use clap::Parser as _;

use options::Options;
use report::Report;
use stage::Stage;

fn main() -> ExitCode {
    let options = Options::parse();
    // `cargo test --benches` runs it without this; it has nothing to test.
    if !options.bench {
        return ExitCode::SUCCESS;
    }
    let stage = Stage::set(&options);
    let mut report = Report::new(options.quick);
    let measures = options.measures();
    for (number, measure) in (1..).zip(&measures) {
        stage.say(&format!("{number}/{} {measure}: {}", measures.len(), measure.what()));
        report.add(measure.take(&stage));
    }
    report.print(options.output);
    match report.is_budget_kept() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
