//! TLS for ringlb: bytes in, bytes out, on rustls.
//!
//! Nothing stands here yet; the crate marks the place and the edges that `tests/layers` guards.
#![deny(unsafe_code)]
