//! Inputs that an execution cannot be started with.

use crate::value::DEPTH_MAX;

/// Why an execution cannot be started with an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The language wants an object.
    #[error("the input must be a JSON object, found {}", in_words(kind))]
    NoObject {
        /// What it is instead.
        kind: &'static str,
    },
    /// It is larger than the language allows.
    #[error("the input has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// Its size as compact JSON.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// It is nested too deep for anyone to read it in a Kubernetes object.
    #[error("the input is nested {depth} levels deep, at most {DEPTH_MAX} are allowed")]
    TooDeep {
        /// Its levels.
        depth: u32,
    },
}

fn in_words(kind: &str) -> String {
    match kind {
        "null" => kind.to_owned(),
        "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
