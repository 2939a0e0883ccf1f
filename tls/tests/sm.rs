//! RFC 8998: handshakes by rustls and records by ours, with both suites.
#![cfg(feature = "sm")]

mod support;

use support::{NOW, Pair, client_settings, feed, pattern, seal, server_settings};
use tls::{
    Client, ClientAuth, ClientContext, Identity, Provider, ServerContext, Suite, Tickets, Version,
    fuzz::ask_update,
};

const CHAIN: &[u8] = include_bytes!("../testdata/sm2.cert.pem");
const KEY: &[u8] = include_bytes!("../testdata/sm2.key.pem");

/// Beside a certificate of the usual kind.
fn contexts(suite: Suite) -> (std::sync::Arc<ClientContext>, std::sync::Arc<ServerContext>) {
    let provider = Provider::system();
    let mut server = server_settings(ClientAuth::None);
    server
        .identities
        .push(Identity::from_pem(CHAIN, KEY).expect("a chain and its key"));
    server.tickets = Some(Tickets::random(&provider));
    let mut client = client_settings(Client::Unverified);
    (client.suites, client.identity) = (vec![suite], None);
    let client = ClientContext::new(&provider, client);
    (
        client.expect("a suite of the provider"),
        ServerContext::new(&provider, server).expect("two kinds of certificates"),
    )
}

#[test]
fn both_suites_carry_data_full_and_resumed_in_pieces_of_any_size() {
    for suite in [Suite(0x00c6), Suite(0x00c7)] {
        let (client, server) = contexts(suite);
        for (is_resumed, step) in [(false, usize::MAX), (true, 1), (true, 700)] {
            let mut pair = Pair::establish(&client, &server, step);
            for session in [&pair.client, &pair.server] {
                let facts = session.facts().unwrap();
                assert_eq!((facts.version, facts.suite), (Version::Tls13, suite));
                assert_eq!(facts.is_resumed, is_resumed);
            }
            let data = pattern(70_000);
            let sealed = seal(&mut pair.client, NOW, &[&data]);
            assert!(feed(&mut pair.server, &sealed, step).data == data);
            let sealed = seal(&mut pair.server, NOW, &[&data]);
            assert!(feed(&mut pair.client, &sealed, step).data == data);
        }
    }
}

#[test]
fn keys_are_changed_within_the_suite() {
    for suite in [Suite(0x00c6), Suite(0x00c7)] {
        let (client, server) = contexts(suite);
        let mut pair = Pair::establish(&client, &server, usize::MAX);
        for _ in 0..3 {
            let idle = pair.client.sealed_len(NOW, 4);
            ask_update(&mut pair.client);
            let sealed = seal(&mut pair.client, NOW, &[b"data"]);
            assert_eq!(sealed.len(), idle + 27);
            assert_eq!(feed(&mut pair.server, &sealed, 5).data, b"data");
        }
    }
}

#[test]
fn every_changed_byte_of_a_record_is_noticed() {
    for suite in [Suite(0x00c6), Suite(0x00c7)] {
        let (client, server) = contexts(suite);
        let len = 4 + 22;
        for at in 5..len {
            let mut pair = Pair::establish(&client, &server, usize::MAX);
            let mut wire = seal(&mut pair.client, NOW, &[b"data"]);
            assert_eq!(wire.len(), len);
            wire[at] ^= 0x80;
            let got = feed(&mut pair.server, &wire, usize::MAX);
            assert_eq!((got.detail(), got.data.len()), (Some("tls_bad_record"), 0));
        }
    }
}
