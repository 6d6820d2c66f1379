//! What can be asked for.

use crate::measure::Measure;

/// Measures the controller against a real API server.
///
/// Targets that are missed are shown as such; the exit status is 1 only where the budget of status
/// writes is not kept, which does not depend on the machine.
#[derive(Debug, clap::Parser)]
#[command(name = "speed", override_usage = "cargo bench --bench speed -- [OPTIONS] [MEASURE]...")]
pub struct Options {
    /// What is measured; everything when absent
    #[arg(value_name = "MEASURE")]
    measures: Vec<Measure>,
    /// Few rounds: whether it works at all, in a minute or so
    #[arg(long)]
    pub quick: bool,
    /// Form of the result
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// What cargo says to a bench
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A table for people.
    Text,
    /// For scripts.
    Json,
    /// The tables of docs/performance.md.
    Markdown,
}

impl Options {
    /// What is measured, in the order of the list of measures.
    pub fn measures(&self) -> Vec<Measure> {
        let is_asked_for = |measure: &Measure| self.measures.is_empty() || self.measures.contains(measure);
        Measure::ALL.iter().copied().filter(is_asked_for).collect()
    }
}
