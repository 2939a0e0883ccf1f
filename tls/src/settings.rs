//! What contexts are made from. Plain values; where they come from is the caller's affair.

use crate::{Identity, Tickets};
use std::{sync::Arc, time::Duration};

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Version {
    /// Its name as logs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// A cipher suite, by its code in the IANA registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite(pub u16);

/// A key exchange group, by its code in the IANA registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub u16);

/// Which subject alternative names a matcher looks at (`SubjectAltNameMatcher.SanType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanKind {
    Dns,
    Email,
    Ip,
    Uri,
}

/// A condition on one subject alternative name.
#[derive(Clone)]
pub struct SanMatcher {
    /// Which names.
    pub kind: SanKind,
    /// Whether one is wanted.
    pub matches: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

impl SanMatcher {
    /// A DNS name, in any case, that the certificate may have as a wildcard for one label
    /// (`match_typed_subject_alt_names` with `exact`).
    pub fn dns(name: &str) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let matches = move |san: &str| {
            let san = san.trim_end_matches('.').to_ascii_lowercase();
            let parent = name.split_once('.').filter(|(label, _)| !label.is_empty());
            // No wildcard is for a whole top-level domain.
            let wildcard = san.strip_prefix("*.").filter(|rest| rest.contains('.'));
            san == name
                || wildcard.is_some_and(|rest| parent.is_some_and(|(_, parent)| rest == parent))
        };
        Self {
            kind: SanKind::Dns,
            matches: Arc::new(matches),
        }
    }
}

/// Whom to believe (`CertificateValidationContext`).
#[derive(Clone, Default)]
pub struct Trust {
    /// CA certificates, PEM; `None` with no hashes: nobody is believed.
    pub ca: Option<Vec<u8>>,
    /// Certificate revocation lists, PEM or DER. Every certificate of a chain has to be covered by one,
    /// only the leaf with `leaf_crl_only`.
    pub crl: Option<Vec<u8>>,
    /// `only_verify_leaf_cert_crl`.
    pub leaf_crl_only: bool,
    /// One has to match a name of the leaf; none: any name will do, but a client checks the server's name then,
    /// see [`crate::Session::connect`].
    pub sans: Vec<SanMatcher>,
    /// SHA-256 of the leaf's SubjectPublicKeyInfo; one of these or of `certificate_hashes` has to match, if any.
    pub spki_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the leaf's DER.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// `max_verify_depth`: CA certificates between leaf and root.
    pub depth_max: Option<u32>,
    /// `allow_expired_certificate`.
    pub accept_expired: bool,
    /// `trust_chain_verification: ACCEPT_UNTRUSTED`: a chain that does not verify is taken, as not validated.
    pub accept_untrusted: bool,
}

/// What a server asks of clients.
#[derive(Clone)]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// One may be presented and is verified then.
    Optional(Trust),
    /// One has to be presented.
    Required(Trust),
}

/// Receives the secrets of sessions in the format of NSS key logs.
pub trait KeyLog: Send + Sync {
    /// One line, without its end.
    fn write(&self, line: &str);
}

/// `DownstreamTlsContext`.
#[derive(Clone)]
pub struct ServerSettings {
    /// Certificates to choose from: by name, then by what the client can verify; the first is the default.
    pub identities: Vec<Identity>,
    /// Protocols in order of preference; empty: ALPN is not negotiated.
    pub alpn: Vec<Vec<u8>>,
    /// Lowest and highest version.
    pub versions: (Version, Version),
    /// TLS 1.2 and 1.3 suites in order of preference; empty: the provider's, and ChaCha20 where the client puts it
    /// first. A version that none is named for keeps the provider's.
    pub suites: Vec<Suite>,
    /// Groups in order of preference; empty: the provider's.
    pub groups: Vec<Group>,
    /// Client certificates.
    pub client_auth: ClientAuth,
    /// Keys of session tickets, shared by all workers; `None`: no tickets (`disable_stateless_session_resumption`).
    pub tickets: Option<Arc<Tickets>>,
    /// Sessions remembered for clients that take no tickets; 0: none (`disable_stateful_session_resumption`).
    pub sessions_max: usize,
    /// `session_timeout`: how long a session may be resumed.
    pub session_time: Duration,
    /// `full_scan_certs_on_sni_mismatch`: where no name matches, the first certificate that the client can verify;
    /// `false`: the default.
    pub scan_all: bool,
    /// `ocsp_staple_policy: MUST_STAPLE`: every certificate has to have a staple, and handshakes fail while that is
    /// outdated.
    pub must_staple: bool,
    /// `require_sni`: clients that ask for no name are refused.
    pub require_sni: bool,
    /// `key_log`.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

/// Whom a client expects.
#[derive(Clone)]
pub enum Client {
    /// Nobody in particular: the connection is encrypted, the server may be anybody
    /// (no `validation_context`).
    Unverified,
    /// A server that these certificates vouch for.
    Verified(Trust),
}

/// `UpstreamTlsContext`.
#[derive(Clone)]
pub struct ClientSettings {
    /// Verification of the server.
    pub server: Client,
    /// Our certificate, for servers that ask for one.
    pub identity: Option<Identity>,
    /// Protocols offered.
    pub alpn: Vec<Vec<u8>>,
    /// Lowest and highest version.
    pub versions: (Version, Version),
    /// See [`ServerSettings::suites`].
    pub suites: Vec<Suite>,
    /// See [`ServerSettings::groups`].
    pub groups: Vec<Group>,
    /// `max_session_keys`: servers whose sessions are remembered for resumption, so that there are as many sessions at
    /// least; 0: none.
    pub sessions_max: usize,
    /// See [`ServerSettings::key_log`].
    pub key_log: Option<Arc<dyn KeyLog>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_name_is_matched_in_any_case_and_by_a_wildcard_of_one_label() {
        let wanted = SanMatcher::dns("X.a.test.");
        for (san, is_match) in [
            ("x.a.test", true),
            ("x.A.test", true),
            ("*.a.test", true),
            ("*.test", false),
            ("*.x.a.test", false),
            ("y.a.test", false),
            ("*.", false),
            ("", false),
        ] {
            assert_eq!((wanted.matches)(san), is_match, "{san}");
        }
        for (name, san) in [
            ("x.test", "*.test"),
            (".a.test", "*.a.test"),
            ("test", "*.test"),
        ] {
            assert!(!(SanMatcher::dns(name).matches)(san), "{name}");
        }
    }
}
