//! What of a run is kept in its status, and what beside it.

use super::decide::Facts;
use crate::api::ExecutionStatus;
use crate::api::execution::DATA_REFS_MAX;
use crate::api::execution_data::{Content, DataRef};
use crate::api::stored;
use crate::engine::Run;
use crate::engine::snapshot::{self, Encoded, Part};

/// Largest object that is written, in bytes. At 1,536 KiB the API server answers with a plain 500
/// (control-plane.md §9).
pub const OBJECT_BYTES_MAX: usize = 1_500 * 1024;

/// Longest checkpoint and longest history in a status, in bytes as they are stored. What is longer costs
/// more with every write than a chunk costs once.
pub const STORED_BYTES_MAX: usize = 256 * 1024;

/// Longest output in a status, in bytes. Whoever lists or watches Executions reads it.
pub const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// Longest snapshot of a run that is kept whole, in bytes before compression: it is read and made anew
/// with every look.
const WHOLE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most that a run may hold, in bytes of compact JSON: all states that it is in, with what branches and
/// iterations that have ended gave, and its variables. The controller keeps a few of that size in memory.
pub const RUN_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Values that a snapshot with parts holds itself before they make another part, in bytes: at least this
/// much …
const LOOSE_BYTES_MIN: usize = 64 * 1024;

/// … and at least this share of all, so that even the largest run has no more than some hundred parts.
const LOOSE_SHARE: usize = 64;

/// How much of an object its status may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room(usize);

impl Room {
    /// Beside so many bytes of other things in the object.
    #[must_use]
    pub fn beside(bytes: usize) -> Self {
        Self(OBJECT_BYTES_MAX.saturating_sub(bytes))
    }

    /// What a checkpoint, a history or an output may take: with the two others and the longest texts of
    /// a status they fit.
    #[must_use]
    pub fn share(self) -> usize {
        (self.0 / 5).min(STORED_BYTES_MAX)
    }

    /// What a checkpoint may take that cannot be made smaller.
    fn double_share(self) -> usize {
        self.0 / 5 * 2
    }
}

/// A run as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The checkpoint.
    pub checkpoint: String,
    /// What the checkpoint refers to.
    pub refs: Vec<DataRef>,
    /// The same, read.
    pub parts: Vec<Part>,
    /// Of that, what is to be written.
    pub contents: Vec<Content>,
}

/// How a run is kept of which some stands in `parts` already, which `refs` name. Or why it cannot be.
///
/// # Errors
/// For a person.
pub fn keep(run: &Run, parts: &[Part], refs: &[DataRef], room: Room) -> Result<Kept, String> {
    let held = "the states that the execution is in hold";
    let measured = snapshot::measure(run, parts);
    if measured.held_bytes > RUN_BYTES_MAX {
        return Err(format!("{held} {} bytes, at most {RUN_BYTES_MAX} can be kept", measured.held_bytes));
    }
    let beside = measured.encode();
    if beside.text.len() > stored::TEXT_BYTES_MAX {
        // It would become a checkpoint, for it compresses well, and nobody could read that.
        let (bytes, max) = (beside.text.len(), stored::TEXT_BYTES_MAX);
        return Err(format!("{held} too many values: {bytes} bytes written out, at most {max} can be kept"));
    }
    if let Some(kept) = keep_whole(run, &beside, room) {
        return Ok(kept);
    }
    let loose_bytes_max = LOOSE_BYTES_MIN.max(beside.held_bytes / LOOSE_SHARE);
    let is_settled = !beside.parts.is_empty() && beside.loose_bytes <= loose_bytes_max;
    let encoded = if is_settled { beside } else { apart(run, parts) };
    let checkpoint = stored::encode(&encoded.text);
    if checkpoint.len() > room.double_share() {
        let (bytes, max) = (checkpoint.len(), room.double_share());
        return Err(format!(
            "{held} too many values: {bytes} bytes after compression, at most {max} can be kept"
        ));
    }
    let mut contents = Vec::new();
    let refs = encoded.parts.iter().map(|part| {
        if let Some(known) = refs.iter().find(|known| known.digest == part.key()) {
            return known.clone();
        }
        let content = Content::new(&run.execution().id, &part.to_json());
        let reference = content.reference.clone();
        contents.push(content);
        reference
    });
    Ok(Kept { checkpoint, refs: refs.collect(), parts: encoded.parts, contents })
}

/// Takes an output that is too large for the object out of its status, which then names it. Gives what
/// is to be written.
#[must_use]
pub fn output(status: &mut ExecutionStatus, facts: &Facts) -> Option<Content> {
    let bytes_max = facts.room.share().min(OUTPUT_BYTES_MAX);
    let output = status.output.take_if(|output| output.text().len() > bytes_max)?;
    let content = Content::new(&facts.uid, output.text());
    status.output_ref = Some(content.reference.clone());
    Some(content)
}

/// All of it in the checkpoint, where that is short enough.
fn keep_whole(run: &Run, beside: &Encoded, room: Room) -> Option<Kept> {
    // What was once too large is so again soon, unless it has become quite small.
    let bytes_max = if beside.parts.is_empty() { WHOLE_BYTES_MAX } else { LOOSE_BYTES_MIN };
    if beside.held_bytes > bytes_max || beside.text.len() > WHOLE_BYTES_MAX {
        return None;
    }
    let checkpoint = stored::encode(&snapshot::encode(run));
    let kept = Kept { checkpoint, refs: Vec::new(), parts: Vec::new(), contents: Vec::new() };
    (kept.checkpoint.len() <= room.share()).then_some(kept)
}

fn apart(run: &Run, parts: &[Part]) -> Encoded {
    let encoded = snapshot::encode_apart(run, parts);
    // As many as can be named; the shares see to it that there are never half as many.
    if encoded.parts.len() > DATA_REFS_MAX { snapshot::encode_apart(run, &[]) } else { encoded }
}

#[cfg(test)]
mod tests;
