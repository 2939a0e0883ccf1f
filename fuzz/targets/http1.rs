//! HTTP/1: no panic, every split the same, nothing changes when it is written anew.
#![no_main]

use codecs::http1::fuzz::fuzz_http1;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_http1(bytes));
