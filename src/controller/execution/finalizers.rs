//! The finalizer on Executions that others depend on. A write of a status carries none (control-plane.md §3).

use http::{Request, header};

use crate::api::{Execution, FINALIZER_DEPENDENTS};
use crate::cluster::api_server::{ApiError, ApiServer, METADATA_ONLY, path_of};
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
    let request = Request::patch(path_of::<Execution>(&object.key()))
        .header(header::CONTENT_TYPE, "application/merge-patch+json")
        .header(header::ACCEPT, METADATA_ONLY);
    let text = api.send(request, patch.to_string()).await?;
    let written: Stored<Execution> =
        serde_json::from_str(&text).map_err(|error| ApiError::Unavailable(error.to_string()))?;
    Ok(written.version())
}
