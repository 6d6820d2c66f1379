//! An Execution as the controller knows it: what matters of the object, and the text of its status.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::decide::Facts;
use super::digest::spec_digest;
use super::keep::Room;
use super::queue::{Doing, Shown};
use super::redrive;
use super::status;
use crate::api::condition::{ConditionType, Reason};
use crate::api::flow_revision::flow_of;
use crate::api::{Execution, ExecutionSpec, FINALIZER_DEPENDENTS, LABEL_AWAITED, LABEL_SCHEDULE, Phase};
use crate::cluster::object::Stored;

/// An Execution as it was last seen or written.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What matters of the object.
    pub facts: Facts,
    /// Version of the object.
    pub version: u64,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// Whether it carries our finalizer.
    pub is_held: bool,
    /// Its phase.
    pub phase: Phase,
    /// Whether it has its phase only because it was asked for again, and waits.
    pub is_in_line: bool,
    /// The revision that it was accepted with.
    pub flow_revision: Option<String>,
    /// The priority that it stands in line with, unless it has that of its Flow.
    pub priority: Option<i32>,
    /// The whole spec, until it was admitted.
    pub spec: Option<Box<ExecutionSpec>>,
    /// The text of its status.
    pub status: Box<str>,
}

impl Seen {
    /// What matters of an object. `known` is what was known of it: what its generation says has not
    /// changed is not read again.
    ///
    /// # Errors
    /// Where the object cannot be read.
    pub fn read(object: &Stored<Execution>, known: Option<&Self>) -> Result<Self, String> {
        let Glance { phase, accepted, conditions, active, flow_revision, effective } =
            object.decode_status()?;
        let status = object.status.as_deref().map(serde_json::value::RawValue::get).unwrap_or_default();
        let key = object.key();
        let room = Room::beside(object.bytes_beside_status());
        let unchanged = known
            .filter(|known| known.facts.uid == object.uid() && known.facts.generation == object.generation());
        let (facts, spec) = match unchanged {
            Some(known) => (Facts { room, ..known.facts.clone() }, known.spec.clone()),
            None => {
                let spec: ExecutionSpec = object.decode_spec()?;
                let digest = object.spec.as_deref().map(spec_digest).unwrap_or_default();
                let facts = Facts {
                    name: key.name,
                    outer_name: spec.name.clone(),
                    uid: object.uid().to_owned(),
                    generation: object.generation(),
                    created_at: object.created_at(),
                    flow: spec.flow_ref.name.clone(),
                    spec_digest: digest,
                    suspend: spec.suspend.unwrap_or_default(),
                    stop: spec.stop.clone(),
                    redrive: spec.redrive,
                    ttl_seconds: spec.ttl_seconds_after_finished,
                    is_name_generated: object.has_generated_name()
                        || object.label(LABEL_SCHEDULE).is_some()
                        || spec.parent_ref.is_some(),
                    parent: spec.parent_ref.clone().map(Box::new),
                    is_awaited: object.label(LABEL_AWAITED).is_some(),
                    schedule: object.label(LABEL_SCHEDULE).map(Into::into),
                    callback: spec.callback.clone().map(Box::new),
                    room,
                };
                (facts, Some(Box::new(spec)))
            }
        };
        let is_accepted = accepted.is_some();
        // What was accepted has the priority that it was accepted with.
        let asked = spec.as_ref().filter(|_| !is_accepted).and_then(|spec| spec.priority);
        let waits = || {
            let said = conditions.iter().find(|said| said.type_ == ConditionType::InProgress.as_str());
            status::waits_to_go_on(said.map(|said| &*said.reason), active.is_empty())
        };
        Ok(Self {
            facts,
            version: object.version(),
            is_deleting: object.is_deleting(),
            is_held: object.has_finalizer(FINALIZER_DEPENDENTS),
            phase,
            is_in_line: phase == Phase::Running && (!is_accepted || waits()),
            flow_revision,
            priority: asked.or_else(|| effective.and_then(|effective| effective.priority)),
            // Nothing of a run depends on the spec after it was accepted.
            spec: spec.filter(|_| !is_accepted),
            status: status.into(),
        })
    }

    /// What others of its Flow have to do with.
    pub(super) fn shown(&self) -> Shown<'_> {
        let Facts { uid, created_at, flow, suspend, .. } = &self.facts;
        let doing = match self.phase {
            Phase::Running if !self.is_in_line => Doing::Running,
            Phase::Starting | Phase::Running if !*suspend && !self.is_deleting => Doing::Starting,
            Phase::Starting
            | Phase::Running
            | Phase::Succeeded
            | Phase::Failed
            | Phase::TimedOut
            | Phase::Stopped
            | Phase::Rejected => Doing::Nothing,
        };
        let flow = self.flow_revision.as_deref().and_then(flow_of).unwrap_or(flow);
        Shown { flow, uid, created_at: *created_at, priority: self.priority, doing }
    }
}

/// What is decoded of each status that is seen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Glance {
    phase: Phase,
    accepted: Option<IgnoredAny>,
    #[serde(default)]
    conditions: Vec<Said>,
    #[serde(default)]
    active: Vec<IgnoredAny>,
    flow_revision: Option<String>,
    effective: Option<EffectivePriority>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    type_: String,
    reason: String,
}

#[derive(Deserialize)]
struct EffectivePriority {
    priority: Option<i32>,
}

/// Whether the status of an object that was listed whole speaks of its newest spec, and nothing is held by it.
pub(super) fn owes_nothing(object: &Stored<Execution>) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Observed {
        observed_generation: i64,
        #[serde(default)]
        conditions: Vec<Said>,
    }
    // One that holds nothing any more has told its end.
    let is_pending = |said: &Said| said.reason == Reason::CallbackPending.as_str();
    let is_observed = |status: Observed| {
        status.observed_generation == object.generation() && !status.conditions.iter().any(is_pending)
    };
    !object.has_finalizer(FINALIZER_DEPENDENTS)
        && object.decode_status().is_ok_and(is_observed)
        && !owes_redrive(object)
}

/// Whether a redrive is owed that could not begin before, or was one of several.
fn owes_redrive(object: &Stored<Execution>) -> bool {
    #[derive(Deserialize)]
    struct Asked {
        redrive: Option<i64>,
    }
    // Most were never asked for again.
    if !object.decode_spec::<Asked>().is_ok_and(|asked| asked.redrive.is_some()) {
        return false;
    }
    let Ok(seen) = Seen::read(object, None) else { return false };
    serde_json::from_str(&seen.status).is_ok_and(|status| redrive::is_owed(&seen.facts, &status))
}
