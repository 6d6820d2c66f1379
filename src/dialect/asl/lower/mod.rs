//! Documents to programs.

mod choice;
mod flow;
mod graph;
mod map;
mod number;
mod retry;
mod task;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::jsonata::Expected;
use crate::expr::{Expr, NeedKind};
use crate::ir::{
    Boundary, Builder, Handover, Kind, Next, Program, SCOPE_NESTING_MAX, ScopeBuilder, ScopeIdx, State,
    StateIdx, Until,
};
use crate::value::Value;

use super::super::reachability;
use super::super::reader::{Field, Problems, Text};
use super::super::transition::missing_target;
use super::context::Context;
use super::limits::{ANY_ERROR, ERRORS, LIMITS, STATES_MAX};
use super::syntax::{self, Body, Computed, Language, Machine, check_catch_all};
use super::template::{Moment, NOTHING, View, dynamic, literal, payload, reference_path, value};

/// The program of a definition; nothing where a problem stands in its way.
pub(super) fn lower(machine: &Machine<'_>, problems: &Problems) -> Option<Program> {
    let count = count_states(&machine.body);
    if count > STATES_MAX {
        let message = format!("{count} states, at most {STATES_MAX} are allowed");
        problems.push(Diagnostic::new(Code::LimitExceeded, "States", machine.body.span, message));
        return None;
    }
    let mut lowering = Lowering {
        builder: Builder::new(ERRORS, LIMITS),
        problems,
        names: BTreeSet::new(),
        assigned: Vec::new(),
        is_express: false,
    };
    let root = lowering.scope(&machine.body, 0)?;
    let boundary = Boundary { timeout_seconds: machine.timeout_seconds, ..Boundary::default() };
    lowering.builder.build(None, root, boundary).ok()
}

fn count_states(body: &Body<'_>) -> usize {
    let within = |state: &syntax::State<'_>| match &state.kind {
        syntax::Kind::Parallel { branches } => branches.iter().flatten().map(count_states).sum(),
        syntax::Kind::Map(map) => map.processor.as_ref().map_or(0, |processor| count_states(&processor.body)),
        syntax::Kind::Pass { .. }
        | syntax::Kind::Succeed
        | syntax::Kind::Fail { .. }
        | syntax::Kind::Wait(_)
        | syntax::Kind::Choice { .. }
        | syntax::Kind::Task(_)
        | syntax::Kind::Unknown => 0,
    };
    body.states.iter().map(|state| 1 + within(state)).sum()
}

/// The states of one scope by name.
type Names<'b> = BTreeMap<&'b str, StateIdx>;

/// Makes programs of definitions. Whatever is wrong is noted and something harmless takes its
/// place: a program with a note of an error is thrown away, so nobody ever runs it.
struct Lowering<'p, 'b> {
    builder: Builder,
    problems: &'p Problems,
    /// Names of all states so far: they are unique over the whole machine.
    names: BTreeSet<&'b str>,
    /// Variables that are assigned in each of the scopes around, innermost last.
    assigned: Vec<BTreeSet<&'b str>>,
    /// Within a distributed Map whose runs are Express.
    is_express: bool,
}

impl<'b> Lowering<'_, 'b> {
    fn scope(&mut self, body: &'b Body<'_>, depth: usize) -> Option<ScopeIdx> {
        if depth > SCOPE_NESTING_MAX {
            let message = format!("states nested more than {SCOPE_NESTING_MAX} levels deep");
            self.problems.push(Diagnostic::new(Code::LimitExceeded, body.path.clone(), body.span, message));
            return None;
        }
        let mut scope = ScopeBuilder::new(Handover::Replace);
        let mut names = Names::new();
        let mut declared = Vec::with_capacity(body.states.len());
        let mut is_ambiguous = false;
        for state in &body.states {
            let idx = scope.declare(state.name.value.clone());
            declared.push(idx);
            if names.insert(&state.name.value, idx).is_some() {
                // The same key twice, which was noted.
                is_ambiguous = true;
            } else if !self.names.insert(&state.name.value) {
                let message = format!("another state of this machine is called `{}` too", state.name.value);
                self.problems.push(state.name.problem(Code::DuplicateState, message));
            }
        }
        let start = self.target(&names, body.start_at.as_ref());
        self.assigned.push(variables::assigned(body));
        for (state, idx) in body.states.iter().zip(declared) {
            if let Some(lowered) = self.state(state, &names, depth) {
                scope.define(idx, lowered);
            }
        }
        self.assigned.pop();
        let start = start?;
        // Where one name is two states, which of them is led to is anybody's guess; where a state or a
        // way out of one is broken, what it was to lead to.
        if let (false, true, Some(graph)) = (is_ambiguous, body.is_whole, graph::graph(body, &names, start)) {
            reachability::check(&graph, self.problems);
        }
        self.builder.scope(scope, start).ok()
    }

    /// The state that a name leads to. A name that is missing was noted where it was read.
    fn target(&self, names: &Names<'_>, name: Option<&Text>) -> Option<StateIdx> {
        let name = name?;
        if let Some(idx) = names.get(&*name.value) {
            return Some(*idx);
        }
        let known = names.keys().copied();
        self.problems.push(missing_target(name, "this `States` object", known, self.problems));
        None
    }

    fn next(&self, names: &Names<'_>, name: Option<&Text>) -> Next {
        self.target(names, name).map_or(Next::End, Next::State)
    }

    /// Nothing where a scope within the state could not be made.
    fn state(&mut self, state: &'b syntax::State<'_>, names: &Names<'_>, depth: usize) -> Option<State> {
        let view = view(state);
        check_catch_all(state.retry.iter().map(|rule| &rule.errors), ANY_ERROR, self.problems);
        check_catch_all(state.catch.iter().map(|rule| &rule.errors), ANY_ERROR, self.problems);
        let output = self.output(state, view);
        let after = variables::moment(state);
        let variables = state.assign.as_ref().and_then(|field| self.variables(field, view.at(after)));
        let next = self.next(names, state.next.as_ref());
        let catch = state.catch.iter().filter_map(|rule| self.catcher(rule, names, view)).collect();
        let (kind, output, variables) = if let syntax::Kind::Choice { rules, default } = &state.kind {
            let kind = self.choice(rules, default.as_ref(), names, view, output, variables);
            (kind, None, None)
        } else {
            (self.kind(state, view, depth)?, output, variables)
        };
        Some(State {
            input: self.input(state, view),
            result: self.result(state, view),
            output,
            variables,
            retry: state.retry.iter().map(retry::retrier).collect(),
            catch,
            next,
            ..State::new(state.name.value.clone(), kind)
        })
    }

    /// What a state does that is no Choice.
    fn kind(&mut self, state: &'b syntax::State<'_>, view: View, depth: usize) -> Option<Kind> {
        let entry = view.at(Moment::Entry);
        Some(match &state.kind {
            syntax::Kind::Choice { .. } | syntax::Kind::Unknown => Kind::Pass { result: None },
            syntax::Kind::Pass { result } => Kind::Pass {
                // What Result says is taken as it is, and wins; Parameters are made all the same (§4).
                result: match (result, self.arguments(state, view)) {
                    (Some(result), Some(parameters)) => Some(Expr::Place {
                        into: Box::new(parameters),
                        at: Vec::new(),
                        value: Box::new(literal(result, self.problems)),
                    }),
                    (Some(result), None) => Some(literal(result, self.problems)),
                    (None, parameters) => parameters,
                },
            },
            syntax::Kind::Succeed => Kind::Succeed,
            syntax::Kind::Fail { error, cause } => Kind::Fail {
                error: error.as_ref().map(|field| self.text(field, "Error", entry)),
                cause: cause.as_ref().map(|field| self.text(field, "Cause", entry)),
            },
            syntax::Kind::Wait(wait) => Kind::Wait(match wait {
                Some(wait) => self.until(wait, entry),
                None => Until::Seconds(NOTHING),
            }),
            syntax::Kind::Task(task) => self.task(state, task, view),
            syntax::Kind::Parallel { branches } => {
                let arguments = self.arguments(state, view);
                let scope = |branch: &'b Option<Body<'_>>| self.scope(branch.as_ref()?, depth + 1);
                let scopes: Vec<_> = branches.iter().map(scope).collect();
                Kind::Parallel { arguments, branches: scopes.into_iter().collect::<Option<Vec<_>>>()? }
            }
            syntax::Kind::Map(map) => Kind::Map(Box::new(self.map(map, view, depth)?)),
        })
    }

    /// `Parameters` or `Arguments`.
    fn arguments(&self, state: &syntax::State<'_>, view: View) -> Option<Expr> {
        let field = state.flow.arguments.as_ref()?;
        let label = match state.language {
            Language::JsonPath => "Parameters",
            Language::Jsonata => "Arguments",
        };
        Some(payload(field, label, view.at(Moment::Entry), self.problems))
    }

    /// `Error` or `Cause`: text, or what gives it.
    fn text(&self, field: &Computed<'_>, label: &str, view: View) -> Expr {
        match field {
            Computed::Path(field) => {
                let Some(text) = field.text(self.problems) else { return NOTHING };
                let label = format!("{label}Path");
                // A call is allowed here, and only here among the fields that are paths (§9).
                let found = if text.value.starts_with('$') {
                    reference_path(&text, &label, view, self.problems)
                } else {
                    dynamic(&text, &label, view, self.problems)
                };
                found.needed(label, NeedKind::Text)
            }
            Computed::Value(field) => self.string(field, label, view),
        }
    }

    /// A string, or in `JSONata` an expression that gives one.
    fn string(&self, field: &Field<'_>, label: &str, view: View) -> Expr {
        match (field.node.as_str(), view.language) {
            (Some(text), Language::JsonPath) => Expr::Literal(Value::String(text.clone())),
            (Some(_), Language::Jsonata) => value(field, label, Expected::String, view, self.problems),
            (None, _) => {
                self.problems.push(field.wrong_type("a string"));
                NOTHING
            }
        }
    }
}

/// What the expressions of a state can see.
fn view(state: &syntax::State<'_>) -> View {
    let context = match &state.kind {
        syntax::Kind::Task(task) if task::waits_for_token(task) => Context::CALLBACK,
        syntax::Kind::Task(_) | syntax::Kind::Parallel { .. } | syntax::Kind::Map(_) => Context::RETRIED,
        syntax::Kind::Pass { .. }
        | syntax::Kind::Wait(_)
        | syntax::Kind::Choice { .. }
        | syntax::Kind::Succeed
        | syntax::Kind::Fail { .. }
        | syntax::Kind::Unknown => Context::PLAIN,
    };
    View { language: state.language, context, moment: Moment::Entry }
}
