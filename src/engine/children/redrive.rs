//! Branches and iterations that are run again.

use crate::ir::State;
use crate::value::Value;

use super::super::environment::Place;
use super::super::run::{Active, Children, Frame, Slot};
use super::super::step::{Fault, Flow, Stepper};
use super::super::{Failure, time};
use super::{Inner, map_of};

/// Whether what a state gives is written by a task of its own.
pub(in crate::engine) fn is_written(state: &State) -> bool {
    map_of(state).is_some_and(|map| map.writer.is_some())
}

impl Stepper<'_> {
    /// Goes on within a state: in what has not succeeded, then in what has not begun.
    pub(in crate::engine) fn redrive_children(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        mut active: Active,
        mut children: Children,
    ) -> Result<Flow, Fault> {
        active.retries.fill(0);
        active.failure = None;
        children.take_up();
        let work = self.with_children(frame, place, &mut active, children, |stepper, children, inner| {
            let mut next = children.running.first().copied();
            while let Some(slot) = next {
                if let Some(failure) = stepper.redrive_child(children, inner, slot)? {
                    return Ok(stepper.fail_children(children, Some(slot), failure));
                }
                next = children.running.range(slot.saturating_add(1)..).next().copied();
            }
            stepper.begin_more(children, inner)
        })?;
        self.proceed(frame, place, active, work)
    }

    /// Goes on in a branch or iteration. Gives the failure that ends the state, where there is one.
    pub(super) fn redrive_child(
        &mut self,
        children: &mut Children,
        inner: &Inner<'_>,
        slot: usize,
    ) -> Result<Option<Failure>, Fault> {
        children.run_again(slot);
        let seconds_max = inner.isolating().and_then(|map| map.iteration_seconds_max);
        let deadline = seconds_max.map(|seconds| time::after(self.now, seconds));
        self.move_child(children, inner, slot, |stepper, child, place| {
            if let Some(own) = &mut child.own {
                own.deadline = deadline;
            }
            stepper.redrive_frame(child, place)
        })
    }
}

impl Children {
    /// Nothing of them has failed any more: what had waits for its turn.
    fn take_up(&mut self) {
        self.is_failed = false;
        let failed = |(slot, filled): (usize, &Slot)| matches!(filled, Slot::Failed(_)).then_some(slot);
        self.again = self.slots.iter().enumerate().filter_map(failed).collect();
        if let Some(mapping) = &mut self.mapping {
            mapping.failed = 0;
        }
    }

    /// What has failed runs again.
    fn run_again(&mut self, slot: usize) {
        self.again.remove(&slot);
        self.running.insert(slot);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = match std::mem::replace(place, Slot::Done(Value::Null)) {
                Slot::Failed(frame) | Slot::Running(frame) => Slot::Running(frame),
                Slot::Done(value) => Slot::Done(value),
            };
        }
    }

    /// Whatever has not succeeded, with the numbers of the slots.
    pub(in crate::engine) fn unfinished_mut(&mut self) -> impl Iterator<Item = (usize, &mut Frame)> {
        self.slots.iter_mut().enumerate().filter_map(|(number, slot)| match slot {
            Slot::Running(child) | Slot::Failed(child) => Some((number, &mut **child)),
            Slot::Done(_) => None,
        })
    }
}
