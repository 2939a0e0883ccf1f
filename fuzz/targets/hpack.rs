//! Header compression: no panic, bounded memory, nothing changes when it is encoded anew.
#![no_main]

use codecs::http2::hpack::fuzz::fuzz_hpack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz_hpack(bytes));
