//! KeyUpdate, the peer's and ours, and keys that are used up.

mod support;

use rustls::{SupportedCipherSuite, version::TLS13};
use support::{
    Got, NAME, NOW, Pair, client_config, client_context, feed, limited, pattern, raw::Raw, seal,
    server_config, server_context, suites,
};
use tls::{
    Session,
    fuzz::write_record,
    limits::{KEY_UPDATES_MAX, LIMITS, MESSAGE_BYTES, TICKETS_MAX},
};

fn suites_of_tls13() -> impl Iterator<Item = SupportedCipherSuite> {
    suites().filter(|suite| suite.version() == &TLS13)
}

/// Our session, a server's or a client's, with rustls as its peer.
fn with_raw(suite: SupportedCipherSuite, is_server: bool) -> (Session, Raw) {
    let (mut session, mut raw, mut hello) = if is_server {
        let context = server_context(server_config(&[suite]));
        (
            Session::accept(&context),
            Raw::client(client_config(&[suite])),
            vec![],
        )
    } else {
        let (context, mut hello) = (client_context(client_config(&[suite])), vec![]);
        let session = Session::connect(&context, Some(NAME), true, NOW, &mut hello);
        (
            session.expect("the name is one"),
            Raw::server(server_config(&[suite])),
            hello,
        )
    };
    raw.establish(&mut session, &std::mem::take(&mut hello));
    (session, raw)
}

fn update(raw: &mut Raw) -> Vec<u8> {
    raw.0.refresh_traffic_keys().expect("the handshake is over");
    raw.take()
}

#[test]
fn a_peer_changes_keys_in_the_middle_and_is_answered_before_data() {
    for suite in suites_of_tls13() {
        for (is_server, step) in [(true, usize::MAX), (false, 3)] {
            let (mut session, mut raw) = with_raw(suite, is_server);
            for round in 0..4 {
                let mut sealed = raw.seal(b"before");
                sealed.extend(update(&mut raw));
                sealed.extend(raw.seal(b"behind"));
                let got = feed(&mut session, &sealed, step);
                assert_eq!((got.detail(), &got.data[..]), (None, &b"beforebehind"[..]));
                assert!(got.out.is_empty(), "the answer waits for data");
                let len = session.sealed_len(NOW, 1);
                raw.exchange(&mut session, &pattern(9000 * round + 1));
                assert!(session.sealed_len(NOW, 1) < len, "answered once");
            }
        }
    }
}

#[test]
fn requests_before_any_data_of_ours_get_one_answer() {
    let (mut session, mut raw) = with_raw(suites_of_tls13().next().unwrap(), true);
    let idle = session.sealed_len(NOW, 10);
    let updates: Vec<_> = (0..3).flat_map(|_| update(&mut raw)).collect();
    assert_eq!(feed(&mut session, &updates, usize::MAX), Got::default());
    assert_eq!(session.sealed_len(NOW, 10), idle + 27);
    raw.exchange(&mut session, b"data");
    raw.exchange(&mut session, b"data");
}

#[test]
fn too_many_updates_without_data_are_refused_and_data_pays_for_them() {
    let (mut session, mut raw) = with_raw(suites_of_tls13().next().unwrap(), true);
    for round in 0..3 {
        for _ in 0..KEY_UPDATES_MAX {
            assert_eq!(
                feed(&mut session, &update(&mut raw), usize::MAX),
                Got::default()
            );
        }
        let data = pattern(MESSAGE_BYTES as usize);
        if round == 0 {
            let sealed = raw.seal(&data);
            assert_eq!(feed(&mut session, &sealed, usize::MAX).detail(), None);
        } else if round == 1 {
            seal(&mut session, NOW, &[&data]);
        }
    }
    let got = feed(&mut session, &update(&mut raw), usize::MAX);
    assert_eq!(got.detail(), Some("tls_key_updates"));
    assert!(
        !session.is_established() && !got.out.is_empty(),
        "the peer is told"
    );
}

#[test]
fn too_many_tickets_without_data_are_refused_and_data_pays_for_them() {
    const HANDSHAKE: u8 = 22;
    // Lifetime, age, nonce, ticket, extensions: RFC 8446 §4.6.1.
    let ticket = [4, 0, 0, 15, 0, 0, 1, 0, 0, 0, 0, 0, 1, 7, 0, 1, 7, 0, 0];
    let suite = suites_of_tls13().next().unwrap();
    let mut pair = Pair::new(&[suite]);
    let give = |pair: &mut Pair, count: u32| {
        let mut wire = Vec::new();
        for _ in 0..count {
            write_record(&mut pair.server, HANDSHAKE, &ticket, &mut wire);
        }
        feed(&mut pair.client, &wire, usize::MAX).detail()
    };
    let data = pattern(MESSAGE_BYTES as usize);
    seal(&mut pair.client, NOW, &[&data]);
    for is_sent in [true, false] {
        assert_eq!(give(&mut pair, TICKETS_MAX), None);
        if is_sent {
            seal(&mut pair.client, NOW, &[&data]);
        } else {
            let sealed = seal(&mut pair.server, NOW, &[&data]);
            assert_eq!(feed(&mut pair.client, &sealed, usize::MAX).detail(), None);
        }
    }
    assert_eq!(give(&mut pair, TICKETS_MAX + 1), Some("tls_tickets"));
    assert!(LIMITS.contains(&"tls_tickets"));
}

#[test]
fn keys_of_tls_1_2_are_told_to_be_nearly_used_up_from_seven_eighths_on() {
    for suite in suites() {
        let is_tls13 = suite.version() == &TLS13;
        let server = server_context(server_config(&[limited(suite, 16)]));
        let client = client_context(client_config(&[suite]));
        let mut pair = Pair::establish(&client, &server, usize::MAX);
        // Of TLS 1.2 the first record was Finished.
        for records in 2..=16 {
            seal(&mut pair.server, NOW, &[b"data"]);
            let is_nearly = !is_tls13 && records >= 14;
            assert_eq!(pair.server.is_nearly_used_up(), is_nearly, "{records}");
        }
        assert!(!pair.client.is_nearly_used_up());
    }
}

#[test]
fn we_change_keys_before_they_are_used_up() {
    for suite in suites_of_tls13() {
        let server = server_context(server_config(&[limited(suite, 7)]));
        let mut session = Session::accept(&server);
        let mut raw = Raw::client(client_config(&[suite]));
        raw.establish(&mut session, &[]);
        for size in [1, 200_000, 1, 30_000, 3, 5, 7, 9, 11, 13, 400_000] {
            raw.exchange(&mut session, &pattern(size));
        }
    }
}

#[test]
fn tls_1_2_stops_when_keys_are_used_up_and_says_goodbye() {
    for suite in suites().filter(|suite| suite.version() != &TLS13) {
        let server = server_context(server_config(&[limited(suite, 5)]));
        let client = client_context(client_config(&[suite]));
        let mut pair = Pair::establish(&client, &server, usize::MAX);
        for _ in 0..4 {
            // The first record was Finished.
            let sealed = seal(&mut pair.server, NOW, &[b"data"]);
            assert_eq!(feed(&mut pair.client, &sealed, usize::MAX).data, b"data");
        }
        let refused = pair
            .server
            .seal(NOW, &[b"data"], &mut [0; 100])
            .unwrap_err();
        assert_eq!(
            (refused.detail, refused.is_ours),
            ("tls_keys_used_up", true)
        );
        let mut bye = Vec::new();
        pair.server.close(&mut bye);
        assert!(feed(&mut pair.client, &bye, usize::MAX).is_closed);
    }
}
