//! Tasks: work done outside the engine, attempt by attempt.

use crate::expr::Expr;
use crate::ir::{Completion, ErrorKind, Kind, State};
use crate::value::Value;

use super::environment::{Environment, Place};
use super::run::{Active, Frame, Heartbeat, Phase, Task};
use super::step::{Fault, Stepper, Work};
use super::visit::Payload;
use super::{Command, Failure, HistoryKind, Report, TaskError, TaskErrorName, time};

/// A sign of life is remembered where it moves the instant at which the next one is due by such a part of the
/// interval.
const HEARTBEAT_PARTS: u64 = 4;

impl Stepper<'_> {
    /// Asks for the next attempt of a task. Its clock runs from `not_before`.
    pub(super) fn begin_attempt(
        &mut self,
        frame: &Frame,
        place: &Place<'_>,
        active: &mut Active,
        not_before: Option<jiff::Timestamp>,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let task = match self.task_of(frame, place, active, state, not_before) {
            Ok(task) => task,
            Err(failure) => return Ok(Work::Failed(failure)),
        };
        active.phase = Phase::Task(task);
        let Some(command) = active.command(&state.kind) else { return Err(Fault::ForeignProgram) };
        self.record(
            &active.path,
            HistoryKind::TaskScheduled {
                resource: command.resource.clone(),
                attempt: active.attempt,
                not_before,
            },
        );
        self.commands.push(Command::Start(command));
        Ok(Work::Pending)
    }

    fn task_of(
        &self,
        frame: &Frame,
        place: &Place<'_>,
        active: &Active,
        state: &State,
        not_before: Option<jiff::Timestamp>,
    ) -> Result<Task, Failure> {
        let Kind::Task { arguments, timeout, heartbeat, .. } = &state.kind else {
            return Err(self.failure(ErrorKind::Value, format!("state `{}` is no task", state.name)));
        };
        let environment = self.environment(frame, place, active, state);
        let arguments = match arguments {
            Some(expr) => self.eval(expr, &environment)?,
            None => active.input.clone(),
        };
        self.check(Payload::Input, state, &arguments)?;
        let begins_at = not_before.unwrap_or(self.now);
        let max = self.program.limits().task_timeout_seconds_max;
        let timeout = self.seconds("time-out", timeout.as_ref(), &environment, state, max)?;
        let timeout = timeout.or(self.execution.task_timeout_seconds).filter(|seconds| *seconds > 0);
        let heartbeat = self.seconds("heartbeat", heartbeat.as_ref(), &environment, state, max)?;
        let heartbeat = heartbeat.filter(|seconds| *seconds > 0);
        Ok(Task {
            arguments,
            not_before,
            deadline: timeout.map(|seconds| time::after(begins_at, seconds)),
            heartbeat: heartbeat.map(|seconds| Heartbeat { seconds, due: time::after(begins_at, seconds) }),
            is_accepted: false,
        })
    }

    /// A field that holds seconds: a whole number, or one written as a string (fdl.md §7.3).
    fn seconds(
        &self,
        what: &str,
        expr: Option<&Expr>,
        environment: &Environment<'_>,
        state: &State,
        max: u64,
    ) -> Result<Option<u64>, Failure> {
        let Some(expr) = expr else { return Ok(None) };
        let value = self.eval(expr, environment)?;
        if value == Value::Null {
            return Ok(None);
        }
        let seconds = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        let min = self.program.limits().task_timeout_seconds_min;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let seconds = seconds.filter(|seconds| (min..=max).contains(seconds));
        seconds.map(Some).ok_or_else(|| {
            let cause = format!(
                "the {what} of task `{}` must be whole seconds from {min} to {max}, found {} `{}`",
                state.name,
                value.kind(),
                value.excerpt(64)
            );
            self.failure(ErrorKind::Value, cause)
        })
    }

    /// Takes in news of the attempt that is out.
    pub(super) fn report(
        &mut self,
        frame: &Frame,
        active: &mut Active,
        mut task: Task,
        report: Report,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let Kind::Task { completion, .. } = &state.kind else { return Err(Fault::ForeignProgram) };
        let attempt = active.attempt;
        let is_done = match (&report, completion) {
            (Report::Accepted(_), Completion::Response) | (Report::Succeeded(_) | Report::Failed(_), _) => {
                true
            }
            (Report::Accepted(_), Completion::Job | Completion::Callback) | (Report::Heartbeat, _) => false,
        };
        if let Some(heartbeat) = &mut task.heartbeat {
            let due = time::after(self.now, heartbeat.seconds);
            let moved = due.duration_since(heartbeat.due).as_secs().unsigned_abs();
            // Not each sign of life is worth being remembered, but what was forgotten must not end the attempt.
            self.is_progress |= moved.saturating_mul(HEARTBEAT_PARTS) >= heartbeat.seconds;
            heartbeat.due = due;
            self.is_changed = true;
        }
        if !is_done {
            if matches!(report, Report::Accepted(_)) && !task.is_accepted {
                task.is_accepted = true;
                self.record(&active.path, HistoryKind::TaskAccepted);
            }
            task.not_before = None;
            active.phase = Phase::Task(task);
            return Ok(Work::Pending);
        }
        Ok(match report {
            Report::Failed(error) => {
                active.retry_after_seconds = error.retry_after_seconds;
                let failure = self.task_failure(error);
                self.attempt_failed(active, failure)
            }
            Report::Accepted(result) | Report::Succeeded(result) => {
                match self.check(Payload::Result, state, &result) {
                    Ok(()) => {
                        self.progress.tasks_succeeded = self.progress.tasks_succeeded.saturating_add(1);
                        self.record(
                            &active.path,
                            HistoryKind::TaskSucceeded { attempt, result: result.clone() },
                        );
                        Work::Result(result)
                    }
                    Err(failure) => self.attempt_failed(active, failure),
                }
            }
            Report::Heartbeat => Work::Pending,
        })
    }

    /// Gives the attempt up where its time has come.
    pub(super) fn tick_task(
        &mut self,
        frame: &Frame,
        active: &mut Active,
        task: Task,
    ) -> Result<Work, Fault> {
        let state = self.state_of(frame, active)?;
        let is_due = |at: Option<jiff::Timestamp>| at.is_some_and(|at| at <= self.now);
        let (kind, what) = if is_due(task.deadline) {
            (ErrorKind::TaskTimeout, "took longer than its time-out")
        } else if is_due(task.heartbeat.map(|heartbeat| heartbeat.due)) {
            (ErrorKind::HeartbeatTimeout, "sent no heartbeat in time")
        } else {
            active.phase = Phase::Task(task);
            return Ok(Work::Pending);
        };
        self.commands.push(Command::Cancel { id: active.task_id(), is_awaited: false });
        let cause = format!("attempt {} of task `{}` {what}", active.attempt, state.name);
        let failure = self.failure(kind, cause);
        Ok(self.attempt_failed(active, failure))
    }

    fn attempt_failed(&mut self, active: &Active, failure: Failure) -> Work {
        self.progress.tasks_failed = self.progress.tasks_failed.saturating_add(1);
        self.record(
            &active.path,
            HistoryKind::TaskFailed { attempt: active.attempt, failure: failure.clone() },
        );
        Work::Failed(failure)
    }

    pub(super) fn task_failure(&self, error: TaskError) -> Failure {
        match error.name {
            TaskErrorName::Named(name) => Failure::reported(self.program, name, error.cause),
            TaskErrorName::Kind(kind) => Failure::of(self.program, kind, error.cause),
        }
    }
}
