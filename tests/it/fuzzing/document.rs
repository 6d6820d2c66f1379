//! Documents that need not be valid: members may be given twice.

use proptest::prelude::*;

use millrace::source::{Content, Node, parse};
use millrace::value::Value;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Scalar(Value),
    List(Vec<Self>),
    Members(Vec<(String, Self)>),
}

/// A change at a random place.
#[derive(Clone, Debug)]
pub(super) struct Mutation {
    place: prop::sample::Index,
    other: prop::sample::Index,
    kind: u8,
}

impl Arbitrary for Mutation {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..8)
            .prop_map(|(place, other, kind)| Self { place, other, kind })
            .boxed()
    }
}

/// A random document of these words as names and as values.
pub(super) fn made_of(words: &'static [&'static str]) -> impl Strategy<Value = Document> {
    let word = prop::sample::select(words);
    let scalar = prop_oneof![
        6 => word.clone().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop::sample::select(&[0_i64, 1, -1, 2, 40, 99_999_999, i64::MAX, i64::MIN][..]).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
    ];
    let leaf = scalar.prop_map(Document::Scalar);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let name = prop_oneof![12 => word.clone().prop_map(ToOwned::to_owned), 1 => any::<String>()];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Document::List),
            3 => prop::collection::vec((name, inner), 0..8).prop_map(Document::Members),
        ]
    })
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        Self::of(&parse(text).expect("a base is valid"))
    }

    fn of(node: &Node) -> Self {
        match &node.content {
            Content::Sequence(items) => Self::List(items.iter().map(Self::of).collect()),
            Content::Mapping(mapping) => Self::Members(
                mapping
                    .entries
                    .iter()
                    .map(|entry| (entry.key.name.to_string(), Self::of(&entry.value)))
                    .collect(),
            ),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => {
                Self::Scalar(node.to_value())
            }
        }
    }

    pub(super) fn to_json(&self) -> String {
        match self {
            Self::Scalar(value) => value.to_json(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::to_json).collect::<Vec<_>>().join(", "))
            }
            Self::Members(members) => {
                let member = |(name, value): &(String, Self)| {
                    format!("{}: {}", Value::from(name.as_str()).to_json(), value.to_json())
                };
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Self::Scalar(_) => 0,
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Members(members) => members.iter().map(|(_, value)| value.size()).sum(),
        }
    }

    /// The nth value, in order.
    fn nth(&mut self, mut n: usize) -> Option<&mut Self> {
        if n == 0 {
            return Some(self);
        }
        n -= 1;
        let children: Vec<&mut Self> = match self {
            Self::Scalar(_) => Vec::new(),
            Self::List(items) => items.iter_mut().collect(),
            Self::Members(members) => members.iter_mut().map(|(_, value)| value).collect(),
        };
        for child in children {
            let size = child.size();
            if n < size {
                return child.nth(n);
            }
            n -= size;
        }
        None
    }

    /// Changes something somewhere.
    pub(super) fn mutate(&mut self, mutation: &Mutation, value: &Self) {
        let size = self.size();
        let other = self.nth(mutation.other.index(size)).cloned();
        let Some(at) = self.nth(mutation.place.index(size)) else { return };
        match (mutation.kind, &mut *at) {
            (0, Self::List(items)) if !items.is_empty() => {
                drop(items.remove(mutation.other.index(items.len())))
            }
            (0, Self::Members(members)) if !members.is_empty() => {
                drop(members.remove(mutation.other.index(members.len())));
            }
            (1, Self::List(items)) if !items.is_empty() => {
                let item = items[mutation.other.index(items.len())].clone();
                items.push(item);
            }
            (1, Self::Members(members)) if !members.is_empty() => {
                let member = members[mutation.other.index(members.len())].clone();
                members.push(member);
            }
            (2, Self::Members(members)) if !members.is_empty() => {
                let at = mutation.other.index(members.len());
                if let Self::Scalar(Value::String(name)) = value {
                    members[at].0 = name.to_string();
                } else {
                    members[at].0.pop();
                }
            }
            // Another type, around what is there.
            (3, _) => *at = Self::List(vec![at.clone()]),
            (4, Self::Scalar(Value::Number(number))) => *at = Self::Scalar(Value::from(number.to_string())),
            (4, Self::Scalar(Value::String(text))) => {
                let cut: String = text.chars().take(mutation.other.index(text.chars().count() + 1)).collect();
                *at = Self::Scalar(Value::from(cut));
            }
            // Something from elsewhere in the document.
            (5 | 6, _) => *at = other.unwrap_or_else(|| value.clone()),
            (_, _) => *at = value.clone(),
        }
    }
}
