//! Doing what runs ask for: every effect is idempotent by the id of the task it belongs to.
//!
//! The driver is told which tasks of a run are to be going on ([`Driver::keep_going`]) and makes it so:
//! it begins what is not going on, ends what is no longer wanted, and leaves the rest alone. Being told
//! the same twice is being told once. What comes of the tasks is [`News`].

pub mod binding;
mod call;
pub mod egress;
pub mod http;
pub mod job;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::api::flow::Binding;
use crate::cluster::api_server::ApiServer;
use crate::cluster::object::Key;
use crate::engine::{Report, TaskCommand, TaskError, TaskId};
use crate::ir::ErrorKind;

use binding::Executor;
use http::HttpCaller;
use job::runner::JobRunner;

/// The run that tasks belong to.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The Execution.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// Account that everything is done as.
    pub service_account: String,
    /// What resources mean.
    pub bindings: Arc<[Binding]>,
}

/// Something was learned of a task.
#[derive(Clone, Debug)]
pub struct News {
    /// The Execution.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// The attempt.
    pub task: TaskId,
    /// What.
    pub what: What,
}

/// What was learned of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// What came of it.
    Report(Report),
    /// It cannot be begun before somebody mends something.
    Blocked(String),
    /// It takes its time to begin.
    Pending(String),
    /// Nothing stands in its way any more.
    Clear,
    /// Something of it is left over that its run may not know of.
    LeftOver,
}

/// Does tasks.
pub struct Driver {
    http: HttpCaller,
    jobs: Arc<JobRunner>,
    api: ApiServer,
    news: UnboundedSender<News>,
    /// Calls that are out, by the uid of their run.
    calls: Mutex<HashMap<String, HashMap<TaskId, AbortHandle>>>,
    /// Nothing new begins: the controller ends.
    begins_nothing: AtomicBool,
}

impl Driver {
    /// A driver that tells its news to `news`.
    #[must_use]
    pub fn new(http: HttpCaller, jobs: Arc<JobRunner>, api: ApiServer, news: UnboundedSender<News>) -> Self {
        Self { http, jobs, api, news, calls: Mutex::default(), begins_nothing: AtomicBool::new(false) }
    }

    /// Makes these tasks of a run, and no others, go on. `is_stopping`: nothing begins, and what can be
    /// asked to end is asked to.
    pub fn keep_going(&self, owner: &Owner, tasks: &[TaskCommand], is_stopping: bool) {
        if self.begins_nothing.load(Ordering::Acquire) {
            return;
        }
        let wanted: HashSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
        self.end_calls(&owner.uid, |id| !wanted.contains(id));
        let mut jobs = Vec::new();
        for task in tasks {
            match binding::resolve(&task.resource, &owner.bindings) {
                Executor::Job | Executor::JobTemplate(_) => jobs.push(task),
                Executor::Http | Executor::Post(_) if task.is_accepted => {}
                Executor::Http | Executor::Post(_) => self.call(owner, task, is_stopping),
                Executor::Unbound => self.tell(owner, &task.id, What::Report(Report::Failed(unbound(task)))),
            }
        }
        self.jobs.keep_going(owner, &jobs, is_stopping);
    }

    /// Ends everything of a run that is over or gone, and lets go of what it held.
    pub fn let_go(&self, uid: &str) {
        self.end_calls(uid, |_| true);
        self.jobs.let_go(uid);
    }

    /// From now on nothing begins and nothing is let go of; what is out goes on.
    pub fn begin_nothing(&self) {
        self.begins_nothing.store(true, Ordering::Release);
    }

    /// Calls that are out.
    #[must_use]
    pub fn calls_out(&self) -> usize {
        self.locked().values().flat_map(HashMap::values).filter(|call| !call.is_finished()).count()
    }

    fn call(&self, owner: &Owner, task: &TaskCommand, is_stopping: bool) {
        let mut calls = self.locked();
        let calls = calls.entry(owner.uid.clone()).or_default();
        // Also where it has ended: its report is on its way and counts once.
        if calls.contains_key(&task.id) {
            return;
        }
        if is_stopping {
            // It was out when an earlier controller ended; nobody will ever hear of it.
            let error =
                TaskError::named("HTTP.Canceled", "the execution was canceled and nothing is called again");
            self.tell(owner, &task.id, What::Report(Report::Failed(error)));
            return;
        }
        let (http, api, news) = (self.http.clone(), self.api.clone(), self.news.clone());
        let (owner, task_id, task) = (owner.clone(), task.id.clone(), task.clone());
        let call = tokio::spawn(async move {
            let report = call::answer(&http, &api, &owner, &task, &news).await;
            // The receiver is gone only when the controller ends.
            let _ =
                news.send(News { key: owner.key, uid: owner.uid, task: task.id, what: What::Report(report) });
        });
        calls.insert(task_id, call.abort_handle());
    }

    fn end_calls(&self, uid: &str, is_over: impl Fn(&TaskId) -> bool) {
        let mut calls = self.locked();
        let Some(of_run) = calls.get_mut(uid) else { return };
        of_run.retain(|id, call| {
            let is_over = is_over(id);
            if is_over {
                call.abort();
            }
            !is_over
        });
        if of_run.is_empty() {
            calls.remove(uid);
        }
    }

    fn tell(&self, owner: &Owner, task: &TaskId, what: What) {
        let (key, uid) = (owner.key.clone(), owner.uid.clone());
        let _ = self.news.send(News { key, uid, task: task.clone(), what });
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, HashMap<TaskId, AbortHandle>>> {
        // Nothing that holds the lock can panic half way.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unbound(task: &TaskCommand) -> TaskError {
    TaskError::of(
        ErrorKind::UnboundResource,
        format!(
            "nothing is bound to the resource `{}` of task `{}`: add it to spec.bindings of the Flow",
            task.resource,
            task.id.path()
        ),
    )
}

/// The key under which an attempt is done, for services that can tell a repetition from a new wish.
#[must_use]
pub fn idempotency_key(execution_id: &str, task: &TaskId) -> String {
    let digest = Sha256::digest(format!("{execution_id}/{task}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
