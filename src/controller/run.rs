//! The controller as a whole: waiting for what it needs, leading, watching, ending.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc::{Receiver, channel, unbounded_channel};
use tokio::sync::{Semaphore, mpsc::UnboundedReceiver, oneshot};
use tokio::task::JoinSet;
use tracing::info;

use super::context::Context;
use super::execution::data::{DataStore, LARGE_LOOKS_MAX};
use super::execution::registry::Registry;
use super::execution::retention::{Retention, remove_expired};
use super::execution::settle::Settling;
use super::flow_reads::FlowReads;
use super::metrics::Metrics;
use super::notice::{self, Level, Notices};
use super::readiness::Readiness;
use super::report::{self, Reports};
use super::reservations::Reservations;
use super::resources::wait_for_resources;
use super::revisions::Revisions;
use super::schedule::{self, Schedules};
use super::{execution, flow, token_key};
use crate::api::{Execution, Flow, LABEL_EXECUTION_UID, LABEL_RELEASED, Phase, TaskReport};
use crate::cluster::api_server::ApiServer;
use crate::cluster::leader::{Candidate, Election, Leadership};
use crate::cluster::object::{Key, Stored};
use crate::cluster::watch::{Change, Listing, watch, watch_metadata};
use crate::driver::egress::Egress;
use crate::driver::http::HttpCaller;
use crate::driver::job::runner::JobRunner;
use crate::driver::tenure::Tenure;
use crate::driver::{Driver, News};
use crate::engine::TokenKey;

/// Executions that are looked at side by side. Beyond what the API server takes at a time from one
/// account more would only wait there (control-plane.md §9).
const LOOKS_MAX: usize = 64;

/// Changes of a watch that wait to be taken in.
const CHANGES_MAX: usize = 1_024;

/// How long calls that are out are waited for when the controller ends.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether they have ended.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// How long a timer sleeps at most: a clock that was set is noticed after it.
const TIMER_MAX: Duration = Duration::from_secs(10);

/// What a controller is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespaces it cares for; all where there is none.
    pub namespaces: Vec<String>,
    /// The lease it leads by.
    pub candidate: Candidate,
    /// Networks that calls may reach whatever they are.
    pub allowed_egress: Vec<ipnet::IpNet>,
    /// Addresses of the API server.
    pub api_server: Vec<IpAddr>,
    /// Which Events it makes.
    pub events: Level,
    /// For how many seconds Executions stay after their end where nobody says so.
    pub default_ttl: Option<i64>,
}

/// Runs until `shutdown` is done.
///
/// # Errors
/// Where it cannot begin at all.
pub async fn run(
    client: Client,
    config: Config,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), String> {
    let http = HttpCaller::new(Egress::guarded(config.allowed_egress.clone(), config.api_server.clone()))
        .map_err(|error| error.to_string())?;
    let mut election = Election::new(client.clone(), config.candidate.clone());
    let shutdown = shutdown.shared();
    let scopes = scopes(&config);
    tokio::select! {
        () = wait_for_resources(&client, &scopes, &readiness) => {}
        () = shutdown.clone() => return Ok(()),
    }
    // A follower is as ready as a leader: it takes over when it has to.
    readiness.is_given();
    loop {
        let leadership = tokio::select! {
            leadership = election.win() => leadership,
            () = shutdown.clone() => break,
        };
        metrics.leading.set(1);
        let is_over = tokio::select! {
            // From the first moment until calls that are out have ended: either may take its time.
            () = election.keep() => false,
            () = lead(&client, &config, &http, &metrics, &readiness, leadership, shutdown.clone()) => true,
        };
        metrics.leading.set(0);
        if is_over {
            break;
        }
    }
    election.give_up().await;
    Ok(())
}

/// Leads until `shutdown` is done; then ends what it has begun.
async fn lead(
    client: &Client,
    config: &Config,
    http: &HttpCaller,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
    leadership: Leadership,
    shutdown: impl Future<Output = ()> + Clone,
) {
    let mut term = tokio::select! {
        term = Term::begin(client, config, http, metrics, leadership) => term,
        () = shutdown.clone() => return,
    };
    shutdown.await;
    info!("ending");
    readiness.waits_for("the controller ends");
    term.drain().await;
}

/// A time of leading. Everything it has begun ends with it.
struct Term {
    context: Arc<Context>,
    /// What the driver has begun.
    tenure: Arc<Tenure>,
    /// What goes on to the end.
    tasks: JoinSet<()>,
    /// What brings new work.
    watches: JoinSet<()>,
}

impl Term {
    async fn begin(
        client: &Client,
        config: &Config,
        http: &HttpCaller,
        metrics: &Arc<Metrics>,
        leadership: Leadership,
    ) -> Self {
        let api = ApiServer::new(client.clone());
        let (turns, turns_out) = unbounded_channel();
        let (news, news_out) = unbounded_channel();
        let (lost_revisions, lost_revisions_out) = unbounded_channel();
        let (notices, notices_out) = Notices::new(config.events);
        let executions = Arc::new(Registry::new(turns));
        let tenure = Arc::new(Tenure::new(leadership.clone()));
        let jobs = Arc::new(JobRunner::new(api.clone(), news.clone(), tenure.clone()));
        let key = TokenKey::new(token_key::read_or_make(&api, &config.candidate).await);
        let context = Arc::new(Context {
            api: api.clone(),
            executions,
            retention: Retention::default(),
            default_ttl: config.default_ttl,
            reports: Reports::new(api.clone(), tenure.clone()),
            settling: Settling::new(api.clone(), tenure.clone(), notices.clone(), key.clone()),
            flows: FlowReads::new(api.clone()),
            reservations: Reservations::default(),
            removing_revisions: Arc::default(),
            schedules: Schedules::default(),
            revisions: Revisions::new(api.clone()),
            lost_revisions,
            driver: Driver::new(http.clone(), jobs.clone(), api.clone(), news, tenure.clone()),
            data: DataStore::new(api),
            large: Arc::new(Semaphore::new(LARGE_LOOKS_MAX)),
            leadership,
            notices,
            metrics: metrics.clone(),
            token_key: key,
            deciding: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(notice::send(client.clone(), notices_out));
        tasks.spawn(hear(context.clone(), news_out));
        tasks.spawn(wake(context.clone()));
        tasks.spawn(remove_expired(context.clone()));
        tasks.spawn(measure(context.clone(), tenure.clone()));
        let mut watches = JoinSet::new();
        let flows = watch_flows(&mut watches, client, config, &context, lost_revisions_out);
        for scope in scopes(config) {
            let schedules = api_in(client, scope.as_ref());
            schedule::tend_all(&mut watches, schedules, scope.clone(), &context, &flows);
            let are_listed = watch_jobs(&mut tasks, client, scope.clone(), &jobs);
            watches.spawn(watch_executions(client.clone(), scope.clone(), context.clone(), are_listed));
            watch_reports(&mut watches, client, scope, &context);
        }
        tasks.spawn(take_turns(context.clone(), turns_out));
        Self { context, tenure, tasks, watches }
    }

    /// Nothing new begins; calls that are out are waited for, so that nobody has to repeat them.
    async fn drain(&mut self) {
        self.watches.abort_all();
        self.tenure.begin_nothing();
        let is_drained = async {
            while self.tenure.out() > 0 || self.context.executions.is_looking() {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        if tokio::time::timeout(DRAIN_MAX, is_drained).await.is_err() {
            let calls = self.tenure.out();
            info!(calls, "calls that are out are left to the next controller");
        }
        self.tasks.abort_all();
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.tenure.end();
    }
}

/// One watch per namespace that is cared for, or one for all.
fn scopes(config: &Config) -> Vec<Option<String>> {
    if config.namespaces.is_empty() {
        return vec![None];
    }
    config.namespaces.iter().cloned().map(Some).collect()
}

fn api_in<K>(client: &Client, namespace: Option<&String>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Watches Jobs of a namespace and their pods; says when all Jobs there are have been seen.
fn watch_jobs(
    tasks: &mut JoinSet<()>,
    client: &Client,
    scope: Option<String>,
    jobs: &Arc<JobRunner>,
) -> oneshot::Receiver<()> {
    let (seen_jobs, jobs_out) = channel(CHANGES_MAX);
    let (seen_pods, pods_out) = channel(CHANGES_MAX);
    let of_jobs = watcher::Config::default().labels(&format!("{LABEL_EXECUTION_UID},!{LABEL_RELEASED}"));
    let of_pods = watcher::Config::default().labels(LABEL_EXECUTION_UID);
    tasks.spawn(watch(api_in::<Job>(client, scope.as_ref()), of_jobs, "Jobs", seen_jobs));
    tasks.spawn(watch(api_in::<Pod>(client, scope.as_ref()), of_pods, "pods", seen_pods));
    let (listed, are_listed) = oneshot::channel();
    tasks.spawn(follow_jobs(jobs.clone(), Listing::of(scope), jobs_out, listed));
    tasks.spawn(follow_pods(jobs.clone(), pods_out));
    are_listed
}

async fn follow_jobs(
    jobs: Arc<JobRunner>,
    mut listing: Listing,
    mut changes: Receiver<Change<Job>>,
    listed: oneshot::Sender<()>,
) {
    let mut listed = Some(listed);
    while let Some(change) = changes.recv().await {
        match change {
            Change::Listing => listing.begin(),
            Change::Seen(mut job) => {
                job.managed_fields_mut().clear();
                listing.note(&Key::new(job.namespace().unwrap_or_default(), job.name_any()));
                jobs.job_seen(job);
            }
            Change::Gone(job) => jobs.job_gone(&job),
            Change::Listed => {
                jobs.all_jobs_seen(&listing.end());
                if let Some(listed) = listed.take() {
                    let _ = listed.send(());
                }
            }
        }
    }
}

async fn follow_pods(jobs: Arc<JobRunner>, mut changes: Receiver<Change<Pod>>) {
    while let Some(change) = changes.recv().await {
        if let Change::Seen(mut pod) = change {
            pod.managed_fields_mut().clear();
            jobs.pod_seen(pod);
        }
    }
}

fn watch_flows(
    tasks: &mut JoinSet<()>,
    client: &Client,
    config: &Config,
    context: &Arc<Context>,
    mut lost_revisions: UnboundedReceiver<Key>,
) -> Arc<flow::Turns> {
    let turns = Arc::new(flow::Turns::default());
    let (look_context, look_turns) = (context.clone(), turns.clone());
    tasks.spawn(async move {
        while let Some(key) = lost_revisions.recv().await {
            flow::look(&look_context, &look_turns, key).await;
        }
    });
    for scope in scopes(config) {
        let (changes, changes_out) = channel(CHANGES_MAX);
        let api = api_in::<Stored<Flow>>(client, scope.as_ref());
        tasks.spawn(watch(api, watcher::Config::default(), "Flows", changes));
        tasks.spawn(follow_flows(context.clone(), turns.clone(), changes_out));
    }
    turns
}

async fn follow_flows(
    context: Arc<Context>,
    turns: Arc<flow::Turns>,
    mut changes: Receiver<Change<Stored<Flow>>>,
) {
    // A look goes on until it has worked, and ends with the term.
    let mut looks = JoinSet::new();
    while let Some(change) = changes.recv().await {
        while looks.try_join_next().is_some() {}
        match change {
            Change::Seen(flow) => {
                let key = flow.key();
                context.executions.flow_changed(&key);
                let (context, turns) = (context.clone(), turns.clone());
                looks.spawn(async move { flow::look(&context, &turns, key).await });
            }
            Change::Gone(flow) => context.executions.flow_changed(&flow.key()),
            Change::Listing | Change::Listed => {}
        }
    }
}

/// Watches Executions of a namespace once all Jobs there have been seen, so that none is made twice.
/// Namespaces do not wait for each other: one of them may not be readable.
async fn watch_executions(
    client: Client,
    scope: Option<String>,
    context: Arc<Context>,
    jobs_are_listed: oneshot::Receiver<()>,
) {
    // The sender is gone only when the term ends.
    let Ok(()) = jobs_are_listed.await else { return };
    context.executions.look_at_all(context.data.learn(scope.as_deref()).await);
    let (changes, changes_out) = channel(CHANGES_MAX);
    let (ended, ended_out) = channel(CHANGES_MAX);
    let api = api_in::<Stored<Execution>>(&client, scope.as_ref());
    let going = watcher::Config::default().fields(&phases_other_than(Phase::is_ended));
    let mut tasks = JoinSet::new();
    tasks.spawn(watch(api, going, "Executions", changes));
    let has_ended = phases_other_than(|phase| !phase.is_ended());
    let listing = Listing::of(scope.clone());
    tasks.spawn(watch_metadata::<Execution>(client, scope, has_ended, "ended Executions", ended));
    tasks.spawn(follow_executions(context.clone(), listing, changes_out));
    tasks.spawn(follow_ended(context, ended_out));
    tasks.join_all().await;
}

fn watch_reports(watches: &mut JoinSet<()>, client: &Client, scope: Option<String>, context: &Arc<Context>) {
    let (changes, changes_out) = channel(CHANGES_MAX);
    let api = api_in::<Stored<TaskReport>>(client, scope.as_ref());
    watches.spawn(watch(api, report::pending(), "TaskReports", changes));
    watches.spawn(report::follow(context.clone(), changes_out));
    watches.spawn(report::sweep(context.clone(), scope));
}

/// A field selector: all phases but those. There is no `in` for fields.
fn phases_other_than(is_left_out: impl Fn(Phase) -> bool) -> String {
    let others = Phase::ALL.iter().filter(|phase| is_left_out(**phase));
    others.map(|phase| format!("status.phase!={}", phase.as_str())).collect::<Vec<_>>().join(",")
}

async fn follow_executions(
    context: Arc<Context>,
    mut listing: Listing,
    mut changes: Receiver<Change<Stored<Execution>>>,
) {
    while let Some(change) = changes.recv().await {
        match change {
            Change::Listing => listing.begin(),
            Change::Seen(object) => {
                let key = object.key();
                listing.note(&key);
                if let Err(why) = context.executions.seen(&object) {
                    execution::leave_alone(&context, &key, object.uid(), why);
                }
            }
            Change::Gone(object) => context.executions.left(&object),
            Change::Listed => context.executions.listed(&listing.end()),
        }
    }
}

async fn follow_ended(context: Arc<Context>, mut changes: Receiver<Change<Stored<Execution>>>) {
    while let Some(change) = changes.recv().await {
        match change {
            Change::Seen(object) => {
                context.retention.listed(&object);
                context.executions.seen_ended(&object);
            }
            Change::Gone(object) => context.retention.left(&object),
            Change::Listing | Change::Listed => {}
        }
    }
}

/// Takes in news of tasks.
async fn hear(context: Arc<Context>, mut news: UnboundedReceiver<News>) {
    while let Some(news) = news.recv().await {
        context.executions.news(news);
    }
}

/// Wakes Executions whose time has come.
async fn wake(context: Arc<Context>) {
    loop {
        let rewound = context.executions.rewound.notified();
        let now = Timestamp::now();
        let next = context.executions.wake(now);
        let left = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        // A millisecond more: an instant is due when it has passed.
        let left = left.map_or(TIMER_MAX, |left| (left + Duration::from_millis(1)).min(TIMER_MAX));
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = rewound => {}
        }
    }
}

async fn measure(context: Arc<Context>, tenure: Arc<Tenure>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        context.metrics.executions.set(i64::try_from(context.executions.len()).unwrap_or(i64::MAX));
        context.metrics.calls.set(i64::try_from(tenure.out()).unwrap_or(i64::MAX));
    }
}

/// Looks at Executions in the order of their turns, so many side by side.
async fn take_turns(context: Arc<Context>, mut turns: UnboundedReceiver<Key>) {
    let places = Arc::new(Semaphore::new(LOOKS_MAX));
    let mut looks = JoinSet::new();
    while let Some(key) = turns.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        while looks.try_join_next().is_some() {}
        let context = context.clone();
        looks.spawn(async move {
            execution::look(context, key).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_every_phase_on_one_side() {
        assert_eq!(
            phases_other_than(Phase::is_ended),
            "status.phase!=Succeeded,status.phase!=Failed,status.phase!=TimedOut,status.phase!=Stopped,status.phase!=Rejected"
        );
        assert_eq!(
            phases_other_than(|phase| !phase.is_ended()),
            "status.phase!=Starting,status.phase!=Running"
        );
    }
}
