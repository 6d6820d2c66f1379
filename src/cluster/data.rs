//! Reading what of a run is kept in ExecutionData: what its status names, and its objects.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::api_server::{ApiError, ApiServer};
use super::object::Key;
use crate::api::run_object::{RunObject, RunObjects};
use crate::api::{DataRef, ExecutionData, LABEL_OBJECTS_OF};

/// Chunks of a content that are read side by side. Each may be half a megabyte.
const READS_MAX: usize = 4;

/// Why a content cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is gone or was altered: trying again does not help.
    #[error("{0}")]
    Lost(String),
    /// The API server does not give it.
    #[error("{0}")]
    Api(#[from] ApiError),
}

/// A content of the Execution `execution` with the uid `uid`.
///
/// # Errors
/// [`ReadError`].
pub async fn read(
    server: &ApiServer,
    execution: &Key,
    uid: &str,
    reference: &DataRef,
) -> Result<String, ReadError> {
    let names = reference.names(&execution.name);
    let pieces = names.map(|name| piece(server, Key::new(&execution.namespace, name)).boxed());
    // In their order, whichever comes first.
    let joined: String = futures::stream::iter(pieces).buffered(READS_MAX).try_collect().await?;
    reference.content(uid, &joined).map_err(|error| ReadError::Lost(format!("ExecutionData: {error}")))
}

/// The objects of the Execution `execution` with the uid `uid`.
///
/// # Errors
/// [`ApiError`].
pub async fn objects(server: &ApiServer, execution: &Key, uid: &str) -> Result<RunObjects, ApiError> {
    let labels = format!("{LABEL_OBJECTS_OF}={uid}");
    let chunks = server.list_metadata::<ExecutionData>(Some(&execution.namespace), &labels, "").await?;
    Ok(RunObjects::read(chunks))
}

/// What one of them holds.
///
/// # Errors
/// [`ReadError`].
pub async fn read_object(
    server: &ApiServer,
    execution: &Key,
    uid: &str,
    object: &RunObject,
) -> Result<String, ReadError> {
    read(server, execution, &object.scope(uid), &object.content).await
}

async fn piece(server: &ApiServer, chunk: Key) -> Result<String, ReadError> {
    match server.read::<ExecutionData>(&chunk).await? {
        Some(chunk) => Ok(chunk.spec.data),
        None => Err(ReadError::Lost(format!("ExecutionData `{}` is gone", chunk.name))),
    }
}
