//! Handshakes that fail, and what both sides are told.

mod support;

use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite, version::TLS13};
use support::{
    ISSUED, NAME, NOW, Pair, client_config, client_context, feed, mutual_config, provider,
    raw::Raw, server_config, server_context, suites,
};
use tls::{
    Session,
    hello::{Hello, read},
    limits::{EARLY_DATA_RECORDS_MAX, EARLY_DATA_TRIED_BYTES_MAX, HANDSHAKE_BYTES_MAX, LIMITS},
};

fn suite(is_tls13: bool) -> SupportedCipherSuite {
    let mut suites = suites().filter(|suite| (suite.version() == &TLS13) == is_tls13);
    suites.next().expect("a suite of each version")
}

/// A client without a certificate.
fn anonymous(roots: impl Into<std::sync::Arc<RootCertStore>>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider(&[]));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has suites of both");
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn sni_in(hello: &[u8]) -> Option<Box<str>> {
    let Hello::Offer(offer) = read(hello) else {
        panic!("no offer");
    };
    offer.sni
}

#[test]
fn what_is_no_hello_is_refused_with_an_alert() {
    let context = server_context(server_config(&[]));
    let long = [&[22, 3, 1, 0, 4, 1, 1, 0, 0][..], &[0; 9]].concat();
    for (bytes, detail, alert) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "tls_no_hello", 10),
        (b"\x80\x2e\x01\x03\x01\0\x15", "tls_bad_hello", 50),
        (b"\x16\x03\x01\0\x04\x02\0\0\0", "tls_bad_hello", 50),
        (&long, "tls_hello_too_long", 50),
    ] {
        for step in [1, usize::MAX] {
            let got = feed(&mut Session::accept(&context), bytes, step);
            assert_eq!(got.detail(), Some(detail));
            assert_eq!(got.out, [21, 3, 3, 0, 2, 2, alert]);
        }
    }
}

#[test]
fn a_hello_in_records_of_one_byte_is_answered() {
    for suite in suites() {
        let server = server_context(server_config(&[suite]));
        let (mut session, mut raw) = (
            Session::accept(&server),
            Raw::client(client_config(&[suite])),
        );
        let hello = raw.take();
        let bytes = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]);
        let wire: Vec<_> = bytes.collect();
        let got = feed(&mut session, &wire, 4);
        assert_eq!(got.fault, None);
        assert_eq!(session.offer().unwrap().sni.as_deref(), Some(NAME));
        raw.feed(&got.out).unwrap();
        raw.establish(&mut session, &[]);
        raw.exchange(&mut session, b"data");
    }
}

#[test]
fn a_handshake_message_without_end_is_refused() {
    let server = server_context(server_config(&[suite(false)]));
    let (mut session, mut raw) = (
        Session::accept(&server),
        Raw::client(client_config(&[suite(false)])),
    );
    let got = feed(&mut session, &raw.take(), usize::MAX);
    assert_eq!(got.fault, None);
    let record = [22, 3, 3, 0, 1, 0];
    let first = [22, 3, 3, 0, 4, 16, 0, 0xff, 0xff];
    let wire = [
        &first[..],
        &record.repeat(HANDSHAKE_BYTES_MAX / record.len()),
    ]
    .concat();
    let got = feed(&mut session, &wire, usize::MAX);
    assert_eq!(got.detail(), Some("tls_handshake_too_long"));
    assert!(LIMITS.contains(&"tls_handshake_too_long"));
}

/// A ClientHello in one record with an empty extension more.
fn extended(mut hello: Vec<u8>, kind: u16) -> Vec<u8> {
    // Of the record, the message (its first byte is 0), and the list of extensions.
    let session_id = 9 + 2 + 32;
    let suites = session_id + 1 + usize::from(hello[session_id]);
    let suites_len = usize::from(u16::from_be_bytes([hello[suites], hello[suites + 1]]));
    let extensions = suites + 2 + suites_len + 2;
    for at in [3, 7, extensions] {
        let len = u16::from_be_bytes([hello[at], hello[at + 1]]) + 4;
        hello[at..at + 2].copy_from_slice(&len.to_be_bytes());
    }
    hello.extend([kind.to_be_bytes(), [0, 0]].concat());
    hello
}

#[test]
fn early_data_is_passed_over_up_to_a_limit_of_bytes_and_one_of_records() {
    const EARLY_DATA: u16 = 42;
    let mut config = server_config(&[suite(true)]);
    config.max_early_data_size = EARLY_DATA_TRIED_BYTES_MAX;
    let server = server_context(config);
    let hello = Raw::client(client_config(&[suite(true)])).take();
    let record =
        |len: usize| [&[23, 3, 3, (len >> 8) as u8, len as u8][..], &vec![0; len]].concat();
    for (len, times, detail) in [
        (0, EARLY_DATA_RECORDS_MAX, None),
        (
            0,
            EARLY_DATA_RECORDS_MAX + 1,
            Some("tls_early_data_too_long"),
        ),
        (20, 10_000, Some("tls_early_data_too_long")),
        (400, 40, None),
        (16_400, 2, None),
        (16_400, 9, Some("tls_early_data_too_long")),
        (4000, 40, Some("tls_early_data_too_long")),
    ] {
        for step in [7, usize::MAX] {
            let mut session = Session::accept(&server);
            let got = feed(&mut session, &extended(hello.clone(), EARLY_DATA), step);
            assert_eq!(got.fault, None);
            assert!(session.offer().unwrap().has_early_data);
            let got = feed(&mut session, &record(len).repeat(times), step);
            assert_eq!(got.detail(), detail, "{times} of {len} bytes");
        }
    }
    assert!(LIMITS.contains(&"tls_early_data_too_long"));
    // Who has said nothing of it sends none.
    let mut session = Session::accept(&server);
    assert_eq!(feed(&mut session, &hello, usize::MAX).fault, None);
    let got = feed(&mut session, &record(20), usize::MAX);
    assert_eq!(got.detail(), Some("tls_bad_record"));
}

/// A ClientHello in one record.
fn hello(version: u16, suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let suites: Vec<u8> = suites
        .iter()
        .flat_map(|suite| suite.to_be_bytes())
        .collect();
    let with_len = |part: &[u8]| [&(part.len() as u16).to_be_bytes(), part].concat();
    let random = [7; 32];
    let mut body = [
        &version.to_be_bytes()[..],
        &random,
        &[0],
        &with_len(&suites),
        &[1, 0],
    ]
    .concat();
    if !extensions.is_empty() {
        body.extend(with_len(extensions));
    }
    let message = [&[1, 0][..], &with_len(&body)].concat();
    [&[22, 3, 1][..], &with_len(&message)].concat()
}

#[test]
fn who_has_no_version_or_no_suite_for_us_is_told_so() {
    const STATIC_RSA: &[u16] = &[0x002f, 0x009c, 0x00ff];
    // rsa_pkcs1_sha256, ecdsa_secp256r1_sha256; x25519, secp256r1.
    let schemes = [0, 13, 0, 6, 0, 4, 4, 1, 4, 3];
    let groups = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23];
    let both = [&schemes[..], &groups].concat();
    let context = server_context(server_config(&[]));
    for (version, suites, extensions, detail, alert) in [
        (0x0300, STATIC_RSA, &[][..], "tls_no_shared_version", 70),
        (0x0301, STATIC_RSA, &[], "tls_no_shared_version", 70),
        (0x0302, &[0xc014], &groups, "tls_no_shared_version", 70),
        (0x0303, STATIC_RSA, &[], "tls_no_shared_cipher", 40),
        (0x0303, STATIC_RSA, &schemes, "tls_no_shared_cipher", 40),
        (0x0303, STATIC_RSA, &both, "tls_no_shared_cipher", 40),
        (
            0x0303,
            &[0xc02b, 0xc02f],
            &schemes,
            "tls_no_shared_group",
            40,
        ),
    ] {
        let hello = hello(version, suites, extensions);
        let got = feed(&mut Session::accept(&context), &hello, usize::MAX);
        assert_eq!(
            got.detail(),
            Some(detail),
            "{version:x} {suites:x?} {extensions:?}"
        );
        assert_eq!(got.out, [21, 3, 3, 0, 2, 2, alert], "{detail}");
    }
}

#[test]
fn the_end_of_a_handshake_that_fails_is_told_on_both_sides() {
    let stranger = anonymous(RootCertStore::empty());
    let anonymous = anonymous(ISSUED.roots.clone());
    let (tls13, tls12) = (suite(true), suite(false));
    let mut other_alpn = client_config(&[]);
    other_alpn.alpn_protocols = vec![b"h2".to_vec()];
    let mut alpn = server_config(&[]);
    alpn.alpn_protocols = vec![b"http/1.1".to_vec()];
    for (client, server, at_client, at_server) in [
        (
            stranger,
            server_config(&[]),
            "tls_unknown_ca",
            "tls_unknown_ca",
        ),
        (
            anonymous.clone(),
            mutual_config(&[tls13]),
            "tls_certificate_required",
            "tls_certificate_required",
        ),
        (
            anonymous,
            mutual_config(&[tls12]),
            "tls_certificate_required",
            "tls_certificate_required",
        ),
        (
            client_config(&[tls13]),
            server_config(&[tls12]),
            "tls_no_shared_version",
            "tls_no_shared_version",
        ),
        (
            other_alpn,
            alpn,
            "tls_no_application_protocol",
            "tls_no_application_protocol",
        ),
    ] {
        let client = client_context(client);
        let server = server_context(server);
        let (pair, faults) = Pair::shake(&client, &server, usize::MAX);
        let details = faults.map(|fault| fault.map(|fault| fault.detail));
        assert_eq!(details, [Some(at_client), Some(at_server)]);
        assert!(!pair.server.is_established() && pair.server.facts().is_none());
        let names = [&pair.client, &pair.server].map(Session::server_name);
        assert_eq!(names, [Some(NAME); 2]);
    }
}

#[test]
fn a_name_is_a_host_name_or_an_address() {
    let context = client_context(client_config(&[]));
    for (name, sni) in [
        (Some("a b"), None),
        (Some("192.0.2.1"), Some(None)),
        (None, Some(None)),
        (Some("a.example"), Some(Some("a.example"))),
    ] {
        let mut hello = Vec::new();
        let connected = Session::connect(&context, name, true, NOW, &mut hello);
        let offered = connected.ok().map(|_| sni_in(&hello));
        assert_eq!(offered.as_ref().map(Option::as_deref), sni, "{name:?}");
    }
}

#[test]
fn what_was_agreed_on_stays_known_when_a_session_fails() {
    let context = server_context(server_config(&[]));
    let mut client = Raw::client(client_config(&[]));
    let mut session = Session::accept(&context);
    client.establish(&mut session, &[]);
    let facts = session.facts().cloned().expect("an established session");
    let garbage = [&[23, 3, 3, 0, 20][..], &[0; 20]].concat();
    let got = feed(&mut session, &garbage, usize::MAX);
    assert_eq!(got.detail(), Some("tls_bad_record"));
    assert!(session.has_failed() && !session.is_established());
    assert!(std::sync::Arc::ptr_eq(&facts, session.facts().unwrap()));
}
