//! The world of a local run: scripted answers, and HTTP. Nothing else is there.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{AbortHandle, JoinSet};

use crate::api::flow::Binding;
use crate::driver::binding::{self, Executor};
use crate::driver::egress::Egress;
use crate::driver::http::{self, HttpCaller, Request};
use crate::driver::idempotency_key;
use crate::engine::{Command, Report, TaskCommand, TaskError, TaskId};
use crate::ir::ErrorKind;
use crate::mock::Mocks;
use crate::value::Str;

use super::files::Store;

/// Whoever does the tasks of a run.
#[derive(Debug)]
pub(super) struct World {
    execution_id: Str,
    mocks: Mocks,
    bindings: Vec<Binding>,
    store: Store,
    /// Made with the first call: reading the machine's certificate authorities takes time that a run
    /// without calls need not spend.
    http: Option<HttpCaller>,
    /// Tasks that were not looked at yet, in the order they were asked for; those of a retry wait
    /// for their time.
    queue: VecDeque<TaskCommand>,
    /// Retries that were begun since anybody asked.
    begun: Vec<TaskCommand>,
    calls: JoinSet<(TaskId, Option<Report>)>,
    /// The calls that someone waits for.
    awaited: BTreeMap<TaskId, Call>,
    /// Until when the calls have taken that were given up.
    overdue: Option<Timestamp>,
}

#[derive(Debug)]
struct Call {
    handle: AbortHandle,
    give_up_at: Timestamp,
}

/// What becomes of a task.
enum Plan {
    Answer(Report),
    Call(Box<Request>),
}

/// News of the world.
#[derive(Debug)]
pub(super) enum News {
    /// Something is said of a task.
    Of(TaskId, Report),
    /// A call was given up: its time is over.
    Overdue,
}

impl World {
    pub(super) fn new(execution_id: Str, mocks: Mocks, bindings: Vec<Binding>) -> Self {
        Self {
            execution_id,
            mocks,
            bindings,
            store: Store::default(),
            http: None,
            queue: VecDeque::new(),
            begun: Vec::new(),
            calls: JoinSet::new(),
            awaited: BTreeMap::new(),
            overdue: None,
        }
    }

    /// Takes in what a run asks for.
    pub(super) fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start(task) => self.queue.push_back(task),
                // A call cannot be asked to end; it goes on to its own end, which is awaited.
                Command::Cancel { is_awaited: true, .. } => {}
                Command::Cancel { id, is_awaited: false } => {
                    self.queue.retain(|task| task.id != id);
                    if let Some(call) = self.awaited.remove(&id) {
                        call.handle.abort();
                    }
                }
            }
        }
    }

    /// Begins what is due at `now`, in order, up to the first task whose answer is there at once. Calls
    /// are given up at their deadline or at that of the run, `run_deadline`.
    pub(super) fn begin(&mut self, now: Timestamp, run_deadline: Timestamp) -> Option<News> {
        loop {
            let is_due = |task: &TaskCommand| task.not_before.is_none_or(|at| at <= now);
            let due = self.queue.iter().position(is_due)?;
            let task = self.queue.remove(due)?;
            if task.not_before.is_some() {
                self.begun.push(task.clone());
            }
            match self.plan(&task) {
                Plan::Answer(report) => return Some(News::Of(task.id, report)),
                Plan::Call(request) => {
                    let give_up_at = task.deadline.map_or(run_deadline, |at| at.min(run_deadline));
                    if let Err(error) = self.call(&task, *request, now, give_up_at) {
                        return Some(News::Of(task.id, Report::Failed(error)));
                    }
                }
            }
        }
    }

    /// The tasks that [`World::begin`] began and whose time had not come when they were asked for.
    pub(super) fn begun(&mut self) -> Vec<TaskCommand> {
        std::mem::take(&mut self.begun)
    }

    /// When the next task of the queue is due.
    pub(super) fn next_begin(&self) -> Option<Timestamp> {
        self.queue.iter().filter_map(|task| task.not_before).min()
    }

    pub(super) fn is_calling(&self) -> bool {
        !self.awaited.is_empty()
    }

    pub(super) fn overdue(&self) -> Option<Timestamp> {
        self.overdue
    }

    /// The next news of calls. Never returns where nobody is called.
    pub(super) async fn news(&mut self) -> News {
        loop {
            let (id, report) = match self.calls.join_next().await {
                Some(Ok(answer)) => answer,
                // A bug of ours must not look like a call that is never answered.
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_)) => continue,
                None => std::future::pending().await,
            };
            // What was canceled while it was being answered interests nobody.
            let Some(call) = self.awaited.remove(&id) else { continue };
            return match report {
                Some(report) => News::Of(id, report),
                None => {
                    self.overdue = self.overdue.max(Some(call.give_up_at));
                    News::Overdue
                }
            };
        }
    }

    fn plan(&mut self, task: &TaskCommand) -> Plan {
        if let Some(report) = self.mocks.answer(task) {
            return Plan::Answer(report);
        }
        let request = match binding::executor_of(task, &self.bindings) {
            Executor::Http => Request::from_arguments(&task.arguments),
            Executor::HttpInvoke => Request::from_invocation(&task.arguments),
            Executor::Store(operation) => {
                return Plan::Answer(self.store.answer(operation, task, &self.execution_id));
            }
            Executor::Post(binding) => post(task, binding),
            Executor::Job | Executor::JobTemplate(_) => {
                Err(unbound(task, "runs as a Job, and there is no cluster here"))
            }
            Executor::Child => Err(unbound(task, "starts another Execution, and there is no cluster here")),
            Executor::Unbound => Err(unbound(task, "is bound to nothing")),
        };
        match request {
            Ok(request) => Plan::Call(Box::new(request)),
            Err(error) => Plan::Answer(Report::Failed(error)),
        }
    }

    fn call(
        &mut self,
        task: &TaskCommand,
        request: Request,
        now: Timestamp,
        give_up_at: Timestamp,
    ) -> Result<(), TaskError> {
        let caller = match &self.http {
            Some(caller) => caller.clone(),
            None => {
                let made = HttpCaller::new(Egress::open());
                let made = made.map_err(|error| TaskError::named("HTTP.Unreachable", error.to_string()))?;
                self.http.insert(made).clone()
            }
        };
        let (id, completion, bytes_max) = (task.id.clone(), task.completion, task.answer_bytes_max);
        let key = idempotency_key(&self.execution_id, &id);
        // A call takes as long as its task may take by the run's clock, also where that stands still.
        let allotted = Duration::try_from(give_up_at.duration_since(now)).unwrap_or_default();
        let handle = self.calls.spawn(async move {
            let answer = tokio::time::timeout(allotted, caller.call(request, &key, bytes_max)).await;
            (id, answer.ok().map(|report| http::conclude(completion, report)))
        });
        self.awaited.insert(task.id.clone(), Call { handle, give_up_at });
        Ok(())
    }
}

/// The request that a binding makes of a task.
fn post(task: &TaskCommand, binding: &Binding) -> Result<Request, TaskError> {
    let Some(url) = &binding.url else {
        return Err(unbound(task, "is bound to a Service, and there is no cluster here"));
    };
    let mut headers = Vec::with_capacity(binding.headers.len());
    for header in &binding.headers {
        let Some(value) = &header.value else {
            return Err(unbound(task, "is bound with a header from a Secret, and there is no cluster here"));
        };
        headers.push((header.name.clone(), value.clone()));
    }
    binding::request(task, url, &headers, binding.timeout_seconds)
}

fn unbound(task: &TaskCommand, why: &str) -> TaskError {
    let (state, resource) = (task.id.state_name(), &task.resource);
    let cause = format!(
        "nobody does task `{state}`: its resource `{resource}` {why}; script an answer with --mock, or \
         name a URL with --bind '{resource}=URL'"
    );
    TaskError::of(ErrorKind::UnboundResource, cause)
}
