//! What is left of rustls once a handshake is over.

use crate::{Certificate, Facts, Fault, Suite, Version, record::Keys};
use rustls::{
    CommonState, ConnectionTrafficSecrets, ExtractedSecrets, HandshakeKind, ProtocolVersion,
    SupportedCipherSuite,
    client::{ClientConnectionData, UnbufferedClientConnection},
    kernel::KernelConnection,
    server::{ServerConnectionData, UnbufferedServerConnection},
};
use std::sync::Arc;

/// The secrets of a session, and what becomes of them.
pub(crate) struct Peer {
    pub(crate) facts: Arc<Facts>,
    pub(crate) opens: Keys,
    pub(crate) seals: Keys,
    /// Records that one key may be used for.
    pub(crate) records_max: u64,
    pub(crate) later: Later,
}

/// What rustls still does: KeyUpdate, and the tickets that a server sends. Nothing in TLS 1.2.
pub(crate) enum Later {
    Nothing { is_server: bool },
    Server(KernelConnection<ServerConnectionData>),
    Client(KernelConnection<ClientConnectionData>),
}

impl Peer {
    /// A server's peer.
    pub(super) fn client(
        connection: UnbufferedServerConnection,
        sni: Option<Box<str>>,
        local: Option<Arc<Certificate>>,
        is_validated: bool,
    ) -> Result<Self, Fault> {
        let (facts, limit) = (
            facts(&connection, sni, local, is_validated)?,
            limit(&connection)?,
        );
        let (secrets, kernel) = extract(connection.dangerous_into_kernel_connection())?;
        Self::new(facts, limit, &secrets, Later::Server(kernel))
    }

    /// A client's peer.
    pub(super) fn server(
        connection: UnbufferedClientConnection,
        sni: Option<Box<str>>,
        local: Option<Arc<Certificate>>,
        is_validated: bool,
    ) -> Result<Self, Fault> {
        let (facts, limit) = (
            facts(&connection, sni, local, is_validated)?,
            limit(&connection)?,
        );
        let (secrets, kernel) = extract(connection.dangerous_into_kernel_connection())?;
        Self::new(facts, limit, &secrets, Later::Client(kernel))
    }

    fn new(
        facts: Facts,
        records_max: u64,
        secrets: &ExtractedSecrets,
        later: Later,
    ) -> Result<Self, Fault> {
        let is_server = later.is_server();
        Ok(Self {
            opens: keys(facts.version, facts.suite, &secrets.rx)?,
            seals: keys(facts.version, facts.suite, &secrets.tx)?,
            records_max,
            later: match facts.version {
                Version::Tls12 => Later::Nothing { is_server },
                Version::Tls13 => later,
            },
            facts: Arc::new(facts),
        })
    }
}

impl Later {
    pub(super) fn is_server(&self) -> bool {
        match self {
            Self::Nothing { is_server } => *is_server,
            Self::Server(_) => true,
            Self::Client(_) => false,
        }
    }

    /// The keys after a KeyUpdate of the peer's.
    pub(super) fn next_opens(&mut self, suite: Suite) -> Result<Keys, String> {
        let secrets = match self {
            Self::Nothing { .. } => return Err("TLS 1.2 has no KeyUpdate".into()),
            Self::Server(kernel) => kernel.update_rx_secret(),
            Self::Client(kernel) => kernel.update_rx_secret(),
        };
        next(suite, secrets)
    }

    /// The keys after a KeyUpdate of ours.
    pub(super) fn next_seals(&mut self, suite: Suite) -> Result<Keys, String> {
        let secrets = match self {
            Self::Nothing { .. } => return Err("TLS 1.2 has no KeyUpdate".into()),
            Self::Server(kernel) => kernel.update_tx_secret(),
            Self::Client(kernel) => kernel.update_tx_secret(),
        };
        next(suite, secrets)
    }
}

type Secrets = (u64, ConnectionTrafficSecrets);

fn next(suite: Suite, secrets: Result<Secrets, rustls::Error>) -> Result<Keys, String> {
    let secrets = secrets.map_err(|error| error.to_string())?;
    keys(Version::Tls13, suite, &secrets).map_err(|fault| fault.reason)
}

fn keys(version: Version, suite: Suite, (seq, secrets): &Secrets) -> Result<Keys, Fault> {
    let keys = Keys::new(version, suite, *seq, secrets);
    keys.ok_or_else(|| Fault::internal("the cipher is not known to the record layer"))
}

fn extract<T>(extracted: Result<T, rustls::Error>) -> Result<T, Fault> {
    extracted.map_err(|error| Fault::internal(error.to_string()))
}

fn suite(connection: &CommonState) -> Result<SupportedCipherSuite, Fault> {
    let suite = connection.negotiated_cipher_suite();
    suite.ok_or_else(|| Fault::internal("a handshake without a cipher suite"))
}

fn limit(connection: &CommonState) -> Result<u64, Fault> {
    Ok(match suite(connection)? {
        SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
        SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
    })
}

fn facts(
    connection: &CommonState,
    sni: Option<Box<str>>,
    local: Option<Arc<Certificate>>,
    is_validated: bool,
) -> Result<Facts, Fault> {
    let peer = connection.peer_certificates();
    let peer = peer.filter(|chain| !chain.is_empty());
    Ok(Facts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
            Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
            other => return Err(Fault::internal(format!("no such version: {other:?}"))),
        },
        suite: Suite(suite(connection)?.suite().into()),
        alpn: connection.alpn_protocol().map(Into::into),
        sni,
        is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        is_validated,
        peer: peer.map(|chain| chain.iter().map(|der| Certificate::new(der)).collect()),
        local,
    })
}
