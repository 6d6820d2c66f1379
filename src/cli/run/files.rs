//! Stored objects of a local run: files. A bucket is a directory below the working directory. The run's own
//! store is in memory: it goes with the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::api::run_object::refusal;
use crate::driver::idempotency_key;
use crate::driver::object_store::{Operation, REFUSED, RUN_BUCKET, StoreRequest, error};
use crate::engine::{Report, TaskCommand, TaskError};
use crate::value::Value;

/// The stores that a local run can use.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Texts of the run's own, by key.
    own: BTreeMap<String, String>,
}

impl Store {
    /// What comes of a task about a stored object.
    pub(super) fn answer(&mut self, operation: Operation, task: &TaskCommand, execution_id: &str) -> Report {
        let unique = idempotency_key(execution_id, &task.id);
        let answer = StoreRequest::of(operation, task, &unique).and_then(|request| match request.bucket() {
            RUN_BUCKET => self.perform_own(request),
            _ => perform(&request),
        });
        match answer {
            Ok(answer) => Report::Succeeded(answer),
            Err(error) => Report::Failed(error),
        }
    }

    fn perform_own(&mut self, request: StoreRequest) -> Result<Value, TaskError> {
        match request {
            StoreRequest::Get { bucket, key, bytes_max } => {
                let text = self.own.get(&key).ok_or_else(|| StoreRequest::missing(&bucket, &key))?;
                StoreRequest::check(&bucket, &key, text.len(), bytes_max)?;
                Ok(StoreRequest::object(text.clone()))
            }
            StoreRequest::List { prefix, .. } => {
                let found = self.own.iter().filter(|(key, _)| key.starts_with(&prefix));
                Ok(StoreRequest::listing(found.map(|(key, text)| (&**key, text.len()))))
            }
            StoreRequest::Put { bucket, key, text, is_result, .. } => {
                let others = self.own.iter().filter(|(other, _)| **other != key).map(|(_, text)| text.len());
                if let Some(why) = refusal(&key, text.len(), others) {
                    return Err(error(REFUSED, format!("cannot write to `{bucket}`: {why}")));
                }
                let written = StoreRequest::written(&bucket, &key, is_result);
                self.own.insert(key, text);
                Ok(written)
            }
        }
    }
}

fn perform(request: &StoreRequest) -> Result<Value, TaskError> {
    match request {
        StoreRequest::Get { bucket, key, bytes_max } => {
            let file = path(bucket, key)?;
            if let Ok(metadata) = std::fs::metadata(&file) {
                let bytes = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
                StoreRequest::check(bucket, key, bytes, *bytes_max)?;
            }
            let text = std::fs::read_to_string(file);
            text.map(StoreRequest::object).map_err(|why| match why.kind() {
                std::io::ErrorKind::NotFound => StoreRequest::missing(bucket, key),
                _ => error("Refused", format!("cannot read `{bucket}/{key}`: {why}")),
            })
        }
        StoreRequest::List { bucket, prefix } => {
            let mut found = Vec::new();
            list(&path(bucket, "")?, "", &mut found);
            found.retain(|(key, _)| key.starts_with(prefix));
            found.sort();
            Ok(StoreRequest::listing(found.iter().map(|(key, size)| (&**key, *size))))
        }
        StoreRequest::Put { bucket, key, text, is_result, .. } => {
            let (directory, file) = (path(bucket, "")?, path(bucket, key)?);
            if !directory.is_dir() {
                let cause = format!("there is no directory `{bucket}` to write `{key}` to: make it first");
                return Err(error("NoSuchBucket", cause));
            }
            let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
            made.and_then(|()| std::fs::write(&file, text))
                .map_err(|why| error("Refused", format!("cannot write {}: {why}", file.display())))?;
            Ok(StoreRequest::written(bucket, key, *is_result))
        }
    }
}

/// The file of an object. Never one outside of the bucket.
fn path(bucket: &str, key: &str) -> Result<PathBuf, TaskError> {
    let is_within =
        |text: &str| Path::new(text).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if is_within(bucket) && is_within(key) {
        return Ok(Path::new(bucket).join(key));
    }
    let cause = format!("`{bucket}/{key}` is no file below the working directory");
    Err(error("InvalidArgument", cause))
}

fn list(directory: &Path, prefix: &str, found: &mut Vec<(String, usize)>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        let key = format!("{prefix}{name}");
        if metadata.is_dir() {
            list(&entry.path(), &format!("{key}/"), found);
        } else if metadata.is_file() {
            found.push((key, usize::try_from(metadata.len()).unwrap_or(usize::MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_outside_of_the_bucket_is_touched() {
        for (bucket, key) in
            [("..", "x"), ("/etc", "passwd"), ("b", "../x"), ("b", "/etc/passwd"), ("b", "a/../../x")]
        {
            assert!(path(bucket, key).is_err(), "{bucket} {key}");
        }
        assert_eq!(path("b", "a/x.csv").unwrap(), Path::new("b/a/x.csv"));
    }
}
