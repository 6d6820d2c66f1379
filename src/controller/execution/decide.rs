//! What is to be written and done about an Execution. Pure: everything it depends on is in
//! [`Observed`].

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::admit::{self, Admission, FlowView};
use super::answer::{self, Heard, Judged};
use super::history;
use super::keep::{self, Kept, Room};
use super::line;
use super::moves::{News, decode, engine_stop, moved};
use super::queue::Slot;
use super::redrive;
use super::retention::DefaultTtl;
use super::siblings::Sibling;
use super::standing::{apply_standing, changed, refused, restamp, with_standing};
use super::status::{self, Jobs, Obstacles, Standing};
use super::telling::{self, Telling};
use crate::api::execution::{Accepted, Callback, ParentRef, StopRequest};
use crate::api::execution_data::Content;
use crate::api::flow_revision::flow_of;
use crate::api::{ExecutionSpec, ExecutionStatus, Phase, Reason};
use crate::controller::revision::Revision;
use crate::engine::snapshot::Part;
use crate::engine::{Event, Execution, HistoryEvent, Outcome, Run, TokenKey, step};

/// How long after its making nothing is said of an Execution that waits for its Flow to be looked at.
/// Objects know their making to the second.
const QUIET_SECONDS: i64 = 2;

/// What can be done about a fault.
pub const FAULT_ADVICE: &str =
    "; stop the Execution (spec.stop) or delete it, or restore what it needs, and it goes on";

/// The object as far as it matters, whatever its payloads weigh.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Name of the object.
    pub name: String,
    /// Name of the run, where that is another one.
    pub outer_name: Option<String>,
    /// Uid of the object.
    pub uid: String,
    /// Generation of its spec.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Name of the Flow.
    pub flow: String,
    /// Digest over what may not change.
    pub spec_digest: String,
    /// A wish that it should stand still.
    pub suspend: bool,
    /// A wish that it should end.
    pub stop: Option<StopRequest>,
    /// Redrives that were asked for, in all.
    pub redrive: Option<i64>,
    /// For how many seconds it asks to stay after its end.
    pub ttl_seconds: Option<i64>,
    /// Whether nobody has chosen its name.
    pub is_name_generated: bool,
    /// The Execution that has started it.
    pub parent: Option<Box<ParentRef>>,
    /// Whether a task of that waits for its end.
    pub is_awaited: bool,
    /// The Schedule that has started it.
    pub schedule: Option<Box<str>>,
    /// Who is told how it ends.
    pub callback: Option<Box<Callback>>,
    /// How much of the object its status may take.
    pub room: Room,
}

impl Facts {
    /// The name of the run, which people and definitions know it by.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.outer_name.as_deref().unwrap_or(&self.name)
    }

    /// The name of the run: that which it was accepted with, else that which it asks for.
    #[must_use]
    pub fn run_name<'s>(&'s self, status: &'s ExecutionStatus) -> &'s str {
        match &status.accepted {
            Some(accepted) => accepted.name.as_deref().unwrap_or(&self.name),
            None => self.shown_name(),
        }
    }

    /// The Flow of the run: that which it was accepted for, else that which it asks for.
    #[must_use]
    pub fn run_flow<'s>(&'s self, status: &'s ExecutionStatus) -> &'s str {
        status.flow_revision.as_deref().and_then(flow_of).unwrap_or(&self.flow)
    }
}

/// What is needed to run, and what is known of it.
#[derive(Clone, Debug)]
pub enum Footing {
    /// It is not admitted yet.
    Admission {
        /// The spec.
        spec: Box<ExecutionSpec>,
        /// The Flow.
        flow: FlowView,
        /// The revision that it asks for, the newest one where it does not say.
        revision: Option<Arc<Revision>>,
        /// Other Executions with its name or its token.
        siblings: Vec<Sibling>,
    },
    /// It runs this revision.
    Revision(Arc<Revision>),
    /// The revision it runs is gone or does not compile.
    Lost(String),
    /// It has ended.
    Ended,
}

impl Footing {
    /// The revision that it runs, or would run.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Admission { revision, .. } => revision.as_deref(),
            Self::Revision(revision) => Some(revision),
            Self::Lost(_) | Self::Ended => None,
        }
    }
}

/// Everything a decision depends on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The object.
    pub facts: Facts,
    /// Its status.
    pub status: ExecutionStatus,
    /// What its checkpoint refers to.
    pub parts: Vec<Part>,
    /// What it stands on.
    pub footing: Footing,
    /// The Execution that goes on under its name, where it is asked for again.
    pub namesake: Option<String>,
    /// The slot that it gets among those of its Flow, where it wants to begin or to go on after its end.
    pub slot: Slot,
    /// News of tasks, in the order in which it came.
    pub reports: Vec<Heard>,
    /// Tasks that do not begin.
    pub obstacles: Obstacles,
    /// How long it stays where it does not say.
    pub default_ttl: DefaultTtl,
    /// What is known of telling its end.
    pub telling: Telling,
    /// The time.
    pub now: Timestamp,
    /// Makes task tokens.
    pub token_key: TokenKey,
}

/// What is to be written and done.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The status to be written; nothing where it stands already.
    pub status: Option<Box<ExecutionStatus>>,
    /// What that status names and is to be written before it.
    pub contents: Vec<Content>,
    /// What its checkpoint then refers to.
    pub parts: Vec<Part>,
    /// The run and what it runs, where it goes on: its tasks are to be kept going.
    pub run: Option<(Run, Arc<Revision>)>,
    /// When to look again without news.
    pub wake: Option<Timestamp>,
    /// What there is to tell.
    pub history: Vec<HistoryEvent>,
    /// What is told to those who have answered for tasks.
    pub judged: Vec<Judged>,
    /// Whether others depend on it: it may have children, or somebody is told of its end.
    pub has_dependents: bool,
    /// Nothing was taken in: the news are for the next look, which may be luckier.
    pub is_fault: bool,
}

impl Decision {
    pub(super) fn nothing() -> Self {
        Self {
            status: None,
            contents: Vec::new(),
            parts: Vec::new(),
            run: None,
            wake: None,
            history: Vec::new(),
            judged: Vec::new(),
            has_dependents: false,
            is_fault: false,
        }
    }
}

/// Decides.
#[must_use]
pub fn decide(observed: &Observed) -> Decision {
    let mut decision = match redrive::is_owed(&observed.facts, &observed.status) {
        true => redrive::decide(observed),
        false => as_it_stands(observed),
    };
    // What was accepted is told to whom it was accepted with.
    let has_callback = match &observed.status.accepted {
        Some(accepted) => accepted.callback.is_some(),
        None => observed.facts.callback.is_some(),
    };
    decision.has_dependents |= has_callback && !observed.status.phase.is_ended();
    if decision.run.is_none() && !decision.is_fault && decision.judged.is_empty() {
        decision.judged = answer::judge_all(observed);
    }
    decision
}

/// Decides about an Execution in its phase.
pub(super) fn as_it_stands(observed: &Observed) -> Decision {
    match &observed.footing {
        Footing::Ended => restamp(observed),
        Footing::Admission { spec, flow, revision, siblings } => {
            let revision = revision.clone();
            let Facts { uid, created_at, .. } = &observed.facts;
            let waits_since = redrive::waits_since(&observed.facts, &observed.status);
            let request = admit::Request { uid, spec, created_at: *created_at, waits_since };
            let admission =
                admit::admit(flow, revision.as_deref(), siblings, observed.slot, request, observed.now);
            decide_admission(observed, admission, revision)
        }
        Footing::Revision(revision) => go_on(observed, revision.clone(), false),
        Footing::Lost(why) => fault(observed, why),
    }
}

/// An Execution that wants to begin.
fn decide_admission(observed: &Observed, admission: Admission, revision: Option<Arc<Revision>>) -> Decision {
    if let (Some(stop), false) = (&observed.facts.stop, matches!(admission, Admission::Accept(_))) {
        return stop_without_run(observed, stop);
    }
    match (admission, revision) {
        (Admission::Wait { reason: Reason::Queued, message, .. }, Some(revision)) => {
            let Some((standing, effective)) = line::told(observed, &revision, message) else {
                return Decision::nothing();
            };
            let mut status = with_standing(observed, standing);
            status.effective = effective;
            Decision { status: changed(observed, status), ..Decision::nothing() }
        }
        (Admission::Wait { reason, message, until }, _) => {
            if line::is_between_specs(observed) {
                return Decision::nothing();
            }
            if let Some(quiet_until) = quiet_until(observed) {
                let wake = until.map_or(quiet_until, |until| until.min(quiet_until));
                return Decision { wake: Some(wake), ..Decision::nothing() };
            }
            // Starting, or Running where it is admitted again.
            let standing = Standing { phase: observed.status.phase, reason, message, stalled: None };
            let mut status = with_standing(observed, standing);
            status.effective = None;
            Decision { status: changed(observed, status), wake: until, ..Decision::nothing() }
        }
        (Admission::Reject { reason, message }, _) => {
            let standing = Standing { phase: Phase::Rejected, reason, message, stalled: None };
            let mut status = refused(observed, &standing);
            status.effective = None;
            status.completion_time = Some(observed.now);
            redrive::nothing_is_owed(&observed.facts, &mut status);
            Decision { status: changed(observed, status), ..Decision::nothing() }
        }
        (Admission::Accept(admitted), Some(revision)) => begin(observed, admitted, revision),
        // Nothing is accepted without a revision.
        (Admission::Accept(_), None) => Decision::nothing(),
    }
}

/// A Flow that was applied together with its Execution is looked at within milliseconds: so long
/// nothing is said of the wait, which would cost a write.
fn quiet_until(observed: &Observed) -> Option<Timestamp> {
    let Footing::Admission { flow: FlowView::Present(flow), .. } = &observed.footing else { return None };
    if flow.is_observed || flow.terms.suspend == Some(true) {
        return None;
    }
    let created_at = observed.facts.created_at;
    let until = created_at.saturating_add(SignedDuration::from_secs(QUIET_SECONDS)).ok()?;
    (until > observed.now).then_some(until)
}

/// The end of what was never admitted, or whose run cannot be read any more.
fn stop_without_run(observed: &Observed, stop: &StopRequest) -> Decision {
    let outcome = Outcome::Stopped(engine_stop(stop));
    let mut status = refused(observed, &status::ended(&outcome));
    status::show_error(&mut status, stop.error.as_deref(), stop.cause.as_deref());
    status.completion_time = Some(observed.now);
    redrive::nothing_is_owed(&observed.facts, &mut status);
    status.duration = status.start_time.map(|started_at| status::duration_text(started_at, observed.now));
    Decision { status: changed(observed, status), ..Decision::nothing() }
}

fn begin(observed: &Observed, admitted: admit::Admitted, revision: Arc<Revision>) -> Decision {
    let facts = &observed.facts;
    let seconds = |seconds: Option<i64>| seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let effective = admitted.effective;
    let run = Run::new(Execution {
        id: facts.uid.as_str().into(),
        name: facts.shown_name().into(),
        flow: facts.flow.as_str().into(),
        service_account: effective.service_account_name.as_deref().map(Into::into),
        input: admitted.input,
        started_at: observed.now,
        timeout_seconds: seconds(effective.timeout_seconds),
        task_timeout_seconds: seconds(effective.task_timeout_seconds),
        attributes: admitted.attributes,
    });
    let redrives = redrive::count(&observed.status);
    let run = run.after_redrives(u32::try_from(redrives).unwrap_or(u32::MAX));
    let event = facts.stop.as_ref().map_or(Event::Start, |stop| Event::Stop(engine_stop(stop)));
    let mut status = observed.status.clone();
    status.accepted = Some(Accepted {
        generation: facts.generation,
        spec_digest: facts.spec_digest.clone(),
        name: facts.outer_name.clone(),
        client_token: match &observed.footing {
            Footing::Admission { spec, .. } => spec.client_token.clone(),
            _ => None,
        },
        // Those that were performed are counted.
        redrive: facts.redrive.map(|asked| asked.saturating_sub(redrives)).filter(|asked| *asked > 0),
        revision_digest: Some(revision.digest.clone()),
        callback: facts.callback.as_deref().map(|callback| telling::accepted(callback, &observed.token_key)),
    });
    status.refused_spec_digest = None;
    status.flow_revision = Some(revision.name.clone());
    status.flow_alias = admitted.alias;
    status.run_number = admitted.run_number;
    status.effective = Some(effective);
    status.start_time = Some(observed.now);
    match step(&revision.program, run, observed.now, event, &observed.token_key) {
        Ok(step) => conclude(observed, status, revision, step.run, (step.history, step.is_progress)),
        Err(why) => fault(observed, &why.to_string()),
    }
}

/// A run that goes on: news first, then wishes, then time. `has_ended`: by its phase it had ended.
pub(super) fn go_on(observed: &Observed, revision: Arc<Revision>, has_ended: bool) -> Decision {
    let run = match decode(observed, &revision) {
        Ok(run) => run,
        Err(why) => return fault(observed, &why),
    };
    // Under a phase that has not ended, one that has waits to be taken up.
    if (has_ended || run.outcome().is_some())
        && let Some((reason, message)) = redrive::hindrance(observed)
    {
        if !has_ended && reason == Reason::Queued && !line::is_news(observed) {
            return Decision { parts: observed.parts.clone(), ..Decision::nothing() };
        }
        let standing = Standing { phase: Phase::Running, reason, message, stalled: None };
        let status = changed(observed, with_standing(observed, standing));
        return Decision { status, parts: observed.parts.clone(), ..Decision::nothing() };
    }
    let mut status = observed.status.clone();
    match moved(observed, &mut status.answered, &revision, run, has_ended) {
        Ok((run, news, judged)) => {
            let decision = conclude(observed, status, revision, run, news);
            // What was not taken in is judged when it is.
            let judged = if decision.is_fault { Vec::new() } else { judged };
            Decision { judged, ..decision }
        }
        Err(why) => fault(observed, &why),
    }
}

/// The status of a run after it has moved as far as it could.
fn conclude(
    observed: &Observed,
    mut status: ExecutionStatus,
    revision: Arc<Revision>,
    run: Run,
    (history, is_progress): News,
) -> Decision {
    let (run, history, kept) = match kept(observed, &revision, run, (history, is_progress)) {
        Ok(kept) => kept,
        Err(why) => return fault(observed, &why),
    };
    let mut contents = Vec::new();
    let mut parts = observed.parts.clone();
    let program = &revision.program;
    let facts = &observed.facts;
    let tasks = run.outstanding(program);
    let jobs = Jobs { name: &facts.name, uid: &facts.uid, bindings: &revision.bindings, tasks: &tasks };
    let mut standing = status::standing(program, &run, &observed.obstacles, &jobs);
    if is_progress {
        contents.extend(history::append(&mut status, &facts.uid, &history, facts.room));
        status::show_run(&mut status, program, &run, &jobs);
        if let Some(output) = keep::output(&mut status, facts) {
            standing.message = status::kept_apart(&facts.name, &output.reference);
            contents.push(output);
        }
        (status.checkpoint, status.checkpoint_refs, parts) = match kept {
            Some(kept) => {
                contents.extend(kept.contents);
                (Some(kept.checkpoint), kept.refs, kept.parts)
            }
            None => (None, Vec::new(), Vec::new()),
        };
        if let (true, Some(started_at)) = (standing.phase.is_ended(), status.start_time) {
            status.completion_time = Some(observed.now);
            status.duration = Some(status::duration_text(started_at, observed.now));
        }
    }
    apply_standing(observed, &mut status, &standing);
    let wake = run.next_wake(program);
    let has_dependents = jobs.have_children();
    let run = run.outcome().is_none().then_some((run, revision));
    let status = changed(observed, status);
    Decision { status, contents, parts, run, wake, history, has_dependents, ..Decision::nothing() }
}

/// A run and how it is kept. One that is larger than what can be kept ends here: a status that is refused
/// would stand in its way for ever.
fn kept(
    observed: &Observed,
    revision: &Revision,
    run: Run,
    (mut history, is_progress): News,
) -> Result<(Run, Vec<HistoryEvent>, Option<Kept>), String> {
    // Signs of life alone are not worth a write.
    if !is_progress || matches!(run.outcome(), Some(Outcome::Succeeded(_))) {
        return Ok((run, history, None));
    }
    let refs = &observed.status.checkpoint_refs;
    let keep = |run: &Run| keep::keep(run, &observed.parts, refs, observed.facts.room);
    let cause = match keep(&run) {
        Ok(kept) => return Ok((run, history, Some(kept))),
        Err(cause) => cause,
    };
    if run.outcome().is_some() {
        return Ok((run, history, None));
    }
    let event = Event::Overflow { cause: cause.into() };
    let step = step(&revision.program, run, observed.now, event, &observed.token_key)
        .map_err(|why| why.to_string())?;
    history.extend(step.history);
    let kept = keep(&step.run).ok();
    Ok((step.run, history, kept))
}

/// Something of ours is broken, or a status was tampered with: it is said, and nothing is done. Who
/// wishes that it ends has that wish.
#[must_use]
pub fn fault(observed: &Observed, why: &str) -> Decision {
    if observed.status.phase.is_ended() {
        return redrive::cannot(observed, why);
    }
    if let Some(stop) = &observed.facts.stop {
        return stop_without_run(observed, stop);
    }
    // What has not begun is tried again from its admission.
    let phase = observed.status.phase;
    let message = format!("{why}{FAULT_ADVICE}");
    let stalled = Some((Reason::EngineFault, message.clone()));
    let standing = Standing { phase, reason: Reason::EngineFault, message, stalled };
    let status = with_standing(observed, standing);
    Decision { status: changed(observed, status), is_fault: true, ..Decision::nothing() }
}
