//! What RFC 9113 asks of a server, case by case: settings and windows. The cases are
//! those that conformance suites ask of every server; each is fed whole and byte by byte.

mod http2_support;

use codecs::Limits;
use codecs::http2::Options;
use http2_support::case::Want::*;
use http2_support::case::*;
use http2_support::wire::*;
use http2_support::{Side, Told, answer};

#[test]
fn settings_are_held_to_their_range_and_acknowledged() {
    run(vec![
        ("push 2", Goaway(PROTOCOL), vec![settings(&[(2, 2)])]),
        (
            "window above",
            Goaway(FLOW_CONTROL),
            vec![settings(&[(4, 1 << 31)])],
        ),
        (
            "frames below",
            Goaway(PROTOCOL),
            vec![settings(&[(5, 16_383)])],
        ),
        (
            "frames above",
            Goaway(PROTOCOL),
            vec![settings(&[(5, 1 << 24)])],
        ),
        ("unknown", Answered(1), vec![settings(&[(0xff, 1)]), get(1)]),
        (
            "window of a stream above",
            Goaway(FLOW_CONTROL),
            vec![
                post(1),
                window_update(1, 0x7fff_ffff - 65_535),
                settings(&[(4, 65_536)]),
            ],
        ),
    ]);
    let mut server = Side::server(&Limits::default());
    server.take(&[PREFACE, &settings(&[])[..], &settings(&[(4, 5)])[..]].concat());
    let acks = frames(&server.written())
        .iter()
        .filter(|frame| frame.kind == SETTINGS && frame.flags == ACK)
        .count();
    assert_eq!(acks, 2);
}

#[test]
fn probes_are_answered() {
    let mut server = Side::server(&Limits::default());
    server.take(&[PREFACE, &settings(&[])[..]].concat());
    server.written();
    server.take(&frame(PING, 0, 0, b"h2spec\0\0"));
    let seen = frames(&server.written());
    assert_eq!(seen, frames(&frame(PING, ACK, 0, b"h2spec\0\0")));
    server.take(&frame(PING, ACK, 0, b"invalid\0"));
    assert_eq!(server.written(), b"");
}

#[test]
fn windows_are_held_to_their_range() {
    run(vec![
        (
            "0 on the connection",
            Goaway(PROTOCOL),
            vec![window_update(0, 0)],
        ),
        (
            "0 on a stream",
            Reset(1, PROTOCOL),
            vec![post(1), window_update(1, 0)],
        ),
        (
            "the connection's above",
            Goaway(FLOW_CONTROL),
            vec![window_update(0, 0x7fff_ffff), window_update(0, 1)],
        ),
        (
            "a stream's above",
            Reset(1, FLOW_CONTROL),
            vec![post(1), window_update(1, 0x7fff_ffff)],
        ),
    ]);
}

#[test]
fn answers_keep_to_the_windows() {
    let mut server = Side::server(&Limits::default());
    let begin = [PREFACE, &settings(&[(4, 1)])[..], &get(1)[..]].concat();
    server.take(&begin);
    server.written();
    server.head(1, &answer(200, &[]), false);
    assert_eq!(server.data(1, b"hello", true), 1);
    // RFC 9113 §6.9.2: what was sent still counts.
    assert_eq!(server.take(&settings(&[(4, 3)])), [Told::Window(1)]);
    assert_eq!(server.data(1, b"ello", true), 2);
    // The window becomes negative, and has to come up to more than 0.
    assert_eq!(server.take(&settings(&[(4, 0)])), []);
    assert_eq!(server.take(&window_update(1, 3)), []);
    assert_eq!(server.take(&window_update(1, 2)), [Told::Window(1)]);
    assert_eq!(server.data(1, b"lo", true), 2);
    let lens: Vec<_> = frames(&server.written())
        .iter()
        .filter(|frame| frame.kind == DATA)
        .map(|frame| (frame.payload.len(), frame.flags))
        .collect();
    assert_eq!(lens, [(1, 0), (2, 0), (2, END_STREAM)]);
}

#[test]
fn what_exceeds_our_windows_is_an_error() {
    let small = Limits {
        http2: Options {
            stream_window: 65_535,
            connection_window: 65_535,
            ..Options::default()
        },
        ..Limits::default()
    };
    for (streams, code) in [(1, FLOW_CONTROL), (2, FLOW_CONTROL)] {
        let mut server = Side::server(&small);
        server.releases = false;
        let mut bytes = [PREFACE, &settings(&[])[..], &post(1)[..], &post(3)[..]].concat();
        for n in 0..5 {
            bytes.extend(data(1 + 2 * (n % streams), 0, &[0; 14_000]));
        }
        server.take(&bytes);
        let seen = frames(&server.written());
        assert_eq!(
            seen.last().map(|frame| (frame.kind, frame.number())),
            Some((GOAWAY, code))
        );
    }
    let wide = Limits {
        http2: Options {
            connection_window: 1 << 20,
            ..small.http2
        },
        ..Limits::default()
    };
    let mut server = Side::server(&wide);
    server.releases = false;
    let mut bytes = [PREFACE, &settings(&[])[..], &post(1)[..]].concat();
    (0..5).for_each(|_| bytes.extend(data(1, 0, &[0; 14_000])));
    bytes.extend(get(3));
    let told = server.take(&bytes);
    assert!(
        matches!(told.last(), Some(Told::Head(3, _, true))),
        "{told:?}"
    );
    let reset = frames(&server.written())
        .iter()
        .any(|frame| frame.kind == RST_STREAM && frame.number() == FLOW_CONTROL);
    assert!(reset && server.refused.is_none());
}
