//! `Execution`: one run of a Flow. The object's name is the execution's name.

use std::collections::BTreeMap;

mod status;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::SecretKeyRef;
use super::payload::present;
use super::shape;
use super::{Payload, YEAR_SECONDS};

pub use status::{
    Accepted, AcceptedCallback, ActiveEntry, Effective, ExecutionStatus, Phase, ProgressCounts, redrives_done,
};

/// Names that objects can have. A name of another form would be part of a path to something else.
pub(super) const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Longest name of an Execution: it names Jobs and stands in labels.
pub const NAME_CHARS_MAX: usize = 63;

/// States listed in `status.active`.
pub const ACTIVE_MAX: usize = 10;

/// How long an Execution waits for its Flow where it does not say, in seconds.
pub const STARTING_DEADLINE_SECONDS: i64 = 600;

/// Longest error name stored, in characters.
pub const ERROR_CHARS_MAX: usize = 256;

/// Longest cause stored, in characters. The longest of all languages; in bytes of UTF-8 four times
/// as much at worst, which the object still holds.
pub const CAUSE_CHARS_MAX: usize = 32_768;

/// Most contents that a status names in one list: with their digests they take some 40 KiB.
pub const DATA_REFS_MAX: usize = 500;

/// Most tags of an Execution, as SWF has it (start-apis.md §1.2).
pub const TAGS_MAX: usize = 5;

/// Longest tag and longest name of a task list, in characters, as SWF has it (start-apis.md §1.2).
pub const WORD_CHARS_MAX: usize = 256;

/// Most parameters of an Execution.
pub const PARAMETERS_MAX: usize = 64;

/// Longest value of a parameter, in characters: with all of them an object stays far below its limit.
pub const PARAMETER_CHARS_MAX: usize = 4_096;

/// Longest time after its end for which an Execution may ask to be kept, in seconds: ten years.
pub const TTL_SECONDS_MAX: i64 = 10 * YEAR_SECONDS;

/// Longest task token that is taken, in characters, as FnF has it (fdl.md §10).
pub const TOKEN_CHARS_MAX: usize = 2_048;

/// Deepest nesting of Executions that start each other.
pub const CHILD_DEPTH_MAX: i32 = 16;

/// TaskReports that an Execution remembers to have taken: more than may wait to be told so.
pub const ANSWERED_MAX: usize = 128;

/// Longest path shown in `status.active`, in characters.
pub const PATH_CHARS_MAX: usize = 1_024;

/// One run of a Flow. Creating it starts the run, its name is the name of the run; nothing of a run
/// depends on the spec after it was accepted, but for `suspend`, `stop`, `redrive` and
/// `ttlSecondsAfterFinished`.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "Execution",
    namespaced,
    status = "ExecutionStatus",
    shortname = "mexec",
    category = "millrace",
    derive = "PartialEq",
    doc = "Execution is one run of a Flow. Creating it starts the run; its name is the name of the run.",
    selectable = ".status.phase",
    selectable = ".status.flowRevision",
    selectable = ".spec.flowRef.name",
    selectable = ".spec.name",
    selectable = ".spec.clientToken",
    selectable = ".status.accepted.name",
    selectable = ".status.accepted.clientToken",
    printcolumn(name = "Flow", type_ = "string", json_path = ".spec.flowRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="InProgress")].reason"#
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.active[0].path"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".status.duration"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Revision", type_ = "string", priority = 1, json_path = ".status.flowRevision"),
    printcolumn(name = "Retries", type_ = "integer", priority = 1, json_path = ".status.progress.retries"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="InProgress")].message"#
    ),
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name must have at most 63 characters: it is the name of the run"),
    validation = Rule::new(
        "!has(self.spec.redrive) || self.spec.redrive == (has(oldSelf.spec.redrive) ? oldSelf.spec.redrive : 0) \
         || self.status.phase in ['Failed', 'TimedOut', 'Stopped', 'Rejected']"
    )
    .message("redrive may only grow once the run has ended without success (status.phase Failed, TimedOut, Stopped or Rejected)")
    .field_path(".spec.redrive"),
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        // A redrive takes back what has stopped the run.
        "rule": "!has(oldSelf.stop) || has(self.stop) || (has(self.redrive) && self.redrive > (has(oldSelf.redrive) ? oldSelf.redrive : 0))",
        "message": "stop cannot be withdrawn, but together with a redrive",
        "fieldPath": ".stop",
    },
    {
        "rule": "has(self.redrive) ? self.redrive - (has(oldSelf.redrive) ? oldSelf.redrive : 0) in [0, 1] : !has(oldSelf.redrive)",
        "message": "redrive may only grow, and by one at a time",
        "fieldPath": ".redrive",
    },
    {
        // Who waits for the end of a run knows it by this.
        "rule": "has(self.parentRef) ? has(oldSelf.parentRef) && self.parentRef == oldSelf.parentRef : !has(oldSelf.parentRef)",
        "message": "parentRef cannot change: it says who has started the run",
        "fieldPath": ".parentRef",
    },
]))]
pub struct ExecutionSpec {
    /// flowRef names the Flow to run.
    pub flow_ref: FlowRef,
    /// name of the run where metadata.name cannot hold it, such as `My_Exec`: it is what definitions read and
    /// messages show. A Flow takes it once, or again after the end as its nameReuse says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::outer_name")]
    pub name: Option<String>,
    /// clientToken of the request that this is: of two Executions of a Flow with the same one, made within 8
    /// hours, the younger is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::client_token")]
    pub client_token: Option<String>,
    /// input of the run, `{}` when absent. FDL takes an object of at most 64 KiB, up to 100 levels deep.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Payload")]
    pub input: Option<Payload>,
    /// timeoutSeconds after which the run is TimedOut, counted from its start. 0 ends it at once. The
    /// Flow's default when absent, else the definition's, else a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = YEAR_SECONDS))]
    pub timeout_seconds: Option<i64>,
    /// taskTimeoutSeconds for each attempt of a task whose state names no timeout. 0 is unlimited. The
    /// Flow's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = YEAR_SECONDS))]
    pub task_timeout_seconds: Option<i64>,
    /// startingDeadlineSeconds for which a Flow that does not exist or is not ready is waited for: 600
    /// when absent, 0 refuses at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = YEAR_SECONDS))]
    pub starting_deadline_seconds: Option<i64>,
    /// serviceAccountName of the account that the run acts as: the Flow's, or one that the Flow allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("pattern" = OBJECT_NAME))]
    pub service_account_name: Option<String>,
    /// priority among Executions that wait for the same, higher ones first; readable in the definition.
    /// The Flow's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// taskList whose workers do the tasks of the run; readable in the definition. The Flow's default
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::task_list")]
    pub task_list: Option<String>,
    /// tags to find the run by, at most 5 of 1 to 256 characters; readable in the definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::tags")]
    pub tags: Vec<String>,
    /// parameters of the run, a flat map of strings; readable in the definition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shape::parameters")]
    pub parameters: BTreeMap<String, String>,
    /// scheduledTime is the nominal time of the run: what it is for, whenever it runs; readable in the
    /// definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub scheduled_time: Option<Timestamp>,
    /// childPolicy says what becomes of running children when the run is terminated, takes too long or is
    /// deleted while it runs: Terminate, RequestCancel or Abandon. The Flow's default when absent, else
    /// Terminate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ChildPolicy")]
    pub child_policy: Option<ChildPolicy>,
    /// parentRef names the Execution that has started this one. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<ParentRef>,
    /// callback names a task that is told how this run ends: with its output, or with its error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,
    /// ttlSecondsAfterFinished after which an ended run is removed; 0 removes it at its end. Whoever keeps
    /// manifests applied would create it again, and so run it again: the Flow's default counts only for names
    /// made by generateName, by a Schedule, a parent or `millrace start`. May change at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = TTL_SECONDS_MAX))]
    pub ttl_seconds_after_finished: Option<i64>,
    /// redrive, one more than before, runs an ended run again from where it has failed. What it says when the
    /// run is accepted asks for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub redrive: Option<i64>,
    /// suspend lets the run stand still, or not begin, until it is false again: no state begins and no timer
    /// fires. Tasks that are out go on, and timeoutSeconds goes on counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// stop ends the run. It may change from absent to Cancel to Terminate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopRequest>,
}

/// Which Flow.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowRef {
    /// name of a Flow in the same namespace.
    #[schemars(length(min = 1, max = 253), extend("pattern" = OBJECT_NAME))]
    pub name: String,
    /// qualifier of what to run of it: the number of a revision, or the name of an alias. The newest valid
    /// definition when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::qualifier")]
    pub qualifier: Option<String>,
}

/// What becomes of the children of a run that ends before them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ChildPolicy {
    /// They are terminated.
    #[default]
    Terminate,
    /// They are canceled.
    RequestCancel,
    /// They go on.
    Abandon,
}

/// The Execution that has started another one.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// name of the parent, in the same namespace.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// uid of the parent.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// task of the parent that has started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub task: Option<String>,
    /// depth below the first of all parents, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = CHILD_DEPTH_MAX))]
    pub depth: Option<i32>,
}

/// Who is told how a run ends: exactly one of `taskToken` and `taskTokenFrom`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.taskToken) != has(self.taskTokenFrom)",
    "message": "callback must have exactly one of taskToken and taskTokenFrom",
}]))]
pub struct Callback {
    /// taskToken of the task. Whoever can read it can answer for the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TOKEN_CHARS_MAX))]
    pub task_token: Option<String>,
    /// taskTokenFrom a Secret, read as the run's account when the run has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token_from: Option<TaskTokenSource>,
}

/// Where a task token is.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskTokenSource {
    /// secretKeyRef names a key of a Secret in the namespace of the run.
    pub secret_key_ref: SecretKeyRef,
}

/// A wish that the run should end.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.mode == oldSelf.mode || (oldSelf.mode == 'Cancel' && self.mode == 'Terminate')",
    "message": "stop.mode may only change from Cancel to Terminate",
}]))]
pub struct StopRequest {
    /// mode Cancel begins nothing new, asks running tasks to end (Jobs are deleted with their grace period, calls
    /// may be answered) and ends when they have; Terminate ends at once.
    pub mode: StopModeName,
    /// error that the run ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub error: Option<String>,
    /// cause that the run ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub cause: Option<String>,
}

/// Cancel or Terminate.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum StopModeName {
    /// Nothing new begins and running tasks are asked to end; the run ends when they have.
    Cancel,
    /// The run ends at once.
    Terminate,
}
