//! The life of a Flow, in AppFlow's words, and the Schedule that a Scheduled one owns (start-apis.md §2.4, §3.6).
//! Pure.

use jiff::Timestamp;

use crate::api::condition::{self, Claim};
use crate::api::execution::FlowRef;
use crate::api::flow::{FlowState, Lifecycle};
use crate::api::schedule::Terms;
use crate::api::trigger::{TriggerSchedule, TriggerType};
use crate::api::{
    ConditionStatus, ConditionType, FlowSpec, FlowStatus, Payload, Reason, ScheduleSpec, ScheduleStatus,
};

/// What stands under the name of a Flow's Schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ScheduleView {
    /// Nothing.
    #[default]
    Absent,
    /// The Flow's own.
    Own(Box<Own>),
    /// The Flow's own, which is being deleted.
    Leaving,
    /// Somebody else's.
    Foreign,
}

/// The Schedule of a Flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub version: u64,
    /// The generation of its spec.
    pub generation: i64,
    /// Its spec.
    pub spec: ScheduleSpec,
    /// Its status.
    pub status: ScheduleStatus,
}

impl Own {
    /// It is to go.
    #[must_use]
    pub fn removal(&self) -> ScheduleChange {
        ScheduleChange::Delete(self.uid.clone(), self.version)
    }
}

/// What becomes of the Schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleChange {
    /// It is as it should be.
    Keep,
    /// It is made.
    Create(Box<ScheduleSpec>),
    /// It is changed, where it is of this version still.
    Replace(Box<ScheduleSpec>, u64),
    /// This one, of this version, is removed.
    Delete(String, u64),
}

/// Who lives, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the Flow.
    pub name: &'a str,
    /// Generation of its spec.
    pub generation: i64,
    /// Its spec.
    pub spec: &'a FlowSpec,
    /// Its status.
    pub before: &'a FlowStatus,
    /// Its Schedule.
    pub schedule: &'a ScheduleView,
    /// Whether its newest definition is valid.
    pub is_valid: bool,
    /// The newest valid definition.
    pub latest_revision: Option<i64>,
    /// The time.
    pub now: Timestamp,
}

/// Where a Flow stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// In one word.
    pub state: FlowState,
    /// When it was activated.
    pub activated_at: Option<Timestamp>,
    /// Bad ends in a row.
    pub consecutive_failures: Option<i32>,
    /// Whether its trigger works, where it has one.
    pub active: Option<Claim>,
    /// What becomes of its Schedule.
    pub change: ScheduleChange,
}

/// Whether something else than people starts the Executions of a Flow.
#[must_use]
pub fn is_triggered(spec: &FlowSpec) -> bool {
    spec.trigger.as_ref().is_some_and(|trigger| trigger.type_ != TriggerType::OnDemand)
}

/// Where a Flow stands.
#[must_use]
pub fn life(subject: &Subject<'_>) -> Life {
    if is_triggered(subject.spec) { triggered(subject) } else { on_demand(subject) }
}

/// Whether the status of a Flow that speaks of its newest spec says something else than is so, or its Schedule is
/// another than it should be.
#[must_use]
pub fn is_behind(subject: &Subject<'_>) -> bool {
    let before = subject.before;
    let Life { state, activated_at, consecutive_failures, active, change } = life(subject);
    let said = condition::find(&before.conditions, ConditionType::Active);
    let is_said = said.map(|said| (said.status, said.reason, &said.message))
        == active.as_ref().map(|claim| (claim.status, claim.reason, &claim.message));
    let is_same = (state, activated_at, consecutive_failures)
        == (before.flow_status, before.activated_at, before.consecutive_failures);
    change != ScheduleChange::Keep || !is_same || !is_said
}

fn on_demand(subject: &Subject<'_>) -> Life {
    let Subject { spec, before, is_valid, latest_revision, now, .. } = *subject;
    let state = match (spec.lifecycle, spec.suspend, is_valid, latest_revision) {
        (Some(Lifecycle::Deprecated), ..) => FlowState::Deprecated,
        (_, Some(true), ..) => FlowState::Suspended,
        (_, _, true, _) => FlowState::Active,
        (_, _, false, Some(_)) => FlowState::Errored,
        (_, _, false, None) => FlowState::Draft,
    };
    let change = match subject.schedule {
        ScheduleView::Own(own) => own.removal(),
        ScheduleView::Absent | ScheduleView::Leaving | ScheduleView::Foreign => ScheduleChange::Keep,
    };
    let activated_at = before.activated_at.or(is_valid.then_some(now));
    Life { state, activated_at, consecutive_failures: None, active: None, change }
}

fn triggered(subject: &Subject<'_>) -> Life {
    let Subject { spec, before, is_valid, latest_revision, schedule, now, .. } = *subject;
    let is_suspended = spec.suspend == Some(true);
    let activated_at = before.activated_at.or((!is_suspended).then_some(now));
    let held_back = if spec.lifecycle == Some(Lifecycle::Deprecated) {
        let message = "The Flow is deprecated (spec.lifecycle): nothing of it starts any more.";
        Some((FlowState::Deprecated, Reason::FlowDeprecated, message))
    } else if is_suspended && activated_at.is_none() {
        let message = "The Flow was never activated: spec.suspend is true. Make it false.";
        Some((FlowState::Draft, Reason::Draft, message))
    } else if is_suspended {
        Some((FlowState::Suspended, Reason::Suspended, "Nothing is started while spec.suspend is true."))
    } else if !is_valid && latest_revision.is_none() {
        Some((FlowState::Draft, Reason::InvalidDefinition, "There is no valid definition to start."))
    } else {
        None
    };
    let schedule_of_trigger = spec.trigger.as_ref().and_then(|trigger| trigger.schedule.as_ref());
    let desired =
        schedule_of_trigger.map(|trigger| desired(subject, trigger, activated_at, held_back.is_some()));
    let change = match (schedule, desired) {
        (ScheduleView::Absent, Some(desired)) => ScheduleChange::Create(Box::new(desired)),
        (ScheduleView::Own(own), Some(desired)) if !is_same(&own.spec, &desired) => {
            ScheduleChange::Replace(Box::new(desired), own.version)
        }
        (ScheduleView::Own(own), None) => own.removal(),
        (ScheduleView::Absent | ScheduleView::Own(_) | ScheduleView::Leaving | ScheduleView::Foreign, _) => {
            ScheduleChange::Keep
        }
    };
    let failures = match schedule {
        ScheduleView::Own(own) => own.status.consecutive_failures,
        ScheduleView::Absent | ScheduleView::Leaving | ScheduleView::Foreign => 0,
    };
    let consecutive_failures = schedule_of_trigger.is_some().then_some(failures);
    let (state, status, reason, message) = match held_back {
        Some((state, reason, message)) => (state, ConditionStatus::False, reason, message.to_owned()),
        None => at_work(subject, schedule_of_trigger.is_some(), &change),
    };
    let active = Some(Claim::new(ConditionType::Active, status, reason, message));
    Life { state, activated_at, consecutive_failures, active, change }
}

/// What is said of a Flow whose trigger should work.
fn at_work(
    subject: &Subject<'_>,
    is_scheduled: bool,
    change: &ScheduleChange,
) -> (FlowState, ConditionStatus, Reason, String) {
    let Subject { name, is_valid, schedule, .. } = *subject;
    let errored =
        |reason: Reason, message: String| (FlowState::Errored, ConditionStatus::False, reason, message);
    match schedule {
        ScheduleView::Foreign if is_scheduled => {
            let message = format!(
                "There is a Schedule `{name}` that is not this Flow's: delete it, or give it another name."
            );
            return errored(Reason::NameTaken, message);
        }
        // What it says must be about what it is now.
        ScheduleView::Own(own)
            if *change == ScheduleChange::Keep && own.status.observed_generation == own.generation =>
        {
            let ready = condition::find(&own.status.conditions, ConditionType::Ready);
            if let Some(ready) = ready.filter(|ready| ready.status == ConditionStatus::False) {
                return errored(ready.reason, format!("Schedule {name}: {}", ready.message));
            }
        }
        ScheduleView::Own(_) | ScheduleView::Absent | ScheduleView::Leaving | ScheduleView::Foreign => {}
    }
    let message = match is_scheduled {
        true => format!("Executions are started by Schedule {name}."),
        false => "There is no source of events yet; Executions that somebody makes run.".to_owned(),
    };
    let state = if is_valid { FlowState::Active } else { FlowState::Errored };
    (state, ConditionStatus::True, Reason::Activated, message)
}

/// The Schedule as it should be.
fn desired(
    subject: &Subject<'_>,
    trigger: &TriggerSchedule,
    activated_at: Option<Timestamp>,
    is_held_back: bool,
) -> ScheduleSpec {
    let terms = &trigger.terms;
    // A rate has its first time when it is activated, as AppFlow has it; the API server takes no start after the end.
    let from_activation = activated_at.and_then(|at| {
        let whole = at.as_second().saturating_add(i64::from(at.subsec_nanosecond() > 0));
        let start = Timestamp::from_second(whole).ok()?;
        terms.end_time.is_none_or(|end| start < end).then_some(start)
    });
    ScheduleSpec {
        flow_ref: FlowRef { name: subject.name.to_owned(), qualifier: None },
        schedule: trigger.expression.clone(),
        terms: Terms { start_time: terms.start_time.or(from_activation), ..terms.clone() },
        input: trigger.input.clone(),
        suspend: is_held_back.then_some(true),
        trigger_generation: Some(subject.generation),
        ..ScheduleSpec::default()
    }
}

/// Whether two specs say the same, in whatever order the members of the input stand.
fn is_same(one: &ScheduleSpec, other: &ScheduleSpec) -> bool {
    let canonical = |input: &Option<Payload>| {
        input.as_ref().map(|input| {
            input.parse().map_or_else(|_| input.text().to_owned(), |value| value.to_canonical_json())
        })
    };
    let bare = |spec: &ScheduleSpec| ScheduleSpec { input: None, ..spec.clone() };
    canonical(&one.input) == canonical(&other.input) && bare(one) == bare(other)
}

#[cfg(test)]
mod tests;
