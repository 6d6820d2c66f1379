//! `FlowRevision`: an immutable snapshot of one valid definition.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Payload;
use super::flow::{Binding, ExecutionMode, FlowDefaults};

/// A numbered, immutable snapshot of a Flow: everything that a run depends on. Made by the controller.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "FlowRevision",
    plural = "flowrevisions",
    namespaced,
    shortname = "mrev",
    category = "millrace",
    derive = "PartialEq",
    doc = "FlowRevision is an immutable snapshot of a valid definition of a Flow. The controller makes them.",
    selectable = ".spec.flow",
    printcolumn(name = "Flow", type_ = "string", json_path = ".spec.flow"),
    printcolumn(name = "Number", type_ = "integer", json_path = ".spec.number"),
    printcolumn(name = "Dialect", type_ = "string", json_path = ".spec.dialect"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self == oldSelf",
    "message": "a revision cannot be changed: edit its Flow, and a new one is made",
}]))]
pub struct FlowRevisionSpec {
    /// flow that the revision belongs to.
    #[schemars(length(min = 1, max = 253))]
    pub flow: String,
    /// number of the revision, from 1.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// digest of the content; equal content has one revision.
    #[schemars(length(min = 1, max = 128))]
    pub digest: String,
    /// dialect in which the definition is written.
    #[schemars(length(min = 1, max = 64))]
    pub dialect: String,
    /// definition as it stood in the Flow.
    #[schemars(schema_with = "definition_schema")]
    pub definition: Payload,
    /// defaults as they stood in the Flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<FlowDefaults>,
    /// serviceAccountName as it stood in the Flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// allowedServiceAccounts as they stood in the Flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub allowed_service_accounts: Vec<String>,
    /// bindings as they stood in the Flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub bindings: Vec<Binding>,
    /// executionMode as it stood in the Flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExecutionMode")]
    pub execution_mode: Option<ExecutionMode>,
}

/// Name of the revision of a Flow.
#[must_use]
pub fn revision_name(flow: &str, number: i64) -> String {
    format!("{flow}-{number}")
}

/// The Flow that a revision of this name belongs to.
#[must_use]
pub fn flow_of(revision_name: &str) -> Option<&str> {
    revision_name.rsplit_once('-').map(|(flow, _)| flow)
}

fn definition_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}
