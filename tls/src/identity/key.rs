//! Private keys.

use crate::{pem, provider};
use der::{Decode, asn1::ObjectIdentifier};
use rustls::{pki_types::PrivateKeyDer, sign::SigningKey};
use std::{fmt, sync::Arc};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

/// Kinds of keys, by what they sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    Rsa,
    Sm2,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::EcdsaP521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
            Self::Sm2 => "SM2",
        })
    }
}

const KINDS: &[(KeyKind, &str, Option<&str>)] = &[
    (KeyKind::Rsa, "1.2.840.113549.1.1.1", None),
    (KeyKind::Ed25519, "1.3.101.112", None),
    (
        KeyKind::EcdsaP256,
        "1.2.840.10045.2.1",
        Some("1.2.840.10045.3.1.7"),
    ),
    (
        KeyKind::EcdsaP384,
        "1.2.840.10045.2.1",
        Some("1.3.132.0.34"),
    ),
    (
        KeyKind::EcdsaP521,
        "1.2.840.10045.2.1",
        Some("1.3.132.0.35"),
    ),
    (
        KeyKind::Sm2,
        "1.2.840.10045.2.1",
        Some("1.2.156.10197.1.301"),
    ),
];

impl KeyKind {
    /// Of a SubjectPublicKeyInfo.
    fn of(spki: &[u8]) -> Option<Self> {
        let algorithm = SubjectPublicKeyInfoRef::from_der(spki).ok()?.algorithm;
        let curve = algorithm.parameters_oid().ok();
        let is_this = |row: &&(Self, &str, Option<&str>)| {
            algorithm.oid == ObjectIdentifier::new_unwrap(row.1)
                && (row.2.is_none() || curve == row.2.map(ObjectIdentifier::new_unwrap))
        };
        KINDS.iter().find(is_this).map(|row| row.0)
    }
}

/// Reads the first key of a text, which has to be that of a certificate.
pub(super) fn load(text: &[u8], spki: &[u8]) -> Result<(KeyKind, Arc<dyn SigningKey>), String> {
    let sections = pem::sections(text)?;
    let section = sections
        .iter()
        .find(|section| section.label.ends_with("PRIVATE KEY"));
    let der = section.ok_or("no private key found")?;
    let der = Zeroizing::new(match der.label {
        "PRIVATE KEY" => PrivateKeyDer::Pkcs8(der.der.to_vec().into()),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.der.to_vec().into()),
        "EC PRIVATE KEY" | "SM2 PRIVATE KEY" => PrivateKeyDer::Sec1(der.der.to_vec().into()),
        label => return Err(format!("{label} is no form of key that is known")),
    });
    let kind = KeyKind::of(spki).ok_or_else(|| {
        format!("the certificate's kind of key is not supported, only {SUPPORTED}")
    })?;
    let key = signing_key(kind, &der)?;
    let own = key.public_key().ok_or("its public key is unknown")?;
    if own.as_ref() != spki {
        return Err("does not belong to the certificate".into());
    }
    Ok((kind, key))
}

/// What keys can be: AWS-LC takes more than *ring*.
pub(super) const SUPPORTED: &str = if cfg!(feature = "aws-lc") {
    "RSA with 2048 to 8192 bits, ECDSA P-256, P-384 and P-521, Ed25519, SM2"
} else {
    "RSA with 2048 to 4096 bits, ECDSA P-256 and P-384, Ed25519, SM2"
};

/// What is loaded wipes its copy.
fn signing_key(kind: KeyKind, der: &PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, String> {
    let loaded = match kind {
        #[cfg(feature = "sm")]
        KeyKind::Sm2 => crate::sm::load_key(der.clone_key()),
        #[cfg(not(feature = "sm"))]
        KeyKind::Sm2 => return Err("SM2 is not supported by this build".into()),
        KeyKind::EcdsaP256
        | KeyKind::EcdsaP384
        | KeyKind::EcdsaP521
        | KeyKind::Ed25519
        | KeyKind::Rsa => provider::standard()
            .key_provider
            .load_private_key(der.clone_key()),
    };
    // What the provider says names neither the kind of the key nor what it would take.
    loaded.map_err(|_| {
        format!("cannot be used as the {kind} key of the certificate; supported are {SUPPORTED}")
    })
}
