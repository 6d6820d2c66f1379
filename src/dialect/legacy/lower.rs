//! Documents to programs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::expr::fdl::Variables as Known;
use crate::expr::{Expr, Root};
use crate::ir::{
    Boundary, Branch, Builder, Catcher, Completion, Handover, Jitter, Kind, Map, Next, Program, Retrier,
    Rule, SCOPE_NESTING_MAX, ScopeBuilder, ScopeIdx, State, StateIdx, Until,
};
use crate::source::Content;
use crate::value::Value;

use super::super::fdl::error_names::{self, patterns};
use super::super::fdl::limits::ERRORS;
use super::super::fdl::template::expression;
use super::super::reachability::{self, Codes, Graph, Node};
use super::super::reader::{Field, Problems, Text};
use super::limits::{LIMITS, STEPS_MAX, WAIT_SECONDS_MAX};
use super::mappings::{nothing, object, parameters, path};
use super::syntax::{self, Definition, Pattern, Series, Step, Way};
use super::variables::{
    AT_CONDITION, AT_ENTRY, AT_ERROR, AT_ERROR_CODE, AT_EXIT, AT_FINISH, AT_START, AT_TASK_ENTRY,
    AT_TASK_EXIT, AT_WORK,
};

/// Stands where something is missing or broken.
const NOTHING: Expr = Expr::Literal(Value::Null);

/// What resources begin with that are flows (§6).
const FLOW_RESOURCE: &str = "acs:fnf:";

/// The program of a definition; nothing where a problem stands in its way.
pub(super) fn lower(definition: &Definition<'_>, problems: &Problems) -> Option<Program> {
    let mut names = Vec::new();
    collect_names(&definition.body, &mut names);
    if names.len() > STEPS_MAX {
        let message = format!("{} steps, at most {STEPS_MAX} are allowed", names.len());
        problems.push(Diagnostic::new(Code::LimitExceeded, "steps", definition.body.span, message));
        return None;
    }
    let mut known = BTreeSet::new();
    let mut is_ambiguous = false;
    for name in names.iter().filter(|name| !name.value.is_empty()) {
        if !known.insert(&*name.value) {
            is_ambiguous = true;
            let message = format!("another step of this flow is called `{}` too", name.value);
            let problem = name.problem(Code::DuplicateState, message);
            problems.push(problem.with_help("names are unique over the whole flow, nested steps included"));
        }
    }
    let mut lowering =
        Lowering { builder: Builder::new(ERRORS, LIMITS), names: known, is_ambiguous, problems };
    let mappings = |mappings: &Option<Vec<_>>, known| {
        mappings.as_ref().map(|mappings| object(mappings, known, problems))
    };
    let boundary = Boundary {
        input: mappings(&definition.input, AT_START),
        output: mappings(&definition.output, AT_FINISH),
        timeout_seconds: definition.timeout_seconds,
        // What StartExecution takes (§10.3).
        takes_only_objects: true,
    };
    let root = lowering.series(&definition.body, 0)?;
    let name = definition.name.as_ref().map(|name| name.value.clone());
    lowering.builder.build(name, root, boundary).ok()
}

/// The names of all steps, in the order of the document.
fn collect_names<'s>(series: &'s Series<'_>, names: &mut Vec<&'s Text>) {
    for step in &series.steps {
        names.push(&step.name);
        let inner: Vec<&Series<'_>> = match &step.kind {
            syntax::Kind::Choice { choices, default } => {
                let ways = choices.iter().map(|choice| &choice.way).chain(default);
                ways.filter_map(|way| way.steps.as_ref()).collect()
            }
            syntax::Kind::Parallel { branches } => branches.iter().flatten().collect(),
            syntax::Kind::Foreach { body, .. } => body.iter().collect(),
            syntax::Kind::Pass
            | syntax::Kind::Succeed
            | syntax::Kind::Fail { .. }
            | syntax::Kind::Wait { .. }
            | syntax::Kind::Task(_)
            | syntax::Kind::Unknown => Vec::new(),
        };
        inner.into_iter().for_each(|inner| collect_names(inner, names));
    }
}

/// The steps of one series by name.
type Siblings<'s> = BTreeMap<&'s str, StateIdx>;

/// Makes programs of definitions. Whatever is wrong is noted and something harmless takes its
/// place: a program with a note of an error is thrown away, so nobody ever runs it.
struct Lowering<'p> {
    builder: Builder,
    /// Of all steps.
    names: BTreeSet<&'p str>,
    /// Whether a name is that of two steps.
    is_ambiguous: bool,
    problems: &'p Problems,
}

impl Lowering<'_> {
    /// The scope of a series. Nothing where one within it could not be made.
    fn series(&mut self, series: &Series<'_>, depth: usize) -> Option<ScopeIdx> {
        if depth > SCOPE_NESTING_MAX {
            let message = format!("steps nested more than {SCOPE_NESTING_MAX} levels deep");
            let problem = Diagnostic::new(Code::LimitExceeded, series.path.clone(), series.span, message);
            self.problems.push(problem);
            return None;
        }
        let mut scope = ScopeBuilder::new(Handover::Merge);
        let declared: Vec<_> =
            series.steps.iter().map(|step| scope.declare(step.name.value.clone())).collect();
        let names = series.steps.iter().map(|step| &*step.name.value);
        let siblings: Siblings<'_> = names.zip(declared.iter().copied()).collect();
        let mut is_whole = series.is_whole && !self.is_ambiguous;
        let mut nodes = Vec::with_capacity(series.steps.len());
        for (number, (step, idx)) in series.steps.iter().zip(&declared).enumerate() {
            let is_end =
                step.is_end || matches!(step.kind, syntax::Kind::Succeed | syntax::Kind::Fail { .. });
            let following = declared.get(number + 1).filter(|_| !is_end);
            let next = following.map_or(Next::End, |idx| Next::State(*idx));
            match self.step(step, &siblings, next, depth) {
                Some(state) => {
                    nodes.push(node(&step.name, &state));
                    scope.define(*idx, state);
                }
                None => is_whole = false,
            }
        }
        let start = *declared.first()?;
        // Where a way out of a step is broken, what it was to lead to is not known.
        if is_whole && series.steps.iter().all(|step| leads_somewhere(step, &siblings)) {
            reachability::check(&Graph { nodes, start: 0, codes: Codes::WARNINGS }, self.problems);
        }
        self.builder.scope(scope, start).ok()
    }

    /// Nothing where a scope within the step could not be made.
    fn step(&mut self, step: &Step<'_>, siblings: &Siblings<'_>, next: Next, depth: usize) -> Option<State> {
        // One of a wrong type may have been meant as one.
        let is_task = matches!(step.kind, syntax::Kind::Task(_) | syntax::Kind::Unknown);
        let (entry, exit) = if is_task { (AT_TASK_ENTRY, AT_TASK_EXIT) } else { (AT_ENTRY, AT_EXIT) };
        let input = self.mappings(&step.input, entry);
        let mapped = self.mappings(&step.output, exit);
        let output = match &step.kind {
            // What they gave must be mapped to be put out (§2.7, §2.8).
            syntax::Kind::Parallel { .. } | syntax::Kind::Foreach { .. } => {
                Some(mapped.unwrap_or_else(nothing))
            }
            syntax::Kind::Pass
            | syntax::Kind::Succeed
            | syntax::Kind::Fail { .. }
            | syntax::Kind::Wait { .. }
            | syntax::Kind::Task(_)
            | syntax::Kind::Unknown => mapped,
            // Each of its branches has it.
            syntax::Kind::Choice { .. } => mapped.map(Expr::shared),
        };
        let kind = self.kind(step, siblings, next, output.as_ref(), depth)?;
        let (retry, catch) = match &step.kind {
            syntax::Kind::Task(task) => self.policies(task, siblings),
            syntax::Kind::Pass
            | syntax::Kind::Succeed
            | syntax::Kind::Fail { .. }
            | syntax::Kind::Wait { .. }
            | syntax::Kind::Choice { .. }
            | syntax::Kind::Parallel { .. }
            | syntax::Kind::Foreach { .. }
            | syntax::Kind::Unknown => (Vec::new(), Vec::new()),
        };
        Some(State { input, output, retry, catch, next, ..State::new(step.name.value.clone(), kind) })
    }

    fn kind(
        &mut self,
        step: &Step<'_>,
        siblings: &Siblings<'_>,
        next: Next,
        output: Option<&Expr>,
        depth: usize,
    ) -> Option<Kind> {
        Some(match &step.kind {
            syntax::Kind::Pass | syntax::Kind::Unknown => Kind::Pass { result: None },
            syntax::Kind::Succeed => Kind::Succeed,
            syntax::Kind::Fail { error, cause } => {
                let text = |text: &Option<Text>| {
                    text.as_ref().map(|text| Expr::Literal(Value::String(text.value.clone())))
                };
                Kind::Fail { error: text(error), cause: text(cause) }
            }
            syntax::Kind::Wait { until } => Kind::Wait(self.until(until)),
            syntax::Kind::Choice { choices, default } => {
                let mut rules = Vec::with_capacity(choices.len());
                for choice in choices {
                    let condition = self.condition(&choice.condition);
                    let branch = self.way(Some(&choice.way), siblings, next, output, depth)?;
                    rules.push(Rule { condition, branch });
                }
                // Where nothing holds and there is no default, the step simply ends (§2.6).
                let otherwise = self.way(default.as_ref(), siblings, next, output, depth)?;
                Kind::Choice { rules, otherwise: Some(otherwise) }
            }
            syntax::Kind::Task(task) => self.task(task),
            syntax::Kind::Parallel { branches } => {
                let scope = |branch: &Option<Series<'_>>| self.series(branch.as_ref()?, depth + 1);
                let scopes: Vec<_> = branches.iter().map(scope).collect();
                Kind::Parallel { arguments: None, branches: scopes.into_iter().collect::<Option<_>>()? }
            }
            syntax::Kind::Foreach { collection, item, index, body } => {
                let items = collection.as_ref().map(|text| self.input_path(text, "collection"));
                let member = |name: &Option<Text>, root: Root| {
                    name.as_ref().map(|name| (name.value.clone(), Expr::Root(root)))
                };
                let own = [member(item, Root::Item), member(index, Root::ItemIndex)];
                let own = Expr::Object(own.into_iter().flatten().collect());
                let body = self.series(body.as_ref()?, depth + 1)?;
                Kind::Map(Box::new(Map {
                    item: Some(Expr::Merge(vec![Expr::Root(Root::Input), own])),
                    ..Map::over(
                        items.unwrap_or(NOTHING).array_for(format!("foreach `{}`", step.name.value)),
                        body,
                    )
                }))
            }
        })
    }

    /// A way out of a choice: steps of its own, then a goto or what comes next.
    fn way(
        &mut self,
        way: Option<&Way<'_>>,
        siblings: &Siblings<'_>,
        next: Next,
        output: Option<&Expr>,
        depth: usize,
    ) -> Option<Branch> {
        let steps = way.and_then(|way| way.steps.as_ref());
        let body = match steps {
            Some(steps) => Some(self.series(steps, depth + 1)?),
            None => None,
        };
        let goto = way.and_then(|way| way.goto.as_ref());
        let next = goto.and_then(|goto| self.target(siblings, goto)).map_or(next, Next::State);
        Some(Branch { body, output: output.cloned(), variables: None, next })
    }

    fn task(&self, task: &syntax::Task<'_>) -> Kind {
        let resource = task.resource.as_ref().map_or_else(|| Arc::from(""), |text| text.value.clone());
        let arguments = match &task.parameters {
            Some(field) => Some(parameters(field, AT_WORK, self.problems)),
            // A flow is always told of by its parameters: whoever starts it need not guess (§6).
            None if resource.starts_with(FLOW_RESOURCE) => {
                Some(Expr::Object(vec![(Arc::from("Input"), Expr::Root(Root::Input))]))
            }
            None => None,
        };
        Kind::Task {
            arguments,
            resource,
            completion: match task.pattern {
                Pattern::RequestResponse => Completion::Response,
                Pattern::Sync => Completion::Job,
                Pattern::WaitForCallback => Completion::Callback,
            },
            timeout: task.timeout_seconds.map(|seconds| Expr::Literal(Value::from(seconds))),
            heartbeat: None,
        }
    }

    fn policies(&self, task: &syntax::Task<'_>, siblings: &Siblings<'_>) -> (Vec<Retrier>, Vec<Catcher>) {
        error_names::check(task.retry.iter().map(|policy| &policy.errors), self.problems);
        error_names::check(task.catch.iter().map(|policy| &policy.errors), self.problems);
        // Without errorMappings a task that was caught adds nothing (§5).
        let output = match &task.error {
            Some(mappings) => self.error_mappings(mappings).shared(),
            None => nothing(),
        };
        let catcher = |policy: &syntax::Catch| {
            Some(Catcher {
                errors: patterns(&policy.errors),
                output: Some(output.clone()),
                variables: None,
                next: self.target(siblings, policy.goto.as_ref()?)?,
            })
        };
        (task.retry.iter().map(retrier).collect(), task.catch.iter().filter_map(catcher).collect())
    }

    fn error_mappings(&self, mappings: &[syntax::Mapping<'_>]) -> Expr {
        let is_code = |mapping: &&syntax::Mapping<'_>| {
            mapping.source.node.as_str().is_some_and(|text| &**text == "$local.code")
        };
        let members = mappings.iter().map(|mapping| {
            let known = if is_code(&mapping) { AT_ERROR_CODE } else { AT_ERROR };
            object(std::slice::from_ref(mapping), known, self.problems)
        });
        Expr::Merge(members.collect())
    }

    fn mappings(&self, mappings: &Option<Vec<syntax::Mapping<'_>>>, known: Known) -> Option<Expr> {
        mappings.as_ref().map(|mappings| object(mappings, known, self.problems))
    }

    /// The step that a goto leads to: one of the same series.
    fn target(&self, siblings: &Siblings<'_>, name: &Text) -> Option<StateIdx> {
        if let Some(idx) = siblings.get(&*name.value) {
            return Some(*idx);
        }
        let message = format!("there is no step `{}` beside this one", name.value);
        let problem = name.problem(Code::MissingTarget, message);
        let help = if self.names.contains(&*name.value) {
            Some("a goto leads to a step of the same `steps` list".to_owned())
        } else {
            let close = self.problems.closest(&name.value, siblings.keys().copied());
            close.map(|close| format!("did you mean `{close}`?"))
        };
        self.problems.push(Diagnostic { help, ..problem });
        None
    }

    fn condition(&self, field: &Option<Field<'_>>) -> Expr {
        let Some(field) = field else { return NOTHING };
        if let Content::Bool(value) = field.node.content {
            return Expr::Literal(Value::Bool(value));
        }
        field.text(self.problems).map_or(NOTHING, |text| expression(&text, AT_CONDITION, self.problems))
    }

    fn until(&self, until: &Option<syntax::Until<'_>>) -> Until {
        match until {
            Some(syntax::Until::Duration(field)) => Until::Seconds(match field.node.as_str() {
                Some(text) if text.starts_with('$') => self.work_path(field),
                Some(_) | None => field
                    .integer(0..=WAIT_SECONDS_MAX, self.problems)
                    .map_or(NOTHING, |seconds| Expr::Literal(Value::from(seconds))),
            }),
            Some(syntax::Until::Timestamp(field)) => Until::Timestamp(match field.node.as_str() {
                Some(text) if text.starts_with('$') => self.work_path(field),
                Some(text) if text.parse::<jiff::Timestamp>().is_err() => {
                    let message = format!("expected a time in RFC 3339, found `{text}`");
                    let problem = field.problem(Code::InvalidValue, message);
                    self.problems.push(problem.with_help("such as `2019-05-02T15:04:05Z`"));
                    NOTHING
                }
                Some(text) => Expr::Literal(Value::String(text.clone())),
                None => {
                    field.text(self.problems);
                    NOTHING
                }
            }),
            None => Until::Seconds(NOTHING),
        }
    }

    fn work_path(&self, field: &Field<'_>) -> Expr {
        field.text(self.problems).map_or(NOTHING, |text| path(&text, AT_WORK, self.problems))
    }

    /// A field that can only be a path into the step's input.
    fn input_path(&self, text: &Text, what: &str) -> Expr {
        if text.value.starts_with('$') {
            return path(text, AT_WORK, self.problems);
        }
        let message = format!("`{what}` needs a path into the input of the step, found `{}`", text.value);
        let problem = text.problem(Code::InvalidValue, message);
        self.problems.push(problem.with_help(format!("such as `$.{}`", text.value)));
        NOTHING
    }
}

fn retrier(policy: &syntax::Retry) -> Retrier {
    Retrier {
        errors: patterns(&policy.errors),
        max_attempts: policy.max_attempts,
        interval_seconds: policy.interval_seconds,
        backoff_rate: policy.multiplier,
        max_delay_seconds: Some(policy.max_interval_seconds),
        jitter: Jitter::None,
    }
}

/// Whether the gotos of a step lead to siblings; that one does not was noted.
fn leads_somewhere(step: &Step<'_>, siblings: &Siblings<'_>) -> bool {
    let is_known = |goto: &Option<Text>| goto.as_ref().is_none_or(|goto| siblings.contains_key(&*goto.value));
    match &step.kind {
        syntax::Kind::Choice { choices, default } => {
            choices.iter().map(|choice| &choice.way).chain(default).all(|way| is_known(&way.goto))
        }
        syntax::Kind::Task(task) => {
            task.catch.iter().all(|policy| policy.goto.is_some() && is_known(&policy.goto))
        }
        syntax::Kind::Pass
        | syntax::Kind::Succeed
        | syntax::Kind::Fail { .. }
        | syntax::Kind::Wait { .. }
        | syntax::Kind::Parallel { .. }
        | syntax::Kind::Foreach { .. }
        | syntax::Kind::Unknown => true,
    }
}

/// A step with the ways out of it.
fn node<'t>(name: &'t Text, state: &State) -> Node<'t> {
    let mut ways: Vec<Next> = state.catch.iter().map(|catcher| Next::State(catcher.next)).collect();
    match &state.kind {
        Kind::Choice { rules, otherwise } => {
            ways.extend(rules.iter().map(|rule| &rule.branch).chain(otherwise).map(|branch| branch.next));
        }
        Kind::Succeed | Kind::Fail { .. } => ways.push(Next::End),
        Kind::Pass { .. } | Kind::Task { .. } | Kind::Wait(_) | Kind::Parallel { .. } | Kind::Map(_) => {
            ways.push(state.next);
        }
    }
    let target = |next: &Next| match next {
        Next::State(idx) => Some(idx.number() as usize),
        Next::End => None,
    };
    let targets = ways.iter().filter_map(target).collect();
    Node { name, targets, is_end: ways.contains(&Next::End) }
}
