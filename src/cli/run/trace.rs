//! `--trace`: what happens in a run, one JSON object on each line, for programs.
//!
//! ```json
//! {"time":"2026-11-22T10:00:03.000Z","event":"StateEntered","path":"Charge","type":"Task","attempt":1,"input":{}}
//! ```

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};

use jiff::Timestamp;

use crate::engine::{Command, Failure, HistoryEvent, HistoryKind, StopMode, TaskCommand, TaskId, rfc3339};
use crate::value::{Object, Str, Value};

/// Writes what happens, as it happens.
pub(super) struct Trace {
    out: Box<dyn Write>,
    /// The states that were entered and not left.
    states: BTreeMap<Str, State>,
    /// Why the trace broke off.
    failure: Option<String>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("states", &self.states).field("failure", &self.failure).finish()
    }
}

/// What is known of a state.
#[derive(Clone, Debug)]
struct State {
    kind: &'static str,
    attempt: u32,
    /// What it was entered with.
    input: Value,
    /// The last error of its task.
    error: Members,
}

/// Members of a line, in their order.
type Members = Vec<(&'static str, Value)>;

impl Trace {
    /// A trace that goes to a file, or to stdout where the name says so.
    ///
    /// # Errors
    /// Where the file cannot be written; the message names it.
    pub(super) fn open(file: &str) -> Result<Self, String> {
        let out: Box<dyn Write> = match file {
            super::super::source::STDIN => Box::new(std::io::stdout()),
            _ => {
                let opened = std::fs::File::create(file);
                let opened = opened.map_err(|error| format!("cannot write the trace to {file}: {error}"))?;
                Box::new(std::io::BufWriter::new(opened))
            }
        };
        Ok(Self { out, states: BTreeMap::new(), failure: None })
    }

    /// Tells what came of an event, and what the run asks for after it.
    pub(super) fn tell(&mut self, history: &[HistoryEvent], commands: &[Command]) {
        let mut tasks: BTreeMap<(&str, u32), &TaskCommand> = BTreeMap::new();
        for command in commands {
            match command {
                Command::Start(task) => {
                    tasks.insert((task.id.path(), task.id.attempt()), task);
                }
                Command::Cancel { .. } => {}
            }
        }
        for event in history {
            let attempt =
                if let HistoryKind::TaskScheduled { attempt, .. } = event.kind { attempt } else { 0 };
            let task = tasks.get(&(&*event.path, attempt)).copied();
            if let Some((name, members)) = self.describe(event, task) {
                self.write(event.at, name, &event.path, members);
            }
        }
        self.flush();
    }

    /// Tells that a task is begun whose time had not come when it was asked for.
    pub(super) fn begin(&mut self, at: Timestamp, task: &TaskCommand) {
        self.write(at, "TaskScheduled", &Str::from(task.id.path()), scheduled(&task.resource, Some(task)));
        self.flush();
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// Where it could not be written as a whole.
    pub(super) fn finish(self) -> Result<(), String> {
        self.failure.map_or(Ok(()), |why| Err(format!("cannot write the trace: {why}")))
    }

    /// What an event is called and what it brings; nothing for what is told when it begins.
    fn describe(
        &mut self,
        event: &HistoryEvent,
        task: Option<&TaskCommand>,
    ) -> Option<(&'static str, Members)> {
        Some(match &event.kind {
            HistoryKind::ExecutionStarted { input } => ("ExecutionStarted", vec![("input", input.clone())]),
            HistoryKind::StateEntered { state, input } => {
                let entered = State { kind: state, attempt: 1, input: input.clone(), error: Members::new() };
                self.states.insert(event.path.clone(), entered);
                ("StateEntered", vec![("input", input.clone())])
            }
            HistoryKind::StateExited { output } => ("StateExited", vec![("output", output.clone())]),
            HistoryKind::TaskScheduled { resource, attempt, not_before } => {
                self.attempt(&event.path, *attempt);
                match not_before {
                    None => ("TaskScheduled", scheduled(resource, task)),
                    Some(at) => ("StateRetried", self.retried(&event.path, None, delay(event.at, *at))),
                }
            }
            HistoryKind::TaskAccepted => ("TaskAccepted", Members::new()),
            HistoryKind::TaskSucceeded { result, .. } => ("TaskSucceeded", vec![("output", result.clone())]),
            HistoryKind::TaskFailed { failure, .. } => {
                let members = error(failure);
                if let Some(state) = self.states.get_mut(&event.path) {
                    state.error.clone_from(&members);
                }
                ("TaskFailed", members)
            }
            HistoryKind::RetryScheduled { failure, at } => {
                let next = self.states.get(&event.path).map_or(1, |state| state.attempt).saturating_add(1);
                self.attempt(&event.path, next);
                ("StateRetried", self.retried(&event.path, Some(failure), delay(event.at, *at)))
            }
            HistoryKind::ErrorCaught { failure } => ("ErrorCaught", error(failure)),
            HistoryKind::StateFailed { failure } => ("StateFailed", error(failure)),
            HistoryKind::ExecutionSuspended => ("ExecutionSuspended", Members::new()),
            HistoryKind::ExecutionResumed => ("ExecutionResumed", Members::new()),
            HistoryKind::ExecutionRedriven { count } => {
                ("ExecutionRedriven", vec![("redriveCount", Value::from(*count))])
            }
            HistoryKind::StopRequested { mode } => ("StopRequested", vec![("mode", stop_mode(*mode))]),
            HistoryKind::ExecutionSucceeded { output } => {
                ("ExecutionSucceeded", vec![("output", output.clone())])
            }
            HistoryKind::ExecutionFailed { failure } => ("ExecutionFailed", error(failure)),
            HistoryKind::ExecutionTimedOut => ("ExecutionTimedOut", Members::new()),
            HistoryKind::ExecutionStopped { mode, error, cause } => {
                let mut members = vec![("mode", stop_mode(*mode))];
                members.extend(reason(error.as_ref(), cause.as_ref()));
                ("ExecutionStopped", members)
            }
        })
    }

    /// With what a state is tried again, after which error, and when. The error of a task was told before.
    fn retried(&self, path: &Str, failure: Option<&Failure>, delay: Members) -> Members {
        let state = self.states.get(path);
        let mut members: Members = state.map(|state| ("input", state.input.clone())).into_iter().collect();
        members.extend(match failure {
            Some(failure) => error(failure),
            None => state.map(|state| state.error.clone()).unwrap_or_default(),
        });
        members.extend(delay);
        members
    }

    fn attempt(&mut self, path: &Str, attempt: u32) {
        if let Some(state) = self.states.get_mut(path) {
            state.attempt = attempt;
        }
    }

    fn write(&mut self, at: Timestamp, event: &'static str, path: &Str, more: Members) {
        let mut members = vec![("time", Value::from(rfc3339(at))), ("event", Value::from(event))];
        if !path.is_empty() {
            members.push(("path", Value::from(path.clone())));
            // The names that answers are scripted for.
            let name = TaskId::from(&*format!("{path}@1")).state_name();
            members.push(("state", Value::from(name)));
        }
        if let Some(State { kind, attempt, .. }) = self.states.get(path) {
            members.extend([("type", Value::from(*kind)), ("attempt", Value::from(*attempt))]);
        }
        if matches!(event, "StateExited" | "StateFailed") {
            self.states.remove(path);
        }
        members.extend(more);
        let line = Value::Object(members.into_iter().collect::<Object>());
        let written = writeln!(self.out, "{line}");
        self.note(written);
    }

    fn flush(&mut self) {
        let flushed = self.out.flush();
        self.note(flushed);
    }

    /// A reader who has seen enough and went away is none to complain of.
    fn note(&mut self, done: std::io::Result<()>) {
        if let Err(error) = done
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.failure.get_or_insert_with(|| error.to_string());
        }
    }
}

fn scheduled(resource: &Str, task: Option<&TaskCommand>) -> Members {
    let mut members = vec![("resource", Value::from(resource.clone()))];
    members.extend(task.map(|task| ("input", task.arguments.clone())));
    members
}

fn delay(from: Timestamp, until: Timestamp) -> Members {
    let millis = i64::try_from(until.duration_since(from).as_millis()).unwrap_or(i64::MAX);
    vec![("notBefore", Value::from(rfc3339(until))), ("delayMilliseconds", Value::from(millis.max(0)))]
}

fn error(failure: &Failure) -> Members {
    reason(failure.name.as_ref(), failure.cause.as_ref())
}

/// What there is none of is absent.
fn reason(error: Option<&Str>, cause: Option<&Str>) -> Members {
    let members = [("error", error), ("cause", cause)];
    members.into_iter().filter_map(|(name, text)| Some((name, Value::from(text?.clone())))).collect()
}

fn stop_mode(mode: StopMode) -> Value {
    Value::from(match mode {
        StopMode::Cancel => "Cancel",
        StopMode::Terminate => "Terminate",
    })
}
