//! The integration tests, in one binary: building and linking it once is what makes them quick.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]
#![allow(unreachable_pub, reason = "nothing of a test binary is reachable")]

mod architecture;
#[cfg(feature = "operator")]
mod chart;
#[cfg(feature = "operator")]
mod cli_crds;
#[cfg(feature = "operator")]
mod cli_lint;
#[cfg(feature = "operator")]
mod cli_run;
#[cfg(feature = "operator")]
mod cli_run_asl;
#[cfg(feature = "operator")]
mod cli_several;
#[cfg(feature = "operator")]
mod cluster;
#[cfg(feature = "operator")]
mod command;
mod conformance;
mod diagnostics;
mod fuzzing;
mod hostile;
#[cfg(feature = "operator")]
mod readme;
#[cfg(feature = "operator")]
mod service;
#[cfg(feature = "operator")]
mod start_apis;
#[cfg(feature = "operator")]
mod tools;
