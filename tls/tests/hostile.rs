//! Peers that break the rules, and how sessions end.

mod support;

use rustls::version::TLS13;
use support::{Got, NOW, Pair, feed, seal, suites};
use tls::{
    Session,
    fuzz::write_record,
    limits::{EMPTY_RECORDS_MAX, RECORD_BYTES_MAX},
};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

fn pair(is_tls13: bool) -> Pair {
    let mut suites = suites().filter(|suite| (suite.version() == &TLS13) == is_tls13);
    Pair::new(&[suites.next().expect("a suite of each version")])
}

/// Records from one session.
fn write(from: &mut Session, records: &[(u8, &[u8])]) -> Vec<u8> {
    let mut wire = Vec::new();
    let each = records.iter();
    each.for_each(|(kind, contents)| write_record(from, *kind, contents, &mut wire));
    wire
}

type Records = &'static [(u8, &'static [u8])];

/// What it is, whether of TLS 1.3, and the records.
type Case = (&'static str, bool, Records);

const UNEXPECTED: &[Case] = &[
    ("type 0", true, &[(0, b"x\0\0")]),
    ("no type", true, &[(0, b"\0\0")]),
    ("unknown type", true, &[(24, b"x")]),
    ("unknown type", false, &[(24, b"x")]),
    ("sealed CCS", true, &[(CHANGE_CIPHER_SPEC, b"\x01")]),
    ("CCS", false, &[(CHANGE_CIPHER_SPEC, b"\x01")]),
    ("no message", true, &[(HANDSHAKE, b"")]),
    ("Finished", true, &[(HANDSHAKE, &[20, 0, 0, 0])]),
    ("ticket to a server", true, &[(HANDSHAKE, &[4, 0, 0, 0])]),
    ("KeyUpdate", false, &[(HANDSHAKE, &[24, 0, 0, 1, 0])]),
    ("two in one", true, &[(HANDSHAKE, &[24, 0, 0, 1, 0, 24])]),
    ("data within", true, &[(HANDSHAKE, &[24, 0]), (DATA, b"x")]),
];

const BAD: &[Case] = &[
    ("KeyUpdate of 2", true, &[(HANDSHAKE, &[24, 0, 0, 1, 2])]),
    ("half an alert", true, &[(ALERT, &[1])]),
];

const LONG: &[Case] = &[("long message", true, &[(HANDSHAKE, &[4, 1, 0, 1])])];

const CANCELED: &[Case] = &[("twice", true, &[(ALERT, &[1, 90]), (ALERT, &[1, 90])])];

const UNKNOWN_CA: &[Case] = &[
    ("alert", true, &[(ALERT, &[2, 48])]),
    ("alert", false, &[(ALERT, &[2, 48])]),
];

const RENEGOTIATION: &[Case] = &[("ClientHello", false, &[(HANDSHAKE, &[1, 0, 0, 0])])];

#[test]
fn records_that_have_no_place_are_refused_and_the_peer_is_told() {
    for (cases, detail, told) in [
        (
            UNEXPECTED,
            "tls_unexpected_message",
            Some("tls_unexpected_message"),
        ),
        (BAD, "tls_bad_message", Some("tls_bad_message")),
        (LONG, "tls_post_handshake_too_long", Some("tls_bad_message")),
        (CANCELED, "tls_canceled", None),
        (UNKNOWN_CA, "tls_unknown_ca", None),
        (
            RENEGOTIATION,
            "tls_renegotiation",
            Some("tls_renegotiation_refused"),
        ),
    ] {
        for (name, is_tls13, records) in cases {
            let mut pair = pair(*is_tls13);
            let wire = write(&mut pair.client, records);
            let got = feed(&mut pair.server, &wire, usize::MAX);
            assert_eq!((got.detail(), got.data.len()), (Some(detail), 0), "{name}");
            let at_client = feed(&mut pair.client, &got.out, usize::MAX);
            assert_eq!(at_client.detail(), told, "{name}");
            let again = feed(&mut pair.server, &wire, usize::MAX);
            assert_eq!(
                (again.detail(), again.out.len()),
                (Some(detail), 0),
                "{name}"
            );
            assert!(pair.server.seal(NOW, &[b"x"], &mut []).is_err(), "{name}");
        }
    }
}

#[test]
fn clients_refuse_what_only_servers_may_ask_before_the_end() {
    let cases: [(bool, &[u8], &str); 3] = [
        (false, &[0, 0, 0, 0], "tls_renegotiation"),
        (true, &[13, 0, 0, 0], "tls_unexpected_message"),
        (true, &[4, 0, 0, 1, 0], "tls_bad_message"),
    ];
    for (is_tls13, message, detail) in cases {
        let mut pair = pair(is_tls13);
        let wire = write(&mut pair.server, &[(HANDSHAKE, message)]);
        assert_eq!(feed(&mut pair.client, &wire, 1).detail(), Some(detail));
    }
}

#[test]
fn padding_is_removed_and_messages_may_be_split() {
    let mut pair = pair(true);
    let wire = write(
        &mut pair.client,
        &[
            (0, b"data\x17\0\0\0"),
            (DATA, b""),
            (ALERT, &[1, 90]),
            (DATA, b"more"),
        ],
    );
    let got = feed(&mut pair.server, &wire, usize::MAX);
    assert_eq!((got.detail(), &got.data[..]), (None, &b"datamore"[..]));
    let wire = write(
        &mut pair.client,
        &[(HANDSHAKE, &[24]), (HANDSHAKE, &[0, 0, 1])],
    );
    assert_eq!(feed(&mut pair.server, &wire, usize::MAX), Got::default());
    assert!(pair.server.is_partial());
}

#[test]
fn padding_counts_to_the_length_of_a_record() {
    for (more, detail) in [(0, None), (1, Some("tls_record_overflow"))] {
        let mut pair = pair(true);
        // The type that `write` adds is one more zero of the padding.
        let mut inner = vec![0; RECORD_BYTES_MAX + more];
        inner[..5].copy_from_slice(b"data\x17");
        let wire = write(&mut pair.client, &[(0, &inner)]);
        let got = feed(&mut pair.server, &wire, usize::MAX);
        assert_eq!(got.detail(), detail, "{more}");
        assert_eq!(got.data.is_empty(), detail.is_some());
    }
}

#[test]
fn records_without_data_are_counted() {
    for is_tls13 in [true, false] {
        let mut pair = pair(is_tls13);
        let empty: &[(u8, &[u8])] = &[(DATA, b"")];
        let wire = write(&mut pair.client, &empty.repeat(EMPTY_RECORDS_MAX as usize));
        assert_eq!(feed(&mut pair.server, &wire, usize::MAX).detail(), None);
        let wire = write(&mut pair.client, &[(DATA, b"x"), (DATA, b"")]);
        assert_eq!(feed(&mut pair.server, &wire, usize::MAX).data, b"x");
        let wire = write(&mut pair.client, &empty.repeat(EMPTY_RECORDS_MAX as usize));
        assert_eq!(
            feed(&mut pair.server, &wire, usize::MAX).detail(),
            Some("tls_empty_records")
        );
    }
}

#[test]
fn every_changed_byte_of_a_record_is_noticed() {
    for suite in suites() {
        let len = seal(&mut Pair::new(&[suite]).client, NOW, &[b"data"]).len();
        for at in 0..len {
            let mut pair = Pair::new(&[suite]);
            let mut wire = seal(&mut pair.client, NOW, &[b"data"]);
            wire[at] ^= 1;
            wire.extend(seal(
                &mut pair.client,
                NOW,
                &[b"behind it, so that a longer record is whole"],
            ));
            let got = feed(&mut pair.server, &wire, usize::MAX);
            assert!(got.data.is_empty(), "{suite:?}, byte {at}");
            assert!(
                got.fault.is_some() || pair.server.is_partial(),
                "{suite:?}, byte {at}"
            );
            if at >= 5 {
                assert_eq!(got.detail(), Some("tls_bad_record"));
                let told = feed(&mut pair.client, &got.out, usize::MAX);
                assert_eq!(told.detail(), Some("tls_bad_record"));
            }
        }
    }
}

#[test]
fn records_that_come_twice_or_out_of_order_are_refused() {
    for suite in suites() {
        for order in [[0, 0], [1, 0]] {
            let mut pair = Pair::new(&[suite]);
            let records = [b"one", b"two"].map(|data| seal(&mut pair.client, NOW, &[data]));
            let wire = order.map(|at| records[at].clone()).concat();
            let got = feed(&mut pair.server, &wire, usize::MAX);
            assert_eq!(got.detail(), Some("tls_bad_record"), "{suite:?}");
        }
    }
}

#[test]
fn a_record_that_is_too_long_is_refused_by_its_header() {
    for (is_tls13, len_max) in [
        (true, RECORD_BYTES_MAX + 256),
        (false, RECORD_BYTES_MAX + 24),
    ] {
        for (len, detail) in [(len_max, None), (len_max + 1, Some("tls_record_overflow"))] {
            let len = (len as u16).to_be_bytes();
            let got = feed(&mut pair(is_tls13).server, &[23, 3, 3, len[0], len[1]], 2);
            assert_eq!(got.detail(), detail);
        }
    }
    let mut pair = pair(true);
    let wire = write(
        &mut pair.client,
        &[
            (DATA, &[1; RECORD_BYTES_MAX]),
            (0, &[1; RECORD_BYTES_MAX + 2]),
        ],
    );
    let got = feed(&mut pair.server, &wire, usize::MAX);
    assert_eq!(
        (got.data.len(), got.detail()),
        (RECORD_BYTES_MAX, Some("tls_record_overflow"))
    );
}

#[test]
fn close_notify_ends_one_direction_and_its_absence_is_told() {
    for is_tls13 in [true, false] {
        let mut pair = pair(is_tls13);
        assert_eq!(pair.server.on_eof().unwrap_err().detail, "tls_truncated");
        let mut wire = seal(&mut pair.client, NOW, &[b"last"]);
        pair.client.close(&mut wire);
        let len = wire.len();
        pair.client.close(&mut wire);
        assert_eq!(wire.len(), len, "once");
        assert!(pair.client.seal(NOW, &[b"more"], &mut [0; 99]).is_err());
        wire.extend(b"what follows is dropped");
        let got = feed(&mut pair.server, &wire, usize::MAX);
        assert_eq!(
            (got.detail(), &got.data[..], got.is_closed),
            (None, &b"last"[..], true)
        );
        assert_eq!(
            feed(&mut pair.server, b"this too", usize::MAX),
            Got::default()
        );
        assert_eq!(pair.server.on_eof(), Ok(()));
        let sealed = seal(&mut pair.server, NOW, &[b"still open this way"]);
        assert_eq!(
            feed(&mut pair.client, &sealed, usize::MAX).data,
            b"still open this way"
        );
    }
}

#[test]
fn nothing_is_shown_of_a_session() {
    let pair = pair(true);
    assert_eq!(format!("{:?}", pair.client), "Session(traffic)");
}
