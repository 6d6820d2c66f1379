//! Following a path through a value.

use std::cell::Cell;

use super::filter::Filter;
use super::function::Call;
use super::{Error, ErrorKind, PathStep, VISITS_MAX};
use crate::expr::path::element;
use crate::value::{Str, Value};

/// Bytes of text, or of an encoded value, that cost as much as one visit.
const BYTES_PER_VISIT: usize = 16;

/// Where a path leads, from wherever it begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Route {
    pub(super) steps: Vec<Step>,
    /// What is made of all that the steps find.
    pub(super) function: Option<Box<Call>>,
    /// Whether a name holds `@` or `:`, neither quoted nor escaped.
    pub(super) has_signs: bool,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A member of an object.
    Member(Str),
    /// Some members of an object.
    Members(Vec<Str>),
    /// An element of an array, from the end where negative.
    Element(i64),
    /// Some elements of an array.
    Elements(Vec<i64>),
    /// A range of an array.
    Slice(Slice),
    /// All elements or members.
    All,
    /// The value itself and everything below it that has elements or members.
    Descend,
    /// The elements of an array, or the object, for which a test holds.
    Filter(Filter),
    /// The same of the value itself and everything below it.
    DeepFilter(Filter),
}

/// A range of positions; negative ones count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    pub(super) stride: i64,
}

/// One evaluation: where `$` is, and what it may still cost.
pub(super) struct Search<'v> {
    text: &'v str,
    pub(super) root: &'v Value,
    visits: Cell<usize>,
}

impl<'v> Search<'v> {
    pub(super) fn new(text: &'v str, root: &'v Value) -> Self {
        Self { text, root, visits: Cell::new(VISITS_MAX) }
    }

    /// Accounts for values that are looked at.
    pub(super) fn spend(&self, visits: usize) -> Result<(), Error> {
        match self.visits.get().checked_sub(visits) {
            Some(left) => {
                self.visits.set(left);
                Ok(())
            }
            None => Err(self.too_large(&format!("looks at more than {VISITS_MAX} values"))),
        }
    }

    /// Accounts for text that is looked at.
    pub(super) fn spend_bytes(&self, bytes: usize) -> Result<(), Error> {
        self.spend(1 + bytes / BYTES_PER_VISIT)
    }

    /// The array of values that were found; text in it is measured.
    pub(super) fn array<'a>(&self, items: impl IntoIterator<Item = &'a Value>) -> Result<Value, Error> {
        let item = |item: &Value| {
            self.spend_bytes(item.as_str().map_or(0, str::len))?;
            Ok(item.clone())
        };
        items.into_iter().map(item).collect::<Result<Vec<_>, Error>>().map(Value::from)
    }

    pub(super) fn too_large(&self, why: &str) -> Error {
        Error::new(ErrorKind::TooLarge, format!("the JSONPath '{}' {why}: select less", self.text))
    }
}

impl Route {
    /// Whether it gives one value at most.
    pub(super) fn is_definite(&self) -> bool {
        self.function.is_some() || self.leads_to_one()
    }

    fn leads_to_one(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Member(_) | Step::Element(_)))
    }

    /// The names and positions it leads through, where it has nothing else.
    pub(super) fn reference(&self) -> Option<Vec<PathStep>> {
        let step = |step: &Step| match step {
            Step::Member(name) => Some(PathStep::Member(name.clone())),
            Step::Element(position) => Some(PathStep::Element(*position)),
            Step::Members(_)
            | Step::Elements(_)
            | Step::Slice(_)
            | Step::All
            | Step::Descend
            | Step::Filter(_)
            | Step::DeepFilter(_) => None,
        };
        if self.function.is_some() {
            return None;
        }
        self.steps.iter().map(step).collect()
    }

    /// What it gives: the value, or the array of all matches.
    pub(super) fn value<'v>(&self, from: &'v Value, search: &Search<'v>) -> Result<Option<Value>, Error> {
        let found = if self.leads_to_one() {
            self.one(from, search)?.cloned()
        } else {
            Some(search.array(self.matches(from, search)?)?)
        };
        match &self.function {
            Some(function) => function.value(found, search),
            None => Ok(found),
        }
    }

    /// Whether it finds anything.
    pub(super) fn exists<'v>(&self, from: &'v Value, search: &Search<'v>) -> Result<bool, Error> {
        if self.is_definite() {
            return Ok(self.value(from, search)?.is_some());
        }
        Ok(!self.matches(from, search)?.is_empty())
    }

    fn one<'v>(&self, from: &'v Value, search: &Search<'v>) -> Result<Option<&'v Value>, Error> {
        search.spend(1 + self.steps.len())?;
        let mut at = Some(from);
        for step in &self.steps {
            at = match step {
                Step::Member(name) => at.and_then(|value| value.get(name)),
                Step::Element(position) => at.and_then(|value| element(value.as_array()?, *position)),
                Step::Members(_)
                | Step::Elements(_)
                | Step::Slice(_)
                | Step::All
                | Step::Descend
                | Step::Filter(_)
                | Step::DeepFilter(_) => None,
            };
        }
        Ok(at)
    }

    /// Step by step from all that the last one found, not depth first: the order of the matches is the
    /// same, and a long path needs no deep stack.
    fn matches<'v>(&self, from: &'v Value, search: &Search<'v>) -> Result<Vec<&'v Value>, Error> {
        let mut found = vec![from];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                search.spend(1)?;
                let before = next.len();
                step.follow(value, search, &mut next)?;
                search.spend(next.len() - before)?;
            }
            found = next;
        }
        Ok(found)
    }
}

impl Step {
    fn follow<'v>(
        &self,
        value: &'v Value,
        search: &Search<'v>,
        out: &mut Vec<&'v Value>,
    ) -> Result<(), Error> {
        match self {
            Self::Member(name) => out.extend(value.get(name)),
            Self::Members(names) => out.extend(names.iter().filter_map(|name| value.get(name))),
            Self::Element(position) => {
                out.extend(value.as_array().and_then(|items| element(items, *position)));
            }
            Self::Elements(positions) => {
                let items = value.as_array().map_or(&[][..], |items| items);
                out.extend(positions.iter().filter_map(|position| element(items, *position)));
            }
            Self::Slice(slice) => slice.follow(value.as_array().map_or(&[][..], |items| items), out),
            Self::All => children(value, out),
            Self::Descend => descend(value, search, |value| {
                if matches!(value, Value::Array(_) | Value::Object(_)) {
                    out.push(value);
                }
                Ok(())
            })?,
            Self::Filter(filter) => match value {
                Value::Array(items) => {
                    for item in items.iter() {
                        keep(filter, item, search, out)?;
                    }
                }
                Value::Object(_) => keep(filter, value, search, out)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            },
            Self::DeepFilter(filter) => descend(value, search, |value| match value {
                // Objects are tested when it is their turn, in an array too.
                Value::Array(items) => items
                    .iter()
                    .filter(|item| !matches!(item, Value::Object(_)))
                    .try_for_each(|item| keep(filter, item, search, out)),
                Value::Object(_) => keep(filter, value, search, out),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
            })?,
        }
        Ok(())
    }
}

impl Slice {
    fn follow<'v>(self, items: &'v [Value], out: &mut Vec<&'v Value>) {
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let place = |position: i64| if position < 0 { position.saturating_add(length) } else { position };
        let stride = usize::try_from(self.stride.unsigned_abs()).unwrap_or(usize::MAX);
        if self.stride > 0 {
            let from = place(self.from.unwrap_or(0)).clamp(0, length);
            let to = place(self.to.unwrap_or(length)).clamp(0, length);
            out.extend(range(items, from, to).iter().step_by(stride));
        } else if self.stride < 0 {
            // From the higher position down to above the lower one.
            let from = self.from.map_or(length - 1, place).clamp(-1, length - 1);
            let to = self.to.map_or(-1, place).clamp(-1, length - 1);
            out.extend(range(items, to + 1, from + 1).iter().rev().step_by(stride));
        }
    }
}

fn range(items: &[Value], from: i64, to: i64) -> &[Value] {
    let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to)) else { return &[] };
    items.get(from..to).unwrap_or_default()
}

fn children<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => out.extend(items.iter()),
        Value::Object(members) => out.extend(members.iter().map(|(_, member)| member)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Visits a value and everything below it, each before what it holds.
fn descend<'v>(
    value: &'v Value,
    search: &Search<'v>,
    mut visit: impl FnMut(&'v Value) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        search.spend(1)?;
        visit(value)?;
        let first = waiting.len();
        children(value, &mut waiting);
        if let Some(children) = waiting.get_mut(first..) {
            children.reverse();
        }
    }
    Ok(())
}

fn keep<'v>(
    filter: &Filter,
    value: &'v Value,
    search: &Search<'v>,
    out: &mut Vec<&'v Value>,
) -> Result<(), Error> {
    if filter.holds(value, search)? {
        out.push(value);
    }
    Ok(())
}
