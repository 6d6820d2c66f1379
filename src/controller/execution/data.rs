//! ExecutionData: which chunks there are, and what was read of them.
//!
//! Chunks are written before the status that names them, and removed once a status stands that does not.
//! A status of ours that stands makes every write conflict that was computed before it. So what a leader
//! that is being replaced may still write names nothing that was removed; and it was not removed before,
//! for only whoever has written, or has found a run that has ended, removes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use kube::ResourceExt as _;
use tracing::{debug, warn};

use crate::api::execution_data::Content;
use crate::api::{DataRef, ExecutionData, ExecutionStatus, LABEL_EXECUTION, LABEL_EXECUTION_UID};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::data::{ReadError, read};
use crate::cluster::object::Key;
use crate::engine::snapshot::Part;

/// Chunks of one run that are written or removed side by side.
const WRITES_MAX: usize = 4;

/// Looks at runs that are too large for their Execution, side by side: each may take megabytes.
pub const LARGE_LOOKS_MAX: usize = 4;

/// How often it is tried to list chunks.
const LIST_RETRY: Duration = Duration::from_secs(1);

/// Parts that are kept in memory, in bytes of compact JSON; decoded they take several times as much.
const PARTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is known of ExecutionData.
pub struct DataStore {
    api: ApiServer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Names of chunks by the uid of their Execution, as far as there may be any.
    chunks: HashMap<String, BTreeSet<String>>,
    /// Parts of runs by uid.
    parts: HashMap<String, KnownParts>,
    /// Counts uses.
    uses: u64,
}

struct KnownParts {
    parts: Vec<Part>,
    last_use: u64,
}

impl KnownParts {
    fn bytes(&self) -> usize {
        self.parts.iter().map(Part::bytes).fold(0, usize::saturating_add)
    }
}

impl DataStore {
    /// Of an API server.
    #[must_use]
    pub fn new(api: ApiServer) -> Self {
        Self { api, state: Mutex::default() }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns which chunks a namespace has, or all have, before any is written. Gives the Executions that
    /// they belong to, which are to be looked at: of a controller that ended too early there may be chunks
    /// that nothing names.
    pub async fn learn(&self, namespace: Option<&str>) -> BTreeSet<Key> {
        let labels = format!("{LABEL_EXECUTION_UID},{LABEL_EXECUTION}");
        let found = loop {
            match self.api.list_metadata::<ExecutionData>(namespace, &labels, "").await {
                Ok(found) => break found,
                Err(error) => {
                    warn!(%error, "ExecutionData cannot be listed, which is tried again");
                    tokio::time::sleep(LIST_RETRY).await;
                }
            }
        };
        let mut owners = BTreeSet::new();
        let mut state = self.locked();
        for chunk in found {
            let label = |label: &str| chunk.labels.as_ref().and_then(|labels| labels.get(label)).cloned();
            let (Some(uid), Some(execution)) = (label(LABEL_EXECUTION_UID), label(LABEL_EXECUTION)) else {
                continue;
            };
            let (Some(namespace), Some(name)) = (chunk.namespace, chunk.name) else { continue };
            state.chunks.entry(uid).or_default().insert(name);
            owners.insert(Key::new(namespace, execution));
        }
        owners
    }

    /// The parts that a status names, from memory where they are there.
    ///
    /// # Errors
    /// Where one of them is lost or cannot be read now.
    pub async fn parts(&self, key: &Key, uid: &str, refs: &[DataRef]) -> Result<Vec<Part>, ReadError> {
        let known = self.known(uid);
        let mut parts = Vec::with_capacity(refs.len());
        for reference in refs {
            // Of a run that has ended they were forgotten.
            self.locked().chunks.entry(uid.to_owned()).or_default().extend(reference.names(&key.name));
            let part = match known.iter().find(|part| part.key() == reference.digest) {
                Some(known) => known.clone(),
                None => {
                    let text = read(&self.api, key, uid, reference).await?;
                    let part = tokio::task::block_in_place(|| Part::read(uid, &text));
                    part.map_err(|fault| ReadError::Lost(fault.to_string()))?
                }
            };
            parts.push(part);
        }
        Ok(parts)
    }

    fn known(&self, uid: &str) -> Vec<Part> {
        let mut state = self.locked();
        state.uses += 1;
        let now = state.uses;
        let Some(known) = state.parts.get_mut(uid) else { return Vec::new() };
        known.last_use = now;
        known.parts.clone()
    }

    /// Keeps the parts of a run in memory, and lets go of those of runs that were not looked at for
    /// longest where there is no room.
    pub fn remember(&self, uid: &str, parts: Vec<Part>) {
        let mut state = self.locked();
        if parts.is_empty() {
            state.parts.remove(uid);
            return;
        }
        state.uses += 1;
        let last_use = state.uses;
        state.parts.insert(uid.to_owned(), KnownParts { parts, last_use });
        let mut bytes = state.parts.values().map(KnownParts::bytes).fold(0, usize::saturating_add);
        while bytes > PARTS_BYTES_MAX && state.parts.len() > 1 {
            let oldest = state.parts.iter().min_by_key(|(_, known)| known.last_use);
            let Some(oldest) = oldest.map(|(uid, _)| uid.clone()) else { return };
            bytes -= state.parts.remove(&oldest).map_or(0, |known| known.bytes());
        }
    }

    /// What is known of an Execution that is gone: its chunks go with it.
    pub fn forget(&self, uid: &str) {
        let mut state = self.locked();
        state.chunks.remove(uid);
        state.parts.remove(uid);
    }

    /// Writes what a status is about to name. What is there already has the same content.
    ///
    /// # Errors
    /// Where one of the chunks cannot be written.
    pub async fn write(
        &self,
        key: &Key,
        uid: &str,
        contents: &[Content],
        note: impl Fn(&Result<(), ApiError>),
    ) -> Result<(), ApiError> {
        for content in contents {
            let writes = content.chunks(&key.name, uid).map(|chunk| {
                // Before it is there, so that it is never there unknown.
                self.locked().chunks.entry(uid.to_owned()).or_default().insert(chunk.name_any());
                async move { self.api.create(&key.namespace, &chunk).await }.boxed()
            });
            let mut writes = futures::stream::iter(writes).buffer_unordered(WRITES_MAX);
            while let Some(written) = writes.next().await {
                let written = match written {
                    Err(ApiError::Conflict) => Ok(()),
                    written => written,
                };
                note(&written);
                written?;
            }
        }
        Ok(())
    }

    /// Removes the chunks of an Execution that its status does not name. Gives how many were removed;
    /// nothing where some could not be.
    ///
    /// Only for who has just written that status, or where the run has ended: see the module.
    pub async fn collect(&self, key: &Key, uid: &str, status: &ExecutionStatus) -> Option<usize> {
        let there = self.locked().chunks.get(uid).cloned().unwrap_or_default();
        if there.is_empty() {
            return Some(0);
        }
        let is_ended = status.phase.is_ended();
        let mut unnamed = there;
        if is_ended {
            // Whoever led before may have left something that nobody knows of.
            let labels = format!("{LABEL_EXECUTION_UID}={uid}");
            match self.api.list_metadata::<ExecutionData>(Some(&key.namespace), &labels, "").await {
                Ok(found) => unnamed.extend(found.into_iter().filter_map(|chunk| chunk.name)),
                Err(error) => {
                    warn!(execution = %key, %error, "ExecutionData cannot be listed");
                    return None;
                }
            }
        }
        for name in status.data_refs().flat_map(|reference| reference.names(&key.name)) {
            unnamed.remove(&name);
        }
        let removed = self.remove(key, uid, unnamed).await?;
        if is_ended {
            self.forget(uid);
        }
        Some(removed)
    }

    async fn remove(&self, key: &Key, uid: &str, names: BTreeSet<String>) -> Option<usize> {
        let count = names.len();
        let removals = names.into_iter().map(|name| {
            let chunk = Key::new(&key.namespace, name);
            async move { (self.api.delete::<ExecutionData>(&chunk).await, chunk.name) }.boxed()
        });
        let mut removals = futures::stream::iter(removals).buffer_unordered(WRITES_MAX);
        let mut is_done = true;
        while let Some((removed, name)) = removals.next().await {
            match removed {
                Ok(()) => {
                    if let Some(chunks) = self.locked().chunks.get_mut(uid) {
                        chunks.remove(&name);
                    }
                }
                Err(error) => {
                    warn!(execution = %key, chunk = name, %error, "ExecutionData cannot be removed");
                    is_done = false;
                }
            }
        }
        if count > 0 {
            debug!(execution = %key, count, "ExecutionData that nothing names were removed");
        }
        is_done.then_some(count)
    }
}
