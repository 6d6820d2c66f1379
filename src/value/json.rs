//! JSON text in and out.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Array, DEPTH_MAX, Number, Object, Str, Value};

/// Why a text is no value.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON at all; the message names line and column.
    #[error("not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Nested beyond [`DEPTH_MAX`].
    #[error("nested {depth} levels deep, at most {DEPTH_MAX} are allowed")]
    TooDeep {
        /// Levels found.
        depth: u32,
    },
}

impl Value {
    /// Reads JSON text.
    ///
    /// # Errors
    /// Where the text is no JSON, or nested deeper than [`DEPTH_MAX`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        // Before decoding: the decoder recurses, a user's text must not choose how deep.
        let depth = depth_of_text(text.as_bytes());
        if depth > DEPTH_MAX {
            return Err(ParseError::TooDeep { depth });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(self.bytes());
        // Writing to memory cannot fail, and a Value holds nothing that JSON lacks.
        if serde_json::to_writer(&mut out, self).is_err() {
            return String::new();
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

impl Value {
    /// Compact JSON with the members of objects sorted by name: equal values have equal text. For
    /// digests.
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        let mut out = String::with_capacity(self.bytes());
        write_canonical(self, &mut out);
        out
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_json()),
        Value::Number(number) => match number.as_i64() {
            // `1.0` is `1`, as for the API server.
            Some(integer) => out.push_str(&integer.to_string()),
            None => out.push_str(&number.to_string()),
        },
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (position, (name, member)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(name.clone()).to_json());
                out.push(':');
                write_canonical(member, out);
            }
            out.push('}');
        }
    }
}

/// The deepest nesting of brackets in a JSON text, found without decoding it. Brackets inside
/// strings do not count; for a text that is no JSON the answer is only an upper bound of what a
/// decoder would meet.
#[must_use]
pub fn depth_of_text(text: &[u8]) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0_u32);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Length of `text` as a JSON string with its quotes and escapes.
pub(super) fn string_bytes(text: &str) -> usize {
    let escapes: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            0..=0x1f => 5,
            _ => 0,
        })
        .sum();
    text.len() + escapes + 2
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.as_json().serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(array) => {
                let mut seq = serializer.serialize_seq(Some(array.len()))?;
                for item in array.iter() {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Object(object) => {
                let mut map = serializer.serialize_map(Some(object.len()))?;
                for (key, value) in object.iter() {
                    map.serialize_entry(&**key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or_default().min(1024));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(Array::from(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = IndexMap::new();
        while let Some((key, value)) = map.next_entry::<Key, Value>()? {
            members.insert(key.0, value);
        }
        Ok(Value::Object(Object::from(members)))
    }
}

/// A member name, read into shared text without a detour over `String` where the text is borrowed.
struct Key(Str);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E>(self, value: &str) -> Result<Key, E> {
                Ok(Key(Arc::from(value)))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Renders the beginning of a value and stops as soon as the excerpt is full.
pub(super) struct Excerpt {
    out: String,
    left: usize,
    is_cut: bool,
}

impl Excerpt {
    pub(super) fn new(max: usize) -> Self {
        Self { out: String::new(), left: max, is_cut: false }
    }

    pub(super) fn push(&mut self, value: &Value) {
        if self.is_cut {
            return;
        }
        match value {
            Value::Array(array) => {
                self.text("[");
                for (position, item) in array.iter().enumerate() {
                    if position > 0 {
                        self.text(",");
                    }
                    self.push(item);
                    if self.is_cut {
                        return;
                    }
                }
                self.text("]");
            }
            Value::Object(object) => {
                self.text("{");
                for (position, (key, member)) in object.iter().enumerate() {
                    if position > 0 {
                        self.text(",");
                    }
                    self.string(key);
                    self.text(":");
                    self.push(member);
                    if self.is_cut {
                        return;
                    }
                }
                self.text("}");
            }
            Value::String(text) => self.string(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.text(&value.to_json()),
        }
    }

    pub(super) fn finish(mut self) -> String {
        if self.is_cut {
            self.out.push('…');
        }
        self.out
    }

    fn string(&mut self, text: &Str) {
        let head: Str = match text.char_indices().nth(self.left) {
            Some((end, _)) => Arc::from(text.get(..end).unwrap_or_default()),
            None => text.clone(),
        };
        self.text(&Value::String(head).to_json());
    }

    fn text(&mut self, text: &str) {
        for character in text.chars() {
            if self.left == 0 {
                self.is_cut = true;
                return;
            }
            self.out.push(character);
            self.left -= 1;
        }
    }
}
