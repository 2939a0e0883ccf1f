//! What the sessions of one listener share.

use super::key_log;
use crate::limits::{EARLY_DATA_TRIED_BYTES_MAX, EARLY_DATA_TRIED_SM_BYTES_MAX};
use crate::provider::{Choice, code};
use crate::store::{Store, is_usable};
use crate::verify::{Believed, ClientVerifier, Signatures};
use crate::{
    Certificate, ClientAuth, Identity, KeyKind, Now, Offer, Provider, ServerSettings,
    SettingsError, Suite, sessions, time::PassedTime,
};
use ring::digest;
use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
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

/// Certificates with suites that go with them.
struct Family {
    store: Arc<Store>,
    verifier: Option<Arc<ClientVerifier>>,
    config: Arc<ServerConfig>,
    /// The same, taking suites in the client's order: for one that puts ChaCha20 first, which says that it has no
    /// instructions for AES. `None`: our order is what was asked for.
    chacha: Option<Arc<ServerConfig>>,
    suites: Vec<Suite>,
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

/// Of a name that only a standard certificate has, no SM2 certificate is presented to a client that can do both.
fn is_for_sm(
    sni: Option<&str>,
    is_sm: impl Fn(&str) -> bool,
    is_standard: impl Fn(&str) -> bool,
) -> bool {
    sni.is_none_or(|sni| is_sm(sni) || !is_standard(sni))
}

/// RFC 8998 is for a client that can do all of it, and either prefers its suites or shares no others with us.
fn wants_sm(offer: &Offer, is_sm: impl Fn(u16) -> bool, is_standard: impl Fn(u16) -> bool) -> bool {
    const SM2SIG_SM3: u16 = 0x0708;
    const CURVE_SM2: u16 = 41;
    let can_do = offer.schemes.contains(&SM2SIG_SM3) && offer.groups.contains(&CURVE_SM2);
    let mut shared = offer
        .suites
        .iter()
        .filter(|suite| is_sm(**suite) || is_standard(**suite));
    can_do && shared.next().is_some_and(|suite| is_sm(*suite))
}

impl Family {
    fn new(
        crypto: &CryptoProvider,
        identities: Vec<Identity>,
        settings: &ServerSettings,
    ) -> Result<Self, SettingsError> {
        let choice = choice(settings);
        let crypto = choice.of(crypto)?;
        check_suites(&identities, &crypto)?;
        let verifier = verifier(&settings.client_auth, &crypto)?;
        let suites = crypto.cipher_suites.clone();
        let store = Arc::new(Store::new(identities, suites, settings.scan_all));
        let config = config(crypto, &store, verifier.as_ref(), settings)?;
        let chacha = settings.suites.is_empty().then(|| {
            let mut config = config.clone();
            config.ignore_client_order = false;
            Arc::new(config)
        });
        Ok(Self {
            suites: suites_of(&config),
            store,
            verifier,
            config: Arc::new(config),
            chacha,
        })
    }

    fn has(&self, suite: u16) -> bool {
        self.suites.contains(&Suite(suite))
    }

    /// A suite is shared of the version that it comes to with a client of TLS 1.3.
    fn shares_suite(&self, offer: &Offer) -> bool {
        let is_tls13 = self.suites.iter().any(|suite| suite.is_tls13());
        let mut suites = offer.suites.iter().map(|suite| Suite(*suite));
        suites.any(|suite| suite.is_tls13() == is_tls13 && self.suites.contains(&suite))
    }

    fn prefers_chacha(&self, offer: &Offer) -> bool {
        let first = offer.suites.iter().find(|suite| self.has(**suite));
        first.is_some_and(|suite| Suite(*suite).is_chacha())
    }
}

fn suites_of(config: &ServerConfig) -> Vec<Suite> {
    let all = &config.crypto_provider().cipher_suites;
    all.iter().map(code).collect()
}

fn choice(settings: &ServerSettings) -> Choice<'_> {
    Choice {
        versions: settings.versions,
        suites: &settings.suites,
        groups: &settings.groups,
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

/// Every certificate has a suite that it can be used with, and so has every version that suites are named for.
fn check_suites(identities: &[Identity], crypto: &CryptoProvider) -> Result<(), SettingsError> {
    for identity in identities {
        if !is_usable(identity, &crypto.cipher_suites) {
            let why = format!("none can be used with the {} certificate", identity.kind());
            return Err(SettingsError::new("suites", why));
        }
    }
    for (is_tls13, version) in [(false, "TLS 1.2"), (true, "TLS 1.3")] {
        let is_of = |suite: &SupportedCipherSuite| suite.tls13().is_some() == is_tls13;
        let suites: Vec<_> = crypto.cipher_suites.iter().copied().filter(is_of).collect();
        let fits = identities
            .iter()
            .any(|identity| is_usable(identity, &suites));
        if !suites.is_empty() && !fits {
            let why = format!("none of {version} can be used with these certificates");
            return Err(SettingsError::new("suites", why));
        }
    }
    Ok(())
}

fn verifier(
    client_auth: &ClientAuth,
    crypto: &CryptoProvider,
) -> Result<Option<Arc<ClientVerifier>>, SettingsError> {
    let (trust, is_required) = match client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Optional(trust) => (trust, false),
        ClientAuth::Required(trust) => (trust, true),
    };
    let believed = Believed::new(trust.clone(), Signatures::of(crypto));
    let believed = believed.map_err(|error| error.within("client_auth"))?;
    Ok(Some(Arc::new(ClientVerifier::new(believed, is_required))))
}

fn config(
    crypto: CryptoProvider,
    store: &Arc<Store>,
    verifier: Option<&Arc<ClientVerifier>>,
    settings: &ServerSettings,
) -> Result<ServerConfig, SettingsError> {
    let random = crypto.secure_random;
    let is_sm = crypto.cipher_suites.iter().map(code).any(Suite::is_sm);
    let builder = ServerConfig::builder_with_details(Arc::new(crypto), Arc::new(PassedTime))
        .with_protocol_versions(&choice(settings).versions())
        .map_err(|error| SettingsError::new("suites", error.to_string()))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_client_cert_verifier(WebPkiClientVerifier::no_client_auth()),
    };
    let mut config = builder.with_cert_resolver(store.clone());
    config.alpn_protocols = settings.alpn.clone();
    config.ignore_client_order = true;
    config.enable_secret_extraction = true;
    // None is taken where tickets are stateless, or there are none (TLS 1.3): this is how much is passed over.
    config.max_early_data_size = match is_sm {
        true => EARLY_DATA_TRIED_SM_BYTES_MAX,
        false => EARLY_DATA_TRIED_BYTES_MAX,
    };
    config.key_log = key_log::bridge(settings.key_log.as_ref());
    config.session_storage = sessions::storage(settings.sessions_max, settings.session_time);
    match &settings.tickets {
        Some(tickets) => {
            let context = context_digest(store, verifier);
            config.ticketer = tickets.for_context(context, settings.session_time, random);
            if is_sm {
                // `sm::flight`: a second would be a record that rustls does not count.
                config.send_tls13_tickets = 1;
            }
        }
        None => config.send_tls13_tickets = 0,
    }
    Ok(config)
}

/// What has to be the same where a ticket is taken: names and issuers of the certificates, so that a session that was
/// begun with one site is not continued with another, and the trust in clients.
fn context_digest(store: &Store, verifier: Option<&Arc<ClientVerifier>>) -> [u8; 32] {
    let mut sites: Vec<String> = Vec::new();
    for identity in store.identities() {
        sites.push(format!(
            "{:?} {}",
            identity.names(),
            identity.certificate().issuer()
        ));
    }
    sites.sort_unstable();
    sites.dedup();
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(format!("{sites:?}").as_bytes());
    match verifier {
        Some(verifier) => verifier.digest(&mut context),
        None => context.update(&[0]),
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext")
            .field("standard", &self.standard.store)
            .field("sm", &self.sm.as_ref().map(|sm| &sm.store))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sm2_certificate_is_not_for_a_name_that_only_another_has() {
        for (sni, is_wanted) in [
            (None, true),
            (Some("sm.test"), true),
            (Some("both.test"), true),
            (Some("standard.test"), false),
            (Some("neither.test"), true),
        ] {
            let is_sm = |sni: &str| ["sm.test", "both.test"].contains(&sni);
            let is_standard = |sni: &str| ["standard.test", "both.test"].contains(&sni);
            assert_eq!(is_for_sm(sni, is_sm, is_standard), is_wanted, "{sni:?}");
        }
    }

    #[test]
    fn rfc_8998_is_for_those_that_can_do_it_and_prefer_it() {
        let (sm, aes, foreign) = (0x00C6, 0x1301, 0x1305);
        for (suites, groups, schemes, is_wanted) in [
            (&[sm][..], &[41][..], &[0x0708][..], true),
            (&[foreign, sm], &[29, 41], &[0x0403, 0x0708], true),
            (&[sm, aes], &[41], &[0x0708], true),
            (&[aes, sm], &[41], &[0x0708], false),
            (&[sm], &[29], &[0x0708], false),
            (&[sm], &[41], &[0x0403], false),
            (&[foreign], &[41], &[0x0708], false),
            (&[], &[41], &[0x0708], false),
        ] {
            let offer = Offer {
                suites: suites.to_vec(),
                groups: groups.to_vec(),
                schemes: schemes.to_vec(),
                ..Offer::default()
            };
            let found = wants_sm(&offer, |suite| suite == sm, |suite| suite == aes);
            assert_eq!(found, is_wanted, "{offer:?}");
        }
    }
}
