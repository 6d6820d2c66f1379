//! Millrace runs state machines on Kubernetes.
//!
//! ```text
//! definition text ──dialect──▶ ir::Program                                   pure half
//!                                   │
//!                     engine::step(program, run, now, event) → { run, commands, history }
//!                                   │
//! Execution ─▶ observe ─▶ decide (pure) ─▶ commit (one status write) ─▶ perform (idempotent)
//!                 ▲                                                         │
//!                 └──────────── watches · timers · task answers ◀───────────┘
//! ```
//!
//! The modules stand in the order in which they may know each other: each may use only those above
//! it, and [`engine`] may not use [`dialect`]. The first group compiles without the feature
//! `operator`.
//!
//! # What holds everywhere
//!
//! * The pure half does not know that Kubernetes exists. Nothing in it is async.
//! * The engine reads no clock and draws no random number. Equal arguments give equal results.
//! * The engine does not know which language a program came from. Quirks end in `lower.rs`.
//! * A [`ir::Program`] that exists is valid. A run that is decoded belongs to its program.
//! * Nothing is performed that was not committed. Nothing is committed that was not decided.
//! * A decision never fails for reasons outside its arguments, and never does IO.
//! * History is written for people; the engine never reads it.
//! * Everything has a limit, and the limit has a name.

// --- the pure half ---------------------------------------------------------------
pub mod value;
pub mod source;
pub mod diagnostic;
pub mod expr;
pub mod ir;
pub mod dialect;
pub mod engine;
pub mod mock;

// --- the Kubernetes half ---------------------------------------------------------
#[cfg(feature = "operator")]
pub mod api;
#[cfg(feature = "operator")]
pub mod cluster;
#[cfg(feature = "operator")]
pub mod driver;
#[cfg(feature = "operator")]
pub mod controller;
#[cfg(feature = "operator")]
pub mod server;
#[cfg(feature = "operator")]
pub mod cli;
