//! `Execution`: one run of a Flow. The object's name is the execution's name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::SecretKeyRef;
use super::payload::present;
use super::shape;
use super::{Condition, DataRef, Payload, YEAR_SECONDS};

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
pub const ANSWERED_MAX: usize = 32;

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
    pub child_policy: Option<ChildPolicy>,
    /// parentRef names the Execution that has started this one.
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
    /// mode Cancel begins nothing new and ends when running tasks have ended; Terminate ends at once.
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
    /// Nothing new begins; the run ends when the tasks that run have ended.
    Cancel,
    /// The run ends at once.
    Terminate,
}

/// Where a run stands.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ExecutionStatus {
    /// conditions: Accepted, InProgress, Succeeded, Complete, Ready, Stalled, and AlreadyExists where a
    /// later apply asked for something else.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// phase in one word.
    #[schemars(schema_with = "phase_schema")]
    pub phase: Phase,
    /// observedGeneration is the generation of the object that the status speaks of.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// accepted names what was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// refusedSpecDigest is over the spec of what was refused, or stopped before it was admitted: the name of the
    /// run stands for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub refused_spec_digest: Option<String>,
    /// flowRevision that the run runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub flow_revision: Option<String>,
    /// flowAlias that has led to the revision, where the qualifier is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub flow_alias: Option<String>,
    /// runNumber of the run under its name, from 1, where the Flow takes names again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_number: Option<i64>,
    /// effective values after all defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// redriveCount of redrives that the run has had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub redrive_count: Option<i64>,
    /// startTime is when all waiting for admission was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub start_time: Option<Timestamp>,
    /// completionTime is when the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub completion_time: Option<Timestamp>,
    /// expirationTime at which the ended run is removed, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expiration_time: Option<Timestamp>,
    /// duration of the run, set at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub duration: Option<String>,
    /// output of a run that succeeded, any JSON value. Absent where it is too large for the object and
    /// outputRef says where it is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Payload")]
    pub output: Option<Payload>,
    /// outputRef names the ExecutionData that hold an output too large for the object; `millrace output`
    /// reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_ref: Option<DataRef>,
    /// error of a run that failed or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub error: Option<String>,
    /// cause of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub cause: Option<String>,
    /// active lists states that the run is in, the first ten of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub active: Vec<ActiveEntry>,
    /// activeCount is the number of states that the run is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_count: Option<i32>,
    /// progress counts what has happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressCounts>,
    /// answered lists the uids of the TaskReports that were taken last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ANSWERED_MAX), inner(length(max = 64)), extend("x-kubernetes-list-type" = "atomic"))]
    pub answered: Vec<String>,
    /// checkpoint of the run, opaque. Gone after success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// checkpointRefs name the ExecutionData that hold what is too large for the checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = DATA_REFS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub checkpoint_refs: Vec<DataRef>,
    /// history of the run, opaque; `millrace tree` reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// historyRefs name the ExecutionData that hold what came before the history, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = DATA_REFS_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub history_refs: Vec<DataRef>,
}

impl ExecutionStatus {
    /// All contents that are kept elsewhere.
    pub fn data_refs(&self) -> impl Iterator<Item = &DataRef> {
        self.checkpoint_refs.iter().chain(&self.history_refs).chain(&self.output_ref)
    }
}

fn phase_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "enum": Phase::ALL.iter().map(|phase| phase.as_str()).collect::<Vec<_>>(),
        "x-kubernetes-validations": [{
            // Else a status that is emptied would reset the run.
            "rule": "self != 'Starting' || oldSelf == 'Starting'",
            "message": "phase does not go back to Starting",
        }],
    })
}

/// Phases of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It is not admitted yet.
    #[default]
    Starting,
    /// It goes on.
    Running,
    /// It has ended with an output.
    Succeeded,
    /// It has ended with an error.
    Failed,
    /// It took too long.
    TimedOut,
    /// It was stopped.
    Stopped,
    /// It was refused and has never begun.
    Rejected,
}

impl Phase {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Starting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Stopped,
        Self::Rejected,
    ];

    /// The word as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Stopped => "Stopped",
            Self::Rejected => "Rejected",
        }
    }

    /// Whether the run has ended.
    #[must_use]
    pub fn is_ended(self) -> bool {
        match self {
            Self::Starting | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Stopped | Self::Rejected => true,
        }
    }
}

/// What was accepted.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// generation of the object that was accepted.
    pub generation: i64,
    /// specDigest over everything in the spec but what may change later.
    #[schemars(length(max = 128))]
    pub spec_digest: String,
    /// redrive that the spec asked for then: only more than that asks for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<i64>,
    /// revisionDigest of the content of the FlowRevision that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub revision_digest: Option<String>,
}

/// Values after all defaults.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// timeoutSeconds of the run; the definition's, else a year, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// taskTimeoutSeconds of tasks whose state names no timeout; unlimited when absent or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_timeout_seconds: Option<i64>,
    /// serviceAccountName that the run acts as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub service_account_name: Option<String>,
    /// priority of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// taskList whose workers do the tasks of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub task_list: Option<String>,
    /// childPolicy of the run; Terminate when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_policy: Option<ChildPolicy>,
}

/// A state that the run is in.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveEntry {
    /// path of the state, such as Each/3/Charge.
    #[schemars(length(max = 1024))]
    pub path: String,
    /// type of the state.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: String,
    /// since when the run is in it.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// attempt of its work, from 1.
    pub attempt: i32,
    /// deadline at which something happens at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub deadline: Option<Timestamp>,
    /// job that does the task, where a Job does; its pods have the label batch.kubernetes.io/job-name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub job: Option<String>,
    /// execution that the task has started, where it starts one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub execution: Option<String>,
}

/// Counts of what has happened.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressCounts {
    /// transitions: states entered.
    pub transitions: i64,
    /// tasksSucceeded: attempts of tasks that succeeded.
    pub tasks_succeeded: i64,
    /// tasksFailed: attempts of tasks that failed.
    pub tasks_failed: i64,
    /// retries of states.
    pub retries: i64,
}
