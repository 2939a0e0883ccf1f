//! Handshakes between a client and a server that speak RFC 8998 only.

use super::*;

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
