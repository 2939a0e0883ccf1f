//! A certificate chain with its private key.

use crate::{Now, SettingsError};

/// A certificate chain with its private key, checked to belong together.
#[derive(Clone)]
pub struct Identity {}

impl Identity {
    /// Reads a chain, leaf first, and the key of the leaf from PEM (PKCS#8, PKCS#1 or SEC 1; RSA, ECDSA P-256,
    /// P-384 or P-521 as far as the provider goes, Ed25519, SM2).
    ///
    /// # Errors
    /// What is not PEM, not a certificate or key, or does not belong together; field `chain` or `key`.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, SettingsError> {
        let _ = (chain, key);
        todo!()
    }

    /// The same with an OCSP response in DER to be stapled (RFC 6066 §8); checked to be for the leaf.
    ///
    /// # Errors
    /// It is not a response for this certificate, or not a good one; field `ocsp_staple`.
    pub fn with_ocsp(self, response: &[u8]) -> Result<Self, SettingsError> {
        let _ = response;
        todo!()
    }

    /// When the first certificate of the chain to expire does.
    pub fn expires(&self) -> Now {
        todo!()
    }

    /// DNS names of the leaf: subject alternative names, or the common name where there are none.
    pub fn names(&self) -> &[Box<str>] {
        todo!()
    }
}
