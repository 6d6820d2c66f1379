//! What fields need of values that are computed.

use std::sync::Arc;

use super::{Error, ErrorKind, Expr};
use crate::value::{Object, Str, Value};

/// What a field needs of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The field, for messages.
    pub field: Str,
    /// Of what kind the value must be.
    pub kind: NeedKind,
}

/// Kinds of values that fields need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A whole number from 0.
    Seconds,
    /// An array.
    Array,
    /// An object. Nothing is an empty one.
    Object,
    /// Whole seconds between bounds.
    SecondsWithin {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}

impl Need {
    /// The value, where it is of the kind.
    ///
    /// # Errors
    /// Where it is not: [`ErrorKind::Value`], in the words that definitions may look for (asl.md §9, §12); where
    /// it is not the object that someone was to answer with, [`ErrorKind::Answer`].
    pub fn check(&self, value: Value) -> Result<Value, Error> {
        let integer = value.as_i64();
        let is_met = match self.kind {
            NeedKind::Text => value.as_str().is_some(),
            NeedKind::Integer => integer.is_some(),
            NeedKind::Seconds => integer.is_some_and(|seconds| seconds >= 0),
            NeedKind::Array => value.as_array().is_some(),
            NeedKind::Object if value == Value::Null => return Ok(Value::Object(Object::default())),
            NeedKind::Object => value.as_object().is_some(),
            NeedKind::SecondsWithin { min, max } => {
                let number = integer.and_then(|number| u64::try_from(number).ok());
                number.is_some_and(|number| (min..=max).contains(&number))
            }
        };
        if is_met {
            return Ok(value);
        }
        let error_kind = if self.kind == NeedKind::Object { ErrorKind::Answer } else { ErrorKind::Value };
        let (field, kind, excerpt) = (&self.field, value.kind(), value.excerpt(64));
        let message = match (self.kind, integer) {
            (NeedKind::Text, _) => {
                format!("The field '{field}' must refer to a string, but was '{kind}' for value: {excerpt}")
            }
            (NeedKind::Integer, _) => {
                format!("The field '{field}' refers to value \"{excerpt}\" which is not a valid integer")
            }
            (NeedKind::Array, _) => format!("{field} needs an array, found {kind} `{excerpt}`"),
            (NeedKind::Object, _) => format!("{field} needs an object, found {kind} `{excerpt}`"),
            (NeedKind::SecondsWithin { min, max }, _) => {
                format!("{field} needs whole seconds from {min} to {max}, found {kind} `{excerpt}`")
            }
            (NeedKind::Seconds, Some(_)) => {
                format!("The field '{field}' references a negative value: {excerpt}")
            }
            (NeedKind::Seconds, None) => {
                format!(
                    "The field '{field}' refers to value \"{excerpt}\" which cannot be parsed as a long value"
                )
            }
        };
        Err(Error::new(error_kind, message))
    }
}

impl Expr {
    /// This expression, where it gives what `field` needs, which is for messages.
    #[must_use]
    pub fn needed(self, field: impl Into<Str>, kind: NeedKind) -> Self {
        Self::Needed(Arc::new(Need { field: field.into(), kind }), Box::new(self))
    }

    /// The same, where an object will not do.
    #[must_use]
    pub fn array_for(self, field: impl Into<Str>) -> Self {
        self.needed(field, NeedKind::Array)
    }
}
