//! What is measured is what was: lanes on a simulated network, an endpoint of known delays.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod answers;
mod connections;
mod endpoint;
mod http2;
mod latency;
mod rig;
mod schedule;
mod streams;
