//! The measures, one file each.

mod gap;
mod jobs;
mod latency;
mod list;
mod memory;
mod queue;
mod rate;
mod removal;
mod restart;
mod writes;

use crate::report::{Figure, Outcome};
use crate::stage::Stage;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// Runs per second of three pure states
    RatePure,
    /// Runs per second of three HTTP calls
    RateCalls,
    /// Status writes per run
    Writes,
    /// Time from create to Succeeded when idle
    Latency,
    /// Time between dependent steps
    Gap,
    /// Wall time of Jobs beside bare Jobs
    Jobs,
    /// Many runs of a flow that lets few run at a time
    Queue,
    /// Removing what has ended, beside what begins
    Removal,
    /// `millrace list` of ten thousand
    List,
    /// Resident memory, idle and per waiting run
    Memory,
    /// Time after a kill until all waiting runs were looked at
    Restart,
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RatePure => "rate-pure",
            Self::RateCalls => "rate-calls",
            Self::Writes => "writes",
            Self::Latency => "latency",
            Self::Gap => "gap",
            Self::Jobs => "jobs",
            Self::Queue => "queue",
            Self::Removal => "removal",
            Self::List => "list",
            Self::Memory => "memory",
            Self::Restart => "restart",
        })
    }
}

impl Measure {
    /// All of them. Those that need pods come last: a cluster without them is quieter.
    pub const ALL: &'static [Self] = &[
        Self::RatePure,
        Self::RateCalls,
        Self::Writes,
        Self::Latency,
        Self::Gap,
        Self::Queue,
        Self::Removal,
        Self::List,
        Self::Memory,
        Self::Restart,
        Self::Jobs,
    ];

    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::RatePure => "Runs of three pure states, created as fast as it goes",
            Self::RateCalls => "Runs of three HTTP calls, created as fast as it goes",
            Self::Writes => "Status writes per run, as the API server counts them",
            Self::Latency => "From create to Succeeded, one run of three pure states at a time",
            Self::Gap => "From an answer to the next call, one run at a time",
            Self::Jobs => "Wall time of a flow of Jobs, beside the same Jobs without a flow",
            Self::Queue => "Many runs at once of a flow that lets few run at a time",
            Self::Removal => "Runs that are removed as soon as they have ended, 100 a second",
            Self::List => "A list of ten thousand executions",
            Self::Memory => "Resident memory",
            Self::Restart => "Killed with waiting runs, started again",
        }
    }

    /// Measures.
    pub fn take(self, stage: &Stage) -> Outcome {
        let taken: Result<Vec<Figure>, String> = match self {
            Self::RatePure => Ok(rate::pure(stage)),
            Self::RateCalls => Ok(rate::calls(stage)),
            Self::Writes => Ok(writes::take(stage)),
            Self::Latency => Ok(latency::take(stage)),
            Self::Gap => Ok(gap::take(stage)),
            Self::Jobs => jobs::take(stage),
            Self::Queue => Ok(queue::take(stage)),
            Self::Removal => Ok(removal::take(stage)),
            Self::List => Ok(list::take(stage)),
            Self::Memory => Ok(memory::take(stage)),
            Self::Restart => Ok(restart::take(stage)),
        };
        match taken {
            Ok(figures) => Outcome { measure: self, figures, skipped: None },
            Err(why) => Outcome { measure: self, figures: Vec::new(), skipped: Some(why) },
        }
    }
}
