//! Figures for monitoring. Labels come from closed lists only.

use std::sync::atomic::AtomicI64;

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::api::Phase;

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum WriteOutcome {
    /// It stands.
    Written,
    /// Somebody else had written.
    Conflict,
    /// It did not work.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    outcome: WriteOutcome,
}

/// Phases in which runs end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum EndPhase {
    Succeeded,
    Failed,
    TimedOut,
    Stopped,
    Rejected,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    phase: EndPhase,
}

/// Figures of one controller.
#[derive(Debug)]
pub struct Metrics {
    writes: Family<WriteLabels, Counter>,
    write_seconds: Histogram,
    data_writes: Family<WriteLabels, Counter>,
    /// Chunks that were removed because nothing names them any more.
    pub data_removed: Counter,
    ended: Family<EndLabels, Counter>,
    /// Executions that were removed when their time had come.
    pub executions_removed: Counter,
    /// Looks at Executions.
    pub looks: Counter,
    /// Executions that have not ended.
    pub executions: Gauge<i64, AtomicI64>,
    /// Calls that are out.
    pub calls: Gauge<i64, AtomicI64>,
    /// Whether this controller leads.
    pub leading: Gauge<i64, AtomicI64>,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        // From a millisecond, which a write takes on a quiet machine, to half a minute.
        let metrics = Self {
            writes: Family::default(),
            write_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            data_writes: Family::default(),
            data_removed: Counter::default(),
            ended: Family::default(),
            executions_removed: Counter::default(),
            looks: Counter::default(),
            executions: Gauge::default(),
            calls: Gauge::default(),
            leading: Gauge::default(),
            registry: Registry::default(),
        };
        let mut registry = Registry::with_prefix("millrace");
        registry.register("status_writes", "Writes of the status of Executions", metrics.writes.clone());
        registry.register(
            "status_write_seconds",
            "Time that a write of a status takes",
            metrics.write_seconds.clone(),
        );
        registry.register(
            "data_writes",
            "Writes of ExecutionData, for what is too large for an Execution",
            metrics.data_writes.clone(),
        );
        registry.register(
            "data_removed",
            "ExecutionData removed because nothing names them any more",
            metrics.data_removed.clone(),
        );
        registry.register("executions_ended", "Executions that have ended", metrics.ended.clone());
        registry.register(
            "executions_removed",
            "Executions removed because their time had come",
            metrics.executions_removed.clone(),
        );
        registry.register("looks", "Looks at Executions", metrics.looks.clone());
        registry.register("executions_active", "Executions that have not ended", metrics.executions.clone());
        registry.register("calls_active", "HTTP calls that are out", metrics.calls.clone());
        registry.register("leading", "1 while this controller leads", metrics.leading.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// A status was written, or not.
    pub fn status_write(&self, outcome: WriteOutcome, began: Timestamp) {
        self.writes.get_or_create(&WriteLabels { outcome }).inc();
        self.write_seconds.observe(Timestamp::now().duration_since(began).as_secs_f64());
    }

    /// A chunk was written, or not.
    pub fn data_write(&self, outcome: WriteOutcome) {
        self.data_writes.get_or_create(&WriteLabels { outcome }).inc();
    }

    /// A run has ended.
    pub fn ended(&self, phase: Phase) {
        let phase = match phase {
            Phase::Starting | Phase::Running => return,
            Phase::Succeeded => EndPhase::Succeeded,
            Phase::Failed => EndPhase::Failed,
            Phase::TimedOut => EndPhase::TimedOut,
            Phase::Stopped => EndPhase::Stopped,
            Phase::Rejected => EndPhase::Rejected,
        };
        self.ended.get_or_create(&EndLabels { phase }).inc();
    }

    /// All figures in the text form of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut out, &self.registry);
        out
    }
}
