//! Handshakes: full and resumed, every suite, both roles, every split.

mod support;

use proptest::prelude::*;
use rustls::{SupportedCipherSuite, version::TLS13};
use support::{
    ISSUED, NAME, NOW, Pair, client_config, feed, mutual_config, raw::Raw, seal, server_config,
    suites,
};
use tls::{ClientContext, ServerContext, Session, Version};

const DATA: &[u8] = b"what follows the handshake";

fn check_exchange(pair: &mut Pair) {
    for _ in 0..3 {
        let sealed = seal(&mut pair.client, NOW, &[DATA]);
        assert_eq!(feed(&mut pair.server, &sealed, 7).data, DATA);
        let sealed = seal(&mut pair.server, NOW, &[DATA]);
        assert_eq!(feed(&mut pair.client, &sealed, usize::MAX).data, DATA);
    }
}

fn version(suite: SupportedCipherSuite) -> Version {
    match suite.version() == &TLS13 {
        true => Version::Tls13,
        false => Version::Tls12,
    }
}

#[test]
fn every_suite_works_full_and_resumed_and_the_facts_are_told() {
    for suite in suites() {
        let (mut client, mut server) = (client_config(&[suite]), server_config(&[suite]));
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = ClientContext::from_config(client);
        let server = ServerContext::from_config(server);
        for is_resumed in [false, true, true] {
            let mut pair = Pair::establish(&client, &server, usize::MAX);
            for session in [&pair.client, &pair.server] {
                let facts = session.facts().unwrap();
                assert_eq!(
                    (facts.version, facts.suite.0),
                    (version(suite), suite.suite().into())
                );
                assert_eq!(facts.alpn.as_deref(), Some(&b"http/1.1"[..]));
                assert_eq!(facts.sni.as_deref(), Some(NAME));
                assert_eq!(facts.is_resumed, is_resumed, "{suite:?}");
                assert!(!session.is_partial() && session.offer().is_none());
            }
            let peer = pair.client.facts().unwrap().peer.clone().unwrap();
            assert_eq!(peer[0].der(), &*ISSUED.server.chain[0]);
            assert_eq!(pair.server.facts().unwrap().peer, None);
            check_exchange(&mut pair);
        }
    }
}

#[test]
fn clients_show_their_certificate_when_asked() {
    for suite in suites() {
        let client = ClientContext::from_config(client_config(&[suite]));
        let server = ServerContext::from_config(mutual_config(&[suite]));
        for is_resumed in [false, true] {
            let mut pair = Pair::establish(&client, &server, 11);
            let facts = pair.server.facts().unwrap();
            let peer = facts.peer.clone().unwrap();
            assert_eq!(peer[0].der(), &*ISSUED.client.chain[0]);
            assert_eq!(facts.is_resumed, is_resumed);
            check_exchange(&mut pair);
        }
    }
}

#[test]
fn bytes_may_come_in_pieces_of_any_size() {
    for suite in suites() {
        let client = ClientContext::from_config(client_config(&[suite]));
        let server = ServerContext::from_config(server_config(&[suite]));
        for step in (1..40).chain([100, 517, 518, 1000]) {
            check_exchange(&mut Pair::establish(&client, &server, step));
        }
    }
}

#[test]
fn plain_rustls_is_a_peer_on_either_side() {
    for suite in suites() {
        let server = ServerContext::from_config(server_config(&[suite]));
        let (mut raw, mut session) = (
            Raw::client(client_config(&[suite])),
            Session::accept(&server),
        );
        raw.establish(&mut session, &[]);
        raw.exchange(&mut session, DATA);

        let client = ClientContext::from_config(client_config(&[suite]));
        let mut hello = Vec::new();
        let session = Session::connect(&client, Some(NAME), true, NOW, &mut hello);
        let (mut raw, mut session) = (Raw::server(server_config(&[suite])), session.unwrap());
        raw.establish(&mut session, &hello);
        raw.exchange(&mut session, DATA);
    }
}

#[test]
fn data_may_come_with_the_end_of_the_handshake() {
    for suite in suites() {
        let server = ServerContext::from_config(server_config(&[suite]));
        let (mut raw, mut session) = (
            Raw::client(client_config(&[suite])),
            Session::accept(&server),
        );
        let mut got = feed(&mut session, &raw.take(), usize::MAX);
        while raw.0.is_handshaking() {
            raw.feed(&got.out).unwrap();
            if raw.0.is_handshaking() {
                got = feed(&mut session, &raw.take(), usize::MAX);
            }
        }
        if !session.is_established() {
            let last = raw.seal(DATA);
            got = feed(&mut session, &last, usize::MAX);
            assert_eq!(
                (got.is_established, &got.data[..], got.joined),
                (true, DATA, 0)
            );
            raw.feed(&got.out).unwrap();
        }
        raw.exchange(&mut session, DATA);
    }
}

#[test]
fn a_second_hello_is_asked_for_when_the_groups_differ() {
    let mut provider = support::provider(&[]).as_ref().clone();
    provider.kx_groups = vec![rustls::crypto::ring::kx_group::SECP384R1];
    let builder = rustls::ServerConfig::builder_with_provider(provider.into());
    let builder = builder
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth();
    let server = &ISSUED.server;
    let server = builder
        .with_single_cert(server.chain.clone(), server.key())
        .unwrap();
    let client = ClientContext::from_config(client_config(&[]));
    let server = ServerContext::from_config(server);
    for step in [1, usize::MAX] {
        check_exchange(&mut Pair::establish(&client, &server, step));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// rustls is driven beyond its errors for the alert: it must not panic there.
    #[test]
    fn a_changed_byte_anywhere_fails_the_handshake_and_panics_nobody(
        suite in 0usize..6, flight in 0usize..4, at: u16, mask in 1u8.., step in 1usize..3000, is_mutual: bool,
    ) {
        let suite = suites().nth(suite % suites().count()).unwrap();
        let config = if is_mutual { mutual_config } else { server_config };
        let client = ClientContext::from_config(client_config(&[suite]));
        let server = ServerContext::from_config(config(&[suite]));
        let mut wire = Vec::new();
        let mut sides = [Session::accept(&server), Session::connect(&client, Some(NAME), true, NOW, &mut wire).unwrap()];
        for round in 0..6 {
            if round == flight && !wire.is_empty() {
                let at = usize::from(at) % wire.len();
                wire[at] ^= mask;
            }
            wire = feed(&mut sides[round % 2], &wire, step).out;
        }
        // What was changed may be the version of a record, which nobody looks at.
        let is_same = sides[0].facts().map(|facts| facts.suite) == sides[1].facts().map(|facts| facts.suite);
        prop_assert!(is_same || sides.iter().any(|side| !side.is_established()));
    }
}
