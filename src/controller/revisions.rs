//! Revisions that were read and compiled. A revision never changes, so one read is enough.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::revision::Revision;
use crate::api::{FlowRevision, FlowRevisionSpec};
use crate::cluster::api_server::ApiServer;
use crate::cluster::object::{Key, Stored};

/// Revisions kept compiled. One of ordinary size takes some kilobytes.
const REVISIONS_MAX: usize = 500;

/// Definitions longer than this are compiled where they keep nobody waiting, in bytes.
const LONG_DEFINITION_BYTES: usize = 32 * 1024;

/// Why there is no revision.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// It is gone, or does not compile: trying again does not help.
    #[error("{0}")]
    Lost(String),
    /// It may be read later.
    #[error("{0}")]
    Unavailable(String),
}

/// Reads and compiles revisions.
pub struct Revisions {
    api: ApiServer,
    compiled: Mutex<HashMap<Key, Arc<Revision>>>,
}

impl Revisions {
    /// Revisions from an API server.
    #[must_use]
    pub fn new(api: ApiServer) -> Self {
        Self { api, compiled: Mutex::default() }
    }

    /// The revision with this name, if it is the one that is meant: once it was deleted, its name can be
    /// that of another one.
    ///
    /// # Errors
    /// [`RevisionError`].
    pub async fn get(
        &self,
        key: &Key,
        is_meant: impl Fn(&Revision) -> bool,
    ) -> Result<Arc<Revision>, RevisionError> {
        if let Some(known) = self.locked().get(key).filter(|known| is_meant(known)) {
            return Ok(known.clone());
        }
        let read = self.read(key).await?;
        if is_meant(&read) {
            return Ok(read);
        }
        Err(RevisionError::Lost(format!(
            "FlowRevision `{}` was deleted; another one has its name now",
            key.name
        )))
    }

    async fn read(&self, key: &Key) -> Result<Arc<Revision>, RevisionError> {
        let stored: Option<Stored<FlowRevision>> =
            self.api.get(key).await.map_err(|error| RevisionError::Unavailable(error.to_string()))?;
        let stored =
            stored.ok_or_else(|| RevisionError::Lost(format!("FlowRevision `{}` is gone", key.name)))?;
        let spec: FlowRevisionSpec = stored
            .decode_spec()
            .map_err(|why| RevisionError::Lost(format!("FlowRevision `{}`: {why}", key.name)))?;
        let compile = || Revision::compile(&key.name, stored.uid(), spec.clone());
        let compiled = match spec.definition.text().len() {
            0..=LONG_DEFINITION_BYTES => compile(),
            _ => tokio::task::block_in_place(compile),
        };
        let revision = Arc::new(compiled.map_err(RevisionError::Lost)?);
        let mut known = self.locked();
        if known.len() >= REVISIONS_MAX {
            // Those that runs hold on to are kept.
            known.retain(|_, revision| Arc::strong_count(revision) > 1);
        }
        known.insert(key.clone(), revision.clone());
        Ok(revision)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Revision>>> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
