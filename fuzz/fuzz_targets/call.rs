//! Calls of intrinsic functions.

#![no_main]

use millrace_fuzz as targets;

libfuzzer_sys::fuzz_target!(|text: &str| targets::call(text));
