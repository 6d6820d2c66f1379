//! Definitions, in whatever language they seem to be and in each of them.

#![no_main]

use millrace::dialect::Dialect;

use millrace_fuzz as targets;

libfuzzer_sys::fuzz_target!(|text: &str| {
    targets::definition(text, None);
    for dialect in Dialect::ALL {
        targets::definition(text, Some(*dialect));
    }
});
