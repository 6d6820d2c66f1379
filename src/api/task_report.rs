//! `TaskReport`: an answer for a task that waits for one.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::execution::{CAUSE_CHARS_MAX, ERROR_CHARS_MAX, TOKEN_CHARS_MAX};
use super::payload::present;
use super::{Condition, Payload};

/// How long a TaskReport is kept after it was judged where the controller is told nothing else, in seconds: long
/// enough for who has made it to read what became of it.
pub const KEPT_SECONDS: i64 = 3_600;

/// An answer for a task that waits for one. Creating it gives the answer; what has become of it stands in its
/// status, and it is removed some time later.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "TaskReport",
    namespaced,
    status = "TaskReportStatus",
    shortname = "mtask",
    category = "millrace",
    derive = "PartialEq",
    doc = "TaskReport answers for a task that waits for it: creating it gives the answer.",
    selectable = ".status.phase",
    printcolumn(name = "Outcome", type_ = "string", json_path = ".spec.outcome"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Execution", type_ = "string", json_path = ".status.execution"),
    printcolumn(name = "Task", type_ = "string", json_path = ".status.task"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self == oldSelf",
        "message": "a TaskReport cannot be changed: make another one",
    },
    {
        "rule": "self.outcome == 'Failed' || (!has(self.error) && !has(self.cause))",
        "message": "error and cause are for outcome Failed",
    },
]))]
pub struct TaskReportSpec {
    /// taskToken that the task was given. Whoever can read it can answer for the task.
    #[schemars(length(min = 1, max = TOKEN_CHARS_MAX))]
    pub task_token: String,
    /// outcome: Succeeded, Failed, or Heartbeat, which says that the work goes on.
    pub outcome: ReportOutcome,
    /// output of the task where it has succeeded, any JSON value; `{}` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Payload")]
    pub output: Option<Payload>,
    /// error that the task has failed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = ERROR_CHARS_MAX))]
    pub error: Option<String>,
    /// cause of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = CAUSE_CHARS_MAX))]
    pub cause: Option<String>,
}

/// Succeeded, Failed or Heartbeat.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ReportOutcome {
    /// The task is done.
    Succeeded,
    /// It has failed.
    Failed,
    /// It goes on.
    Heartbeat,
}

/// What has become of an answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct TaskReportStatus {
    /// conditions: Ready says whether the answer was taken, Stalled whether it was refused.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// phase: Pending until it was looked at, then Accepted or Refused.
    #[serde(default)]
    pub phase: ReportPhase,
    /// observedGeneration is the generation of the object that the status speaks of.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// execution whose task was answered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub execution: Option<String>,
    /// task that was answered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub task: Option<String>,
}

/// Pending, Accepted or Refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ReportPhase {
    /// Nobody has looked at it yet.
    #[default]
    Pending,
    /// The task has taken the answer.
    Accepted,
    /// No task waits for the answer.
    Refused,
}
