//! HTTP/2, both sides: no panic, and any split of the input gives the same frames.
#![no_main]

use codecs::http2::fuzz::fuzz_http2;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_http2(bytes));
