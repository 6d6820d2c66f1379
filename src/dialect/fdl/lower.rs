//! Documents to programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::fdl::Variables as Known;
use crate::expr::{Dataset, Delimiter, Expr, Header, Missing, NeedKind, PathStep, Root};
use crate::ir::{
    Access, Batch, Boundary, Branch, Builder, Catcher, Completion, Handover, Jitter, Kind, Map, Next,
    Program, Retrier, Rule, SCOPE_NESTING_MAX, ScopeBuilder, ScopeIdx, State, StateIdx, Tolerance, Until,
    VariableScope, Variables,
};
use crate::value::{Number, Value};

use super::super::reachability::{self, Codes, Graph, Node};
use super::super::reader::{Field, Problems, Text, member_path};
use super::super::transition::missing_target;
use super::error_names::{self, patterns};
use super::limits::{
    ERRORS, EXPRESS_SECONDS_MAX, EXPRESS_WAIT_SECONDS, LIMITS, STATES_MAX, TASK_TIMEOUT_SECONDS_MAX,
    VARIABLE_NAME_BYTES_MAX, WAIT_SECONDS,
};
use super::map::{self, ExecutionMode, Source};
use super::policies::{Catch, OnError, Retry};
use super::syntax::{self, Body, Computed, Definition, Mode};
use super::template::{EXPRESSION_SUFFIX, constructor, expression};
use super::variables::{
    AT_CATCH, AT_CONDITION, AT_ENTRY, AT_EXIT, AT_ITEM, AT_TASK, AT_TASK_CATCH, AT_TASK_EXIT,
};

/// Stands where something is missing or broken.
const NOTHING: Expr = Expr::Literal(Value::Null);

/// Actions whose payload is the state's input where Parameters does not name it (§14.13).
const PAYLOADS: &[(&str, &str)] = &[("FC:InvokeFunction", "body"), ("FNF:StartExecution", "input")];

/// The program of a definition; nothing where a problem stands in its way.
pub(super) fn lower(definition: &Definition<'_>, problems: &Problems) -> Option<Program> {
    let count = count_states(&definition.body);
    if count > STATES_MAX {
        let message = format!("{count} states, at most {STATES_MAX} are allowed");
        problems.push(Diagnostic::new(Code::LimitExceeded, "States", definition.body.span, message));
        return None;
    }
    let mut lowering = Lowering { builder: Builder::new(ERRORS, LIMITS), is_express: false, problems };
    let root = lowering.scope(&definition.body, 0)?;
    let name = definition.name.as_ref().map(|name| name.value.clone());
    let boundary = Boundary {
        timeout_seconds: definition.timeout_seconds,
        // What StartExecution takes (§10.3).
        takes_only_objects: true,
        ..Boundary::default()
    };
    lowering.builder.build(name, root, boundary).ok()
}

fn count_states(body: &Body<'_>) -> usize {
    let within = |state: &syntax::State<'_>| match &state.kind {
        syntax::Kind::Parallel { branches } => branches.iter().flatten().map(count_states).sum(),
        syntax::Kind::Map(map) => map.processor.as_ref().map_or(0, count_states),
        syntax::Kind::Pass
        | syntax::Kind::Succeed
        | syntax::Kind::Fail { .. }
        | syntax::Kind::Wait { .. }
        | syntax::Kind::Choice { .. }
        | syntax::Kind::Task { .. }
        | syntax::Kind::Unknown => 0,
    };
    body.states.iter().map(|state| 1 + within(state)).sum()
}

/// The states of one scope by name.
type Names<'b> = BTreeMap<&'b str, StateIdx>;

/// Makes programs of definitions. Whatever is wrong is noted and something harmless takes its
/// place: a program with a note of an error is thrown away, so nobody ever runs it.
struct Lowering<'p> {
    builder: Builder,
    /// Whether what is lowered runs as Express executions.
    is_express: bool,
    problems: &'p Problems,
}

impl Lowering<'_> {
    fn scope(&mut self, body: &Body<'_>, depth: usize) -> Option<ScopeIdx> {
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
            if state.name.value.is_empty() {
                continue;
            }
            if names.insert(&state.name.value, idx).is_some() {
                is_ambiguous = true;
                let message = format!("another state of this scope is called `{}` too", state.name.value);
                self.problems.push(state.name.problem(Code::DuplicateState, message));
            }
        }
        let start = self.target(&names, body.start_at.as_ref());
        for (state, idx) in body.states.iter().zip(declared) {
            if let Some(lowered) = self.state(state, &names, depth) {
                scope.define(idx, lowered);
            }
        }
        let start = start?;
        // Where one name is two states, which of them is led to is anybody's guess; where a state or a
        // way out of one is broken, what it was to lead to.
        if let (false, true, Some(graph)) = (is_ambiguous, body.is_whole, graph(body, &names, start)) {
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
        self.problems.push(missing_target(name, "this scope", known, self.problems));
        None
    }

    fn next(&self, names: &Names<'_>, name: Option<&Text>) -> Next {
        self.target(names, name).map_or(Next::End, Next::State)
    }

    /// Nothing where a scope within the state could not be made.
    fn state(&mut self, state: &syntax::State<'_>, names: &Names<'_>, depth: usize) -> Option<State> {
        // One of a wrong type may have been meant as one.
        let is_task = matches!(state.kind, syntax::Kind::Task { .. } | syntax::Kind::Unknown);
        let (entry, exit, caught) =
            if is_task { (AT_TASK, AT_TASK_EXIT, AT_TASK_CATCH) } else { (AT_ENTRY, AT_EXIT, AT_CATCH) };
        let global = self.constructor(&state.global, exit);
        self.check_variable_names(&state.global);
        // Each branch of a Choice has them.
        let variables = global.map(|values| Variables { scope: VariableScope::Run, values: values.shared() });
        let input = self.constructor(&state.input, entry);
        let output = self.constructor(&state.output, exit).or_else(|| answer_of(state));
        let (retry, catch) = self.policies(state, names, caught);
        let next = self.next(names, state.next.as_ref());
        let (kind, result) = self.kind(state, names, depth, variables.as_ref())?;
        Some(State {
            input,
            result,
            output,
            variables,
            retry,
            catch,
            next,
            ..State::new(state.name.value.clone(), kind)
        })
    }

    /// What the state does, and the shape of its result.
    fn kind(
        &mut self,
        state: &syntax::State<'_>,
        names: &Names<'_>,
        depth: usize,
        variables: Option<&Variables>,
    ) -> Option<(Kind, Option<Expr>)> {
        let kind = match &state.kind {
            syntax::Kind::Pass | syntax::Kind::Unknown => Kind::Pass { result: None },
            syntax::Kind::Succeed => Kind::Succeed,
            syntax::Kind::Fail { code, detail } => {
                Kind::Fail { error: self.text(code), cause: self.text(detail) }
            }
            syntax::Kind::Wait { seconds } => {
                let bounds = if self.is_express { EXPRESS_WAIT_SECONDS } else { WAIT_SECONDS };
                let seconds = self.whole_number(seconds, AT_ENTRY, bounds).unwrap_or(NOTHING);
                Kind::Wait(Until::Seconds(if self.is_express { express(seconds, state) } else { seconds }))
            }
            syntax::Kind::Choice { branches, default } => {
                // A Choice leaves by one of its branches, so its variables are set there.
                let leading_to = |next: &Option<Text>| Branch {
                    body: None,
                    output: None,
                    variables: variables.cloned(),
                    next: self.next(names, next.as_ref()),
                };
                let rule = |branch: &syntax::ChoiceBranch| Rule {
                    condition: self.expression(&branch.condition, AT_CONDITION),
                    branch: leading_to(&branch.next),
                };
                Kind::Choice {
                    rules: branches.iter().map(rule).collect(),
                    otherwise: Some(leading_to(default)),
                }
            }
            syntax::Kind::Task { mode, .. } => {
                if self.is_express && !matches!(mode, Mode::RequestComplete) {
                    // §7.3
                    let message = "Express executions wait for no callbacks: only the TaskMode `RequestComplete` runs in them";
                    self.problems.push(state.name.problem(Code::InvalidValue, message));
                }
                self.task(&state.kind)?
            }
            syntax::Kind::Parallel { branches } => {
                let scope = |branch: &Option<Body<'_>>| self.scope(branch.as_ref()?, depth + 1);
                let scopes: Vec<_> = branches.iter().map(scope).collect();
                let scopes = scopes.into_iter().collect::<Option<Vec<_>>>()?;
                let result = branches_by_name(scopes.len());
                return Some((Kind::Parallel { arguments: None, branches: scopes }, Some(result)));
            }
            syntax::Kind::Map(map) => return self.map(&state.name, map, depth),
        };
        Some((kind, None))
    }

    /// A Map, and the shape of its result.
    fn map(&mut self, name: &Text, map: &map::Map<'_>, depth: usize) -> Option<(Kind, Option<Expr>)> {
        let any_count = 0..=u64::from(u32::MAX);
        // What a reader gives is what the Map runs over, whatever ItemsPath says.
        let items = self.expression(&map.items, AT_ENTRY);
        let (reader, items) = match &map.reader {
            Some(reader) => {
                let (access, items) = self.reader(reader);
                (Some(access), items)
            }
            None => (None, items.array_for(format!("Map `{}`", name.value))),
        };
        let writer = map.writer.as_ref().map(|writer| self.writer(writer));
        let result = Expr::Object(vec![(Arc::from("Items"), Expr::Root(Root::Result))]);
        // With a writer it is what the writer gave.
        let result = writer.is_none().then_some(result);
        let is_tolerant = map.tolerated_count.is_some() || map.tolerated_percentage.is_some();
        let tolerance = is_tolerant.then(|| Tolerance {
            count: self.whole_number(&map.tolerated_count, AT_ENTRY, any_count.clone()),
            percentage: self.percentage(&map.tolerated_percentage),
        });
        let lowered = Map {
            reader,
            items_max: self.whole_number(&map.items_max, AT_ENTRY, any_count.clone()),
            item: self.constructor(&map.item, AT_ITEM),
            batch: map.batcher.as_ref().map(|batcher| Batch {
                items_max: self.whole_number(&batcher.items_max, AT_ENTRY, 1..=u64::from(u32::MAX)),
                bytes_max: self.whole_number(&batcher.bytes_max, AT_ENTRY, 1..=u64::from(u32::MAX)),
                input: self.constructor(&batcher.input, AT_ENTRY),
            }),
            concurrency: self.whole_number(&map.concurrency, AT_ENTRY, any_count.clone()),
            is_isolated: map.mode.is_some(),
            iteration_seconds_max: (map.mode == Some(ExecutionMode::Express)).then_some(EXPRESS_SECONDS_MAX),
            tolerance,
            writer,
            ..Map::over(items, self.processor(map, depth)?)
        };
        Some((Kind::Map(Box::new(lowered)), result))
    }

    fn processor(&mut self, map: &map::Map<'_>, depth: usize) -> Option<ScopeIdx> {
        let outer = self.is_express;
        self.is_express |= map.mode == Some(ExecutionMode::Express);
        let body = map.processor.as_ref().and_then(|body| self.scope(body, depth + 1));
        self.is_express = outer;
        body
    }

    /// What is asked for, and the items in the answer.
    fn reader(&self, reader: &map::Reader<'_>) -> (Access, Expr) {
        let resource = match reader.source {
            Some(Source::Objects) => "OSS:ListObjects",
            Some(Source::Csv | Source::Json | Source::Inventory) | None => "OSS:GetObject",
        };
        let dataset = match reader.source {
            Some(Source::Csv | Source::Inventory) => Dataset::Csv {
                delimiter: Delimiter::Comma,
                header: match &reader.headers {
                    Some(names) => Header::Given(names.iter().map(|name| name.value.clone()).collect()),
                    None => Header::FirstRow,
                },
            },
            Some(Source::Json | Source::Objects) | None => Dataset::Json { pointer: None },
        };
        let arguments = self.constructor(&reader.parameters, AT_ENTRY);
        let items = Expr::Dataset(Arc::new(dataset), Box::new(Expr::Root(Root::Result)));
        (Access { resource: Arc::from(resource), arguments }, items)
    }

    /// The results are the body of what is written.
    fn writer(&self, writer: &map::Writer<'_>) -> Access {
        let body = Expr::Object(vec![(Arc::from("Body"), Expr::Root(Root::Result))]);
        let parameters = self.constructor(&writer.parameters, AT_ENTRY).unwrap_or(NOTHING);
        Access { resource: Arc::from("OSS:PutObject"), arguments: Some(Expr::Merge(vec![parameters, body])) }
    }

    /// A field that holds a number from 0 to 100.
    fn percentage(&self, field: &Option<Computed<'_>>) -> Option<Expr> {
        if let Some(Computed::Literal(field)) = field {
            let value = field.node.to_value();
            let number = value.as_number().map(Number::as_f64);
            if !number.is_some_and(|number| (0.0..=100.0).contains(&number)) {
                let message = format!("expected a number from 0 to 100, found `{}`", value.excerpt(32));
                self.problems.push(field.problem(Code::InvalidValue, message));
            }
            return Some(Expr::Literal(value));
        }
        self.whole_number(field, AT_ENTRY, 0..=100)
    }

    fn task(&self, kind: &syntax::Kind<'_>) -> Option<Kind> {
        let syntax::Kind::Task { action, mode, parameters, timeout } = kind else { return None };
        let arguments = self.constructor(parameters, AT_TASK);
        let timeout = self.whole_number(timeout, AT_TASK, 0..=TASK_TIMEOUT_SECONDS_MAX);
        let resource = action.as_ref().map_or_else(|| Arc::from(""), |action| action.value.clone());
        Some(Kind::Task {
            arguments: with_payload(&resource, arguments),
            resource,
            completion: match mode {
                Mode::RequestComplete => Completion::Response,
                Mode::WaitForSystemCallback => Completion::Job,
                Mode::WaitForCustomCallback => Completion::Callback,
            },
            timeout,
            heartbeat: None,
        })
    }

    fn policies(
        &self,
        state: &syntax::State<'_>,
        names: &Names<'_>,
        known: Known,
    ) -> (Vec<Retrier>, Vec<Catcher>) {
        error_names::check(state.retry.iter().map(|rule| &rule.errors), self.problems);
        error_names::check(state.catch.iter().map(|rule| &rule.errors), self.problems);
        let mut retry: Vec<_> = state.retry.iter().map(retrier).collect();
        let mut catch: Vec<_> =
            state.catch.iter().filter_map(|rule| self.catcher(rule, names, known)).collect();
        for rule in &state.on_errors {
            error_names::check(std::iter::once(rule.errors()), self.problems);
            match rule {
                OnError::Retry(rule) => retry.push(retrier(rule)),
                OnError::Catch(rule) => {
                    // The rules are one list: what a later one would try again is caught here at once.
                    retry.push(never(&rule.errors));
                    catch.extend(self.catcher(rule, names, known));
                }
            }
        }
        (retry, catch)
    }

    fn catcher(&self, rule: &Catch<'_>, names: &Names<'_>, known: Known) -> Option<Catcher> {
        let output = self.constructor(&rule.output, known);
        let next = self.target(names, rule.next.as_ref())?;
        Some(Catcher { errors: patterns(&rule.errors), output, variables: None, next })
    }

    /// Names of run-wide variables are of limited length.
    fn check_variable_names(&self, field: &Option<Field<'_>>) {
        let mapping = field.as_ref().and_then(|field| field.node.as_mapping());
        for entry in mapping.iter().flat_map(|mapping| &mapping.entries) {
            let name = &*entry.key.name;
            let length = name.strip_suffix(EXPRESSION_SUFFIX).unwrap_or(name).len();
            if let (Some(field), true) = (field, length > VARIABLE_NAME_BYTES_MAX) {
                let message = format!(
                    "the name of a variable has {length} bytes, at most {VARIABLE_NAME_BYTES_MAX} are allowed"
                );
                let path = member_path(&field.path, name);
                self.problems.push(Diagnostic::new(Code::LimitExceeded, path, entry.key.span, message));
            }
        }
    }

    fn constructor(&self, field: &Option<Field<'_>>, known: Known) -> Option<Expr> {
        field.as_ref().map(|field| constructor(field, known, self.problems))
    }

    /// An expression that must be there; its absence was noted where it was read.
    fn expression(&self, text: &Option<Text>, known: Known) -> Expr {
        text.as_ref().map_or(NOTHING, |text| expression(text, known, self.problems))
    }

    /// A field that holds text.
    fn text(&self, field: &Option<Computed<'_>>) -> Option<Expr> {
        field.as_ref().map(|field| match field {
            Computed::Broken => NOTHING,
            Computed::Expression(text) => expression(text, AT_ENTRY, self.problems),
            Computed::Literal(field) if field.node.as_str().is_some_and(|text| text.is_empty()) => NOTHING,
            Computed::Literal(field) => {
                field.name(self.problems).map_or(NOTHING, |text| Expr::Literal(Value::String(text.value)))
            }
        })
    }

    /// A field that holds a whole number. A literal is held against the bounds here, what an
    /// expression gives by the engine.
    fn whole_number(
        &self,
        field: &Option<Computed<'_>>,
        known: Known,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Option<Expr> {
        field.as_ref().map(|field| match field {
            Computed::Broken => NOTHING,
            Computed::Expression(text) => expression(text, known, self.problems),
            Computed::Literal(field) => field
                .integer(bounds, self.problems)
                .map_or(NOTHING, |number| Expr::Literal(Value::from(number))),
        })
    }
}

fn retrier(rule: &Retry) -> Retrier {
    Retrier {
        errors: patterns(&rule.errors),
        max_attempts: rule.max_attempts,
        interval_seconds: rule.interval_seconds,
        backoff_rate: rule.backoff_rate,
        max_delay_seconds: rule.max_backoff_seconds,
        jitter: Jitter::None,
    }
}

/// Errors that are not tried again, whatever later rules say.
fn never(errors: &[Text]) -> Retrier {
    Retrier {
        errors: patterns(errors),
        max_attempts: 0,
        interval_seconds: 0,
        backoff_rate: 1.0,
        max_delay_seconds: None,
        jitter: Jitter::None,
    }
}

/// The arguments with the state's input where the service wants a payload and none is named.
fn with_payload(action: &str, arguments: Option<Expr>) -> Option<Expr> {
    let Some((_, key)) = PAYLOADS.iter().find(|(known, _)| *known == action) else { return arguments };
    let payload = Expr::Object(vec![(Arc::from(*key), Expr::Root(Root::Input))]);
    Some(match arguments {
        // What Parameters says wins.
        Some(arguments) => Expr::Merge(vec![payload, arguments]),
        None => payload,
    })
}

/// The seconds of a Wait in an Express execution, which waits less long than the language's bound.
fn express(seconds: Expr, state: &syntax::State<'_>) -> Expr {
    let (min, max) = (*EXPRESS_WAIT_SECONDS.start(), *EXPRESS_WAIT_SECONDS.end());
    seconds.needed(format!("Wait `{}`", state.name.value), NeedKind::SecondsWithin { min, max })
}

/// The output of a Task that does not construct one: what was answered, which has to be an object as all
/// outputs have (fdl.md §8.1).
fn answer_of(state: &syntax::State<'_>) -> Option<Expr> {
    let is_task = matches!(state.kind, syntax::Kind::Task { .. });
    let field = || format!("the output of Task `{}`", state.name.value);
    is_task.then(|| Expr::Root(Root::Result).needed(field(), NeedKind::Object))
}

/// `{"Branch0": …, "Branch1": …}` (fdl.md §7.7).
fn branches_by_name(count: usize) -> Expr {
    let member = |index: usize| {
        let step = PathStep::Element(i64::try_from(index).unwrap_or(i64::MAX));
        (Arc::from(format!("Branch{index}")), Expr::path(Root::Result, vec![step], Missing::Null))
    };
    Expr::Object((0..count).map(member).collect())
}

/// The scope as a graph, for the check that everything can be reached and come to an end. Nothing where
/// a way out of a state is broken, which was noted.
fn graph<'b>(body: &'b Body<'_>, names: &Names<'_>, start: StateIdx) -> Option<Graph<'b>> {
    let to = |name: &Option<Text>| {
        let idx = name.as_ref().and_then(|name| names.get(&*name.value));
        idx.map(|idx| idx.number() as usize)
    };
    let nodes = body.states.iter().map(|state| {
        let mut ways: Vec<_> = state.catch.iter().map(|rule| &rule.next).collect();
        ways.extend(state.on_errors.iter().filter_map(|rule| match rule {
            OnError::Catch(rule) => Some(&rule.next),
            OnError::Retry(_) => None,
        }));
        if let syntax::Kind::Choice { branches, default } = &state.kind {
            ways.extend(branches.iter().map(|branch| &branch.next).chain([default]));
        } else if state.next.is_some() || !state.is_end {
            ways.push(&state.next);
        }
        let targets = ways.into_iter().map(to).collect::<Option<Vec<_>>>()?;
        Some(Node { name: &state.name, targets, is_end: state.is_end })
    });
    let nodes = nodes.collect::<Option<_>>()?;
    Some(Graph { nodes, start: start.number() as usize, codes: Codes::WARNINGS })
}
