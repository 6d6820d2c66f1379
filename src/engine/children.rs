//! Scopes that run within a state: branches of a Parallel, iterations of a Map, the body of a
//! Choice.

use crate::expr::Expr;
use crate::ir::{ErrorKind, Kind, ScopeIdx, State};
use crate::value::{Array, Value};

use super::environment::{Environment, Inherited, Place};
use super::run::{Active, Children, Frame, Phase, Slot, cancel_all};
use super::step::{Fault, Flow, Stepper, Work};
use super::visit::{Payload, branch_of};
use super::{Failure, Report, TaskId};

/// The state that scopes run within, as they see it.
pub(super) struct Inner<'a> {
    pub(super) frame: &'a Frame,
    pub(super) place: &'a Place<'a>,
    pub(super) active: &'a Active,
    pub(super) state: &'a State,
    pub(super) inherited: &'a Inherited<'a>,
}

impl Inner<'_> {
    /// Where the frame in a slot stands.
    fn place_of(&self, slot: usize, items: Option<&Array>) -> Place<'_> {
        let item = items.and_then(|items| items.get(slot)).map(|item| (item.clone(), slot));
        Place {
            prefix: format!("{}{slot}/", self.active.prefix()),
            item: item.or_else(|| self.place.item.clone()),
            outer: Some(self.inherited),
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

impl Stepper<'_> {
    /// Begins what runs within a state.
    pub(super) fn begin_children(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let mut children = match self.children_of(frame, place, active, state) {
            Ok(children) => children,
            Err(failure) => return Ok(Work::Failed(failure)),
        };
        let inherited = Self::inherit(frame, place);
        let inner = Inner { frame, place, active, state, inherited: &inherited };
        let work = self.begin_more(&mut children, &inner)?;
        if !matches!(work, Work::Result(_)) {
            active.phase = Phase::Children(children);
        }
        Ok(work)
    }

    fn children_of(
        &self,
        frame: &Frame,
        place: &Place<'_>,
        active: &Active,
        state: &State,
    ) -> Result<Children, Failure> {
        let children = |items: Option<Array>, total: usize, concurrency: usize| Children {
            items,
            slots: Vec::new(),
            total,
            running: 0,
            concurrency,
            is_failed: false,
        };
        let environment = self.environment(frame, place, active, state);
        Ok(match &state.kind {
            Kind::Parallel { branches, .. } => children(None, branches.len(), branches.len()),
            Kind::Map(map) => {
                let items = self.eval(&map.items, &environment)?;
                let Some(items) = items.as_array().cloned() else {
                    let (found, excerpt) = (items.kind(), items.excerpt(64));
                    let cause = format!("Map `{}` needs an array, found {found} `{excerpt}`", state.name);
                    return Err(self.failure(ErrorKind::Value, cause));
                };
                let concurrency = self.concurrency(map.concurrency.as_ref(), &environment, state)?;
                let total = items.len();
                children(Some(items), total, concurrency)
            }
            Kind::Pass { .. }
            | Kind::Task { .. }
            | Kind::Wait(_)
            | Kind::Choice { .. }
            | Kind::Succeed
            | Kind::Fail { .. } => children(None, 1, 1),
        })
    }

    fn concurrency(
        &self,
        expr: Option<&Expr>,
        environment: &Environment<'_>,
        state: &State,
    ) -> Result<usize, Failure> {
        let max = self.program.limits().map_concurrency_max as usize;
        let value = expr.map(|expr| self.eval(expr, environment)).transpose()?.unwrap_or_default();
        if value == Value::Null {
            return Ok(max);
        }
        match value.as_i64().map(usize::try_from) {
            Some(Ok(0)) => Ok(max),
            Some(Ok(concurrency)) => Ok(concurrency.min(max)),
            Some(Err(_)) | None => {
                let cause = format!(
                    "the concurrency of Map `{}` must be a whole number from 0, found {} `{}`",
                    state.name,
                    value.kind(),
                    value.excerpt(64)
                );
                Err(self.failure(ErrorKind::Value, cause))
            }
        }
    }

    /// Begins as many as may run; ends the state's work where all have ended.
    fn begin_more(&mut self, children: &mut Children, inner: &Inner<'_>) -> Result<Work, Fault> {
        while children.running < children.concurrency && children.slots.len() < children.total {
            let slot = children.slots.len();
            let input = match self.input_of_child(children, inner, slot) {
                Ok(input) => input,
                Err(failure) => return Ok(self.fail_children(children, None, failure)),
            };
            let body = inner.body_of(slot).ok_or(Fault::ForeignProgram)?;
            let start = self.program.scope(body).ok_or(Fault::ForeignProgram)?.start();
            let mut child = Frame::new(self.program, body, input)?;
            let place = inner.place_of(slot, children.items.as_ref());
            let flow = self.enter(&mut child, &place, start)?;
            children.slots.push(Slot::Running(Box::new(child)));
            children.running += 1;
            if let Some(failure) = settle(children, slot, flow) {
                return Ok(self.fail_children(children, Some(slot), failure));
            }
        }
        if children.running > 0 || children.slots.len() < children.total {
            return Ok(Work::Pending);
        }
        let done = children.slots.drain(..).filter_map(|slot| match slot {
            Slot::Done(value) => Some(value),
            Slot::Running(_) => None,
        });
        let mut results: Vec<Value> = done.collect();
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

    fn input_of_child(&self, children: &Children, inner: &Inner<'_>, slot: usize) -> Result<Value, Failure> {
        let environment = self.environment(inner.frame, inner.place, inner.active, inner.state);
        let element = children.items.as_ref().and_then(|items| items.get(slot));
        let input = match (&inner.state.kind, element) {
            (Kind::Map(map), Some(element)) => match &map.item {
                Some(expr) => self.eval(expr, &Environment { item: Some((element, slot)), ..environment })?,
                None => element.clone(),
            },
            (_, Some(element)) => element.clone(),
            (Kind::Parallel { arguments: Some(expr), .. }, None) => self.eval(expr, &environment)?,
            (_, None) => inner.active.input.clone(),
        };
        self.check(Payload::Input, inner.state, &input)?;
        Ok(input)
    }

    /// One of them failed: the others are given up.
    fn fail_children(&mut self, children: &mut Children, failed: Option<usize>, failure: Failure) -> Work {
        for (number, slot) in children.slots.iter().enumerate() {
            match slot {
                Slot::Running(child) if Some(number) != failed => {
                    cancel_all(self.program, child, &mut self.commands);
                }
                Slot::Running(_) | Slot::Done(_) => {}
            }
        }
        Work::Failed(failure)
    }

    /// Time has passed for all of them.
    pub(super) fn tick_children(
        &mut self,
        children: &mut Children,
        inner: &Inner<'_>,
    ) -> Result<Work, Fault> {
        for slot in 0..children.slots.len() {
            let place = inner.place_of(slot, children.items.as_ref());
            let Some(Slot::Running(child)) = children.slots.get_mut(slot) else { continue };
            let flow = self.tick(child, &place)?;
            if let Some(failure) = settle(children, slot, flow) {
                return Ok(self.fail_children(children, Some(slot), failure));
            }
        }
        self.begin_more(children, inner)
    }

    /// News for something in one of them.
    pub(super) fn deliver_child(
        &mut self,
        children: &mut Children,
        inner: &Inner<'_>,
        slot: usize,
        id: &TaskId,
        report: Report,
    ) -> Result<Work, Fault> {
        let place = inner.place_of(slot, children.items.as_ref());
        let Some(Slot::Running(child)) = children.slots.get_mut(slot) else { return Ok(Work::Pending) };
        let flow = self.deliver(child, &place, id, report)?;
        match settle(children, slot, flow) {
            Some(failure) => Ok(self.fail_children(children, Some(slot), failure)),
            None => self.begin_more(children, inner),
        }
    }
}

/// Notes how far the scope in a slot came; gives its failure.
fn settle(children: &mut Children, slot: usize, flow: Flow) -> Option<Failure> {
    let value = match flow {
        Flow::Pending => return None,
        Flow::Failed(failure) => return Some(failure),
        Flow::Done(value) => value,
    };
    if let Some(place) = children.slots.get_mut(slot) {
        *place = Slot::Done(value);
        children.running = children.running.saturating_sub(1);
    }
    None
}
