//! The intermediate representation: a definition after it was read, understood and checked.
//!
//! A [`Program`] is shaped by what the engine does, not by any language: scopes of states, the
//! expressions that carry data from one to the next, and two tables in which a language says what
//! its errors are called ([`Errors`]) and where its limits lie ([`Limits`]). How the data flows
//! through a state:
//!
//! ```text
//! raw input ─▶ input ─▶ work (arguments) ─▶ result ─▶ output ─▶ the scope's data ─▶ next state
//!                                              └────▶ variables
//! ```
//!
//! Each arrow is an optional expression; what it can see is [`crate::expr::Root`]. A `Program` that
//! exists is valid: the [`Builder`] is the only way to make one.

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::wildcard_enum_match_arm
    )
)]

mod builder;
mod errors;
mod input;
mod limits;
mod state;
mod unbounded;

#[cfg(test)]
mod tests;

pub use builder::{Boundary, BuildError, Builder, SCOPE_NESTING_MAX, ScopeBuilder};
pub use errors::{ErrorKind, ErrorName, Errors, Pattern};
pub use input::InputError;
pub use limits::Limits;
pub use state::{
    Access, Batch, Branch, Catcher, Completion, Jitter, Kind, Map, Next, Retrier, Rule, State, Tolerance,
    Until, VariableScope, Variables,
};

use crate::expr::Expr;
use crate::value::{DEPTH_MAX, Str, Value};

/// Position of a scope in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeIdx(u32);

/// Position of a state in its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateIdx(u32);

impl StateIdx {
    /// The position as a number, for the stored form.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// A valid definition, ready to run.
#[derive(Clone, Debug)]
pub struct Program {
    name: Option<Str>,
    scopes: Vec<Scope>,
    root: ScopeIdx,
    input: Option<Expr>,
    output: Option<Expr>,
    timeout_seconds: Option<u64>,
    takes_only_objects: bool,
    is_unbounded: bool,
    errors: Errors,
    limits: Limits,
}

/// A list of states of which one is current at a time.
#[derive(Clone, Debug)]
pub struct Scope {
    states: Vec<State>,
    start: StateIdx,
    handover: Handover,
}

/// How the output of a state reaches the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// It replaces the scope's data and is the raw input of the next state.
    Replace,
    /// It is merged into the scope's data; the raw input of a state is the scope's input merged
    /// with the data, where the data wins. What a state without work gives is nothing and not its
    /// input, and an output that is neither an object nor `null` is an error.
    Merge,
}

impl Program {
    /// The name the definition gives itself.
    #[must_use]
    pub fn name(&self) -> Option<&Str> {
        self.name.as_ref()
    }

    /// The outermost scope.
    #[must_use]
    pub fn root(&self) -> ScopeIdx {
        self.root
    }

    /// A scope of this program. An index of another program gives nothing, or the wrong scope.
    #[must_use]
    pub fn scope(&self, idx: ScopeIdx) -> Option<&Scope> {
        self.scopes.get(idx.0 as usize)
    }

    /// Makes the root scope's input from the execution's input; absent: as it is.
    #[must_use]
    pub fn input(&self) -> Option<&Expr> {
        self.input.as_ref()
    }

    /// Makes the execution's output from the root scope's data; absent: as it is.
    #[must_use]
    pub fn output(&self) -> Option<&Expr> {
        self.output.as_ref()
    }

    /// The definition's own time-out for the whole run, in seconds.
    #[must_use]
    pub fn timeout_seconds(&self) -> Option<u64> {
        self.timeout_seconds
    }

    /// Whether an execution can be started with an input. It is asked once, before the run begins:
    /// an execution that is refused never ran, so nothing of this is an error of the state machine.
    ///
    /// # Errors
    /// Where the input is not of the kind that the language takes, too large or too deep. The message
    /// says what was found and what is allowed.
    pub fn check_input(&self, input: &Value) -> Result<(), InputError> {
        let (bytes, bytes_max) = (input.bytes(), self.limits.input_bytes_max);
        let depth = input.depth();
        if self.takes_only_objects && input.as_object().is_none() {
            return Err(InputError::NoObject { kind: input.kind() });
        }
        if bytes > bytes_max {
            return Err(InputError::TooLarge { bytes, bytes_max });
        }
        if depth > DEPTH_MAX {
            return Err(InputError::TooDeep { depth });
        }
        Ok(())
    }

    /// Whether an expression can take for ever to evaluate. Only somebody with a clock can bound it:
    /// [`crate::expr::Interrupt`].
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        self.is_unbounded
    }

    /// What the engine's errors are called.
    #[must_use]
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    /// Bounds of the language.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// All states with their scopes.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.scopes.iter().flat_map(|scope| scope.states.iter())
    }
}

impl Scope {
    /// The state at a position of this scope.
    #[must_use]
    pub fn state(&self, idx: StateIdx) -> Option<&State> {
        self.states.get(idx.0 as usize)
    }

    /// The position with this number, where the scope has one.
    #[must_use]
    pub fn position(&self, number: u32) -> Option<StateIdx> {
        ((number as usize) < self.states.len()).then_some(StateIdx(number))
    }

    /// The position of the state with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<StateIdx> {
        let position = self.states.iter().position(|state| &*state.name == name)?;
        u32::try_from(position).ok().map(StateIdx)
    }

    /// Where the scope begins.
    #[must_use]
    pub fn start(&self) -> StateIdx {
        self.start
    }

    /// How outputs reach the next state.
    #[must_use]
    pub fn handover(&self) -> Handover {
        self.handover
    }
}
