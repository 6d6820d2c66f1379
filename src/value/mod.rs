//! The data that flows through a state machine: immutable JSON values that are cheap to share.
//!
//! A composite knows its encoded size and its depth from the moment it is built, so every limit
//! check on a payload is constant time, and a value that is referenced from many places (the input
//! of a Map in each of its iterations, say) exists once.
//!
//! Objects keep the order in which their members were written.

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]

mod collection;
mod json;
mod number;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;

pub use collection::{Array, Object, Str};
pub use json::{ParseError, depth_of_text};
pub use number::Number;

/// Levels of nesting a value may have. A value this deep stays readable for every client that
/// decodes it inside a Kubernetes object: the usual recursion limit there is 128, and `status`
/// adds a few levels of its own.
pub const DEPTH_MAX: u32 = 100;

/// A JSON value.
///
/// Equality is JSON equality: numbers compare by value (`1 == 1.0`), members of objects without
/// regard to order.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer of up to 64 bits, or a double.
    Number(Number),
    /// Unicode text.
    String(Str),
    /// An ordered list.
    Array(Array),
    /// Named members in the order they were written.
    Object(Object),
}

impl Value {
    /// The kind of the value in the words of a user: `string`, `object`, …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Length in bytes of the value as compact JSON.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(true) => 4,
            Self::Bool(false) => 5,
            Self::Number(number) => number.bytes(),
            Self::String(text) => json::string_bytes(text),
            Self::Array(array) => array.bytes(),
            Self::Object(object) => object.bytes(),
        }
    }

    /// Levels of nesting: 0 for a scalar, 1 for `[]` or `{"a": 1}`.
    #[must_use]
    pub fn depth(&self) -> u32 {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => 0,
            Self::Array(array) => array.depth(),
            Self::Object(object) => object.depth(),
        }
    }

    /// The text of a string, nothing for any other kind.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The boolean, nothing for any other kind.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Null | Self::Number(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The number, nothing for any other kind.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The integer, also of a number that was written `3.0`; nothing for anything else.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// The elements of an array, nothing for any other kind.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => None,
        }
    }

    /// The members of an object, nothing for any other kind.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The member `key` of an object; nothing where it is missing or this is no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object().and_then(|object| object.get(key))
    }

    /// Text for a person: at most `max` characters of the compact JSON, with `…` where it was cut.
    #[must_use]
    pub fn excerpt(&self, max: usize) -> String {
        // Only as much as can be shown is ever rendered: values may be megabytes.
        let mut out = json::Excerpt::new(max);
        out.push(self);
        out.finish()
    }
}

impl fmt::Display for Value {
    /// Compact JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.excerpt(200))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Number(Number::from(u64::from(value)))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Number(Number::from(value as u64))
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(Arc::from(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(Arc::from(value))
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Self::String(value)
    }
}

impl From<Array> for Value {
    fn from(value: Array) -> Self {
        Self::Array(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::Array(Array::from(value))
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::Array(items.into_iter().collect())
    }
}
