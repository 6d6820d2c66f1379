//! Reaching for a slot, where a Flow says how many run at a time.

use jiff::Timestamp;

use super::admit::{self, FlowFacts, FlowView, Request};
use super::decide::Footing;
use super::observe::Unavailable;
use super::queue::{Limits, Rank, Slot};
use super::redrive;
use super::seen::Seen;
use super::status;
use crate::api::ExecutionStatus;
use crate::cluster::object::Key;
use crate::controller::context::Context;

/// The slot that an Execution gets that could begin, or go on after its end. Others need none.
///
/// # Errors
/// Where its Flow cannot be read now.
pub(super) async fn slot(
    context: &Context,
    key: &Key,
    seen: &Seen,
    status: &ExecutionStatus,
    footing: &Footing,
) -> Result<Slot, Unavailable> {
    match footing {
        Footing::Admission { spec, flow, revision: Some(revision), siblings } => {
            let FlowView::Present(facts) = flow else { return Ok(Slot::Free) };
            let limits = limits(facts);
            let flow_key = Key::new(&key.namespace, &revision.flow);
            if limits.concurrency.is_none() {
                return Ok(reach(context, key, seen, (&flow_key, limits), limits.default_priority));
            }
            let created_at = seen.facts.created_at;
            let waits_since = redrive::waits_since(&seen.facts, status);
            let request = Request { uid: &seen.facts.uid, spec, created_at, waits_since };
            let Some(admitted) = admit::with_slot(flow, revision, siblings, request) else {
                // It does not begin whether there is one or not.
                return Ok(Slot::Free);
            };
            // The priority it was told stands as long as it asks for the same.
            let told = status.effective.as_ref();
            let told = told.filter(|_| status::is_queued(status, seen.facts.generation));
            let priority = told.unwrap_or(&admitted.effective).priority.unwrap_or_default();
            Ok(reach(context, key, seen, (&flow_key, limits), priority))
        }
        // One that is suspended stands in no line.
        Footing::Revision(revision)
            if !seen.facts.suspend
                && (redrive::is_owed(&seen.facts, status) || status::is_in_line(status)) =>
        {
            let flow_key = Key::new(&key.namespace, &revision.flow);
            // First, so that no change of the Flow is missed between the read and the wait.
            context.executions.waits_for(key, flow_key.clone());
            let flow = context.flows.read(&flow_key).await.map_err(Unavailable)?;
            // What goes on needs no Flow, and without one there is no limit.
            let FlowView::Present(facts) = flow else { return Ok(Slot::Free) };
            let priority = status.effective.as_ref().and_then(|effective| effective.priority);
            let limits = limits(&facts);
            Ok(reach(context, key, seen, (&flow_key, limits), priority.unwrap_or_default()))
        }
        Footing::Admission { .. } | Footing::Revision(_) | Footing::Lost(_) | Footing::Ended => {
            Ok(Slot::Free)
        }
    }
}

fn limits(facts: &FlowFacts) -> Limits {
    Limits {
        version: facts.version,
        concurrency: facts.terms.concurrency,
        default_priority: facts.terms.default_priority.unwrap_or_default(),
    }
}

fn reach(context: &Context, key: &Key, seen: &Seen, (flow, limits): (&Key, Limits), priority: i32) -> Slot {
    let rank = Rank::new(priority, seen.facts.created_at, &*seen.facts.uid);
    context.executions.reach_for_slot(key, flow, limits, rank, Timestamp::now())
}
