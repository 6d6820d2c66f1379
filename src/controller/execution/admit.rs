//! Admission: whether an Execution begins, waits or is refused. A pure function: the same answer
//! wherever it is asked.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::line;
use super::qualifier::{Qualified, qualified};
use super::queue::{Place, Slot};
use super::siblings::{self, Sibling};
use super::status::instant_text;
use crate::api::execution::{Effective, STARTING_DEADLINE_SECONDS};
use crate::api::flow::{
    Alias, Concurrency, ConcurrencyPolicy, ExecutionMode, FlowDefaults, Lifecycle, NameReuse, RequiredDefault,
};
use crate::api::flow_revision::revision_name;
use crate::api::{DEFAULT_SERVICE_ACCOUNT, ExecutionSpec, FlowSpec, Reason};
use crate::controller::revision::Revision;
use crate::engine::rfc3339;
use crate::expr::Attribute;
use crate::value::{Object, Value};

/// What is known of a Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowView {
    /// It does not exist.
    Missing,
    /// It is being deleted: as good as gone, and another of its name may come.
    Leaving,
    /// It exists.
    Present(Box<FlowFacts>),
}

/// What is known of a Flow that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFacts {
    /// Version of the object.
    pub version: u64,
    /// Whether its newest spec was looked at.
    pub is_observed: bool,
    /// The newest valid definition.
    pub latest_revision: Option<Latest>,
    /// What is wrong with the newest definition.
    pub problem: Option<String>,
    /// On what terms Executions begin.
    pub terms: Terms,
}

/// On what terms the Executions of a Flow begin: that of its spec which is no part of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What must be known.
    pub required_defaults: Vec<RequiredDefault>,
    /// Names for revisions.
    pub aliases: Vec<Alias>,
    /// Whether any may begin.
    pub lifecycle: Option<Lifecycle>,
    /// Whether all wait for now.
    pub suspend: Option<bool>,
    /// Whether names start again.
    pub name_reuse: Option<NameReuse>,
    /// How many run at a time.
    pub concurrency: Option<Concurrency>,
    /// Priority of those that name none.
    pub default_priority: Option<i32>,
}

impl From<FlowSpec> for Terms {
    fn from(spec: FlowSpec) -> Self {
        let FlowSpec { required_defaults, aliases, lifecycle, suspend, name_reuse, concurrency, .. } = spec;
        let default_priority = spec.defaults.and_then(|defaults| defaults.priority);
        Self { required_defaults, aliases, lifecycle, suspend, name_reuse, concurrency, default_priority }
    }
}

/// The newest valid definition of a Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Its number.
    pub number: i64,
    /// Uid of its FlowRevision; absent where that is gone.
    pub uid: Option<String>,
}

/// What is decided about an Execution that wants to begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// It begins.
    Accept(Admitted),
    /// It waits.
    Wait {
        /// Why.
        reason: Reason,
        /// Why, for a person.
        message: String,
        /// When it is refused for the same reason, if ever.
        until: Option<Timestamp>,
    },
    /// It is refused for good.
    Reject {
        /// Why.
        reason: Reason,
        /// Why, for a person.
        message: String,
    },
}

/// What it begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The input.
    pub input: Value,
    /// Values after all defaults.
    pub effective: Effective,
    /// What its definition can read of it.
    pub attributes: BTreeMap<Attribute, Value>,
    /// The alias that has led to its revision.
    pub alias: Option<String>,
    /// Which run of its name it is, where the Flow takes names again.
    pub run_number: Option<i64>,
}

/// Who wants to begin.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Uid of the Execution.
    pub uid: &'a str,
    /// What it asks for.
    pub spec: &'a ExecutionSpec,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it waits.
    pub waits_since: Timestamp,
}

/// Why an Execution does not begin.
enum Hindrance {
    /// It passes by itself, or when somebody wants it to: it is waited out.
    Passing(Reason, String),
    /// It is waited out until the starting deadline.
    Awaited(Reason, String),
    /// It never passes.
    Final(Reason, String),
}

/// Decides. The revision is the one that is asked for, where there is one; the others are those of the same
/// name or token; the slot is the one that it gets among those of its Flow.
#[must_use]
pub fn admit(
    flow: &FlowView,
    revision: Option<&Revision>,
    others: &[Sibling],
    slot: Slot,
    request: Request<'_>,
    now: Timestamp,
) -> Admission {
    let admitted = admitted(flow, revision, others, request)
        .and_then(|admitted| in_turn(flow, slot, request.spec).map(|()| admitted));
    let hindrance = match admitted {
        Ok(admitted) => return Admission::Accept(admitted),
        Err(hindrance) => hindrance,
    };
    match hindrance {
        Hindrance::Passing(reason, message) => Admission::Wait { reason, message, until: None },
        Hindrance::Final(reason, message) => Admission::Reject { reason, message },
        Hindrance::Awaited(reason, message) => {
            let seconds = request.spec.starting_deadline_seconds.unwrap_or(STARTING_DEADLINE_SECONDS);
            let deadline = request.waits_since.saturating_add(SignedDuration::from_secs(seconds));
            let until = deadline.unwrap_or(Timestamp::MAX);
            if until > now {
                let message = format!("{message} Waits until {}.", instant_text(until));
                return Admission::Wait { reason, message, until: Some(until) };
            }
            Admission::Reject { reason, message: format!("{message} Gave up after waiting {seconds} s.") }
        }
    }
}

/// What it would begin with if it got a slot: nothing where it would not. Only who could begin stands in
/// line, so that nobody waits for who could not.
#[must_use]
pub fn with_slot(
    flow: &FlowView,
    revision: &Revision,
    others: &[Sibling],
    request: Request<'_>,
) -> Option<Admitted> {
    admitted(flow, Some(revision), others, request).ok()
}

/// Whether it is its turn.
fn in_turn(flow: &FlowView, slot: Slot, spec: &ExecutionSpec) -> Result<(), Hindrance> {
    let name = &spec.flow_ref.name;
    let Some(waits) = line::waits(name, slot) else { return Ok(()) };
    let Slot::Taken(Place { limit, .. }) = slot else {
        return Err(Hindrance::Passing(Reason::Queued, waits));
    };
    let concurrency = match flow {
        FlowView::Present(flow) => flow.terms.concurrency,
        FlowView::Missing | FlowView::Leaving => None,
    };
    let policy = concurrency.and_then(|concurrency| concurrency.policy).unwrap_or_default();
    match policy {
        ConcurrencyPolicy::Queue => Err(Hindrance::Passing(Reason::Queued, waits)),
        ConcurrencyPolicy::Reject => {
            let message = format!(
                "Flow {name} runs {limit} at a time (spec.concurrency.limit), as many run, and its policy is Reject. Start again when one has ended."
            );
            Err(Hindrance::Final(Reason::LimitExceeded, message))
        }
    }
}

fn admitted(
    flow: &FlowView,
    revision: Option<&Revision>,
    others: &[Sibling],
    request: Request<'_>,
) -> Result<Admitted, Hindrance> {
    let flow = open(flow, request.spec)?;
    let terms = &flow.terms;
    let qualified = qualified(&terms.aliases, request.uid, &request.spec.flow_ref)
        .map_err(|message| Hindrance::Final(Reason::QualifierNotFound, message))?;
    let Some(revision) = revision else { return Err(without_revision(flow, qualified, request.spec)) };
    let refused = |(reason, message)| Hindrance::Final(reason, message);
    let admitted = check(revision, terms, request.spec).map_err(refused)?;
    let reuse = terms.name_reuse.unwrap_or_default();
    let run_number = siblings::run_number(others, request, reuse).map_err(refused)?;
    Ok(Admitted { alias: qualified.and_then(|qualified| qualified.alias), run_number, ..admitted })
}

/// The Flow, where it and the Execution let something begin at all.
fn open<'f>(flow: &'f FlowView, spec: &ExecutionSpec) -> Result<&'f FlowFacts, Hindrance> {
    let name = &spec.flow_ref.name;
    if spec.suspend == Some(true) {
        let message = "The Execution is suspended (spec.suspend). Starts once it no longer is.";
        return Err(Hindrance::Passing(Reason::Suspended, message.to_owned()));
    }
    let flow = match flow {
        FlowView::Present(flow) => flow,
        FlowView::Missing => {
            return Err(Hindrance::Awaited(Reason::FlowNotFound, format!("Flow {name} does not exist.")));
        }
        FlowView::Leaving => {
            return Err(Hindrance::Awaited(Reason::FlowNotFound, format!("Flow {name} is being deleted.")));
        }
    };
    if flow.terms.lifecycle == Some(Lifecycle::Deprecated) {
        let message = format!("Flow {name} is deprecated (spec.lifecycle): nothing of it starts any more.");
        return Err(Hindrance::Final(Reason::FlowDeprecated, message));
    }
    if flow.terms.suspend == Some(true) {
        let message = format!("Flow {name} is suspended (spec.suspend). Starts once it no longer is.");
        return Err(Hindrance::Passing(Reason::FlowSuspended, message));
    }
    if !flow.is_observed {
        // That is for the controller itself to do, and no reason to give up: a Flow that is applied together
        // with an Execution, or resumed for one that has waited for long, is looked at in a moment.
        let message = format!("Flow {name} was changed and has not been looked at yet.");
        return Err(Hindrance::Passing(Reason::FlowNotReady, message));
    }
    Ok(flow)
}

fn without_revision(flow: &FlowFacts, qualified: Option<Qualified>, spec: &ExecutionSpec) -> Hindrance {
    let name = &spec.flow_ref.name;
    if let Some(Qualified { number, alias }) = qualified {
        let through = alias.map_or_else(String::new, |alias| format!(", to which alias `{alias}` leads"));
        let message = format!("Flow {name} has no revision {number} that can be run{through}.");
        return Hindrance::Final(Reason::QualifierNotFound, message);
    }
    let message = if let Some(Latest { number, uid: None }) = flow.latest_revision {
        format!("FlowRevision {} was deleted; Flow {name} is published anew.", revision_name(name, number))
    } else {
        let sentence = |problem: &str| format!(" {}.", problem.trim_end_matches('.'));
        let problem = flow.problem.as_deref().map_or_else(String::new, sentence);
        format!("Flow {name} cannot be run yet.{problem}")
    };
    Hindrance::Awaited(Reason::FlowNotReady, message)
}

fn check(revision: &Revision, terms: &Terms, spec: &ExecutionSpec) -> Result<Admitted, (Reason, String)> {
    if revision.execution_mode == ExecutionMode::Express {
        let message = format!(
            "FlowRevision {} is Express (spec.executionMode), and nothing runs those yet. Make it Standard.",
            revision.name
        );
        return Err((Reason::ModeNotSupported, message));
    }
    let input = input_of(revision, spec).map_err(|message| (Reason::InputInvalid, message))?;
    let account = account_of(revision, spec).map_err(|message| (Reason::Forbidden, message))?;
    let effective = Effective { service_account_name: Some(account), ..effective(spec, &revision.defaults) };
    require(&terms.required_defaults, &effective, spec)
        .map_err(|message| (Reason::DefaultUndefined, message))?;
    let attributes = attributes(spec, &effective);
    Ok(Admitted { input, attributes, effective, alias: None, run_number: None })
}

/// Values after all defaults, but for the account.
#[must_use]
pub fn effective(spec: &ExecutionSpec, defaults: &FlowDefaults) -> Effective {
    Effective {
        timeout_seconds: spec.timeout_seconds.or(defaults.timeout_seconds),
        task_timeout_seconds: spec.task_timeout_seconds.or(defaults.task_timeout_seconds),
        service_account_name: None,
        priority: spec.priority.or(defaults.priority),
        task_list: spec.task_list.clone().or_else(|| defaults.task_list.clone()),
        child_policy: spec.child_policy.or(defaults.child_policy),
    }
}

/// All that lacks, in the order in which SWF asks for it (start-apis.md §2.2).
fn require(required: &[RequiredDefault], effective: &Effective, spec: &ExecutionSpec) -> Result<(), String> {
    let known = [
        (RequiredDefault::TimeoutSeconds, "timeoutSeconds", effective.timeout_seconds.is_some()),
        (RequiredDefault::TaskList, "taskList", effective.task_list.is_some()),
        (RequiredDefault::TaskTimeoutSeconds, "taskTimeoutSeconds", effective.task_timeout_seconds.is_some()),
        (RequiredDefault::ChildPolicy, "childPolicy", effective.child_policy.is_some()),
    ];
    let missing: Vec<_> = known
        .into_iter()
        .filter(|(value, _, is_known)| !is_known && required.contains(value))
        .map(|(_, name, _)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} must be known (Flow {}, spec.requiredDefaults), and neither spec nor the Flow's defaults say.",
        missing.join(", "),
        spec.flow_ref.name
    ))
}

/// What a definition can read of its Execution.
#[must_use]
pub fn attributes(spec: &ExecutionSpec, effective: &Effective) -> BTreeMap<Attribute, Value> {
    let texts = |texts: &[String]| texts.iter().map(|text| Value::from(text.as_str())).collect::<Value>();
    let parameters = || {
        let members =
            spec.parameters.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        Value::Object(members.collect::<Object>())
    };
    let said = [
        (Attribute::Tags, (!spec.tags.is_empty()).then(|| texts(&spec.tags))),
        (Attribute::Priority, effective.priority.map(|priority| Value::from(i64::from(priority)))),
        (Attribute::TaskList, effective.task_list.as_deref().map(Value::from)),
        (Attribute::Parameters, (!spec.parameters.is_empty()).then(parameters)),
        (Attribute::ScheduledTime, spec.scheduled_time.map(|at| Value::from(rfc3339(at)))),
    ];
    said.into_iter().filter_map(|(attribute, value)| Some((attribute, value?))).collect()
}

fn input_of(revision: &Revision, spec: &ExecutionSpec) -> Result<Value, String> {
    let program = &revision.program;
    let input = match &spec.input {
        None => Value::Object(Object::default()),
        Some(input) => input.parse().map_err(|error| format!("spec.input is {error}."))?,
    };
    program.check_input(&input).map_err(|error| format!("spec.input cannot be taken: {error}."))?;
    Ok(input)
}

fn account_of(revision: &Revision, spec: &ExecutionSpec) -> Result<String, String> {
    let own = revision.service_account_name.as_deref().unwrap_or(DEFAULT_SERVICE_ACCOUNT);
    let Some(asked) = spec.service_account_name.as_deref() else { return Ok(own.to_owned()) };
    if asked == own || revision.allowed_service_accounts.iter().any(|allowed| allowed == asked) {
        return Ok(asked.to_owned());
    }
    Err(format!(
        "spec.serviceAccountName `{asked}` is not allowed by Flow {}: it runs as `{own}`; others must be listed in its allowedServiceAccounts.",
        revision.flow
    ))
}

#[cfg(test)]
mod tests;
