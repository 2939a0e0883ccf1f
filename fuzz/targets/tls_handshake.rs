//! The handshake of TLS: no panic, no more memory than stated, nothing agreed on that an undisturbed peer would not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tls::fuzz::fuzz_handshake;

fuzz_target!(|bytes: &[u8]| fuzz_handshake(bytes));
