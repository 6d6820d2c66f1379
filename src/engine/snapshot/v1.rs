//! Versions 1 and 2, which are one form: 1 holds all of its values itself, 2 has some of them in parts.
//! Member names are short because there is one of these in every status of a run that goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::children::STATE_DATA;
use crate::engine::run::{
    Active, Batches, Children, Elements, Execution, Frame, Heartbeat, Mapping, Outcome, Own, Phase, Progress,
    Slot, Status, Task,
};
use crate::engine::snapshot::Part;
use crate::engine::visit::{branch_of, path_text};
use crate::engine::{
    Failure, Fault, Redrives, Report, Run, Stop, StopMode, Suspension, TaskError, TaskErrorName, TaskId,
};
use crate::expr::Attribute;
use crate::ir::{ErrorKind, Kind, Program, ScopeIdx, State};
use crate::value::{Object, Str, Value};

/// Position in the table of values: those of the parts in their order, then those of the snapshot
/// itself.
type Ref = usize;

/// Milliseconds since 1970.
type Millis = i64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Snapshot {
    v: u32,
    /// Execution.
    x: ExecutionV1,
    /// Status.
    s: StatusV1,
    /// Progress: transitions, tasks succeeded, tasks failed, retries.
    p: [u64; 4],
    /// Ends of tasks that were told while the run stood still.
    #[serde(default, skip_serializing_if = "is_zero")]
    h: u64,
    /// History events.
    e: u64,
    /// Run-wide variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<Ref>,
    /// Redrives: how many, and when last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<(u32, Millis)>,
    /// How tasks have ended that nobody has acted upon, for a redrive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    w: Vec<(String, ReportV1)>,
    /// Frames; a frame stands before those within it. The first one is the root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    f: Vec<FrameV1>,
    /// Keys of the parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    k: Vec<Str>,
    /// Values.
    d: Vec<Value>,
}

/// A run on its way to its stored form.
pub(super) struct Written {
    pub(super) snapshot: Snapshot,
    /// Bytes of what is used of each part.
    pub(super) used_bytes: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExecutionV1 {
    id: Str,
    n: Str,
    f: Str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Str>,
    i: Ref,
    t: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    td: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    at: BTreeMap<Attribute, Ref>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StatusV1 {
    Fresh,
    Running,
    /// Since when, and how tasks have ended meanwhile.
    Suspended(Millis, Vec<(String, ReportV1)>),
    Stopping {
        stop: StopV1,
        awaited: BTreeMap<String, Option<Millis>>,
    },
    Succeeded(Ref),
    Failed(FailureV1),
    TimedOut,
    Stopped(StopV1),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
enum ReportV1 {
    #[serde(rename = "a")]
    Accepted(Ref),
    #[serde(rename = "s")]
    Succeeded(Ref),
    /// The error's own name, or the word for its class; its cause; seconds to be left alone.
    #[serde(rename = "f")]
    Failed(Result<Str, ErrorKind>, Option<Str>, Option<u64>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopV1 {
    /// Whether it is Terminate and not Cancel.
    t: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<Str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureV1 {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<Str>,
    /// Whether it can be caught.
    k: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameV1 {
    i: Ref,
    d: Ref,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<Ref>,
    /// Visits per state.
    n: BTreeMap<u32, u32>,
    a: ActiveV1,
    /// Of a run of its own: history events and run-wide variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<(u64, Option<Ref>)>,
    /// When it is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    l: Option<Millis>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActiveV1 {
    s: u32,
    t: Millis,
    /// Event of its entry; older ones have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<u64>,
    r: Ref,
    i: Ref,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    y: Vec<u32>,
    n: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<FailureV1>,
    p: PhaseV1,
}

#[derive(Serialize, Deserialize)]
enum PhaseV1 {
    /// A task is out.
    #[serde(rename = "t")]
    Task(TaskV1),
    #[serde(rename = "w")]
    Waiting(Millis),
    #[serde(rename = "o")]
    BackingOff(Millis),
    #[serde(rename = "r")]
    Reading(TaskV1),
    #[serde(rename = "c")]
    Children(ChildrenV1),
    #[serde(rename = "l")]
    Writing(TaskV1, ChildrenV1),
    #[serde(rename = "x")]
    Failed,
}

#[derive(Serialize, Deserialize)]
struct TaskV1 {
    a: Ref,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Millis>,
    /// Seconds and next instant of the heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<(u64, Millis)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    k: bool,
}

#[derive(Serialize, Deserialize)]
struct ChildrenV1 {
    /// Elements of a Map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    i: Option<Ref>,
    s: Vec<SlotV1>,
    /// Those that have failed and are to be run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    g: Vec<usize>,
    /// Concurrency.
    c: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    x: bool,
    #[serde(default, skip_serializing_if = "MapV1::is_plain")]
    m: MapV1,
}

/// What a Map has that does not run over all of an array of its state's data, element by element, until
/// the first failure.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MapV1 {
    /// Elements that are taken; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    /// Failures that are tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<usize>,
    /// Where the elements come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<BatchesV1>,
}

impl MapV1 {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchesV1 {
    /// The first element of each slot, and that of the next one.
    s: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    b: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    i: Option<Ref>,
}

#[derive(Serialize, Deserialize)]
enum SlotV1 {
    /// Position of its frame.
    #[serde(rename = "r")]
    Running(usize),
    /// Position of what it gave.
    #[serde(rename = "d")]
    Done(Ref),
    /// Position of its frame.
    #[serde(rename = "f")]
    Failed(usize),
}

impl Snapshot {
    pub(super) fn of(run: &Run, parts: &[Part]) -> Written {
        let mut writer = Writer::over(parts);
        let execution = &run.execution;
        let x = ExecutionV1 {
            id: execution.id.clone(),
            n: execution.name.clone(),
            f: execution.flow.clone(),
            a: execution.service_account.clone(),
            i: writer.value(&execution.input),
            t: execution.started_at.as_millisecond(),
            d: execution.timeout_seconds,
            td: execution.task_timeout_seconds,
            at: execution.attributes.iter().map(|(name, value)| (*name, writer.value(value))).collect(),
        };
        let Progress { transitions, tasks_succeeded, tasks_failed, retries, held } = run.progress;
        let s = writer.status(&run.status);
        let g = (!run.globals.is_empty()).then(|| writer.value(&Value::Object(run.globals.clone())));
        let finished = run.finished.iter();
        let finished = finished.filter_map(|(id, report)| Some((id.to_string(), writer.report(report)?)));
        let w = finished.collect();
        if let Some(root) = &run.root {
            writer.frame(root);
        }
        let snapshot = Self {
            v: if parts.is_empty() { super::VERSION_WHOLE } else { super::VERSION },
            x,
            s,
            p: [transitions, tasks_succeeded, tasks_failed, retries],
            h: held,
            e: run.events,
            g,
            r: run.redrives.last_at.map(|at| (run.redrives.count, at.as_millisecond())),
            w,
            f: writer.frames.into_iter().flatten().collect(),
            k: parts.iter().map(|part| part.key.clone()).collect(),
            d: writer.values,
        };
        Written { snapshot, used_bytes: writer.used_bytes }
    }

    /// The values that it holds itself and that may as well stand in a part.
    pub(super) fn loose(&self) -> impl Iterator<Item = &Value> {
        self.d.iter().filter(|value| identity(value).is_some())
    }

    pub(super) fn into_run(self, program: &Program, parts: &[Part]) -> Result<Run, Fault> {
        let mut values = Vec::with_capacity(self.d.len());
        for key in &self.k {
            let part = parts.iter().find(|part| part.key == *key);
            let part = part.ok_or_else(|| corrupt("a part is missing"))?;
            values.extend(part.values.iter().cloned());
        }
        values.extend(self.d);
        let reader = Reader { program, values: &values };
        let execution = Execution {
            id: self.x.id,
            name: self.x.n,
            flow: self.x.f,
            service_account: self.x.a,
            input: reader.value(self.x.i)?,
            started_at: instant(self.x.t)?,
            timeout_seconds: self.x.d,
            task_timeout_seconds: self.x.td,
            attributes: (self.x.at.into_iter())
                .map(|(name, value)| Ok((name, reader.value(value)?)))
                .collect::<Result<_, Fault>>()?,
        };
        let globals = self.g.map(|g| reader.object(g)).transpose()?.unwrap_or_default();
        let status = reader.status(self.s)?;
        let last = self.r.map(|(count, at)| Ok((count, instant(at)?))).transpose()?;
        let redrives =
            last.map_or_else(Redrives::default, |(count, at)| Redrives { count, last_at: Some(at) });
        let finished = (self.w.into_iter())
            .map(|(id, report)| Ok((TaskId::from(&*id), reader.report(report)?)))
            .collect::<Result<_, Fault>>()?;
        let mut frames: Vec<Option<FrameV1>> = self.f.into_iter().map(Some).collect();
        let root = match frames.is_empty() {
            true => None,
            false => Some(reader.frame(&mut frames, 0, (program.root(), false), "")?),
        };
        if frames.iter().any(Option::is_some) {
            return Err(corrupt("a frame belongs to nothing"));
        }
        if root.is_none()
            && matches!(status, Status::Running | Status::Suspended(_) | Status::Stopping { .. })
        {
            return Err(corrupt("the run goes on without a frame"));
        }
        let [transitions, tasks_succeeded, tasks_failed, retries] = self.p;
        Ok(Run {
            execution: Arc::new(execution),
            root,
            globals,
            status,
            progress: Progress { transitions, tasks_succeeded, tasks_failed, retries, held: self.h },
            events: self.e,
            redrives,
            finished,
        })
    }
}

/// Shortest text that is known again, in bytes. Shorter ones cost as little as a reference.
const KNOWN_TEXT_BYTES_MIN: usize = 32;

/// What a value is known by, where it is worth knowing: storage that it shares with its clones.
fn identity(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.identity()),
        Value::Object(members) => Some(members.identity()),
        Value::String(text) if text.len() >= KNOWN_TEXT_BYTES_MIN => {
            Some(Arc::as_ptr(text).cast::<u8>().addr())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Where a value stands that is known already.
#[derive(Clone, Copy)]
struct Known {
    position: Ref,
    /// The part that it stands in and its bytes, where they are not counted yet.
    uncounted: Option<(usize, usize)>,
}

#[derive(Default)]
struct Writer {
    values: Vec<Value>,
    /// Values of the parts.
    offset: usize,
    known: HashMap<usize, Known>,
    used_bytes: Vec<usize>,
    frames: Vec<Option<FrameV1>>,
}

impl Writer {
    fn over(parts: &[Part]) -> Self {
        let mut writer = Self { used_bytes: vec![0; parts.len()], ..Self::default() };
        for (number, part) in parts.iter().enumerate() {
            for (value, bytes) in part.values.iter().zip(&*part.bytes) {
                if let Some(identity) = identity(value) {
                    let uncounted = Some((number, *bytes));
                    let known = Known { position: writer.offset, uncounted };
                    writer.known.insert(identity, known);
                }
                writer.offset += 1;
            }
        }
        writer
    }

    fn value(&mut self, value: &Value) -> Ref {
        let identity = identity(value);
        if let Some(known) = identity.and_then(|identity| self.known.get_mut(&identity)) {
            if let Some((part, bytes)) = known.uncounted.take()
                && let Some(used) = self.used_bytes.get_mut(part)
            {
                *used = used.saturating_add(bytes);
            }
            return known.position;
        }
        let position = self.offset + self.values.len();
        self.values.push(value.clone());
        if let Some(identity) = identity {
            self.known.insert(identity, Known { position, uncounted: None });
        }
        position
    }

    fn status(&mut self, status: &Status) -> StatusV1 {
        match status {
            Status::Fresh => StatusV1::Fresh,
            Status::Running => StatusV1::Running,
            Status::Suspended(Suspension { since, held }) => {
                let held =
                    held.iter().filter_map(|(id, report)| Some((id.to_string(), self.report(report)?)));
                StatusV1::Suspended(since.as_millisecond(), held.collect())
            }
            Status::Stopping { stop, awaited } => StatusV1::Stopping {
                stop: StopV1::of(stop),
                awaited: awaited
                    .iter()
                    .map(|(id, deadline)| (id.to_string(), deadline.map(Timestamp::as_millisecond)))
                    .collect(),
            },
            Status::Ended(Outcome::Succeeded(output)) => StatusV1::Succeeded(self.value(output)),
            Status::Ended(Outcome::Failed(failure)) => StatusV1::Failed(FailureV1::of(failure)),
            Status::Ended(Outcome::TimedOut) => StatusV1::TimedOut,
            Status::Ended(Outcome::Stopped(stop)) => StatusV1::Stopped(StopV1::of(stop)),
        }
    }

    /// Writes how a task has ended; nothing for what is no end.
    fn report(&mut self, report: &Report) -> Option<ReportV1> {
        Some(match report {
            Report::Heartbeat => return None,
            Report::Accepted(value) => ReportV1::Accepted(self.value(value)),
            Report::Succeeded(value) => ReportV1::Succeeded(self.value(value)),
            Report::Failed(TaskError { name, cause, retry_after_seconds }) => {
                let name = match name {
                    TaskErrorName::Named(name) => Ok(name.clone()),
                    TaskErrorName::Kind(kind) => Err(*kind),
                };
                ReportV1::Failed(name, cause.clone(), *retry_after_seconds)
            }
        })
    }

    /// Writes a frame and those within it; gives its position.
    fn frame(&mut self, frame: &Frame) -> usize {
        let position = self.frames.len();
        self.frames.push(None);
        let written = frame.active.as_ref().map(|active| FrameV1 {
            i: self.value(&frame.input),
            d: self.value(&frame.data),
            v: (!frame.variables.is_empty()).then(|| self.value(&Value::Object(frame.variables.clone()))),
            n: frame.visits.clone(),
            a: self.active(active),
            o: frame.own.as_ref().map(|own| {
                let globals = Value::Object(own.globals.clone());
                (own.events, (!own.globals.is_empty()).then(|| self.value(&globals)))
            }),
            l: frame.own.as_ref().and_then(|own| own.deadline).map(Timestamp::as_millisecond),
        });
        if let Some(slot) = self.frames.get_mut(position) {
            *slot = written;
        }
        position
    }

    fn active(&mut self, active: &Active) -> ActiveV1 {
        let is_retried = active.retries.iter().any(|used| *used > 0);
        ActiveV1 {
            s: active.state.number(),
            t: active.entered_at.as_millisecond(),
            e: active.event_id,
            r: self.value(&active.raw),
            i: self.value(&active.input),
            y: if is_retried { active.retries.clone() } else { Vec::new() },
            n: active.attempt,
            b: active.branch,
            f: active.failure.as_ref().map(FailureV1::of),
            p: self.phase(&active.phase),
        }
    }

    fn phase(&mut self, phase: &Phase) -> PhaseV1 {
        match phase {
            Phase::Task(task) => PhaseV1::Task(self.task(task)),
            Phase::Waiting { until } => PhaseV1::Waiting(until.as_millisecond()),
            Phase::BackingOff { until } => PhaseV1::BackingOff(until.as_millisecond()),
            Phase::Reading(task) => PhaseV1::Reading(self.task(task)),
            Phase::Children(children) => PhaseV1::Children(self.children(children)),
            Phase::Writing(task, children) => PhaseV1::Writing(self.task(task), self.children(children)),
            // A state is never at rest while it is being entered.
            Phase::Failed | Phase::Entering => PhaseV1::Failed,
        }
    }

    fn task(&mut self, task: &Task) -> TaskV1 {
        TaskV1 {
            a: self.value(&task.arguments),
            b: task.not_before.map(Timestamp::as_millisecond),
            d: task.deadline.map(Timestamp::as_millisecond),
            h: task.heartbeat.map(|heartbeat| (heartbeat.seconds, heartbeat.due.as_millisecond())),
            k: task.is_accepted,
        }
    }

    fn children(&mut self, children: &Children) -> ChildrenV1 {
        let mapping = children.mapping.as_deref();
        ChildrenV1 {
            i: mapping.map(|mapping| match &mapping.elements {
                Elements::Array(items) => self.value(&Value::Array(items.clone())),
                Elements::Object(members) => self.value(&Value::Object(members.clone())),
            }),
            s: children.slots.iter().map(|slot| self.slot(slot)).collect(),
            g: children.again.iter().copied().collect(),
            c: children.concurrency,
            x: children.is_failed,
            m: mapping.map(|mapping| self.mapping(mapping, children.total)).unwrap_or_default(),
        }
    }

    fn mapping(&mut self, mapping: &Mapping, total: usize) -> MapV1 {
        MapV1 {
            n: Some(total).filter(|total| *total < mapping.elements.len()),
            f: Some(mapping.failed_max).filter(|max| *max > 0),
            o: Some(mapping.source.clone()).filter(|source| &**source != STATE_DATA),
            b: mapping.batches.as_ref().map(|batches| BatchesV1 {
                s: batches.starts.iter().copied().chain([mapping.begun]).collect(),
                n: batches.items_max,
                b: batches.bytes_max,
                i: batches.input.as_ref().map(|input| self.value(input)),
            }),
        }
    }

    fn slot(&mut self, slot: &Slot) -> SlotV1 {
        match slot {
            Slot::Running(child) => SlotV1::Running(self.frame(child)),
            Slot::Done(value) => SlotV1::Done(self.value(value)),
            Slot::Failed(child) => SlotV1::Failed(self.frame(child)),
        }
    }
}

struct Reader<'a> {
    program: &'a Program,
    values: &'a [Value],
}

fn corrupt(what: &str) -> Fault {
    Fault::Snapshot(what.to_owned())
}

fn instant(millis: Millis) -> Result<Timestamp, Fault> {
    Timestamp::from_millisecond(millis).map_err(|_| corrupt("an instant is beyond the calendar"))
}

impl Reader<'_> {
    fn value(&self, position: Ref) -> Result<Value, Fault> {
        self.values.get(position).cloned().ok_or_else(|| corrupt("a value is missing"))
    }

    fn object(&self, position: Ref) -> Result<Object, Fault> {
        match self.value(position)? {
            Value::Object(object) => Ok(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(corrupt("variables are no object"))
            }
        }
    }

    fn status(&self, status: StatusV1) -> Result<Status, Fault> {
        Ok(match status {
            StatusV1::Fresh => Status::Fresh,
            StatusV1::Running => Status::Running,
            StatusV1::Suspended(since, held) => Status::Suspended(Suspension {
                since: instant(since)?,
                held: held
                    .into_iter()
                    .map(|(id, report)| Ok((TaskId::from(&*id), self.report(report)?)))
                    .collect::<Result<_, Fault>>()?,
            }),
            StatusV1::Stopping { stop, awaited } => Status::Stopping {
                stop: stop.into_stop(),
                awaited: awaited
                    .into_iter()
                    .map(|(id, deadline)| Ok((TaskId::from(&*id), deadline.map(instant).transpose()?)))
                    .collect::<Result<_, Fault>>()?,
            },
            StatusV1::Succeeded(output) => Status::Ended(Outcome::Succeeded(self.value(output)?)),
            StatusV1::Failed(failure) => Status::Ended(Outcome::Failed(failure.into_failure())),
            StatusV1::TimedOut => Status::Ended(Outcome::TimedOut),
            StatusV1::Stopped(stop) => Status::Ended(Outcome::Stopped(stop.into_stop())),
        })
    }

    fn report(&self, report: ReportV1) -> Result<Report, Fault> {
        Ok(match report {
            ReportV1::Accepted(value) => Report::Accepted(self.value(value)?),
            ReportV1::Succeeded(value) => Report::Succeeded(self.value(value)?),
            ReportV1::Failed(name, cause, retry_after_seconds) => Report::Failed(TaskError {
                name: name.map_or_else(TaskErrorName::Kind, TaskErrorName::Named),
                cause,
                retry_after_seconds,
            }),
        })
    }

    /// The frame at `position`, which must be an instance of `scope`, and a run of its own or not. A frame
    /// is taken at most once, so the depth is bounded by that of the program.
    fn frame(
        &self,
        frames: &mut [Option<FrameV1>],
        position: usize,
        (scope, is_isolated): (ScopeIdx, bool),
        prefix: &str,
    ) -> Result<Frame, Fault> {
        let stored = frames.get_mut(position).and_then(Option::take);
        let stored = stored.ok_or_else(|| corrupt("a frame is missing or belongs to two states"))?;
        Ok(Frame {
            scope,
            input: self.value(stored.i)?,
            data: self.value(stored.d)?,
            variables: stored.v.map(|v| self.object(v)).transpose()?.unwrap_or_default(),
            active: Some(self.active(frames, stored.a, scope, &stored.n, prefix)?),
            visits: stored.n,
            own: match (is_isolated, stored.o) {
                (true, Some((events, globals))) => {
                    let globals = globals.map(|globals| self.object(globals)).transpose()?;
                    let deadline = stored.l.map(instant).transpose()?;
                    Some(Box::new(Own { globals: globals.unwrap_or_default(), events, deadline }))
                }
                (false, None) => None,
                (true, None) | (false, Some(_)) => return Err(corrupt("a run within the run is none")),
            },
        })
    }

    fn active(
        &self,
        frames: &mut [Option<FrameV1>],
        stored: ActiveV1,
        scope: ScopeIdx,
        visits: &BTreeMap<u32, u32>,
        prefix: &str,
    ) -> Result<Active, Fault> {
        let scope = self.program.scope(scope).ok_or(Fault::ForeignProgram)?;
        let position = scope.position(stored.s).ok_or(Fault::ForeignProgram)?;
        let state = scope.state(position).ok_or(Fault::ForeignProgram)?;
        let visit = visits.get(&stored.s).copied().unwrap_or(1);
        let mut retries = stored.y;
        retries.resize(state.retry.len(), 0);
        let mut active = Active {
            state: position,
            path: path_text(prefix, &state.name, visit),
            entered_at: instant(stored.t)?,
            event_id: stored.e,
            raw: self.value(stored.r)?,
            input: self.value(stored.i)?,
            retries,
            attempt: stored.n,
            branch: stored.b,
            failure: stored.f.map(FailureV1::into_failure),
            retry_after_seconds: None,
            phase: Phase::Failed,
        };
        active.phase = self.phase(frames, stored.p, &active, state)?;
        Ok(active)
    }

    fn phase(
        &self,
        frames: &mut [Option<FrameV1>],
        stored: PhaseV1,
        active: &Active,
        state: &State,
    ) -> Result<Phase, Fault> {
        Ok(match (stored, &state.kind) {
            (PhaseV1::Task(task), Kind::Task { .. }) => Phase::Task(self.task(task)?),
            (PhaseV1::Waiting(until), Kind::Wait(_)) => Phase::Waiting { until: instant(until)? },
            // A task backs off where what it is to be asked with could not be made.
            (PhaseV1::BackingOff(until), Kind::Task { .. } | Kind::Parallel { .. } | Kind::Map(_)) => {
                Phase::BackingOff { until: instant(until)? }
            }
            (PhaseV1::Failed, _) => Phase::Failed,
            (PhaseV1::Children(children), Kind::Parallel { .. } | Kind::Map(_) | Kind::Choice { .. }) => {
                Phase::Children(self.children(frames, children, active, state)?)
            }
            (PhaseV1::Reading(task), Kind::Map(map)) if map.reader.is_some() => {
                Phase::Reading(self.task(task)?)
            }
            (PhaseV1::Writing(task, children), Kind::Map(map)) if map.writer.is_some() => {
                Phase::Writing(self.task(task)?, self.children(frames, children, active, state)?)
            }
            (
                PhaseV1::Task(_)
                | PhaseV1::Waiting(_)
                | PhaseV1::BackingOff(_)
                | PhaseV1::Reading(_)
                | PhaseV1::Children(_)
                | PhaseV1::Writing(..),
                _,
            ) => return Err(corrupt("a state does what its kind cannot")),
        })
    }

    fn task(&self, stored: TaskV1) -> Result<Task, Fault> {
        let heartbeat = |(seconds, due)| instant(due).map(|due| Heartbeat { seconds, due });
        Ok(Task {
            arguments: self.value(stored.a)?,
            not_before: stored.b.map(instant).transpose()?,
            deadline: stored.d.map(instant).transpose()?,
            heartbeat: stored.h.map(heartbeat).transpose()?,
            is_accepted: stored.k,
        })
    }

    fn children(
        &self,
        frames: &mut [Option<FrameV1>],
        stored: ChildrenV1,
        active: &Active,
        state: &State,
    ) -> Result<Children, Fault> {
        let items = stored.i.map(|items| self.value(items)).transpose()?;
        let (total, mut mapping) = match (&state.kind, items) {
            (Kind::Parallel { branches, .. }, None) => (branches.len(), None),
            (Kind::Map(_), Some(items)) => {
                let (total, mapping) = self.mapping(stored.m, items, stored.s.len())?;
                (total, Some(Box::new(mapping)))
            }
            (Kind::Choice { .. }, None) => (1, None),
            (_, _) => return Err(corrupt("a state runs what its kind cannot")),
        };
        if stored.s.len() > total || stored.c == 0 && total > 0 {
            return Err(corrupt("a state runs more than it has"));
        }
        let again: BTreeSet<usize> = stored.g.into_iter().collect();
        let (mut running, mut failed) = (BTreeSet::new(), 0_usize);
        let mut slots = Vec::with_capacity(stored.s.len());
        for (number, slot) in stored.s.into_iter().enumerate() {
            slots.push(match slot {
                SlotV1::Done(value) => Slot::Done(self.value(value)?),
                SlotV1::Running(position) => {
                    running.insert(number);
                    Slot::Running(Box::new(self.child(frames, position, active, state, number)?))
                }
                SlotV1::Failed(position) => {
                    let size = mapping.as_ref().map_or(0, |mapping| mapping.size(number));
                    failed = failed.saturating_add(if again.contains(&number) { 0 } else { size });
                    Slot::Failed(Box::new(self.child(frames, position, active, state, number)?))
                }
            });
        }
        if let Some(mapping) = &mut mapping {
            mapping.failed = failed;
        }
        if again.iter().any(|slot| !matches!(slots.get(*slot), Some(Slot::Failed(_)))) {
            return Err(corrupt("what is to be run again has not failed"));
        }
        let (concurrency, is_failed) = (stored.c, stored.x);
        Ok(Children { mapping, slots, total, running, again, concurrency, is_failed })
    }

    /// What a Map runs over, and how many elements of it.
    fn mapping(&self, stored: MapV1, items: Value, slots: usize) -> Result<(usize, Mapping), Fault> {
        let elements = match items {
            Value::Array(items) => Elements::Array(items),
            Value::Object(members) => Elements::Object(members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(corrupt("the items of a Map are no collection"));
            }
        };
        let total = stored.n.unwrap_or(usize::MAX).min(elements.len());
        let (begun, batches) = match stored.b {
            None => (slots, None),
            Some(BatchesV1 { s: mut starts, n, b, i }) => {
                let begun = starts.pop().unwrap_or_default();
                if starts.len() != slots || begun > total || !starts.is_sorted_by(|one, next| one < next) {
                    return Err(corrupt("the batches of a Map do not fit"));
                }
                let input = i.map(|input| self.value(input)).transpose()?;
                (begun, Some(Batches { starts, items_max: n, bytes_max: b, input }))
            }
        };
        let source = stored.o.unwrap_or_else(|| STATE_DATA.into());
        let failed_max = stored.f.unwrap_or_default();
        Ok((total, Mapping { elements, source, batches, begun, failed: 0, failed_max }))
    }

    /// The frame in a slot.
    fn child(
        &self,
        frames: &mut [Option<FrameV1>],
        position: usize,
        active: &Active,
        state: &State,
        slot: usize,
    ) -> Result<Frame, Fault> {
        let (body, is_isolated) = match &state.kind {
            Kind::Map(map) => (Some(map.body), map.is_isolated),
            Kind::Parallel { branches, .. } => (branches.get(slot).copied(), false),
            Kind::Pass { .. }
            | Kind::Task { .. }
            | Kind::Wait(_)
            | Kind::Choice { .. }
            | Kind::Succeed
            | Kind::Fail { .. } => (branch_of(state, active).and_then(|branch| branch.body), false),
        };
        let body = body.ok_or_else(|| corrupt("a branch has no scope"))?;
        self.frame(frames, position, (body, is_isolated), &format!("{}{slot}/", active.prefix()))
    }
}

impl StopV1 {
    fn of(stop: &Stop) -> Self {
        Self { t: stop.mode == StopMode::Terminate, e: stop.error.clone(), c: stop.cause.clone() }
    }

    fn into_stop(self) -> Stop {
        let mode = if self.t { StopMode::Terminate } else { StopMode::Cancel };
        Stop { mode, error: self.e, cause: self.c }
    }
}

impl FailureV1 {
    fn of(failure: &Failure) -> Self {
        let Failure { name, alias, cause, is_catchable } = failure.clone();
        Self { n: name, a: alias, c: cause, k: is_catchable }
    }

    fn into_failure(self) -> Failure {
        Failure { name: self.n, alias: self.a, cause: self.c, is_catchable: self.k }
    }
}
