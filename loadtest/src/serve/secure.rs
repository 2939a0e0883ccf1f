//! TLS of the endpoint: what its listeners share, and a certificate where none is given.

use rcgen::{CertificateParams, KeyPair};
use std::{sync::Arc, time::Duration};
use tls::{
    ClientAuth, Group, Identity, Provider, ServerContext, ServerSettings, Suite, Tickets, Version,
};

/// How long a session may be resumed.
const SESSION_TIME: Duration = Duration::from_secs(3600);

/// What listeners over TLS share: HTTP/2 and HTTP/1.1 by ALPN, tickets for sessions; `versions` from lowest
/// to highest, `suites` and `groups` in order of preference, empty: those of the build.
///
/// # Errors
/// A setting that cannot be used, by its name.
pub fn secure(
    identity: Identity,
    versions: (Version, Version),
    suites: Vec<Suite>,
    groups: Vec<Group>,
) -> Result<Arc<ServerContext>, String> {
    let provider = Provider::system();
    let settings = ServerSettings {
        identities: vec![identity],
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        versions,
        suites,
        groups,
        client_auth: ClientAuth::None,
        tickets: Some(Tickets::random(&provider)),
        sessions_max: 0,
        session_time: SESSION_TIME,
        scan_all: false,
        require_sni: false,
        must_staple: false,
        key_log: None,
    };
    ServerContext::new(&provider, settings).map_err(|error| error.to_string())
}

/// A certificate for `localhost` and the loopback addresses that its own key signed, and the key, as PEM.
/// Nobody has to keep either secret: it is for tests and comparisons on one machine.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The certificate, which is the authority for itself.
    pub chain: String,
    /// The private key.
    pub key: String,
}

impl SelfSigned {
    /// With a new key, ECDSA on P-256.
    ///
    /// # Errors
    /// The random source fails.
    pub fn localhost() -> Result<Self, String> {
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        Self::sign(&key)
    }

    /// With this key (PKCS #8, PEM).
    ///
    /// # Errors
    /// It is none that can sign.
    pub fn with_key(key: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem(key).map_err(|error| error.to_string())?;
        Self::sign(&key)
    }

    fn sign(key: &KeyPair) -> Result<Self, String> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let signed = CertificateParams::new(names).and_then(|params| params.self_signed(key));
        Ok(Self {
            chain: signed.map_err(|error| error.to_string())?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// For a listener.
    ///
    /// # Errors
    /// The build cannot use such a key.
    pub fn identity(&self) -> Result<Identity, String> {
        let read = Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes());
        read.map_err(|error| error.to_string())
    }
}
