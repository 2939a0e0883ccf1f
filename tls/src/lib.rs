//! TLS for ringlb: bytes in, bytes out, on rustls.
//!
//! Nothing stands here yet; the crate marks the place and the edges that the dependency test guards.
#![deny(unsafe_code)]
