//! A frame on its way from state to state.

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;

use crate::expr::{self, Expr, parse_rfc3339};
use crate::ir::{ErrorKind, Handover, Kind, Next, Program, Rule, ScopeIdx, State, StateIdx, Until};
use crate::value::{DEPTH_MAX, Object, Str, Value};

use super::environment::{BoundaryScope, Environment, Inherited, Place};
use super::run::{Active, Children, Frame, Phase};
use super::step::{Fault, Flow, Stepper, Work};
use super::{Failure, HistoryKind, time};

/// Which part of a state's data a bound is about.
#[derive(Clone, Copy)]
pub(super) enum Payload {
    Input,
    Result,
    Output,
}

impl Frame {
    pub(super) fn new(program: &Program, scope: ScopeIdx, input: Value) -> Result<Self, Fault> {
        let handover = program.scope(scope).ok_or(Fault::ForeignProgram)?.handover();
        let data = match handover {
            Handover::Replace => input.clone(),
            Handover::Merge => Value::Object(Object::default()),
        };
        let visits = std::collections::BTreeMap::new();
        Ok(Self { scope, input, data, variables: Object::default(), visits, active: None, own: None })
    }

    /// What arrives at the next state.
    fn raw_input(&self, handover: Handover) -> Value {
        match (handover, &self.input, &self.data) {
            (Handover::Merge, Value::Object(input), Value::Object(data)) => Value::Object(input.merged(data)),
            (Handover::Merge | Handover::Replace, _, data) => data.clone(),
        }
    }

    /// Takes in what a state gave.
    pub(super) fn hand_over(&mut self, handover: Handover, output: Value) {
        self.data = match (handover, &self.data, output) {
            (Handover::Merge, Value::Object(data), Value::Object(output)) => {
                Value::Object(data.merged(&output))
            }
            (Handover::Merge, data, _) => data.clone(),
            (Handover::Replace, _, output) => output,
        };
    }
}

impl Stepper<'_> {
    /// Enters a state and goes on until the frame waits or has ended.
    pub(super) fn enter(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        mut at: StateIdx,
    ) -> Result<Flow, Fault> {
        loop {
            let (mut active, work) = self.visit(frame, place, at)?;
            match self.conclude(frame, place, &mut active, work)? {
                Some(Next::State(next)) => at = next,
                Some(Next::End) => return Ok(Flow::Done(frame.data.clone())),
                None => return Ok(self.rest(frame, active)),
            }
        }
    }

    /// Goes on from a state whose work has moved.
    pub(super) fn proceed(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        mut active: Active,
        work: Work,
    ) -> Result<Flow, Fault> {
        match self.conclude(frame, place, &mut active, work)? {
            Some(Next::State(next)) => self.enter(frame, place, next),
            Some(Next::End) => Ok(Flow::Done(frame.data.clone())),
            None => Ok(self.rest(frame, active)),
        }
    }

    /// Where a state leads once its work has moved; nothing where it stays.
    fn conclude(
        &mut self,
        frame: &mut Frame,
        place: &Place<'_>,
        active: &mut Active,
        work: Work,
    ) -> Result<Option<Next>, Fault> {
        let failure = match work {
            Work::Pending => return Ok(None),
            Work::Failed(failure) => failure,
            Work::Result(result) => match self.leave(frame, place, active, result)? {
                Ok(next) => return Ok(Some(next)),
                Err(failure) => failure,
            },
        };
        self.raise(frame, place, active, failure)
    }

    /// A state that stays where it is: it waits, or it is where the run failed.
    fn rest(&self, frame: &mut Frame, active: Active) -> Flow {
        let failed = match (&active.phase, &active.failure) {
            (Phase::Failed, Some(failure)) => Some(failure.clone()),
            (Phase::Children(children), Some(failure)) if children.is_failed => Some(failure.clone()),
            (_, _) => None,
        };
        frame.active = Some(active);
        failed.map_or(Flow::Pending, Flow::Failed)
    }

    /// Enters one state and does as much of its work as can be done now.
    fn visit(&mut self, frame: &mut Frame, place: &Place<'_>, at: StateIdx) -> Result<(Active, Work), Fault> {
        let scope = self.program.scope(frame.scope).ok_or(Fault::ForeignProgram)?;
        let state = scope.state(at).ok_or(Fault::ForeignProgram)?;
        let raw = frame.raw_input(scope.handover());
        let path = path_of(frame, place, at, &state.name);
        let mut active = Active::new(path, at, (self.now, self.next_event()), raw, state);
        if self.is_out_of_events() {
            return Ok((active, Work::Failed(self.out_of_events())));
        }
        self.progress.transitions = self.progress.transitions.saturating_add(1);
        let input = self.input_of(frame, place, &active, state);
        let (input, refused) = match input {
            Ok(input) => (input, None),
            Err(failure) => (active.raw.clone(), Some(failure)),
        };
        active.input = input;
        self.record(
            &active.path,
            HistoryKind::StateEntered { state: state.kind.name(), input: active.input.clone() },
        );
        let work = match refused {
            Some(failure) => Work::Failed(failure),
            None => self.work(frame, place, &mut active)?,
        };
        Ok((active, work))
    }

    pub(super) fn input_of(
        &self,
        frame: &Frame,
        place: &Place<'_>,
        active: &Active,
        state: &State,
    ) -> Result<Value, Failure> {
        let input = match &state.input {
            Some(expr) => {
                let environment = self.environment(frame, place, active, state);
                // Until it is made, the input is what arrived.
                self.eval(expr, &Environment { input: &active.raw, ..environment })?
            }
            None => active.raw.clone(),
        };
        self.check(Payload::Input, state, &input)?;
        Ok(input)
    }

    /// Makes the input of a further attempt: what it is made from, such as the token and the number of
    /// retries, is another.
    pub(super) fn make_input(
        &self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
    ) -> Result<Result<(), Failure>, Fault> {
        let state = self.state_of(frame, active)?;
        Ok(self.input_of(frame, place, active, state).map(|input| active.input = input))
    }

    /// Begins the work of a state anew after a back-off.
    pub(super) fn work_again(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
    ) -> Result<Work, Fault> {
        match self.make_input(frame, place, active)? {
            Ok(()) => self.work(frame, place, active),
            Err(failure) => Ok(Work::Failed(failure)),
        }
    }

    /// Does the work of a state, or as much of it as can be done now.
    pub(super) fn work(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let result = match &state.kind {
            Kind::Pass { result: Some(expr) } => {
                self.eval(expr, &self.environment(frame, place, active, state))
            }
            Kind::Pass { result: None } | Kind::Succeed => Ok(self.idle_result(frame, active)?),
            Kind::Task { .. } => return self.begin_attempt(frame, place, active, None),
            Kind::Wait(until) => match self.wait_until(frame, place, active, state, until) {
                Ok(until) if until <= self.now => Ok(self.idle_result(frame, active)?),
                Ok(until) => {
                    active.phase = Phase::Waiting { until };
                    return Ok(Work::Pending);
                }
                Err(failure) => Err(failure),
            },
            Kind::Choice { rules, otherwise } => {
                match self.choose(frame, place, active, state, rules, otherwise.is_some()) {
                    Ok(branch) => {
                        active.branch = Some(branch);
                        let body = branch_of(state, active).and_then(|branch| branch.body);
                        match body {
                            Some(_) => return self.begin_children(frame, place, active),
                            None => Ok(self.idle_result(frame, active)?),
                        }
                    }
                    Err(failure) => Err(failure),
                }
            }
            Kind::Parallel { .. } | Kind::Map(_) => return self.begin_children(frame, place, active),
            Kind::Fail { error, cause } => {
                let environment = self.environment(frame, place, active, state);
                let text = |expr: &Option<Expr>| match expr {
                    Some(expr) => self.eval(expr, &environment).map(|value| plain_text(&value)),
                    None => Ok(None),
                };
                text(error).and_then(|name| {
                    let failure = Failure::named(self.program, name, text(cause)?);
                    Err(failure)
                })
            }
        };
        Ok(match result {
            Ok(value) => Work::Result(value),
            Err(failure) => Work::Failed(failure),
        })
    }

    /// What a state gives that does no work: its input. Where outputs are merged its input is there
    /// anyway, and it gives nothing.
    pub(super) fn idle_result(&self, frame: &Frame, active: &Active) -> Result<Value, Fault> {
        let scope = self.program.scope(frame.scope).ok_or(Fault::ForeignProgram)?;
        Ok(match scope.handover() {
            Handover::Replace => active.input.clone(),
            Handover::Merge => Value::Object(Object::default()),
        })
    }

    /// The number of the rule that holds; the number of rules for the default.
    fn choose(
        &self,
        frame: &Frame,
        place: &Place<'_>,
        active: &Active,
        state: &State,
        rules: &[Rule],
        has_default: bool,
    ) -> Result<u32, Failure> {
        let environment = self.environment(frame, place, active, state);
        let mut number = 0;
        for rule in rules {
            let holds = rule.condition.holds(&environment);
            if holds.map_err(|error| self.refused(error, &active.path))? {
                return Ok(number);
            }
            number += 1;
        }
        if has_default {
            return Ok(number);
        }
        let cause = format!("no rule of Choice `{}` holds, and it has no default", state.name);
        Err(self.failure(ErrorKind::NoChoice, cause))
    }

    fn wait_until(
        &self,
        frame: &Frame,
        place: &Place<'_>,
        active: &Active,
        state: &State,
        until: &Until,
    ) -> Result<Timestamp, Failure> {
        let environment = self.environment(frame, place, active, state);
        let limits = self.program.limits();
        let latest = time::after(self.now, limits.wait_seconds_max);
        let refuse = |what: &str, value: &Value| {
            let cause =
                format!("Wait `{}` needs {what}, found {} `{}`", state.name, value.kind(), value.excerpt(64));
            self.failure(ErrorKind::Value, cause)
        };
        match until {
            Until::Seconds(expr) => {
                let value = self.eval(expr, &environment)?;
                let (min, max) = (limits.wait_seconds_min, limits.wait_seconds_max);
                let seconds = value.as_i64().and_then(|seconds| u64::try_from(seconds).ok());
                let seconds = seconds.filter(|seconds| (min..=max).contains(seconds));
                let seconds =
                    seconds.ok_or_else(|| refuse(&format!("whole seconds from {min} to {max}"), &value))?;
                Ok(time::after(active.entered_at, seconds))
            }
            Until::Timestamp(expr) => {
                let value = self.eval(expr, &environment)?;
                let until = value.as_str().and_then(parse_rfc3339).map(time::whole_millis);
                let until = until.ok_or_else(|| refuse("a time in RFC 3339", &value))?;
                if until > latest {
                    let max = limits.wait_seconds_max;
                    return Err(refuse(&format!("a time at most {max} seconds ahead"), &value));
                }
                Ok(until)
            }
        }
    }

    /// Everything an expression of a state can see.
    pub(super) fn environment<'a>(
        &'a self,
        frame: &'a Frame,
        place: &'a Place<'a>,
        active: &'a Active,
        state: &'a State,
    ) -> Environment<'a> {
        Environment {
            execution: &self.execution,
            globals: &self.globals,
            token_key: self.key,
            now: self.now,
            redrives: self.redrives,
            frame,
            place,
            active,
            state_name: &state.name,
            input: &active.input,
            result: None,
            item: None,
            draws: Cell::new(0),
        }
    }

    pub(super) fn eval(&self, expr: &Expr, environment: &Environment<'_>) -> Result<Value, Failure> {
        match expr.eval(environment) {
            Ok(value) => Ok(value.unwrap_or_default()),
            Err(error) => Err(self.refused(error, &environment.active.path)),
        }
    }

    /// The failure that an expression's error is, at the state with this path.
    pub(super) fn refused(&self, error: expr::Error, path: &Str) -> Failure {
        if expr::is_interrupted() {
            // The first one is what took so long.
            let _ = self.interrupted.set(path.clone());
        }
        self.failure(error.kind.into(), error.message)
    }

    /// The program's input expression on the execution's input.
    pub(super) fn boundary_input(&self, input: Value) -> Result<Value, Failure> {
        let Some(expr) = self.program.input() else { return Ok(input) };
        self.eval_boundary("input", expr, None)
    }

    /// The program's output expression on what the root scope gathered.
    pub(super) fn boundary_output(&self, frame: &Frame, data: Value) -> Result<Value, Failure> {
        let Some(expr) = self.program.output() else { return Ok(data) };
        self.eval_boundary("output", expr, Some(frame))
    }

    fn eval_boundary(&self, what: &str, expr: &Expr, frame: Option<&Frame>) -> Result<Value, Failure> {
        let (execution, globals, now, redrives) = (&*self.execution, &self.globals, self.now, self.redrives);
        let scope = BoundaryScope { execution, globals, now, redrives, frame };
        let value = expr.eval(&scope).map(Option::unwrap_or_default);
        let value = value.map_err(|error| self.refused(error, &Arc::from("")))?;
        let (bytes, max) = (value.bytes(), self.program.limits().variables_bytes_max);
        if bytes > max || value.depth() > DEPTH_MAX {
            let cause = format!(
                "the {what} that the definition makes has {bytes} bytes in {} levels, at most {max} in {DEPTH_MAX} are allowed",
                value.depth()
            );
            return Err(self.failure(ErrorKind::DataLimit, cause));
        }
        Ok(value)
    }

    /// Holds a payload against the language's bounds.
    pub(super) fn check(&self, payload: Payload, state: &State, value: &Value) -> Result<(), Failure> {
        let limits = self.program.limits();
        let (what, max, kind) = match payload {
            Payload::Input => ("input", limits.input_bytes_max, ErrorKind::DataLimit),
            Payload::Result => ("result", limits.output_bytes_max, ErrorKind::ResultLimit),
            Payload::Output => ("output", limits.output_bytes_max, ErrorKind::ResultLimit),
        };
        let name = &state.name;
        let cause = if value.bytes() > max {
            let cause = format!(
                "the {what} of state `{name}` has {} bytes, at most {max} are allowed",
                value.bytes()
            );
            return Err(Failure::of_state(self.program, kind, name, cause));
        } else if value.depth() > DEPTH_MAX {
            format!(
                "the {what} of state `{name}` is nested {} levels deep, at most {DEPTH_MAX} are allowed",
                value.depth()
            )
        } else {
            return Ok(());
        };
        Err(self.failure(ErrorKind::DataLimit, cause))
    }

    /// The frame's variables for those within it.
    pub(super) fn inherit<'a>(frame: &Frame, place: &Place<'a>) -> Inherited<'a> {
        Inherited { variables: frame.variables.clone(), outer: place.outer }
    }
}

impl Active {
    /// `entry` is when the state was entered, and the number of the event that tells of it.
    fn new(path: Str, at: StateIdx, entry: (Timestamp, u64), raw: Value, state: &State) -> Self {
        let (entered_at, event_id) = entry;
        Self {
            state: at,
            path,
            entered_at,
            event_id: Some(event_id),
            input: raw.clone(),
            raw,
            retries: vec![0; state.retry.len()],
            attempt: 1,
            branch: None,
            failure: None,
            retry_after_seconds: None,
            phase: Phase::Entering,
        }
    }
}

impl Children {
    /// Marks that one of them failed: the others were canceled.
    pub(super) fn failed(mut self) -> Self {
        self.is_failed = true;
        self
    }
}

/// The branch that a Choice took.
pub(super) fn branch_of<'s>(state: &'s State, active: &Active) -> Option<&'s crate::ir::Branch> {
    match (&state.kind, active.branch) {
        (Kind::Choice { rules, otherwise }, Some(number)) => {
            rules.get(number as usize).map(|rule| &rule.branch).or(otherwise.as_ref())
        }
        (_, _) => None,
    }
}

/// The path of a state that is about to be entered. Counts the visit.
fn path_of(frame: &mut Frame, place: &Place<'_>, at: StateIdx, name: &Str) -> Str {
    let visits = frame.visits.entry(at.number()).or_insert(0);
    *visits = visits.saturating_add(1);
    path_text(&place.prefix, name, *visits)
}

pub(super) fn path_text(prefix: &str, name: &str, visit: u32) -> Str {
    let mut path = String::with_capacity(prefix.len() + name.len() + 4);
    path.push_str(prefix);
    for character in name.chars() {
        match character {
            '%' => path.push_str("%25"),
            '/' => path.push_str("%2F"),
            '#' => path.push_str("%23"),
            '@' => path.push_str("%40"),
            other => path.push(other),
        }
    }
    if visit > 1 {
        path.push('#');
        path.push_str(&visit.to_string());
    }
    path.into()
}

/// A value as the text of an error's name or cause: strings as they are, others as JSON, `null` as
/// none.
fn plain_text(value: &Value) -> Option<Str> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_json().into())
        }
    }
}
