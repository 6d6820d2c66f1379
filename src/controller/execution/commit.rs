//! Writing what was decided: one write, over the version that was looked at.

use jiff::Timestamp;
use tracing::{debug, error, warn};

use super::decide::{self, Decision, Observed};
use super::finalizers;
use super::seen::Seen;
use super::status;
use crate::api::{Execution, ExecutionStatus};
use crate::cluster::api_server::ApiError;
use crate::cluster::object::Key;
use crate::controller::context::Context;
use crate::controller::metrics::WriteOutcome;

/// Proof that what was decided is written: only then is anything performed.
#[derive(Debug)]
pub enum Committed {
    /// It stands, now or already.
    Stands(Box<Seen>),
    /// What was decided cannot be written, and that is written.
    Faulted(Box<Seen>),
    /// The object is gone.
    Gone,
    /// Somebody else has written meanwhile.
    Conflict,
    /// It may be written later.
    Unavailable,
}

/// Writes a status, if there is one to write, and before it what it names.
pub async fn commit(
    context: &Context,
    key: &Key,
    seen: Seen,
    before: &Observed,
    decision: &Decision,
) -> Committed {
    let Some(status) = decision.status.as_deref() else { return Committed::Stands(Box::new(seen)) };
    if !context.leadership.is_valid() {
        return Committed::Unavailable;
    }
    if let Err(error) = write_contents(context, key, before, decision).await {
        return match error {
            ApiError::Refused { status, message } => {
                error!(execution = %key, %status, message, "ExecutionData were refused");
                let why = format!("the API server refuses ExecutionData ({status}): {message}");
                say_so(context, key, seen, before, &why).await
            }
            error @ (ApiError::Conflict
            | ApiError::NotFound
            | ApiError::Forbidden(_)
            | ApiError::Unavailable(_)) => {
                warn!(execution = %key, %error, "ExecutionData cannot be written");
                Committed::Unavailable
            }
        };
    }
    if !context.leadership.is_valid() {
        return Committed::Unavailable;
    }
    let seen = match hold(context, key, seen, decision).await {
        Ok(seen) => seen,
        Err(ApiError::Conflict) => return Committed::Conflict,
        Err(ApiError::NotFound) => return Committed::Gone,
        Err(error) => {
            warn!(execution = %key, %error, "a finalizer cannot be written");
            return Committed::Unavailable;
        }
    };
    match put(context, key, seen, status).await {
        Ok(seen) => Committed::Stands(seen),
        Err((seen, ApiError::Refused { status, message })) => {
            error!(execution = %key, %status, message, "a status was refused");
            say_so(
                context,
                key,
                *seen,
                before,
                &format!("the API server refuses the status ({status}): {message}"),
            )
            .await
        }
        Err((_, ApiError::Conflict)) => {
            debug!(execution = %key, "somebody else has written");
            Committed::Conflict
        }
        Err((_, ApiError::NotFound)) => Committed::Gone,
        Err((_, error @ (ApiError::Forbidden(_) | ApiError::Unavailable(_)))) => {
            warn!(execution = %key, %error, "a status cannot be written");
            Committed::Unavailable
        }
    }
}

/// Holds an Execution that others depend on, so that it does not go before they were dealt with. First: what
/// is committed may be performed at once.
async fn hold(context: &Context, key: &Key, seen: Seen, decision: &Decision) -> Result<Seen, ApiError> {
    if seen.is_held || !decision.has_dependents {
        return Ok(seen);
    }
    let version = finalizers::add(&context.api, key, &seen.facts.uid, seen.version).await?;
    context.executions.wrote(version);
    Ok(Seen { version, is_held: true, ..seen })
}

async fn write_contents(
    context: &Context,
    key: &Key,
    before: &Observed,
    decision: &Decision,
) -> Result<(), ApiError> {
    let note = |written: &Result<(), ApiError>| {
        context.metrics.data_write(match written {
            Ok(()) => WriteOutcome::Written,
            Err(_) => WriteOutcome::Failed,
        });
    };
    context.data.write(key, &before.facts.uid, &decision.contents, note).await
}

/// What cannot be stored is replaced by the least that can: the status as it was, with conditions that
/// say so. Trying the same again would never end.
async fn say_so(context: &Context, key: &Key, seen: Seen, before: &Observed, why: &str) -> Committed {
    let Some(status) = decide::fault(before, why).status else { return Committed::Faulted(Box::new(seen)) };
    match put(context, key, seen, &status).await {
        Ok(seen) => Committed::Faulted(seen),
        Err((_, ApiError::NotFound)) => Committed::Gone,
        Err((_, ApiError::Conflict)) => Committed::Conflict,
        Err((_, error)) => {
            error!(execution = %key, %error, "not even the least status can be written");
            Committed::Unavailable
        }
    }
}

async fn put(
    context: &Context,
    key: &Key,
    seen: Seen,
    status: &ExecutionStatus,
) -> Result<Box<Seen>, (Box<Seen>, ApiError)> {
    let text = match serde_json::to_string(status) {
        Ok(text) => text,
        Err(error) => return Err((Box::new(seen), ApiError::Unavailable(error.to_string()))),
    };
    let began = Timestamp::now();
    let written = context.api.put_status::<Execution>(key, &seen.facts.uid, seen.version, &text).await;
    context.metrics.status_write(
        match &written {
            Ok(_) => WriteOutcome::Written,
            Err(ApiError::Conflict) => WriteOutcome::Conflict,
            Err(_) => WriteOutcome::Failed,
        },
        began,
    );
    match written {
        Ok(version) => {
            context.executions.wrote(version);
            let spec = seen.spec.filter(|_| status.accepted.is_none());
            Ok(Box::new(Seen {
                version,
                phase: status.phase,
                is_in_line: status::is_in_line(status),
                flow_revision: status.flow_revision.clone(),
                spec,
                status: text.into(),
                ..seen
            }))
        }
        Err(error) => Err((Box::new(seen), error)),
    }
}
