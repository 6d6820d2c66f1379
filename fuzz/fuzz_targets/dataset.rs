//! Files that a Map runs over.

#![no_main]

use millrace_fuzz as targets;

libfuzzer_sys::fuzz_target!(|text: &str| targets::dataset(text));
