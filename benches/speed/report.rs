//! The figures, as a table, as JSON or as Markdown.

use serde_json::{Value, json};

use crate::measure::Measure;
use crate::options::Output;
use crate::process::{Machine, machine};

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// As [`Target::AtMost`], and it does not depend on the machine: a run that misses it fails.
    Budget(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) | Self::Budget(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", number(least)),
            Self::AtMost(most) | Self::Budget(most) => format!("≤ {}", number(most)),
        }
    }
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    range: Option<(f64, f64)>,
    target: Option<Target>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, range: None, target: None }
    }

    /// The middle of several, and how far they lie apart.
    pub fn median(name: impl Into<String>, values: &[f64], unit: &'static str) -> Self {
        let range = Some(crate::statistics::range(values));
        Self { range, ..Self::new(name, crate::statistics::median(values), unit) }
    }

    pub fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    fn is_met(&self) -> Option<bool> {
        self.target.map(|target| target.is_met(self.value))
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        }
    }

    fn value_text(&self) -> String {
        format!("{} {}", number(self.value), self.unit).trim_end().to_owned()
    }

    fn range_text(&self) -> String {
        self.range.map(|(low, high)| format!("{}–{}", number(low), number(high))).unwrap_or_default()
    }

    fn target_text(&self) -> String {
        self.target.map(Target::text).unwrap_or_default()
    }

    fn json(&self, measure: Measure) -> Value {
        let mut out = json!({
            "measure": measure.to_string(), "figure": self.name, "value": self.value, "unit": self.unit,
        });
        if let Some((low, high)) = self.range {
            out["low"] = json!(low);
            out["high"] = json!(high);
        }
        if let Some(target) = self.target {
            let (kind, value) = match target {
                Target::AtLeast(least) => ("atLeast", least),
                Target::AtMost(most) | Target::Budget(most) => ("atMost", most),
            };
            out["target"] = json!({ kind: value });
            out["met"] = json!(self.is_met());
        }
        out
    }
}

/// As many digits as say something.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value == value.trunc() && value.abs() < 1e6 => format!("{value}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// What came of a measure.
#[derive(Debug)]
pub struct Outcome {
    pub measure: Measure,
    pub figures: Vec<Figure>,
    /// Why there are none.
    pub skipped: Option<String>,
}

/// All figures of a run.
#[derive(Debug)]
pub struct Report {
    is_quick: bool,
    machine: Machine,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub fn new(is_quick: bool) -> Self {
        Self { is_quick, machine: machine(), outcomes: Vec::new() }
    }

    pub fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    /// Whether everything that does not depend on the machine is as it has to be.
    pub fn is_budget_kept(&self) -> bool {
        let mut figures = self.outcomes.iter().flat_map(|outcome| &outcome.figures);
        figures
            .all(|figure| !matches!(figure.target, Some(Target::Budget(_))) || figure.is_met() == Some(true))
    }

    pub fn print(&self, output: Output) {
        match output {
            Output::Text => print!("{}", self.text()),
            Output::Json => println!("{}", self.json()),
            Output::Markdown => print!("{}", self.markdown()),
        }
    }

    fn machine_text(&self) -> String {
        let Machine { cores, memory_gib, kernel } = &self.machine;
        let quick = if self.is_quick { "; few rounds (--quick)" } else { "" };
        format!("{cores} cores, {memory_gib:.0} GiB, {kernel}{quick}")
    }

    fn text(&self) -> String {
        let mut out = format!("{}\n", self.machine_text());
        for Outcome { measure, figures, skipped } in &self.outcomes {
            out.push_str(&format!("\n{}\n", measure.what()));
            if let Some(why) = skipped {
                out.push_str(&format!("  skipped: {why}\n"));
            }
            for figure in figures {
                let line = format!(
                    "  {:<31}{:>13}  {:<14}{:>9} {}",
                    figure.name,
                    figure.value_text(),
                    figure.range_text(),
                    figure.target_text(),
                    figure.verdict()
                );
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out
    }

    fn json(&self) -> Value {
        let figures = self.outcomes.iter().flat_map(|outcome| {
            let measure = outcome.measure;
            outcome.figures.iter().map(move |figure| figure.json(measure))
        });
        let skipped = self.outcomes.iter().filter_map(|outcome| {
            let why = outcome.skipped.as_ref()?;
            Some(json!({"measure": outcome.measure.to_string(), "why": why}))
        });
        json!({
            "machine": self.machine,
            "quick": self.is_quick,
            "figures": figures.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
        })
    }

    fn markdown(&self) -> String {
        let mut out = format!("{}\n", self.machine_text());
        for Outcome { measure, figures, skipped } in &self.outcomes {
            out.push_str(&format!("\n**{}** (`{measure}`)\n\n", measure.what()));
            if let Some(why) = skipped {
                out.push_str(&format!("skipped: {why}\n"));
                continue;
            }
            out.push_str("| figure | value | lowest–highest | target | |\n|---|---|---|---|---|\n");
            for figure in figures {
                out.push_str(&format!(
                    "| {} | {} | {} | {} | {} |\n",
                    figure.name,
                    figure.value_text(),
                    figure.range_text(),
                    figure.target_text(),
                    figure.verdict()
                ));
            }
        }
        out
    }
}
