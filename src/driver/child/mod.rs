//! Tasks that start other Executions: `FNF:StartExecution`, `fnf:StartExecution`, `acs:fnf:…:flow/…` and
//! `states:startExecution`, started, waited for, or waiting for a token.

pub mod outcome;
pub mod policy;
pub mod request;
pub mod runner;
