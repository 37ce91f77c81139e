//! Any bytes as a frame: `cargo +nightly fuzz run decode`, in `crates/core`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unstale::decode_for_fuzzing(data));
