//! YAML and JSON text to [`Node`]s.
//!
//! JSON is read by the YAML parser too: every JSON document is a YAML document.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::{Content, Entry, Key, Mapping, Node, Span};
use crate::value::{DEPTH_MAX, Number, Str};

/// Longest definition accepted, in bytes: what Step Functions allows (asl.md §15) and what fits
/// into an object of the API server beside its status.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;

/// Text that is no YAML and no JSON, or refused before it is read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong, without the place.
    pub message: String,
    /// Where, as far as it is known.
    pub span: Option<Span>,
}

/// Reads a document.
///
/// # Errors
/// The first syntax error with its place; a text beyond [`DEFINITION_BYTES_MAX`] or nested beyond
/// [`DEPTH_MAX`]; more than one document.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.len() > DEFINITION_BYTES_MAX {
        return Err(SyntaxError {
            message: format!(
                "the definition has {} bytes, at most {DEFINITION_BYTES_MAX} are allowed",
                text.len()
            ),
            span: None,
        });
    }
    let options = serde_saphyr::options! {
        // Duplicates reach the reader, which reports each of them with its place.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // `yes` and `on` are strings, as in JSON and YAML 1.2.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX as usize,
            flow_nesting_limit: DEPTH_MAX as usize,
        },
    };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| syntax_error(&error))
}

fn syntax_error(error: &serde_saphyr::Error) -> SyntaxError {
    let span = error.location().and_then(span_of);
    let mut message = error.to_string();
    // The place is a field of its own here; the library appends it in words.
    if let Some(at) = message.rfind(" at line ") {
        message.truncate(at);
    }
    if message.contains("budget breached: Depth") || message.contains("recursion limit") {
        message = format!("nested more than {DEPTH_MAX} levels deep");
    }
    if message.contains("multiple YAML documents") {
        // The library's advice is for programmers.
        message = "a second YAML document begins here, one is expected".to_owned();
    }
    SyntaxError { message, span }
}

fn span_of(location: Location) -> Option<Span> {
    if location == Location::UNKNOWN {
        return None;
    }
    let start = location.span().byte_offset().unwrap_or(location.span().offset());
    let length = location.span().byte_len().unwrap_or(location.span().len());
    Some(Span {
        start: u32::try_from(start).ok()?,
        end: u32::try_from(start.saturating_add(length)).ok()?,
        line: u32::try_from(location.line()).ok()?,
        column: u32::try_from(location.column()).ok()?,
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { content: spanned.value, span: span_of(spanned.referenced) })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Node { content, span } = Node::deserialize(deserializer)?;
        let name: Str = match content {
            Content::String(name) => name,
            // As a Kubernetes manifest is read: `1: x` has the key "1".
            Content::Number(number) => Arc::from(number.to_string()),
            Content::Bool(value) => Arc::from(value.to_string()),
            Content::Null | Content::Sequence(_) | Content::Mapping(_) => {
                return Err(D::Error::custom("a key must be a string"));
            }
        };
        Ok(Self { name, span })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(Number::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(Number::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(Content::Number)
            .ok_or_else(|| E::custom(format_args!("`{value}` is no JSON number")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::String(Arc::from(value)))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::String(Arc::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Content::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Key>()? {
            entries.push(Entry { key, value: map.next_value()? });
        }
        Ok(Content::Mapping(Mapping { entries }))
    }
}
