//! Certificates with suites that go with them: those that everybody speaks, or those of RFC 8998.

use super::key_log;
use crate::limits::{EARLY_DATA_TRIED_BYTES_MAX, EARLY_DATA_TRIED_SM_BYTES_MAX};
use crate::provider::{Choice, code};
use crate::store::{Store, is_usable};
use crate::verify::{Believed, ClientVerifier, Signatures};
use crate::{
    ClientAuth, Identity, Offer, ServerSettings, SettingsError, Suite, sessions, time::PassedTime,
};
use ring::digest;
use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use std::sync::Arc;

/// Certificates with suites that go with them.
pub(super) struct Family {
    pub(super) store: Arc<Store>,
    pub(super) verifier: Option<Arc<ClientVerifier>>,
    pub(super) config: Arc<ServerConfig>,
    /// The same, taking suites in the client's order: for one that puts ChaCha20 first, which says that it has no
    /// instructions for AES. `None`: our order is what was asked for.
    pub(super) chacha: Option<Arc<ServerConfig>>,
    pub(super) suites: Vec<Suite>,
}

impl Family {
    pub(super) fn new(
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

    pub(super) fn has(&self, suite: u16) -> bool {
        self.suites.contains(&Suite(suite))
    }

    /// A suite is shared of the version that it comes to with a client of TLS 1.3.
    pub(super) fn shares_suite(&self, offer: &Offer) -> bool {
        let is_tls13 = self.suites.iter().any(|suite| suite.is_tls13());
        let mut suites = offer.suites.iter().map(|suite| Suite(*suite));
        suites.any(|suite| suite.is_tls13() == is_tls13 && self.suites.contains(&suite))
    }

    pub(super) fn prefers_chacha(&self, offer: &Offer) -> bool {
        let first = offer.suites.iter().find(|suite| self.has(**suite));
        first.is_some_and(|suite| Suite(*suite).is_chacha())
    }
}

pub(super) fn suites_of(config: &ServerConfig) -> Vec<Suite> {
    let all = &config.crypto_provider().cipher_suites;
    all.iter().map(code).collect()
}

pub(super) fn choice(settings: &ServerSettings) -> Choice<'_> {
    Choice {
        versions: settings.versions,
        suites: &settings.suites,
        groups: &settings.groups,
    }
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

/// Of a name that only a standard certificate has, no SM2 certificate is presented to a client that can do both.
pub(super) fn is_for_sm(
    sni: Option<&str>,
    is_sm: impl Fn(&str) -> bool,
    is_standard: impl Fn(&str) -> bool,
) -> bool {
    sni.is_none_or(|sni| is_sm(sni) || !is_standard(sni))
}

/// RFC 8998 is for a client that can do all of it, and either prefers its suites or shares no others with us.
pub(super) fn wants_sm(
    offer: &Offer,
    is_sm: impl Fn(u16) -> bool,
    is_standard: impl Fn(u16) -> bool,
) -> bool {
    const SM2SIG_SM3: u16 = 0x0708;
    const CURVE_SM2: u16 = 41;
    let can_do = offer.schemes.contains(&SM2SIG_SM3) && offer.groups.contains(&CURVE_SM2);
    let mut shared = offer
        .suites
        .iter()
        .filter(|suite| is_sm(**suite) || is_standard(**suite));
    can_do && shared.next().is_some_and(|suite| is_sm(*suite))
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
