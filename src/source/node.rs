//! A document as it was written: every value and every key with its place.

use std::sync::Arc;

use crate::value::{Number, Object, Str, Value};

use super::Span;

/// One value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    /// What was written.
    pub content: Content,
    /// Where; nothing for a definition that was given as an object and not as text.
    pub span: Option<Span>,
    /// Of a literal block (`|`) of several lines: the byte of the text at which each of them begins, behind
    /// its indentation.
    pub lines: Option<Arc<[u32]>>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Any other scalar.
    String(Str),
    /// A list.
    Sequence(Vec<Node>),
    /// Members, duplicates included.
    Mapping(Mapping),
}

/// The members of a mapping in the order they were written.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// All of them, duplicates included: it is for the reader to complain.
    pub entries: Vec<Entry>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Its value.
    pub value: Node,
}

/// The name of a member.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name.
    pub name: Str,
    /// Where it stands.
    pub span: Option<Span>,
}

impl Node {
    /// The kind of the value in the words of a user, with its article.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "a boolean",
            Content::Number(_) => "a number",
            Content::String(_) => "a string",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "an object",
        }
    }

    /// The mapping, nothing for any other kind.
    #[must_use]
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match &self.content {
            Content::Mapping(mapping) => Some(mapping),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::String(_)
            | Content::Sequence(_) => None,
        }
    }

    /// The text of a string, nothing for any other kind.
    #[must_use]
    pub fn as_str(&self) -> Option<&Str> {
        match &self.content {
            Content::String(text) => Some(text),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => None,
        }
    }

    /// The plain value without its places; the last of duplicate members wins.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::Sequence(items) => items.iter().map(Self::to_value).collect(),
            Content::Mapping(mapping) => Value::Object(
                mapping
                    .entries
                    .iter()
                    .map(|entry| (entry.key.name.clone(), entry.value.to_value()))
                    .collect::<Object>(),
            ),
        }
    }
}

impl From<&Value> for Node {
    /// A document that was given as an object: it has no places.
    fn from(value: &Value) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(number) => Content::Number(number.clone()),
            Value::String(text) => Content::String(text.clone()),
            Value::Array(items) => Content::Sequence(items.iter().map(Self::from).collect()),
            Value::Object(members) => Content::Mapping(Mapping {
                entries: members
                    .iter()
                    .map(|(name, value)| Entry {
                        key: Key { name: name.clone(), span: None },
                        value: Self::from(value),
                    })
                    .collect(),
            }),
        };
        Self { content, span: None, lines: None }
    }
}

impl Mapping {
    /// The value of the last member called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().rev().find(|entry| &*entry.key.name == name).map(|entry| &entry.value)
    }
}
