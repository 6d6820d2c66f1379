//! `Schedule`: starts Executions of a Flow on time (design §2.2, start-apis.md §3.3).

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::execution::{FlowRef, OBJECT_NAME, TTL_SECONDS_MAX};
use super::payload::present;
use super::shape;
use super::{Condition, Payload, YEAR_SECONDS};

/// Longest name of a Schedule: its Executions are called after it and the time they are for, as a dash and ten
/// digits of seconds since 1970, and they may have 63 characters.
pub const NAME_CHARS_MAX: usize = 52;

/// Longest expression, in characters, as AppFlow has it (start-apis.md §1.4).
pub const EXPRESSION_CHARS_MAX: usize = 256;

/// Longest name of a time zone, in characters: the longest of IANA's has 32.
pub const TIME_ZONE_CHARS_MAX: usize = 64;

/// Longest shift of a schedule, in seconds, as AppFlow has it (start-apis.md §1.4).
pub const OFFSET_SECONDS_MAX: i64 = 36_000;

/// Most bad ends in a row that a Schedule may wait for, as AppFlow has it (start-apis.md §1.4).
pub const FAILURE_THRESHOLD_MAX: i32 = 100;

/// Ended Executions that are kept where the Schedule does not say: of those that succeeded, and of the others.
/// A CronJob keeps three and one; a run costs ten kilobytes and no pod, and people like to compare.
pub const HISTORY_LIMIT: u32 = 10;

/// Most ended Executions that a Schedule may keep of each kind: all are listed whenever it is looked at.
pub const HISTORY_LIMIT_MAX: u32 = 1_000;

/// Names in `status.active`.
pub const ACTIVE_MAX: usize = 10;

/// Starts Executions of a Flow on time.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "Schedule",
    namespaced,
    status = "ScheduleStatus",
    shortname = "msched",
    category = "millrace",
    derive = "PartialEq",
    doc = "Schedule starts Executions of a Flow on time.",
    printcolumn(name = "Flow", type_ = "string", json_path = ".spec.flowRef.name"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.schedule"),
    printcolumn(name = "Time Zone", type_ = "string", json_path = ".spec.timeZone"),
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.activeCount"),
    // As text: a column of dates shows how long ago they were, and one to come as invalid.
    printcolumn(name = "Last", type_ = "string", json_path = ".status.lastScheduleTime"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextScheduleTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    ),
    validation = Rule::new("self.metadata.name.size() <= 52")
        .message("metadata.name must have at most 52 characters: Executions are called after it and their time"),
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.startTime) || !has(self.endTime) || self.startTime < self.endTime",
    "message": "endTime must be after startTime",
    "fieldPath": ".endTime",
}]))]
pub struct ScheduleSpec {
    /// flowRef names the Flow to run.
    pub flow_ref: FlowRef,
    /// schedule: five fields of cron, such as `0 3 * * *`; six of them with the seconds first; `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`; `@every 90s`; `rate(5 minutes)`; or `cron(0 3 * * ? *)` as Amazon
    /// EventBridge writes it.
    #[schemars(schema_with = "shape::schedule")]
    pub schedule: String,
    /// What else there is to say of its times and its runs.
    #[serde(flatten)]
    pub terms: Terms,
    /// suspend lets nothing be started until it is false again; runs that go on are left alone. Times that fall
    /// into it are not made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// input of each run, `{}` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Payload")]
    pub input: Option<Payload>,
    /// timeoutSeconds of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = YEAR_SECONDS))]
    pub timeout_seconds: Option<i64>,
    /// serviceAccountName of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("pattern" = OBJECT_NAME))]
    pub service_account_name: Option<String>,
    /// priority of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// taskList of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::task_list")]
    pub task_list: Option<String>,
    /// tags of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::tags")]
    pub tags: Vec<String>,
    /// parameters of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "shape::parameters")]
    pub parameters: BTreeMap<String, String>,
    /// ttlSecondsAfterFinished of each run, as of an Execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = TTL_SECONDS_MAX))]
    pub ttl_seconds_after_finished: Option<i64>,
    /// triggerGeneration of the Flow whose trigger this Schedule is. The controller sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub trigger_generation: Option<i64>,
}

/// What a Schedule and the trigger of a Flow both say of times and runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// timeZone in which cron is read, by its IANA name such as Europe/Berlin. Etc/UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TIME_ZONE_CHARS_MAX), extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9_+/.-]*$"))]
    pub time_zone: Option<String>,
    /// startTime before which nothing is started. `@every` and `rate` count from it, and from the creation of the
    /// Schedule when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub start_time: Option<Timestamp>,
    /// endTime after which nothing is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub end_time: Option<Timestamp>,
    /// offsetSeconds by which every time of the schedule is later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = OFFSET_SECONDS_MAX))]
    pub offset_seconds: Option<i64>,
    /// startingDeadlineSeconds after its time at which a run is started at the latest. No limit when absent, but
    /// for catchUpPolicy None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = YEAR_SECONDS))]
    pub starting_deadline_seconds: Option<i64>,
    /// concurrencyPolicy while a run of the Schedule goes on: Allow, which is meant when absent, starts the next
    /// beside it; Forbid leaves the next out; Replace terminates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OverlapPolicy")]
    pub concurrency_policy: Option<OverlapPolicy>,
    /// catchUpPolicy for times that were missed while there was no controller: Latest, which is meant when absent,
    /// starts the latest one; All starts each of them, the 100 latest at most; None starts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CatchUpPolicy")]
    pub catch_up_policy: Option<CatchUpPolicy>,
    /// failureThreshold of runs that fail, take too long or are refused one after the other: with that many nothing
    /// more is started until the spec changes. No limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = FAILURE_THRESHOLD_MAX))]
    pub failure_threshold: Option<i32>,
    /// successfulExecutionsHistoryLimit of runs that succeeded: 10 are kept when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = HISTORY_LIMIT_MAX))]
    pub successful_executions_history_limit: Option<u32>,
    /// failedExecutionsHistoryLimit of runs that ended otherwise: 10 are kept when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = HISTORY_LIMIT_MAX))]
    pub failed_executions_history_limit: Option<u32>,
}

/// Allow, Forbid or Replace.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum OverlapPolicy {
    /// Runs go on beside each other.
    #[default]
    Allow,
    /// A run is left out while another goes on.
    Forbid,
    /// The run that goes on is terminated.
    Replace,
}

/// None, Latest or All.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum CatchUpPolicy {
    /// What was missed is left out.
    None,
    /// The latest that was missed is made up.
    #[default]
    Latest,
    /// All that was missed is made up.
    All,
}

/// Where a Schedule stands.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ScheduleStatus {
    /// conditions: Ready says whether runs are started as the spec asks, Stalled whether somebody has to do
    /// something for it.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// observedGeneration is the generation of the Schedule that the status speaks of.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// lastScheduleTime is the time that the latest run is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_schedule_time: Option<Timestamp>,
    /// nextScheduleTime is when the next run is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub next_schedule_time: Option<Timestamp>,
    /// active lists runs that go on, the ten oldest of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ACTIVE_MAX), inner(length(max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    pub active: Vec<String>,
    /// activeCount is the number of runs that go on.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub active_count: i32,
    /// lastExecution is the latest run that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_execution: Option<LastExecution>,
    /// consecutiveFailures counts runs that failed, took too long or were refused since the last one that succeeded,
    /// and since the spec has changed.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub consecutive_failures: i32,
    /// lastMissed is the latest time for which no run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_missed: Option<Missed>,
    /// processedUntil: times up to it are done with, started or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub processed_until: Option<Timestamp>,
    /// countedUntil: ends of runs for times up to it are counted, but for those in active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub counted_until: Option<Timestamp>,
    /// timing digests what decides about the times; when it changes they count from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub timing: Option<String>,
}

/// A run that has ended.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastExecution {
    /// name of the Execution.
    #[schemars(length(max = 63))]
    pub name: String,
    /// outcome: the phase in which it ended.
    #[schemars(length(max = 16))]
    pub outcome: String,
    /// time at which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub time: Option<Timestamp>,
}

/// A time for which no run was started.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// time that the run would have been for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// reason: TooLate, beyond what catchUpPolicy and startingDeadlineSeconds make up; Overlap, where
    /// concurrencyPolicy left it out; or NameTaken, where an Execution that is not the Schedule's has its name.
    pub reason: MissedReason,
}

/// TooLate, Overlap or NameTaken.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum MissedReason {
    /// There was no controller then, and it is not made up.
    TooLate,
    /// Another run went on, or a later one was due at the same moment.
    Overlap,
    /// An Execution that is not the Schedule's has the name of the run.
    NameTaken,
}
