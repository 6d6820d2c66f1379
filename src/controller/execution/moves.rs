//! What has happened to a run, told to the engine in its order: news first, then wishes, then time. Pure.

use super::answer::{self, Heard, Judged};
use super::decide::Observed;
use crate::api::execution::{StopModeName, StopRequest};
use crate::api::stored;
use crate::controller::revision::Revision;
use crate::engine::{Event, HistoryEvent, Report, Run, Status, Stop, StopMode, snapshot, step};

/// What there is to tell, and whether something happened that must be remembered: also where there is
/// nothing to tell of it, as in an iteration that is a run of its own.
pub(super) type News = (Vec<HistoryEvent>, bool);

/// A run after everything that has happened to it.
///
/// # Errors
/// Where the run and its program do not belong together.
pub(super) fn moved(
    observed: &Observed,
    answered: &mut Vec<String>,
    revision: &Revision,
    mut run: Run,
    has_ended: bool,
) -> Result<(Run, News, Vec<Judged>), String> {
    let program = &revision.program;
    let (mut history, mut is_progress) = (Vec::new(), false);
    let mut judged = Vec::new();
    let mut events: Vec<(Event, Option<&Heard>)> = Vec::with_capacity(observed.reports.len() + 3);
    if has_ended && run.outcome().is_none() {
        // Its end was written although it could not be read.
        events.push((Event::Stop(Stop::new(StopMode::Terminate)), None));
    }
    if has_ended || run.outcome().is_some() {
        events.push((Event::Redrive { stop: observed.facts.stop.as_ref().map(engine_stop) }, None));
    }
    // First, so that what has happened meanwhile moves nothing, or moves again.
    match (observed.facts.suspend, run.status()) {
        (true, Status::Running) => events.push((Event::Suspend, None)),
        (false, Status::Suspended(_)) => events.push((Event::Resume, None)),
        _ => {}
    }
    events.extend(observed.reports.iter().map(|heard| {
        let Heard { task, report, .. } = heard.clone();
        (Event::Task { id: task, report }, Some(heard))
    }));
    if let (Some(stop), true) = (&observed.facts.stop, run.outcome().is_none() && !has_ended) {
        events.push((Event::Stop(engine_stop(stop)), None));
    }
    events.push((Event::Tick, None));
    for (event, heard) in events {
        if let Some((heard, source)) = heard.and_then(|heard| Some((heard, heard.from.as_ref()?))) {
            let is_taken = answered.contains(&source.uid);
            let refusal = if is_taken { None } else { answer::refusal(program, &run, &heard.task) };
            let is_refused = refusal.is_some();
            judged.extend(Judged::new(heard, refusal));
            if is_taken || is_refused {
                continue;
            }
            if heard.report != Report::Heartbeat {
                answer::remember(answered, source.uid.clone());
            }
        }
        if matches!(event, Event::Tick) && run.next_wake(program).is_none_or(|wake| wake > observed.now) {
            continue;
        }
        // A wish that was heard already is not heard again.
        if matches!((&event, run.status()), (Event::Stop(new), Status::Stopping { stop, .. }) if new.mode <= stop.mode)
        {
            continue;
        }
        let step =
            step(program, run, observed.now, event, &observed.token_key).map_err(|why| why.to_string())?;
        run = step.run;
        history.extend(step.history);
        is_progress |= step.is_progress;
    }
    Ok((run, (history, is_progress), judged))
}

/// The run of a checkpoint.
///
/// # Errors
/// Where it cannot be read, or is another Execution's.
pub(super) fn decode(observed: &Observed, revision: &Revision) -> Result<Run, String> {
    let checkpoint = observed.status.checkpoint.as_deref().ok_or("status.checkpoint is missing")?;
    let text =
        stored::decode(checkpoint).map_err(|why| format!("status.checkpoint cannot be read: {why}"))?;
    let run = snapshot::decode_beside(&text, &revision.program, &observed.parts)
        .map_err(|why| format!("status.checkpoint cannot be read: {why}"))?;
    if *run.execution().id != *observed.facts.uid {
        return Err("status.checkpoint belongs to another Execution".to_owned());
    }
    Ok(run)
}

/// A wish that a run should end, as the engine is told.
pub(super) fn engine_stop(stop: &StopRequest) -> Stop {
    let mode = match stop.mode {
        StopModeName::Cancel => StopMode::Cancel,
        StopModeName::Terminate => StopMode::Terminate,
    };
    Stop { mode, error: stop.error.as_deref().map(Into::into), cause: stop.cause.as_deref().map(Into::into) }
}
