//! Handshakes: full and resumed, every suite, both roles, every split.

mod support;

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
