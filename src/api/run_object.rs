//! Objects that a run has stored in its own store: contents in ExecutionData, found by their keys.
//!
//! The chunks of an object never change, as all ExecutionData. Their names come from the wish to write it,
//! so that the same wish makes the same chunks however often it is repeated. The first chunk is made last
//! and says which object it is: one without it is not there. Of several under one key the newest counts.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::execution_data::{Content, DataRef, ExecutionData};
use super::{ANNOTATION_OBJECT, LABEL_OBJECTS_OF};

/// Most objects that a run may keep. All are listed whenever one is looked for.
pub const OBJECTS_MAX: usize = 1_000;

/// Most that the objects of a run may hold together, in bytes before compression: four of the largest that
/// a Map writes. All runs share what etcd holds, some gigabytes.
pub const OBJECTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest key of an object, in bytes, as in S3.
pub const KEY_BYTES_MAX: usize = 1_024;

/// An object of a run, without what it holds.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct RunObject {
    /// What it is called.
    pub key: String,
    /// Names the wish to write it.
    pub wish: String,
    /// What it holds.
    pub content: DataRef,
}

impl RunObject {
    /// An object on its way into chunks.
    #[must_use]
    pub fn new(uid: &str, key: &str, wish: &str, text: &str) -> (Self, Content) {
        let content = Content::new(&scope(uid, wish, key), text);
        let object = Self { key: key.to_owned(), wish: wish.to_owned(), content: content.reference.clone() };
        (object, content)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::try_from(self.content.bytes).unwrap_or_default()
    }

    /// What the digest of its content was made with.
    #[must_use]
    pub fn scope(&self, uid: &str) -> String {
        scope(uid, &self.wish, &self.key)
    }

    /// The chunks that keep it, the last one first. They go with the Execution.
    #[must_use]
    pub fn chunks(&self, content: &Content, execution: &str, uid: &str) -> Vec<ExecutionData> {
        let mut chunks: Vec<_> = content.pieces(execution, uid, LABEL_OBJECTS_OF).collect();
        if let Some(head) = chunks.first_mut() {
            // Plain text and numbers can always be written.
            let entry = serde_json::to_string(self).unwrap_or_default();
            head.metadata.annotations = Some([(ANNOTATION_OBJECT.to_owned(), entry)].into());
        }
        chunks.reverse();
        chunks
    }
}

/// Neither a uid nor a wish has a `/`.
fn scope(uid: &str, wish: &str, key: &str) -> String {
    format!("{uid}/{wish}/{key}")
}

/// The chunks of all objects of a run.
#[derive(Clone, Debug, Default)]
pub struct RunObjects {
    /// Version by name.
    chunks: BTreeMap<String, u64>,
    /// Objects that are whole, with the version of the first chunk.
    objects: Vec<(u64, RunObject)>,
}

impl RunObjects {
    /// As the metadata of their chunks say. What nobody but somebody else can have made is left out.
    pub fn read(chunks: impl IntoIterator<Item = ObjectMeta>) -> Self {
        let mut read = Self::default();
        for chunk in chunks {
            let version = chunk.resource_version.and_then(|version| version.parse().ok());
            let (Some(name), Some(version)) = (chunk.name, version) else { continue };
            let entry = chunk.annotations.as_ref().and_then(|all| all.get(ANNOTATION_OBJECT));
            if let Some(object) = entry.and_then(|entry| serde_json::from_str(entry).ok()) {
                read.objects.push((version, object));
            }
            read.chunks.insert(name, version);
        }
        read
    }

    /// The objects that there are, by key.
    #[must_use]
    pub fn current(&self) -> BTreeMap<&str, &RunObject> {
        let mut by_key: BTreeMap<&str, (u64, &RunObject)> = BTreeMap::new();
        for (version, object) in &self.objects {
            let known = by_key.entry(&object.key).or_insert((*version, object));
            if known.0 < *version {
                *known = (*version, object);
            }
        }
        by_key.into_iter().map(|(key, (_, object))| (key, object)).collect()
    }

    /// Whether there is such a chunk.
    #[must_use]
    pub fn has_chunk(&self, name: &str) -> bool {
        self.chunks.contains_key(name)
    }

    /// What an object is refused for that is to be written, if anything; the one it replaces does not count.
    #[must_use]
    pub fn refusal(&self, key: &str, bytes: usize) -> Option<String> {
        let others = self.current().into_iter().filter(|(other, _)| *other != key);
        refusal(key, bytes, others.map(|(_, object)| object.bytes()))
    }

    /// Chunks that nobody needs any more once `written` is there: of objects it replaces, and of such as were
    /// given up half way. Nothing that came after it.
    #[must_use]
    pub fn replaced_by(&self, written: &RunObject, execution: &str) -> Vec<String> {
        let known = self.objects.iter().find(|(_, object)| object == written);
        let before = known.map_or(u64::MAX, |(version, _)| *version);
        let others = self.current().into_values().filter(|object| object.key != written.key);
        let needed: BTreeSet<_> =
            others.chain([written]).flat_map(|object| object.content.names(execution)).collect();
        let chunks =
            self.chunks.iter().filter(|(name, version)| **version < before && !needed.contains(*name));
        chunks.map(|(name, _)| name.clone()).collect()
    }
}

/// What an object is refused for that is to be written beside others, if anything.
pub fn refusal(key: &str, bytes: usize, others: impl Iterator<Item = usize>) -> Option<String> {
    let (count, held) =
        others.fold((0, 0_usize), |(count, sum), bytes| (count + 1, sum.saturating_add(bytes)));
    if key.len() > KEY_BYTES_MAX {
        return Some(format!("the key has {} bytes, at most {KEY_BYTES_MAX} are allowed", key.len()));
    }
    if count >= OBJECTS_MAX {
        return Some(format!(
            "the run keeps {count} other objects, at most {OBJECTS_MAX} are kept: write to a key that is there already"
        ));
    }
    let total = held.saturating_add(bytes);
    (total > OBJECTS_BYTES_MAX).then(|| {
        format!("with `{key}` the objects of the run would hold {total} bytes, at most {OBJECTS_BYTES_MAX} are kept: write less, or replace what is not needed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the API server has of chunks that were made one after the other.
    fn stored(chunks: &[ExecutionData]) -> RunObjects {
        RunObjects::read(chunks.iter().zip(1_u64..).map(|(chunk, version)| ObjectMeta {
            resource_version: Some(version.to_string()),
            ..chunk.metadata.clone()
        }))
    }

    fn put(key: &str, wish: &str, text: &str) -> (RunObject, Vec<ExecutionData>) {
        let (object, content) = RunObject::new("u", key, wish, text);
        let chunks = object.chunks(&content, "run", "u");
        (object, chunks)
    }

    #[test]
    fn an_object_is_there_once_its_first_chunk_is_which_comes_last() {
        let (mut text, mut state) = (String::new(), 1_u64);
        while text.len() < 1_500_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{state:x}"));
        }
        let (object, chunks) = put("k", "w", &text);
        assert!(chunks.len() > 1);
        assert!(stored(&chunks[..chunks.len() - 1]).current().is_empty());
        assert_eq!(stored(&chunks).current()["k"], &object);
        let joined: String = chunks.iter().rev().map(|chunk| &*chunk.spec.data).collect();
        assert_eq!(object.content.content(&object.scope("u"), &joined).unwrap(), text);
        // The same wish makes the same chunks, another one others.
        let again = put("k", "w", &text).1;
        assert_eq!(again, chunks);
        let other = put("k", "x", &text).1;
        assert!(other.iter().all(|chunk| !stored(&chunks).has_chunk(chunk.metadata.name.as_ref().unwrap())));
    }

    #[test]
    fn the_newest_under_a_key_counts_and_what_it_replaces_goes() {
        let ((old, a), (new, b), (_, other)) =
            (put("k", "1", "old"), put("k", "2", "new"), put("l", "3", "other"));
        let leftover = put("m", "4", "given up").1;
        let mut headless = leftover.clone();
        headless[0].metadata.annotations = None;
        let name = |chunks: &[ExecutionData]| chunks[0].metadata.name.clone().unwrap();
        let all = stored(&[a.clone(), headless, other, b].concat());
        let current = all.current();
        assert_eq!(current.keys().collect::<Vec<_>>(), [&"k", &"l"]);
        assert_eq!(current["k"], &new);
        let mut replaced = all.replaced_by(&new, "run");
        replaced.sort();
        let mut expected = [name(&a), name(&leftover)];
        expected.sort();
        assert_eq!(replaced, expected);
        // Whoever repeats the first is late, and takes nothing away from what came after it.
        assert_eq!(all.replaced_by(&old, "run"), [""; 0]);
    }

    #[test]
    fn what_a_run_keeps_is_bounded() {
        let (_, a) = put("k", "1", "12345");
        let objects = stored(&a);
        assert_eq!(objects.refusal("k", OBJECTS_BYTES_MAX), None);
        let refusal_of = |key: &str, bytes| objects.refusal(key, bytes).unwrap();
        assert!(refusal_of("l", OBJECTS_BYTES_MAX).contains("would hold 67108869 bytes"));
        assert!(refusal_of(&"x".repeat(1_025), 1).contains("the key has 1025 bytes"));
        assert!(refusal("k", 1, std::iter::repeat_n(1, OBJECTS_MAX)).unwrap().contains("1000 other objects"));
    }
}
