//! What was asked for, in a few letters.

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::value::{Object, Value};

/// Fields that may change after acceptance: they are not part of what was accepted.
const MUTABLE: &[&str] = &["stop", "suspend", "redrive", "ttlSecondsAfterFinished"];

/// Digest over everything in a spec but what may change later. Equal for specs that say the same,
/// however they are written.
#[must_use]
pub fn spec_digest(spec: &RawValue) -> String {
    let text = match Value::parse(spec.get()) {
        Ok(Value::Object(members)) => {
            let frozen = members.iter().filter(|(name, _)| !MUTABLE.contains(&&***name));
            let frozen = frozen.map(|(name, value)| (name.clone(), value.clone())).collect::<Object>();
            Value::Object(frozen).to_canonical_json()
        }
        // Nested too deep, and so nothing that was ever accepted.
        Ok(_) | Err(_) => spec.get().to_owned(),
    };
    hex(&text)
}

/// The first 128 bits of SHA-256 in hexadecimal.
#[must_use]
pub fn hex(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(spec: &str) -> String {
        spec_digest(&RawValue::from_string(spec.to_owned()).unwrap())
    }

    #[test]
    fn the_digest_is_of_what_was_asked_for() {
        let base = digest(r#"{"flowRef": {"name": "f"}, "input": {"a": 1, "b": null}}"#);
        assert_eq!(
            base,
            digest(r#"{"input":{"b":null,"a":1.0},"flowRef":{"name":"f"},"stop":{"mode":"Cancel"}}"#)
        );
        assert_ne!(base, digest(r#"{"flowRef": {"name": "f"}, "input": {"a": 1}}"#));
        assert_ne!(base, digest(r#"{"flowRef": {"name": "f"}, "input": {"a": 2, "b": null}}"#));
        let deep = format!(r#"{{"input": {}{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
        assert_eq!(digest(&deep).len(), 32);
    }
}
