//! Signatures that can be verified: of certificates, and of handshakes.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// The algorithms of one or more providers.
#[derive(Clone, Debug)]
pub(crate) struct Signatures {
    /// Never empty.
    parts: Vec<WebPkiSupportedAlgorithms>,
}

type Valid = Result<HandshakeSignatureValid, Error>;

impl Signatures {
    pub(crate) fn of(crypto: &CryptoProvider) -> Self {
        Self {
            parts: vec![crypto.signature_verification_algorithms],
        }
    }

    pub(crate) fn and(mut self, crypto: &CryptoProvider) -> Self {
        self.parts.push(crypto.signature_verification_algorithms);
        self
    }

    pub(super) fn all(&self) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
        self.parts
            .iter()
            .flat_map(|part| part.all)
            .copied()
            .collect()
    }

    pub(super) fn schemes(&self) -> Vec<SignatureScheme> {
        self.parts
            .iter()
            .flat_map(WebPkiSupportedAlgorithms::supported_schemes)
            .collect()
    }

    pub(super) fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Valid {
        verify_tls12_signature(message, certificate, signed, self.part(signed.scheme))
    }

    pub(super) fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Valid {
        verify_tls13_signature(message, certificate, signed, self.part(signed.scheme))
    }

    /// The part that knows a scheme, or any, which refuses it then.
    fn part(&self, scheme: SignatureScheme) -> &WebPkiSupportedAlgorithms {
        let knows = |part: &&WebPkiSupportedAlgorithms| {
            part.mapping.iter().any(|(known, _)| *known == scheme)
        };
        self.parts.iter().find(knows).unwrap_or(&self.parts[0])
    }
}
