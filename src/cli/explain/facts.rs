//! What an explanation is made of: the execution, and what it waits for as far as it can be read.
//!
//! Only the execution must be readable. Whoever may not see Jobs or Flows is told less.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::Api;
use kube::api::ListParams;
use serde::Deserialize;

use crate::api::history::Record;
use crate::api::{FINALIZER_DEPENDENTS, Flow, LABEL_PARENT_UID, Phase};
use crate::cluster::api_server::ApiError;
use crate::cluster::object::{Key, Stored};

use super::super::connection::Connection;
use super::super::execution::{Condition, View};
use super::super::list;
use super::super::selection::{Filter, Pages, Scope};
use super::super::tree::stays::Stay;

/// Jobs and pods that are looked at: more tell nobody more.
const JOBS_MAX: usize = 5;
const PODS_MAX: u32 = 5;

/// Pages of executions that are looked through for children.
const PAGES_MAX: usize = 20;

/// What can be known of something else than the execution.
#[derive(Clone, Debug)]
pub(super) enum Sight<T> {
    /// It is there.
    Seen(T),
    /// It is not.
    Missing,
    /// It cannot be read.
    Hidden,
}

/// What of a Flow matters to its runs.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowFacts {
    pub(super) is_suspended: bool,
    pub(super) limit: Option<u32>,
    /// What is wrong with its newest definition.
    pub(super) problem: Option<String>,
}

/// A Job with its pods.
#[derive(Clone, Debug, Default)]
pub(super) struct JobFacts {
    pub(super) pods: Vec<PodFacts>,
}

/// A pod.
#[derive(Clone, Debug)]
pub(super) struct PodFacts {
    pub(super) name: String,
    pub(super) phase: String,
    /// Why its container does not run.
    pub(super) why: Option<String>,
}

/// A child that goes on.
#[derive(Clone, Debug)]
pub(super) struct ChildFacts {
    pub(super) name: String,
    /// Phase and reason.
    pub(super) standing: String,
}

/// All that is known.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) view: View,
    /// What has happened; empty where that cannot be read.
    pub(super) records: Vec<Record>,
    pub(super) stays: Vec<Stay>,
    pub(super) flow: Sight<FlowFacts>,
    pub(super) jobs: BTreeMap<String, Sight<JobFacts>>,
    pub(super) children: Vec<ChildFacts>,
}

/// Reads what an explanation needs beside the execution.
pub(super) async fn gather(
    connection: &Connection,
    view: View,
    records: Vec<Record>,
    stays: Vec<Stay>,
) -> Facts {
    let flow = flow(connection, &view).await;
    let mut jobs = BTreeMap::new();
    for name in stays.iter().filter_map(|stay| stay.job.as_ref()).take(JOBS_MAX) {
        jobs.insert(name.clone(), job(connection, &view.key.namespace, name).await);
    }
    let is_parent = view.finalizers.iter().any(|finalizer| finalizer == FINALIZER_DEPENDENTS)
        || stays.iter().any(|stay| stay.execution.is_some());
    let children = if is_parent { children(connection, &view).await } else { Vec::new() };
    Facts { view, records, stays, flow, jobs, children }
}

async fn flow(connection: &Connection, view: &View) -> Sight<FlowFacts> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Spec {
        suspend: Option<bool>,
        concurrency: Option<Concurrency>,
    }
    #[derive(Deserialize)]
    struct Concurrency {
        limit: u32,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status {
        conditions: Vec<Condition>,
    }
    let key = Key::new(&view.key.namespace, &view.flow);
    let flow: Stored<Flow> = match connection.server.get(&key).await {
        Ok(Some(flow)) => flow,
        Ok(None) | Err(ApiError::NotFound) => return Sight::Missing,
        Err(_) => return Sight::Hidden,
    };
    let spec: Spec = flow.decode_spec().unwrap_or_default();
    let status: Status = flow.decode_status().unwrap_or_default();
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready");
    Sight::Seen(FlowFacts {
        is_suspended: spec.suspend == Some(true),
        limit: spec.concurrency.map(|concurrency| concurrency.limit),
        problem: ready.filter(|ready| ready.status == "False").map(|ready| ready.message),
    })
}

async fn job(connection: &Connection, namespace: &str, name: &str) -> Sight<JobFacts> {
    match connection.server.read::<Job>(&Key::new(namespace, name)).await {
        Ok(Some(_)) => {}
        Ok(None) => return Sight::Missing,
        Err(_) => return Sight::Hidden,
    }
    let pods: Api<Pod> = Api::namespaced(connection.server.client().clone(), namespace);
    let params =
        ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}")).limit(PODS_MAX);
    let pods = pods.list(&params).await.map(|list| list.items).unwrap_or_default();
    Sight::Seen(JobFacts { pods: pods.iter().map(pod).collect() })
}

fn pod(pod: &Pod) -> PodFacts {
    let status = pod.status.as_ref();
    let waiting = |state: &ContainerState| {
        let waiting = state.waiting.as_ref()?;
        let parts = [waiting.reason.as_deref(), waiting.message.as_deref()];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(": ")).filter(|why| !why.is_empty())
    };
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let of_container = containers.iter().filter_map(|container| container.state.as_ref()).find_map(waiting);
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let unscheduled = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .and_then(|condition| condition.message.clone());
    PodFacts {
        name: pod.metadata.name.clone().unwrap_or_default(),
        phase: status.and_then(|status| status.phase.clone()).unwrap_or_default(),
        why: of_container.or(unscheduled),
    }
}

/// Children that go on.
async fn children(connection: &Connection, view: &View) -> Vec<ChildFacts> {
    let namespace = Some(&*view.key.namespace);
    let scope = Scope { connection, namespace, phases: &[Phase::Starting, Phase::Running] };
    let filter = Filter::of_labels(format!("{LABEL_PARENT_UID}={}", view.uid));
    let mut pages = Pages::new(scope, &filter);
    let mut children = Vec::new();
    for _ in 0..PAGES_MAX {
        let Ok(Some(page)) = pages.next().await else { break };
        let own = page.into_iter().filter_map(|found| found.view.ok());
        children.extend(own.map(|child| ChildFacts {
            standing: format!("{} {}", child.status.phase, list::reason(&child)),
            name: child.key.name,
        }));
    }
    children
}
