//! What a Map runs over: read, selected, counted, and prepared element by element.

use std::sync::Arc;

use crate::expr::{Expr, NOT_ITERABLE};
use crate::ir::{ErrorKind, Map, State};
use crate::value::{Str, Value};

use super::super::Failure;
use super::super::environment::{Environment, Place};
use super::super::run::{Active, Children, Elements, Frame, Item, Mapping};
use super::super::step::{Fault, Stepper, Work};
use super::super::visit::Payload;
use super::map_of;

/// What expressions are told of elements that come from the state's data (asl.md §2).
pub(in crate::engine) const STATE_DATA: &str = "STATE_DATA";

impl Elements {
    /// How many there are.
    pub(in crate::engine) fn len(&self) -> usize {
        match self {
            Self::Array(items) => items.len(),
            Self::Object(members) => members.len(),
        }
    }

    /// All of them as one value.
    pub(in crate::engine) fn value(&self) -> Value {
        match self {
            Self::Array(items) => Value::Array(items.clone()),
            Self::Object(members) => Value::Object(members.clone()),
        }
    }
}

impl Mapping {
    /// The element at a position.
    pub(super) fn item(&self, index: usize) -> Option<Item> {
        let (value, key) = match &self.elements {
            Elements::Array(items) => (items.get(index)?.clone(), None),
            Elements::Object(members) => {
                let (key, value) = members.at(index)?;
                (value.clone(), Some(key.clone()))
            }
        };
        Some(Item { value, index, key, source: self.source.clone() })
    }
}

impl Stepper<'_> {
    /// Begins the iterations of a Map over what was read, or over what is there.
    pub(in crate::engine) fn begin_mapping(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        read: Option<&Value>,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let Some(map) = map_of(state) else { return Err(Fault::ForeignProgram) };
        let environment = Environment { result: read, ..self.environment(frame, place, active, state) };
        match self.mapping(map, &environment, state, read.is_some()) {
            Ok(children) => self.begin_all(frame, place, active, children),
            Err(failure) => Ok(Work::Failed(failure)),
        }
    }

    fn mapping(
        &self,
        map: &Map,
        environment: &Environment<'_>,
        state: &State,
        is_read: bool,
    ) -> Result<Children, Failure> {
        let elements = match self.eval(&map.items, environment)? {
            Value::Array(items) => Elements::Array(items),
            // Recorded of files; only the state's own data may be an object (asl.md §12).
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)
                if is_read =>
            {
                return Err(self.failure(ErrorKind::Reader, NOT_ITERABLE));
            }
            Value::Object(members) if map.takes_objects => Elements::Object(members),
            items @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => {
                let (found, excerpt) = (items.kind(), items.excerpt(64));
                let wanted = if map.takes_objects { "an array or an object" } else { "an array" };
                let cause = format!("Map `{}` needs {wanted}, found {found} `{excerpt}`", state.name);
                return Err(self.failure(ErrorKind::Value, cause));
            }
        };
        self.check_elements(&elements, state)?;
        let total = self.items_max(map, environment, state)?.unwrap_or(usize::MAX).min(elements.len());
        let concurrency = self.concurrency(map, environment, state)?;
        let failed_max = self.failed_max(map.tolerance.as_ref(), total, environment, state)?;
        let batches = map.batch.as_ref().map(|batch| self.batches(batch, environment, state)).transpose()?;
        let source: Str = match &map.reader {
            Some(reader) => reader.resource.clone(),
            None => Arc::from(STATE_DATA),
        };
        let mapping = Mapping { elements, source, batches, begun: 0, failed: 0, failed_max };
        Ok(Children { mapping: Some(Box::new(mapping)), concurrency, ..Children::branches(total) })
    }

    /// How many elements are taken; nothing: all of them.
    fn items_max(
        &self,
        map: &Map,
        environment: &Environment<'_>,
        state: &State,
    ) -> Result<Option<usize>, Failure> {
        let Some(value) = self.given(map.items_max.as_ref(), environment)? else { return Ok(None) };
        match value.as_i64().map(usize::try_from) {
            Some(Ok(max)) => Ok(Some(max).filter(|max| *max > 0)),
            Some(Err(_)) => {
                let cause = format!(
                    "the largest number of items of Map `{}` must be at least 0, found {value}",
                    state.name
                );
                Err(self.failure(ErrorKind::Reader, cause))
            }
            None => Err(self.no_whole_number("largest number of items", 0, state, &value)),
        }
    }

    fn concurrency(&self, map: &Map, environment: &Environment<'_>, state: &State) -> Result<usize, Failure> {
        let limits = self.program.limits();
        let max = match map.is_isolated {
            true => limits.isolated_map_concurrency_max,
            false => limits.map_concurrency_max,
        } as usize;
        let Some(value) = self.given(map.concurrency.as_ref(), environment)? else { return Ok(max) };
        match value.as_i64().map(usize::try_from) {
            Some(Ok(0)) => Ok(max),
            Some(Ok(concurrency)) => Ok(concurrency.min(max)),
            Some(Err(_)) | None => Err(self.no_whole_number("concurrency", 0, state, &value)),
        }
    }

    /// The value of a field, nothing where there is none.
    pub(super) fn given(
        &self,
        expr: Option<&Expr>,
        environment: &Environment<'_>,
    ) -> Result<Option<Value>, Failure> {
        let value = expr.map(|expr| self.eval(expr, environment)).transpose()?;
        Ok(value.filter(|value| *value != Value::Null))
    }

    pub(super) fn no_whole_number(&self, what: &str, min: u32, state: &State, value: &Value) -> Failure {
        let cause = format!(
            "the {what} of Map `{}` must be a whole number from {min}, found {} `{}`",
            state.name,
            value.kind(),
            value.excerpt(64)
        );
        self.failure(ErrorKind::Value, cause)
    }

    /// What the next iteration runs on: the next element, or the next batch of them.
    pub(super) fn input_of_iteration(
        &self,
        map: &Map,
        mapping: &mut Mapping,
        total: usize,
        environment: Environment<'_>,
        state: &State,
    ) -> Result<Value, Failure> {
        if mapping.batches.is_some() {
            return self.next_batch(map, mapping, total, environment, state);
        }
        let input = self.prepared(map, mapping, mapping.begun, environment)?;
        self.check(Payload::Input, state, &input)?;
        mapping.begun = mapping.begun.saturating_add(1);
        Ok(input)
    }

    /// An element as its iteration sees it.
    pub(super) fn prepared(
        &self,
        map: &Map,
        mapping: &Mapping,
        index: usize,
        environment: Environment<'_>,
    ) -> Result<Value, Failure> {
        let Some(item) = mapping.item(index) else { return Ok(Value::Null) };
        match &map.item {
            Some(expr) => self.eval(expr, &Environment { item: Some(&item), ..environment }),
            None => Ok(item.value),
        }
    }
}
