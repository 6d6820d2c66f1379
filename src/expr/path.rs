//! Paths into values.

use crate::value::{DEPTH_MAX, Object, Str, Value};

use super::{Error, ErrorKind};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// A member of an object.
    Member(Str),
    /// A member of an object whose name is a number, or that element of an array: `.0`.
    MemberOrElement(Str, usize),
    /// An element of an array, from the end where negative.
    Element(i64),
    /// Every element of an array, every member of an object. From here on the path gives the array
    /// of all matches.
    All,
}

impl PathStep {
    /// The step that `.name` takes.
    pub(super) fn member(name: Str) -> Self {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        match name.parse() {
            Ok(position) if is_number => Self::MemberOrElement(name, position),
            Ok(_) | Err(_) => Self::Member(name),
        }
    }
}

/// What a path that leads nowhere gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `null`.
    Null,
    /// Nothing: a comparison with it is false.
    Undefined,
    /// An error.
    Error,
}

/// Follows `steps` from `base`.
pub(super) fn select(
    base: Option<Value>,
    steps: &[PathStep],
    missing: Missing,
) -> Result<Option<Value>, Error> {
    if steps.contains(&PathStep::All) {
        let mut matches = Vec::new();
        if let Some(base) = &base {
            gather(base, steps, &mut matches);
        }
        return Ok(Some(Value::from(matches)));
    }
    let mut at = base;
    for step in steps {
        at = at.as_ref().and_then(|value| child(value, step)).cloned();
    }
    match (at, missing) {
        (Some(value), _) => Ok(Some(value)),
        (None, Missing::Null) => Ok(Some(Value::Null)),
        (None, Missing::Undefined) => Ok(None),
        (None, Missing::Error) => {
            Err(Error::new(ErrorKind::Path, format!("nothing found at `{}`", render(steps))))
        }
    }
}

fn child<'v>(value: &'v Value, step: &PathStep) -> Option<&'v Value> {
    match step {
        PathStep::Member(name) => value.get(name),
        PathStep::MemberOrElement(name, position) => match value.as_array() {
            Some(items) => items.get(*position),
            None => value.get(name),
        },
        PathStep::Element(index) => element(value.as_array()?, *index),
        PathStep::All => None,
    }
}

/// The element at a position, from the end where negative.
pub(super) fn element(items: &[Value], position: i64) -> Option<&Value> {
    items.get(position_in(items, position)?)
}

fn position_in(items: &[Value], position: i64) -> Option<usize> {
    let position = match usize::try_from(position) {
        Ok(position) => position,
        Err(_) => items.len().checked_sub(usize::try_from(position.unsigned_abs()).ok()?)?,
    };
    (position < items.len()).then_some(position)
}

/// `into` with `value` at the end of `steps`. Objects on the way are made, an element must be there.
pub(super) fn place(into: Option<Value>, steps: &[PathStep], value: Value) -> Result<Value, Error> {
    if steps.len() > DEPTH_MAX as usize {
        let message = format!(
            "a value placed at a path of {} steps would be nested deeper than the {DEPTH_MAX} levels allowed",
            steps.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let mut around = Vec::new();
    let mut at = into;
    for step in steps {
        at = match (at, step) {
            (None, PathStep::Member(name)) => {
                around.push(Holder::Object(Object::default(), name.clone()));
                None
            }
            (Some(Value::Object(object)), PathStep::Member(name) | PathStep::MemberOrElement(name, _)) => {
                let member = object.get(name).cloned();
                around.push(Holder::Object(object, name.clone()));
                member
            }
            (Some(Value::Array(items)), PathStep::Element(index)) if element(&items, *index).is_some() => {
                let position = position_in(&items, *index).unwrap_or_default();
                let item = items.get(position).cloned();
                around.push(Holder::Array(items.to_vec(), position));
                item
            }
            (at, step) => {
                let found = at.map_or_else(
                    || "nothing".to_owned(),
                    |value| format!("{} `{}`", value.kind(), value.excerpt(64)),
                );
                let step = render(std::slice::from_ref(step));
                let message = format!("cannot place a value at `{step}` of {found}");
                return Err(Error::new(ErrorKind::Place, message));
            }
        };
    }
    Ok(around.into_iter().rfold(value, |value, holder| match holder {
        Holder::Object(object, name) => Value::Object(object.with(name, value)),
        Holder::Array(mut items, position) => {
            if let Some(item) = items.get_mut(position) {
                *item = value;
            }
            Value::from(items)
        }
    }))
}

/// What a value is placed into.
enum Holder {
    Object(Object, Str),
    Array(Vec<Value>, usize),
}

fn gather(value: &Value, steps: &[PathStep], matches: &mut Vec<Value>) {
    let Some((step, rest)) = steps.split_first() else {
        matches.push(value.clone());
        return;
    };
    match (step, value) {
        (PathStep::All, Value::Array(items)) => {
            items.iter().for_each(|item| gather(item, rest, matches));
        }
        (PathStep::All, Value::Object(members)) => {
            members.iter().for_each(|(_, member)| gather(member, rest, matches));
        }
        (PathStep::All, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {}
        (PathStep::Member(_) | PathStep::MemberOrElement(..) | PathStep::Element(_), _) => {
            if let Some(value) = child(value, step) {
                gather(value, rest, matches);
            }
        }
    }
}

/// A path as a person writes it: `.a.b[0][*]`.
pub(super) fn render(steps: &[PathStep]) -> String {
    steps
        .iter()
        .map(|step| match step {
            PathStep::Member(name) | PathStep::MemberOrElement(name, _) => format!(".{name}"),
            PathStep::Element(index) => format!("[{index}]"),
            PathStep::All => "[*]".to_owned(),
        })
        .collect()
}
