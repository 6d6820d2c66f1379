//! Programs built by hand, events chosen by hand.

mod asl_shape;
mod isolated;
mod laws;
mod legacy_shape;
mod lifecycle;
mod maps;
mod parts;
mod redrive;
mod suspend;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::expr::{Expr, Missing, PathStep, Root};
use crate::ir::{
    Boundary, Builder, Completion, ErrorKind, ErrorName, Errors, Handover, Kind, Limits, Map, Program,
    ScopeBuilder, ScopeIdx, State,
};
use crate::value::{Str, Value};

/// A language's table for tests: every class has its own name, three cannot be caught.
pub(super) const ERRORS: Errors = Errors(|kind| match kind {
    ErrorKind::Path => ErrorName::uncatchable("Test.Path"),
    ErrorKind::Function => ErrorName::catchable("Test.Function"),
    ErrorKind::Place => ErrorName::catchable("Test.Place"),
    ErrorKind::Value => ErrorName::catchable("Test.Value"),
    ErrorKind::DataLimit | ErrorKind::ResultLimit => ErrorName::uncatchable("Test.DataLimit"),
    ErrorKind::EventLimit => ErrorName::uncatchable("Test.EventLimit"),
    ErrorKind::NoChoice => ErrorName::catchable("Test.NoChoice"),
    ErrorKind::TaskTimeout => ErrorName::catchable("Test.Timeout"),
    ErrorKind::HeartbeatTimeout => {
        ErrorName { alias: Some("Test.HeartbeatTimeout"), ..ErrorName::catchable("Test.Timeout") }
    }
    ErrorKind::UnboundResource => ErrorName::catchable("Test.Unbound"),
    ErrorKind::InvalidResult => ErrorName::catchable("Test.InvalidResult"),
    ErrorKind::Unnamed => {
        ErrorName { name: None, alias: None, is_catchable: true, has_cause: true, words: None }
    }
    ErrorKind::Query => ErrorName::catchable("Test.Query"),
    ErrorKind::Reader => ErrorName::catchable("Test.Reader"),
    ErrorKind::Writer => ErrorName::catchable("Test.Writer"),
    ErrorKind::Tolerance => ErrorName::catchable("Test.Tolerance"),
});

pub(super) const LIMITS: Limits = Limits {
    input_bytes_max: 10_000,
    output_bytes_max: 10_000,
    total_bytes_max: None,
    variable_bytes_max: 1_000,
    assignment_bytes_max: 1_000,
    variables_bytes_max: 3_000,
    events_max: 1_000,
    map_concurrency_max: 3,
    isolated_map_concurrency_max: 40,
    task_timeout_seconds_min: 0,
    wait_seconds_min: 0,
    wait_seconds_max: 1_000,
    task_timeout_seconds_max: 1_000,
    execution_seconds_max: 100_000,
    error_chars_max: 16,
    cause_chars_max: 200,
};

pub(super) fn json(text: &str) -> Value {
    Value::parse(text).unwrap()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub(super) fn key() -> TokenKey {
    TokenKey::new([7; 32])
}

pub(super) fn literal(text: &str) -> Expr {
    Expr::Literal(json(text))
}

pub(super) fn member(root: Root, name: &str) -> Expr {
    Expr::path(root, vec![PathStep::Member(name.into())], Missing::Error)
}

pub(super) fn object(members: Vec<(&str, Expr)>) -> Expr {
    Expr::Object(members.into_iter().map(|(name, value)| (Str::from(name), value)).collect())
}

pub(super) fn task(name: &str, resource: &str) -> State {
    State::new(name, task_kind(resource, Completion::Response))
}

pub(super) fn task_kind(resource: &str, completion: Completion) -> Kind {
    Kind::Task { resource: resource.into(), arguments: None, completion, timeout: None, heartbeat: None }
}

/// A scope of states that follow each other.
pub(super) fn sequence(builder: &mut Builder, handover: Handover, states: Vec<State>) -> ScopeIdx {
    let mut scope = ScopeBuilder::new(handover);
    let positions: Vec<_> = states.iter().map(|state| scope.declare(state.name.clone())).collect();
    let last = states.len() - 1;
    for (number, state) in states.into_iter().enumerate() {
        let state = if number < last { state.to(positions[number + 1]) } else { state };
        scope.define(positions[number], state);
    }
    builder.scope(scope, positions[0]).unwrap()
}

/// A program of states that follow each other.
pub(super) fn program(handover: Handover, states: Vec<State>) -> Program {
    let mut builder = Builder::new(ERRORS, LIMITS);
    let root = sequence(&mut builder, handover, states);
    builder.build(None, root, Boundary::default()).unwrap()
}

pub(super) fn execution(input: &str) -> Execution {
    Execution {
        id: "0000-0001".into(),
        name: "run-1".into(),
        flow: "flow".into(),
        service_account: None,
        input: json(input),
        started_at: at(0),
        timeout_seconds: None,
        task_timeout_seconds: None,
        attributes: BTreeMap::new(),
    }
}

/// A run under test: every step is checked against what must hold for all of them.
pub(super) struct Rig {
    pub(super) program: Program,
    pub(super) run: Run,
    pub(super) now: Timestamp,
    pub(super) commands: Vec<Command>,
    pub(super) history: Vec<HistoryEvent>,
    pub(super) is_progress: bool,
}

impl Rig {
    pub(super) fn start(program: Program, input: &str) -> Self {
        Self::start_with(program, execution(input))
    }

    pub(super) fn start_with(program: Program, execution: Execution) -> Self {
        let run = Run::new(execution);
        let (commands, history) = (Vec::new(), Vec::new());
        let mut rig = Self { program, run, now: at(0), commands, history, is_progress: false };
        rig.event(Event::Start);
        rig
    }

    pub(super) fn event(&mut self, event: Event) -> bool {
        // What is stored is what goes on: the run is decoded before every step.
        let stored = snapshot::encode(&self.run);
        let decoded = snapshot::decode(&stored, &self.program).unwrap_or_else(|e| panic!("{e}: {stored}"));
        assert_eq!(decoded, self.run, "{stored}");
        let step = step(&self.program, decoded, self.now, event, &key()).unwrap();
        assert_eq!(step.is_changed, step.run != self.run, "is_changed tells the truth");
        for (number, event) in step.history.iter().enumerate() {
            assert_eq!(event.id, self.run.events() + number as u64 + 1);
        }
        self.run = step.run;
        self.commands = step.commands;
        // What is told or asked for has to be remembered.
        assert!(step.is_progress || step.history.is_empty() && self.commands.is_empty());
        self.is_progress = step.is_progress;
        self.history.extend(step.history);
        step.is_changed
    }

    pub(super) fn report(&mut self, id: &str, report: Report) -> bool {
        self.event(Event::Task { id: id.into(), report })
    }

    pub(super) fn succeed(&mut self, id: &str, output: &str) -> bool {
        self.report(id, Report::Succeeded(json(output)))
    }

    pub(super) fn fail(&mut self, id: &str, name: &str) -> bool {
        let name = TaskErrorName::Named(name.into());
        self.report(
            id,
            Report::Failed(TaskError { name, cause: Some("because".into()), retry_after_seconds: None }),
        )
    }

    /// Time passes to `seconds` after the start.
    pub(super) fn tick(&mut self, seconds: i64) -> bool {
        self.now = at(seconds);
        self.event(Event::Tick)
    }

    /// Ids of the tasks that are out.
    pub(super) fn tasks(&self) -> Vec<String> {
        self.run.outstanding(&self.program).iter().map(|task| task.id.to_string()).collect()
    }

    pub(super) fn arguments(&self, id: &str) -> String {
        let tasks = self.run.outstanding(&self.program);
        tasks
            .iter()
            .find(|task| task.id.as_str() == id)
            .unwrap_or_else(|| panic!("no {id}"))
            .arguments
            .to_json()
    }

    /// `start A@1`, `cancel B@2`.
    pub(super) fn commands(&self) -> Vec<String> {
        self.commands
            .iter()
            .map(|command| match command {
                Command::Start(task) => format!("start {}", task.id),
                Command::Cancel { id, is_awaited: false } => format!("cancel {id}"),
                Command::Cancel { id, is_awaited: true } => format!("end {id}"),
            })
            .collect()
    }

    pub(super) fn output(&self) -> String {
        match self.run.outcome() {
            Some(Outcome::Succeeded(output)) => output.to_json(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn error(&self) -> (Option<&str>, Option<&str>) {
        match self.run.outcome() {
            Some(Outcome::Failed(failure)) => (failure.name.as_deref(), failure.cause.as_deref()),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn wake(&self) -> Option<i64> {
        self.run.next_wake(&self.program).map(|wake| wake.as_second() - at(0).as_second())
    }
}

#[test]
fn draws_depend_on_the_place_and_nothing_else() {
    let draw = super::environment::draw;
    assert_eq!(draw("a", "b", 1, 0), draw("a", "b", 1, 0));
    let others = [draw("ab", "", 1, 0), draw("a", "c", 1, 0), draw("a", "b", 2, 0), draw("a", "b", 1, 1)];
    assert!(others.iter().all(|other| *other != draw("a", "b", 1, 0)));
}

#[test]
fn tokens_name_their_task_and_cannot_be_made_up() {
    let id = TaskId::from("Each/3/Approve#2@1");
    let named = |execution: &str| {
        Some(Named { place: "n/run".to_owned(), execution: execution.to_owned(), task: id.clone() })
    };
    let there = key().at("n/run");
    let token = there.token("uid#1", &id);
    // An execution's id is a uid and holds no `#`; one that did would not verify as another.
    assert_eq!(key().verify(&there.token("uid-1", &id)), named("uid-1"));
    assert_ne!(key().verify(&token), named("uid#1"));
    assert_eq!(TokenKey::new([8; 32]).verify(&token), None);
    let mut forged = token.clone();
    forged.pop();
    for text in ["", "djEj", &forged, "§"] {
        assert_eq!(key().verify(text), None, "{text}");
    }
    assert_eq!(format!("{:?}", key()), "TokenKey(…)");
    assert!(Arc::<str>::from(token).len() < 2_048);
}
