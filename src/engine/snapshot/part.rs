//! Values of a run that are stored apart from its snapshot.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::engine::Fault;
use crate::value::{Array, Str, Value};

/// Values that a snapshot refers to. It never changes, and its key names its content.
#[derive(Clone, Debug)]
pub struct Part {
    pub(super) key: Str,
    pub(super) values: Array,
    /// Bytes of each: those of a long text are counted letter by letter.
    pub(super) bytes: Arc<[usize]>,
    /// How much had happened to the run when it was made.
    moment: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<V> {
    v: u32,
    /// How much had happened to the run when it was made: content that comes back later has another key,
    /// so whoever is late in removing the first does not remove the second.
    e: u64,
    d: V,
}

/// The version that is written and read.
const VERSION: u32 = 1;

/// Names a content of an execution: nobody else's has the same name.
#[must_use]
pub fn digest(execution: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    // The length first, so that no two pairs read the same.
    hash.update((execution.len() as u64).to_be_bytes());
    hash.update(execution);
    hash.update(text);
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Part {
    pub(super) fn new(execution: &str, moment: u64, values: Vec<Value>) -> Self {
        let mut part = Self::of(Str::default(), values, moment);
        part.key = digest(execution, &part.to_json()).into();
        part
    }

    fn of(key: Str, values: Vec<Value>, moment: u64) -> Self {
        let bytes = values.iter().map(Value::bytes).collect();
        Self { key, values: values.into(), bytes, moment }
    }

    /// The part behind a stored form.
    ///
    /// # Errors
    /// [`Fault::Snapshot`] where the text is none.
    pub fn read(execution: &str, text: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Fault::Snapshot(format!("a part: {why}"));
        let wire: Wire<Vec<Value>> = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if wire.v != VERSION {
            return Err(refuse(format!("version {} is not {VERSION}, the one known here", wire.v)));
        }
        Ok(Self::of(digest(execution, text).into(), wire.d, wire.e))
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Writing to memory cannot fail.
        serde_json::to_string(&Wire { v: VERSION, e: self.moment, d: &*self.values }).unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Bytes of its values as compact JSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Value::Array(self.values.clone()).bytes()
    }
}
