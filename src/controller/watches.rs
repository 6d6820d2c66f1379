//! Watches, and where what they show goes.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::context::Context;
use super::report;
use super::run::{Config, scopes};
use super::{execution, flow};
use crate::api::{Execution, Flow, LABEL_EXECUTION_UID, LABEL_RELEASED, Phase, TaskReport};
use crate::cluster::object::{Key, Stored};
use crate::cluster::watch::{Change, Listing, watch, watch_metadata};
use crate::driver::job::runner::JobRunner;

/// Changes of a watch that wait to be taken in.
const CHANGES_MAX: usize = 1_024;

/// Objects of a namespace, or of all.
pub(super) fn api_in<K>(client: &Client, namespace: Option<&String>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Watches Jobs of a namespace and their pods; says when all Jobs there are have been seen.
pub(super) fn watch_jobs(
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

pub(super) fn watch_flows(
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
                context.executions.flow_seen(&flow);
                let (context, turns) = (context.clone(), turns.clone());
                looks.spawn(async move { flow::look(&context, &turns, key).await });
            }
            Change::Gone(flow) => context.executions.flow_gone(&flow.key()),
            Change::Listing | Change::Listed => {}
        }
    }
}

/// Watches Executions of a namespace once all answers there were taken in: one that was given in time counts although
/// its deadline has passed while nobody led. Namespaces do not wait for each other: one of them may not be readable.
pub(super) async fn watch_executions(
    client: Client,
    scope: Option<String>,
    context: Arc<Context>,
    reports_are_listed: oneshot::Receiver<()>,
) {
    // The sender is gone only when the term ends.
    let Ok(()) = reports_are_listed.await else { return };
    context.executions.look_at_all(context.data.learn(scope.as_deref()).await);
    let (changes, changes_out) = channel(CHANGES_MAX);
    let (ended, ended_out) = channel(CHANGES_MAX);
    let api = api_in::<Stored<Execution>>(&client, scope.as_ref());
    let going = watcher::Config::default().fields(&Phase::selector(|phase| !phase.is_ended()));
    let mut tasks = JoinSet::new();
    tasks.spawn(watch(api, going, "Executions", changes));
    let has_ended = Phase::selector(Phase::is_ended);
    let listing = Listing::of(scope.clone());
    tasks.spawn(watch_metadata::<Execution>(client, scope, has_ended, "ended Executions", ended));
    tasks.spawn(follow_executions(context.clone(), listing, changes_out));
    tasks.spawn(follow_ended(context, ended_out));
    tasks.join_all().await;
}

/// Watches answers of a namespace and asks runs about them once all Jobs there have been seen, so that none is made
/// twice; says when all that there are were taken in.
pub(super) fn watch_reports(
    watches: &mut JoinSet<()>,
    client: &Client,
    scope: Option<String>,
    context: Arc<Context>,
    jobs_are_listed: oneshot::Receiver<()>,
) -> oneshot::Receiver<()> {
    let (changes, changes_out) = channel(CHANGES_MAX);
    let (listed, are_listed) = oneshot::channel();
    let api = api_in::<Stored<TaskReport>>(client, scope.as_ref());
    watches.spawn(watch(api, report::pending(), "TaskReports", changes));
    watches.spawn(report::sweep(context.clone(), scope));
    watches.spawn(async move {
        let Ok(()) = jobs_are_listed.await else { return };
        report::follow(context, changes_out, listed).await;
    });
    are_listed
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
