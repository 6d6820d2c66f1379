//! The Executions of a Schedule: what they are called, and what they are made of. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::{Execution, ExecutionSpec, LABEL_SCHEDULE, ScheduleSpec, ScheduleStatus};

/// An Execution of a Schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// The time that it is for.
    pub time: Timestamp,
}

/// The Executions of a Schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Those that have not ended.
    pub active: Vec<Run>,
    /// Those that have succeeded.
    pub succeeded: Vec<Run>,
    /// Those that have failed, taken too long or been refused.
    pub failed: Vec<Run>,
    /// Those that somebody has stopped.
    pub stopped: Vec<Run>,
}

impl Runs {
    /// Whether there is one for a time.
    #[must_use]
    pub fn are_there_for(&self, time: Timestamp) -> bool {
        self.active.iter().chain(self.ended()).any(|run| run.time == time)
    }

    /// Those that have ended.
    pub fn ended(&self) -> impl Iterator<Item = &Run> {
        [&self.succeeded, &self.failed, &self.stopped].into_iter().flatten()
    }

    /// The latest that has ended.
    #[must_use]
    pub fn last_ended(&self) -> Option<&Run> {
        self.ended().max_by_key(|run| run.time)
    }
}

/// What the Execution for a time is called: whoever starts it, it is the same one.
#[must_use]
pub fn name_of(schedule: &str, time: Timestamp) -> String {
    format!("{schedule}-{}", time.as_second())
}

/// The Schedule that a name may be made from, and the time that it is for.
#[must_use]
pub fn parts_of(execution: &str) -> Option<(&str, Timestamp)> {
    let (schedule, seconds) = execution.rsplit_once('-')?;
    let time = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok())?;
    (!schedule.is_empty()).then_some((schedule, time))
}

/// The run that a name of an Execution of this Schedule stands for; none where somebody else has chosen the name.
#[must_use]
pub fn run_of(schedule: &str, execution: &str) -> Option<Run> {
    let (_, time) = parts_of(execution).filter(|(of, _)| *of == schedule)?;
    Some(Run { name: execution.to_owned(), time })
}

/// Whether the end of a run is counted, or is nobody's: it is for a time before the Schedule was made.
#[must_use]
pub fn is_counted(status: &ScheduleStatus, created_at: Timestamp, run: &Run) -> bool {
    let is_past = status.counted_until.is_some_and(|until| run.time <= until) || run.time < created_at;
    is_past && !status.active.contains(&run.name)
}

/// Whether an ended run is done with: its end is counted, and nothing is started for its time any more.
#[must_use]
pub fn is_done_with(status: &ScheduleStatus, created_at: Timestamp, run: &Run) -> bool {
    let is_past = status.processed_until.is_some_and(|until| run.time <= until) || run.time < created_at;
    is_past && is_counted(status, created_at, run)
}

/// The Execution for a time. `owner` is removed with it.
#[must_use]
pub fn execution_for(
    schedule: &str,
    spec: &ScheduleSpec,
    owner: Option<OwnerReference>,
    time: Timestamp,
) -> Execution {
    let name = name_of(schedule, time);
    let spec = ExecutionSpec {
        flow_ref: spec.flow_ref.clone(),
        input: spec.input.clone(),
        timeout_seconds: spec.timeout_seconds,
        service_account_name: spec.service_account_name.clone(),
        priority: spec.priority,
        task_list: spec.task_list.clone(),
        tags: spec.tags.clone(),
        parameters: spec.parameters.clone(),
        ttl_seconds_after_finished: spec.ttl_seconds_after_finished,
        scheduled_time: Some(time),
        ..ExecutionSpec::default()
    };
    let metadata = ObjectMeta {
        labels: Some(BTreeMap::from([(LABEL_SCHEDULE.to_owned(), schedule.to_owned())])),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    let mut execution = Execution::new(&name, spec);
    execution.metadata = ObjectMeta { name: Some(name), ..metadata };
    execution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_time_a_run_is_for() {
        let time = Timestamp::from_second(1_767_225_600).unwrap();
        assert_eq!(name_of("night-ly", time), "night-ly-1767225600");
        assert_eq!(run_of("night-ly", "night-ly-1767225600").map(|run| run.time), Some(time));
        for other in ["night-ly-x", "night-1767225600", "night-ly", "-1767225600", "night-ly-"] {
            assert_eq!(run_of("night-ly", other), None, "{other}");
        }
    }

    #[test]
    fn a_run_asks_for_what_the_schedule_says() {
        let spec: ScheduleSpec = serde_json::from_str(
            r#"{"flowRef": {"name": "f", "qualifier": "prod"}, "schedule": "@daily", "input": {"a": null}, "tags": ["t"],
                "timeoutSeconds": 7, "taskList": "l", "priority": 3, "parameters": {"k": "v"}}"#,
        )
        .unwrap();
        let execution = execution_for("s", &spec, None, Timestamp::UNIX_EPOCH);
        let found = serde_json::to_value(&execution).unwrap();
        let expected = serde_json::json!({
            "apiVersion": "millrace.dev/v1alpha1",
            "kind": "Execution",
            "metadata": {"name": "s-0", "labels": {"millrace.dev/schedule": "s"}},
            "spec": {"flowRef": {"name": "f", "qualifier": "prod"}, "input": {"a": null}, "tags": ["t"], "timeoutSeconds": 7,
                "taskList": "l", "priority": 3, "parameters": {"k": "v"}, "scheduledTime": "1970-01-01T00:00:00Z"},
        });
        assert_eq!(found, expected);
    }
}
