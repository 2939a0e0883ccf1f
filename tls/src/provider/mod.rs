//! Where the cryptography comes from: the one place that picks it, and what settings leave of it.

#[cfg(feature = "simulation")]
mod seeded;

use crate::{Group, SettingsError, Suite, Version};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};
use std::{
    fmt,
    sync::{Arc, LazyLock},
};

#[cfg(feature = "aws-lc")]
use rustls::crypto::aws_lc_rs as backend;
#[cfg(not(feature = "aws-lc"))]
use rustls::crypto::ring as backend;

/// Where the cryptography comes from.
#[derive(Clone)]
pub struct Provider {
    /// What everybody speaks.
    pub(crate) standard: Arc<CryptoProvider>,
    /// RFC 8998.
    pub(crate) sm: Option<Arc<CryptoProvider>>,
    /// Signatures have to follow from the seed too.
    pub(crate) is_seeded: bool,
    /// What the seed decides.
    #[cfg(feature = "simulation")]
    draws: Option<&'static seeded::Draws>,
}

impl Provider {
    /// ring, or aws-lc with feature `aws-lc`; with feature `sm` the algorithms of RFC 8998 besides.
    pub fn system() -> Self {
        // Made once, as its parts last as long as the process.
        static SYSTEM: LazyLock<Provider> = LazyLock::new(|| Provider::of(standard(), false));
        SYSTEM.clone()
    }

    /// For simulation: every random draw, key exchanges and signatures among them, follows from the seed.
    /// Sessions that are to be the same must make their draws in the same order, from a provider each;
    /// only Ed25519 (and SM2) keys sign, as the other signatures draw from the system.
    #[cfg(feature = "simulation")]
    pub fn seeded(seed: u64) -> Self {
        let draws = seeded::Draws::of(seed);
        Self {
            draws: Some(draws),
            ..Self::of(seeded::provider(standard(), draws), true)
        }
    }

    /// Begins its draws anew, as another of the same seed would, without what each of them leaks.
    #[cfg(feature = "simulation")]
    pub(crate) fn rewind(&self) {
        if let Some(draws) = self.draws {
            draws.rewind();
        }
    }

    fn of(standard: CryptoProvider, is_seeded: bool) -> Self {
        Self {
            sm: sm(&standard),
            standard: Arc::new(standard),
            is_seeded,
            #[cfg(feature = "simulation")]
            draws: None,
        }
    }

    /// All cryptography there is.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Arc<CryptoProvider>> {
        std::iter::once(&self.standard).chain(&self.sm)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

/// The backend, its suites and groups in our order of preference.
pub(crate) fn standard() -> CryptoProvider {
    let mut crypto = backend::default_provider();
    let rank = |group: &&dyn SupportedKxGroup| Group(group.name().into()).rank();
    crypto.cipher_suites.sort_by_key(|suite| code(suite).rank());
    crypto.kx_groups.retain(|group| rank(group).is_some());
    crypto.kx_groups.sort_by_key(rank);
    crypto
}

#[cfg(feature = "sm")]
fn sm(standard: &CryptoProvider) -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(crate::sm::provider(standard.secure_random)))
}

#[cfg(not(feature = "sm"))]
fn sm(_standard: &CryptoProvider) -> Option<Arc<CryptoProvider>> {
    None
}

pub(crate) fn code(suite: &SupportedCipherSuite) -> Suite {
    Suite(suite.suite().into())
}

/// What settings leave of the cryptography.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) versions: (Version, Version),
    pub(crate) suites: &'a [Suite],
    pub(crate) groups: &'a [Group],
}

impl Choice<'_> {
    /// # Errors
    /// What `provider` does not have, or what contradicts itself.
    pub(crate) fn check(&self, provider: &Provider) -> Result<(), SettingsError> {
        if self.versions.0 > self.versions.1 {
            return Err(SettingsError::new(
                "versions",
                "the lowest is above the highest",
            ));
        }
        for (i, wanted) in self.suites.iter().enumerate() {
            let mut all = provider.parts().flat_map(|crypto| &crypto.cipher_suites);
            if !all.any(|suite| code(suite) == *wanted) {
                return Err(SettingsError::new(
                    format!("suites[{i}]"),
                    "not supported by this build",
                ));
            }
        }
        for (i, wanted) in self.groups.iter().enumerate() {
            let mut all = provider.parts().flat_map(|crypto| &crypto.kx_groups);
            if !all.any(|group| u16::from(group.name()) == wanted.0) {
                return Err(SettingsError::new(
                    format!("groups[{i}]"),
                    "not supported by this build",
                ));
            }
        }
        Ok(())
    }

    /// The versions for rustls.
    pub(crate) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let both = [
            (Version::Tls13, &rustls::version::TLS13),
            (Version::Tls12, &rustls::version::TLS12),
        ];
        let is_in = |version| self.versions.0 <= version && version <= self.versions.1;
        let kept = both.into_iter().filter(|(version, _)| is_in(*version));
        kept.map(|(_, version)| version).collect()
    }

    /// What is left of `crypto`. A version that no suite is named for keeps its own: naming those of TLS 1.2 says
    /// nothing about TLS 1.3 (`TlsParameters.cipher_suites`).
    ///
    /// # Errors
    /// Nothing is.
    pub(crate) fn of(&self, crypto: &CryptoProvider) -> Result<CryptoProvider, SettingsError> {
        let mut crypto = crypto.clone();
        let own = std::mem::take(&mut crypto.cipher_suites);
        crypto.cipher_suites = self.suites_of(&own);
        if !self.groups.is_empty() {
            let find = |wanted: &Group| {
                let mut own = crypto.kx_groups.iter();
                own.find(|own| u16::from(own.name()) == wanted.0).copied()
            };
            crypto.kx_groups = self.groups.iter().filter_map(find).collect();
        }
        if crypto.cipher_suites.is_empty() {
            return Err(SettingsError::new("suites", self.none_left(&own)));
        }
        if crypto.kx_groups.is_empty() {
            return Err(SettingsError::new(
                "groups",
                "none is left for these suites",
            ));
        }
        Ok(crypto)
    }

    /// Why nothing is left of the suites `own`.
    fn none_left(&self, own: &[SupportedCipherSuite]) -> &'static str {
        let is_sm = |suite: &SupportedCipherSuite| code(suite).is_sm();
        if own.iter().all(is_sm) {
            "none is left for an SM2 certificate, which needs TLS 1.3 with TLS_SM4_GCM_SM3 or TLS_SM4_CCM_SM3"
        } else if self.suites.iter().copied().any(Suite::is_sm) && !own.iter().any(is_sm) {
            "none is left for these versions: those with SM4 need an SM2 certificate, and there is another"
        } else {
            "none is left for these versions"
        }
    }

    fn suites_of(&self, own: &[SupportedCipherSuite]) -> Vec<SupportedCipherSuite> {
        let is_tls13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        let version = |tls13| {
            if tls13 {
                Version::Tls13
            } else {
                Version::Tls12
            }
        };
        let is_in = |tls13| self.versions.0 <= version(tls13) && version(tls13) <= self.versions.1;
        let mut kept = Vec::new();
        for tls13 in [true, false].into_iter().filter(|tls13| is_in(*tls13)) {
            let own = own.iter().filter(|suite| is_tls13(suite) == tls13);
            let mut named = self
                .suites
                .iter()
                .filter(|suite| suite.is_tls13() == tls13)
                .peekable();
            if named.peek().is_none() {
                kept.extend(own.copied());
                continue;
            }
            let find = |wanted: &Suite| own.clone().find(|suite| code(suite) == *wanted).copied();
            kept.extend(named.filter_map(find));
        }
        kept
    }
}
