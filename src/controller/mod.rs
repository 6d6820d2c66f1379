//! The controller: observe, decide, commit, perform.

pub mod context;
pub mod execution;
pub mod flow;
pub mod flow_reads;
pub mod metrics;
pub mod notice;
pub mod readiness;
pub mod report;
pub mod reservations;
pub mod resources;
pub mod revision;
pub mod revisions;
pub mod run;
pub mod schedule;
pub mod token_key;
mod watches;
