//! Everything that a decision about an Execution depends on. Reads only.

use std::sync::Arc;

use jiff::Timestamp;

use super::admit::{FlowFacts, FlowView, Latest};
use super::decide::{Footing, Observed};
use super::parent;
use super::qualifier::{Qualified, qualified};
use super::reach;
use super::redrive;
use super::registry::Look;
use super::retention::{self, DefaultTtl};
use super::seen::Seen;
use super::siblings::Sibling;
use super::status::Obstacles;
use super::telling::Telling;
use crate::api::flow_revision::revision_name;
use crate::api::{Execution, ExecutionSpec, ExecutionStatus, FlowRevision, Phase};
use crate::cluster::data::ReadError;
use crate::cluster::object::{Key, is_name};
use crate::controller::context::Context;
use crate::controller::revision::Revision;
use crate::controller::revisions::RevisionError;

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// The Execution, and everything a decision depends on.
    Execution(Box<(Seen, Observed)>),
    /// It is being deleted: nothing is decided about it any more.
    Deleting(Box<Seen>),
    /// There is none.
    Nothing,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// Why it is not known what is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Looks.
///
/// # Errors
/// Where something cannot be read now.
pub async fn observe(context: &Context, key: &Key, look: &mut Look) -> Result<Found, Unavailable> {
    let seen = match look.seen.take() {
        Some(seen) => seen,
        None => match read(context, key).await? {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(Found::Nothing),
            Err(why) => return Ok(Found::Unreadable(why)),
        },
    };
    if look.uid.as_ref().is_some_and(|uid| *uid != seen.facts.uid) {
        // Another object took the name: what is known of the first is nothing to it.
        look.reports.clear();
        look.obstacles = Obstacles::default();
    }
    if seen.is_deleting {
        return Ok(Found::Deleting(Box::new(seen)));
    }
    let status: ExecutionStatus = match serde_json::from_str(&seen.status) {
        Ok(status) => status,
        Err(error) => return Ok(Found::Unreadable(format!("status cannot be read: {error}"))),
    };
    let mut facts = seen.facts.clone();
    if facts.stop.is_none() {
        facts.stop = parent::wish(context, key, &seen).await?;
    }
    let mut footing = footing(context, key, look, &seen, &status).await?;
    let namesake = match redrive::is_owed(&facts, &status) {
        true => open_namesake(context, key, look, (&seen, &status)).await?,
        false => None,
    };
    let slot = reach::slot(context, key, &seen, &status, &footing).await?;
    let default_ttl = default_ttl(context, key, &seen, &status, &footing).await?;
    let mut parts = Vec::new();
    if matches!(footing, Footing::Revision(_)) && !status.checkpoint_refs.is_empty() {
        // Closed it is never.
        look.place = context.large.clone().acquire_owned().await.ok();
        match context.data.parts(key, &seen.facts.uid, &status.checkpoint_refs).await {
            Ok(read) => parts = read,
            Err(ReadError::Lost(why)) => footing = Footing::Lost(why),
            Err(ReadError::Api(error)) => return Err(Unavailable(error.to_string())),
        }
    }
    let observed = Observed {
        facts,
        status,
        parts,
        footing,
        namesake,
        slot,
        reports: std::mem::take(&mut look.reports),
        obstacles: std::mem::take(&mut look.obstacles),
        default_ttl,
        telling: Telling { hitch: context.settling.hitch(&seen.facts.uid), is_held: seen.is_held },
        // Whole milliseconds are what is stored and shown.
        now: Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default(),
        token_key: context.token_key.at(&key.to_string()),
    };
    Ok(Found::Execution(Box::new((seen, observed))))
}

async fn read(context: &Context, key: &Key) -> Result<Result<Option<Seen>, String>, Unavailable> {
    let object = context.api.get::<Execution>(key).await.map_err(|error| Unavailable(error.to_string()))?;
    Ok(object.map(|object| Seen::read(&object, None)).transpose())
}

async fn footing(
    context: &Context,
    key: &Key,
    look: &mut Look,
    seen: &Seen,
    status: &ExecutionStatus,
) -> Result<Footing, Unavailable> {
    match status.phase {
        phase if phase.is_ended() && !redrive::is_owed(&seen.facts, status) => Ok(Footing::Ended),
        phase if phase != Phase::Starting && status.accepted.is_some() => {
            match pinned(context, key, status).await {
                Ok(revision) => Ok(Footing::Revision(revision)),
                Err(RevisionError::Lost(why)) => Ok(Footing::Lost(why)),
                Err(RevisionError::Unavailable(why)) => Err(Unavailable(why)),
            }
        }
        // Those that were refused and are asked for again, too.
        _ => {
            let Some(spec) = seen.spec.clone() else {
                return Err(Unavailable("the spec was not kept".to_owned()));
            };
            admission(context, key, look, seen, spec).await
        }
    }
}

/// The revision that an Execution was accepted with.
async fn pinned(
    context: &Context,
    key: &Key,
    status: &ExecutionStatus,
) -> Result<Arc<Revision>, RevisionError> {
    let Some(name) = &status.flow_revision else {
        return Err(RevisionError::Lost("status.flowRevision is missing".to_owned()));
    };
    let digest = status.accepted.as_ref().and_then(|accepted| accepted.revision_digest.as_ref());
    let is_meant = |revision: &Revision| digest.is_none_or(|digest| *digest == revision.digest);
    context.revisions.get(&Key::new(&key.namespace, name), is_meant).await
}

/// How long it stays after its end where it does not say.
async fn default_ttl(
    context: &Context,
    key: &Key,
    seen: &Seen,
    status: &ExecutionStatus,
    footing: &Footing,
) -> Result<DefaultTtl, Unavailable> {
    let of = |revision: &Revision| revision.defaults.ttl_seconds_after_finished;
    let is_changed = status.observed_generation != seen.facts.generation;
    let is_asked = is_changed && status.accepted.is_some() && retention::asks_revision(&seen.facts);
    let flow = match (footing, is_asked) {
        (Footing::Ended, true) => match pinned(context, key, status).await {
            Ok(revision) => of(&revision),
            Err(RevisionError::Lost(_)) => None,
            Err(RevisionError::Unavailable(why)) => return Err(Unavailable(why)),
        },
        (footing, _) => footing.revision().and_then(of),
    };
    Ok(DefaultTtl { flow, controller: context.default_ttl })
}

async fn admission(
    context: &Context,
    key: &Key,
    look: &mut Look,
    seen: &Seen,
    spec: Box<ExecutionSpec>,
) -> Result<Footing, Unavailable> {
    let flow_key = Key::new(&key.namespace, &seen.facts.flow);
    if !is_name(&flow_key.name) {
        // There can be none.
        return Ok(without_revision(spec, FlowView::Missing));
    }
    // First, so that no change of the Flow is missed between the read and the wait.
    context.executions.waits_for(key, flow_key.clone());
    let flow = context.flows.read(&flow_key).await.map_err(Unavailable)?;
    let FlowView::Present(facts) = &flow else { return Ok(without_revision(spec, flow)) };
    let Some((number, uid)) = sought(context, &flow_key, look, (seen, &spec), facts).await? else {
        return Ok(without_revision(spec, flow));
    };
    let name = revision_name(&seen.facts.flow, number);
    let is_meant = |revision: &Revision| revision.uid == uid && revision.flow == seen.facts.flow;
    match context.revisions.get(&Key::new(&key.namespace, &name), is_meant).await {
        Ok(revision) => {
            let siblings = siblings(context, key, look, &spec).await?;
            Ok(Footing::Admission { spec, flow, revision: Some(revision), siblings })
        }
        // As good as no valid definition: the Flow is waited for.
        Err(RevisionError::Lost(why)) => {
            let facts = FlowFacts { latest_revision: None, problem: Some(why), ..(**facts).clone() };
            Ok(without_revision(spec, FlowView::Present(Box::new(facts))))
        }
        Err(RevisionError::Unavailable(why)) => Err(Unavailable(why)),
    }
}

/// Of what has no revision to begin with, nobody else stands in the way.
fn without_revision(spec: Box<ExecutionSpec>, flow: FlowView) -> Footing {
    Footing::Admission { spec, flow, revision: None, siblings: Vec::new() }
}

/// Number and uid of the revision that an Execution asks for, where there is one.
async fn sought(
    context: &Context,
    flow_key: &Key,
    look: &mut Look,
    (seen, spec): (&Seen, &ExecutionSpec),
    facts: &FlowFacts,
) -> Result<Option<(i64, String)>, Unavailable> {
    if !facts.is_observed {
        return Ok(None);
    }
    match qualified(&facts.terms.aliases, &seen.facts.uid, &spec.flow_ref) {
        // Said by the decision.
        Err(_) => Ok(None),
        Ok(Some(Qualified { number, .. })) => {
            let key = Key::new(&flow_key.namespace, revision_name(&flow_key.name, number));
            // Until this look is over it is not removed.
            look.revision_kept = Some(context.removing_revisions.clone().read_owned().await);
            let uid = context.api.uid::<FlowRevision>(&key).await;
            Ok(uid.map_err(|error| Unavailable(error.to_string()))?.map(|uid| (number, uid)))
        }
        Ok(None) => {
            let Some(Latest { number, uid }) = &facts.latest_revision else { return Ok(None) };
            if uid.is_none() {
                // Whoever cares for Flows does not know yet.
                let _ = context.lost_revisions.send(flow_key.clone());
            }
            Ok(uid.clone().map(|uid| (*number, uid)))
        }
    }
}

/// Other Executions with the same name or the same token, be it that they ask for it or that they were
/// accepted with it. From here on until this look is over it is the only one at any of them: of two that are
/// made at once, one sees what became of the other.
async fn siblings(
    context: &Context,
    key: &Key,
    look: &mut Look,
    spec: &ExecutionSpec,
) -> Result<Vec<Sibling>, Unavailable> {
    let mut siblings = Vec::new();
    let flow = &spec.flow_ref.name;
    // In this order everywhere, so that no two wait for each other.
    for (field, value) in [("name", &spec.name), ("clientToken", &spec.client_token)] {
        let Some(value) = value else { continue };
        let is_field = format!("{field}={}", escaped(value));
        reserve(context, key, look, flow, &is_field).await;
        for is_it in
            [format!("spec.flowRef.name={flow},spec.{is_field}"), format!("status.accepted.{is_field}")]
        {
            siblings.extend(listed(context, key, &format!("{is_it},status.phase!=Rejected")).await?);
        }
    }
    if let Some(name) = &spec.name {
        siblings.extend(object_named(context, key, name).await?);
    }
    siblings.retain(|other| other.flow == *flow);
    Ok(siblings)
}

/// The other Execution that goes on under the name of one that is asked for again: that of its run, which its Flow
/// may have let another one take after the end. As with [`siblings`], no two of them look at once.
async fn open_namesake(
    context: &Context,
    key: &Key,
    look: &mut Look,
    (seen, status): (&Seen, &ExecutionStatus),
) -> Result<Option<String>, Unavailable> {
    // What was never accepted is admitted like any other.
    if status.accepted.is_none() {
        return Ok(None);
    }
    let (name, flow) = (seen.facts.run_name(status), seen.facts.run_flow(status));
    let is_named = format!("name={}", escaped(name));
    reserve(context, key, look, flow, &is_named).await;
    let mut others =
        listed(context, key, &format!("status.accepted.{is_named},status.phase=Running")).await?;
    others.extend(object_named(context, key, name).await?);
    let is_open = |other: &Sibling| {
        other.uid != seen.facts.uid
            && other.flow == flow
            && other.name == name
            && other.phase == Phase::Running
    };
    Ok(others.into_iter().find(is_open).map(|other| other.object))
}

async fn reserve(context: &Context, key: &Key, look: &mut Look, flow: &str, is_field: &str) {
    look.reservations.push(context.reservations.take(format!("{}/{flow}/{is_field}", key.namespace)).await);
}

async fn listed(context: &Context, key: &Key, selector: &str) -> Result<Vec<Sibling>, Unavailable> {
    let list = context.api.list::<Execution>(&key.namespace, selector).await;
    let list = list.map_err(|error| Unavailable(error.to_string()))?;
    Ok(list.iter().filter_map(Sibling::of).collect())
}

/// A name may be that of another object, which then runs under it.
async fn object_named(context: &Context, key: &Key, name: &str) -> Result<Option<Sibling>, Unavailable> {
    if name == key.name || !is_name(name) {
        return Ok(None);
    }
    let other = context.api.get::<Execution>(&Key::new(&key.namespace, name)).await;
    let other = other.map_err(|error| Unavailable(error.to_string()))?;
    Ok(other.as_ref().and_then(Sibling::of))
}

/// A value as field selectors are written.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=")
}
