//! The tasks of a Map itself: one reads what it runs over, one writes what it gave.

use crate::expr::Dataset;
use crate::ir::{Access, ErrorKind, State};
use crate::value::{DEPTH_MAX, Object, Value};

use super::environment::{Environment, Place};
use super::run::{Active, Children, Elements, Frame, Phase, Task};
use super::step::{Fault, Stepper, Work};
use super::visit::Payload;
use super::{Command, Failure, HistoryKind, Report, TaskId, time};

/// Largest file that a Map reads, and largest list of results that it has written, in bytes of JSON.
/// The bounds of payloads are not meant for them, but the run remembers them for as long as it goes on.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What came of news of a task.
enum News {
    /// It goes on.
    Pending(Task),
    /// It gave this.
    Done(Value),
    /// It failed.
    Failed(Failure),
}

impl Stepper<'_> {
    /// Has read what a Map runs over.
    pub(super) fn begin_reading(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        state: &State,
        reader: &Access,
    ) -> Work {
        let environment = self.environment(frame, place, active, state);
        let arguments = self.asked(reader, &environment).and_then(|arguments| {
            self.check(Payload::Input, state, &arguments)?;
            Ok(arguments)
        });
        match arguments {
            Ok(arguments) => {
                active.phase = Phase::Reading(self.access(arguments));
                self.begin_access(active, state)
            }
            Err(failure) => Work::Failed(failure),
        }
    }

    /// Has written what a Map gave.
    pub(super) fn begin_writing(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        children: Children,
        writer: &Access,
        results: &Value,
    ) -> Work {
        let Ok(state) = self.state_of(frame, active) else { return Work::Result(results.clone()) };
        let environment =
            Environment { result: Some(results), ..self.environment(frame, place, active, state) };
        let arguments = self.asked(writer, &environment).and_then(|arguments| {
            self.check_file(ErrorKind::Writer, state, &arguments)?;
            Ok(arguments)
        });
        match arguments {
            Ok(arguments) => {
                active.phase = Phase::Writing(self.access(arguments), children);
                self.begin_access(active, state)
            }
            Err(failure) => {
                active.phase = Phase::Children(children);
                Work::Failed(failure)
            }
        }
    }

    fn asked(&self, access: &Access, environment: &Environment<'_>) -> Result<Value, Failure> {
        match &access.arguments {
            Some(expr) => self.eval(expr, environment),
            None => Ok(Value::Object(Object::default())),
        }
    }

    fn access(&self, arguments: Value) -> Task {
        let seconds = self.execution.task_timeout_seconds.filter(|seconds| *seconds > 0);
        Task {
            arguments,
            not_before: None,
            deadline: seconds.map(|seconds| time::after(self.now, seconds)),
            heartbeat: None,
            is_accepted: false,
        }
    }

    fn begin_access(&mut self, active: &Active, state: &State) -> Work {
        if let Some(command) = active.command(&state.kind) {
            let (resource, attempt) = (command.resource.clone(), active.attempt);
            self.record(&active.path, HistoryKind::TaskScheduled { resource, attempt, not_before: None });
            self.commands.push(Command::Start(command));
        }
        Work::Pending
    }

    /// Takes in news of the task that reads.
    pub(super) fn report_reader(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        task: Task,
        report: Report,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        match self.report_access(active, state, task, report, ErrorKind::Reader) {
            News::Pending(task) => {
                active.phase = Phase::Reading(task);
                Ok(Work::Pending)
            }
            News::Failed(failure) => Ok(Work::Failed(failure)),
            News::Done(read) => self.begin_mapping(frame, place, active, Some(&read)),
        }
    }

    /// Takes in news of the task that writes.
    pub(super) fn report_writer(
        &mut self,
        frame: &Frame,
        active: &mut Active,
        (task, children): (Task, Children),
        report: Report,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        Ok(match self.report_access(active, state, task, report, ErrorKind::Writer) {
            News::Pending(task) => {
                active.phase = Phase::Writing(task, children);
                Work::Pending
            }
            News::Failed(failure) => {
                active.phase = Phase::Children(children);
                Work::Failed(failure)
            }
            News::Done(written) => Work::Result(written),
        })
    }

    /// Gives up the task that reads where its time has come.
    pub(super) fn tick_reader(&mut self, active: &mut Active, task: Task) -> Work {
        if task.deadline.is_none_or(|deadline| deadline > self.now) {
            active.phase = Phase::Reading(task);
            return Work::Pending;
        }
        let id = TaskId::reader(&active.path, active.attempt);
        Work::Failed(self.give_up_access(active, id, ErrorKind::Reader, "reading"))
    }

    /// Gives up the task that writes where its time has come.
    pub(super) fn tick_writer(&mut self, active: &mut Active, task: Task, children: Children) -> Work {
        if task.deadline.is_none_or(|deadline| deadline > self.now) {
            active.phase = Phase::Writing(task, children);
            return Work::Pending;
        }
        active.phase = Phase::Children(children);
        let id = TaskId::writer(&active.path, active.attempt);
        Work::Failed(self.give_up_access(active, id, ErrorKind::Writer, "writing"))
    }

    fn give_up_access(&mut self, active: &Active, id: TaskId, kind: ErrorKind, what: &str) -> Failure {
        self.commands.push(Command::Cancel { id, is_awaited: false });
        let failure = self.failure(kind, format!("{what} took longer than the time-out of tasks"));
        self.access_failed(active, failure)
    }

    fn report_access(
        &mut self,
        active: &Active,
        state: &State,
        mut task: Task,
        report: Report,
        kind: ErrorKind,
    ) -> News {
        let attempt = active.attempt;
        match report {
            Report::Heartbeat => News::Pending(task),
            Report::Accepted(_) => {
                if !task.is_accepted {
                    task.is_accepted = true;
                    self.record(&active.path, HistoryKind::TaskAccepted);
                }
                News::Pending(task)
            }
            Report::Failed(error) => {
                let failure = self.task_failure(error);
                let cause = failure.cause.or(failure.name).unwrap_or_else(|| "the task failed".into());
                let failure = self.failure(kind, cause);
                News::Failed(self.access_failed(active, failure))
            }
            // What is around a file that was read is let go of with the answer.
            Report::Succeeded(result) => match self.check_file(kind, state, Dataset::content(&result)) {
                Ok(()) => {
                    self.progress.tasks_succeeded = self.progress.tasks_succeeded.saturating_add(1);
                    // The history is for people: a file is nothing they would read there.
                    let told = match self.check(Payload::Result, state, &result) {
                        Ok(()) => result.clone(),
                        Err(_) => Value::Null,
                    };
                    self.record(&active.path, HistoryKind::TaskSucceeded { attempt, result: told });
                    News::Done(result)
                }
                Err(failure) => News::Failed(self.access_failed(active, failure)),
            },
        }
    }

    fn access_failed(&mut self, active: &Active, failure: Failure) -> Failure {
        self.progress.tasks_failed = self.progress.tasks_failed.saturating_add(1);
        let told = HistoryKind::TaskFailed { attempt: active.attempt, failure: failure.clone() };
        self.record(&active.path, told);
        failure
    }

    /// What a file holds can be larger than the file: rows share the names of their columns.
    pub(super) fn check_elements(&self, elements: &Elements, state: &State) -> Result<(), Failure> {
        self.check_file(ErrorKind::Reader, state, &elements.value())
    }

    fn check_file(&self, kind: ErrorKind, state: &State, file: &Value) -> Result<(), Failure> {
        // A text is as long as the file, however much of it would be escaped as a value.
        let bytes = file.as_str().map_or_else(|| file.bytes(), str::len);
        let (depth, name) = (file.depth(), &state.name);
        let cause = if bytes > FILE_BYTES_MAX {
            format!(
                "what Map `{name}` reads or writes has {bytes} bytes, at most {FILE_BYTES_MAX} are allowed"
            )
        } else if depth > DEPTH_MAX {
            format!(
                "what Map `{name}` reads or writes is nested {depth} levels deep, at most {DEPTH_MAX} are allowed"
            )
        } else {
            return Ok(());
        };
        Err(self.failure(kind, cause))
    }
}
