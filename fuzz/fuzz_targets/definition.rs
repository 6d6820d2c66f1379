//! Definitions, in whatever language they seem to be and in each of them.

#![no_main]

use millrace::dialect::Dialect;

#[path = "../targets.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod targets;

libfuzzer_sys::fuzz_target!(|text: &str| {
    targets::definition(text, None);
    for dialect in Dialect::ALL {
        targets::definition(text, Some(*dialect));
    }
});
