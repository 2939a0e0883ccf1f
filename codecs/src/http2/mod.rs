//! HTTP/2 (RFC 9113) and its header compression (RFC 7541).

#[doc(hidden)]
pub mod hpack;
mod options;

pub use options::Options;
