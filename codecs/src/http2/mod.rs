//! HTTP/2 (RFC 9113).

#[doc(hidden)]
pub mod hpack;
