//! The controller as a whole: waiting for what it needs, leading, watching, ending.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
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
use super::report::Reports;
use super::reservations::Reservations;
use super::resources::wait_for_resources;
use super::revisions::Revisions;
use super::schedule::{self, Schedules};
use super::watches::{api_in, watch_executions, watch_flows, watch_jobs, watch_reports};
use super::{execution, token_key};
use crate::cluster::api_server::ApiServer;
use crate::cluster::leader::{Candidate, Election, Leadership};
use crate::cluster::object::Key;
use crate::driver::egress::Egress;
use crate::driver::http::HttpCaller;
use crate::driver::job::runner::JobRunner;
use crate::driver::tenure::Tenure;
use crate::driver::{Driver, News};
use crate::engine::TokenKey;

/// Executions that are looked at side by side. Beyond what the API server takes at a time from one
/// account more would only wait there (control-plane.md §9).
const LOOKS_MAX: usize = 64;

/// How long calls that are out are waited for when the controller ends.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether they have ended.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// How often it is looked whether places in line are to be told anew; each is once a minute at most.
const PLACES_EVERY: Duration = Duration::from_secs(10);

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
    /// How long TaskReports stay after they were judged.
    pub report_ttl: Duration,
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
        let (first_turns, first_turns_out) = unbounded_channel();
        let (news, news_out) = unbounded_channel();
        let (lost_revisions, lost_revisions_out) = unbounded_channel();
        let (notices, notices_out) = Notices::new(config.events);
        let executions = Arc::new(Registry::new(turns, first_turns));
        let tenure = Arc::new(Tenure::new(leadership.clone()));
        let jobs = Arc::new(JobRunner::new(api.clone(), news.clone(), tenure.clone()));
        let key = TokenKey::new(token_key::read_or_make(&api, &config.candidate).await);
        let context = Arc::new(Context {
            api: api.clone(),
            executions: executions.clone(),
            retention: Retention::default(),
            default_ttl: config.default_ttl,
            reports: Reports::new(api.clone(), tenure.clone(), config.report_ttl),
            settling: Settling::new(
                api.clone(),
                tenure.clone(),
                notices.clone(),
                key.clone(),
                executions.clone(),
            ),
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
        tasks.spawn(tell_places(context.clone()));
        let mut watches = JoinSet::new();
        let flows = watch_flows(&mut watches, client, config, &context, lost_revisions_out);
        for scope in scopes(config) {
            let schedules = api_in(client, scope.as_ref());
            schedule::tend_all(&mut watches, schedules, scope.clone(), &context, &flows);
            let jobs_are_listed = watch_jobs(&mut tasks, client, scope.clone(), &jobs);
            let reports_are_listed =
                watch_reports(&mut watches, client, scope.clone(), context.clone(), jobs_are_listed);
            watches.spawn(watch_executions(client.clone(), scope, context.clone(), reports_are_listed));
        }
        tasks.spawn(take_turns(context.clone(), first_turns_out, turns_out));
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
pub(super) fn scopes(config: &Config) -> Vec<Option<String>> {
    if config.namespaces.is_empty() {
        return vec![None];
    }
    config.namespaces.iter().cloned().map(Some).collect()
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
        let queued = context.executions.waiting_count();
        context.metrics.queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
        context.metrics.calls.set(i64::try_from(tenure.out()).unwrap_or(i64::MAX));
    }
}

/// Tells those at the front of a line anew where they stand.
async fn tell_places(context: Arc<Context>) {
    let mut ticks = tokio::time::interval(PLACES_EVERY);
    loop {
        ticks.tick().await;
        context.executions.tell_places(Timestamp::now());
    }
}

/// Looks at Executions in the order of their turns, so many side by side, and at the first ones before all
/// others.
async fn take_turns(
    context: Arc<Context>,
    mut first_turns: UnboundedReceiver<Key>,
    mut turns: UnboundedReceiver<Key>,
) {
    let places = Arc::new(Semaphore::new(LOOKS_MAX));
    let mut looks = JoinSet::new();
    // Closed it is never.
    while let Ok(place) = places.clone().acquire_owned().await {
        let key = tokio::select! {
            biased;
            Some(key) = first_turns.recv() => key,
            Some(key) = turns.recv() => key,
            else => return,
        };
        while looks.try_join_next().is_some() {}
        let context = context.clone();
        looks.spawn(async move {
            execution::look(context, key).await;
            drop(place);
        });
    }
}
