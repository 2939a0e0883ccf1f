//! ClientHello: no panic, every split the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tls::fuzz::fuzz_hello;

fuzz_target!(|bytes: &[u8]| fuzz_hello(bytes));
