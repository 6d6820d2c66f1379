//! `ExecutionData`: what of a run is too large for its Execution.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stored::{self, StoredError};
use super::{API_VERSION, LABEL_EXECUTION, LABEL_EXECUTION_UID};
use crate::engine::snapshot::digest;

/// Longest piece in one object, in bytes of Base64: a third of what etcd takes, so that the object is
/// written about as fast as several smaller ones.
pub const CHUNK_BYTES_MAX: usize = 512 * 1024;

/// Most chunks of one content. Text that does not compress needs this many for
/// [`stored::TEXT_BYTES_MAX`].
pub const CHUNKS_MAX: usize = stored::TEXT_BYTES_MAX / 3 * 4 / CHUNK_BYTES_MAX + 4;

/// A piece of what a run holds and its Execution cannot. Made and removed by the controller.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[kube(
    group = "millrace.dev",
    version = "v1alpha1",
    kind = "ExecutionData",
    plural = "executiondata",
    namespaced,
    derive = "PartialEq",
    doc = "ExecutionData is a piece of what a run holds and its Execution cannot. The controller makes and removes them.",
    printcolumn(
        name = "Execution",
        type_ = "string",
        json_path = r#".metadata.labels['millrace\.dev/execution']"#
    ),
    printcolumn(name = "Number", type_ = "integer", json_path = ".spec.number"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self == oldSelf",
    "message": "a chunk cannot be changed: its name says what it holds",
}]))]
pub struct ExecutionDataSpec {
    /// digest of the content that this is a piece of.
    #[schemars(length(min = 32, max = 32))]
    pub digest: String,
    /// number of the piece, from 0.
    #[schemars(range(min = 0, max = CHUNKS_MAX as i32 - 1))]
    pub number: i32,
    /// data: a piece of the content, compressed and in Base64. Opaque.
    #[schemars(length(max = CHUNK_BYTES_MAX))]
    pub data: String,
}

/// A content that is kept in ExecutionData.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub struct DataRef {
    /// digest of the content. The chunks are called after the Execution, the digest and their number:
    /// `order-7k2xp-5f2c…-0`.
    #[schemars(length(min = 32, max = 32))]
    pub digest: String,
    /// bytes of the content as JSON.
    #[schemars(range(min = 0))]
    pub bytes: i64,
    /// chunks that it is kept in.
    #[schemars(range(min = 1, max = CHUNKS_MAX as i32))]
    pub chunks: i32,
}

/// Why a content cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// What the chunks hold cannot be read.
    #[error("the chunks with digest {0} cannot be read: {1}")]
    Unreadable(String, #[source] StoredError),
    /// What the chunks hold is not what the digest says.
    #[error("the chunks with digest {0} hold something else")]
    Altered(String),
}

impl DataRef {
    /// Names of the chunks of an execution's content.
    pub fn names(&self, execution: &str) -> impl Iterator<Item = String> {
        let prefix = format!("{execution}-{}-", self.digest);
        // Whatever somebody has written into the status.
        let count = usize::try_from(self.chunks).unwrap_or_default().min(CHUNKS_MAX);
        (0..count).map(move |number| format!("{prefix}{number}"))
    }

    /// The content of chunks that were joined in their order.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn content(&self, uid: &str, joined: &str) -> Result<String, DataError> {
        let text =
            stored::decode(joined).map_err(|error| DataError::Unreadable(self.digest.clone(), error))?;
        if digest(uid, &text) != self.digest {
            return Err(DataError::Altered(self.digest.clone()));
        }
        Ok(text)
    }
}

/// A content on its way into chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What names it.
    pub reference: DataRef,
    /// Its stored form.
    stored: String,
}

impl Content {
    /// A content of the execution `uid`.
    #[must_use]
    pub fn new(uid: &str, text: &str) -> Self {
        let stored = stored::encode(text);
        let chunks = stored.len().div_ceil(CHUNK_BYTES_MAX).max(1);
        let reference = DataRef {
            digest: digest(uid, text),
            bytes: i64::try_from(text.len()).unwrap_or(i64::MAX),
            chunks: i32::try_from(chunks).unwrap_or(i32::MAX),
        };
        Self { reference, stored }
    }

    /// The objects that keep it for a status that names it. They go with the Execution.
    pub fn chunks<'a>(&'a self, execution: &'a str, uid: &'a str) -> impl Iterator<Item = ExecutionData> {
        self.pieces(execution, uid, LABEL_EXECUTION_UID)
    }

    /// The objects that keep it, with the uid in this label.
    pub(super) fn pieces<'a>(
        &'a self,
        execution: &'a str,
        uid: &'a str,
        label: &'a str,
    ) -> impl Iterator<Item = ExecutionData> {
        let bytes = self.stored.as_bytes();
        // An empty content has one chunk too: what is named exists.
        let pieces = bytes.chunks(CHUNK_BYTES_MAX).chain(bytes.is_empty().then_some(bytes));
        self.reference.names(execution).zip(0..).zip(pieces).map(move |((name, number), piece)| {
            let mut chunk = ExecutionData::new(
                &name,
                ExecutionDataSpec {
                    digest: self.reference.digest.clone(),
                    number,
                    // Base64 is ASCII wherever it is cut.
                    data: String::from_utf8_lossy(piece).into_owned(),
                },
            );
            chunk.metadata.labels = Some(
                [(label, uid), (LABEL_EXECUTION, execution)]
                    .map(|(label, value)| (label.to_owned(), value.to_owned()))
                    .into(),
            );
            chunk.metadata.owner_references = Some(vec![OwnerReference {
                api_version: API_VERSION.to_owned(),
                kind: "Execution".to_owned(),
                name: execution.to_owned(),
                uid: uid.to_owned(),
                controller: Some(true),
                block_owner_deletion: None,
            }]);
            chunk
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that does not compress below the given share of a byte each.
    fn noise(bytes: usize) -> String {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b' ' + u8::try_from(state % 64).unwrap())
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn a_content_is_cut_into_chunks_and_put_together_again() {
        for (bytes, expected) in [(0, 1), (10, 1), (400_000, 1), (2_000_000, 4)] {
            let text = noise(bytes);
            let content = Content::new("u", &text);
            let chunks: Vec<_> = content.chunks("run", "u").collect();
            assert_eq!((chunks.len(), content.reference.chunks), (expected, expected as i32), "{bytes}");
            let names: Vec<_> = content.reference.names("run").collect();
            assert!(
                chunks.iter().zip(&names).all(|(chunk, name)| chunk.metadata.name.as_ref() == Some(name))
            );
            assert!(chunks.iter().all(|chunk| chunk.spec.data.len() <= CHUNK_BYTES_MAX));
            let joined: String = chunks.iter().map(|chunk| &*chunk.spec.data).collect();
            assert_eq!(content.reference.content("u", &joined).unwrap(), text);
        }
    }

    #[test]
    fn chunks_of_another_run_or_of_another_content_are_refused() {
        let content = Content::new("u", "[1]");
        let said = |uid: &str, joined: &str| content.reference.content(uid, joined).unwrap_err().to_string();
        let joined: String = content.chunks("run", "u").map(|chunk| chunk.spec.data).collect();
        assert!(said("other", &joined).contains("hold something else"));
        let other: String =
            Content::new("u", "[2]").chunks("run", "u").map(|chunk| chunk.spec.data).collect();
        assert!(said("u", &other).contains("hold something else"));
        assert!(said("u", &joined[1..]).contains("cannot be read"));
        assert!(said("u", "").contains(&content.reference.digest));
    }

    #[test]
    fn a_status_that_names_more_than_there_can_be_asks_for_no_more_than_that() {
        let reference = |chunks| DataRef { digest: String::new(), bytes: 0, chunks };
        assert_eq!(reference(i32::MAX).names("run").count(), CHUNKS_MAX);
        assert_eq!(reference(-1).names("run").count(), 0);
        // The largest text that can be read again fits, however badly it compresses.
        let worst = stored::TEXT_BYTES_MAX + stored::TEXT_BYTES_MAX / 100;
        assert_eq!(CHUNKS_MAX.min(worst / 3 * 4 / CHUNK_BYTES_MAX + 1), worst / 3 * 4 / CHUNK_BYTES_MAX + 1);
    }
}
