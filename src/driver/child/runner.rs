//! Starting Executions for tasks, and telling what becomes of them.
//!
//! A child has a name derived from its parent and the attempt, or the one that was asked for, and says in
//! `spec.parentRef` which attempt it was made for: making it again finds it. It is made as the run's account;
//! everything else about it the controller does as itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::core::ObjectMeta;
use tokio::sync::mpsc::UnboundedSender;
use tracing::warn;

use crate::api::execution::{CHILD_DEPTH_MAX, Callback, FlowRef, ParentRef, StopModeName};
use crate::api::{
    Execution, ExecutionSpec, ExecutionStatus, LABEL_AWAITED, LABEL_PARENT, LABEL_PARENT_UID, Payload, Phase,
};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::backoff::Backoff;
use crate::cluster::data::{self, ReadError};
use crate::cluster::object::{Key, Stored};
use crate::driver::attempt::attempt_name;
use crate::driver::call::wait_until;
use crate::driver::tenure::Tenure;
use crate::driver::{News, Owner, What};
use crate::engine::{Report, TaskCommand, TaskError, TaskId};
use crate::ir::Completion;
use crate::value::Value;

use super::outcome::{self, Child};
use super::policy::{self, Wish};
use super::request::ChildRequest;

/// How long to wait before something that somebody has to mend is tried again.
const BLOCKED_RETRY: Duration = Duration::from_secs(10);

/// How long to wait before the API server is asked again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));

/// Why a child is asked to end that nobody waits for any more.
const TASK_IS_OVER: &str = "the task that waits for it is over";

/// Starts Executions for tasks.
pub struct ChildRunner {
    pub(super) api: ApiServer,
    news: UnboundedSender<News>,
    pub(super) tenure: Arc<Tenure>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Attempts that wait for a child. Several may ask for one name, of which one gets it.
    wanted: BTreeMap<Attempt, Wanted>,
    /// The same by the child.
    by_child: BTreeMap<Key, BTreeSet<Attempt>>,
    /// Parents whose children of earlier terms were looked through.
    pub(super) looked_through: BTreeSet<String>,
}

/// Uid of a parent, and the attempt of its task.
type Attempt = (String, TaskId);

impl State {
    fn want(&mut self, attempt: &Attempt, wanted: impl FnOnce() -> Wanted) -> (&mut Wanted, bool) {
        let is_new = !self.wanted.contains_key(attempt);
        let known = self.wanted.entry(attempt.clone()).or_insert_with(wanted);
        if is_new {
            self.by_child.entry(known.child.clone()).or_default().insert(attempt.clone());
        }
        (known, is_new)
    }

    /// Forgets attempts; gives them.
    fn forget(&mut self, is_over: impl Fn(&Attempt) -> bool) -> Vec<Wanted> {
        let over: Vec<Attempt> = self.wanted.keys().filter(|attempt| is_over(attempt)).cloned().collect();
        let forgotten = over.iter().filter_map(|attempt| {
            let wanted = self.wanted.remove(attempt)?;
            if let Some(others) = self.by_child.get_mut(&wanted.child) {
                others.remove(attempt);
                if others.is_empty() {
                    self.by_child.remove(&wanted.child);
                }
            }
            Some(wanted)
        });
        forgotten.collect()
    }

    fn of_child(&self, child: &Key) -> impl Iterator<Item = (&Attempt, &Wanted)> {
        let attempts = self.by_child.get(child).into_iter().flatten();
        attempts.filter_map(|attempt| Some((attempt, self.wanted.get(attempt)?)))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Wanted {
    child: Key,
    owner: Owner,
    task: TaskId,
    request: ChildRequest,
    completion: Completion,
    /// Whether it is known to be there: it is not made again.
    is_made: bool,
    /// Whether what is waited for was told.
    is_told: bool,
    /// Whether its end was asked for.
    is_ending: bool,
}

impl ChildRunner {
    /// A runner that tells its news to `news`.
    #[must_use]
    pub fn new(api: ApiServer, news: UnboundedSender<News>, tenure: Arc<Tenure>) -> Self {
        Self { api, news, tenure, state: Mutex::default() }
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the children of these tasks of a run go on, and asks others that were waited for to end.
    pub fn keep_going(self: &Arc<Self>, owner: &Owner, tasks: &[&TaskCommand], is_stopping: bool) {
        let wanted: BTreeSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
        self.give_up(&owner.uid, |task| !wanted.contains(task));
        for task in tasks {
            match ChildRequest::of(task) {
                Ok(request) => self.keep_one(owner, task, request, is_stopping),
                Err(error) => self.tell(owner, &task.id, What::Report(Report::Failed(error))),
            }
        }
        if owner.has_children && self.locked().looked_through.insert(owner.uid.clone()) {
            self.tenure.spawn(self.clone().look_through(owner.clone()));
        }
    }

    fn keep_one(
        self: &Arc<Self>,
        owner: &Owner,
        task: &TaskCommand,
        request: ChildRequest,
        is_stopping: bool,
    ) {
        let attempt = (owner.uid.clone(), task.id.clone());
        let child = child_key(owner, &task.id, &request);
        let mut state = self.locked();
        let (known, is_new) = state.want(&attempt, || Wanted {
            child,
            owner: owner.clone(),
            task: task.id.clone(),
            request,
            completion: task.completion,
            is_made: task.is_accepted,
            is_told: false,
            is_ending: false,
        });
        let is_to_end = is_stopping && !std::mem::replace(&mut known.is_ending, is_stopping);
        let is_made = known.is_made;
        drop(state);
        if is_to_end {
            self.tenure.spawn(self.clone().cancel(attempt));
        } else if is_new && is_made {
            self.tenure.spawn(self.clone().read_and_judge(attempt));
        } else if is_new {
            self.tenure.spawn(self.clone().begin(owner.clone(), task.clone(), attempt));
        }
    }

    /// Forgets a run that is over or gone; children that it waited for are asked to end.
    pub fn let_go(self: &Arc<Self>, uid: &str) {
        self.give_up(uid, |_| true);
        self.locked().looked_through.remove(uid);
    }

    /// An Execution that has a parent stands like this.
    pub fn stands(self: &Arc<Self>, child: &Key, phase: Phase) {
        let is_awaited =
            |wanted: &Wanted| !wanted.is_told && (phase.is_ended() || wanted.completion != Completion::Job);
        self.judge_all(child, is_awaited);
    }

    /// An Execution is gone.
    pub fn gone(self: &Arc<Self>, child: &Key) {
        self.judge_all(child, |wanted| !wanted.is_told);
    }

    fn judge_all(self: &Arc<Self>, child: &Key, is_meant: impl Fn(&Wanted) -> bool) {
        let state = self.locked();
        let meant = state.of_child(child).filter(|(_, wanted)| is_meant(wanted));
        let attempts: Vec<Attempt> = meant.map(|(attempt, _)| attempt.clone()).collect();
        drop(state);
        for attempt in attempts {
            self.tenure.spawn(self.clone().read_and_judge(attempt));
        }
    }

    /// Whether a task of its parent waits for a child; nothing where it is not known yet.
    pub fn is_waited_for(&self, child: &Key, parent_uid: &str) -> Option<bool> {
        let state = self.locked();
        let is_wanted = state.of_child(child).next().is_some();
        (is_wanted || state.looked_through.contains(parent_uid)).then_some(is_wanted)
    }

    /// Children that nobody waits for any more.
    fn give_up(self: &Arc<Self>, uid: &str, is_over: impl Fn(&TaskId) -> bool) {
        let over = self.locked().forget(|(of, task)| of == uid && is_over(task));
        let awaited =
            over.into_iter().filter(|wanted| wanted.completion == Completion::Job && !wanted.is_told);
        for Wanted { owner, child, .. } in awaited {
            let Some(wish) = Wish::of(owner.child_policy, TASK_IS_OVER) else { continue };
            self.tenure.spawn(self.clone().ask(owner, child, wish));
        }
    }

    /// Asks a child to end, however often that takes.
    async fn ask(self: Arc<Self>, owner: Owner, child: Key, wish: Wish) {
        let mut backoff = RETRY;
        while self.tenure.is_valid() {
            match policy::ask(&self.api, &child, &owner.uid, &wish).await {
                Ok(_) => return,
                Err(error) => warn!(execution = %child, %error, "a child cannot be asked to end"),
            }
            backoff.pause().await;
        }
    }

    /// Children of earlier terms that nobody waits for any more are asked to end.
    async fn look_through(self: Arc<Self>, owner: Owner) {
        let Some(wish) = Wish::of(owner.child_policy, TASK_IS_OVER) else { return };
        let mut backoff = RETRY;
        while self.tenure.is_valid() {
            let awaited = format!("{LABEL_PARENT_UID}={},{LABEL_AWAITED}=true", owner.uid);
            match policy::open_children(&self.api, &owner.key.namespace, &awaited).await {
                Ok(open) => {
                    let is_wanted = |child: &Key| self.locked().of_child(child).next().is_some();
                    for child in open.into_iter().filter(|child| !is_wanted(child)) {
                        self.tenure.spawn(self.clone().ask(owner.clone(), child, wish.clone()));
                    }
                    return;
                }
                Err(error) => warn!(execution = %owner.key, %error, "children cannot be listed"),
            }
            backoff.pause().await;
        }
    }

    /// The parent is canceled and waits for the end of a child: it is canceled, too.
    async fn cancel(self: Arc<Self>, attempt: Attempt) {
        let mut backoff = RETRY;
        while let Some(Wanted { owner, child, .. }) = self.wanted(&attempt) {
            let wish = Wish::new(StopModeName::Cancel, "the execution that waits for it was canceled");
            match policy::ask(&self.api, &child, &owner.uid, &wish).await {
                // Its end is told by whoever sees it; what has ended already, or was never made, by nobody.
                Ok(_) => return self.read_and_judge(attempt).await,
                Err(error) => warn!(execution = %child, %error, "a child cannot be canceled"),
            }
            backoff.pause().await;
        }
    }

    /// What an attempt waits for, where anything may be begun for it.
    fn wanted(&self, attempt: &Attempt) -> Option<Wanted> {
        let wanted = self.locked().wanted.get(attempt).cloned();
        wanted.filter(|_| self.tenure.may_begin())
    }

    fn tell(&self, owner: &Owner, task: &TaskId, what: What) {
        // The receiver is gone only when the term ends.
        let (key, uid) = (owner.key.clone(), owner.uid.clone());
        let _ = self.news.send(News { key, uid, task: task.clone(), what });
    }

    /// Tells what a wanted child has come to, once.
    fn report(&self, attempt: &Attempt, report: Report) {
        let mut state = self.locked();
        let Some(wanted) = state.wanted.get_mut(attempt).filter(|wanted| !wanted.is_told) else { return };
        wanted.is_told = true;
        let (owner, task) = (wanted.owner.clone(), wanted.task.clone());
        drop(state);
        self.tell(&owner, &task, What::Report(report));
    }

    /// The child of an attempt that waits for its end is there. That is remembered with the run: should somebody
    /// remove it, it is gone, and not made a second time.
    fn is_there(&self, attempt: &Attempt) {
        let mut state = self.locked();
        let Some(wanted) = state.wanted.get_mut(attempt) else { return };
        let was_made = std::mem::replace(&mut wanted.is_made, true);
        if was_made || wanted.completion != Completion::Job {
            return;
        }
        let (owner, task) = (wanted.owner.clone(), wanted.task.clone());
        drop(state);
        self.tell(&owner, &task, What::Report(Report::Accepted(Value::Null)));
    }

    /// Makes the child of an attempt, however often that takes. Waits for its time first.
    async fn begin(self: Arc<Self>, owner: Owner, task: TaskCommand, attempt: Attempt) {
        wait_until(task.not_before).await;
        let Some(Wanted { child, request, .. }) = self.wanted(&attempt) else { return };
        let object = match child_of(&owner, &task, &child, &request) {
            Ok(object) => object,
            Err(error) => return self.report(&attempt, Report::Failed(error)),
        };
        let api = self.api.acting_as(&owner.key.namespace, &owner.service_account);
        let (mut backoff, mut was_blocked) = (RETRY, false);
        while self.wanted(&attempt).is_some_and(|wanted| !wanted.is_ending) {
            match api.create(&owner.key.namespace, &object).await {
                Ok(()) => {
                    self.is_there(&attempt);
                    // What becomes of it is told by whoever looks at it.
                    self.end_what_came_late(owner.clone(), child, &attempt).await;
                    break;
                }
                Err(ApiError::Conflict) => return self.read_and_judge(attempt).await,
                Err(ApiError::Refused { message, .. }) => {
                    let error = TaskError::named(request.words.error("InvalidArgument"), message);
                    return self.report(&attempt, Report::Failed(error));
                }
                Err(ApiError::Forbidden(message)) => {
                    was_blocked = true;
                    let what = What::Blocked(format!("cannot create an Execution: {message}"));
                    self.tell(&owner, &task.id, what);
                    backoff.skip_to(BLOCKED_RETRY);
                }
                Err(error @ (ApiError::NotFound | ApiError::Unavailable(_))) => {
                    warn!(execution = %child, %error, "a child cannot be created");
                }
            }
            backoff.pause().await;
        }
        if was_blocked {
            self.tell(&owner, &task.id, What::Clear);
        }
    }

    /// A child whose task was over, or was to end, when it had been made.
    async fn end_what_came_late(self: &Arc<Self>, owner: Owner, child: Key, attempt: &Attempt) {
        let wish = match self.locked().wanted.get(attempt) {
            Some(wanted) if !wanted.is_ending => return,
            Some(_) => {
                Some(Wish::new(StopModeName::Cancel, "the execution that has started it was canceled"))
            }
            None => Wish::of(owner.child_policy, TASK_IS_OVER),
        };
        // Where the controller ends, the next one finds it and knows better.
        if let Some(wish) = wish.filter(|_| self.tenure.may_begin()) {
            self.clone().ask(owner, child, wish).await;
        }
    }

    /// Reads a wanted child and tells what it has come to, if that is what is waited for.
    async fn read_and_judge(self: Arc<Self>, attempt: Attempt) {
        let mut backoff = RETRY;
        while let Some(wanted) = self.wanted(&attempt).filter(|wanted| !wanted.is_told) {
            match self.judge(&attempt, &wanted).await {
                Ok(()) => return,
                Err(error) => warn!(execution = %wanted.child, %error, "a child cannot be read"),
            }
            backoff.pause().await;
        }
    }

    async fn judge(&self, attempt: &Attempt, wanted: &Wanted) -> Result<(), ReadError> {
        let key = &wanted.child;
        let name = wanted.request.name.as_deref().unwrap_or(&key.name);
        let Some(object) = self.api.get::<Execution>(key).await? else {
            self.report(attempt, Report::Failed(outcome::gone(name)));
            return Ok(());
        };
        let parent = object.decode_spec::<ParentOnly>().ok().and_then(|spec| spec.parent_ref);
        let is_ours = parent.is_some_and(|parent| {
            parent.uid == wanted.owner.uid && parent.task.as_deref() == Some(wanted.task.as_str())
        });
        if !is_ours {
            let flow = &wanted.request.flow;
            let error = wanted.request.words.error("ExecutionAlreadyExists");
            let cause = format!("Execution {name} for flow {flow} already exists.");
            self.report(attempt, Report::Failed(TaskError::named(error, cause)));
            return Ok(());
        }
        let status: ExecutionStatus = object.decode_status().map_err(ReadError::Lost)?;
        match self.report_of(key, &object, wanted, &status).await? {
            Some(report) => self.report(attempt, report),
            None => self.is_there(attempt),
        }
        Ok(())
    }

    async fn report_of(
        &self,
        key: &Key,
        object: &Stored<Execution>,
        wanted: &Wanted,
        status: &ExecutionStatus,
    ) -> Result<Option<Report>, ReadError> {
        let name = wanted.request.name.as_deref().unwrap_or(&key.name);
        let child = Child { name, uid: object.uid(), created_at: object.created_at().as_second() };
        if let Some(error) = outcome::refused(&wanted.request.words, status) {
            return Ok(Some(Report::Failed(error)));
        }
        if wanted.completion != Completion::Job {
            // Nobody has looked at it yet: it may still be refused.
            let is_looked_at = status.observed_generation > 0;
            let begun = outcome::begun(&wanted.request, &child, wanted.completion);
            return Ok(begun.filter(|_| is_looked_at));
        }
        if !status.phase.is_ended() {
            return Ok(None);
        }
        let output = output_of(&self.api, key, object.uid(), status).await?;
        let end = outcome::end_of(status, output);
        Ok(end.map(|end| outcome::awaited(&wanted.request, &child, end, status)))
    }
}

/// The output of an Execution, wherever it is kept.
///
/// # Errors
/// Where it cannot be read.
pub async fn output_of(
    api: &ApiServer,
    key: &Key,
    uid: &str,
    status: &ExecutionStatus,
) -> Result<Option<Value>, ReadError> {
    let unreadable = |error: crate::value::ParseError| ReadError::Lost(format!("the output is {error}"));
    if let Some(reference) = &status.output_ref {
        let text = data::read(api, key, uid, reference).await?;
        return Value::parse(&text).map(Some).map_err(unreadable);
    }
    status.output.as_ref().map(Payload::parse).transpose().map_err(unreadable)
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParentOnly {
    parent_ref: Option<ParentRef>,
}

/// The child of an attempt.
#[must_use]
pub fn child_key(owner: &Owner, task: &TaskId, request: &ChildRequest) -> Key {
    let name = request.object_name().unwrap_or_else(|| attempt_name(&owner.key.name, &owner.uid, task));
    Key::new(&owner.key.namespace, name)
}

fn child_of(
    owner: &Owner,
    task: &TaskCommand,
    child: &Key,
    request: &ChildRequest,
) -> Result<Execution, TaskError> {
    let depth = owner.depth.saturating_add(1);
    if depth > CHILD_DEPTH_MAX {
        let cause = format!(
            "Executions start each other at most {CHILD_DEPTH_MAX} deep; Execution `{}` is so deep already",
            owner.key.name
        );
        return Err(TaskError::named(request.words.error("InvalidArgument"), cause));
    }
    let spec = ExecutionSpec {
        flow_ref: FlowRef { name: request.flow.clone(), qualifier: request.qualifier.clone() },
        name: request.name.clone().filter(|name| *name != child.name),
        input: request.input.as_ref().map(Payload::from),
        // The call fails at once, as that of the API would, where there is no such Flow.
        starting_deadline_seconds: Some(0),
        callback: request
            .callback
            .clone()
            .map(|token| Callback { task_token: Some(token), task_token_from: None }),
        parent_ref: Some(ParentRef {
            name: owner.key.name.clone(),
            uid: owner.uid.clone(),
            task: Some(task.id.to_string()),
            depth: Some(depth),
        }),
        ..ExecutionSpec::default()
    };
    let mut labels = BTreeMap::from([
        (LABEL_PARENT.to_owned(), owner.key.name.clone()),
        (LABEL_PARENT_UID.to_owned(), owner.uid.clone()),
    ]);
    if task.completion == Completion::Job {
        labels.insert(LABEL_AWAITED.to_owned(), "true".to_owned());
    }
    let metadata =
        ObjectMeta { name: Some(child.name.clone()), labels: Some(labels), ..ObjectMeta::default() };
    Ok(Execution { metadata, spec, status: None })
}
