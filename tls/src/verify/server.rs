//! Verification of servers.

use super::{
    Believed, Signatures,
    error::{from_webpki, wrong_name},
};
use crate::{Certificate, Now};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage};

/// Verifies servers. A server always proves that it has the key of its certificate, be it believed or not.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    /// `None`: the server may be anybody.
    believed: Option<Arc<Believed>>,
    signatures: Signatures,
    checks_name: bool,
}

impl ServerVerifier {
    /// One for sessions that check the server's name, or one for those that do not.
    pub(crate) fn new(
        believed: Option<Arc<Believed>>,
        signatures: Signatures,
        checks_name: bool,
    ) -> Self {
        Self {
            believed,
            signatures,
            checks_name,
        }
    }

    /// Once more, of a session that was resumed; its name is that of the first.
    pub(crate) fn recheck(&self, chain: &[CertificateDer<'_>], now: Now) -> Result<(), Error> {
        match (&self.believed, chain.split_first()) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Error::NoCertificatesPresented),
            (Some(believed), Some((leaf, rest))) => {
                believed.verify(leaf, rest, now, KeyUsage::server_auth())
            }
        }
    }
}

impl ServerVerifier {
    /// Whether the chain that a server has presented is believed.
    pub(crate) fn validates(&self, chain: &[CertificateDer<'_>], now: Now) -> bool {
        let usage = KeyUsage::server_auth();
        let believed = self.believed.as_ref();
        believed.is_some_and(|believed| believed.validates(chain, now, usage))
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(believed) = &self.believed {
            let now = Now::from_secs(now.as_secs());
            believed.verify(leaf, intermediates, now, KeyUsage::server_auth())?;
            if self.checks_name && believed.checks_name() && !believed.accepts_untrusted() {
                let parsed = EndEntityCert::try_from(leaf).map_err(from_webpki)?;
                let valid = parsed.verify_is_valid_for_subject_name(name);
                valid.map_err(|error| {
                    if let webpki::Error::CertNotValidForName(_) = error {
                        return wrong_name(&Certificate::new(leaf), name);
                    }
                    from_webpki(error)
                })?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
