//! What RFC 9113 asks of a server, case by case: frames and states of streams. The cases are
//! those that conformance suites ask of every server; each is fed whole and byte by byte.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod http2_support;

use codecs::Limits;
use http2_support::case::Want::*;
use http2_support::case::*;
use http2_support::wire::*;
use http2_support::{Side, Told};

#[test]
fn a_connection_begins_with_the_preface_and_settings() {
    run(vec![("settings", Answered(1), vec![get(1)])]);
    run_raw(
        "no preface",
        Goaway(PROTOCOL),
        b"INVALID CONNECTION PREFACE\r\n\r\n",
    );
    let begun = [PREFACE, &get(1)[..]].concat();
    run_raw("no settings", Goaway(PROTOCOL), &begun);
    let begun = [PREFACE, &frame(SETTINGS, ACK, 0, &[])[..]].concat();
    run_raw("ack first", Goaway(PROTOCOL), &begun);
}

#[test]
fn frames_are_framed_as_told() {
    let large = vec![0; 16_384];
    let too_large = vec![0; 16_385];
    let priority = [0, 0, 0, 0, 15];
    let mut padded = vec![3];
    padded.extend(block(&GET));
    padded.extend([0; 3]);
    run(vec![
        (
            "unknown type",
            Answered(1),
            vec![frame(0xee, 0xff, 0, b"x"), get(1)],
        ),
        (
            "undefined flags",
            Answered(1),
            vec![frame(PING, 0x16, 0, &[0; 8]), get(1)],
        ),
        (
            "reserved bit",
            Answered(1),
            vec![frame(PING, 0, 1 << 31, &[0; 8]), get(1)],
        ),
        (
            "DATA of 2^14",
            Answered(1),
            vec![post(1), data(1, END_STREAM, &large)],
        ),
        (
            "DATA above 2^14",
            Goaway(SIZE),
            vec![post(1), data(1, 0, &too_large)],
        ),
        (
            "HEADERS above 2^14",
            Goaway(SIZE),
            vec![frame(HEADERS, WHOLE, 1, &too_large)],
        ),
        (
            "padded DATA",
            Answered(1),
            vec![post(1), data(1, END_STREAM | PADDED, b"\x02abc\0\0")],
        ),
        (
            "padding alone",
            Answered(1),
            vec![post(1), data(1, PADDED, b"\x02\0\0"), data(1, 1, b"")],
        ),
        (
            "padded HEADERS",
            Answered(1),
            vec![frame(HEADERS, WHOLE | PADDED, 1, &padded)],
        ),
        (
            "HEADERS with priority",
            Answered(1),
            vec![frame(
                HEADERS,
                WHOLE | WITH_PRIORITY,
                1,
                &[&priority[..], &block(&GET)].concat(),
            )],
        ),
        (
            "DATA padding too long",
            Goaway(PROTOCOL),
            vec![post(1), data(1, PADDED, b"\x06abc\0\0")],
        ),
        (
            "DATA without room for padding",
            Goaway(SIZE),
            vec![post(1), data(1, PADDED, b"")],
        ),
        (
            "HEADERS padding too long",
            Goaway(PROTOCOL),
            vec![frame(HEADERS, WHOLE | PADDED, 1, b"\xff\x82")],
        ),
        (
            "HEADERS without room for priority",
            Goaway(SIZE),
            vec![frame(HEADERS, WHOLE | WITH_PRIORITY, 1, b"\0")],
        ),
        ("DATA on 0", Goaway(PROTOCOL), vec![data(0, 0, b"x")]),
        (
            "HEADERS on 0",
            Goaway(PROTOCOL),
            vec![frame(HEADERS, WHOLE, 0, &block(&GET))],
        ),
        (
            "PRIORITY on 0",
            Goaway(PROTOCOL),
            vec![frame(PRIORITY, 0, 0, &priority)],
        ),
        (
            "PRIORITY of 4",
            Reset(1, SIZE),
            vec![post(1), frame(PRIORITY, 0, 1, &[0; 4])],
        ),
        (
            "PRIORITY of 4, idle",
            Goaway(SIZE),
            vec![frame(PRIORITY, 0, 1, &[0; 4])],
        ),
        ("RST_STREAM on 0", Goaway(PROTOCOL), vec![rst(0, 8)]),
        (
            "RST_STREAM of 3",
            Goaway(SIZE),
            vec![post(1), frame(RST_STREAM, 0, 1, &[0; 3])],
        ),
        (
            "SETTINGS ack with payload",
            Goaway(SIZE),
            vec![frame(SETTINGS, ACK, 0, &[0; 6])],
        ),
        (
            "SETTINGS on 1",
            Goaway(PROTOCOL),
            vec![frame(SETTINGS, 0, 1, &[])],
        ),
        (
            "SETTINGS of 3",
            Goaway(SIZE),
            vec![frame(SETTINGS, 0, 0, &[0; 3])],
        ),
        (
            "PING on 1",
            Goaway(PROTOCOL),
            vec![frame(PING, 0, 1, &[0; 8])],
        ),
        ("PING of 6", Goaway(SIZE), vec![frame(PING, 0, 0, &[0; 6])]),
        (
            "GOAWAY on 1",
            Goaway(PROTOCOL),
            vec![frame(GOAWAY, 0, 1, &[0; 8])],
        ),
        (
            "GOAWAY of 7",
            Goaway(SIZE),
            vec![frame(GOAWAY, 0, 0, &[0; 7])],
        ),
        (
            "GOAWAY with text, unknown code",
            Answered(1),
            vec![
                frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff, b'b', b'y', b'e']),
                get(1),
            ],
        ),
        (
            "WINDOW_UPDATE of 3",
            Goaway(SIZE),
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
        ),
        (
            "PUSH_PROMISE",
            Goaway(PROTOCOL),
            vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])],
        ),
    ]);
}

#[test]
fn header_blocks_are_not_interrupted() {
    let whole = block(&GET);
    let (first, rest) = whole.split_at(10);
    let (second, third) = rest.split_at(10);
    let begun = || frame(HEADERS, END_STREAM, 1, first);
    run(vec![
        (
            "one CONTINUATION",
            Answered(1),
            vec![begun(), frame(CONTINUATION, END_HEADERS, 1, rest)],
        ),
        (
            "two CONTINUATION",
            Answered(1),
            vec![
                begun(),
                frame(CONTINUATION, 0, 1, second),
                frame(CONTINUATION, END_HEADERS, 1, third),
            ],
        ),
        (
            "PRIORITY in between",
            Goaway(PROTOCOL),
            vec![begun(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])],
        ),
        (
            "HEADERS in between",
            Goaway(PROTOCOL),
            vec![begun(), get(3)],
        ),
        (
            "unknown in between",
            Goaway(PROTOCOL),
            vec![begun(), frame(0xee, 0, 1, b"")],
        ),
        (
            "DATA in between",
            Goaway(PROTOCOL),
            vec![begun(), frame(CONTINUATION, 0, 1, second), data(1, 0, b"x")],
        ),
        (
            "CONTINUATION of another",
            Goaway(PROTOCOL),
            vec![begun(), frame(CONTINUATION, END_HEADERS, 3, rest)],
        ),
        (
            "CONTINUATION on 0",
            Goaway(PROTOCOL),
            vec![begun(), frame(CONTINUATION, END_HEADERS, 0, rest)],
        ),
        (
            "CONTINUATION behind a whole head",
            Goaway(PROTOCOL),
            vec![get(1), frame(CONTINUATION, END_HEADERS, 1, b"")],
        ),
        (
            "CONTINUATION behind the last",
            Goaway(PROTOCOL),
            vec![
                begun(),
                frame(CONTINUATION, END_HEADERS, 1, rest),
                frame(CONTINUATION, END_HEADERS, 1, b""),
            ],
        ),
        (
            "CONTINUATION behind DATA",
            Goaway(PROTOCOL),
            vec![post(1), data(1, 0, b"x"), frame(CONTINUATION, 4, 1, b"")],
        ),
        (
            "CONTINUATION, idle",
            Goaway(PROTOCOL),
            vec![frame(CONTINUATION, END_HEADERS, 1, &whole)],
        ),
    ]);
}

#[test]
fn streams_keep_to_their_states() {
    let ended = || vec![get(1)];
    let reset = || vec![post(1), rst(1, 8)];
    let and = |mut frames: Vec<Vec<u8>>, more: Vec<u8>| {
        frames.push(more);
        frames
    };
    run(vec![
        ("idle: DATA", Goaway(PROTOCOL), vec![data(1, 0, b"x")]),
        ("idle: RST_STREAM", Goaway(PROTOCOL), vec![rst(1, 8)]),
        (
            "idle: WINDOW_UPDATE",
            Goaway(PROTOCOL),
            vec![window_update(1, 1)],
        ),
        (
            "idle: PRIORITY",
            Answered(1),
            vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), get(1)],
        ),
        ("even id: DATA", Goaway(PROTOCOL), vec![data(2, 0, b"x")]),
        (
            "reset by the peer: DATA",
            Reset(1, CLOSED),
            and(reset(), data(1, 0, b"x")),
        ),
        (
            "reset by the peer: HEADERS",
            Goaway(CLOSED),
            and(reset(), get(1)),
        ),
        (
            "reset by the peer: CONTINUATION",
            Goaway(PROTOCOL),
            and(reset(), frame(CONTINUATION, 4, 1, b"")),
        ),
        (
            "reset by the peer: RST_STREAM",
            Answered(1),
            [reset(), vec![rst(1, 8), get(3)]].concat(),
        ),
        (
            "reset by the peer: WINDOW_UPDATE",
            Answered(1),
            [reset(), vec![window_update(1, 9), get(3)]].concat(),
        ),
        (
            "closed: DATA",
            Reset(1, CLOSED),
            and(ended(), data(1, 0, b"x")),
        ),
        ("closed: HEADERS", Goaway(CLOSED), and(ended(), get(1))),
        (
            "closed: WINDOW_UPDATE",
            Answered(2),
            [ended(), vec![window_update(1, 9), get(3)]].concat(),
        ),
        (
            "closed: PRIORITY",
            Answered(2),
            [
                ended(),
                vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), get(3)],
            ]
            .concat(),
        ),
        (
            "closed: RST_STREAM",
            Answered(2),
            [ended(), vec![rst(1, 8), get(3)]].concat(),
        ),
        ("even id", Goaway(PROTOCOL), vec![get(2)]),
        ("smaller id", Goaway(CLOSED), vec![get(5), get(3)]),
        (
            "depends on itself: HEADERS",
            Reset(1, PROTOCOL),
            vec![frame(
                HEADERS,
                WHOLE | WITH_PRIORITY,
                1,
                &[&[0, 0, 0, 1, 9], &block(&GET)[..]].concat(),
            )],
        ),
        (
            "depends on itself: PRIORITY",
            Reset(1, PROTOCOL),
            vec![post(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9])],
        ),
        (
            "unknown code",
            Answered(1),
            vec![post(1), rst(1, 0xff), get(3)],
        ),
        (
            "too many streams",
            Reset(21, REFUSED),
            (0..11).map(|n| post(2 * n + 1)).collect(),
        ),
    ]);
}

#[test]
fn a_half_closed_stream_takes_only_what_it_may() {
    for (name, want, more) in [
        ("DATA", Some(CLOSED), data(1, 0, b"x")),
        ("HEADERS", Some(CLOSED), get(1)),
        ("WINDOW_UPDATE", None, window_update(1, 10)),
        ("PRIORITY", None, frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
    ] {
        let mut server = Side::server(&Limits::default());
        server.take(&[PREFACE, &settings(&[])[..], &get(1)[..]].concat());
        server.written();
        server.take(&more);
        let resets: Vec<_> = frames(&server.written())
            .iter()
            .map(|frame| (frame.kind, frame.number()))
            .collect();
        let want: Vec<_> = want.map(|code| (RST_STREAM, code)).into_iter().collect();
        assert_eq!(resets, want, "{name}");
        assert_eq!(server.refused, None, "{name}");
    }
}

#[test]
fn what_was_under_way_when_we_reset_a_stream_is_let_pass() {
    let mut server = Side::server(&Limits::default());
    server.take(&[PREFACE, &settings(&[])[..], &post(1)[..]].concat());
    server.reset(1, codecs::Reason::Cancel);
    server.written();
    let table = frame(HEADERS, WHOLE, 1, &[0x40, 1, b'a', 1, b'b']);
    let late = [data(1, 0, b"late"), table, rst(1, 8)].concat();
    assert_eq!(server.take(&late), []);
    assert_eq!(server.written(), b"");
    // The trailers were read for the table's sake.
    let indexed = frame(HEADERS, WHOLE, 3, &[0x82, 0x86, 0x84, 0x01, 1, b'a', 0xbe]);
    let told = server.take(&indexed);
    let field = (String::from("a"), String::from("b"));
    assert!(
        matches!(&told[..], [Told::Head(3, head, true)] if head.fields == [field]),
        "{told:?}"
    );
}
