//! SM4-GCM: every implementation seals and opens as RustCrypto's does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tls::sm::fuzz::fuzz_sm4_gcm;

fuzz_target!(|bytes: &[u8]| fuzz_sm4_gcm(bytes));
