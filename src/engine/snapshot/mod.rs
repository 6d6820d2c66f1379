//! The stored form of a [`Run`].
//!
//! One line of JSON that begins with its version. Values are stored once in a table and referred to
//! by position, so what the run shares in memory is shared in storage and again after decoding.
//! Nothing in it is derived from what the program says anyway: paths and task ids are made anew.
//!
//! A newer version reads what older ones wrote; the steps between versions are explicit functions.

mod v1;

use serde::Deserialize;

use super::{Fault, Run};
use crate::ir::Program;

/// The version that is written.
pub const VERSION: u32 = 1;

/// The stored form of a run.
#[must_use]
pub fn encode(run: &Run) -> String {
    // Writing to memory cannot fail, and every map in it has strings for keys.
    serde_json::to_string(&v1::Snapshot::of(run)).unwrap_or_default()
}

/// The run behind a stored form.
///
/// # Errors
/// [`Fault::Snapshot`] where the text is none, was written by a later version, or does not fit the
/// program; never a panic, whatever the text.
pub fn decode(text: &str, program: &Program) -> Result<Run, Fault> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let refuse = |error: serde_json::Error| Fault::Snapshot(error.to_string());
    let Versioned { v } = serde_json::from_str(text).map_err(refuse)?;
    match v {
        1 => serde_json::from_str::<v1::Snapshot>(text).map_err(refuse)?.into_run(program),
        newer => {
            Err(Fault::Snapshot(format!("version {newer} is newer than {VERSION}, the last one known here")))
        }
    }
}
