//! Arrays and objects that carry their size and depth.

use std::ops::Deref;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Value, json};

/// Shared text.
pub type Str = Arc<str>;

/// What is known of a composite without walking it.
#[derive(Clone, Copy, Debug)]
struct Measure {
    bytes: usize,
    depth: u32,
}

impl Measure {
    /// Brackets of an empty composite.
    const EMPTY: Self = Self { bytes: 2, depth: 1 };

    fn add(&mut self, value: &Value, key_bytes: usize, is_first: bool) {
        let comma = usize::from(!is_first);
        let member = value.bytes().saturating_add(key_bytes).saturating_add(comma);
        self.bytes = self.bytes.saturating_add(member);
        self.depth = self.depth.max(value.depth().saturating_add(1));
    }
}

/// An immutable list of values. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Array(Arc<ArrayInner>);

#[derive(Debug)]
struct ArrayInner {
    items: Vec<Value>,
    measure: Measure,
}

impl Array {
    pub(super) fn bytes(&self) -> usize {
        self.0.measure.bytes
    }

    pub(super) fn depth(&self) -> u32 {
        self.0.measure.depth
    }

    /// Identity of the shared storage: equal for clones of one array.
    #[must_use]
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.items == other.0.items
    }
}

impl From<Vec<Value>> for Array {
    fn from(items: Vec<Value>) -> Self {
        let mut measure = Measure::EMPTY;
        for (position, item) in items.iter().enumerate() {
            measure.add(item, 0, position == 0);
        }
        Self(Arc::new(ArrayInner { items, measure }))
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::from(items.into_iter().collect::<Vec<_>>())
    }
}

/// An immutable object that keeps the order of its members. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Object(Arc<ObjectInner>);

#[derive(Debug)]
struct ObjectInner {
    members: IndexMap<Str, Value>,
    measure: Measure,
}

impl Object {
    pub(super) fn bytes(&self) -> usize {
        self.0.measure.bytes
    }

    pub(super) fn depth(&self) -> u32 {
        self.0.measure.depth
    }

    /// Identity of the shared storage: equal for clones of one object.
    #[must_use]
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The member `key`, nothing where it is missing.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.members.get(key)
    }

    /// Members in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Value)> {
        self.0.members.iter()
    }

    /// The member at a position, nothing where there are fewer.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<(&Str, &Value)> {
        self.0.members.get_index(position)
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.members.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.members.is_empty()
    }

    /// This object with `key` set to `value`; an existing member keeps its place.
    #[must_use]
    pub fn with(&self, key: impl Into<Str>, value: Value) -> Self {
        let mut members = self.0.members.clone();
        members.insert(key.into(), value);
        Self::from(members)
    }

    /// Shallow merge: the members of `other` win and new ones are appended.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        let mut members = self.0.members.clone();
        members.extend(other.0.members.iter().map(|(key, value)| (key.clone(), value.clone())));
        Self::from(members)
    }
}

impl Default for Object {
    fn default() -> Self {
        Self(Arc::new(ObjectInner { members: IndexMap::new(), measure: Measure::EMPTY }))
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.members == other.0.members
    }
}

impl From<IndexMap<Str, Value>> for Object {
    fn from(members: IndexMap<Str, Value>) -> Self {
        let mut measure = Measure::EMPTY;
        for (position, (key, value)) in members.iter().enumerate() {
            // The colon after the key.
            measure.add(value, json::string_bytes(key) + 1, position == 0);
        }
        Self(Arc::new(ObjectInner { members, measure }))
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Object {
    /// The last of several members with one name wins.
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        Self::from(members.into_iter().map(|(key, value)| (key.into(), value)).collect::<IndexMap<_, _>>())
    }
}
