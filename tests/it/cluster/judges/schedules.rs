//! What judges say of Schedules.

use super::super::schedules::{FAILS, NOW, apply, condition_of};
use super::{all_observed, met, patch};
use crate::cluster::rig::Space;
use serde_json::json;

/// A Schedule, the reason of its condition `Ready`, what kstatus says, what `kubectl wait` finds met.
const MOMENTS: &[(&str, &str, &str, &str)] = &[
    ("active", "Scheduled", "Current", "Ready"),
    ("suspended", "Suspended", "Current", "Ready"),
    ("over", "Completed", "Current", "Ready"),
    // Its runs wait; it has started them all the same.
    ("of-nobody", "Scheduled", "Current", "Ready"),
    ("never", "InvalidSchedule", "Failed", "Stalled"),
    ("nowhere", "InvalidSchedule", "Failed", "Stalled"),
    ("given-up", "FailureThresholdReached", "Failed", "Stalled"),
];

fn judge(space: &Space, when: &str, expected: impl Fn(&'static str, &'static str) -> (&'static str, String)) {
    let names: Vec<_> = MOMENTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let met = met(space, "schedules", &names);
    for (name, _, kstatus, said) in MOMENTS {
        let found = (space.kstatus_of("schedules", name), &met[*name]);
        let (kstatus, said) = expected(kstatus, said);
        assert_eq!(found, (kstatus.to_owned(), &said), "{when}: {name}");
    }
}

#[test]
fn judges_are_right_at_every_moment_of_a_schedule() {
    let space = Space::new("judged-schedules");
    let controller = space.controller();
    space.flow("f", NOW);
    space.flow("fails", FAILS);
    apply(&space, "active", json!({"schedule": "0 3 * * *"}));
    apply(&space, "suspended", json!({"schedule": "0 3 * * *", "suspend": true}));
    apply(&space, "over", json!({"schedule": "@daily", "endTime": "2020-01-01T00:00:00Z"}));
    apply(&space, "of-nobody", json!({"schedule": "@daily", "flowRef": {"name": "missing"}}));
    apply(&space, "never", json!({"schedule": "99 3 * * *"}));
    apply(&space, "nowhere", json!({"schedule": "@daily", "timeZone": "Mars/Phobos"}));
    let gives_up = json!({"schedule": "@every 1s", "flowRef": {"name": "fails"}, "failureThreshold": 1});
    apply(&space, "given-up", gives_up);
    for (name, reason, ..) in MOMENTS {
        condition_of(&space, "schedules", name, "Ready", reason);
    }
    judge(&space, "at first", |kstatus, said| (kstatus, said.to_owned()));

    // Nobody concludes anything from what is said of an older spec.
    controller.kill();
    let names: Vec<_> = MOMENTS.iter().map(|(name, ..)| *name).collect();
    let changed = json!({"spec": {"priority": 1}});
    names.iter().for_each(|name| patch(&space, "schedules", name, &changed));
    judge(&space, "unobserved", |_, _| ("InProgress", String::new()));
    let _controller = space.controller();
    all_observed(&space, "schedules", &names);
    // The one that has given up begins anew, and gives up again.
    condition_of(&space, "schedules", "given-up", "Ready", "FailureThresholdReached");
    judge(&space, "changed", |kstatus, said| (kstatus, said.to_owned()));

    let held = json!({"metadata": {"finalizers": ["millrace.test/held"]}});
    names.iter().for_each(|name| patch(&space, "schedules", name, &held));
    assert!(space.kubectl(&["delete", "schedules", "--all", "--wait=false"]).status.success());
    for name in &names {
        assert_eq!(space.kstatus_of("schedules", name), "Terminating", "{name}");
    }
    let released = json!({"metadata": {"finalizers": null}});
    names.iter().for_each(|name| patch(&space, "schedules", name, &released));
    space.wait("them to go", || space.list("schedules").is_empty().then_some(()));
}
