//! Names of what is made for an attempt.

use sha2::{Digest as _, Sha256};

use crate::engine::TaskId;

/// Longest name: names of pods and labels are made of it.
const NAME_CHARS_MAX: usize = 63;

/// Hexadecimal digits of the hash at the end of a name: 60 bits, so that two attempts of one
/// namespace never meet.
const HASH_CHARS: usize = 15;

/// The name of what is made for an attempt of a task of an Execution: the Execution's, shortened, and a hash.
#[must_use]
pub fn attempt_name(execution: &str, uid: &str, task: &TaskId) -> String {
    let digest = Sha256::digest(format!("{uid}/{task}"));
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash: String = hash.chars().take(HASH_CHARS).collect();
    let head: String = execution.chars().take(NAME_CHARS_MAX - HASH_CHARS - 1).collect();
    format!("{}-{hash}", head.trim_end_matches(['-', '.']).replace('.', "-"))
}
