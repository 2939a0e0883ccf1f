//! Certificates, configurations, and sessions connected in memory.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test takes what it needs; this is test code"
)]

pub(crate) mod raw;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    CipherSuiteCommon, ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite,
    SupportedProtocolVersion, Tls12CipherSuite, Tls13CipherSuite,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};
use tls::{
    Client, ClientAuth, ClientContext, ClientSettings, Fault, Now, Provider, ServerContext,
    ServerSettings, Session, Trust, Version, What,
};

/// The server's name.
pub(crate) const NAME: &str = "server.example";

/// The time of all tests: certificates of `rcgen` are valid from 1975 to 4096.
pub(crate) const NOW: Now = Duration::from_secs(1_800_000_000);

/// A chain and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
}

/// A certification authority, and what it has issued.
pub(crate) struct Issued {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) root: CertifiedIssuer<'static, KeyPair>,
    pub(crate) server: Identity,
    pub(crate) client: Identity,
}

pub(crate) static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    Issued {
        roots: roots.into(),
        server: Identity::new(&root, NAME, |_| {}),
        client: Identity::new(&root, "client.example", |_| {}),
        root,
    }
});

impl Identity {
    pub(crate) fn new(
        root: &CertifiedIssuer<'static, KeyPair>,
        name: &str,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        edit(&mut params);
        let leaf = params.signed_by(&key, root).unwrap();
        Self {
            chain: vec![leaf.der().clone()],
            pem: leaf.pem(),
            key,
        }
    }

    /// The same as the crate reads it.
    pub(crate) fn read(&self) -> tls::Identity {
        let key = self.key.serialize_pem();
        tls::Identity::from_pem(self.pem.as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// Every suite of the provider that an ECDSA certificate can be used with.
pub(crate) fn suites() -> impl Iterator<Item = SupportedCipherSuite> {
    let all = ring::ALL_CIPHER_SUITES.iter().copied();
    all.filter(|suite| !format!("{suite:?}").contains("_RSA_"))
}

pub(crate) fn provider(suites: &[SupportedCipherSuite]) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    if !suites.is_empty() {
        provider.cipher_suites = suites.to_vec();
    }
    provider.into()
}

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

fn versions(suites: &[SupportedCipherSuite]) -> Vec<&'static SupportedProtocolVersion> {
    let is_used = |version: &&&SupportedProtocolVersion| {
        suites.is_empty() || suites.iter().any(|suite| suite.version() == **version)
    };
    VERSIONS.iter().filter(is_used).copied().collect()
}

/// A server with these suites, all if there are none.
pub(crate) fn server_config(suites: &[SupportedCipherSuite]) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider(suites));
    let builder = builder.with_protocol_versions(&versions(suites)).unwrap();
    let server = &ISSUED.server;
    let builder = builder.with_no_client_auth();
    let mut config = builder
        .with_single_cert(server.chain.clone(), server.key())
        .unwrap();
    config.enable_secret_extraction = true;
    config
}

/// A server that wants a certificate of its clients.
pub(crate) fn mutual_config(suites: &[SupportedCipherSuite]) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider(suites));
    let builder = builder.with_protocol_versions(&versions(suites)).unwrap();
    let roots = ISSUED.roots.clone();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider(&[]));
    let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
    let server = &ISSUED.server;
    builder
        .with_single_cert(server.chain.clone(), server.key())
        .unwrap()
}

pub(crate) fn client_config(suites: &[SupportedCipherSuite]) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider(suites));
    let builder = builder.with_protocol_versions(&versions(suites)).unwrap();
    let builder = builder.with_root_certificates(ISSUED.roots.clone());
    let client = &ISSUED.client;
    builder
        .with_client_auth_cert(client.chain.clone(), client.key())
        .unwrap()
}

/// Belief in what the authority has issued.
pub(crate) fn trust() -> Trust {
    Trust {
        ca: Some(ISSUED.root.pem().into_bytes()),
        ..Trust::default()
    }
}

/// A listener of rustls' configuration.
pub(crate) fn server_context(config: ServerConfig) -> Arc<ServerContext> {
    static BASE: LazyLock<Arc<ServerContext>> = LazyLock::new(|| {
        ServerContext::new(&Provider::system(), server_settings(ClientAuth::None)).unwrap()
    });
    BASE.with_config(config)
}

/// A cluster of rustls' configuration.
pub(crate) fn client_context(config: ClientConfig) -> Arc<ClientContext> {
    static BASE: LazyLock<Arc<ClientContext>> = LazyLock::new(|| {
        ClientContext::new(&Provider::system(), client_settings(Client::Unverified)).unwrap()
    });
    BASE.with_config(config)
}

pub(crate) fn server_settings(client_auth: ClientAuth) -> ServerSettings {
    ServerSettings {
        identities: vec![ISSUED.server.read()],
        alpn: vec![],
        versions: (Version::Tls12, Version::Tls13),
        suites: vec![],
        groups: vec![],
        client_auth,
        tickets: None,
        sessions_max: 100,
        session_time: Duration::from_secs(3600),
        scan_all: false,
        require_sni: false,
        must_staple: false,
        key_log: None,
    }
}

pub(crate) fn client_settings(server: Client) -> ClientSettings {
    ClientSettings {
        server,
        identity: Some(ISSUED.client.read()),
        alpn: vec![],
        versions: (Version::Tls12, Version::Tls13),
        suites: vec![],
        groups: vec![],
        sessions_max: 100,
        key_log: None,
    }
}

/// What a session made of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) is_established: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) is_closed: bool,
    /// Pieces of data that were not where the input was.
    pub(crate) joined: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) out: Vec<u8>,
}

impl Got {
    pub(crate) fn detail(&self) -> Option<&'static str> {
        self.fault.as_ref().map(|fault| fault.detail)
    }
}

/// Gives a session bytes, `step` at a time.
pub(crate) fn feed(session: &mut Session, bytes: &[u8], step: usize) -> Got {
    feed_at(NOW, session, bytes, step)
}

fn feed_at(now: Now, session: &mut Session, bytes: &[u8], step: usize) -> Got {
    let mut got = Got::default();
    for piece in bytes.chunks(step) {
        feed_piece(now, session, &mut piece.to_vec(), &mut got);
        if got.fault.is_some() {
            break;
        }
    }
    got
}

fn feed_piece(now: Now, session: &mut Session, piece: &mut [u8], got: &mut Got) {
    let mut used = 0;
    while used < piece.len() {
        let input = &mut piece[used..];
        let step = match session.receive(now, input, &mut got.out) {
            Ok(step) => step,
            Err(fault) => return got.fault = Some(fault),
        };
        assert!(step.used <= input.len(), "more used than there was");
        match step.what {
            What::Nothing => assert_eq!(step.used, input.len(), "nothing told, not all used"),
            What::Established => {
                assert!(!got.is_established && session.is_established());
                got.is_established = true;
            }
            What::Data(range) => {
                assert!(range.end <= step.used && !range.is_empty());
                got.data.extend_from_slice(&input[range]);
            }
            What::Joined(bytes) => {
                assert!(!bytes.is_empty());
                got.data.extend_from_slice(&bytes);
                got.joined += 1;
            }
            What::Closed => got.is_closed = true,
        }
        used += step.used;
    }
}

/// What a session makes of data.
pub(crate) fn seal(session: &mut Session, now: Now, data: &[&[u8]]) -> Vec<u8> {
    let len = data.iter().map(|piece| piece.len()).sum();
    let mut out = vec![0; session.sealed_len(now, len)];
    session.seal(now, data, &mut out).unwrap();
    out
}

/// Both sides of a connection.
pub(crate) struct Pair {
    pub(crate) client: Session,
    pub(crate) server: Session,
}

impl Pair {
    /// After the handshake, with bytes going `step` at a time; tickets have arrived.
    pub(crate) fn establish(
        client: &Arc<ClientContext>,
        server: &Arc<ServerContext>,
        step: usize,
    ) -> Self {
        let (pair, faults) = Self::shake(client, server, step);
        assert_eq!(faults, [None, None], "client, server");
        assert!(pair.client.is_established() && pair.server.is_established());
        pair
    }

    /// Exchanges bytes until nobody has any more, or one side has failed.
    pub(crate) fn shake(
        client: &Arc<ClientContext>,
        server: &Arc<ServerContext>,
        step: usize,
    ) -> (Self, [Option<Fault>; 2]) {
        Self::shake_at(NOW, client, server, step)
    }

    pub(crate) fn shake_at(
        now: Now,
        client: &Arc<ClientContext>,
        server: &Arc<ServerContext>,
        step: usize,
    ) -> (Self, [Option<Fault>; 2]) {
        let mut to_server = Vec::new();
        let connected = Session::connect(client, Some(NAME), true, now, &mut to_server);
        let mut pair = Self {
            client: connected.unwrap(),
            server: Session::accept(server),
        };
        let mut faults = [None, None];
        while !to_server.is_empty() {
            let at_server = feed_at(now, &mut pair.server, &to_server, step);
            let at_client = feed_at(now, &mut pair.client, &at_server.out, step);
            faults[0] = faults[0].take().or(at_client.fault);
            faults[1] = faults[1].take().or(at_server.fault);
            to_server = at_client.out;
        }
        (pair, faults)
    }

    /// With one suite, or all.
    pub(crate) fn new(suites: &[SupportedCipherSuite]) -> Self {
        let client = client_context(client_config(suites));
        let server = server_context(server_config(suites));
        Self::establish(&client, &server, usize::MAX)
    }
}

/// A suite whose keys may be used for `records_max` records.
pub(crate) fn limited(suite: SupportedCipherSuite, records_max: u64) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: records_max,
    };
    match suite {
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: suite.aead_alg,
                quic: None,
            })))
        }
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: suite.aead_alg,
            })))
        }
    }
}

/// Bytes that are not all alike.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let bytes = (0..len as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8);
    bytes.collect()
}
