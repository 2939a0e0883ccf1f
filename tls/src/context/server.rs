//! What the sessions of one listener share.

use super::family::{Family, choice, is_for_sm, suites_of, wants_sm};
use crate::time::PassedTime;
use crate::{Certificate, Identity, KeyKind, Now, Offer, Provider, ServerSettings, SettingsError};
use rustls::pki_types::CertificateDer;
use rustls::server::ServerConfig;
use std::{fmt, sync::Arc};

/// What the sessions of one listener share.
pub struct ServerContext {
    /// For what everybody speaks; or for RFC 8998, if all certificates are SM2's.
    standard: Family,
    /// For RFC 8998, where there are certificates of both.
    sm: Option<Family>,
    requires_sni: bool,
    must_staple: bool,
}

impl ServerContext {
    /// # Errors
    /// A setting that cannot be used.
    pub fn new(provider: &Provider, settings: ServerSettings) -> Result<Arc<Self>, SettingsError> {
        check(provider, &settings)?;
        let is_sm = |identity: &Identity| identity.kind() == KeyKind::Sm2;
        let (sm, standard): (Vec<_>, Vec<_>) = settings.identities.iter().cloned().partition(is_sm);
        let mut families = Vec::new();
        if !standard.is_empty() {
            families.push(Family::new(&provider.standard, standard, &settings)?);
        }
        if !sm.is_empty() {
            let crypto = provider.sm.as_ref();
            let crypto =
                crypto.ok_or_else(|| SettingsError::new("identities", "SM2 is not supported"))?;
            families.push(Family::new(crypto, sm, &settings)?);
        }
        let mut families = families.into_iter();
        let standard = families.next();
        let standard =
            standard.ok_or_else(|| SettingsError::new("identities", "there is no certificate"))?;
        Ok(Arc::new(Self {
            standard,
            sm: families.next(),
            requires_sni: settings.require_sni,
            must_staple: settings.must_staple,
        }))
    }

    /// Clients that ask for no name are refused.
    pub(crate) fn requires_sni(&self) -> bool {
        self.requires_sni
    }

    /// The certificate that a client would get has to have a staple, and its staple is outdated.
    pub(crate) fn lacks_staple(&self, offer: &Offer, now: Now) -> bool {
        let chosen = || self.family(offer).store.choose(offer);
        self.must_staple && chosen().is_some_and(|identity| !identity.is_stapled(now))
    }

    /// The configuration for a client.
    pub(crate) fn config(&self, offer: &Offer) -> &Arc<ServerConfig> {
        let family = self.family(offer);
        match &family.chacha {
            Some(chacha) if family.prefers_chacha(offer) => chacha,
            Some(_) | None => &family.config,
        }
    }

    /// A suite that the client offers is one of ours.
    pub(crate) fn has_suite_of(&self, offer: &Offer) -> bool {
        let family = self.family(offer);
        offer.suites.iter().any(|suite| family.has(*suite))
    }

    /// The certificate that a client gets; it makes the choice of the handshake again.
    pub(crate) fn local(&self, offer: &Offer) -> Option<Arc<Certificate>> {
        let identity = self.family(offer).store.choose(offer)?;
        Some(identity.certificate().clone())
    }

    /// Checks a client of a session that was resumed as if it had presented its chain now.
    ///
    /// # Errors
    /// It is not believed any more.
    pub(crate) fn recheck(
        &self,
        chain: &[CertificateDer<'_>],
        now: Now,
    ) -> Result<(), rustls::Error> {
        let families = std::iter::once(&self.standard).chain(&self.sm);
        let mut verifiers = families.filter_map(|family| family.verifier.as_ref());
        let Some(first) = verifiers.next() else {
            return Ok(());
        };
        // A chain is of one family, whose algorithms the other does not have.
        let all = std::iter::once(first).chain(verifiers);
        let mut results = all.map(|verifier| verifier.recheck(chain, now));
        let first = results.next().unwrap_or(Ok(()));
        first.or_else(|error| results.find(Result::is_ok).unwrap_or(Err(error)))
    }

    /// The same with a configuration of rustls' in place of what the settings gave, for tests: no settings limit the
    /// use of a key, for example.
    #[doc(hidden)]
    pub fn with_config(&self, mut config: ServerConfig) -> Arc<Self> {
        config.enable_secret_extraction = true;
        config.time_provider = Arc::new(PassedTime);
        let standard = Family {
            store: self.standard.store.clone(),
            verifier: self.standard.verifier.clone(),
            suites: suites_of(&config),
            config: Arc::new(config),
            chacha: None,
        };
        Arc::new(Self {
            standard,
            sm: None,
            requires_sni: false,
            must_staple: false,
        })
    }

    /// Whether the chain that a client has presented is believed.
    pub(crate) fn validates(&self, chain: &[CertificateDer<'_>], now: Now) -> bool {
        let families = std::iter::once(&self.standard).chain(&self.sm);
        let mut verifiers = families.filter_map(|family| family.verifier.as_ref());
        verifiers.any(|verifier| verifier.validates(chain, now))
    }

    fn family(&self, offer: &Offer) -> &Family {
        let standard = &self.standard;
        let has_choice = standard.shares_suite(offer);
        let is_named = |sm: &Family| {
            is_for_sm(
                offer.sni.as_deref(),
                |sni| sm.store.has_name(sni),
                |sni| standard.store.has_name(sni),
            )
        };
        let wants = |sm: &&Family| {
            (is_named(sm) || !has_choice)
                && wants_sm(offer, |suite| sm.has(suite), |suite| standard.has(suite))
        };
        self.sm.as_ref().filter(wants).unwrap_or(&self.standard)
    }
}

fn check(provider: &Provider, settings: &ServerSettings) -> Result<(), SettingsError> {
    choice(settings).check(provider)?;
    let unstapled = settings.identities.iter().position(|one| !one.has_staple());
    if let Some(i) = unstapled.filter(|_| settings.must_staple) {
        let reason = "an OCSP response is needed, as `must_staple` says";
        return Err(SettingsError::new(format!("identities[{i}]"), reason));
    }
    let is_random =
        |identity: &Identity| !matches!(identity.kind(), KeyKind::Ed25519 | KeyKind::Sm2);
    if provider.is_seeded && settings.identities.iter().any(is_random) {
        return Err(SettingsError::new(
            "identities",
            "only Ed25519 signs without chance",
        ));
    }
    Ok(())
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext")
            .field("standard", &self.standard.store)
            .field("sm", &self.sm.as_ref().map(|sm| &sm.store))
            .finish()
    }
}
