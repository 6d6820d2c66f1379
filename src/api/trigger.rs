//! What starts the Executions of a Flow, in AppFlow's words (start-apis.md §2.4, design §2.1).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Payload;
use super::payload::present;
use super::schedule::Terms;
use super::shape;

/// What starts the Executions of a Flow.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.type == 'Scheduled' ? has(self.schedule) : !has(self.schedule)",
    "message": "trigger.schedule is for type Scheduled, which needs it",
    "fieldPath": ".schedule",
}]))]
pub struct Trigger {
    /// type: OnDemand, Scheduled or Event.
    #[serde(rename = "type")]
    pub type_: TriggerType,
    /// schedule by which a Scheduled Flow starts Executions while it is active. The Flow makes a Schedule of its
    /// own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<TriggerSchedule>,
}

/// OnDemand, Scheduled or Event.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum TriggerType {
    /// Somebody makes them.
    #[default]
    OnDemand,
    /// A schedule makes them.
    Scheduled,
    /// Events make them. There is no source of events yet: only the life of such a Flow is modelled.
    Event,
}

/// The schedule of a Flow.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.startTime) || !has(self.endTime) || self.startTime < self.endTime",
    "message": "endTime must be after startTime",
    "fieldPath": ".endTime",
}]))]
pub struct TriggerSchedule {
    /// expression of the schedule, such as `0 3 * * *` or `rate(5 minutes)`; as schedule of a Schedule.
    #[schemars(schema_with = "shape::schedule")]
    pub expression: String,
    /// What else there is to say of its times and its runs.
    #[serde(flatten)]
    pub terms: Terms,
    /// input of each run, `{}` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Payload")]
    pub input: Option<Payload>,
}
