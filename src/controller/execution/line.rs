//! What an Execution is told that waits for others of its Flow. Pure.

use super::admit::{self, FlowView};
use super::decide::{Footing, Observed};
use super::queue::{Place, Slot};
use super::status::{self, Standing};
use crate::api::Reason;
use crate::api::execution::Effective;
use crate::controller::revision::Revision;

/// Its standing, and its values after all defaults. It is told once, and its place anew only when that is due:
/// otherwise the end of each run would be a write for everyone in line.
#[must_use]
pub fn told(
    observed: &Observed,
    revision: &Revision,
    message: String,
) -> Option<(Standing, Option<Effective>)> {
    let Footing::Admission { spec, .. } = &observed.footing else { return None };
    let phase = observed.status.phase;
    let standing = Standing { phase, reason: Reason::Queued, message, stalled: None };
    let effective = match status::is_queued(&observed.status, observed.facts.generation) {
        // Its priority is its place in line from then on.
        true => observed.status.effective.clone(),
        false => Some(admit::effective(spec, &revision.defaults)),
    };
    is_news(observed).then_some((standing, effective))
}

/// Whether it is to be told its place.
#[must_use]
pub fn is_news(observed: &Observed) -> bool {
    match observed.slot {
        Slot::Taken(place) => place.is_due || !status::is_queued(&observed.status, observed.facts.generation),
        // It is known in a moment.
        Slot::Free | Slot::Unknown => false,
    }
}

/// Whether it stands in line and its Flow has a new spec that is not in service yet. In a moment it is, and
/// then all in line are looked at: nothing has to be said to each of them in between.
#[must_use]
pub fn is_between_specs(observed: &Observed) -> bool {
    let Footing::Admission { flow: FlowView::Present(flow), spec, .. } = &observed.footing else {
        return false;
    };
    let is_open = flow.terms.suspend != Some(true) && spec.suspend != Some(true);
    is_open && !flow.is_observed && status::is_queued(&observed.status, observed.facts.generation)
}

/// Why one has to wait for others of its Flow, if it has.
#[must_use]
pub fn waits(flow: &str, slot: Slot) -> Option<String> {
    match slot {
        Slot::Free => None,
        Slot::Unknown => Some(format!("It is being found out how many Executions of Flow {flow} run.")),
        Slot::Taken(Place { position, waiting, limit, .. }) => Some(format!(
            "Flow {flow} runs {limit} at a time (spec.concurrency.limit): position {position} of {waiting} in its queue."
        )),
    }
}
