//! Scopes that run within a state: branches of a Parallel, iterations of a Map, the body of a
//! Choice.

mod batch;
mod map;
mod redrive;
mod tolerance;

use std::collections::BTreeSet;

use crate::ir::{ErrorKind, Kind, Map, ScopeIdx, State};
use crate::value::Value;

use super::environment::{Inherited, Place};
use super::outlook::cancel_all;
use super::run::{Active, Children, Frame, Item, Own, Phase, Slot};
use super::step::{Fault, Flow, Stepper, Work};
use super::visit::{Payload, branch_of};
use super::{Failure, Report, TaskId, time};

pub(super) use map::STATE_DATA;
pub(super) use redrive::is_written;

/// The state that scopes run within, as they see it.
struct Inner<'a> {
    frame: &'a Frame,
    place: &'a Place<'a>,
    active: &'a Active,
    state: &'a State,
    inherited: Inherited<'a>,
    prefix: String,
}

impl<'a> Inner<'a> {
    fn new(frame: &'a Frame, place: &'a Place<'a>, active: &'a Active, state: &'a State) -> Self {
        let inherited = Stepper::inherit(frame, place);
        Self { frame, place, active, state, inherited, prefix: active.prefix() }
    }

    /// The Map whose iterations are runs of their own, where the state is one.
    fn isolating(&self) -> Option<&'a Map> {
        map_of(self.state).filter(|map| map.is_isolated)
    }

    /// Where the frame in a slot stands. One that is a run of its own sees nothing around it.
    fn place_of(&self, slot: usize, item: Option<Item>, input: &Value) -> Place<'_> {
        let mut prefix = String::with_capacity(self.prefix.len() + 8);
        prefix.push_str(&self.prefix);
        prefix.push_str(&slot.to_string());
        prefix.push('/');
        match self.isolating() {
            Some(_) => Place { prefix, item, input: Some(input.clone()), outer: None },
            None => Place {
                prefix,
                item: item.or_else(|| self.place.item.clone()),
                input: self.place.input.clone(),
                outer: Some(&self.inherited),
            },
        }
    }

    fn body_of(&self, slot: usize) -> Option<ScopeIdx> {
        match &self.state.kind {
            Kind::Parallel { branches, .. } => branches.get(slot).copied(),
            Kind::Map(map) => Some(map.body),
            Kind::Choice { .. } => branch_of(self.state, self.active).and_then(|branch| branch.body),
            Kind::Pass { .. } | Kind::Task { .. } | Kind::Wait(_) | Kind::Succeed | Kind::Fail { .. } => None,
        }
    }
}

/// What a state is as a Map, nothing where it is none.
fn map_of(state: &State) -> Option<&Map> {
    match &state.kind {
        Kind::Map(map) => Some(map),
        Kind::Pass { .. }
        | Kind::Task { .. }
        | Kind::Wait(_)
        | Kind::Choice { .. }
        | Kind::Parallel { .. }
        | Kind::Succeed
        | Kind::Fail { .. } => None,
    }
}

impl Children {
    /// Branches, none of which has begun.
    fn branches(total: usize) -> Self {
        Self {
            mapping: None,
            slots: Vec::new(),
            total,
            running: BTreeSet::new(),
            again: BTreeSet::new(),
            concurrency: total,
            is_failed: false,
        }
    }

    /// Whether there is something left to begin.
    fn has_more(&self) -> bool {
        self.mapping.as_ref().map_or(self.slots.len(), |mapping| mapping.begun) < self.total
    }

    /// The element that a slot runs on, where it is a single one.
    fn item(&self, slot: usize) -> Option<Item> {
        let mapping = self.mapping.as_ref()?;
        match mapping.batches {
            Some(_) => None,
            None => mapping.item(slot),
        }
    }

    /// Puts what became of a scope into its slot.
    fn fill(&mut self, slot: usize, filled: Slot) {
        self.running.remove(&slot);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = filled;
        }
    }

    /// What those gave that succeeded, in their order.
    fn results(&self) -> Vec<Value> {
        let result = |slot: &Slot| match slot {
            Slot::Done(value) => Some(value.clone()),
            Slot::Running(_) | Slot::Failed(_) => None,
        };
        self.slots.iter().filter_map(result).collect()
    }
}

impl Stepper<'_> {
    /// Begins what runs within a state.
    pub(super) fn begin_children(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        match &state.kind {
            Kind::Map(map) => match &map.reader {
                Some(reader) => Ok(self.begin_reading(frame, place, active, state, reader)),
                None => self.begin_mapping(frame, place, active, None),
            },
            Kind::Parallel { branches, .. } => {
                self.begin_all(frame, place, active, Children::branches(branches.len()))
            }
            Kind::Pass { .. }
            | Kind::Task { .. }
            | Kind::Wait(_)
            | Kind::Choice { .. }
            | Kind::Succeed
            | Kind::Fail { .. } => self.begin_all(frame, place, active, Children::branches(1)),
        }
    }

    fn begin_all(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        children: Children,
    ) -> Result<Work, Fault> {
        self.with_children(frame, place, active, children, Self::begin_more)
    }

    /// Runs `act` on the children of a state and puts them back while they go on.
    fn with_children(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        mut children: Children,
        act: impl FnOnce(&mut Self, &mut Children, &Inner<'_>) -> Result<Work, Fault>,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let work = act(self, &mut children, &Inner::new(frame, place, active, state))?;
        let writer = map_of(state).and_then(|map| map.writer.as_ref());
        match (work, writer) {
            (Work::Result(results), Some(writer)) => {
                Ok(self.begin_writing(frame, place, active, children, writer, &results))
            }
            (work @ Work::Result(_), None) => Ok(work),
            (work @ (Work::Pending | Work::Failed(_)), _) => {
                // After a failure they stay for as long as nothing catches it: the run may be redriven.
                active.phase = Phase::Children(children);
                Ok(work)
            }
        }
    }

    /// Begins as many as may run; ends the state's work where all have ended.
    fn begin_more(&mut self, children: &mut Children, inner: &Inner<'_>) -> Result<Work, Fault> {
        while children.running.len() < children.concurrency
            && let Some(slot) = children.again.first().copied()
        {
            if let Some(failure) = self.redrive_child(children, inner, slot)? {
                return Ok(self.fail_children(children, Some(slot), failure));
            }
        }
        while children.running.len() < children.concurrency && children.has_more() {
            let slot = children.slots.len();
            let input = match self.next_input(children, inner) {
                Ok(input) => input,
                Err(failure) => return Ok(self.fail_children(children, None, failure)),
            };
            if let Some(failure) = self.begin_child(children, inner, slot, input)? {
                return Ok(self.fail_children(children, Some(slot), failure));
            }
        }
        if !children.running.is_empty() || children.has_more() || !children.again.is_empty() {
            return Ok(Work::Pending);
        }
        let mut results = children.results();
        // The body of a Choice is no list of one: what it gave is the result.
        Ok(Work::Result(match &inner.state.kind {
            Kind::Choice { .. } => results.pop().unwrap_or_default(),
            Kind::Parallel { .. }
            | Kind::Map(_)
            | Kind::Pass { .. }
            | Kind::Task { .. }
            | Kind::Wait(_)
            | Kind::Succeed
            | Kind::Fail { .. } => Value::from(results),
        }))
    }

    /// Begins the scope of the next slot. Gives the failure that ends the state, where there is one.
    fn begin_child(
        &mut self,
        children: &mut Children,
        inner: &Inner<'_>,
        slot: usize,
        input: Value,
    ) -> Result<Option<Failure>, Fault> {
        let body = inner.body_of(slot).ok_or(Fault::ForeignProgram)?;
        let start = self.program.scope(body).ok_or(Fault::ForeignProgram)?.start();
        let mut child = Frame::new(self.program, body, input)?;
        child.own = inner.isolating().map(|map| {
            let deadline = map.iteration_seconds_max.map(|seconds| time::after(self.now, seconds));
            Box::new(Own { deadline, ..Own::default() })
        });
        let place = inner.place_of(slot, children.item(slot), &child.input);
        let is_telling = children.is_telling();
        let flow =
            self.within(&mut child, is_telling, |stepper, child| stepper.enter(child, &place, start))?;
        if let Flow::Done(value) = flow {
            // Most often: what never waited needs no room for its frame.
            children.slots.push(Slot::Done(value));
            return Ok(None);
        }
        children.slots.push(Slot::Running(Box::new(child)));
        children.running.insert(slot);
        Ok(self.settle_child(children, inner, slot, flow))
    }

    /// What the next slot runs on.
    fn next_input(&self, children: &mut Children, inner: &Inner<'_>) -> Result<Value, Failure> {
        let environment = self.environment(inner.frame, inner.place, inner.active, inner.state);
        let input = match (&inner.state.kind, &mut children.mapping) {
            (Kind::Map(map), Some(mapping)) => {
                return self.input_of_iteration(map, mapping, children.total, environment, inner.state);
            }
            (Kind::Parallel { arguments: Some(expr), .. }, _) => self.eval(expr, &environment)?,
            (_, _) => inner.active.input.clone(),
        };
        self.check(Payload::Input, inner.state, &input)?;
        Ok(input)
    }

    /// One of them failed: the others are given up.
    fn fail_children(&mut self, children: &Children, failed: Option<usize>, failure: Failure) -> Work {
        for slot in &children.running {
            if let (Some(Slot::Running(child)), true) = (children.slots.get(*slot), Some(*slot) != failed) {
                cancel_all(child, &mut self.commands);
            }
        }
        Work::Failed(failure)
    }

    /// Lets something move in one of them. Gives the failure that ends the state, where there is one.
    fn move_child(
        &mut self,
        children: &mut Children,
        inner: &Inner<'_>,
        slot: usize,
        act: impl FnOnce(&mut Self, &mut Frame, &Place<'_>) -> Result<Flow, Fault>,
    ) -> Result<Option<Failure>, Fault> {
        let (item, is_telling) = (children.item(slot), children.is_telling());
        let Some(Slot::Running(child)) = children.slots.get_mut(slot) else { return Ok(None) };
        let input = child.input.clone();
        let place = inner.place_of(slot, item, &input);
        let flow = self.within(child, is_telling, |stepper, child| act(stepper, child, &place))?;
        Ok(self.settle_child(children, inner, slot, flow))
    }

    /// Notes how far the scope in a slot came; gives the failure that ends the state.
    fn settle_child(
        &self,
        children: &mut Children,
        inner: &Inner<'_>,
        slot: usize,
        flow: Flow,
    ) -> Option<Failure> {
        match flow {
            Flow::Pending => None,
            Flow::Done(value) => {
                children.fill(slot, Slot::Done(value));
                None
            }
            Flow::Failed(_) if inner.isolating().is_some_and(|map| map.tolerance.is_some()) => {
                self.tolerate(children, slot)
            }
            Flow::Failed(failure) => Some(failure),
        }
    }

    /// Time has passed for all of them.
    pub(super) fn tick_children(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        children: Children,
    ) -> Result<Work, Fault> {
        self.with_children(frame, place, active, children, |stepper, children, inner| {
            let mut next = children.running.first().copied();
            while let Some(slot) = next {
                let failure = match stepper.give_up_late(children, slot) {
                    Some(flow) => stepper.settle_child(children, inner, slot, flow),
                    None => stepper.move_child(children, inner, slot, Self::tick)?,
                };
                if let Some(failure) = failure {
                    return Ok(stepper.fail_children(children, Some(slot), failure));
                }
                next = children.running.range(slot.saturating_add(1)..).next().copied();
            }
            stepper.begin_more(children, inner)
        })
    }

    /// Gives up an iteration whose time is over.
    fn give_up_late(&mut self, children: &Children, slot: usize) -> Option<Flow> {
        let Some(Slot::Running(child)) = children.slots.get(slot) else { return None };
        let deadline = child.own.as_ref()?.deadline.filter(|deadline| *deadline <= self.now)?;
        cancel_all(child, &mut self.commands);
        (self.is_changed, self.is_progress) = (true, true);
        let cause = format!("iteration {slot} was not over at {}", time::rfc3339(deadline));
        Some(Flow::Failed(self.failure(ErrorKind::TaskTimeout, cause)))
    }

    /// News for something in one of them.
    pub(super) fn deliver_child(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        children: Children,
        (id, report): (&TaskId, Report),
    ) -> Result<Work, Fault> {
        let within = id.path().strip_prefix(&active.prefix());
        let slot = within.and_then(|rest| rest.split('/').next()?.parse().ok());
        self.with_children(frame, place, active, children, |stepper, children, inner| {
            let Some(slot) = slot.filter(|slot| children.running.contains(slot)) else {
                return Ok(Work::Pending);
            };
            let failure = stepper.move_child(children, inner, slot, |stepper, child, place| {
                stepper.deliver(child, place, id, report)
            })?;
            match failure {
                Some(failure) => Ok(stepper.fail_children(children, Some(slot), failure)),
                None => stepper.begin_more(children, inner),
            }
        })
    }
}
