//! Expressions: read once when a definition is compiled, evaluated against a [`Scope`] while it runs.
//!
//! Each expression language has a module that reads its text into [`Expr`]; [`Expr`] itself is one
//! language-neutral tree. What a path that leads nowhere means differs between the languages, so
//! every [`Expr::Select`] says it for itself ([`Missing`]).

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

mod call;
mod check;
mod closest;
mod cursor;
mod dataset;
mod digest;
pub mod fdl;
mod function;
mod instant;
mod interrupt;
pub mod intrinsic;
pub mod jsonata;
pub mod jsonpath;
mod layout;
mod need;
mod path;
mod random;
mod scope;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use crate::value::{Number, Object, Str, Value};

pub use check::{Check, Kind, TextPattern};
pub use dataset::{Dataset, Delimiter, Header, NOT_ITERABLE};
pub use function::Function;
pub use instant::parse_rfc3339;
pub use interrupt::{Interrupt, interruptible, is_interrupted};
pub use intrinsic::Intrinsic;
pub use layout::{Layout, UnknownPart};
pub use need::{Need, NeedKind};
pub use path::{Missing, PathStep};
pub use scope::{Attribute, Root, Scope};

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// Something the scope knows.
    Root(Root),
    /// A part of something.
    Select {
        /// Where the path begins.
        from: Box<Expr>,
        /// Where it leads.
        steps: Vec<PathStep>,
        /// What it means when it leads nowhere.
        missing: Missing,
    },
    /// An object; a member without a value is `null`.
    Object(Vec<(Str, Expr)>),
    /// An object; a member without a value is left out. One of which all are left out has no value.
    Record(Vec<(Str, Expr)>),
    /// A list.
    Array(Vec<Expr>),
    /// A call of a built-in function.
    Call(Function, Vec<Expr>),
    /// Logical negation.
    Not(Box<Expr>),
    /// Arithmetic negation.
    Negate(Box<Expr>),
    /// At least one holds; those behind the first that does are not looked at.
    Any(Vec<Expr>),
    /// All hold; those behind the first that does not are not looked at.
    All(Vec<Expr>),
    /// A call of an intrinsic function of Amazon States Language.
    Intrinsic(Intrinsic, Vec<Expr>),
    /// What a path in Jayway's dialect of `JSONPath` finds.
    Query {
        /// Where the path begins.
        from: Box<Expr>,
        /// Where it leads.
        path: Arc<jsonpath::Path>,
        /// What it means when a definite path leads nowhere.
        missing: Missing,
    },
    /// A `JSONata` expression.
    Jsonata(Arc<jsonata::Expression>),
    /// A test of a Choice rule; a missing operand is one that is undefined.
    Check(Check, Vec<Expr>),
    /// The items in the text of a file.
    Dataset(Arc<Dataset>, Box<Expr>),
    /// What several places have in common, such as the branches of a Choice: each of them would
    /// otherwise hold all of it.
    Shared {
        /// The expression.
        expr: Arc<Expr>,
        /// What [`Expr::is_unbounded`] says of it, asked once for all places.
        is_unbounded: bool,
    },
    /// A value that must be what its field needs.
    Needed(Arc<Need>, Box<Expr>),
    /// A comparison.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// The shallow merge of objects, the last one wins. What is no object adds nothing.
    Merge(Vec<Expr>),
    /// `into` with `value` placed at a path, objects on the way made as needed. An element of an array must
    /// be there.
    Place {
        /// What the value is placed into.
        into: Box<Expr>,
        /// Names and positions; empty: the value replaces `into`.
        at: Vec<PathStep>,
        /// What is placed.
        value: Box<Expr>,
    },
}

/// Comparisons of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal by value.
    Equal,
    /// Not equal.
    NotEqual,
    /// Numbers or strings in order.
    Less,
    /// Numbers or strings in order, or equal.
    LessOrEqual,
    /// Numbers or strings in reverse order.
    Greater,
    /// Numbers or strings in reverse order, or equal.
    GreaterOrEqual,
    /// The right operand is an array that contains the left one, or an object with such a member.
    In,
}

/// Why an expression has no value. Which error of a state machine that is depends on the language
/// and is decided by the program's error table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The class of the problem.
    pub kind: ErrorKind,
    /// What was found and what was expected.
    pub message: String,
}

/// Classes of evaluation errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A path leads nowhere.
    Path,
    /// A function refuses its arguments.
    Function,
    /// A value cannot be placed where it should go.
    Place,
    /// A value would be larger than anything that could be handed on.
    TooLarge,
    /// A `JSONata` expression fails, gives nothing, or not what its field needs.
    Query,
    /// A value is not what the field needs.
    Value,
    /// What a task answered is not what it has to be.
    Answer,
    /// The text of a file is not what its format says.
    Dataset,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl Expr {
    /// A path from `root`.
    #[must_use]
    pub fn path(root: Root, steps: Vec<PathStep>, missing: Missing) -> Self {
        Self::Root(root).select(steps, missing)
    }

    /// A path from this expression.
    #[must_use]
    pub fn select(self, steps: Vec<PathStep>, missing: Missing) -> Self {
        Self::Select { from: Box::new(self), steps, missing }
    }

    /// The object of `members`, constant where all of them are.
    #[must_use]
    pub fn object(members: Vec<(Str, Self)>) -> Self {
        if members.iter().all(|(_, member)| matches!(member, Self::Literal(_))) {
            return Self::Literal(Value::Object(
                members
                    .into_iter()
                    .map(|(key, member)| (key, member.into_literal().unwrap_or_default()))
                    .collect(),
            ));
        }
        Self::Object(members)
    }

    /// The list of `items`, constant where all of them are.
    #[must_use]
    pub fn array(items: Vec<Self>) -> Self {
        if items.iter().all(|item| matches!(item, Self::Literal(_))) {
            return Self::Literal(
                items.into_iter().map(|item| item.into_literal().unwrap_or_default()).collect(),
            );
        }
        Self::Array(items)
    }

    /// The expression in a form whose clones share it.
    #[must_use]
    pub fn shared(self) -> Self {
        let is_unbounded = self.is_unbounded();
        Self::Shared { expr: Arc::new(self), is_unbounded }
    }

    fn into_literal(self) -> Option<Value> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Root(_)
            | Self::Select { .. }
            | Self::Object(_)
            | Self::Record(_)
            | Self::Array(_)
            | Self::Call(..)
            | Self::Intrinsic(..)
            | Self::Query { .. }
            | Self::Jsonata(_)
            | Self::Check(..)
            | Self::Dataset(..)
            | Self::Shared { .. }
            | Self::Needed(..)
            | Self::Not(_)
            | Self::Negate(_)
            | Self::Any(_)
            | Self::All(_)
            | Self::Compare(..)
            | Self::Merge(_)
            | Self::Place { .. } => None,
        }
    }

    /// The value of the expression, nothing where it is undefined.
    ///
    /// # Errors
    /// Where a path that must lead somewhere does not, or a function refuses its arguments.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Option<Value>, Error> {
        Ok(Some(match self {
            Self::Literal(value) => value.clone(),
            Self::Root(root) => return Ok(scope.get(root)),
            Self::Select { from, steps, missing } => {
                let base = from.eval(scope)?;
                return path::select(base, steps, *missing);
            }
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, member)| Ok((key.clone(), member.eval(scope)?.unwrap_or_default())))
                    .collect::<Result<Object, _>>()?,
            ),
            Self::Record(members) => return record(members, scope),
            Self::Array(items) => Value::Array(values(items, scope)?.into_iter().collect()),
            Self::Call(function, arguments) => return call(*function, arguments, scope),
            Self::Intrinsic(intrinsic, arguments) => intrinsic.call(&values(arguments, scope)?, scope)?,
            Self::Query { from, path, missing } => return path.select(from.eval(scope)?.as_ref(), *missing),
            Self::Jsonata(expression) => return expression.eval(scope).map(Some),
            Self::Check(check, operands) => {
                let operands = operands.iter().map(|operand| operand.eval(scope));
                Value::Bool(check.holds(&operands.collect::<Result<Vec<_>, _>>()?)?)
            }
            Self::Dataset(dataset, text) => dataset.items(&text.eval(scope)?.unwrap_or_default())?,
            Self::Shared { expr, .. } => return expr.eval(scope),
            Self::Needed(need, value) => need.check(value.eval(scope)?.unwrap_or_default())?,
            Self::Not(operand) => Value::Bool(!is_true(operand.eval(scope)?.as_ref())),
            Self::Negate(operand) => return operand.eval(scope)?.map(negate).transpose(),
            Self::Any(operands) => Value::Bool(holds_one(operands, true, scope)?),
            Self::All(operands) => Value::Bool(!holds_one(operands, false, scope)?),
            Self::Compare(comparison, left, right) => Value::Bool(comparison.holds(left, right, scope)?),
            Self::Merge(parts) => Value::Object(merge(parts, scope)?),
            Self::Place { into, at, value } => {
                let value = value.eval(scope)?.unwrap_or_default();
                path::place(into.eval(scope)?, at, value)?
            }
        }))
    }

    /// Whether evaluating it can take for ever, which an [`Interrupt`] ends.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        let any = |parts: &[Self]| parts.iter().any(Self::is_unbounded);
        match self {
            Self::Jsonata(_) => true,
            Self::Literal(_) | Self::Root(_) => false,
            Self::Select { from, .. } | Self::Query { from, .. } => from.is_unbounded(),
            Self::Object(members) | Self::Record(members) => {
                members.iter().any(|(_, member)| member.is_unbounded())
            }
            Self::Array(parts)
            | Self::Call(_, parts)
            | Self::Any(parts)
            | Self::All(parts)
            | Self::Intrinsic(_, parts)
            | Self::Check(_, parts)
            | Self::Merge(parts) => any(parts),
            Self::Shared { expr: _, is_unbounded } => *is_unbounded,
            Self::Not(operand)
            | Self::Negate(operand)
            | Self::Dataset(_, operand)
            | Self::Needed(_, operand) => operand.is_unbounded(),
            Self::Compare(_, left, right) => left.is_unbounded() || right.is_unbounded(),
            Self::Place { into, at: _, value } => into.is_unbounded() || value.is_unbounded(),
        }
    }

    /// Whether the expression, as a condition, holds. Only `true` does: a missing value, a string
    /// or a number does not.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, Error> {
        Ok(is_true(self.eval(scope)?.as_ref()))
    }
}

impl Comparison {
    fn holds(self, left: &Expr, right: &Expr, scope: &dyn Scope) -> Result<bool, Error> {
        let (Some(left), Some(right)) = (left.eval(scope)?, right.eval(scope)?) else {
            // A missing variable makes every comparison false, `!=` too (fdl.md §4).
            return Ok(false);
        };
        let order = order_of(&left, &right);
        Ok(match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Self::In => contains(&right, &left),
        })
    }
}

/// Whether one of the conditions comes out as `wanted`; those behind it are not looked at.
fn holds_one(operands: &[Expr], wanted: bool, scope: &dyn Scope) -> Result<bool, Error> {
    for operand in operands {
        if operand.holds(scope)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The values of a list, `null` for those that are undefined.
fn values(items: &[Expr], scope: &dyn Scope) -> Result<Vec<Value>, Error> {
    items.iter().map(|item| item.eval(scope).map(Option::unwrap_or_default)).collect()
}

/// The members that have a value, nothing where none has.
fn record(members: &[(Str, Expr)], scope: &dyn Scope) -> Result<Option<Value>, Error> {
    let member = |(key, member): &(Str, Expr)| {
        member.eval(scope).map(|value| value.map(|value| (key.clone(), value))).transpose()
    };
    let object = members.iter().filter_map(member).collect::<Result<Object, _>>()?;
    Ok((!object.is_empty()).then_some(Value::Object(object)))
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool) == Some(true)
}

/// Numbers and strings have an order, across kinds there is none.
fn order_of(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_), _)
        | (Value::Number(_) | Value::String(_), _) => None,
    }
}

fn contains(collection: &Value, element: &Value) -> bool {
    match collection {
        Value::Array(items) => items.contains(element),
        Value::Object(members) => element.as_str().is_some_and(|key| members.get(key).is_some()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A function takes `null` for an argument that is undefined. Where it cannot, the call is undefined too:
/// what is missing must not be an error (fdl.md §4).
fn call(function: Function, arguments: &[Expr], scope: &dyn Scope) -> Result<Option<Value>, Error> {
    let arguments = arguments.iter().map(|argument| argument.eval(scope)).collect::<Result<Vec<_>, _>>()?;
    let is_any_undefined = arguments.iter().any(Option::is_none);
    let arguments: Vec<_> = arguments.into_iter().map(Option::unwrap_or_default).collect();
    match function.call(&arguments, scope) {
        Ok(value) => Ok(Some(value)),
        Err(_) if is_any_undefined => Ok(None),
        Err(error) => Err(error),
    }
}

fn negate(value: Value) -> Result<Value, Error> {
    let refused = || {
        Error::new(
            ErrorKind::Function,
            format!("`-` needs a number, found {} `{}`", value.kind(), value.excerpt(64)),
        )
    };
    let number = value.as_number().ok_or_else(refused)?;
    let negated = match number.as_json().as_i64().and_then(i64::checked_neg) {
        Some(negated) => Some(Number::from(negated)),
        None => Number::from_f64(-number.as_f64()),
    };
    negated.map(Value::Number).ok_or_else(refused)
}

fn merge(parts: &[Expr], scope: &dyn Scope) -> Result<Object, Error> {
    let mut merged = Object::default();
    for part in parts {
        if let Some(Value::Object(members)) = part.eval(scope)? {
            merged = merged.merged(&members);
        }
    }
    Ok(merged)
}
