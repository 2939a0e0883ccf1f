//! gRPC-Web: no panic, every split the same, nothing of a message or of trailers is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringlb::filters::http::grpc_web::fuzz_grpc_web;

fuzz_target!(|bytes: &[u8]| fuzz_grpc_web(bytes));
