//! Tasks about stored objects (`s3:getObject`, `s3:listObjectsV2`, `s3:putObject`, and `OSS:GetObject`,
//! `OSS:ListObjects`, `OSS:PutObject`), which Maps read from and write to (asl.md §12, fdl.md §7.8).
//!
//! Unless a binding is about them, the store is the namespace of the run: a bucket is a `ConfigMap`, its
//! keys are those of the objects, with `.` for `/`. It is read and written as the run's account.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

use crate::cluster::api_server::{ApiError, ApiServer, path_of};
use crate::cluster::object::{Key, is_name};
use crate::engine::TaskError;
use crate::value::{Object, Value};

/// The error of a task whose object or bucket is not there.
const NO_SUCH_KEY: &str = "NoSuchKey";

/// The error of a task that asks for what cannot be.
const INVALID: &str = "InvalidArgument";

/// The error of a task that the store refuses.
pub(super) const REFUSED: &str = "Refused";

/// Names of the member that holds the key of an object, one per service.
const KEY_NAMES: [&str; 2] = ["Key", "ObjectName"];

/// Names of the file under a prefix that results are written to.
const RESULTS: &str = "results.json";

/// What is done with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads an object.
    Get,
    /// Says what objects there are.
    List,
    /// Writes an object.
    Put,
}

/// What a task wants of a store.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// An object: `{Bucket, Key}` → `{Body, ContentLength}`.
    Get {
        /// Where it is.
        bucket: String,
        /// What it is called.
        key: String,
    },
    /// What objects there are: `{Bucket, Prefix}` → `{Contents: [{Key, Size}], KeyCount}`.
    List {
        /// Where to look.
        bucket: String,
        /// What their keys begin with.
        prefix: String,
    },
    /// An object to be written: `{Bucket, Key, Body}`, or `{Bucket, Prefix, Body}` for what a Map gave.
    Put {
        /// Where to.
        bucket: String,
        /// What it is to be called.
        key: String,
        /// What it is to hold.
        text: String,
        /// Whether it is what a Map gave: the answer names it as a Map's result does.
        is_result: bool,
    },
}

impl StoreRequest {
    /// What a task wants with an operation. `unique` names what a Map gave under its prefix:
    /// the same however often one attempt is repeated.
    ///
    /// # Errors
    /// Where the arguments lack something; the cause names it.
    pub fn of(operation: Operation, arguments: &Value, unique: &str) -> Result<Self, TaskError> {
        let text = |name: &str| {
            let found = arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            found.map(str::to_owned).ok_or_else(|| {
                let found = arguments.get(name).cloned().unwrap_or_default();
                let (kind, excerpt) = (found.kind(), found.excerpt(64));
                let cause = format!("`{name}` must be a string that is not empty, found {kind} `{excerpt}`");
                error(INVALID, cause)
            })
        };
        let bucket = text("Bucket")?;
        let key_name = KEY_NAMES.into_iter().find(|name| arguments.get(name).is_some());
        let prefix = || arguments.get("Prefix").and_then(Value::as_str).unwrap_or_default();
        match operation {
            Operation::List => return Ok(Self::List { bucket, prefix: prefix().to_owned() }),
            Operation::Get => return Ok(Self::Get { bucket, key: text(key_name.unwrap_or("Key"))? }),
            Operation::Put => {}
        }
        let body = arguments.get("Body").cloned().unwrap_or_default();
        let text_of_body = body.as_str().map_or_else(|| body.to_json(), str::to_owned);
        let key = match key_name {
            Some(name) => text(name)?,
            None => {
                [prefix().trim_end_matches('/'), unique, RESULTS].join("/").trim_start_matches('/').to_owned()
            }
        };
        Ok(Self::Put { bucket, key, text: text_of_body, is_result: key_name.is_none() })
    }

    /// The answer to a request for an object that holds this text.
    #[must_use]
    pub fn object(text: String) -> Value {
        let length = Value::from(text.len());
        record([("Body", Value::from(text)), ("ContentLength", length)])
    }

    /// The answer to a request for what objects there are.
    #[must_use]
    pub fn listing<'k>(objects: impl Iterator<Item = (&'k str, usize)>) -> Value {
        let contents: Vec<Value> = objects
            .map(|(key, size)| record([("Key", Value::from(key)), ("Size", Value::from(size))]))
            .collect();
        let count = Value::from(contents.len());
        record([("Contents", Value::from(contents)), ("KeyCount", count)])
    }

    /// The answer to a request that wrote an object.
    #[must_use]
    pub fn written(bucket: &str, key: &str, is_result: bool) -> Value {
        let place = record([("Bucket", Value::from(bucket)), ("Key", Value::from(key))]);
        if is_result { record([("ResultWriterDetails", place)]) } else { place }
    }

    /// The error of an object that is not there.
    #[must_use]
    pub fn missing(bucket: &str, key: &str) -> TaskError {
        error(NO_SUCH_KEY, format!("there is no object `{key}` in `{bucket}`"))
    }
}

/// An error of a store: `S3.NoSuchKey` in the words of whoever knows it by that name.
pub(crate) fn error(name: &str, cause: String) -> TaskError {
    TaskError::named(format!("S3.{name}"), cause)
}

fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().collect::<Object>())
}

/// Does what is wanted in the `ConfigMaps` of a namespace.
///
/// # Errors
/// What the API server says, or, within, what the task is told.
pub(super) async fn perform(
    api: &ApiServer,
    namespace: &str,
    request: &StoreRequest,
) -> Result<Result<Value, TaskError>, ApiError> {
    let (StoreRequest::Get { bucket, .. }
    | StoreRequest::List { bucket, .. }
    | StoreRequest::Put { bucket, .. }) = request;
    if !is_name(bucket) {
        let cause = format!("`{bucket}` can be no name of a ConfigMap, which a bucket is without a binding");
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
            put(api, &at, &data_key(key), text).await?;
            Ok(Ok(StoreRequest::written(bucket, key, *is_result)))
        }
    }
}

/// Writes one key of a `ConfigMap`, which is made where it is not there. Writing it again changes nothing.
async fn put(api: &ApiServer, at: &Key, key: &str, text: &str) -> Result<(), ApiError> {
    let Some(mut map) = api.read::<ConfigMap>(at).await? else {
        let map = ConfigMap {
            metadata: ObjectMeta { name: Some(at.name.clone()), ..ObjectMeta::default() },
            data: Some(BTreeMap::from([(key.to_owned(), text.to_owned())])),
            ..ConfigMap::default()
        };
        return api.create(&at.namespace, &map).await;
    };
    let data = map.data.get_or_insert_default();
    if data.get(key).is_some_and(|stored| stored == text) {
        return Ok(());
    }
    data.insert(key.to_owned(), text.to_owned());
    let body = serde_json::to_string(&map).map_err(|error| ApiError::Unavailable(error.to_string()))?;
    api.send(http::Request::put(path_of::<ConfigMap>(at)), body).await.map(drop)
}

/// The key of a `ConfigMap` for that of an object.
fn data_key(key: &str) -> String {
    key.replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::binding::{Executor, executor_of};
    use crate::engine::{ANSWER_BYTES_MAX, TaskCommand};
    use crate::ir::Completion;

    fn of(resource: &str, arguments: &str) -> Result<StoreRequest, String> {
        let task = TaskCommand {
            id: "T@1".into(),
            resource: resource.into(),
            arguments: Value::parse(arguments).unwrap(),
            completion: Completion::Response,
            not_before: None,
            deadline: None,
            is_accepted: false,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let Executor::Store(operation) = executor_of(&task, &[]) else {
            panic!("{resource} is no operation")
        };
        StoreRequest::of(operation, &task.arguments, "u")
            .map_err(|error| error.cause.unwrap_or_default().to_string())
    }

    #[test]
    fn requests_are_read_from_the_arguments_of_a_task() {
        let (bucket, key) = ("b".to_owned(), "k".to_owned());
        assert_eq!(
            of("arn:aws:states:::s3:getObject", r#"{"Bucket": "b", "Key": "k"}"#),
            Ok(StoreRequest::Get { bucket: bucket.clone(), key: key.clone() })
        );
        assert_eq!(
            of("arn:aws:states:::s3:listObjectsV2", r#"{"Bucket": "b"}"#),
            Ok(StoreRequest::List { bucket: bucket.clone(), prefix: String::new() })
        );
        let put = |key: &str, text: &str, is_result| {
            Ok(StoreRequest::Put { bucket: bucket.clone(), key: key.into(), text: text.into(), is_result })
        };
        let written = |arguments| of("arn:aws:states:::s3:putObject", arguments);
        assert_eq!(written(r#"{"Bucket": "b", "Key": "k", "Body": "x"}"#), put("k", "x", false));
        assert_eq!(
            written(r#"{"Bucket": "b", "Prefix": "p/", "Body": [1]}"#),
            put("p/u/results.json", "[1]", true)
        );
        assert_eq!(written(r#"{"Bucket": "b", "Body": [1]}"#), put("u/results.json", "[1]", true));
        assert_eq!(
            of("OSS:GetObject", r#"{"Bucket": "b", "ObjectName": "k"}"#),
            Ok(StoreRequest::Get { bucket: bucket.clone(), key })
        );
        assert_eq!(
            of("OSS:ListObjects", r#"{"Bucket": "b", "Prefix": "p"}"#),
            Ok(StoreRequest::List { bucket: bucket.clone(), prefix: "p".to_owned() })
        );
        assert_eq!(of("OSS:PutObject", r#"{"Bucket": "b", "Body": "x"}"#), put("u/results.json", "x", true));
        let wrong = of("arn:aws:states:::s3:getObject", r#"{"Bucket": "b", "Key": 7}"#).unwrap_err();
        assert_eq!(wrong, "`Key` must be a string that is not empty, found number `7`");
    }

    #[test]
    fn answers_have_the_shape_of_the_service() {
        assert_eq!(StoreRequest::object("ab".into()).to_json(), r#"{"Body":"ab","ContentLength":2}"#);
        assert_eq!(
            StoreRequest::listing([("a", 1)].into_iter()).to_json(),
            r#"{"Contents":[{"Key":"a","Size":1}],"KeyCount":1}"#
        );
        assert_eq!(
            StoreRequest::written("b", "k", true).to_json(),
            r#"{"ResultWriterDetails":{"Bucket":"b","Key":"k"}}"#
        );
    }
}
