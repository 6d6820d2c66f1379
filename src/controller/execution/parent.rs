//! The parent of an Execution that wants to begin. It may have ended while its child was being made: the child
//! policy is then heard here, so that nothing starts afterwards.

use super::observe::Unavailable;
use super::seen::Seen;
use super::settle::{child_policy, policy_acts};
use crate::api::execution::StopRequest;
use crate::api::{Execution, ExecutionStatus, Phase};
use crate::cluster::object::{Key, Stored};
use crate::controller::context::Context;
use crate::driver::child::policy::Wish;

/// What the child policy of its parent wishes of an Execution that has not begun.
pub(super) async fn wish(
    context: &Context,
    key: &Key,
    seen: &Seen,
) -> Result<Option<StopRequest>, Unavailable> {
    let Some(parent) = seen.facts.parent.as_deref().filter(|_| seen.phase == Phase::Starting) else {
        return Ok(None);
    };
    let parent_key = Key::new(&key.namespace, &parent.name);
    if context.executions.goes_on(&parent_key, &parent.uid) {
        return Ok(None);
    }
    let object = context.api.get::<Execution>(&parent_key).await;
    let object: Option<Stored<Execution>> = object.map_err(|error| Unavailable(error.to_string()))?;
    // One that is gone has left behind what was to go on.
    let Some(object) = object.filter(|object| object.uid() == parent.uid) else { return Ok(None) };
    let Ok(status) = object.decode_status::<ExecutionStatus>() else { return Ok(None) };
    let is_over = status.phase.is_ended() || object.is_deleting();
    // No end of its parent leaves one behind that was waited for.
    if !is_over || !(policy_acts(&status) || seen.facts.is_awaited) {
        return Ok(None);
    }
    let cause = format!("Execution `{}`, which has started it, is over", parent.name);
    Ok(Wish::of(child_policy(&status), &cause).map(|wish| wish.stop()))
}
