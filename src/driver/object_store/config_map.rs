//! Objects in the `ConfigMaps` of a namespace: a bucket is one of them, their keys are those of the
//! objects, with `.` for `/`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

use crate::api::run_object::OBJECTS_BYTES_MAX;
use crate::cluster::api_server::{ApiError, ApiServer, path_of};
use crate::cluster::object::{Key, is_name};
use crate::engine::TaskError;
use crate::value::Value;

use super::{INVALID, REFUSED, RUN_BUCKET, StoreRequest, error};

/// Most that the values of a `ConfigMap` hold together, in bytes: the API server takes no more.
const CONFIG_MAP_BYTES_MAX: usize = 1024 * 1024;

/// Does what is wanted, as an account that may.
///
/// # Errors
/// What the API server says, or, within, what the task is told.
pub(in crate::driver) async fn perform(
    api: &ApiServer,
    namespace: &str,
    request: &StoreRequest,
) -> Result<Result<Value, TaskError>, ApiError> {
    let bucket = request.bucket();
    if !is_name(bucket) {
        let cause = format!(
            "`{bucket}` can be no name of a ConfigMap, which a bucket is without a binding; the run's own \
             store is `{RUN_BUCKET}`"
        );
        return Ok(Err(error(INVALID, cause)));
    }
    let at = Key::new(namespace, bucket);
    match request {
        StoreRequest::Get { key, .. } => {
            let data = api.read::<ConfigMap>(&at).await?.and_then(|map| map.data).unwrap_or_default();
            let text = data.get(&data_key(key)).cloned();
            Ok(text.map(StoreRequest::object).ok_or_else(|| StoreRequest::missing(bucket, key)))
        }
        StoreRequest::List { prefix, .. } => {
            let Some(map) = api.read::<ConfigMap>(&at).await? else {
                return Ok(Err(StoreRequest::missing(bucket, prefix)));
            };
            let (data, prefix) = (map.data.unwrap_or_default(), data_key(prefix));
            let found = data.iter().filter(|(key, _)| key.starts_with(&prefix));
            Ok(Ok(StoreRequest::listing(found.map(|(key, text)| (&**key, text.len())))))
        }
        StoreRequest::Put { key, text, is_result, .. } => {
            let written = put(api, &at, &data_key(key), text).await?;
            Ok(written.map(|()| StoreRequest::written(bucket, key, *is_result)))
        }
    }
}

/// Writes one key of a `ConfigMap`, which is made where it is not there. Writing it again changes nothing.
async fn put(api: &ApiServer, at: &Key, key: &str, text: &str) -> Result<Result<(), TaskError>, ApiError> {
    let Some(mut map) = api.read::<ConfigMap>(at).await? else {
        if let Err(error) = check(at, key, text.len()) {
            return Ok(Err(error));
        }
        let map = ConfigMap {
            metadata: ObjectMeta { name: Some(at.name.clone()), ..ObjectMeta::default() },
            data: Some(BTreeMap::from([(key.to_owned(), text.to_owned())])),
            ..ConfigMap::default()
        };
        return api.create(&at.namespace, &map).await.map(Ok);
    };
    let binary = map.binary_data.iter().flatten().map(|(_, bytes)| bytes.0.len());
    let texts = map.data.iter().flatten().filter(|(other, _)| *other != key).map(|(_, text)| text.len());
    if let Err(error) = check(at, key, binary.chain(texts).sum::<usize>().saturating_add(text.len())) {
        return Ok(Err(error));
    }
    let data = map.data.get_or_insert_default();
    if data.get(key).is_some_and(|stored| stored == text) {
        return Ok(Ok(()));
    }
    data.insert(key.to_owned(), text.to_owned());
    let body = serde_json::to_string(&map).map_err(|error| ApiError::Unavailable(error.to_string()))?;
    api.send(http::Request::put(path_of::<ConfigMap>(at)), body).await.map(|_| Ok(()))
}

/// The API server would refuse it too, but not say what to do.
fn check(at: &Key, key: &str, bytes: usize) -> Result<(), TaskError> {
    if bytes <= CONFIG_MAP_BYTES_MAX {
        return Ok(());
    }
    let cause = format!(
        "with `{key}` the ConfigMap `{}` would hold {bytes} bytes, at most {CONFIG_MAP_BYTES_MAX} fit into \
         one: write to the bucket `{RUN_BUCKET}`, the run's own store, which holds {OBJECTS_BYTES_MAX}, or \
         bind the resource to a store",
        at.name
    );
    Err(error(REFUSED, cause))
}

/// The key of a `ConfigMap` for that of an object.
fn data_key(key: &str) -> String {
    key.replace('/', ".")
}
