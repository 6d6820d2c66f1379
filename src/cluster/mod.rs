//! Dealing with the API server: reading, writing, watching, being the one that may.

pub mod api_server;
pub mod backoff;
pub mod data;
pub mod leader;
pub mod object;
pub mod watch;
