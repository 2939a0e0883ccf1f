//! Handshakes between a client and a server that speak RFC 8998 only, on certificates made by OpenSSL.

use super::{Sm4Gcm, kx, load_key, provider, verify};
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

#[test]
fn each_suite_carries_data_both_ways() {
    for suite in [GCM, CCM] {
        let mut pair = handshake(client(with_suite(suite)), server()).unwrap();
        let negotiated = pair
            .client
            .negotiated_cipher_suite()
            .map(|suite| suite.suite());
        assert_eq!(negotiated, Some(suite));
        let group = pair
            .server
            .negotiated_key_exchange_group()
            .map(|group| group.name());
        assert_eq!(group, Some(NamedGroup::Unknown(41)));
        for len in [1, 1000, 16_384] {
            let sent: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            pair.client.writer().write_all(&sent).unwrap();
            pair.server.writer().write_all(&sent).unwrap();
            pair.pass().unwrap();
            for side in [&mut pair.client, &mut pair.server] {
                let mut received = vec![0; sent.len()];
                side.reader().read_exact(&mut received).unwrap();
                assert!(received == sent, "{suite:?} {len}");
            }
        }
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(b"with new keys").unwrap();
        pair.pass().unwrap();
        let mut received = [0; 13];
        pair.server.reader().read_exact(&mut received).unwrap();
        assert_eq!(&received, b"with new keys");
    }
}

#[test]
fn gcm_is_preferred() {
    let pair = handshake(client(provider(&RANDOM)), server()).unwrap();
    assert_eq!(
        pair.client
            .negotiated_cipher_suite()
            .map(|suite| suite.suite()),
        Some(GCM)
    );
}

#[test]
fn a_changed_record_is_refused() {
    for suite in [GCM, CCM] {
        for at in [5, 17, 30] {
            let mut pair = handshake(client(with_suite(suite)), server()).unwrap();
            pair.client.writer().write_all(b"hello").unwrap();
            let mut records = Vec::new();
            pair.client.write_tls(&mut records).unwrap();
            let last = records.len() - 1;
            records[at.min(last)] ^= 1;
            pair.server.read_tls(&mut &records[..]).unwrap();
            assert_eq!(
                pair.server.process_new_packets().map(drop),
                Err(Error::DecryptError)
            );
        }
    }
}

#[test]
fn a_session_is_resumed() {
    let mut client = client(provider(&RANDOM));
    client.resumption = Resumption::in_memory_sessions(4);
    let (client, server) = (Arc::new(client), Arc::new(server()));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut pair = Pair::new(&client, &server);
        pair.pass().unwrap();
        assert_eq!(pair.kind(), Some(kind));
    }
}

#[test]
fn a_client_shows_a_certificate_too() {
    let provider_of_both = Arc::new(provider(&RANDOM));
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots()),
        Arc::clone(&provider_of_both),
    );
    let details = ServerConfig::builder_with_details(provider_of_both, Arc::new(NewYear));
    let server = details
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate("leaf.pem")], private_key("leaf.key.pem"));
    let builder =
        ClientConfig::builder_with_details(Arc::new(provider(&RANDOM)), Arc::new(NewYear));
    let client = builder
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots())
        .with_client_auth_cert(vec![certificate("leaf.pem")], private_key("leaf.sec1.pem"));
    let pair = handshake(client.unwrap(), server.unwrap()).unwrap();
    assert_eq!(
        pair.server.peer_certificates(),
        Some(&[certificate("leaf.pem")][..])
    );
}

/// curveSM2 under a code that no server has.
#[derive(Debug)]
struct OtherGroup(kx::CurveSm2);

impl OtherGroup {
    const NAME: NamedGroup = NamedGroup::Unknown(0x1234);
}

impl SupportedKxGroup for OtherGroup {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(OtherExchange(self.0.start()?)))
    }

    fn name(&self) -> NamedGroup {
        Self::NAME
    }
}

struct OtherExchange(Box<dyn ActiveKeyExchange>);

impl ActiveKeyExchange for OtherExchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        self.0.complete(peer)
    }

    fn pub_key(&self) -> &[u8] {
        self.0.pub_key()
    }

    fn group(&self) -> NamedGroup {
        OtherGroup::NAME
    }
}

#[test]
fn a_hello_with_another_group_first_is_retried() {
    static OTHER: OtherGroup = OtherGroup(kx::CurveSm2 { random: &RANDOM });
    let mut provider = provider(&RANDOM);
    provider.kx_groups.insert(0, &OTHER);
    let pair = handshake(client(provider), server()).unwrap();
    assert_eq!(pair.kind(), Some(HandshakeKind::FullWithHelloRetryRequest));
}

#[test]
fn a_certificate_signed_under_the_identifier_of_handshakes_is_refused() {
    let key = load_key(private_key("leaf.key.pem")).unwrap();
    let refused = handshake(
        client(provider(&RANDOM)),
        server_config("leaf-of-handshake-id.pem", key),
    );
    let bad = Error::InvalidCertificate(CertificateError::BadSignature);
    assert_eq!(refused.map(drop), Err(bad));
}

/// A key that signs handshakes under an identifier, and changes a byte of each signature.
#[derive(Debug)]
struct Strange {
    key: sm2::dsa::SigningKey,
    change: Option<usize>,
}

impl SigningKey for Strange {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self {
            key: self.key.clone(),
            change: self.change,
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Strange {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = self.key.sign(message).to_der().as_bytes().to_vec();
        if let Some(at) = self.change {
            signature[at] ^= 1;
        }
        Ok(signature)
    }

    fn scheme(&self) -> SignatureScheme {
        verify::SM2SIG_SM3
    }
}

#[test]
fn a_handshake_signed_under_another_identifier_or_changed_is_refused() {
    let der = private_key("leaf.key.pem");
    let secret = sm2::SecretKey::from_pkcs8_der(der.secret_der()).unwrap();
    let bad = Error::InvalidCertificate(CertificateError::BadSignature);
    let cases = [
        (verify::HANDSHAKE_ID, None, Ok(())),
        ("1234567812345678", None, Err(bad.clone())),
        ("", None, Err(bad.clone())),
        // The tag and the length of the DER, a byte of r, the last byte of s.
        (verify::HANDSHAKE_ID, Some(0), Err(bad.clone())),
        (verify::HANDSHAKE_ID, Some(1), Err(bad.clone())),
        (verify::HANDSHAKE_ID, Some(10), Err(bad.clone())),
        (verify::HANDSHAKE_ID, Some(69), Err(bad)),
    ];
    for (id, change, outcome) in cases {
        let key = sm2::dsa::SigningKey::new(id, &secret).unwrap();
        let server = server_config("leaf.pem", Arc::new(Strange { key, change }));
        let end = handshake(client(provider(&RANDOM)), server).map(drop);
        assert_eq!(end, outcome, "{id} {change:?}");
    }
}

#[test]
fn secrets_are_handed_out_for_our_own_records() {
    let (mut client, mut server) = (client(with_suite(GCM)), server());
    client.enable_secret_extraction = true;
    server.enable_secret_extraction = true;
    server.send_tls13_tickets = 0;
    let mut pair = handshake(client, server).unwrap();
    pair.client.writer().write_all(b"a record").unwrap();
    let mut record = Vec::new();
    pair.client.write_tls(&mut record).unwrap();
    let (Connection::Client(client), Connection::Server(server)) = (pair.client, pair.server)
    else {
        panic!("which side is which");
    };
    let (client, server) = (
        client.dangerous_extract_secrets().unwrap(),
        server.dangerous_extract_secrets().unwrap(),
    );
    let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = server.rx.1 else {
        panic!("the form of AES-128-GCM");
    };
    let ConnectionTrafficSecrets::Aes128Gcm { key: sent_with, .. } = client.tx.1 else {
        panic!("the form of AES-128-GCM");
    };
    assert_eq!(
        (key.as_ref(), server.rx.0, client.tx.0),
        (sent_with.as_ref(), 0, 1)
    );
    let nonce = rustls::crypto::cipher::Nonce::new(&iv, 0).0;
    let (header, sealed) = record.split_at_mut(5);
    let (data, tag) = sealed.split_last_chunk_mut::<16>().unwrap();
    let opened =
        Sm4Gcm::new(key.as_ref().try_into().unwrap()).open_in_place(&nonce, header, data, tag);
    assert_eq!((opened, &data[..]), (Ok(()), &b"a record\x17"[..]));
}

#[test]
fn key_exchange_is_drawn_from_the_source_that_was_given() {
    static FIRST: Numbers = Numbers(AtomicU64::new(7));
    static SECOND: Numbers = Numbers(AtomicU64::new(7));
    let (one, other) = (
        kx::CurveSm2 { random: &FIRST },
        kx::CurveSm2 { random: &SECOND },
    );
    let (one, other) = (one.start().unwrap(), other.start().unwrap());
    assert_eq!(one.pub_key(), other.pub_key());
    let third = kx::CurveSm2 { random: &SECOND }.start().unwrap();
    assert_ne!(third.pub_key(), other.pub_key());
    let (public, third_public) = (one.pub_key().to_vec(), third.pub_key().to_vec());
    let (ours, theirs) = (
        one.complete(&third_public).unwrap(),
        third.complete(&public).unwrap(),
    );
    assert_eq!(ours.secret_bytes(), theirs.secret_bytes());
}

#[test]
fn a_source_that_gives_no_scalar_is_an_error() {
    #[derive(Debug)]
    struct Filled(u8);
    impl SecureRandom for Filled {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
            bytes.fill(self.0);
            Ok(())
        }
    }
    static ZEROS: Filled = Filled(0);
    static ONES: Filled = Filled(0xff);
    for random in [&ZEROS, &ONES] {
        let failed = kx::CurveSm2 { random }.start();
        assert_eq!(failed.map(drop), Err(Error::FailedToGetRandomBytes));
    }
}

#[test]
fn what_is_no_point_of_the_curve_is_refused() {
    let group = kx::CurveSm2 { random: &RANDOM };
    let right = group.start().unwrap().pub_key().to_vec();
    let changed = |at: usize, to: u8| {
        let mut point = right.clone();
        point[at] = to;
        point
    };
    let compressed = [&[2 + (right[64] & 1)], &right[1..33]].concat();
    let coordinates_too_large = [&[4][..], &[0xff; 64]].concat();
    let wrong = [
        vec![],
        vec![0],
        vec![4],
        [&[4][..], &[0; 64]].concat(),
        compressed,
        coordinates_too_large,
        changed(0, 6),
        changed(64, !right[64]),
        right[..64].to_vec(),
        [&right[..], &[0]].concat(),
    ];
    for point in wrong {
        let refused = group.start().unwrap().complete(&point).map(drop);
        assert_eq!(
            refused,
            Err(PeerMisbehaved::InvalidKeyShare.into()),
            "{point:02x?}"
        );
    }
    assert!(group.start().unwrap().complete(&right).is_ok());
}

#[test]
fn keys_are_loaded_from_both_forms_and_know_their_public_half() {
    for name in ["leaf.key.pem", "leaf.sec1.pem"] {
        let key = load_key(private_key(name)).unwrap();
        let certified = CertifiedKey::new(vec![certificate("leaf.pem")], Arc::clone(&key));
        assert_eq!(certified.keys_match(), Ok(()), "{name}");
        let other = CertifiedKey::new(vec![certificate("ca.pem")], key);
        assert!(other.keys_match().is_err(), "{name}");
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let cases = [
        private_key("p256.key.pem"),
        private_key("p256.sec1.pem"),
        PrivateKeyDer::Pkcs8(vec![0x30, 0].into()),
        PrivateKeyDer::Pkcs1(vec![0x30, 0].into()),
    ];
    for der in cases {
        let refused = load_key(der).map(drop).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("not an SM2 private key"), "{text}");
    }
}

#[test]
fn a_key_signs_the_same_way_twice_and_is_not_printed() {
    let der = private_key("leaf.key.pem");
    let secret = sm2::SecretKey::from_pkcs8_der(der.secret_der()).unwrap();
    let key = load_key(der).unwrap();
    assert!(key.choose_scheme(&[SignatureScheme::ED25519]).is_none());
    let signer = key.choose_scheme(&[verify::SM2SIG_SM3]).unwrap();
    assert_eq!(
        signer.sign(b"message").unwrap(),
        signer.sign(b"message").unwrap()
    );
    let printed = format!("{key:?} {signer:?} {:?}", provider(&RANDOM));
    let bytes = secret.to_bytes();
    for secret in [
        format!("{:?}", &bytes[..4]),
        format!("{:02x?}", &bytes[..4]),
    ] {
        assert!(
            !printed.contains(secret.trim_matches(['[', ']'])),
            "{printed}"
        );
    }
}
