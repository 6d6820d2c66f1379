//! Conditions: where an object stands and why, for people, `kubectl wait` and GitOps tools.
//!
//! Types and reasons are closed lists: what a user or a task says never becomes a reason, so no
//! status can be refused for one.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest message stored, in characters (the schema allows 32,768 bytes).
pub const MESSAGE_CHARS_MAX: usize = 4_096;

/// One aspect of an object's condition.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// type of the condition.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: ConditionType,
    /// status of the condition: True, False or Unknown.
    pub status: ConditionStatus,
    /// reason in one word, for programs.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: Reason,
    /// message for people.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// lastTransitionTime is when the status last changed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// observedGeneration is the generation of the object that the condition speaks of.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $word:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $word,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The word as it is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => stringify!($word),)+ }
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                // Open in the schema: an older CRD must not refuse what a newer controller says.
                schemars::json_schema!({ "type": "string" })
            }
        }
    };
}

words! {
    /// Types of conditions.
    ConditionType {
        /// The run was admitted, or refused for good.
        Accepted,
        /// The run goes on; the reason says why it is not moving.
        InProgress,
        /// The run succeeded, or ended otherwise.
        Succeeded,
        /// The run has ended in any way.
        Complete,
        /// The object is as it should be: a run succeeded, a Flow has a valid definition.
        Ready,
        /// The run ended badly or cannot go on.
        Stalled,
        /// A later apply asked for something else under the name of this run.
        AlreadyExists,
        /// Whoever waits for the end of the run was told of it; said only where something stood in the way.
        CallbackDelivered,
        /// The trigger of a Flow starts Executions.
        Active,
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It is not known yet.
    Unknown,
}

words! {
    /// Reasons of conditions.
    Reason {
        /// Nobody has looked yet.
        Pending,
        /// Admitted.
        Admitted,
        /// States are being passed.
        Running,
        /// A task is out.
        WaitingForTask,
        /// A Wait.
        WaitingForTimer,
        /// Someone has to report.
        WaitingForCallback,
        /// Somebody wants the run to stand still.
        Suspended,
        /// A retry is not due yet.
        RetryBackoff,
        /// The run was asked to end and its tasks have not ended.
        Stopping,
        /// The run has succeeded; also `Ready` of an Execution.
        Succeeded,
        /// The run has failed.
        Failed,
        /// The run took too long.
        TimedOut,
        /// The run was canceled.
        Canceled,
        /// The run was terminated.
        Terminated,
        /// The run was refused.
        Rejected,
        /// The Flow does not exist.
        FlowNotFound,
        /// The Flow has no valid definition yet.
        FlowNotReady,
        /// The Flow lets nothing begin for now.
        FlowSuspended,
        /// As many run as the Flow lets run at a time, and it waits for its turn.
        Queued,
        /// As many run as the Flow lets run at a time.
        LimitExceeded,
        /// The Flow lets nothing begin any more.
        FlowDeprecated,
        /// The Flow has no such revision and no such alias.
        QualifierNotFound,
        /// The Flow requires values that neither it nor the Execution has.
        DefaultUndefined,
        /// There is nothing that runs Flows of this mode.
        ModeNotSupported,
        /// The input is not what the definition's language takes.
        InputInvalid,
        /// An account may not be used, or may not do something.
        Forbidden,
        /// The name cannot be used.
        NameTaken,
        /// The same request was made before.
        DuplicateRequest,
        /// An answer was taken by the task it is for, or an end was told.
        Delivered,
        /// The end of a run cannot be told yet.
        CallbackPending,
        /// The end of a run was told to nobody, and is told no more.
        CallbackLost,
        /// An answer has no token that was made here.
        InvalidToken,
        /// The task of an answer does not wait for one.
        TaskNotWaiting,
        /// Something of ours, or a stored run, is broken.
        EngineFault,
        /// Another spec was applied while the run goes on.
        ExecutionInProgress,
        /// Another spec was applied after the run has ended.
        ExecutionAlreadyExists,
        /// The spec is again the one the run was accepted with.
        SpecMatches,
        /// The definition is valid.
        Valid,
        /// The definition is not valid.
        InvalidDefinition,
        /// Runs are started as the schedule says.
        Scheduled,
        /// The schedule, or its time zone, cannot be read or never comes.
        InvalidSchedule,
        /// So many runs have ended without success that nothing more is started.
        FailureThresholdReached,
        /// The schedule has no time any more.
        Completed,
        /// The trigger works.
        Activated,
        /// The trigger was never activated.
        Draft,
        /// The object is being deleted.
        Deleted,
    }
}

/// What a condition says, before it is known since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which condition.
    pub type_: ConditionType,
    /// Its status.
    pub status: ConditionStatus,
    /// Its reason.
    pub reason: Reason,
    /// Its message.
    pub message: String,
}

impl Claim {
    /// A claim.
    #[must_use]
    pub fn new(
        type_: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self { type_, status, reason, message: message.into() }
    }
}

/// The conditions for `claims`. The transition time of a condition is kept while its status stays.
/// All of them carry `generation`: `kubectl wait` reads the condition's own (control-plane.md §7).
#[must_use]
pub fn merge(before: &[Condition], claims: Vec<Claim>, generation: i64, now: Timestamp) -> Vec<Condition> {
    claims
        .into_iter()
        .map(|Claim { type_, status, reason, message }| {
            // The status that the API server fills in has stood since 1970: that is no time to keep.
            let is_same = |old: &&Condition| {
                old.type_ == type_
                    && old.status == status
                    && old.last_transition_time != Timestamp::UNIX_EPOCH
            };
            let same = before.iter().find(is_same);
            Condition {
                type_,
                status,
                reason,
                message: cut(message, MESSAGE_CHARS_MAX),
                // Whole seconds are what the API server's own conditions have, and what people read.
                last_transition_time: same.map_or_else(|| whole_seconds(now), |old| old.last_transition_time),
                observed_generation: generation,
            }
        })
        .collect()
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// At most `max` characters; the last one says that there was more.
#[must_use]
pub fn cut(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text,
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The condition of a type.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}
