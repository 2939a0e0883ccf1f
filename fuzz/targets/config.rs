//! Configuration: no panic, every problem has its place, nothing changes when it is written as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringlb::config::fuzz_config;

fuzz_target!(|bytes: &[u8]| fuzz_config(bytes));
