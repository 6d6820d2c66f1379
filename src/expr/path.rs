//! Paths into values.

use crate::value::{Str, Value};

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
        PathStep::Element(index) => {
            let items = value.as_array()?;
            let index = match usize::try_from(*index) {
                Ok(index) => index,
                Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
            };
            items.get(index)
        }
        PathStep::All => None,
    }
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
