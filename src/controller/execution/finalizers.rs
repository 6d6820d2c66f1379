//! The finalizer on Executions that others depend on. A write of a status carries none (control-plane.md §3).

use crate::api::{Execution, FINALIZER_DEPENDENTS};
use crate::cluster::api_server::{ApiError, ApiServer};
use crate::cluster::object::{Key, Stored};

/// Adds it to a version of an Execution; gives the new version.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn add(api: &ApiServer, key: &Key, uid: &str, version: u64) -> Result<u64, ApiError> {
    let object: Stored<Execution> = api.get(key).await?.ok_or(ApiError::NotFound)?;
    if object.uid() != uid || object.version() != version {
        return Err(ApiError::Conflict);
    }
    let others = object.finalizers().iter().map(String::as_str);
    write(api, &object, others.chain([FINALIZER_DEPENDENTS]).collect()).await
}

/// Takes it off an Execution as it was read; gives the new version.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn remove(api: &ApiServer, object: &Stored<Execution>) -> Result<u64, ApiError> {
    let others = object.finalizers().iter().map(String::as_str);
    write(api, object, others.filter(|finalizer| *finalizer != FINALIZER_DEPENDENTS).collect()).await
}

async fn write(api: &ApiServer, object: &Stored<Execution>, finalizers: Vec<&str>) -> Result<u64, ApiError> {
    let patch = serde_json::json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.version().to_string(),
        "finalizers": finalizers,
    }});
    api.merge::<Execution>(&object.key(), &patch).await
}
