//! The controller against a real Kubernetes: the real binary, run as the chart's ServiceAccount with the
//! chart's rights, in a namespace of its own per test.

mod rig;

mod admission;
mod answers;
mod bounds;
mod children;
mod commands;
mod concurrency;
mod crash;
mod definitions;
mod dependents;
mod duplicates;
mod egress;
mod endpoints;
mod examples;
mod gitops;
mod installed;
mod jobs;
mod judges;
mod large;
mod lifecycle;
mod limits;
mod names;
mod objects;
mod outage;
mod policies;
mod reasons;
mod redrive;
mod retention;
mod revisions;
mod schedules;
mod secrets;
mod shapes;
mod suspended;
mod termination;
mod terms;
mod texts;
mod timeouts;
mod triggers;
mod unanswered;
mod unreadable;
mod watch;
