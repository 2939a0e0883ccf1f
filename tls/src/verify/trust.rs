//! Whom to believe.

use super::crl::{self, Crl};
use super::{Refusal, Signatures, error::from_webpki};
use crate::{Certificate, Now, SanMatcher, SettingsError, Trust, facts::sha256, pem};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::{CertificateError, DistinguishedName, Error};
use std::fmt;
use webpki::{
    EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder,
};

/// A [`Trust`] whose parts are read.
pub(crate) struct Believed {
    trust: Trust,
    anchors: Vec<TrustAnchor<'static>>,
    /// The certificates of the anchors.
    roots: Vec<CertificateDer<'static>>,
    crls: Vec<Crl>,
    signatures: Signatures,
}

/// Times at which a chain is tried whose certificates have expired.
const TIMES_MAX: usize = 8;

impl Believed {
    /// # Errors
    /// What cannot be read, or would believe everybody that says a name.
    pub(crate) fn new(trust: Trust, signatures: Signatures) -> Result<Self, SettingsError> {
        let roots = trust.ca.as_deref().map_or(Ok(Vec::new()), roots)?;
        let anchors = anchors(&roots)?;
        let has_hashes = !trust.spki_hashes.is_empty() || !trust.certificate_hashes.is_empty();
        if !trust.sans.is_empty() && roots.is_empty() && !has_hashes {
            return Err(SettingsError::new(
                "sans",
                "names prove nothing without a CA",
            ));
        }
        if trust.crl.is_some() && roots.is_empty() {
            return Err(SettingsError::new(
                "crl",
                "nobody is there to have issued it: no CA",
            ));
        }
        Ok(Self {
            crls: trust.crl.as_deref().map_or(Ok(Vec::new()), crl::read)?,
            anchors,
            roots,
            signatures,
            trust,
        })
    }

    /// Names of the CAs, as hints for a client with several certificates.
    pub(super) fn subjects(&self) -> Vec<DistinguishedName> {
        let subjects = self.anchors.iter().map(|anchor| anchor.subject.as_ref());
        subjects.map(DistinguishedName::in_sequence).collect()
    }

    /// Whether the name of a server is checked: not if names are given, or the certificate itself.
    pub(super) fn checks_name(&self) -> bool {
        self.trust.sans.is_empty() && !self.anchors.is_empty()
    }

    pub(super) fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    pub(super) fn accepts_untrusted(&self) -> bool {
        self.trust.accept_untrusted
    }

    /// Everything but a server's name. `chain`: leaf first.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Now,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        match self.trust.accept_untrusted {
            true => Ok(()),
            false => self.check(leaf, intermediates, now, usage),
        }
    }

    /// Whether a chain that was taken is believed: not all are where any is taken.
    pub(super) fn validates(
        &self,
        chain: &[CertificateDer<'_>],
        now: Now,
        usage: KeyUsage,
    ) -> bool {
        let is_believed = |(leaf, rest): (&CertificateDer<'_>, &[CertificateDer<'_>])| {
            !self.trust.accept_untrusted || self.check(leaf, rest, now, usage).is_ok()
        };
        chain.split_first().is_some_and(is_believed)
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Now,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let hashes_decide = self.anchors.is_empty() && self.has_hashes();
        if !hashes_decide {
            self.verify_chain(leaf, intermediates, now, usage)?;
        }
        let leaf = Certificate::new(leaf);
        if self.has_hashes() && !self.matches_hash(&leaf) {
            return Err(Refusal::Hash.into());
        }
        if !self.trust.sans.is_empty() && !self.matches_san(&leaf) {
            return Err(Refusal::San.into());
        }
        Ok(())
    }

    fn has_hashes(&self) -> bool {
        !self.trust.spki_hashes.is_empty() || !self.trust.certificate_hashes.is_empty()
    }

    fn matches_hash(&self, leaf: &Certificate) -> bool {
        let is_known = leaf
            .spki_sha256()
            .is_some_and(|hash| self.trust.spki_hashes.contains(&hash));
        is_known || self.trust.certificate_hashes.contains(&leaf.sha256())
    }

    fn matches_san(&self, leaf: &Certificate) -> bool {
        let matches = |wanted: &SanMatcher| {
            let names = leaf.sans(wanted.kind);
            names.iter().any(|name| (wanted.matches)(name))
        };
        self.trust.sans.iter().any(matches)
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Now,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        // A certificate that is trusted itself needs no issuer; webpki would refuse it as a leaf if it is a CA's.
        if self.crls.is_empty() && self.roots.iter().any(|root| root == leaf) {
            return self.check_validity(leaf, now);
        }
        let parsed = EndEntityCert::try_from(leaf).map_err(from_webpki)?;
        let mut time = now;
        for _ in 0..TIMES_MAX {
            match self.build_chain(&parsed, intermediates, now, time, usage) {
                Err(webpki::Error::CertExpired { not_after, .. }) if self.trust.accept_expired => {
                    time = Now::from_secs(not_after.as_secs());
                }
                Err(webpki::Error::CertNotValidYet { not_before, .. })
                    if self.trust.accept_expired =>
                {
                    time = Now::from_secs(not_before.as_secs());
                }
                done => return done.map_err(from_webpki),
            }
        }
        Err(CertificateError::Expired.into())
    }

    /// `time`: at which the chain has to be valid; the revocation lists have to be at `now`.
    fn build_chain(
        &self,
        leaf: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: Now,
        time: Now,
        usage: KeyUsage,
    ) -> Result<(), webpki::Error> {
        let is_fake = time != now;
        let lists = self
            .crls
            .iter()
            .filter(|crl| !is_fake || crl.is_current(now));
        let lists: Vec<_> = lists.map(|crl| &crl.list).collect();
        if !self.crls.is_empty() && lists.is_empty() {
            return Err(webpki::Error::UnknownRevocationStatus);
        }
        let depth_max = self
            .trust
            .depth_max
            .map_or(usize::MAX, |depth| depth as usize);
        let is_short = |path: &webpki::VerifiedPath<'_>| {
            if path.intermediate_certificates().count() > depth_max {
                return Err(webpki::Error::MaximumPathDepthExceeded);
            }
            Ok(())
        };
        leaf.verify_for_usage(
            &self.signatures.all(),
            &self.anchors,
            intermediates,
            UnixTime::since_unix_epoch(time),
            usage,
            self.revocation(&lists, is_fake),
            Some(&is_short),
        )?;
        Ok(())
    }

    fn revocation<'a>(
        &self,
        lists: &'a [&'a webpki::CertRevocationList<'a>],
        is_fake: bool,
    ) -> Option<RevocationOptions<'a>> {
        let depth = match self.trust.leaf_crl_only {
            true => RevocationCheckDepth::EndEntity,
            false => RevocationCheckDepth::Chain,
        };
        let expiration = match is_fake {
            true => ExpirationPolicy::Ignore,
            false => ExpirationPolicy::Enforce,
        };
        let builder = RevocationOptionsBuilder::new(lists).ok()?;
        Some(
            builder
                .with_depth(depth)
                .with_expiration_policy(expiration)
                .build(),
        )
    }

    fn check_validity(&self, leaf: &CertificateDer<'_>, now: Now) -> Result<(), Error> {
        let (not_before, not_after) = Certificate::new(leaf).validity();
        if self.trust.accept_expired {
            return Ok(());
        }
        let unix = UnixTime::since_unix_epoch;
        if now < not_before {
            return Err(from_webpki(webpki::Error::CertNotValidYet {
                time: unix(now),
                not_before: unix(not_before),
            }));
        }
        if now > not_after {
            return Err(from_webpki(webpki::Error::CertExpired {
                time: unix(now),
                not_after: unix(not_after),
            }));
        }
        Ok(())
    }

    /// Feeds what decides who is believed to `digest`; matchers of names are left out, as they cannot be compared.
    pub(crate) fn digest(&self, digest: &mut ring::digest::Context) {
        for part in [self.trust.ca.as_deref(), self.trust.crl.as_deref()] {
            digest.update(&sha256(part.unwrap_or_default()));
        }
        let flags = (
            self.trust.leaf_crl_only,
            self.trust.depth_max,
            self.trust.accept_expired,
            self.trust.accept_untrusted,
            self.trust.sans.len(),
            &self.trust.spki_hashes,
            &self.trust.certificate_hashes,
        );
        digest.update(format!("{flags:?}").as_bytes());
    }
}

impl Trust {
    /// Whether its certificates and revocation lists can be read.
    ///
    /// # Errors
    /// What cannot; field `ca` or `crl`.
    pub fn check(&self) -> Result<(), SettingsError> {
        if let Some(ca) = &self.ca {
            anchors(&roots(ca)?)?;
        }
        match &self.crl {
            Some(lists) => crl::read(lists).map(drop),
            None => Ok(()),
        }
    }
}

fn anchors(roots: &[CertificateDer<'static>]) -> Result<Vec<TrustAnchor<'static>>, SettingsError> {
    let anchor = |(i, root): (usize, &CertificateDer<'static>)| {
        let why = |error| format!("certificate {} cannot be used: {error}", i + 1);
        let anchor = webpki::anchor_from_trusted_cert(root);
        anchor
            .map(|anchor| anchor.to_owned())
            .map_err(|error| SettingsError::new("ca", why(error)))
    };
    roots.iter().enumerate().map(anchor).collect()
}

fn roots(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let sections = pem::sections(text).map_err(|why| SettingsError::new("ca", why))?;
    let is_one = |section: &&pem::Section<'_>| section.label == "CERTIFICATE";
    let roots = sections.iter().filter(is_one);
    let roots: Vec<_> = roots
        .map(|section| CertificateDer::from(section.der.to_vec()))
        .collect();
    if roots.is_empty() {
        return Err(SettingsError::new("ca", "no certificate found"));
    }
    Ok(roots)
}

impl fmt::Debug for Believed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Believed({} CAs)", self.anchors.len())
    }
}
