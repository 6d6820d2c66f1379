//! The only way to make a [`Program`].

use crate::expr::Expr;
use crate::value::Str;

use super::{
    Branch, Errors, Handover, Kind, Limits, Next, Program, Scope, ScopeIdx, State, StateIdx, Variables,
    unbounded,
};

/// Scopes a program may nest: the engine walks them by recursion.
pub const SCOPE_NESTING_MAX: usize = 32;

/// Why a program cannot be built. A language checks its definitions first and with places, so that
/// its users never see this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A state was declared and not defined.
    #[error("state `{0}` was declared but not defined")]
    Undefined(Str),
    /// A target is not a state of the scope.
    #[error("state `{0}` leads to a state that its scope does not have")]
    DanglingTarget(Str),
    /// A scope without states.
    #[error("a scope has no states")]
    EmptyScope,
    /// Two states of a scope share a name.
    #[error("two states of one scope are called `{0}`")]
    DuplicateName(Str),
    /// A scope is used by more than one state, by none, or contains itself.
    #[error("a scope must be the body of exactly one state")]
    NotATree,
    /// Scopes nested beyond [`SCOPE_NESTING_MAX`].
    #[error("scopes nested more than {SCOPE_NESTING_MAX} levels deep")]
    TooDeep,
    /// A back-off below 1 or without a value.
    #[error("state `{0}` has a back-off rate that is no number above 0")]
    BackoffRate(Str),
}

/// Collects scopes, innermost first.
#[derive(Debug)]
pub struct Builder {
    scopes: Vec<Scope>,
    errors: Errors,
    limits: Limits,
}

/// Collects the states of one scope.
#[derive(Debug)]
pub struct ScopeBuilder {
    names: Vec<Str>,
    states: Vec<Option<State>>,
    handover: Handover,
}

impl ScopeBuilder {
    /// An empty scope.
    #[must_use]
    pub fn new(handover: Handover) -> Self {
        Self { names: Vec::new(), states: Vec::new(), handover }
    }

    /// Names a state before it is defined, so that others can lead to it.
    pub fn declare(&mut self, name: impl Into<Str>) -> StateIdx {
        let idx = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.states.push(None);
        StateIdx(idx)
    }

    /// Names several.
    pub fn declare_all<const N: usize>(&mut self, names: [&str; N]) -> [StateIdx; N] {
        names.map(|name| self.declare(name))
    }

    /// Says what a declared state does. Its name is the declared one.
    pub fn define(&mut self, idx: StateIdx, state: State) {
        if let (Some(slot), Some(name)) =
            (self.states.get_mut(idx.0 as usize), self.names.get(idx.0 as usize))
        {
            *slot = Some(State { name: name.clone(), ..state });
        }
    }
}

impl Builder {
    /// An empty program with a language's tables.
    #[must_use]
    pub fn new(errors: Errors, limits: Limits) -> Self {
        Self { scopes: Vec::new(), errors, limits }
    }

    /// Adds a scope that begins at `start`.
    ///
    /// # Errors
    /// Where a state is not defined, has a name twice or leads out of the scope.
    pub fn scope(&mut self, scope: ScopeBuilder, start: StateIdx) -> Result<ScopeIdx, BuildError> {
        let ScopeBuilder { names, states, handover } = scope;
        let states = states
            .into_iter()
            .zip(&names)
            .map(|(state, name)| state.ok_or_else(|| BuildError::Undefined(name.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        if states.is_empty() || start.0 as usize >= states.len() {
            return Err(BuildError::EmptyScope);
        }
        let mut sorted: Vec<_> = names.iter().collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(BuildError::DuplicateName(
                pair.first().map_or_else(|| "".into(), |name| (*name).clone()),
            ));
        }
        for state in &states {
            check(state, states.len())?;
        }
        let idx = ScopeIdx(u32::try_from(self.scopes.len()).unwrap_or(u32::MAX));
        self.scopes.push(Scope { states, start, handover });
        Ok(idx)
    }

    /// Completes the program.
    ///
    /// # Errors
    /// Where the scopes do not form a tree below `root`, or a too deep one.
    pub fn build(self, name: Option<Str>, root: ScopeIdx, boundary: Boundary) -> Result<Program, BuildError> {
        let mut uses = vec![0_usize; self.scopes.len()];
        self.count_uses(root, 0, &mut uses)?;
        if uses.iter().any(|count| *count != 1) {
            return Err(BuildError::NotATree);
        }
        let is_unbounded = unbounded::boundary(&boundary)
            || self.scopes.iter().flat_map(|scope| &scope.states).any(unbounded::state);
        let Boundary { input, output, timeout_seconds, takes_only_objects } = boundary;
        Ok(Program {
            name,
            scopes: self.scopes,
            root,
            input,
            output,
            timeout_seconds,
            takes_only_objects,
            is_unbounded,
            errors: self.errors,
            limits: self.limits,
        })
    }

    fn count_uses(&self, idx: ScopeIdx, depth: usize, uses: &mut [usize]) -> Result<(), BuildError> {
        if depth > SCOPE_NESTING_MAX {
            return Err(BuildError::TooDeep);
        }
        let (Some(scope), Some(count)) = (self.scopes.get(idx.0 as usize), uses.get_mut(idx.0 as usize))
        else {
            return Err(BuildError::NotATree);
        };
        *count += 1;
        if *count > 1 {
            return Err(BuildError::NotATree);
        }
        for state in &scope.states {
            for body in bodies(&state.kind) {
                self.count_uses(body, depth + 1, uses)?;
            }
        }
        Ok(())
    }
}

/// What stands between the run and its root scope.
#[derive(Clone, Debug, Default)]
pub struct Boundary {
    /// See [`Program::input`].
    pub input: Option<Expr>,
    /// See [`Program::output`].
    pub output: Option<Expr>,
    /// See [`Program::timeout_seconds`].
    pub timeout_seconds: Option<u64>,
    /// Whether an execution can only be started with a JSON object.
    pub takes_only_objects: bool,
}

/// The scopes within a state.
fn bodies(kind: &Kind) -> Vec<ScopeIdx> {
    match kind {
        Kind::Parallel { branches, .. } => branches.clone(),
        Kind::Map(map) => vec![map.body],
        Kind::Choice { rules, otherwise } => {
            let branches = rules.iter().map(|rule| &rule.branch).chain(otherwise);
            branches.filter_map(|branch| branch.body).collect()
        }
        Kind::Pass { .. } | Kind::Task { .. } | Kind::Wait(_) | Kind::Succeed | Kind::Fail { .. } => {
            Vec::new()
        }
    }
}

fn check(state: &State, states: usize) -> Result<(), BuildError> {
    let exists = |target: StateIdx| (target.0 as usize) < states;
    let leads_inside = |next: Next| match next {
        Next::State(target) => exists(target),
        Next::End => true,
    };
    let branches: Vec<&Branch> = match &state.kind {
        Kind::Choice { rules, otherwise } => rules.iter().map(|rule| &rule.branch).chain(otherwise).collect(),
        Kind::Pass { .. }
        | Kind::Task { .. }
        | Kind::Wait(_)
        | Kind::Parallel { .. }
        | Kind::Map(_)
        | Kind::Succeed
        | Kind::Fail { .. } => Vec::new(),
    };
    let is_inside = leads_inside(state.next)
        && branches.iter().all(|branch| leads_inside(branch.next))
        && state.catch.iter().all(|catcher| exists(catcher.next));
    if !is_inside {
        return Err(BuildError::DanglingTarget(state.name.clone()));
    }
    if !state.retry.iter().all(|retrier| retrier.backoff_rate.is_finite() && retrier.backoff_rate > 0.0) {
        return Err(BuildError::BackoffRate(state.name.clone()));
    }
    Ok(())
}

impl From<Expr> for Variables {
    /// Variables of the scope instance.
    fn from(values: Expr) -> Self {
        Self { scope: super::VariableScope::Instance, values }
    }
}
