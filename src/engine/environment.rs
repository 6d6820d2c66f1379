//! What the expressions of a state can see.

use std::cell::Cell;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::expr::{Root, Scope};
use crate::value::{Object, Str, Value};

use super::redrive::Redrives;
use super::run::{Active, Execution, Frame, Item};
use super::time::rfc3339;
use super::token::TokenKey;

/// Where a frame stands in the run: what it inherits from the states around it.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// Path of the frame with a `/` behind it; empty for the root.
    pub(super) prefix: String,
    /// The element of the innermost Map.
    pub(super) item: Option<Item>,
    /// The input of the innermost iteration that is a run of its own; absent: the execution's.
    pub(super) input: Option<Value>,
    /// Variables of the frames around this one, innermost first.
    pub(super) outer: Option<&'a Inherited<'a>>,
}

/// Variables of a frame as those within it see them.
#[derive(Debug)]
pub(super) struct Inherited<'a> {
    pub(super) variables: Object,
    pub(super) outer: Option<&'a Inherited<'a>>,
}

impl Place<'_> {
    pub(super) fn root() -> Self {
        Self { prefix: String::new(), item: None, input: None, outer: None }
    }

    fn variable(&self, frame: &Frame, name: &str) -> Option<Value> {
        if let Some(value) = frame.variables.get(name) {
            return Some(value.clone());
        }
        let mut outer = self.outer;
        while let Some(inherited) = outer {
            if let Some(value) = inherited.variables.get(name) {
                return Some(value.clone());
            }
            outer = inherited.outer;
        }
        None
    }
}

/// One state's view, for one evaluation.
pub(super) struct Environment<'a> {
    pub(super) execution: &'a Execution,
    pub(super) globals: &'a Object,
    pub(super) token_key: &'a TokenKey,
    pub(super) now: Timestamp,
    pub(super) redrives: Redrives,
    pub(super) frame: &'a Frame,
    pub(super) place: &'a Place<'a>,
    pub(super) active: &'a Active,
    pub(super) state_name: &'a Str,
    pub(super) input: &'a Value,
    pub(super) result: Option<&'a Value>,
    /// An element that is being prepared, in place of the one the frame runs on.
    pub(super) item: Option<&'a Item>,
    pub(super) draws: Cell<u32>,
}

impl Scope for Environment<'_> {
    fn get(&self, root: &Root) -> Option<Value> {
        let active = self.active;
        let item = self.item.or(self.place.item.as_ref());
        let failure = active.failure.as_ref();
        match root {
            Root::Input => Some(self.input.clone()),
            Root::RawInput => Some(active.raw.clone()),
            Root::Result => self.result.cloned(),
            Root::Item => item.map(|item| item.value.clone()),
            Root::ItemIndex => item.map(|item| Value::from(item.index)),
            Root::ItemKey => item.and_then(|item| item.key.clone()).map(Value::String),
            Root::ItemSource => item.map(|item| Value::String(item.source.clone())),
            Root::StateEventId => active.event_id.map(Value::from),
            Root::Variable(name) => self.place.variable(self.frame, name),
            Root::ErrorName => failure.map(|failure| text_or_null(failure.name.as_ref())),
            Root::ErrorCause => failure.map(|failure| text_or_null(failure.cause.as_ref())),
            Root::StateName => Some(Value::String(self.state_name.clone())),
            Root::StateEnteredTime => Some(Value::from(rfc3339(active.entered_at))),
            // Attempts go on over a redrive, retries begin anew.
            Root::RetryCount => Some(Value::from(active.retries.iter().sum::<u32>())),
            Root::TaskToken => Some(Value::from(self.token_key.token(&self.execution.id, &active.task_id()))),
            Root::ExecutionInput => Some(self.place.input.as_ref().unwrap_or(&self.execution.input).clone()),
            Root::Now
            | Root::ScopeInput
            | Root::ScopeData
            | Root::Globals
            | Root::ExecutionName
            | Root::ExecutionId
            | Root::StartTime
            | Root::RedriveCount
            | Root::RedriveTime
            | Root::FlowName
            | Root::ServiceAccount
            | Root::Attribute(_) => {
                let Self { execution, globals, now, redrives, frame, .. } = *self;
                BoundaryScope { execution, globals, now, redrives, frame: Some(frame) }.get(root)
            }
        }
    }

    fn draw(&self) -> [u8; 16] {
        let count = self.draws.get();
        self.draws.set(count.wrapping_add(1));
        let (execution, active) = (&self.execution.id, self.active);
        match self.item {
            // Elements are prepared one by one, in the name of the same state.
            Some(item) => draw(execution, &format!("{}/{}", active.path, item.index), active.attempt, count),
            None => draw(execution, &active.path, active.attempt, count),
        }
    }
}

/// What can be seen without being in a state: the execution, and a scope from outside.
pub(super) struct BoundaryScope<'a> {
    pub(super) execution: &'a Execution,
    pub(super) globals: &'a Object,
    pub(super) now: Timestamp,
    pub(super) redrives: Redrives,
    pub(super) frame: Option<&'a Frame>,
}

impl Scope for BoundaryScope<'_> {
    fn get(&self, root: &Root) -> Option<Value> {
        let execution = self.execution;
        match root {
            Root::ScopeInput => {
                Some(self.frame.map_or_else(|| execution.input.clone(), |frame| frame.input.clone()))
            }
            Root::ScopeData => self.frame.map(|frame| frame.data.clone()),
            Root::Globals => Some(Value::Object(self.globals.clone())),
            Root::ExecutionName => Some(Value::String(execution.name.clone())),
            Root::ExecutionInput => Some(execution.input.clone()),
            Root::ExecutionId => Some(Value::String(execution.id.clone())),
            Root::Now => Some(Value::from(rfc3339(self.now))),
            Root::StartTime => Some(Value::from(rfc3339(execution.started_at))),
            Root::RedriveCount => Some(Value::from(self.redrives.count)),
            Root::RedriveTime => self.redrives.last_at.map(|at| Value::from(rfc3339(at))),
            Root::FlowName => Some(Value::String(execution.flow.clone())),
            Root::ServiceAccount => execution.service_account.clone().map(Value::String),
            Root::Attribute(attribute) => execution.attributes.get(attribute).cloned(),
            Root::Input
            | Root::RawInput
            | Root::Result
            | Root::Item
            | Root::ItemIndex
            | Root::ItemKey
            | Root::ItemSource
            | Root::StateEventId
            | Root::Variable(_)
            | Root::ErrorName
            | Root::ErrorCause
            | Root::StateName
            | Root::StateEnteredTime
            | Root::RetryCount
            | Root::TaskToken => None,
        }
    }

    fn draw(&self) -> [u8; 16] {
        draw(&self.execution.id, "", 0, 0)
    }
}

fn text_or_null(text: Option<&Str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.clone()))
}

/// 16 bytes that depend on all arguments and on nothing else, in every version alike.
pub(super) fn draw(execution: &str, path: &str, attempt: u32, count: u32) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in [execution.as_bytes(), path.as_bytes()] {
        // Lengths first, so that no two lists of parts read the same.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(attempt.to_be_bytes());
    hash.update(count.to_be_bytes());
    let digest = hash.finalize();
    let mut out = [0; 16];
    out.iter_mut().zip(digest).for_each(|(out, byte)| *out = byte);
    out
}
