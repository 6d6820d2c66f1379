//! YAML and JSON text to [`Node`]s.
//!
//! JSON is read by a reader of its own, ten times as fast; where that gives up, and for everything else, YAML is
//! read: every JSON document is a YAML document.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::{Content, Entry, Key, Mapping, Node, Span, json};
use crate::value::{DEPTH_MAX, Number, Str};

/// Longest definition accepted, in bytes: what Step Functions allows (asl.md §15) and what fits
/// into an object of the API server beside its status.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;

/// Values of a definition, names of members included: four times what a definition of ordinary lines has at
/// its full length.
pub(super) const NODES_MAX: usize = 250_000;

/// Longest message of the library that is handed on, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// Values that aliases (`*name`) may repeat in all. It is reached by those who mean harm: no definition has
/// as many values that are written out.
const REPEATED_MAX: usize = 100_000;

/// The stack on which a text is read. The library calls itself for each level of nesting, and unoptimised a
/// level takes more than 20 KiB: [`DEPTH_MAX`] of them are more than a thread usually has.
const STACK_BYTES: usize = 16 * 1024 * 1024;

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
    if let Some(document) = json::parse(text) {
        return Ok(document);
    }
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || read(text));
        match reading.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(read)) => read,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => {
                let message = format!("the definition cannot be read: there is no thread for it ({error})");
                Err(SyntaxError { message, span: None })
            }
        }
    })
}

pub(super) fn read(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        // Duplicates reach the reader, which reports each of them with its place.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // `yes` and `on` are strings, as in JSON and YAML 1.2.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX as usize,
            flow_nesting_limit: DEPTH_MAX as usize,
            max_nodes: NODES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPEATED_MAX,
        },
    };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| syntax_error(&error, text))
}

fn syntax_error(error: &serde_saphyr::Error, text: &str) -> SyntaxError {
    let span = error.location().and_then(|location| span_of_error(location, text));
    let mut message = error.to_string();
    // The place is a field of its own here; the library appends it in words.
    if let Some(at) = message.rfind(" at line ") {
        message.truncate(at);
    }
    if let Some(own) = in_own_words(&message) {
        message = own;
    } else if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
        // It repeats what was written, however much that is.
        message.truncate(end);
        message.push('…');
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

/// What the library tells programmers, told to people.
fn in_own_words(message: &str) -> Option<String> {
    let says = |words: &str| message.contains(words);
    Some(if says("budget breached: Depth") || says("recursion limit") {
        format!("nested more than {DEPTH_MAX} levels deep")
    } else if says("budget breached: Nodes") || says("budget breached: Events") {
        format!("the definition has more than {NODES_MAX} values")
    } else if says("multiple YAML documents") {
        "a second YAML document begins here, one is expected".to_owned()
    } else if says("alias replay limit") || says("budget breached: AliasAnchorRatio") {
        format!("the aliases (`*name`) repeat too much: at most {REPEATED_MAX} values")
    } else if says("budget breached: Aliases") || says("budget breached: Anchors") {
        "too many anchors (`&name`) or aliases (`*name`)".to_owned()
    } else if says("budget breached: MergeKeys") {
        "too many merges (`<<`)".to_owned()
    } else if says("recursive references") {
        "an alias (`*name`) repeats what it stands in".to_owned()
    } else if says("alias references unknown anchor") {
        "an alias (`*name`) of an anchor that does not stand before it".to_owned()
    } else {
        return None;
    })
}

/// The place of an error, which the library tells in characters.
fn span_of_error(location: Location, text: &str) -> Option<Span> {
    let span = span_of(location)?;
    if location.span().byte_offset().is_some() {
        return Some(span);
    }
    let byte = |character: u32| {
        let at = text.char_indices().nth(character as usize).map_or(text.len(), |(at, _)| at);
        u32::try_from(at).unwrap_or(u32::MAX)
    };
    Some(Span { start: byte(span.start), end: byte(span.end), ..span })
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
