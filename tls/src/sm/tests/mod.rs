//! What the tests share: certificates made by OpenSSL, numbers instead of chance, and a client with its
//! server.

mod handshake;
mod keys;

use crate::sm::{Sm4Gcm, flight, kx, load_key, provider, verify};
use rustls::client::Resumption;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, CipherSuite, ClientConfig, ClientConnection, Connection,
    ConnectionTrafficSecrets, Error, HandshakeKind, NamedGroup, PeerMisbehaved, RootCertStore,
    ServerConfig, ServerConnection, SignatureAlgorithm, SignatureScheme,
};
use sm2::dsa::signature::Signer as _;
use sm2::pkcs8::DecodePrivateKey;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const GCM: CipherSuite = CipherSuite::Unknown(0x00c6);
const CCM: CipherSuite = CipherSuite::Unknown(0x00c7);

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/sm/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&data(name)).unwrap()
}

fn private_key(name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(&data(name)).unwrap()
}

/// The same numbers in each run, and never twice.
#[derive(Debug)]
struct Numbers(AtomicU64);

impl SecureRandom for Numbers {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        for bytes in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.copy_from_slice(&mixed.to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}

static RANDOM: Numbers = Numbers(AtomicU64::new(1));

/// The first of January 2027.
#[derive(Debug)]
struct NewYear;

impl TimeProvider for NewYear {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            1_798_761_600,
        )))
    }
}

fn with_suite(suite: CipherSuite) -> CryptoProvider {
    let mut provider = provider(&RANDOM);
    provider.cipher_suites.retain(|own| own.suite() == suite);
    provider
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    roots
}

fn server_config(leaf: &str, key: Arc<dyn SigningKey>) -> ServerConfig {
    let key = CertifiedKey::new(vec![certificate(leaf)], key);
    let builder =
        ServerConfig::builder_with_details(Arc::new(provider(&RANDOM)), Arc::new(NewYear));
    let builder = builder
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth();
    builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
}

fn server() -> ServerConfig {
    server_config("leaf.pem", load_key(private_key("leaf.key.pem")).unwrap())
}

fn client(provider: CryptoProvider) -> ClientConfig {
    let builder = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(NewYear));
    let builder = builder.with_protocol_versions(&[&TLS13]).unwrap();
    builder
        .with_root_certificates(roots())
        .with_no_client_auth()
}

/// A client and its server, which pass records to each other.
struct Pair {
    client: Connection,
    server: Connection,
}

impl Pair {
    fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(client), name)
                .unwrap()
                .into(),
            server: ServerConnection::new(Arc::clone(server)).unwrap().into(),
        }
    }

    /// Passes records until there are none left, or one side fails.
    fn pass(&mut self) -> Result<(), Error> {
        while self.client.wants_write() || self.server.wants_write() {
            pass(&mut self.client, &mut self.server)?;
            pass(&mut self.server, &mut self.client)?;
        }
        Ok(())
    }

    fn kind(&self) -> Option<HandshakeKind> {
        self.client.handshake_kind()
    }
}

fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), Error> {
    let mut records = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut records).unwrap();
    }
    flight::mend_all(&mut records);
    let mut records = &records[..];
    while !records.is_empty() {
        to.read_tls(&mut records).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn handshake(client: ClientConfig, server: ServerConfig) -> Result<Pair, Error> {
    let mut pair = Pair::new(&Arc::new(client), &Arc::new(server));
    pair.pass()?;
    Ok(pair)
}
