//! Schedules.

pub mod recurrence;
