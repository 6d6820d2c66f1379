//! Objects as the API server sent them.
//!
//! Only the metadata is decoded, and of that only what is used: `spec` and `status` stay text until
//! somebody asks for one object's, and `managedFields` are skipped. One object that cannot be decoded,
//! or that is nested thousands of levels deep, is then its own problem and not that of every list and
//! watch it stands in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Names an object in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Metadata other than annotations and managedFields: names, labels, owners.
const METADATA_BYTES: usize = 4 * 1024;

/// Longest name of an object, in characters.
const NAME_CHARS_MAX: usize = 253;

/// Whether an object can be called this: lower-case letters, digits, `-` and `.`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = |label: &str| {
        label.starts_with(is_plain)
            && label.ends_with(is_plain)
            && label.chars().all(|c| is_plain(c) || c == '-')
    };
    text.len() <= NAME_CHARS_MAX && text.split('.').all(is_label)
}

/// An object of kind `K`.
#[derive(Debug)]
pub struct Stored<K> {
    meta: ObjectMeta,
    /// Bytes of annotations and managedFields.
    accounts_bytes: usize,
    /// The text of its spec.
    pub spec: Option<Box<RawValue>>,
    /// The text of its status.
    pub status: Option<Box<RawValue>>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Stored<K> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            accounts_bytes: self.accounts_bytes,
            spec: self.spec.clone(),
            status: self.status.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> Stored<K> {
    /// Where it is.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            namespace: self.meta.namespace.clone().unwrap_or_default(),
            name: self.meta.name.clone().unwrap_or_default(),
        }
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.meta.uid.as_deref().unwrap_or_default()
    }

    /// Its version, as a number: they can be compared (KEP-5504). 0 where there is none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
    }

    /// The generation of its spec.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.meta.generation.unwrap_or_default()
    }

    /// Bytes of everything but the status: what of the largest object there may be is taken already.
    #[must_use]
    pub fn bytes_beside_status(&self) -> usize {
        let spec = self.spec.as_deref().map_or(0, |spec| spec.get().len());
        spec.saturating_add(self.accounts_bytes).saturating_add(METADATA_BYTES)
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> jiff::Timestamp {
        self.meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default()
    }

    /// Whether its name was made by the API server.
    #[must_use]
    pub fn has_generated_name(&self) -> bool {
        self.meta.generate_name.as_ref().is_some_and(|prefix| !prefix.is_empty())
    }

    /// What a label of it says.
    #[must_use]
    pub fn label(&self, label: &str) -> Option<&str> {
        self.meta.labels.as_ref()?.get(label).map(String::as_str)
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.meta.deletion_timestamp.is_some()
    }

    /// The object that controls it.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
    }

    /// Whether it carries a finalizer.
    #[must_use]
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.meta.finalizers.iter().flatten().any(|one| one == finalizer)
    }

    /// Its finalizers.
    #[must_use]
    pub fn finalizers(&self) -> &[String] {
        self.meta.finalizers.as_deref().unwrap_or_default()
    }

    /// Its spec, decoded.
    ///
    /// # Errors
    /// Where it is missing or not of this type.
    pub fn decode_spec<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode("spec", self.spec.as_deref())
    }

    /// Its status, decoded.
    ///
    /// # Errors
    /// Where it is missing or not of this type.
    pub fn decode_status<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode("status", self.status.as_deref())
    }
}

fn decode<T: DeserializeOwned>(what: &str, text: Option<&RawValue>) -> Result<T, String> {
    let text = text.ok_or_else(|| format!("{what} is missing"))?;
    serde_json::from_str(text.get()).map_err(|error| format!("{what} cannot be read: {error}"))
}

/// The members of `metadata` that are used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsedMeta {
    name: Option<String>,
    generate_name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    finalizers: Option<Vec<String>>,
    #[serde(default)]
    owner_references: Option<Vec<OwnerReference>>,
    /// Only measured: both may hold as much as the spec.
    #[serde(default)]
    annotations: Option<Box<RawValue>>,
    #[serde(default)]
    managed_fields: Option<Box<RawValue>>,
}

impl<'de, K> Deserialize<'de> for Stored<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            metadata: UsedMeta,
            #[serde(default)]
            spec: Option<Box<RawValue>>,
            #[serde(default)]
            status: Option<Box<RawValue>>,
        }
        let Wire { metadata, spec, status } = Wire::deserialize(deserializer)?;
        let measured = [&metadata.annotations, &metadata.managed_fields];
        let accounts_bytes = measured.into_iter().flatten().map(|account| account.get().len()).sum();
        let meta = ObjectMeta {
            name: metadata.name,
            generate_name: metadata.generate_name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            labels: metadata.labels,
            finalizers: metadata.finalizers,
            owner_references: metadata.owner_references,
            ..ObjectMeta::default()
        };
        Ok(Self { meta, accounts_bytes, spec, status, kind: PhantomData })
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Stored<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Execution;

    #[test]
    fn one_bad_object_does_not_stop_the_list_it_stands_in() {
        let deep = "[".repeat(9_000) + &"]".repeat(9_000);
        let fields = "{\"f:a\":".repeat(500) + "1" + &"}".repeat(500);
        let list = format!(
            r#"{{"apiVersion": "v1", "kind": "List", "metadata": {{"resourceVersion": "7"}}, "items": [
              {{"metadata": {{"name": "deep", "managedFields": [{{"fieldsV1": {fields}}}]}}, "spec": {{"flowRef": {{"name": "f"}}, "input": {deep}}}}},
              {{"metadata": {{"name": "wrong", "resourceVersion": "6"}}, "spec": {{"flowRef": 1}}, "status": 3}},
              {{"metadata": {{"name": "bare"}}}}]}}"#
        );
        let list: kube::core::ObjectList<Stored<Execution>> = serde_json::from_str(&list).unwrap();
        assert_eq!(list.items.len(), 3);
        let spec: crate::api::ExecutionSpec = list.items[0].decode_spec().unwrap();
        assert!(spec.input.unwrap().parse().is_err());
        assert!(
            list.items[1]
                .decode_spec::<crate::api::ExecutionSpec>()
                .unwrap_err()
                .contains("spec cannot be read")
        );
        assert_eq!(list.items[1].version(), 6);
        assert!(
            list.items[2].decode_status::<crate::api::ExecutionStatus>().unwrap_err().contains("is missing")
        );
    }

    #[test]
    fn a_watch_event_keeps_its_payloads_as_text() {
        let deep = "[".repeat(9_000) + &"]".repeat(9_000);
        let event = format!(
            r#"{{"type":"ADDED","object":{{"kind":"Execution","metadata":{{"name":"d"}},"spec":{{"input":{deep}}}}}}}"#
        );
        let event: kube::core::WatchEvent<Stored<Execution>> = serde_json::from_str(&event).unwrap();
        assert!(matches!(event, kube::core::WatchEvent::Added(_)));
    }
}
