//! An Execution as a person is shown it. Words that only a newer controller knows are shown as they
//! are: plugins are seldom as new as the cluster.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::execution::{Accepted, ActiveEntry};
use crate::api::flow_revision::flow_of;
use crate::api::history::{self, Record};
use crate::api::payload::present;
use crate::api::{DataRef, Execution, Payload, Phase};
use crate::cluster::object::{Key, Stored};
use crate::controller::execution::status::duration_text;

/// What is read of an Execution.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) key: Key,
    pub(super) uid: String,
    pub(super) created_at: Timestamp,
    pub(super) is_deleting: bool,
    /// What it waits for where it is being deleted.
    pub(super) finalizers: Vec<String>,
    /// Generation of its spec.
    pub(super) generation: i64,
    /// Its version, which a change can be made conditional on.
    pub(super) version: u64,
    /// Name of the Flow: of a run that was accepted the one that it runs, whatever its spec says since.
    pub(super) flow: String,
    pub(super) spec: Spec,
    pub(super) status: Status,
    /// What came before the history in its status, where somebody has asked for it.
    pub(super) older: Result<Vec<Arc<Vec<Record>>>, String>,
}

/// Of the spec of an Execution what is shown and selected by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    flow_ref: FlowRef,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) parent_ref: Option<Parent>,
    #[serde(default)]
    pub(super) starting_deadline_seconds: Option<i64>,
    #[serde(default)]
    pub(super) suspend: Option<bool>,
    #[serde(default)]
    pub(super) redrive: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct FlowRef {
    name: String,
}

/// The Execution that has started another one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Parent {
    pub(super) name: String,
}

/// Of the status of an Execution what is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) phase: String,
    pub(super) conditions: Vec<Condition>,
    pub(super) observed_generation: i64,
    pub(super) accepted: Option<Accepted>,
    pub(super) effective: Effective,
    pub(super) redrive_count: Option<i64>,
    pub(super) flow_revision: Option<String>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) completion_time: Option<Timestamp>,
    pub(super) expiration_time: Option<Timestamp>,
    pub(super) duration: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(super) output: Option<Payload>,
    pub(super) output_ref: Option<DataRef>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) active: Vec<ActiveEntry>,
    pub(super) active_count: Option<u32>,
    pub(super) history: Option<String>,
    pub(super) history_refs: Vec<DataRef>,
}

/// Of the values after all defaults what is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Effective {
    pub(super) timeout_seconds: Option<i64>,
    pub(super) priority: Option<i32>,
    pub(super) service_account_name: Option<String>,
}

/// A condition with whatever words it has.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) message: String,
}

impl View {
    /// Reads an object.
    ///
    /// # Errors
    /// Where it is not what an Execution should be; says what is wrong.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let stored: Stored<Execution> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Self::of(&stored)
    }

    /// The same of an object that was read already.
    ///
    /// # Errors
    /// As [`View::read`].
    pub(super) fn of(stored: &Stored<Execution>) -> Result<Self, String> {
        let spec: Spec = stored.decode_spec()?;
        let status: Status = stored.decode_status()?;
        let accepted = status.flow_revision.as_deref().and_then(flow_of).map(str::to_owned);
        Ok(Self {
            key: stored.key(),
            uid: stored.uid().to_owned(),
            created_at: stored.created_at(),
            is_deleting: stored.is_deleting(),
            finalizers: stored.finalizers().to_vec(),
            generation: stored.generation(),
            version: stored.version(),
            flow: accepted.unwrap_or_else(|| spec.flow_ref.name.clone()),
            spec,
            status,
            older: Ok(Vec::new()),
        })
    }

    /// What has happened, as far as it was read.
    ///
    /// # Errors
    /// Where some of it cannot be read.
    pub(super) fn records(&self) -> Result<Vec<Record>, String> {
        let mut records: Vec<_> =
            self.older.as_ref()?.iter().flat_map(|older| older.iter().cloned()).collect();
        if let Some(text) = &self.status.history {
            records.extend(history::read(text).map_err(|error| error.to_string())?);
        }
        Ok(records)
    }

    /// Its phase, where it is one that is known here.
    pub(super) fn phase(&self) -> Option<Phase> {
        Phase::ALL.iter().copied().find(|phase| phase.as_str() == self.status.phase)
    }

    /// Whether it has ended.
    pub(super) fn is_ended(&self) -> bool {
        let is_complete = self.condition("Complete").is_some_and(|condition| condition.status == "True");
        self.phase().map_or(is_complete, Phase::is_ended)
    }

    /// Whether it has ended well.
    pub(super) fn has_succeeded(&self) -> bool {
        self.phase() == Some(Phase::Succeeded)
    }

    /// The condition of a type.
    pub(super) fn condition(&self, type_: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Why it does not move, or what of its end the phase does not say. Empty where there is nothing to
    /// add.
    pub(super) fn reason(&self) -> &str {
        let reason_of = |type_| self.condition(type_).map_or("", |condition| &*condition.reason);
        match self.phase() {
            Some(Phase::Succeeded | Phase::TimedOut) => "",
            Some(Phase::Failed) => self.status.error.as_deref().unwrap_or_default(),
            Some(Phase::Rejected) => reason_of("Accepted"),
            Some(Phase::Stopped) => reason_of("Succeeded"),
            Some(Phase::Starting | Phase::Running) | None => match self.stalled() {
                Some(stalled) => &stalled.reason,
                None => reason_of("InProgress"),
            },
        }
    }

    /// What keeps it from going on before somebody mends something.
    pub(super) fn stalled(&self) -> Option<&Condition> {
        self.condition("Stalled").filter(|stalled| stalled.status == "True" && !self.is_ended())
    }

    /// What is to be said where a later spec asks for something else than what was accepted.
    pub(super) fn already_exists(&self) -> Option<&Condition> {
        self.condition("AlreadyExists").filter(|condition| condition.status == "True")
    }

    /// What is to be said where whoever waits for its end was not told of it.
    pub(super) fn untold(&self) -> Option<&Condition> {
        self.condition("CallbackDelivered").filter(|condition| condition.status == "False")
    }

    /// The states it is in: the first of them, and how many more there are.
    pub(super) fn active(&self) -> Option<(&ActiveEntry, u32)> {
        let first = self.status.active.first()?;
        let listed = u32::try_from(self.status.active.len()).unwrap_or(u32::MAX);
        Some((first, self.status.active_count.unwrap_or(listed).max(listed).saturating_sub(1)))
    }

    /// How long it has been going on or has gone on, `1m12s`; nothing before its start.
    pub(super) fn duration(&self, now: Timestamp) -> Option<String> {
        if let Some(duration) = &self.status.duration {
            return Some(duration.clone());
        }
        let end = self.status.completion_time.unwrap_or(now);
        self.status.start_time.map(|start| duration_text(start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(spec: &str, status: &str) -> Result<View, String> {
        View::read(&format!(r#"{{"metadata": {{"name": "one"}}, "spec": {spec}, "status": {status}}}"#))
    }

    #[test]
    fn words_of_a_newer_controller_are_shown_as_they_are() {
        let status = r#"{"phase": "Paused", "queue": 3, "conditions": [
            {"type": "InProgress", "status": "True", "reason": "Napping"},
            {"type": "Complete", "status": "False", "reason": "Napping"}]}"#;
        let paused = view(r#"{"flowRef": {"name": "f"}}"#, status).unwrap();
        assert_eq!((paused.is_ended(), paused.reason()), (false, "Napping"));
        let ended = view(r#"{"flowRef": {"name": "f"}}"#, &status.replace("False", "True")).unwrap();
        assert!(ended.is_ended() && !ended.has_succeeded());
    }

    #[test]
    fn what_is_no_execution_says_so_and_a_deep_input_is_none_of_its_problems() {
        assert!(view("null", "{}").unwrap_err().contains("spec"));
        assert!(view(r#"{"flowRef": 7}"#, "{}").unwrap_err().contains("spec"));
        assert!(
            view(r#"{"flowRef": {"name": "f"}}"#, r#"{"conditions": 3}"#).unwrap_err().contains("status")
        );
        let deep =
            format!(r#"{{"flowRef": {{"name": "f"}}, "input": {}{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
        assert_eq!(view(&deep, r#"{"phase": "Starting"}"#).unwrap().flow, "f");
    }

    #[test]
    fn the_flow_is_the_one_that_runs_whatever_is_asked_for_later() {
        let flow = |status: &str| view(r#"{"flowRef": {"name": "later"}}"#, status).unwrap().flow;
        assert_eq!(flow(r#"{"phase": "Running", "flowRevision": "my-order-12"}"#), "my-order");
        assert_eq!(flow(r#"{"phase": "Starting"}"#), "later");
    }

    #[test]
    fn a_null_output_is_an_output() {
        let ended =
            view(r#"{"flowRef": {"name": "f"}}"#, r#"{"phase": "Succeeded", "output": null}"#).unwrap();
        assert_eq!(ended.status.output.unwrap().text(), "null");
    }
}
