//! The stored form of a [`Run`].
//!
//! One line of JSON that begins with its version. Values are stored once in a table and referred to
//! by position, so what the run shares in memory is shared in storage and again after decoding.
//! Nothing in it is derived from what the program says anyway: paths and task ids are made anew.
//!
//! A run that holds much has most of its values in *parts* ([`Part`]), each of which is written once
//! and never changes: what a step leaves alone is not written again. A part is known again by the
//! storage that its values share with the run, so a run must be decoded against the very parts that it
//! is encoded against next.
//!
//! A newer version reads what older ones wrote; the steps between versions are explicit functions.

mod part;
mod v1;

use serde::Deserialize;

use super::{Fault, Progress, Run};
use crate::ir::Program;
use crate::value::Value;

pub use part::{Part, digest};

/// The version that is written where there are parts, and the newest that is read.
pub const VERSION: u32 = 2;

/// The version that is written where there are none.
const VERSION_WHOLE: u32 = 1;

/// A run in its stored form.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The snapshot.
    pub text: String,
    /// The parts that it refers to; without them it cannot be read.
    pub parts: Vec<Part>,
    /// Bytes of the values in the snapshot that may as well stand in a part.
    pub loose_bytes: usize,
    /// Bytes of all values that the run holds, wherever they stand.
    pub held_bytes: usize,
}

/// A run on its way to its stored form.
pub struct Measured {
    snapshot: v1::Snapshot,
    parts: Vec<Part>,
    loose_bytes: usize,
    /// As [`Encoded::held_bytes`].
    pub held_bytes: usize,
}

impl Measured {
    /// The stored form.
    #[must_use]
    pub fn encode(self) -> Encoded {
        let Self { snapshot, parts, loose_bytes, held_bytes } = self;
        Encoded { text: text_of(&snapshot), parts, loose_bytes, held_bytes }
    }
}

/// The stored form of a run, whole.
#[must_use]
pub fn encode(run: &Run) -> String {
    text_of(&v1::Snapshot::of(run, &[]).snapshot)
}

/// The stored form of a run of which some stands in parts already. Those that it no longer needs are
/// left out.
#[must_use]
pub fn encode_beside(run: &Run, parts: &[Part]) -> Encoded {
    measure(run, parts).encode()
}

/// How much a run holds, before anything of it is written: values share what they hold, so that written
/// out they can be larger than any memory.
#[must_use]
pub fn measure(run: &Run, parts: &[Part]) -> Measured {
    let mut parts = parts.to_vec();
    let mut written = v1::Snapshot::of(run, &parts);
    let needed = |used: &[usize]| used.iter().map(|bytes| *bytes > 0).collect::<Vec<_>>();
    let is_needed = needed(&written.used_bytes);
    if is_needed.contains(&false) {
        retain(&mut parts, &is_needed);
        written = v1::Snapshot::of(run, &parts);
    }
    let loose_bytes = written.snapshot.loose().map(Value::bytes).fold(0, usize::saturating_add);
    let used_bytes = written.used_bytes.iter().fold(0, |sum: usize, bytes| sum.saturating_add(*bytes));
    let held_bytes = loose_bytes.saturating_add(used_bytes);
    Measured { snapshot: written.snapshot, parts, loose_bytes, held_bytes }
}

/// The same with all values in parts that may stand in one: what does not yet is put into a new one,
/// together with what is left of parts of which most is no longer needed.
#[must_use]
pub fn encode_apart(run: &Run, parts: &[Part]) -> Encoded {
    let mut parts = parts.to_vec();
    let used_bytes = v1::Snapshot::of(run, &parts).used_bytes;
    let is_kept: Vec<_> =
        parts.iter().zip(&used_bytes).map(|(part, used)| *used > 0 && *used >= part.bytes() / 2).collect();
    retain(&mut parts, &is_kept);
    let loose: Vec<_> = v1::Snapshot::of(run, &parts).snapshot.loose().cloned().collect();
    if !loose.is_empty() {
        parts.push(Part::new(&run.execution.id, moment(run), loose));
    }
    encode_beside(run, &parts)
}

/// A number that grows with everything that happens to a run, told or not.
fn moment(run: &Run) -> u64 {
    let Progress { transitions, tasks_succeeded, tasks_failed, retries, held } = run.progress;
    let counts = [run.events, transitions, tasks_succeeded, tasks_failed, retries, held];
    counts.into_iter().fold(0, u64::saturating_add)
}

fn retain(parts: &mut Vec<Part>, is_kept: &[bool]) {
    let mut is_kept = is_kept.iter();
    parts.retain(|_| is_kept.next().copied().unwrap_or_default());
}

fn text_of(snapshot: &v1::Snapshot) -> String {
    // Writing to memory cannot fail, and every map in it has strings for keys.
    serde_json::to_string(snapshot).unwrap_or_default()
}

/// The run behind a stored form that is whole.
///
/// # Errors
/// [`Fault::Snapshot`] where the text is none, was written by a later version, refers to parts, or does
/// not fit the program; never a panic, whatever the text.
pub fn decode(text: &str, program: &Program) -> Result<Run, Fault> {
    decode_beside(text, program, &[])
}

/// The run behind a stored form and the parts that it refers to; others may be among them.
///
/// # Errors
/// As [`decode`], and where a part is missing.
pub fn decode_beside(text: &str, program: &Program, parts: &[Part]) -> Result<Run, Fault> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let refuse = |error: serde_json::Error| Fault::Snapshot(error.to_string());
    let Versioned { v } = serde_json::from_str(text).map_err(refuse)?;
    match v {
        VERSION_WHOLE | VERSION => {
            serde_json::from_str::<v1::Snapshot>(text).map_err(refuse)?.into_run(program, parts)
        }
        newer => {
            Err(Fault::Snapshot(format!("version {newer} is newer than {VERSION}, the last one known here")))
        }
    }
}
