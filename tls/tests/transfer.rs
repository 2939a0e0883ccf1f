//! Data both ways, in pieces of any size, byte for byte.

mod support;

use proptest::prelude::*;
use std::time::Duration;
use support::{NOW, Pair, client_config, feed, pattern, raw::Raw, seal, server_config, suites};
use tls::{
    ServerContext, Session,
    limits::{FIRST_RECORD_BYTES, FIRST_RECORDS_BYTES, RECORD_BYTES_MAX, RECORD_IDLE},
};

/// Lengths of the records in bytes.
fn lens(mut bytes: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    while !bytes.is_empty() {
        let len = 5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        lens.push(len);
        bytes = &bytes[len..];
    }
    lens
}

/// One of our sessions with rustls as the client.
fn with_raw(suite: rustls::SupportedCipherSuite) -> (Session, Raw) {
    let server = ServerContext::from_config(server_config(&[suite]));
    let (mut session, mut raw) = (
        Session::accept(&server),
        Raw::client(client_config(&[suite])),
    );
    raw.establish(&mut session, &[]);
    (session, raw)
}

#[test]
fn records_in_one_input_are_opened_where_they_lie_and_others_are_joined() {
    for suite in suites() {
        let mut pair = Pair::new(&[suite]);
        let data = pattern(3 * RECORD_BYTES_MAX);
        let sealed = seal(&mut pair.client, NOW, &[&data]);
        let got = feed(&mut pair.server, &sealed, usize::MAX);
        assert!(got.data == data && got.joined == 0, "{suite:?}");
        let sealed = seal(&mut pair.server, NOW, &[&data]);
        let records = lens(&sealed).len();
        let got = feed(&mut pair.client, &sealed, 1000);
        assert!(got.data == data && got.joined == records, "{suite:?}");
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    for suite in suites() {
        let mut pair = Pair::new(&[suite]);
        let sealed = seal(&mut pair.client, NOW, &[b"a", b"", b"bc"]);
        let got = feed(&mut pair.server, &sealed[..sealed.len() - 1], 1);
        assert!(got.data.is_empty() && pair.server.is_partial());
        let got = feed(&mut pair.server, &sealed[sealed.len() - 1..], 1);
        assert_eq!((&got.data[..], got.joined), (&b"abc"[..], 1));
        assert!(!pair.server.is_partial());
    }
}

#[test]
fn records_are_small_first_and_again_after_a_pause() {
    for suite in suites() {
        let mut pair = Pair::new(&[suite]);
        let data = pattern(FIRST_RECORDS_BYTES + RECORD_BYTES_MAX + 1);
        let overhead = seal(&mut pair.client, NOW, &[b"a"]).len() - 1;
        let small = FIRST_RECORDS_BYTES / FIRST_RECORD_BYTES;
        let first = lens(&seal(&mut pair.server, NOW, &[&data]));
        assert_eq!(first[..small], vec![FIRST_RECORD_BYTES + overhead; small]);
        assert_eq!(first[small..], [RECORD_BYTES_MAX + overhead, 1 + overhead]);
        let soon = NOW + RECORD_IDLE - Duration::from_millis(1);
        let second = lens(&seal(&mut pair.server, soon, &[&data]));
        assert_eq!(second[0], RECORD_BYTES_MAX + overhead);
        let late = soon + RECORD_IDLE;
        assert_eq!(lens(&seal(&mut pair.server, late, &[&data])), first);
    }
}

#[test]
fn no_data_makes_no_record() {
    let mut pair = Pair::new(&[]);
    assert_eq!(pair.client.sealed_len(NOW, 0), 0);
    assert!(seal(&mut pair.client, NOW, &[b"", b""]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn data_arrives_whatever_the_cuts(
        suite in 0usize..6,
        sizes in prop::collection::vec(0usize..50_000, 1..8),
        step in 1usize..40_000,
        at in 0usize..50_000,
    ) {
        let suite = suites().nth(suite % suites().count()).unwrap();
        let mut pair = Pair::new(&[suite]);
        let (mut session, mut raw) = with_raw(suite);
        for size in sizes {
            let data = pattern(size);
            let (one, other) = data.split_at(at.min(size));
            let sealed = seal(&mut pair.client, NOW, &[one, other]);
            prop_assert!(feed(&mut pair.server, &sealed, step).data == data);
            let sealed = seal(&mut pair.server, NOW, &[one, &[], other]);
            prop_assert!(feed(&mut pair.client, &sealed, step).data == data);
            let sealed = seal(&mut session, NOW, &[one, other]);
            prop_assert!(raw.feed(&sealed).unwrap() == data);
            let sealed = raw.seal(&data);
            prop_assert!(feed(&mut session, &sealed, step).data == data);
        }
    }
}
