//! Any bytes as the path of a request target.
#![no_main]

#[allow(dead_code, reason = "each target uses its own part")]
#[path = "../invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check_path(input));
