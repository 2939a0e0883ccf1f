//! HTTP/2 (RFC 9113) and its header compression (RFC 7541).

mod options;

pub use options::Options;

/// Limits against abuse: each is the `detail` of what it refuses.
pub static LIMITS: &[&str] = &[];
