//! Any bytes as a movie file.
#![no_main]

#[allow(dead_code, reason = "each target uses its own part")]
#[path = "../invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check_movie(input));
