//! What the parts of the controller that do IO may hold.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{RwLock, Semaphore};

use crate::cluster::api_server::ApiServer;
use crate::cluster::leader::Leadership;
use crate::cluster::object::Key;
use crate::driver::Driver;
use crate::engine::TokenKey;

use super::execution::data::DataStore;
use super::execution::registry::Registry;
use super::execution::retention::Retention;
use super::execution::settle::Settling;
use super::flow_reads::FlowReads;
use super::metrics::Metrics;
use super::notice::Notices;
use super::report::Reports;
use super::reservations::Reservations;
use super::revisions::Revisions;
use super::schedule::Schedules;

/// Everything a look at an object needs.
pub struct Context {
    /// The API server, as the controller's own account.
    pub api: ApiServer,
    /// Executions that have not ended.
    pub executions: Arc<Registry>,
    /// Executions that have ended and are to be removed.
    pub retention: Retention,
    /// For how many seconds Executions stay after their end where nobody says so and nobody has chosen their name.
    pub default_ttl: Option<i64>,
    /// Reads of Flows for admission.
    pub flows: FlowReads,
    /// Names and requests that one admission at a time reaches for.
    pub reservations: Reservations,
    /// Held by looks that begin with a revision which could be removed, and alone by who removes one.
    pub removing_revisions: Arc<RwLock<()>>,
    /// Schedules.
    pub schedules: Schedules,
    /// Revisions, compiled.
    pub revisions: Revisions,
    /// Flows whose newest revision was found deleted.
    pub lost_revisions: UnboundedSender<Key>,
    /// Does tasks.
    pub driver: Driver,
    /// Answers for tasks.
    pub reports: Reports,
    /// Ended Executions whose dependents are being dealt with.
    pub settling: Settling,
    /// What is too large for an Execution.
    pub data: DataStore,
    /// Places of looks at runs that are: each may take megabytes.
    pub large: Arc<Semaphore>,
    /// The right to act.
    pub leadership: Leadership,
    /// Events for people.
    pub notices: Notices,
    /// Figures for monitoring.
    pub metrics: Arc<Metrics>,
    /// Makes task tokens.
    pub token_key: TokenKey,
    /// Places to decide in, as many as there are processors. A run may pass thousands of states at once;
    /// it does so beside the threads that everything else runs on, and never many at a time.
    pub deciding: Semaphore,
}
