//! The certificates of a listener, and which of them a client gets.
//!
//! The choice depends on nothing but the store and what the client offers, so that it can be made again to tell which
//! certificate was presented.

use crate::{Identity, KeyKind, Now, Offer, time::PassedTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{SignatureAlgorithm, SignatureScheme, SupportedCipherSuite};
use std::{collections::HashMap, fmt, sync::Arc};

/// Certificates by name.
pub(crate) struct Store {
    identities: Vec<Identity>,
    /// By exact name; those of one name that are not RSA first, then in the order of the settings.
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Vec<usize>>,
    /// The first of each kind of key, in the same order.
    kinds: Vec<usize>,
    suites: Vec<SupportedCipherSuite>,
    scan_all: bool,
}

/// What a certificate is chosen by.
struct Wish<'a> {
    sni: Option<&'a str>,
    schemes: &'a [SignatureScheme],
    /// Suites that are ours and the client's.
    common: Vec<SupportedCipherSuite>,
}

impl Store {
    /// `identities`: at least one, the first is the default. `suites`: those of the listener.
    pub(crate) fn new(
        identities: Vec<Identity>,
        suites: Vec<SupportedCipherSuite>,
        scan_all: bool,
    ) -> Self {
        debug_assert!(!identities.is_empty(), "a listener without a certificate");
        let mut store = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            kinds: Vec::new(),
            identities,
            suites,
            scan_all,
        };
        let mut order: Vec<usize> = (0..store.identities.len()).collect();
        order.sort_by_key(|i| store.identities[*i].kind() == KeyKind::Rsa);
        for i in order {
            store.insert(i);
        }
        store
    }

    fn insert(&mut self, i: usize) {
        let identity = &self.identities[i];
        for name in identity.names() {
            let (map, name) = match name.strip_prefix("*.") {
                Some(rest) => (&mut self.wildcard, rest),
                None => (&mut self.exact, &**name),
            };
            let list = map.entry(name.into()).or_default();
            if !list.contains(&i) {
                list.push(i);
            }
        }
        let is_same = |other: &usize| self.identities[*other].kind() == identity.kind();
        if !self.kinds.iter().any(is_same) {
            self.kinds.push(i);
        }
    }

    /// The one for a client, which cannot verify it if it can verify none.
    pub(crate) fn choose(&self, offer: &Offer) -> Option<&Identity> {
        let schemes: Vec<_> = offer
            .schemes
            .iter()
            .copied()
            .map(SignatureScheme::from)
            .collect();
        self.find(&Wish {
            sni: offer.sni.as_deref(),
            schemes: &schemes,
            common: self.common(|suite| offer.suites.contains(&suite)),
        })
    }

    fn common(&self, is_offered: impl Fn(u16) -> bool) -> Vec<SupportedCipherSuite> {
        let own = self.suites.iter();
        own.filter(|suite| is_offered(suite.suite().into()))
            .copied()
            .collect()
    }

    /// By exact name, by wildcard (RFC 6125 §6.4.3: one label), or else the default; without a name, and with
    /// `scan_all`, rather one that the client can verify.
    fn find(&self, wish: &Wish<'_>) -> Option<&Identity> {
        let usable = |list: &'_ [usize]| {
            let mut list = list.iter().map(|i| &self.identities[*i]);
            list.find(|identity| wish.is_met(identity))
        };
        let mut named = wish.sni.into_iter().flat_map(|sni| self.named(sni));
        if let Some(identity) = named.find_map(|list| usable(list)) {
            return Some(identity);
        }
        let scanned = (wish.sni.is_none() || self.scan_all).then(|| usable(&self.kinds));
        scanned.flatten().or_else(|| self.identities.first())
    }

    /// The certificates for a name: those that have it, then those that have a wildcard for it.
    fn named(&self, sni: &str) -> impl Iterator<Item = &Vec<usize>> {
        let sni = sni.trim_end_matches('.').to_ascii_lowercase();
        let exact = self.exact.get(sni.as_str());
        let parent = sni.split_once('.').map(|(_, parent)| parent);
        let wildcard = parent.and_then(|parent| self.wildcard.get(parent));
        [exact, wildcard].into_iter().flatten()
    }

    /// There is a certificate for a name.
    pub(crate) fn has_name(&self, sni: &str) -> bool {
        self.named(sni).next().is_some()
    }

    pub(crate) fn identities(&self) -> &[Identity] {
        &self.identities
    }
}

impl Wish<'_> {
    /// The client can verify what such a key signs, in the version that its suites lead to.
    fn is_met(&self, identity: &Identity) -> bool {
        let key = &identity.plain().key;
        if self.common.iter().any(|suite| suite.tls13().is_some()) {
            let is_tls13 = |scheme: &&SignatureScheme| is_tls13(**scheme);
            let schemes: Vec<_> = self.schemes.iter().filter(is_tls13).copied().collect();
            return key.choose_scheme(&schemes).is_some();
        }
        let is_fit =
            |suite: &SupportedCipherSuite| suite.usable_for_signature_algorithm(key.algorithm());
        self.common.iter().any(is_fit) && key.choose_scheme(self.schemes).is_some()
    }
}

/// RFC 8446 §4.2.3: PKCS #1 (…01) and SHA-1 (02…) are for certificates only.
fn is_tls13(scheme: SignatureScheme) -> bool {
    let [hash, signature] = u16::from(scheme).to_be_bytes();
    signature != 1 && hash > 2
}

/// What such a key signs can be used with a suite of these.
pub(crate) fn is_usable(identity: &Identity, suites: &[SupportedCipherSuite]) -> bool {
    let algorithm: SignatureAlgorithm = identity.plain().key.algorithm();
    suites
        .iter()
        .any(|suite| suite.usable_for_signature_algorithm(algorithm))
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let offered = hello.cipher_suites();
        let identity = self.find(&Wish {
            sni: hello.server_name(),
            schemes: hello.signature_schemes(),
            common: self.common(|suite| offered.contains(&suite.into())),
        })?;
        let now = PassedTime.current_time()?.as_secs();
        Some(identity.presented(Now::from_secs(now)).clone())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store of {}", self.identities.len())
    }
}

#[cfg(test)]
mod tests;
