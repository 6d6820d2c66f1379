//! The resources: what users write and what the controller answers in `status`.
//!
//! The doc comments of the types are the descriptions that `kubectl explain` shows. Which rules the
//! API server enforces by itself stands next to the field; what only the controller can know is
//! answered in conditions.

#![allow(clippy::duplicated_attributes, reason = "every printer column is an attribute of the same name")]

pub mod condition;
pub mod crd;
pub mod execution;
pub mod execution_data;
pub mod flow;
pub mod flow_revision;
pub mod history;
pub mod payload;
pub mod run_object;
pub mod schedule;
mod shape;
pub mod stored;
pub mod task_report;
pub mod trigger;

#[cfg(test)]
mod tests;

pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use execution::{Execution, ExecutionSpec, ExecutionStatus, Phase};
pub use execution_data::{DataRef, ExecutionData};
pub use flow::{Flow, FlowSpec, FlowStatus};
pub use flow_revision::{FlowRevision, FlowRevisionSpec};
pub use payload::Payload;
pub use schedule::{Schedule, ScheduleSpec, ScheduleStatus};
pub use task_report::{TaskReport, TaskReportSpec, TaskReportStatus};

/// API group of all kinds.
pub const GROUP: &str = "millrace.dev";

/// Version of all kinds.
pub const VERSION: &str = "v1alpha1";

/// `apiVersion` of all kinds.
pub const API_VERSION: &str = "millrace.dev/v1alpha1";

/// Label on a Job, its pods and ExecutionData that its status names: uid of the Execution they belong to.
pub const LABEL_EXECUTION_UID: &str = "millrace.dev/execution-uid";

/// Label on a Job, its pods and ExecutionData: name of the Execution they belong to.
pub const LABEL_EXECUTION: &str = "millrace.dev/execution";

/// Label on ExecutionData: uid of the Execution in whose own store they are objects. They go with the
/// Execution and not before; whoever removes what a status does not name looks for the other label.
pub const LABEL_OBJECTS_OF: &str = "millrace.dev/objects-of";

/// Label on an Execution that a Schedule has started: the name of the Schedule.
pub const LABEL_SCHEDULE: &str = "millrace.dev/schedule";

/// Annotation on the first chunk of an object of a run: which one.
pub const ANNOTATION_OBJECT: &str = "millrace.dev/object";

/// Label on an Execution that another one has started: name of that.
pub const LABEL_PARENT: &str = "millrace.dev/parent";

/// Label on an Execution that another one has started: uid of that.
pub const LABEL_PARENT_UID: &str = "millrace.dev/parent-uid";

/// Label on an Execution whose end its parent waits for.
pub const LABEL_AWAITED: &str = "millrace.dev/awaited";

/// Finalizer on an Execution that has children, or whose end somebody is told: it stays until they were
/// dealt with.
pub const FINALIZER_DEPENDENTS: &str = "millrace.dev/dependents";

/// Label on a Job whose result is committed: it has left the controller's watch.
pub const LABEL_RELEASED: &str = "millrace.dev/released";

/// Annotation on a Job: the attempt of the task it does.
pub const ANNOTATION_TASK: &str = "millrace.dev/task";

/// Finalizer on a Job until its result is committed: a Job that was deleted while the controller was
/// away is never mistaken for one that was never made.
pub const FINALIZER_RESULT: &str = "millrace.dev/result";

/// Field manager of everything the controller writes.
pub const FIELD_MANAGER: &str = "millrace";

/// Seconds of a year, the longest of all time-outs.
pub const YEAR_SECONDS: i64 = 31_536_000;

/// Account a run acts as where neither the Execution nor the Flow names one: that of the namespace.
pub const DEFAULT_SERVICE_ACCOUNT: &str = "default";
