//! Records: no panic, nothing altered comes out, whatever they hold and however they are cut and damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tls::fuzz::fuzz_records;

fuzz_target!(|bytes: &[u8]| fuzz_records(bytes));
