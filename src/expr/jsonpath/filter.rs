//! The tests of filters: `[?(@.price < 10 && @.tags)]`.

use std::cmp::Ordering;

use regex::Regex;

use super::Error;
use super::select::{Route, Search};
use crate::value::{Array, Str, Value};

/// Bytes of text that cost as much as one visit when a regular expression is tried on them.
const REGEX_BYTES_PER_VISIT: usize = 4;

/// Longest text that is read as a number.
const NUMBER_BYTES_MAX: usize = 64;

/// A test of one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// At least one holds.
    Any(Vec<Self>),
    /// All hold.
    All(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A path leads somewhere.
    Exists(Located),
    /// A comparison.
    Compare(Operand, Operator, Operand),
    /// Always, or never.
    Constant(bool),
}

/// A path within a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    /// Whether it begins at the value that is tested (`@`), not where the whole path begins (`$`).
    pub(super) is_relative: bool,
    pub(super) route: Route,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Path(Located),
    Literal(Value),
    Pattern(Pattern),
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// A whole text, or one of an array, is of the pattern.
    Matches,
    /// The right side holds the left one.
    In,
    NotIn,
    /// All elements of the left side are in the right one.
    SubsetOf,
    /// An element of the left side is in the right one.
    AnyOf,
    /// No element of the left side is in the right one.
    NoneOf,
    /// All elements of the right side are in the left one.
    All,
    /// The left side has so many elements or characters.
    Size,
    /// Whether the left side has no elements or characters.
    Empty,
    /// The left side holds the right one, or has it as part of its text.
    Contains,
}

impl Operator {
    /// As they are written; of those that begin alike the longer one first.
    pub(super) const SIGNS: &'static [(&'static str, Self)] = &[
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=~", Self::Matches),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// As they are written, in either case.
    pub(super) const WORDS: &'static [(&'static str, Self)] = &[
        ("in", Self::In),
        ("nin", Self::NotIn),
        ("subsetof", Self::SubsetOf),
        ("anyof", Self::AnyOf),
        ("noneof", Self::NoneOf),
        ("all", Self::All),
        ("size", Self::Size),
        ("empty", Self::Empty),
        ("contains", Self::Contains),
    ];
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As it was written, with its flags.
    pub(super) text: Str,
    pub(super) regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Filter {
    /// Whether it holds for `value`.
    pub(super) fn holds<'v>(&self, value: &'v Value, search: &Search<'v>) -> Result<bool, Error> {
        search.spend(1)?;
        Ok(match self {
            Self::Any(tests) => one_is(tests, true, value, search)?,
            Self::All(tests) => !one_is(tests, false, value, search)?,
            Self::Not(test) => !test.holds(value, search)?,
            Self::Exists(path) => path.route.exists(path.begin(value, search), search)?,
            Self::Compare(left, operator, right) => match (left, right) {
                (Operand::Pattern(pattern), other) | (other, Operand::Pattern(pattern)) => {
                    matches(pattern, other.value(value, search)?.as_ref(), search)?
                }
                (Operand::Path(_) | Operand::Literal(_), Operand::Path(_) | Operand::Literal(_)) => {
                    let left = left.value(value, search)?;
                    operator.holds(left.as_ref(), right.value(value, search)?.as_ref(), search)?
                }
            },
            Self::Constant(holds) => *holds,
        })
    }
}

impl Located {
    fn begin<'v>(&self, value: &'v Value, search: &Search<'v>) -> &'v Value {
        if self.is_relative { value } else { search.root }
    }
}

impl Operand {
    pub(super) fn value<'v>(&self, value: &'v Value, search: &Search<'v>) -> Result<Option<Value>, Error> {
        match self {
            Self::Path(path) => path.route.value(path.begin(value, search), search),
            Self::Literal(value) => Ok(Some(value.clone())),
            Self::Pattern(_) => Ok(None),
        }
    }
}

impl Operator {
    fn holds(self, left: Option<&Value>, right: Option<&Value>, search: &Search<'_>) -> Result<bool, Error> {
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(matches!(self, Self::NotEqual | Self::NotIn));
        };
        let lists = left.as_array().zip(right.as_array());
        Ok(match self {
            Self::Equal => equal(left, right, search)?,
            Self::NotEqual => !equal(left, right, search)?,
            Self::Less => order(left, right, search)? == Some(Ordering::Less),
            Self::LessOrEqual => order(left, right, search)?.is_some_and(Ordering::is_le),
            Self::Greater => order(left, right, search)? == Some(Ordering::Greater),
            Self::GreaterOrEqual => order(left, right, search)?.is_some_and(Ordering::is_ge),
            Self::In => holds_value(right.as_array(), left, search)?,
            Self::NotIn => !holds_value(right.as_array(), left, search)?,
            Self::SubsetOf | Self::AnyOf | Self::NoneOf | Self::All => match lists {
                Some((left, right)) => self.holds_of_lists(left, right, search)?,
                None => false,
            },
            Self::Matches => false,
            Self::Size => size(left, search)?.is_some_and(|size| Value::from(size) == *right),
            Self::Empty => size(left, search)?.is_some_and(|size| Value::from(size == 0) == *right),
            Self::Contains => match (left.as_str(), right.as_str()) {
                (Some(left), Some(right)) => {
                    search.spend_bytes(left.len())?;
                    left.contains(right)
                }
                (Some(_) | None, _) => holds_value(left.as_array(), right, search)?,
            },
        })
    }

    fn holds_of_lists(self, left: &Array, right: &Array, search: &Search<'_>) -> Result<bool, Error> {
        let (items, list) = if self == Self::All { (right, left) } else { (left, right) };
        let mut shared = 0;
        for item in items.iter() {
            shared += usize::from(holds_value(Some(list), item, search)?);
        }
        if self == Self::AnyOf {
            return Ok(shared > 0);
        }
        Ok(if self == Self::NoneOf { shared == 0 } else { shared == items.len() })
    }
}

fn one_is<'v>(tests: &[Filter], wanted: bool, value: &'v Value, search: &Search<'v>) -> Result<bool, Error> {
    for test in tests {
        if test.holds(value, search)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn matches(pattern: &Pattern, value: Option<&Value>, search: &Search<'_>) -> Result<bool, Error> {
    let texts = match value {
        Some(Value::Array(items)) => items,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    for text in texts.iter().filter_map(Value::as_str) {
        search.spend(1 + text.len() / REGEX_BYTES_PER_VISIT)?;
        if pattern.regex.is_match(text) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A number and a text are equal where the text is that number, as in Jayway.
fn equal(left: &Value, right: &Value, search: &Search<'_>) -> Result<bool, Error> {
    search.spend_bytes(weight(left).min(weight(right)))?;
    Ok(match (left, right) {
        (Value::Number(number), Value::String(text)) => {
            text.len() <= NUMBER_BYTES_MAX
                && text.parse().is_ok_and(|other: serde_json::Number| *number == other.into())
        }
        (Value::String(text), Value::Number(number)) => **text == *number.to_string(),
        (_, _) => left == right,
    })
}

fn order(left: &Value, right: &Value, search: &Search<'_>) -> Result<Option<Ordering>, Error> {
    search.spend_bytes(weight(left).min(weight(right)))?;
    Ok(crate::expr::order_of(left, right))
}

fn holds_value(list: Option<&Array>, value: &Value, search: &Search<'_>) -> Result<bool, Error> {
    for item in list.into_iter().flat_map(|list| list.iter()) {
        if equal(item, value, search)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bytes that a comparison may have to look at, known without counting.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => value.bytes(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Elements, members or characters; a value of another kind has none.
pub(super) fn size(value: &Value, search: &Search<'_>) -> Result<Option<usize>, Error> {
    Ok(match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => {
            search.spend_bytes(text.len())?;
            Some(text.chars().count())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    })
}
