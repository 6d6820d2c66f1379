//! Tasks about stored objects (`s3:getObject`, `s3:listObjectsV2`, `s3:putObject`, and `OSS:GetObject`,
//! `OSS:ListObjects`, `OSS:PutObject`), which Maps read from and write to (asl.md §12, fdl.md §7.8).
//!
//! Unless a binding is about them, the store is the namespace of the run, in which a bucket is a `ConfigMap`
//! (`config_map`), and one bucket is the run's own (`run_store`).

pub(super) mod config_map;
pub(super) mod run_store;

use crate::engine::{TaskCommand, TaskError};
use crate::ir::ErrorKind;
use crate::value::{Object, Value};

/// The bucket that is the run's own store. No `ConfigMap` can be called so.
pub const RUN_BUCKET: &str = "ExecutionData";

/// The error of a task whose object or bucket is not there.
const NO_SUCH_KEY: &str = "NoSuchKey";

/// The error of a task that asks for what cannot be.
pub(super) const INVALID: &str = "InvalidArgument";

/// The error of a task that the store refuses.
pub(crate) const REFUSED: &str = "Refused";

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
        /// How large it may be, in bytes.
        bytes_max: usize,
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
        /// Names the attempt: the same however often it is repeated.
        wish: String,
    },
}

impl StoreRequest {
    /// What a task wants with an operation. `unique` names what a Map gave under its prefix:
    /// the same however often one attempt is repeated.
    ///
    /// # Errors
    /// Where the arguments lack something; the cause names it.
    pub fn of(operation: Operation, task: &TaskCommand, unique: &str) -> Result<Self, TaskError> {
        let arguments = &task.arguments;
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
            Operation::Get => {
                let key = text(key_name.unwrap_or("Key"))?;
                return Ok(Self::Get { bucket, key, bytes_max: task.answer_bytes_max });
            }
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
        let (is_result, wish) = (key_name.is_none(), unique.to_owned());
        Ok(Self::Put { bucket, key, text: text_of_body, is_result, wish })
    }

    /// The bucket it is about.
    #[must_use]
    pub fn bucket(&self) -> &str {
        match self {
            Self::Get { bucket, .. } | Self::List { bucket, .. } | Self::Put { bucket, .. } => bucket,
        }
    }

    /// Whether an object may be as large as it is.
    ///
    /// # Errors
    /// Where whoever asked takes less.
    pub fn check(bucket: &str, key: &str, bytes: usize, bytes_max: usize) -> Result<(), TaskError> {
        if bytes <= bytes_max {
            return Ok(());
        }
        let cause = format!("`{key}` in `{bucket}` has {bytes} bytes, at most {bytes_max} can be read here");
        Err(TaskError::of(ErrorKind::DataLimit, cause))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::binding::{Executor, executor_of};
    use crate::engine::ANSWER_BYTES_MAX;
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
        StoreRequest::of(operation, &task, "u").map_err(|error| error.cause.unwrap_or_default().to_string())
    }

    #[test]
    fn requests_are_read_from_the_arguments_of_a_task() {
        let (bucket, key) = ("b".to_owned(), "k".to_owned());
        assert_eq!(
            of("arn:aws:states:::s3:getObject", r#"{"Bucket": "b", "Key": "k"}"#),
            Ok(StoreRequest::Get { bucket: bucket.clone(), key: key.clone(), bytes_max: ANSWER_BYTES_MAX })
        );
        assert_eq!(
            of("arn:aws:states:::s3:listObjectsV2", r#"{"Bucket": "b"}"#),
            Ok(StoreRequest::List { bucket: bucket.clone(), prefix: String::new() })
        );
        let put = |key: &str, text: &str, is_result| {
            let (bucket, key, text, wish) = (bucket.clone(), key.into(), text.into(), "u".into());
            Ok(StoreRequest::Put { bucket, key, text, is_result, wish })
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
            Ok(StoreRequest::Get { bucket: bucket.clone(), key, bytes_max: ANSWER_BYTES_MAX })
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
