//! Any JSON, as the API server sent it.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::value::{ParseError, Value};

/// A field that may hold any JSON value, kept as its text.
///
/// The API server accepts values nested thousands of levels deep, and a typed decoder that recurses
/// would refuse the whole list they stand in. Kept as text, one bad object stays its own problem;
/// [`Payload::parse`] says what is wrong with it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// The value.
    ///
    /// # Errors
    /// Where it is nested deeper than [`crate::value::DEPTH_MAX`].
    pub fn parse(&self) -> Result<Value, ParseError> {
        Value::parse(self.0.get())
    }

    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<&Value> for Payload {
    fn from(value: &Value) -> Self {
        Self(RawValue::from_string(value.to_json()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Payload {
    /// Payloads may hold secrets: they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.text().len())
    }
}

impl JsonSchema for Payload {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // No type, so that scalars pass; both marks are needed (control-plane.md §3).
        json_schema!({ "x-kubernetes-preserve-unknown-fields": true, "nullable": true })
    }
}

/// For fields in which `null` is a value and not an absence.
///
/// # Errors
/// As the deserializer.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}
