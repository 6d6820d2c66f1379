//! TaskReports: answers that outsiders give for tasks, and what becomes of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::runtime::watcher;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::context::Context;
use super::execution::answer::{Heard, Judged, Source};
use crate::api::condition::{self, Claim};
use crate::api::task_report::{ReportOutcome, ReportPhase};
use crate::api::{ConditionStatus, ConditionType, Reason, TaskReport, TaskReportSpec, TaskReportStatus};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::backoff::Backoff;
use crate::cluster::object::{Key, Stored};
use crate::cluster::watch::Change;
use crate::driver::tenure::Tenure;
use crate::engine::{Named, Report, TaskError, TaskErrorName, TokenKey};
use crate::ir::ErrorKind;
use crate::value::{Object, Value};

/// How long to wait before a status is written again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));

/// How often TaskReports that were judged long ago are removed: more often where they are kept for less.
const SWEEP_MIN: Duration = Duration::from_secs(1);
const SWEEP_MAX: Duration = Duration::from_secs(60);

/// What judging answers needs.
pub struct Reports {
    api: ApiServer,
    tenure: Arc<Tenure>,
    /// How long TaskReports are kept after they were judged. After a change of leader their making counts.
    kept: Duration,
    /// Uids of TaskReports that a run was asked about and that are not judged yet.
    in_hand: Arc<Mutex<HashSet<String>>>,
    /// When those were judged that were judged not long ago.
    judged: Arc<Mutex<HashMap<String, Instant>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds the lock can panic half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the Execution is that a token was made for; nothing for a token that is not ours.
#[must_use]
pub fn place_of(key: &TokenKey, token: &str) -> Option<Key> {
    execution_of(&key.verify(token)?)
}

fn execution_of(named: &Named) -> Option<Key> {
    let (namespace, name) = named.place.split_once('/')?;
    Some(Key::new(namespace, name))
}

impl Reports {
    /// What judging answers needs.
    #[must_use]
    pub fn new(api: ApiServer, tenure: Arc<Tenure>, kept: Duration) -> Self {
        Self { api, tenure, kept, in_hand: Arc::default(), judged: Arc::default() }
    }

    /// Says what has become of an answer for a task of an Execution.
    pub fn judge(&self, judged: Judged, execution: &Key) {
        let Judged { source, task, refusal } = judged;
        let verdict = match refusal {
            None => (
                Reason::Delivered,
                format!("task `{}` of Execution {} has taken it", task.path(), execution.name),
            ),
            Some(why) => (Reason::TaskNotWaiting, why),
        };
        let of = Some((execution.name.clone(), task.to_string()));
        self.write(source, verdict, of);
    }

    fn write(&self, source: Source, (reason, message): (Reason, String), of: Option<(String, String)>) {
        let (api, tenure) = (self.api.clone(), self.tenure.clone());
        let (in_hand, judged) = (self.in_hand.clone(), self.judged.clone());
        let status = status_of(reason, message, of, source.generation);
        self.tenure.spawn(async move {
            put(&api, &tenure, &source, &status).await;
            locked(&judged).insert(source.uid.clone(), Instant::now());
            locked(&in_hand).remove(&source.uid);
        });
    }
}

fn status_of(
    reason: Reason,
    message: String,
    of: Option<(String, String)>,
    generation: i64,
) -> TaskReportStatus {
    let is_taken = reason == Reason::Delivered;
    let says = |type_, is_true: bool| {
        let status = if is_true { ConditionStatus::True } else { ConditionStatus::False };
        Claim::new(type_, status, reason, &*message)
    };
    let claims = vec![says(ConditionType::Ready, is_taken), says(ConditionType::Stalled, !is_taken)];
    let (execution, task) = of.unzip();
    TaskReportStatus {
        conditions: condition::merge(&[], claims, generation, Timestamp::now()),
        phase: if is_taken { ReportPhase::Accepted } else { ReportPhase::Refused },
        observed_generation: generation,
        execution,
        task,
    }
}

/// Writes a status, however often that takes.
async fn put(api: &ApiServer, tenure: &Tenure, source: &Source, status: &TaskReportStatus) {
    let Ok(text) = serde_json::to_string(status) else { return };
    let (mut backoff, mut version) = (RETRY, source.version);
    while tenure.is_valid() {
        match api.put_status::<TaskReport>(&source.key, &source.uid, version, &text).await {
            Ok(_) | Err(ApiError::NotFound) => return,
            // Labels, say. Its spec never changes.
            Err(ApiError::Conflict) => match api.get::<TaskReport>(&source.key).await {
                Ok(Some(object)) if object.uid() == source.uid => version = object.version(),
                Ok(_) => return,
                Err(error) => warn!(report = %source.key, %error, "a TaskReport cannot be read"),
            },
            Err(error) => warn!(report = %source.key, %error, "the status of a TaskReport cannot be written"),
        }
        backoff.pause().await;
    }
}

/// Those that were not judged yet.
#[must_use]
pub fn pending() -> watcher::Config {
    watcher::Config::default().fields("status.phase!=Accepted,status.phase!=Refused")
}

/// Asks runs about the answers that a watch shows; says when it has done so for all that there are.
pub async fn follow(
    context: Arc<Context>,
    mut changes: mpsc::Receiver<Change<Stored<TaskReport>>>,
    listed: oneshot::Sender<()>,
) {
    let mut listed = Some(listed);
    while let Some(change) = changes.recv().await {
        match change {
            Change::Seen(object) => take_in(&context, &object),
            Change::Listed => {
                if let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
            Change::Gone(_) | Change::Listing => {}
        }
    }
}

fn take_in(context: &Context, object: &Stored<TaskReport>) {
    if object.is_deleting() || !locked(&context.reports.in_hand).insert(object.uid().to_owned()) {
        return;
    }
    let key = object.key();
    let source = Source {
        key: key.clone(),
        uid: object.uid().to_owned(),
        version: object.version(),
        generation: object.generation(),
    };
    let refuse = |reason, why: String| context.reports.write(source.clone(), (reason, why), None);
    let spec: TaskReportSpec = match object.decode_spec() {
        Ok(spec) => spec,
        Err(why) => return refuse(Reason::InputInvalid, why),
    };
    let named = context.token_key.verify(&spec.task_token);
    let Some((named, execution)) = named.and_then(|named| execution_of(&named).map(|at| (named, at))) else {
        let why = "spec.taskToken is no token of this installation: it was cut, or was made elsewhere";
        return refuse(Reason::InvalidToken, why.to_owned());
    };
    if execution.namespace != key.namespace {
        let why =
            format!("spec.taskToken is for an Execution of namespace {}: answer there", execution.namespace);
        return refuse(Reason::InvalidToken, why);
    }
    let report = match report_of(&spec) {
        Ok(report) => report,
        Err(why) => return refuse(Reason::InputInvalid, why),
    };
    let heard = Heard { task: named.task.clone(), report, from: Some(source.clone()) };
    debug!(report = %key, %execution, task = %named.task, "somebody has answered");
    if !context.executions.answered(&execution, &named.execution, heard) {
        let judged = Judged {
            source,
            task: named.task,
            refusal: Some(format!("Execution {} is another one by now", execution.name)),
        };
        context.reports.judge(judged, &execution);
    }
}

fn report_of(spec: &TaskReportSpec) -> Result<Report, String> {
    match spec.outcome {
        ReportOutcome::Heartbeat => Ok(Report::Heartbeat),
        ReportOutcome::Succeeded => match &spec.output {
            None => Ok(Report::Succeeded(Value::Object(Object::default()))),
            Some(output) => {
                output.parse().map(Report::Succeeded).map_err(|error| format!("spec.output is {error}."))
            }
        },
        ReportOutcome::Failed => {
            let name = match spec.error.as_deref().filter(|error| !error.is_empty()) {
                Some(error) => TaskErrorName::Named(error.into()),
                None => TaskErrorName::Kind(ErrorKind::Unnamed),
            };
            let cause = spec.cause.as_deref().map(Into::into);
            Ok(Report::Failed(TaskError { name, cause, retry_after_seconds: None }))
        }
    }
}

/// Removes TaskReports that were judged long enough ago, for as long as the term lasts.
pub async fn sweep(context: Arc<Context>, scope: Option<String>) {
    let kept = context.reports.kept;
    let mut ticks = tokio::time::interval(kept.clamp(SWEEP_MIN, SWEEP_MAX));
    loop {
        ticks.tick().await;
        locked(&context.reports.judged).retain(|_, at| at.elapsed() < kept);
        if let Err(error) = remove_old(&context, scope.as_deref()).await {
            warn!(%error, "TaskReports that were judged cannot be removed");
        }
    }
}

async fn remove_old(context: &Context, scope: Option<&str>) -> Result<(), ApiError> {
    let now = Timestamp::now();
    let kept_seconds = i64::try_from(context.reports.kept.as_secs()).unwrap_or(i64::MAX);
    for phase in ["Accepted", "Refused"] {
        let judged = format!("status.phase={phase}");
        for metadata in context.api.list_metadata::<TaskReport>(scope, "", &judged).await? {
            let (Some(namespace), Some(name)) = (metadata.namespace, metadata.name) else { continue };
            let made_at = metadata.creation_timestamp.map_or(now, |at| at.0);
            let is_old = now.duration_since(made_at).as_secs() >= kept_seconds;
            let is_recent = locked(&context.reports.judged).contains_key(&metadata.uid.unwrap_or_default());
            if is_old && !is_recent && context.leadership.is_valid() {
                context.api.delete::<TaskReport>(&Key::new(namespace, name)).await?;
            }
        }
    }
    Ok(())
}
