//! Tasks done by Jobs: `Kubernetes:RunJob`, and anything that is bound to a Job template.

pub mod manifest;
pub mod outcome;
mod release;
pub mod runner;
