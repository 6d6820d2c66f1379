//! The engine: a deterministic interpreter of [`Program`]s.
//!
//! [`step()`] is the whole contract. It takes what is remembered of an execution, an instant and one
//! event, and gives back what is to be remembered, what is to be done outside and what there is to
//! tell. It never waits, never reads a clock, never draws a random number.
//!
//! # Guarantees
//!
//! * Equal arguments give equal results, on any machine.
//! * When `step` returns, nothing more can happen to the run without an event.
//! * A [`TaskId`] is derived from the place of the task, the visit and the attempt. Starting the
//!   tasks of [`Run::outstanding`] once more after a crash is harmless to whoever keeps to the id.
//! * An event for a task that is no longer out changes nothing.
//! * After the end nothing moves, but for a redrive of a run that has not succeeded.
//! * A run cannot go on forever without events from outside: its history is bounded by the
//!   language's limit, and so is that of each iteration that is a run of its own; the states entered in
//!   all of them together are bounded too. Reaching a bound ends the run, or the iteration, with an
//!   error.
//!
//! # Assumptions
//!
//! * The run belongs to the program: it was started with it or decoded against it.
//! * Instants do not go backwards by more than clocks do; an early instant delays, it does no harm.

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]

mod access;
mod children;
mod command;
mod environment;
mod event;
mod failure;
mod history;
mod leave;
mod outlook;
mod redrive;
mod retry;
mod run;
pub mod snapshot;

mod step;
mod stop;
mod suspend;
mod task;
mod time;
mod token;
mod visit;

#[cfg(test)]
mod tests;

pub use access::FILE_BYTES_MAX;
pub use command::{ANSWER_BYTES_MAX, Command, TaskCommand, TaskId};
pub use event::{Event, Report, Stop, StopMode, TaskError, TaskErrorName};
pub use failure::Failure;
pub use history::{HistoryEvent, HistoryKind};
pub use outlook::{ActiveState, Activity};
pub use redrive::Redrives;
pub use run::{Execution, Outcome, Progress, Run, Status};
pub use step::{Fault, Step, step, step_in_detail};
pub use suspend::Suspension;
pub use time::rfc3339;
pub use token::{Named, TokenKey};

#[cfg(doc)]
use crate::ir::Program;
