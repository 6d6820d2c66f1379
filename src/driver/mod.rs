//! Doing what runs ask for: every effect is idempotent by the id of the task it belongs to.
//!
//! The driver is told which tasks of a run are to be going on ([`Driver::keep_going`]) and makes it so:
//! it begins what is not going on, ends what is no longer wanted, and leaves the rest alone. Being told
//! the same twice is being told once. What comes of the tasks is [`News`].

pub mod attempt;
pub mod binding;
mod call;
pub mod child;
pub mod egress;
pub mod http;
pub mod job;
pub mod object_store;
pub mod tenure;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::api::Phase;
use crate::api::execution::ChildPolicy;
use crate::api::flow::Binding;
use crate::cluster::api_server::ApiServer;
use crate::cluster::object::Key;
use crate::engine::{Report, TaskCommand, TaskError, TaskId};
use crate::ir::{Completion, ErrorKind};

use binding::Executor;
use child::runner::ChildRunner;
use http::HttpCaller;
use job::runner::JobRunner;
use object_store::run_store::RunStore;
use tenure::Tenure;

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
    /// What becomes of children that nobody waits for any more.
    pub child_policy: ChildPolicy,
    /// How deep it stands below the first of all parents.
    pub depth: i32,
    /// Whether it may have children of earlier terms.
    pub has_children: bool,
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
    children: Arc<ChildRunner>,
    api: ApiServer,
    store: Arc<RunStore>,
    news: UnboundedSender<News>,
    tenure: Arc<Tenure>,
    /// Calls that are out or wait for their time, by the uid of their run.
    calls: Mutex<HashMap<String, HashMap<TaskId, AbortHandle>>>,
}

impl Driver {
    /// A driver that tells its news to `news`.
    #[must_use]
    pub fn new(
        http: HttpCaller,
        jobs: Arc<JobRunner>,
        api: ApiServer,
        news: UnboundedSender<News>,
        tenure: Arc<Tenure>,
    ) -> Self {
        let store = Arc::new(RunStore::new(api.clone(), tenure.clone()));
        let children = Arc::new(ChildRunner::new(api.clone(), news.clone(), tenure.clone()));
        Self { http, jobs, children, api, store, news, tenure, calls: Mutex::default() }
    }

    /// Makes these tasks of a run, and no others, go on. `is_stopping`: nothing begins, and what can be
    /// asked to end is asked to.
    pub fn keep_going(&self, owner: &Owner, tasks: &[TaskCommand], is_stopping: bool) {
        if !self.tenure.may_begin() {
            return;
        }
        let wanted: HashSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
        self.end_calls(&owner.uid, |id| !wanted.contains(id));
        let (mut jobs, mut children) = (Vec::new(), Vec::new());
        for task in tasks {
            match binding::executor_of(task, &owner.bindings) {
                Executor::Job | Executor::JobTemplate(_) => jobs.push(task),
                // One that waits for its token has its child already.
                Executor::Child if task.is_accepted && task.completion != Completion::Job => {}
                Executor::Child => children.push(task),
                Executor::Http | Executor::HttpInvoke | Executor::Store(_) | Executor::Post(_)
                    if task.is_accepted => {}
                Executor::Http | Executor::HttpInvoke | Executor::Store(_) | Executor::Post(_) => {
                    self.call(owner, task, is_stopping);
                }
                Executor::Unbound => self.tell(owner, &task.id, What::Report(Report::Failed(unbound(task)))),
            }
        }
        self.jobs.keep_going(owner, &jobs, is_stopping);
        self.children.keep_going(owner, &children, is_stopping);
    }

    /// An Execution that has a parent stands like this.
    pub fn child_stands(&self, child: &Key, phase: Phase) {
        self.children.stands(child, phase);
    }

    /// Whether a task of its parent waits for an Execution; nothing where it is not known yet.
    #[must_use]
    pub fn is_waited_for(&self, child: &Key, parent_uid: &str) -> Option<bool> {
        self.children.is_waited_for(child, parent_uid)
    }

    /// An Execution is gone.
    pub fn child_gone(&self, child: &Key) {
        self.children.gone(child);
    }

    /// Ends everything of a run that is over or gone, and lets go of what it held.
    pub fn let_go(&self, uid: &str) {
        self.end_calls(uid, |_| true);
        self.jobs.let_go(uid);
        self.children.let_go(uid);
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
        let (store, tenure) = (self.store.clone(), self.tenure.clone());
        let (owner, task_id, task) = (owner.clone(), task.id.clone(), task.clone());
        let call = self.tenure.spawn(async move {
            let effect = call::prepare(&api, &owner, &task, &news).await;
            let answer = call::answer((&http, &api, &store), &tenure, &owner, &task, effect, &news).await;
            let Some(report) = answer else { return };
            // The receiver is gone only when the term ends.
            let _ =
                news.send(News { key: owner.key, uid: owner.uid, task: task.id, what: What::Report(report) });
        });
        calls.insert(task_id, call);
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use jiff::Timestamp;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::cluster::leader::Leadership;
    use crate::engine::ANSWER_BYTES_MAX;
    use crate::ir::Completion;
    use crate::value::Value;

    const PAUSE: Duration = Duration::from_millis(200);

    /// A driver whose term lasts so long, and before a service: a call in back-off.
    fn in_back_off(leads_for: Duration) -> (TcpListener, Driver, Arc<Tenure>, UnboundedReceiver<News>) {
        let service = TcpListener::bind("127.0.0.1:0").unwrap();
        service.set_nonblocking(true).unwrap();
        let nobody = tower::service_fn(|_: ::http::Request<kube::client::Body>| async {
            Err::<::http::Response<kube::client::Body>, _>(std::io::Error::other("nobody is asked"))
        });
        let api = ApiServer::new(kube::Client::new(nobody, "n"));
        let (news, news_out) = unbounded_channel();
        let tenure = Arc::new(Tenure::new(Leadership::lasting(leads_for)));
        let jobs = Arc::new(JobRunner::new(api.clone(), news.clone(), tenure.clone()));
        let http = HttpCaller::new(egress::Egress::open()).unwrap();
        let driver = Driver::new(http, jobs, api, news, tenure.clone());
        let owner = Owner {
            key: Key::new("n", "run"),
            uid: "u".to_owned(),
            service_account: "a".to_owned(),
            bindings: Arc::default(),
            child_policy: ChildPolicy::default(),
            depth: 0,
            has_children: false,
        };
        let url = format!("http://{}/", service.local_addr().unwrap());
        let task = TaskCommand {
            id: TaskId::from("a@2"),
            resource: "HTTP:Request".into(),
            arguments: Value::Object([("url", Value::from(url))].into_iter().collect()),
            completion: Completion::Response,
            not_before: Some(Timestamp::now() + PAUSE),
            deadline: None,
            is_accepted: false,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        driver.keep_going(&owner, &[task], false);
        (service, driver, tenure, news_out)
    }

    #[tokio::test]
    async fn a_call_goes_out_after_its_back_off() {
        let (service, _driver, tenure, _news) = in_back_off(PAUSE * 100);
        assert_eq!(tenure.out(), 0);
        tokio::time::sleep(PAUSE * 2).await;
        assert!(service.accept().is_ok());
        assert_eq!(tenure.out(), 1);
    }

    #[tokio::test]
    async fn a_call_whose_term_ends_in_its_back_off_never_goes_out() {
        let (lost, _driver, _, mut news) = in_back_off(PAUSE / 2);
        let (ending, _other, tenure, _news) = in_back_off(PAUSE * 100);
        tenure.begin_nothing();
        tokio::time::sleep(PAUSE * 2).await;
        assert!(lost.accept().is_err() && ending.accept().is_err());
        // Nor is anything said of it: it is for the next leader to call.
        assert!(news.try_recv().is_err());
        assert_eq!(tenure.out(), 0);
    }
}
