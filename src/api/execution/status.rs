//! The status of an `Execution`: where a run stands, and what has become of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ANSWERED_MAX, ChildPolicy, DATA_REFS_MAX, TOKEN_CHARS_MAX, TaskTokenSource, WORD_CHARS_MAX};
use crate::api::payload::present;
use crate::api::{Condition, DataRef, Payload};

/// Where a run stands.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ExecutionStatus {
    /// conditions: Accepted, InProgress, Succeeded, Complete, Ready, Stalled, AlreadyExists where a
    /// later apply asked for something else, and CallbackDelivered where the end could not be told at once.
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

    /// The field selector of all Executions in the phases that are meant. There is no `in` for fields: it says
    /// which phases they are not in.
    pub fn selector(is_meant: impl Fn(Self) -> bool) -> String {
        let others = Self::ALL.iter().filter(|phase| !is_meant(**phase));
        others.map(|phase| format!("status.phase!={}", phase.as_str())).collect::<Vec<_>>().join(",")
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

/// How many redrives are done with: those that the spec asked for when it was accepted (`accepted.redrive`), and
/// those that were performed since (`redriveCount`). A spec that asks for more is owed one.
#[must_use]
pub fn redrives_done(accepted: Option<i64>, performed: Option<i64>) -> i64 {
    accepted.unwrap_or_default().saturating_add(performed.unwrap_or_default())
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
    /// name of the run, where it is not that of the object: it stays taken, whatever is applied later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_CHARS_MAX))]
    pub name: Option<String>,
    /// clientToken of the request that was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = WORD_CHARS_MAX))]
    pub client_token: Option<String>,
    /// redrive that the spec asked for then: only more than that asks for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<i64>,
    /// revisionDigest of the content of the FlowRevision that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub revision_digest: Option<String>,
    /// callback names who is told how the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<AcceptedCallback>,
}

/// Who is told how a run ends, without the token: whoever knows the key of tokens makes it again.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedCallback {
    /// task that the token names, with its Execution; absent where the token was not made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = TOKEN_CHARS_MAX))]
    pub task: Option<String>,
    /// taskTokenFrom a Secret, read when the run has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token_from: Option<TaskTokenSource>,
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
    #[schemars(with = "ChildPolicy")]
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
