//! The real command against a small endpoint, on every engine of the kernel.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod agreement;
mod bad_input;
mod process;
mod results;
mod run;
mod secure;
mod secure_server;
mod serve_secure;
mod server;
mod streams;
