//! Making, watching and letting go of Jobs.
//!
//! A Job carries a finalizer until its result is committed, and a label from then on, by which it leaves
//! the watch. Whatever Jobs of a run there are, wanted or not, is known from the watch; so after a
//! restart those that are wanted are adopted, and those that nobody wants any more are let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tokio::sync::mpsc::UnboundedSender;
use tracing::warn;

use crate::api::{ANNOTATION_TASK, LABEL_EXECUTION, LABEL_EXECUTION_UID};
use crate::cluster::api_server::{ApiError, ApiServer, collection, path_of};
use crate::cluster::backoff::Backoff;
use crate::cluster::object::Key;
use crate::cluster::watch::Listed;
use crate::driver::binding::{Executor, executor_of};
use crate::driver::call::wait_until;
use crate::driver::tenure::Tenure;
use crate::driver::{News, Owner, What};
use crate::engine::{Report, TaskCommand, TaskError, TaskId};

use super::manifest::{self, job_name};
use super::outcome::{Standing, recheck_after, standing, terminated_phase};

/// When a pod that does not run yet is worth a word in the status.
const PENDING_AFTER: Duration = Duration::from_secs(30);

/// How long to wait before something that somebody has to mend is tried again.
const BLOCKED_RETRY: Duration = Duration::from_secs(10);

/// How long to wait before the API server is asked again.
pub(super) const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));

/// Label by which a pod names its Job.
const LABEL_JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Does tasks by Jobs.
pub struct JobRunner {
    pub(super) api: ApiServer,
    news: UnboundedSender<News>,
    pub(super) tenure: Arc<Tenure>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Jobs that were not let go of, as the watch shows them.
    pub(super) jobs: BTreeMap<Key, Job>,
    /// The pod of each of them.
    pub(super) pods: BTreeMap<Key, Pod>,
    /// Jobs that are wanted.
    pub(super) wanted: BTreeMap<Key, Wanted>,
    /// Jobs that are being let go of.
    pub(super) releasing: BTreeSet<Key>,
}

#[derive(Clone, Debug)]
pub(super) struct Wanted {
    execution: Key,
    pub(super) uid: String,
    task: TaskId,
    /// Whether its end was told.
    is_told: bool,
    /// Whether somebody was told that it takes its time.
    pending: Option<String>,
    /// Whether its end was asked for.
    is_ending: bool,
}

/// In what order a Job and its pods are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagation {
    /// The Job, and its pods once it is gone. It is not gone before it was let go of.
    Background,
    /// The pods, and the Job once they are gone.
    Foreground,
}

impl Propagation {
    fn name(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }
}

impl JobRunner {
    /// A runner that tells its news to `news`.
    #[must_use]
    pub fn new(api: ApiServer, news: UnboundedSender<News>, tenure: Arc<Tenure>) -> Self {
        Self { api, news, tenure, state: Mutex::default() }
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the Jobs of these tasks of a run, and no others, go on.
    pub fn keep_going(self: &Arc<Self>, owner: &Owner, tasks: &[&TaskCommand], is_stopping: bool) {
        let place = place_of(owner);
        let names: BTreeMap<Key, &TaskCommand> = tasks
            .iter()
            .map(|task| (Key::new(&owner.key.namespace, job_name(&place, &task.id)), *task))
            .collect();
        self.release(&owner.uid, |job| !names.contains_key(job));
        for (job, task) in names {
            let is_new = {
                let mut state = self.locked();
                let is_new = !state.wanted.contains_key(&job);
                let wanted = state.wanted.entry(job.clone()).or_insert_with(|| Wanted {
                    execution: owner.key.clone(),
                    uid: owner.uid.clone(),
                    task: task.id.clone(),
                    is_told: false,
                    pending: None,
                    is_ending: false,
                });
                if is_stopping && !wanted.is_ending {
                    wanted.is_ending = true;
                    self.tenure.spawn(self.clone().end(job.clone()));
                }
                is_new
            };
            if is_new {
                let exists = self.locked().jobs.contains_key(&job);
                if exists {
                    // Made by an earlier controller, or by this one before it lost its memory.
                    self.judge(&job, false);
                    self.tenure.spawn(self.clone().mention_pending(job));
                } else if !is_stopping {
                    self.tenure.spawn(self.clone().make(owner.clone(), task.clone(), job));
                }
            }
        }
    }

    /// Lets go of all Jobs of a run.
    pub fn let_go(self: &Arc<Self>, uid: &str) {
        self.release(uid, |_| true);
    }

    /// A Job is as the watch shows it.
    pub fn job_seen(self: &Arc<Self>, job: Job) {
        let key = key_of(&job.metadata);
        let owner = owner_of(&job);
        let is_wanted = {
            let mut state = self.locked();
            state.jobs.insert(key.clone(), job);
            state.wanted.contains_key(&key)
        };
        match owner {
            _ if is_wanted => self.judge(&key, false),
            // Its run may want it, or be gone: whoever knows the run decides.
            Some((execution, uid, task)) => self.tell(execution, uid, task, What::LeftOver),
            None => {}
        }
    }

    /// A Job is gone, or was let go of.
    pub fn job_gone(&self, job: &Job) {
        let key = key_of(&job.metadata);
        {
            let mut state = self.locked();
            state.jobs.remove(&key);
            state.pods.remove(&key);
            state.releasing.remove(&key);
        }
        let cause = format!("Job `{}` was removed before its task was done", key.name);
        self.tell_end(&key, TaskError::named("Job.Deleted", cause));
    }

    /// Tells the end of a wanted Job that nothing else will tell, unless it was told.
    fn tell_end(&self, key: &Key, error: TaskError) {
        let wanted = {
            let mut state = self.locked();
            let Some(wanted) = state.wanted.get_mut(key).filter(|wanted| !wanted.is_told) else { return };
            wanted.is_told = true;
            wanted.clone()
        };
        self.tell(wanted.execution, wanted.uid, wanted.task, What::Report(Report::Failed(error)));
    }

    /// A pod is as the watch shows it.
    pub fn pod_seen(self: &Arc<Self>, pod: Pod) {
        let Some(job) = pod.labels().get(LABEL_JOB_NAME) else { return };
        let key = Key::new(pod.namespace().unwrap_or_default(), job);
        {
            let mut state = self.locked();
            if !state.wanted.contains_key(&key) && !state.jobs.contains_key(&key) {
                return;
            }
            state.pods.insert(key.clone(), pod);
        }
        self.judge(&key, false);
    }

    /// The watch has shown all Jobs there are: those that are wanted and were not among them are gone.
    pub fn all_jobs_seen(self: &Arc<Self>, listed: &Listed) {
        let gone: Vec<Job> = {
            let state = self.locked();
            state.jobs.iter().filter(|(key, _)| listed.lacks(key)).map(|(_, job)| job.clone()).collect()
        };
        gone.iter().for_each(|job| self.job_gone(job));
    }

    /// Says what a wanted Job says, if it says anything new.
    fn judge(self: &Arc<Self>, key: &Key, is_read: bool) {
        let mut state = self.locked();
        let Some(job) = state.jobs.get(key) else { return };
        let pod = state.pods.get(key);
        let now = Timestamp::now();
        let recheck = pod.and_then(recheck_after).filter(|at| *at > now);
        let standing = standing(job, pod, is_read, now);
        let Some(wanted) = state.wanted.get_mut(key).filter(|wanted| !wanted.is_told) else { return };
        let what = match standing {
            Standing::Ended(report) => {
                wanted.is_told = true;
                What::Report(report)
            }
            Standing::Unread => {
                drop(state);
                self.tenure.spawn(self.clone().read_and_judge(key.clone()));
                return;
            }
            Standing::Going if wanted.pending.take().is_some() => What::Clear,
            Standing::Pending(why) if wanted.pending.is_some() && wanted.pending.as_ref() != Some(&why) => {
                wanted.pending = Some(why.clone());
                What::Pending(why)
            }
            Standing::Going | Standing::Pending(_) => {
                drop(state);
                if let Some(at) = recheck {
                    let (this, key) = (self.clone(), key.clone());
                    self.tenure.spawn(async move {
                        wait_until(Some(at)).await;
                        this.judge(&key, false);
                    });
                }
                return;
            }
        };
        let wanted = wanted.clone();
        drop(state);
        self.tell(wanted.execution, wanted.uid, wanted.task, what);
    }

    /// Says that a Job whose pod does not run yet takes its time.
    async fn mention_pending(self: Arc<Self>, key: Key) {
        let made_at = self.locked().jobs.get(&key).and_then(|job| job.creation_timestamp());
        let age = made_at.and_then(|at| Duration::try_from(Timestamp::now().duration_since(at.0)).ok());
        tokio::time::sleep(PENDING_AFTER.saturating_sub(age.unwrap_or_default())).await;
        let is_seen = self.locked().pods.contains_key(&key);
        // The watch of a controller that has just begun may not have come to it.
        if !is_seen && let Err(error) = self.read_pod(&key).await {
            warn!(job = %key, %error, "the pods of a Job cannot be read");
        }
        let wanted = {
            let mut state = self.locked();
            let Some(job) = state.jobs.get(&key) else { return };
            let pod = state.pods.get(&key);
            let is_running = pod
                .and_then(|pod| pod.status.as_ref()?.phase.as_deref())
                .is_some_and(|phase| phase != "Pending");
            let why = match standing(job, pod, false, Timestamp::now()) {
                Standing::Pending(why) => why,
                Standing::Going if !is_running => "its pod does not run yet".to_owned(),
                Standing::Going | Standing::Unread | Standing::Ended(_) => return,
            };
            let Some(wanted) = state.wanted.get_mut(&key).filter(|wanted| !wanted.is_told) else { return };
            wanted.pending = Some(why);
            wanted.clone()
        };
        let why = wanted.pending.unwrap_or_default();
        self.tell(wanted.execution, wanted.uid, wanted.task, What::Pending(why));
    }

    fn tell(&self, key: Key, uid: String, task: TaskId, what: What) {
        // The receiver is gone only when the controller ends.
        let _ = self.news.send(News { key, uid, task, what });
    }

    /// Whether a Job is wanted, and anything may be begun for it.
    fn is_wanted(&self, key: &Key) -> bool {
        self.tenure.may_begin() && self.locked().wanted.contains_key(key)
    }

    /// Makes the Job of an attempt, however often that takes. Waits for its time first.
    async fn make(self: Arc<Self>, owner: Owner, task: TaskCommand, key: Key) {
        wait_until(task.not_before).await;
        let place = place_of(&owner);
        let job = match executor_of(&task, &owner.bindings) {
            Executor::JobTemplate(binding) => match &binding.job_template {
                Some(template) => manifest::from_template(&place, &task.id, template, &task.arguments),
                None => return,
            },
            Executor::Job
            | Executor::Http
            | Executor::HttpInvoke
            | Executor::Store(_)
            | Executor::Post(_)
            | Executor::Child
            | Executor::Unbound => manifest::from_arguments(&place, &task.id, &task.arguments),
        };
        let fail = |error: TaskError| {
            if let Some(wanted) = self.locked().wanted.get_mut(&key) {
                wanted.is_told = true;
            }
            let what = What::Report(Report::Failed(error));
            self.tell(owner.key.clone(), owner.uid.clone(), task.id.clone(), what);
        };
        let job = match job {
            Ok(job) => job,
            Err(error) => return fail(error),
        };
        let api = self.api.acting_as(&owner.key.namespace, &owner.service_account);
        let (mut backoff, mut was_blocked) = (RETRY, false);
        while self.is_wanted(&key) {
            match api.create(&owner.key.namespace, &job).await {
                Ok(()) => break,
                Err(ApiError::Conflict) => match self.adopt(&owner, &key).await {
                    Ok(true) => break,
                    Ok(false) => {
                        let cause = format!(
                            "the name `{}` is taken by a Job that is not of this execution",
                            key.name
                        );
                        return fail(TaskError::named("Job.NameTaken", cause));
                    }
                    Err(error) => warn!(job = %key, %error, "a Job cannot be read"),
                },
                Err(ApiError::Refused { message, .. }) => {
                    return fail(TaskError::named("Job.Invalid", message));
                }
                Err(ApiError::Forbidden(message)) => {
                    was_blocked = true;
                    let what = What::Blocked(format!("cannot create a Job: {message}"));
                    self.tell(owner.key.clone(), owner.uid.clone(), task.id.clone(), what);
                    backoff.skip_to(BLOCKED_RETRY);
                }
                // The namespace is gone or going.
                Err(error @ (ApiError::NotFound | ApiError::Unavailable(_))) => {
                    warn!(job = %key, %error, "a Job cannot be created");
                }
            }
            backoff.pause().await;
        }
        if was_blocked {
            self.tell(owner.key.clone(), owner.uid.clone(), task.id.clone(), What::Clear);
        }
        self.tenure.spawn(self.clone().mention_pending(key.clone()));
        self.judge(&key, false);
    }

    /// Takes up a Job that exists already, if it is of this execution.
    async fn adopt(self: &Arc<Self>, owner: &Owner, key: &Key) -> Result<bool, ApiError> {
        let Some(job) = self.api.read::<Job>(key).await? else {
            // Gone meanwhile; it will be made again.
            return Err(ApiError::Unavailable("the Job exists and does not exist".to_owned()));
        };
        let is_ours = job.labels().get(LABEL_EXECUTION_UID) == Some(&owner.uid);
        if is_ours {
            self.locked().jobs.insert(key.clone(), job);
        }
        Ok(is_ours)
    }

    /// Reads the pod of a Job that has ended, and judges it.
    async fn read_and_judge(self: Arc<Self>, key: Key) {
        let mut backoff = RETRY;
        while let Err(error) = self.read_pod(&key).await {
            warn!(job = %key, %error, "the pods of a Job cannot be read");
            backoff.pause().await;
        }
        self.judge(&key, true);
    }

    /// Reads the pod of a Job, one that has terminated if there is one.
    pub(super) async fn read_pod(&self, key: &Key) -> Result<(), ApiError> {
        let query = format!("{LABEL_JOB_NAME}={}", key.name);
        let path = format!("{}?labelSelector={}", collection::<Pod>(&key.namespace), urlencoded(&query));
        let text = self.api.send(Request::get(path), String::new()).await?;
        let pods: kube::core::ObjectList<Pod> =
            serde_json::from_str(&text).map_err(|error| ApiError::Unavailable(error.to_string()))?;
        if let Some(pod) = pods.items.into_iter().max_by_key(terminated_phase) {
            self.locked().pods.insert(key.clone(), pod);
        }
        Ok(())
    }

    /// Asks for the end of a Job whose end is awaited: of its pods first, so that the Job tells when they
    /// have ended.
    async fn end(self: Arc<Self>, key: Key) {
        let mut backoff = RETRY;
        while self.is_wanted(&key) {
            match self.delete(&key, Propagation::Foreground).await {
                Ok(()) => return,
                // It was never made, or is gone: that is its end.
                Err(ApiError::NotFound) => {
                    let cause = "the execution was canceled before the Job was made";
                    return self.tell_end(&key, TaskError::named("Job.Deleted", cause));
                }
                Err(error) => warn!(job = %key, %error, "a Job cannot be deleted"),
            }
            backoff.pause().await;
        }
    }

    /// Deletes a Job and its pods.
    pub(super) async fn delete(&self, key: &Key, propagation: Propagation) -> Result<(), ApiError> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation.name(),
        });
        let request = Request::delete(path_of::<Job>(key));
        self.tenure.checked(&self.api)?.send(request, options.to_string()).await.map(drop)
    }
}

fn place_of(owner: &Owner) -> manifest::Owner<'_> {
    manifest::Owner { namespace: &owner.key.namespace, name: &owner.key.name, uid: &owner.uid }
}

fn key_of(meta: &kube::core::ObjectMeta) -> Key {
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// The run and the attempt that a Job of ours was made for.
fn owner_of(job: &Job) -> Option<(Key, String, TaskId)> {
    let labels = job.labels();
    let (name, uid) = (labels.get(LABEL_EXECUTION)?, labels.get(LABEL_EXECUTION_UID)?);
    let task = job.annotations().get(ANNOTATION_TASK)?;
    Some((Key::new(job.namespace()?, name), uid.clone(), TaskId::from(&**task)))
}

/// A label selector in a query: it holds nothing but letters, digits and these signs.
fn urlencoded(selector: &str) -> String {
    selector.replace('/', "%2F").replace('=', "%3D")
}
