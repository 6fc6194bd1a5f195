#![no_main]

#[path = "../grammars.rs"]
#[allow(dead_code)]
mod grammars;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| grammars::mounts(bytes));
