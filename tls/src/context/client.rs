//! What the sessions to the endpoints of one cluster share.

use super::key_log;
use crate::provider::{Choice, code};
use crate::verify::{Believed, ServerVerifier, Signatures};
use crate::{
    Client, ClientSettings, Identity, KeyKind, Now, Provider, SettingsError, Suite,
    session::note_presented, time::PassedTime,
};
use rustls::client::{ClientConfig, ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, client::danger::ServerCertVerifier};
use std::{fmt, sync::Arc};

/// What the sessions to the endpoints of one cluster share. Sessions are remembered by the name of the server, as
/// rustls does, up to eight of TLS 1.3 and one of TLS 1.2 for each: endpoints of one name should share their ticket keys, or full handshakes are made
/// again.
pub struct ClientContext {
    /// For sessions that check the name of the server.
    named: Arc<ClientConfig>,
    /// For those that do not; what they remember is theirs, as a session that is resumed is not verified.
    unnamed: Arc<ClientConfig>,
    verifier: Arc<ServerVerifier>,
    identity: Option<Identity>,
}

impl ClientContext {
    /// # Errors
    /// A setting that cannot be used.
    pub fn new(provider: &Provider, settings: ClientSettings) -> Result<Arc<Self>, SettingsError> {
        let (crypto, signatures) = crypto(provider, &settings)?;
        if let Some(identity) = &settings.identity {
            check_identity(provider, identity, &crypto)?;
        }
        let believed = match &settings.server {
            Client::Unverified => None,
            Client::Verified(trust) => {
                let believed = Believed::new(trust.clone(), signatures.clone());
                Some(Arc::new(believed.map_err(|error| error.within("server"))?))
            }
        };
        let verifier = |checks_name| {
            Arc::new(ServerVerifier::new(
                believed.clone(),
                signatures.clone(),
                checks_name,
            ))
        };
        let named = verifier(true);
        Ok(Arc::new(Self {
            unnamed: Arc::new(config(&crypto, verifier(false), &settings)?),
            named: Arc::new(config(&crypto, named.clone(), &settings)?),
            verifier: named,
            identity: settings.identity,
        }))
    }

    /// The configuration for a session that checks the name of the server, or one that does not.
    pub(crate) fn config(&self, checks_name: bool) -> &Arc<ClientConfig> {
        if checks_name {
            &self.named
        } else {
            &self.unnamed
        }
    }

    /// Checks the server of a session that was resumed as if it had presented its chain now.
    ///
    /// # Errors
    /// It is not believed any more.
    pub(crate) fn recheck(
        &self,
        chain: &[CertificateDer<'_>],
        now: Now,
    ) -> Result<(), rustls::Error> {
        self.verifier.recheck(chain, now)
    }

    /// The same with a configuration of rustls' in place of what the settings gave, for tests: no settings limit the
    /// use of a key, for example.
    #[doc(hidden)]
    pub fn with_config(&self, mut config: ClientConfig) -> Arc<Self> {
        config.enable_secret_extraction = true;
        config.time_provider = Arc::new(PassedTime);
        let config = Arc::new(config);
        Arc::new(Self {
            named: config.clone(),
            unnamed: config,
            verifier: self.verifier.clone(),
            identity: self.identity.clone(),
        })
    }

    /// Whether the chain that a server has presented is believed.
    pub(crate) fn validates(&self, chain: &[CertificateDer<'_>], now: Now) -> bool {
        self.verifier.validates(chain, now)
    }

    /// Our certificate, presented to servers that ask for one.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}

/// RFC 8998 is offered where its suites are named, or where our certificate needs it.
fn crypto(
    provider: &Provider,
    settings: &ClientSettings,
) -> Result<(CryptoProvider, Signatures), SettingsError> {
    let choice = Choice {
        versions: settings.versions,
        suites: &settings.suites,
        groups: &settings.groups,
    };
    choice.check(provider)?;
    let has_sm = |identity: &Identity| identity.kind() == KeyKind::Sm2;
    let wants_sm = settings.suites.iter().copied().any(Suite::is_sm)
        || settings.identity.as_ref().is_some_and(has_sm);
    let mut merged = CryptoProvider::clone(&provider.standard);
    let mut signatures = Signatures::of(&merged);
    if let Some(sm) = provider.sm.as_ref().filter(|_| wants_sm) {
        merged
            .cipher_suites
            .splice(0..0, sm.cipher_suites.iter().copied());
        merged.kx_groups.splice(0..0, sm.kx_groups.iter().copied());
        signatures = signatures.and(sm);
    }
    Ok((choice.of(&merged)?, signatures))
}

fn check_identity(
    provider: &Provider,
    identity: &Identity,
    crypto: &CryptoProvider,
) -> Result<(), SettingsError> {
    let wrong = |why: String| Err(SettingsError::new("identity", why));
    if provider.is_seeded && !matches!(identity.kind(), KeyKind::Ed25519 | KeyKind::Sm2) {
        return wrong("only Ed25519 signs without chance".into());
    }
    let mut suites = crypto.cipher_suites.iter().map(code);
    if identity.kind() == KeyKind::Sm2 && !suites.any(Suite::is_sm) {
        return wrong("SM2 is not supported, or not by these versions and suites".into());
    }
    Ok(())
}

fn config(
    crypto: &CryptoProvider,
    verifier: Arc<dyn ServerCertVerifier>,
    settings: &ClientSettings,
) -> Result<ClientConfig, SettingsError> {
    let versions = Choice {
        versions: settings.versions,
        suites: &[],
        groups: &[],
    }
    .versions();
    let crypto = Arc::new(crypto.clone());
    let builder = ClientConfig::builder_with_details(crypto, Arc::new(PassedTime))
        .with_protocol_versions(&versions)
        .map_err(|error| SettingsError::new("suites", error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(Own(identity.clone()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = settings.alpn.clone();
    config.enable_secret_extraction = true;
    config.enable_early_data = false;
    config.key_log = key_log::bridge(settings.key_log.as_ref());
    config.resumption = match settings.sessions_max {
        0 => Resumption::disabled(),
        // rustls takes it that there are eight for each server.
        max => Resumption::in_memory_sessions(max.saturating_mul(8)),
    };
    Ok(config)
}

/// Our certificate. It is presented whichever CAs the server names, as it is the one that was configured.
#[derive(Debug)]
struct Own(Identity);

impl ResolvesClientCert for Own {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let presented = self.0.plain();
        presented.key.choose_scheme(schemes)?;
        note_presented();
        Some(presented.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ClientContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientContext")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Ca, RSA};
    use rcgen::KeyPair;

    #[test]
    fn our_certificate_is_presented_where_its_signature_can_be_verified() {
        let ca = Ca::new("ca");
        let rsa = ca.issue(KeyPair::from_pem(RSA).unwrap(), &["c.test"], |_| {});
        let (ecdsa, rsa) = (Own(ca.leaf(&["c.test"]).identity()), Own(rsa.identity()));
        let (p256, pss) = (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
        );
        for (own, schemes, is_presented) in [
            (&ecdsa, &[p256, pss][..], true),
            (&ecdsa, &[pss], false),
            (&rsa, &[p256, pss], true),
            (&rsa, &[p256], false),
        ] {
            assert_eq!(own.resolve(&[], schemes).is_some(), is_presented);
        }
    }
}
