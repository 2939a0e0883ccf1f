//! What is known of a session once its handshake is over.

mod certificate;
mod name;

pub use certificate::Certificate;
pub(crate) use certificate::{hex, sha256, unsigned};

use crate::{Suite, Version};
use std::sync::Arc;

/// What a handshake agreed on, and who the peer is.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The version.
    pub version: Version,
    /// The cipher suite.
    pub suite: Suite,
    /// The protocol agreed on (RFC 7301).
    pub alpn: Option<Box<[u8]>>,
    /// The name that the client asked for.
    pub sni: Option<Box<str>>,
    /// The handshake resumed an earlier session.
    pub is_resumed: bool,
    /// The peer presented a certificate that was verified; not so where one is taken unverified
    /// ([`crate::Trust::accept_untrusted`]).
    pub is_validated: bool,
    /// The peer's certificates, leaf first; none if it presented none.
    pub peer: Option<Arc<[Certificate]>>,
    /// Our leaf certificate, if we presented one.
    pub local: Option<Arc<Certificate>>,
}
