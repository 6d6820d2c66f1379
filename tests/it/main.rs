//! The integration tests, in one binary: building and linking it once is what makes them quick.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

#[cfg(feature = "operator")]
mod chart;
mod conformance;
