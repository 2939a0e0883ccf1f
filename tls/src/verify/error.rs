//! Why certificates are refused.

use crate::{Certificate, SanKind};
use rustls::pki_types::ServerName;
use rustls::{CertRevocationListError, CertificateError, Error, OtherError};
use std::{fmt, sync::Arc};

/// What rustls has no error for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// More CA certificates between leaf and root than `depth_max`.
    Depth,
    /// No name of the leaf is one of those wanted.
    San,
    /// The leaf is none of those whose hashes are given.
    Hash,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "the certificate chain is too long",
            Self::San => "no name of the certificate is one of those allowed",
            Self::Hash => "no certificate hash matches",
        })
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        other(refusal)
    }
}

/// Names of a certificate that are told of.
const NAMES_MAX: usize = 4;

/// Bytes that are told of each: no DNS name is longer (RFC 1035 §3.1).
const NAME_BYTES_MAX: usize = 253;

/// The certificate of a server is not for its name.
pub(super) fn wrong_name(leaf: &Certificate, expected: &ServerName<'_>) -> Error {
    let names = [SanKind::Dns, SanKind::Ip].map(|kind| leaf.sans(kind));
    let names: Vec<String> = names.into_iter().flatten().collect();
    let cut = |name: &String| name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned();
    let mut presented: Vec<_> = names.iter().take(NAMES_MAX).map(cut).collect();
    if names.len() > NAMES_MAX {
        presented.push(format!("{} more", names.len() - NAMES_MAX));
    }
    let expected = expected.to_owned();
    CertificateError::NotValidForNameContext {
        expected,
        presented,
    }
    .into()
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// As rustls tells of what webpki says.
pub(super) fn from_webpki(error: webpki::Error) -> Error {
    use webpki::Error as E;
    #[allow(clippy::wildcard_enum_match_arm)] // webpki's errors are not exhaustive
    let told = match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::CertNotValidForName(_) => CertificateError::NotValidForName,
        E::CertRevoked => CertificateError::Revoked,
        E::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        E::CrlExpired { time, next_update } => {
            CertificateError::ExpiredRevocationListContext { time, next_update }
        }
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        E::MaximumPathDepthExceeded => return Refusal::Depth.into(),
        E::IssuerNotCrlSigner => return CertRevocationListError::IssuerInvalidForCrl.into(),
        E::InvalidCrlSignatureForPublicKey => return CertRevocationListError::BadSignature.into(),
        error => return other(error),
    };
    told.into()
}
