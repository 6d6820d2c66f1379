//! Doing what runs ask for: every effect is idempotent by the id of the task it belongs to.

pub mod binding;
pub mod egress;
pub mod http;
pub mod job;
