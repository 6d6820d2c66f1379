//! `Flow`: a named definition with what belongs to it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::execution::{ChildPolicy, OBJECT_NAME, TTL_SECONDS_MAX};
use super::trigger::Trigger;
use super::{Condition, Payload, YEAR_SECONDS};

/// Revisions that are kept beside the newest one where the Flow does not say.
pub const REVISION_HISTORY_LIMIT: u32 = 10;

/// Longest name of an alias, in characters.
pub const ALIAS_CHARS_MAX: usize = 64;

/// A state machine: its definition and the defaults of its runs. It may be edited at any time; runs
/// that have begun keep the revision they began with.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "Flow",
    namespaced,
    status = "FlowStatus",
    shortname = "mflow",
    category = "millrace",
    derive = "PartialEq",
    doc = "Flow is a state machine: a named definition with the defaults of its runs.",
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.latestRevision"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.flowStatus"),
    printcolumn(name = "Dialect", type_ = "string", json_path = ".status.dialect"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    ),
    validation = Rule::new(
        "!has(self.spec.trigger) || self.spec.trigger.type != 'Scheduled' || self.metadata.name.size() <= 52"
    )
    .message("metadata.name of a Flow with a schedule must have at most 52 characters: Executions are called after it and their time"),
    // A revision is named by its Flow, a hyphen and a number of up to 19 digits, in 253 characters.
    validation = Rule::new("self.metadata.name.size() <= 233")
        .message("metadata.name must have at most 233 characters: revisions have it with a number"),
)]
#[serde(rename_all = "camelCase")]
pub struct FlowSpec {
    /// definition of the state machine: text in YAML or JSON, or the same as an object. At most 1 MiB.
    #[schemars(schema_with = "definition_schema")]
    pub definition: Payload,
    /// dialect in which the definition is written: fdl/v1 (CloudFlow), fdl/legacy (Serverless Workflow) or asl (Amazon
    /// States Language). Recognised by itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DialectName")]
    pub dialect: Option<DialectName>,
    /// defaults for Executions that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<FlowDefaults>,
    /// serviceAccountName of the account that every side effect inside the cluster is done as. The
    /// account `default` of the namespace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("pattern" = OBJECT_NAME))]
    pub service_account_name: Option<String>,
    /// allowedServiceAccounts that an Execution may name instead. None when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253), regex(pattern = OBJECT_NAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allowed_service_accounts: Vec<String>,
    /// bindings say what the resources of tasks mean here. The longest pattern that matches wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub bindings: Vec<Binding>,
    /// executionMode of the runs: Standard when absent. Executions of an Express Flow are refused: there is
    /// nothing yet that runs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExecutionMode")]
    pub execution_mode: Option<ExecutionMode>,
    /// requiredDefaults that must be known when an Execution starts, from it or from defaults; otherwise it
    /// is refused with DefaultUndefined. None when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub required_defaults: Vec<RequiredDefault>,
    /// nameReuse AfterEnd lets spec.name of an Execution start again once its last run has ended; Never, which
    /// is meant when absent, takes each name once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NameReuse")]
    pub name_reuse: Option<NameReuse>,
    /// aliases are names for revisions, which Executions ask for as flowRef.qualifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub aliases: Vec<Alias>,
    /// revisionHistoryLimit of revisions that are kept beside the newest one: 10 when absent. One that an alias
    /// leads to, or that an Execution runs or may run again, stays beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000))]
    pub revision_history_limit: Option<u32>,
    /// concurrency limits how many Executions of the Flow run at a time. Not limited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// trigger says what starts Executions: somebody who makes them (OnDemand, which is meant when absent), a
    /// schedule, or events. Executions made by hand run whatever it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// lifecycle Deprecated refuses new Executions; those that run go on. Registered when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Lifecycle")]
    pub lifecycle: Option<Lifecycle>,
    /// suspend lets new Executions wait until it is false again; those that run go on. A Scheduled or Event Flow
    /// that was never anything but suspended is a Draft; the first time that it is not activates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Standard or Express.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ExecutionMode {
    /// What a run has done is kept, and it goes on after a crash where it was.
    #[default]
    Standard,
    /// Nothing of a run is kept but its end.
    Express,
}

/// What can be required to be known when an Execution starts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RequiredDefault {
    /// How long the run may take.
    TimeoutSeconds,
    /// Whose workers do its tasks.
    TaskList,
    /// How long each attempt of a task may take.
    TaskTimeoutSeconds,
    /// What becomes of the children of a run.
    ChildPolicy,
}

/// Never or AfterEnd.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum NameReuse {
    /// A name starts one run.
    #[default]
    Never,
    /// A name starts another run once the last one has ended.
    AfterEnd,
}

/// How many Executions of a Flow run at a time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// limit of Executions that run at a time.
    #[schemars(range(min = 1, max = 100_000))]
    pub limit: u32,
    /// policy for those beyond the limit: Queue, which is meant when absent, lets them wait, those of higher
    /// priority before others and older ones before younger; Reject refuses them with LimitExceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ConcurrencyPolicy")]
    pub policy: Option<ConcurrencyPolicy>,
}

/// Queue or Reject.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// They wait.
    #[default]
    Queue,
    /// They are refused.
    Reject,
}

/// Registered or Deprecated.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Lifecycle {
    /// Executions may start.
    #[default]
    Registered,
    /// No Execution starts any more.
    Deprecated,
}

/// A name for one revision, or for several that share the Executions by weight.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alias {
    /// name of the alias. It is no number, which would be that of a revision.
    #[schemars(length(min = 1, max = 64), extend("pattern" = r"^[A-Za-z_][A-Za-z0-9_-]*$"))]
    pub name: String,
    /// routes to revisions. Which one an Execution takes depends on its uid alone.
    #[schemars(length(min = 1, max = 10), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["revision"],
        "x-kubernetes-validations" = [{
            "rule": "self.exists(route, route.weight > 0)",
            "message": "one of the routes must have a weight above 0",
        }],
    ))]
    pub routes: Vec<Route>,
}

/// A way of an alias.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// revision that it leads to, by its number.
    #[schemars(range(min = 1))]
    pub revision: i64,
    /// weight beside the other routes: with 90 and 10, nine Executions of ten take the first.
    #[schemars(range(min = 0, max = 1_000))]
    pub weight: i32,
}

fn definition_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // Not nullable: a required field that is nullable could be null (control-plane.md §5).
    schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// Languages of definitions: `fdl/v1` (CloudFlow), `fdl/legacy` (Serverless Workflow), `asl` (Amazon
/// States Language).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum DialectName {
    /// The newer Flow Definition Language.
    #[serde(rename = "fdl/v1")]
    Fdl,
    /// The older Flow Definition Language.
    #[serde(rename = "fdl/legacy")]
    FdlLegacy,
    /// Amazon States Language.
    #[serde(rename = "asl")]
    Asl,
}

/// Values used where the Execution is silent.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowDefaults {
    /// timeoutSeconds after which a run is TimedOut, counted from its start. 0 ends it at once. The
    /// definition's when absent, else a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = YEAR_SECONDS))]
    pub timeout_seconds: Option<i64>,
    /// taskTimeoutSeconds for each attempt of a task whose state names no timeout. Unlimited when absent
    /// or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = YEAR_SECONDS))]
    pub task_timeout_seconds: Option<i64>,
    /// priority among Executions that wait for the same, higher ones first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// taskList whose workers do the tasks of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::task_list")]
    pub task_list: Option<String>,
    /// childPolicy says what becomes of running children when a run is terminated, takes too long or is deleted
    /// while it runs. Terminate when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ChildPolicy")]
    pub child_policy: Option<ChildPolicy>,
    /// ttlSecondsAfterFinished after which ended runs are removed, but for those whose name somebody has chosen:
    /// a tool that keeps manifests applied would make them again, and so run them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = TTL_SECONDS_MAX))]
    pub ttl_seconds_after_finished: Option<i64>,
}

/// What the resource of a task means: exactly one of `url`, `service` and `jobTemplate`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// resource of the tasks that are meant; `*` stands for any characters.
    #[schemars(length(min = 1, max = 1024))]
    pub resource: String,
    /// url that the task's arguments are posted to as JSON. The answer is the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// service of the cluster that the task's arguments are posted to as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceBinding>,
    /// jobTemplate of a Job that does the task, as the spec of a Job. Its containers find the task's
    /// arguments as JSON in the variable MILLRACE_ARGUMENTS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "object_schema")]
    pub job_template: Option<Payload>,
    /// headers sent with the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub headers: Vec<Header>,
    /// timeoutSeconds for one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub timeout_seconds: Option<i64>,
}

fn object_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A Service of the cluster.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBinding {
    /// name of the Service.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// namespace of the Service; that of the Flow when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// port of the Service; 80 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
    /// path of the request; `/` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub path: Option<String>,
}

/// A header of a request, with a value or with a reference to one in a Secret.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// name of the header.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// value of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// valueFrom a Secret, read as the run's account whenever it is needed. It is sent and neither stored
    /// nor shown; what the service answers is data of the run, also where it repeats the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HeaderSource>,
}

/// Where the value of a header is.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSource {
    /// secretKeyRef names a key of a Secret in the namespace of the run.
    pub secret_key_ref: SecretKeyRef,
}

/// A key of a Secret.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Where a Flow stands.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct FlowStatus {
    /// conditions: Ready says whether the definition is valid, Stalled whether somebody has to mend it; of a Scheduled
    /// or Event Flow, Active whether its trigger starts Executions.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// observedGeneration is the generation of the Flow that the status speaks of.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// flowStatus in one word: Deleted while it is being deleted; Deprecated and Suspended as the spec says, else Draft
    /// until there is a valid definition, Active while the newest one is valid, Errored while it is not. A Scheduled or
    /// Event Flow is a Draft also until it is activated, and Errored also when too many of its runs have failed.
    #[serde(default)]
    pub flow_status: FlowState,
    /// latestRevision is the number of the newest valid definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_revision: Option<i64>,
    /// dialect in which the definition is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub dialect: Option<String>,
    /// activatedAt is when the Flow had its first valid definition; of a Scheduled or Event Flow, when it first was
    /// not suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub activated_at: Option<jiff::Timestamp>,
    /// consecutiveFailures of a Scheduled Flow, as its Schedule counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub consecutive_failures: Option<i32>,
    /// diagnostics list every problem of the definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub diagnostics: Vec<DiagnosticEntry>,
}

/// States of a Flow: `Draft` (no valid definition yet, or a trigger never activated), `Active`, `Errored`
/// (the newest definition is not valid, or the trigger has given up), `Suspended` (new Executions wait),
/// `Deprecated` (new Executions are refused), `Deleted` (it is being deleted).
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum FlowState {
    /// There is no valid definition yet, or the trigger was never activated.
    #[default]
    Draft,
    /// The newest definition is valid, and the trigger works.
    Active,
    /// The newest definition is not valid and an older one goes on being run; or the trigger has given up.
    Errored,
    /// New Executions wait.
    Suspended,
    /// New Executions are refused.
    Deprecated,
    /// It is being deleted, and somebody's finalizer holds it back: as good as gone for new Executions.
    Deleted,
}

/// A problem of a definition.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticEntry {
    /// code of the rule, such as E012.
    #[schemars(length(max = 16))]
    pub code: String,
    /// severity: Error or Warning.
    #[schemars(length(max = 16))]
    pub severity: String,
    /// message: what was found and what was expected.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// path of the field, such as `States[2].Next`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub path: String,
    /// line of the text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<i32>,
    /// column of the text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<i32>,
    /// help: what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub help: Option<String>,
}
