//! What is known of a session once its handshake is over.

use crate::{Now, Suite, Version};
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
    /// The peer's certificates, leaf first; none if it presented none.
    pub peer: Option<Arc<[Certificate]>>,
    /// Our leaf certificate, if we presented one.
    pub local: Option<Arc<Certificate>>,
}

/// A certificate, in DER; what is asked of it is parsed when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Arc<[u8]>,
}

impl Certificate {
    pub(crate) fn new(der: &[u8]) -> Self {
        Self { der: der.into() }
    }

    /// Its DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its PEM encoding, RFC 7468, with a final newline.
    pub fn pem(&self) -> String {
        todo!()
    }

    /// SHA-256 of the DER encoding.
    pub fn sha256(&self) -> [u8; 32] {
        todo!()
    }

    /// The subject as RFC 2253 writes it, e.g. `CN=client,O=Example`.
    pub fn subject(&self) -> String {
        todo!()
    }

    /// The issuer as RFC 2253 writes it.
    pub fn issuer(&self) -> String {
        todo!()
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial(&self) -> String {
        todo!()
    }

    /// Beginning and end of its validity.
    pub fn validity(&self) -> (Now, Now) {
        todo!()
    }

    /// Subject alternative names of a kind.
    pub fn sans(&self, kind: crate::SanKind) -> Vec<String> {
        let _ = kind;
        todo!()
    }
}
