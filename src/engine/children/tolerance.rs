//! Iterations that fail without failing their Map.

use crate::ir::{ErrorKind, State, Tolerance};
use crate::value::{Number, Value};

use super::super::Failure;
use super::super::environment::Environment;
use super::super::run::{Children, Mapping, Slot};
use super::super::step::Stepper;

/// Why a Map fails whose iterations failed too often (asl.md §12, recorded).
const EXCEEDED: &str = "The specified tolerated failure threshold was exceeded";

/// Failed elements of a Map of whose failures the history tells. What a person reads; a million of
/// them would push everything else out.
const TOLD_MAX: usize = 100;

impl Mapping {
    /// How many elements a slot stands for.
    pub(in crate::engine) fn size(&self, slot: usize) -> usize {
        self.batches.as_ref().map_or(1, |batches| batches.size(slot, self.begun))
    }
}

impl Children {
    /// Whether the history tells of a failure in an iteration that is a run of its own.
    pub(super) fn is_telling(&self) -> bool {
        self.mapping.as_ref().is_none_or(|mapping| mapping.failed < TOLD_MAX)
    }
}

impl Stepper<'_> {
    /// How many of so many elements may fail. Beyond either bound the Map fails.
    pub(super) fn failed_max(
        &self,
        tolerance: Option<&Tolerance>,
        total: usize,
        environment: &Environment<'_>,
        state: &State,
    ) -> Result<usize, Failure> {
        let Some(Tolerance { count, percentage }) = tolerance else { return Ok(0) };
        let count = match self.given(count.as_ref(), environment)? {
            Some(value) => Some(self.tolerated_count(&value, state)?),
            None => None,
        };
        let share = match self.given(percentage.as_ref(), environment)? {
            Some(value) => Some(share_of(total, self.tolerated_percentage(&value, state)?)),
            None => None,
        };
        Ok(count.into_iter().chain(share).min().unwrap_or_default())
    }

    fn tolerated_count(&self, value: &Value, state: &State) -> Result<usize, Failure> {
        match value.as_i64().map(usize::try_from) {
            Some(Ok(count)) => Ok(count),
            Some(Err(_)) => {
                let cause =
                    format!("ToleratedFailureCount cannot be negative: Map `{}` has {value}", state.name);
                Err(self.failure(ErrorKind::Value, cause))
            }
            None => Err(self.no_whole_number("tolerated failure count", 0, state, value)),
        }
    }

    fn tolerated_percentage(&self, value: &Value, state: &State) -> Result<f64, Failure> {
        let percentage = value.as_number().map(Number::as_f64);
        percentage.filter(|percentage| (0.0..=100.0).contains(percentage)).ok_or_else(|| {
            let cause = format!(
                "ToleratedFailurePercentage must be between 0 and 100: Map `{}` has {} `{}`",
                state.name,
                value.kind(),
                value.excerpt(64)
            );
            self.failure(ErrorKind::Value, cause)
        })
    }

    /// Takes note of an iteration that failed; gives the failure of the Map where it was one too many.
    pub(super) fn tolerate(&self, children: &mut Children, slot: usize) -> Option<Failure> {
        children.running.remove(&slot);
        if let Some(place) = children.slots.get_mut(slot) {
            *place = match std::mem::replace(place, Slot::Done(Value::Null)) {
                Slot::Running(frame) | Slot::Failed(frame) => Slot::Failed(frame),
                Slot::Done(value) => Slot::Done(value),
            };
        }
        let mapping = children.mapping.as_mut()?;
        mapping.failed = mapping.failed.saturating_add(mapping.size(slot));
        (mapping.failed > mapping.failed_max).then(|| self.failure(ErrorKind::Tolerance, EXCEEDED))
    }
}

/// So many of a hundred, in whole elements: 1.1 percent of 1000 are 11.
fn share_of(total: usize, percentage: f64) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a Map of 2^52 elements is none")]
    let share = total as f64 * percentage / 100.0;
    // What is a whole number but for the last digit of a double is one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the percentage is between 0 and 100"
    )]
    let share = (share + 1e-9).floor() as usize;
    share.min(total)
}

#[cfg(test)]
mod tests {
    use super::share_of;

    #[test]
    fn a_share_is_in_whole_elements() {
        let table =
            [(1_000, 1.1, 11), (10, 0.0, 0), (10, 100.0, 10), (3, 50.0, 1), (7, 14.3, 1), (0, 50.0, 0)];
        for (total, percentage, expected) in table {
            assert_eq!(share_of(total, percentage), expected, "{percentage} % of {total}");
        }
    }
}
