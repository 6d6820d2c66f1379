//! Elements that share an iteration.

use std::cell::Cell;

use crate::expr::Expr;
use crate::ir::{Batch, ErrorKind, Map, State};
use crate::value::{Object, Str, Value};

use super::super::Failure;
use super::super::environment::Environment;
use super::super::run::{Batches, Mapping};
use super::super::step::Stepper;
use super::super::visit::Payload;

/// `{"Items":[]}` in bytes.
const EMPTY_BYTES: usize = 12;

/// `,"BatchInput":` in bytes.
const INPUT_BYTES: usize = 14;

impl Batches {
    /// How many bytes the input of a batch has before the first element.
    fn bytes_before(&self) -> usize {
        EMPTY_BYTES + self.input.as_ref().map_or(0, |input| input.bytes().saturating_add(INPUT_BYTES))
    }

    /// The input of an iteration (asl.md §12).
    fn input_of(&self, items: Vec<Value>) -> Value {
        let batch_input = self.input.clone().map(|input| (Str::from("BatchInput"), input));
        let members = [(Str::from("Items"), Value::from(items))].into_iter().chain(batch_input);
        Value::Object(members.collect::<Object>())
    }

    /// How many elements a slot holds, where `begun` of all were begun.
    pub(super) fn size(&self, slot: usize, begun: usize) -> usize {
        let start = self.starts.get(slot).copied().unwrap_or(begun);
        let end = self.starts.get(slot.saturating_add(1)).copied().unwrap_or(begun);
        end.saturating_sub(start)
    }
}

impl Stepper<'_> {
    /// The bounds of batches, computed once.
    pub(super) fn batches(
        &self,
        batch: &Batch,
        environment: &Environment<'_>,
        state: &State,
    ) -> Result<Batches, Failure> {
        let bytes_max = self.bound("bytes per batch", batch.bytes_max.as_ref(), environment, state)?;
        let input_max = self.program.limits().input_bytes_max;
        Ok(Batches {
            starts: Vec::new(),
            items_max: self.bound("items per batch", batch.items_max.as_ref(), environment, state)?,
            bytes_max: bytes_max.map_or(input_max, |max| max.min(input_max)),
            input: batch.input.as_ref().map(|input| self.eval(input, environment)).transpose()?,
        })
    }

    fn bound(
        &self,
        what: &str,
        expr: Option<&Expr>,
        environment: &Environment<'_>,
        state: &State,
    ) -> Result<Option<usize>, Failure> {
        let Some(value) = self.given(expr, environment)? else { return Ok(None) };
        match value.as_i64().and_then(|bound| usize::try_from(bound).ok()) {
            Some(bound) if bound > 0 => Ok(Some(bound)),
            Some(_) | None => Err(self.no_whole_number(what, 1, state, &value)),
        }
    }

    /// Takes as many elements as fit.
    pub(super) fn next_batch(
        &self,
        map: &Map,
        mapping: &mut Mapping,
        total: usize,
        environment: Environment<'_>,
        state: &State,
    ) -> Result<Value, Failure> {
        let Some(batches) = &mapping.batches else { return Ok(Value::Null) };
        let (start, mut bytes, mut items) = (mapping.begun, batches.bytes_before(), Vec::new());
        let items_max = batches.items_max.unwrap_or(usize::MAX);
        let mut index = start;
        while index < total && items.len() < items_max {
            let environment = Environment { draws: Cell::new(0), ..environment };
            let item = self.prepared(map, mapping, index, environment)?;
            // The comma before all but the first.
            bytes = bytes.saturating_add(item.bytes()).saturating_add(usize::from(index > start));
            if bytes > batches.bytes_max {
                if index == start {
                    let cause = format!(
                        "item {index} of Map `{}` alone makes a batch of {bytes} bytes, at most {} are allowed",
                        state.name, batches.bytes_max
                    );
                    return Err(self.failure(ErrorKind::DataLimit, cause));
                }
                break;
            }
            items.push(item);
            index = index.saturating_add(1);
        }
        let input = batches.input_of(items);
        self.check(Payload::Input, state, &input)?;
        mapping.begun = index;
        if let Some(batches) = &mut mapping.batches {
            batches.starts.push(start);
        }
        Ok(input)
    }
}
