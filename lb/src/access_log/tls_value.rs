//! Operators that tell of TLS, with the client or with the endpoint.

use super::operator::{moment, text};
use tls::{Certificate, Facts, SanKind};

/// What is told, with Envoy's name and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsValue {
    /// Not one of Envoy's.
    Alpn,
    Cipher,
    LocalSans(SanKind),
    LocalSubject,
    PeerBegin,
    PeerCert,
    PeerEnd,
    PeerFingerprint,
    PeerIssuer,
    PeerSans(SanKind),
    PeerSerial,
    PeerSubject,
    Version,
}

const NAMES: &[(&str, TlsValue)] = &[
    ("LOCAL_DNS_SAN", TlsValue::LocalSans(SanKind::Dns)),
    ("LOCAL_IP_SAN", TlsValue::LocalSans(SanKind::Ip)),
    ("LOCAL_SUBJECT", TlsValue::LocalSubject),
    ("LOCAL_URI_SAN", TlsValue::LocalSans(SanKind::Uri)),
    ("PEER_CERT", TlsValue::PeerCert),
    ("PEER_CERT_V_END", TlsValue::PeerEnd),
    ("PEER_CERT_V_START", TlsValue::PeerBegin),
    ("PEER_DNS_SAN", TlsValue::PeerSans(SanKind::Dns)),
    ("PEER_EMAIL_SAN", TlsValue::PeerSans(SanKind::Email)),
    ("PEER_FINGERPRINT_256", TlsValue::PeerFingerprint),
    ("PEER_IP_SAN", TlsValue::PeerSans(SanKind::Ip)),
    ("PEER_ISSUER", TlsValue::PeerIssuer),
    ("PEER_SERIAL", TlsValue::PeerSerial),
    ("PEER_SUBJECT", TlsValue::PeerSubject),
    ("PEER_URI_SAN", TlsValue::PeerSans(SanKind::Uri)),
    ("TLS_ALPN", TlsValue::Alpn),
    ("TLS_CIPHER", TlsValue::Cipher),
    ("TLS_VERSION", TlsValue::Version),
];

impl TlsValue {
    /// `name`: behind `DOWNSTREAM_` or `UPSTREAM_`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value)
    }

    pub(super) fn take(self, facts: Option<&Facts>, out: &mut Vec<u8>) {
        let validity = facts.and_then(leaf).map(Certificate::validity);
        if self == Self::PeerBegin {
            moment(out, validity.map(|(begin, _)| begin));
        } else if self == Self::PeerEnd {
            moment(out, validity.map(|(_, end)| end));
        } else {
            let value = facts.and_then(|facts| self.of(facts));
            text(out, value.unwrap_or_default().as_bytes());
        }
    }

    fn of(self, facts: &Facts) -> Option<String> {
        let local = facts.local.as_deref();
        match self {
            Self::Alpn => Some(String::from_utf8_lossy(facts.alpn.as_deref()?).into_owned()),
            Self::Cipher => Some(facts.suite.name().to_owned()),
            Self::LocalSans(kind) => Some(local?.sans(kind).join(",")),
            Self::LocalSubject => Some(local?.subject()),
            Self::PeerBegin | Self::PeerEnd => None,
            Self::PeerCert => Some(leaf(facts)?.pem().replace('\n', "%0A")),
            Self::PeerFingerprint => {
                let digest = leaf(facts)?.sha256();
                Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
            }
            Self::PeerIssuer => Some(leaf(facts)?.issuer()),
            Self::PeerSans(kind) => Some(leaf(facts)?.sans(kind).join(",")),
            Self::PeerSerial => Some(leaf(facts)?.serial()),
            Self::PeerSubject => Some(leaf(facts)?.subject()),
            Self::Version => Some(facts.version.name().to_owned()),
        }
    }
}

fn leaf(facts: &Facts) -> Option<&Certificate> {
    facts.peer.as_deref()?.first()
}
