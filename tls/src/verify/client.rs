//! Verification of clients.

use super::Believed;
use crate::Now;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::KeyUsage;

/// Asks clients for a certificate.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    believed: Believed,
    hints: Vec<DistinguishedName>,
    is_required: bool,
}

impl ClientVerifier {
    pub(crate) fn new(believed: Believed, is_required: bool) -> Self {
        Self {
            hints: believed.subjects(),
            believed,
            is_required,
        }
    }

    /// Once more, of a session that was resumed: what it was begun with may have expired or been revoked, and names
    /// that were wanted then may not be wanted now. `chain` is empty if the client presented none.
    pub(crate) fn recheck(&self, chain: &[CertificateDer<'_>], now: Now) -> Result<(), Error> {
        match chain.split_first() {
            Some((leaf, rest)) => self
                .believed
                .verify(leaf, rest, now, KeyUsage::client_auth()),
            None if self.is_required => Err(Error::NoCertificatesPresented),
            None => Ok(()),
        }
    }

    /// Whether the chain that a client has presented is believed.
    pub(crate) fn validates(&self, chain: &[CertificateDer<'_>], now: Now) -> bool {
        let usage = KeyUsage::client_auth();
        self.believed.validates(chain, now, usage)
    }

    pub(crate) fn digest(&self, digest: &mut ring::digest::Context) {
        digest.update(&[1 + u8::from(self.is_required)]);
        self.believed.digest(digest);
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let now = Now::from_secs(now.as_secs());
        self.believed
            .verify(leaf, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.believed
            .signatures()
            .verify_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.believed
            .signatures()
            .verify_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.believed.signatures().schemes()
    }
}
