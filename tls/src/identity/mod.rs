//! A certificate chain with its private key.

mod key;
mod ocsp;

pub use key::KeyKind;

use crate::{Certificate, Now, SanKind, SettingsError, pem};
use rustls::{pki_types::CertificateDer, sign::CertifiedKey};
use std::{fmt, sync::Arc};

/// A certificate chain with its private key, checked to belong together. Cheap to clone; the key is shared.
#[derive(Clone)]
pub struct Identity {
    presented: Arc<CertifiedKey>,
    staple: Option<Staple>,
    certificate: Arc<Certificate>,
    names: Arc<[Box<str>]>,
    kind: KeyKind,
    validity: (Now, Now),
}

/// The same with a stapled OCSP response.
#[derive(Clone)]
struct Staple {
    presented: Arc<CertifiedKey>,
    /// When the response is outdated; never if it does not say.
    expires: Option<Now>,
}

impl Identity {
    /// Reads a chain, leaf first, and the key of the leaf from PEM (PKCS#8, PKCS#1 or SEC 1; RSA, ECDSA P-256,
    /// P-384 or P-521 as far as the provider goes, Ed25519, SM2).
    ///
    /// # Errors
    /// What is not PEM, not a certificate or key, or does not belong together; field `chain` or `key`.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, SettingsError> {
        let chain = certificates(chain)?;
        let certificate = Certificate::new(&chain[0]);
        let spki = certificate.spki().unwrap_or_default();
        let (kind, key) = key::load(key, &spki).map_err(|why| SettingsError::new("key", why))?;
        Ok(Self {
            names: names(&certificate).into(),
            validity: validity(&chain),
            certificate: Arc::new(certificate),
            presented: Arc::new(CertifiedKey::new(chain, key)),
            staple: None,
            kind,
        })
    }

    /// The same with an OCSP response in DER to be stapled (RFC 6066 §8); checked to be for the leaf, and to be
    /// good. Its signature is not verified: clients do that. It is not sent once it is outdated.
    ///
    /// # Errors
    /// It is not a response for this certificate, or not a good one; field `ocsp_staple`.
    pub fn with_ocsp(mut self, response: &[u8]) -> Result<Self, SettingsError> {
        let issuer = self.presented.cert.get(1).map(|der| Certificate::new(der));
        let expires = ocsp::check(response, &self.certificate, issuer.as_ref())
            .map_err(|why| SettingsError::new("ocsp_staple", why))?;
        let mut presented = CertifiedKey::clone(&self.presented);
        presented.ocsp = Some(response.to_vec());
        self.staple = Some(Staple {
            presented: Arc::new(presented),
            expires,
        });
        Ok(self)
    }

    /// When the first certificate of the chain to expire does.
    pub fn expires(&self) -> Now {
        self.validity.1
    }

    /// When the last certificate of the chain to become valid does.
    pub fn not_before(&self) -> Now {
        self.validity.0
    }

    /// DNS names of the leaf, in lower case: subject alternative names, or the common name where there are none.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The leaf.
    pub fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The leaf wants a stapled OCSP response (RFC 7633).
    pub fn is_must_staple(&self) -> bool {
        self.certificate.is_must_staple()
    }

    /// There is a response to staple that is not outdated.
    pub fn is_stapled(&self, now: Now) -> bool {
        let is_current = |staple: &Staple| staple.expires.is_none_or(|expires| now <= expires);
        self.staple.as_ref().is_some_and(is_current)
    }

    /// There is a response to staple, outdated or not.
    pub fn has_staple(&self) -> bool {
        self.staple.is_some()
    }

    /// When the response to staple is outdated; `None`: there is none, or it does not say.
    pub fn staple_expires(&self) -> Option<Now> {
        self.staple.as_ref()?.expires
    }

    /// The same under other names.
    #[cfg(test)]
    pub(crate) fn with_names(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Chain and key for rustls, without a staple.
    pub(crate) fn plain(&self) -> &Arc<CertifiedKey> {
        &self.presented
    }

    /// The same with a staple that is not outdated, if there is one.
    pub(crate) fn presented(&self, now: Now) -> &Arc<CertifiedKey> {
        match &self.staple {
            Some(staple) if self.is_stapled(now) => &staple.presented,
            Some(_) | None => &self.presented,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("names", &self.names)
            .field("kind", &self.kind)
            .field("key", &"[redacted]")
            .finish_non_exhaustive()
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let wrong = |why: String| SettingsError::new("chain", why);
    let sections = pem::sections(text).map_err(wrong)?;
    let mut chain = Vec::new();
    for section in sections
        .iter()
        .filter(|section| section.label == "CERTIFICATE")
    {
        if Certificate::new(&section.der).parse().is_none() {
            let number = chain.len() + 1;
            return Err(wrong(format!(
                "certificate {number} is not an X.509 certificate"
            )));
        }
        chain.push(CertificateDer::from(section.der.to_vec()));
    }
    if chain.is_empty() {
        return Err(wrong("no certificate found".into()));
    }
    Ok(chain)
}

/// DNS names are compared in lower case, and may end in a dot.
fn names(certificate: &Certificate) -> Vec<Box<str>> {
    let normal = |name: &String| name.trim_end_matches('.').to_ascii_lowercase().into();
    let mut names: Vec<String> = certificate.sans(SanKind::Dns);
    if names.is_empty() && certificate.sans(SanKind::Ip).is_empty() {
        names.extend(certificate.common_name());
    }
    names.iter().map(normal).collect()
}

fn validity(chain: &[CertificateDer<'_>]) -> (Now, Now) {
    let all = chain.iter().map(|der| Certificate::new(der).validity());
    all.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
