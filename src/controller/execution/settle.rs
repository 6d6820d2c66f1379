//! Executions that have ended, or are being deleted, and that others depend on: their children, as the child
//! policy says, and whoever is told of their end. They are held by a finalizer until that is done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;
use tracing::{debug, warn};

use super::finalizers;
use super::registry::Registry;
use super::seen::Seen;
use super::telling::{self, Hitch, Next, Untold};
use crate::api::condition::{self, ConditionStatus, ConditionType};
use crate::api::execution::{AcceptedCallback, CAUSE_CHARS_MAX, ChildPolicy, ERROR_CHARS_MAX};
use crate::api::task_report::ReportOutcome;
use crate::api::{
    Condition, DEFAULT_SERVICE_ACCOUNT, Execution, ExecutionSpec, ExecutionStatus, FINALIZER_DEPENDENTS,
    LABEL_AWAITED, LABEL_EXECUTION, LABEL_PARENT_UID, Payload, Phase, Reason, TaskReport, TaskReportSpec,
};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::backoff::Backoff;
use crate::cluster::data::ReadError;
use crate::cluster::object::{Key, Stored};
use crate::controller::context::Context;
use crate::controller::notice::{Notice, Notices};
use crate::controller::report::place_of;
use crate::driver::child::outcome::{self, End};
use crate::driver::child::policy::{self, Wish};
use crate::driver::child::runner::output_of;
use crate::driver::tenure::Tenure;
use crate::engine::TokenKey;

/// How long to wait before something is tried again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));

/// How often it is tried for an Execution that somebody wants gone, before it is let go: its namespace may be
/// going, and nothing can be made there any more.
const TRIES_WHILE_DELETING: u32 = 6;

/// What settling needs.
#[derive(Clone)]
pub struct Settling {
    api: ApiServer,
    tenure: Arc<Tenure>,
    notices: Notices,
    token_key: TokenKey,
    executions: Arc<Registry>,
    /// What keeps ends from being told, by the uids of the runs.
    hitches: Arc<Mutex<HashMap<String, Hitch>>>,
    /// Uids of those that are at it, and whether to begin again: they have ended once more.
    at_work: Arc<Mutex<HashMap<String, bool>>>,
}

impl Settling {
    /// What settling needs.
    #[must_use]
    pub fn new(
        api: ApiServer,
        tenure: Arc<Tenure>,
        notices: Notices,
        token_key: TokenKey,
        executions: Arc<Registry>,
    ) -> Self {
        let (hitches, at_work) = (Arc::default(), Arc::default());
        Self { api, tenure, notices, token_key, executions, hitches, at_work }
    }

    /// What keeps the end of a run from being told.
    #[must_use]
    pub fn hitch(&self, uid: &str) -> Option<Hitch> {
        self.hitches().get(uid).cloned()
    }

    /// Whether dependents of a run are being dealt with.
    #[must_use]
    pub fn is_at_work(&self, uid: &str) -> bool {
        self.at_work().contains_key(uid)
    }

    /// Notes what keeps an end from being told, or that nothing does, and has it said.
    fn note(&self, key: &Key, uid: &str, hitch: Option<Hitch>) {
        let before = match hitch.clone() {
            Some(hitch) => self.hitches().insert(uid.to_owned(), hitch),
            None => self.hitches().remove(uid),
        };
        if before != hitch {
            self.executions.look_at(key);
        }
    }

    fn hitches(&self) -> std::sync::MutexGuard<'_, HashMap<String, Hitch>> {
        self.hitches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_work(&self) -> std::sync::MutexGuard<'_, HashMap<String, bool>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of the children of a run.
#[must_use]
pub fn child_policy(status: &ExecutionStatus) -> ChildPolicy {
    status.effective.as_ref().and_then(|effective| effective.child_policy).unwrap_or_default()
}

/// Deals with the dependents of an Execution that has ended or is being deleted, if it has any.
pub fn begin(context: &Context, key: &Key, seen: &Seen) {
    let uid = &seen.facts.uid;
    if !seen.is_held {
        return;
    }
    if let Some(again) = context.settling.at_work().get_mut(uid) {
        *again = true;
        return;
    }
    context.settling.at_work().insert(uid.clone(), false);
    let (settling, key, uid) = (context.settling.clone(), key.clone(), uid.clone());
    context.settling.tenure.spawn(async move {
        loop {
            settle(&settling, &key, &uid).await;
            let mut at_work = settling.at_work();
            if !at_work.get_mut(&uid).is_some_and(std::mem::take) {
                at_work.remove(&uid);
                return;
            }
        }
    });
}

/// What the dependents of an Execution wait for.
enum Waits {
    /// That whatever is in the way is mended.
    Mended(String),
    /// That its status says what became of telling its end, which takes one write.
    Said,
}

impl From<String> for Waits {
    fn from(why: String) -> Self {
        Self::Mended(why)
    }
}

impl From<ApiError> for Waits {
    fn from(error: ApiError) -> Self {
        Self::Mended(error.to_string())
    }
}

/// How often it was tried.
#[derive(Clone, Copy, Default)]
struct Tries {
    all: u32,
    /// Since somebody wants it gone.
    deleting: u32,
}

/// Until it is done, or the term ends.
async fn settle(settling: &Settling, key: &Key, uid: &str) {
    let (mut mending, mut saying, mut tries) = (RETRY, RETRY, Tries::default());
    while settling.tenure.is_valid() {
        match try_settle(settling, key, uid, &mut tries).await {
            Ok(version) => {
                if let Some(version) = version {
                    settling.executions.wrote(version);
                }
                settling.note(key, uid, None);
                return;
            }
            Err(Waits::Mended(why)) => {
                warn!(execution = %key, why, "the dependents of an Execution wait");
                mending.pause().await;
            }
            Err(Waits::Said) => saying.pause().await,
        }
    }
}

/// Gives the version in which the finalizer is gone.
async fn try_settle(
    settling: &Settling,
    key: &Key,
    uid: &str,
    tries: &mut Tries,
) -> Result<Option<u64>, Waits> {
    let api = &settling.api;
    let object: Option<Stored<Execution>> = api.get(key).await?;
    let is_held =
        |object: &Stored<Execution>| object.uid() == uid && object.has_finalizer(FINALIZER_DEPENDENTS);
    let Some(object) = object.filter(is_held) else { return Ok(None) };
    let status: ExecutionStatus = object.decode_status()?;
    if !status.phase.is_ended() && !object.is_deleting() {
        // It was taken up again.
        return Ok(None);
    }
    tries.all += 1;
    tries.deleting += u32::from(object.is_deleting());
    let dealt = match ask_children(api, key, uid, &status).await {
        Ok(()) => tell(settling, &object, &status, tries.all).await,
        Err(error) => Err(error.into()),
    };
    match dealt {
        Err(Waits::Mended(why)) if object.is_deleting() && tries.deleting >= TRIES_WHILE_DELETING => {
            let note = format!("deleted before its dependents were dealt with: {why}");
            warn(settling, &object, "DependentsLeft", note);
        }
        dealt => dealt?,
    }
    match finalizers::remove(api, &object).await {
        Ok(version) => Ok(Some(version)),
        Err(ApiError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tells whoever waits for the end, and has it said what became of that. An error where it is to be tried again.
async fn tell(
    settling: &Settling,
    object: &Stored<Execution>,
    status: &ExecutionStatus,
    tries: u32,
) -> Result<(), Waits> {
    let tried = tell_callback(settling, object, status).await;
    match telling::next(tried, &status.conditions, tries, object.is_deleting()) {
        Next::LetGo(None) => Ok(()),
        Next::LetGo(Some(why)) => {
            warn(settling, object, "CallbackLost", format!("nobody can be told how the run ended: {why}"));
            Ok(())
        }
        Next::Say(hitch) => {
            let waits = match &hitch {
                Hitch::Passing(why) => Waits::Mended(why.clone()),
                Hitch::Final(_) | Hitch::Over => Waits::Said,
            };
            settling.note(&object.key(), object.uid(), Some(hitch));
            Err(waits)
        }
        Next::Again(why) => Err(Waits::Mended(why)),
    }
}

/// The child policy acts when a run is terminated, takes too long, or is deleted while it runs. Children that
/// were waited for are not left behind by any other end either.
async fn ask_children(
    api: &ApiServer,
    key: &Key,
    uid: &str,
    status: &ExecutionStatus,
) -> Result<(), ApiError> {
    let what = match status.phase {
        Phase::TimedOut => "took longer than its time-out",
        Phase::Stopped => "was stopped",
        Phase::Starting | Phase::Running => "was deleted",
        Phase::Succeeded | Phase::Failed | Phase::Rejected => "has ended",
    };
    let cause = format!("Execution `{}`, which has started it, {what}", key.name);
    let Some(wish) = Wish::of(child_policy(status), &cause) else { return Ok(()) };
    let awaited = if policy_acts(status) { String::new() } else { format!(",{LABEL_AWAITED}=true") };
    let labels = format!("{LABEL_PARENT_UID}={uid}{awaited}");
    for child in policy::open_children(api, &key.namespace, &labels).await? {
        let is_asked = policy::ask(api, &child, uid, &wish).await?;
        debug!(execution = %key, %child, is_asked, "child policy");
    }
    Ok(())
}

/// Whether the end of a run, or its deletion where it has none, is one at which the child policy acts.
#[must_use]
pub fn policy_acts(status: &ExecutionStatus) -> bool {
    let is_terminated =
        |said: &Condition| said.reason == Reason::Terminated && said.status == ConditionStatus::False;
    match status.phase {
        Phase::TimedOut | Phase::Starting | Phase::Running => true,
        Phase::Stopped => {
            condition::find(&status.conditions, ConditionType::Succeeded).is_some_and(is_terminated)
        }
        Phase::Succeeded | Phase::Failed | Phase::Rejected => false,
    }
}

/// Tells whoever waits for it how the run ended: by a TaskReport whose name is derived from the run, so that it is
/// told once however often this is tried.
async fn tell_callback(
    settling: &Settling,
    object: &Stored<Execution>,
    status: &ExecutionStatus,
) -> Result<(), Untold> {
    let callback = match &status.accepted {
        Some(accepted) => accepted.callback.clone(),
        None => {
            let spec: ExecutionSpec = object.decode_spec().map_err(Untold::Now)?;
            spec.callback.map(|callback| telling::accepted(&callback, &settling.token_key))
        }
    };
    let Some(callback) = &callback else { return Ok(()) };
    let key = object.key();
    let token = token_of(settling, &key, status, callback).await?;
    let namespace = place_of(&settling.token_key, &token).map_or(key.namespace.clone(), |at| at.namespace);
    let end = end_of(settling, object, status).await.map_err(Untold::Now)?;
    let report = report_of(&key, object.uid(), token, end);
    // Whoever refuses it may quote it.
    let why =
        |why: String| format!("a TaskReport cannot be made: {}", why.replace(&report.spec.task_token, "…"));
    match settling.api.create(&namespace, &report).await {
        Ok(()) | Err(ApiError::Conflict) => Ok(()),
        Err(ApiError::Refused { message, .. } | ApiError::Forbidden(message)) => {
            Err(Untold::Until(why(message)))
        }
        Err(ApiError::NotFound) => Err(Untold::Until(why(format!("there is no namespace {namespace}")))),
        Err(error) => Err(Untold::Now(why(error.to_string()))),
    }
}

async fn end_of(
    settling: &Settling,
    object: &Stored<Execution>,
    status: &ExecutionStatus,
) -> Result<End, String> {
    let key = object.key();
    match output_of(&settling.api, &key, object.uid(), status).await {
        Ok(output) => Ok(outcome::end_of(status, output).unwrap_or_else(|| outcome::removed(&key.name))),
        Err(ReadError::Lost(why)) => Ok(outcome::lost(&why)),
        Err(ReadError::Api(error)) => Err(error.to_string()),
    }
}

fn report_of(key: &Key, uid: &str, token: String, end: End) -> TaskReport {
    let cut = |text: &str, max: usize| condition::cut(text.to_owned(), max);
    let (outcome, output, error, cause) = match end {
        End::Succeeded(output) => (ReportOutcome::Succeeded, Some(Payload::from(&output)), None, None),
        End::Failed { error, cause } => {
            let (error, cause) = (cut(&error, ERROR_CHARS_MAX), cut(&cause, CAUSE_CHARS_MAX));
            (ReportOutcome::Failed, None, Some(error), Some(cause))
        }
    };
    let labels = [(LABEL_EXECUTION.to_owned(), key.name.clone())];
    let metadata = ObjectMeta {
        name: Some(format!("callback-{uid}")),
        labels: Some(labels.into()),
        ..ObjectMeta::default()
    };
    TaskReport {
        metadata,
        spec: TaskReportSpec { task_token: token, outcome, output, error, cause },
        status: None,
    }
}

async fn token_of(
    settling: &Settling,
    key: &Key,
    status: &ExecutionStatus,
    callback: &AcceptedCallback,
) -> Result<String, Untold> {
    let Some(source) = &callback.task_token_from else {
        return telling::token_again(callback, &settling.token_key).map_err(Untold::Never);
    };
    let reference = &source.secret_key_ref;
    let account = status.effective.as_ref().and_then(|effective| effective.service_account_name.as_deref());
    let api = settling.api.acting_as(&key.namespace, account.unwrap_or(DEFAULT_SERVICE_ACCOUNT));
    let secret = api.read::<Secret>(&Key::new(&key.namespace, &reference.name)).await;
    let name = &reference.name;
    let missing = |why: String| Untold::Until(format!("Secret {name} {why}"));
    let secret = match secret {
        Ok(Some(secret)) => secret,
        Ok(None) => return Err(missing("does not exist".to_owned())),
        Err(ApiError::Forbidden(message)) => return Err(missing(format!("cannot be read: {message}"))),
        Err(error) => return Err(Untold::Now(error.to_string())),
    };
    let bytes = secret.data.unwrap_or_default().remove(&reference.key);
    let bytes = bytes.ok_or_else(|| missing(format!("has no key `{}`", reference.key)))?;
    let text = String::from_utf8(bytes.0)
        .map_err(|_| missing(format!("has a key `{}` that is no text", reference.key)))?;
    let token = text.trim();
    // What else is in a Secret is not published in a TaskReport.
    settling
        .token_key
        .verify(token)
        .ok_or_else(|| missing(format!("holds no token of this installation under `{}`", reference.key)))?;
    Ok(token.to_owned())
}

fn warn(settling: &Settling, object: &Stored<Execution>, reason: &'static str, note: String) {
    settling.notices.give(Notice {
        kind: "Execution",
        key: object.key(),
        uid: object.uid().to_owned(),
        reason,
        note,
        action: "Settle",
        is_warning: true,
    });
}
