//! Objects in the run's own store: ExecutionData of its Execution, which the controller itself makes.
//!
//! A run and nobody else writes there, and only one controller for it: those of its tasks that write wait
//! for each other, and for those that read. What slips in from a controller that has just lost its lease
//! has the names of what the next one writes, and removes nothing that came after it. One thing is open: where
//! its last chunk of an older content comes after the next one has replaced that under the same key, the older
//! content is back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio::sync::{RwLock, Semaphore};

use crate::api::ExecutionData;
use crate::api::run_object::RunObject;
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::data::{ReadError, objects, read_object};
use crate::cluster::object::Key;
use crate::driver::Owner;
use crate::driver::tenure::Tenure;
use crate::engine::TaskError;
use crate::value::Value;

use super::{REFUSED, RUN_BUCKET, StoreRequest, error};

/// Objects that are read or written side by side: each may take many megabytes.
const OBJECTS_AT_ONCE_MAX: usize = 4;

/// Chunks of one object that are written or removed side by side.
const WRITES_MAX: usize = 4;

/// The stores of all runs.
pub(in crate::driver) struct RunStore {
    api: ApiServer,
    tenure: Arc<Tenure>,
    /// Whoever reads or writes objects of a run holds its lock, by the uid of the run.
    locks: Mutex<HashMap<String, Weak<RwLock<()>>>>,
    places: Semaphore,
}

impl RunStore {
    /// As the controller's own account.
    pub(in crate::driver) fn new(api: ApiServer, tenure: Arc<Tenure>) -> Self {
        Self { api, tenure, locks: Mutex::default(), places: Semaphore::new(OBJECTS_AT_ONCE_MAX) }
    }

    /// Does what is wanted.
    ///
    /// # Errors
    /// What the API server says, or, within, what the task is told.
    pub(in crate::driver) async fn perform(
        &self,
        owner: &Owner,
        request: &StoreRequest,
    ) -> Result<Result<Value, TaskError>, ApiError> {
        let lock = self.lock(&owner.uid);
        match request {
            StoreRequest::Get { key, bytes_max, .. } => {
                let _reading = lock.read().await;
                self.get(owner, key, *bytes_max).await
            }
            StoreRequest::List { prefix, .. } => {
                let objects = objects(&self.api, &owner.key, &owner.uid).await?;
                let found = objects.current().into_iter().filter(|(key, _)| key.starts_with(prefix));
                Ok(Ok(StoreRequest::listing(found.map(|(key, object)| (key, object.bytes())))))
            }
            StoreRequest::Put { key, text, is_result, wish, .. } => {
                let _writing = lock.write().await;
                let written = self.put(owner, key, wish, text).await?;
                Ok(written.map(|()| StoreRequest::written(RUN_BUCKET, key, *is_result)))
            }
        }
    }

    fn lock(&self, uid: &str) -> Arc<RwLock<()>> {
        // Nothing that holds the lock can panic half way.
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = locks.get(uid).and_then(Weak::upgrade) {
            return known;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(uid.to_owned(), Arc::downgrade(&lock));
        lock
    }

    async fn get(
        &self,
        owner: &Owner,
        key: &str,
        bytes_max: usize,
    ) -> Result<Result<Value, TaskError>, ApiError> {
        let objects = objects(&self.api, &owner.key, &owner.uid).await?;
        let Some(object) = objects.current().remove(key) else {
            return Ok(Err(StoreRequest::missing(RUN_BUCKET, key)));
        };
        if let Err(error) = StoreRequest::check(RUN_BUCKET, key, object.bytes(), bytes_max) {
            return Ok(Err(error));
        }
        // Closed it is never.
        let _place = self.places.acquire().await;
        match read_object(&self.api, &owner.key, &owner.uid, object).await {
            Ok(text) => Ok(Ok(StoreRequest::object(text))),
            Err(ReadError::Api(error)) => Err(error),
            Err(ReadError::Lost(why)) => {
                let cause = format!("`{key}` in `{RUN_BUCKET}` cannot be read: {why}");
                Ok(Err(error(REFUSED, cause)))
            }
        }
    }

    async fn put(
        &self,
        owner: &Owner,
        key: &str,
        wish: &str,
        text: &str,
    ) -> Result<Result<(), TaskError>, ApiError> {
        let _place = self.places.acquire().await;
        let there = objects(&self.api, &owner.key, &owner.uid).await?;
        if let Some(why) = there.refusal(key, text.len()) {
            return Ok(Err(error(REFUSED, format!("cannot write to `{RUN_BUCKET}`: {why}"))));
        }
        let (name, uid) = (&owner.key.name, &owner.uid);
        // Compressing megabytes takes its time.
        let (object, mut tail) = tokio::task::block_in_place(|| {
            let (object, content) = RunObject::new(uid, key, wish, text);
            let chunks = object.chunks(&content, name, uid);
            (object, chunks)
        });
        tail.retain(|chunk| chunk.metadata.name.as_ref().is_none_or(|name| !there.has_chunk(name)));
        let head = tail.pop();
        let writes = tail.into_iter().map(|chunk| async move { self.create(owner, &chunk).await }.boxed());
        let mut writes = futures::stream::iter(writes).buffer_unordered(WRITES_MAX);
        while writes.try_next().await?.is_some() {}
        // Only when all others are there is the object there.
        if let Some(head) = &head {
            self.create(owner, head).await?;
        }
        let replaced = there.replaced_by(&object, name).into_iter().map(|chunk| {
            let chunk = Key::new(&owner.key.namespace, chunk);
            async move { self.tenure.checked(&self.api)?.delete::<ExecutionData>(&chunk).await }.boxed()
        });
        let mut removals = futures::stream::iter(replaced).buffer_unordered(WRITES_MAX);
        while removals.try_next().await?.is_some() {}
        Ok(Ok(()))
    }

    async fn create(&self, owner: &Owner, chunk: &ExecutionData) -> Result<(), ApiError> {
        match self.tenure.checked(&self.api)?.create(&owner.key.namespace, chunk).await {
            // Its name says what it holds.
            Err(ApiError::Conflict) => Ok(()),
            created => created,
        }
    }
}
