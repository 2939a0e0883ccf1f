//! What RFC 9113 asks of a server, case by case: heads, bodies and trailers. The cases are
//! those that conformance suites ask of every server; each is fed whole and byte by byte.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod http2_support;

use codecs::Limits;
use http2_support::Side;
use http2_support::case::Want::*;
use http2_support::case::*;
use http2_support::wire::*;

#[test]
fn blocks_that_cannot_be_decoded_end_the_connection() {
    let head = |bytes: &[u8]| frame(HEADERS, WHOLE, 1, bytes);
    run(vec![
        (
            "bad block",
            Goaway(COMPRESSION),
            vec![head(&[0x82, 0x86, 0x84, 0x41, 0x0f])],
        ),
        ("index 0", Goaway(COMPRESSION), vec![head(&[0x80])]),
        ("index beyond", Goaway(COMPRESSION), vec![head(&[0xc6])]),
        (
            "name index beyond",
            Goaway(COMPRESSION),
            vec![head(&[0x7f, 0x01, 0x01, b'a'])],
        ),
        (
            "late table size",
            Goaway(COMPRESSION),
            vec![head(&[0x82, 0x86, 0x84, 0x41, 0x01, b'a', 0x20])],
        ),
        (
            "table size above ours",
            Goaway(COMPRESSION),
            vec![head(&[0x3f, 0xe2, 0x1f, 0x82])],
        ),
        (
            "padding of zeros",
            Goaway(COMPRESSION),
            vec![head(&[0x00, 0x81, 0x18, 0x00])],
        ),
        (
            "long padding",
            Goaway(COMPRESSION),
            vec![head(&[0x00, 0x82, 0x1f, 0xff, 0x00])],
        ),
        (
            "EOS",
            Goaway(COMPRESSION),
            vec![head(&[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00])],
        ),
        (
            "static indexes",
            Answered(1),
            vec![head(&[0x82, 0x86, 0x84, 0x41, 0x01, b'a'])],
        ),
        (
            "dynamic indexes",
            Answered(2),
            vec![
                head(&[0x82, 0x86, 0x84, 0x41, 0x01, b'a']),
                frame(HEADERS, WHOLE, 3, &[0x82, 0x86, 0x84, 0xbe]),
            ],
        ),
    ]);
}

#[test]
fn malformed_heads_end_their_stream_alone() {
    let bad = Reset(1, PROTOCOL);
    let without = |name: &str| -> Vec<_> {
        GET.into_iter()
            .filter(|(other, _)| *other != name)
            .collect()
    };
    let replaced = |name: &str, value: &'static str| -> Vec<_> {
        GET.into_iter()
            .map(|(other, was)| (other, if other == name { value } else { was }))
            .collect()
    };
    let late: Vec<_> = [("x", "1")].into_iter().chain(GET).collect();
    run(vec![
        ("upper case", bad, vec![get_with(&[("X-Test", "ok")])]),
        (
            "unknown pseudo field",
            bad,
            vec![get_with(&[(":test", "ok")])],
        ),
        (
            "pseudo field of answers",
            bad,
            vec![get_with(&[(":status", "200")])],
        ),
        ("late pseudo field", bad, vec![only(&late)]),
        (
            "connection",
            bad,
            vec![get_with(&[("connection", "keep-alive")])],
        ),
        ("keep-alive", bad, vec![get_with(&[("keep-alive", "1")])]),
        (
            "proxy-connection",
            bad,
            vec![get_with(&[("proxy-connection", "1")])],
        ),
        (
            "transfer-encoding",
            bad,
            vec![get_with(&[("transfer-encoding", "chunked")])],
        ),
        ("upgrade", bad, vec![get_with(&[("upgrade", "h2c")])]),
        (
            "te",
            bad,
            vec![get_with(&[
                ("trailers", "test"),
                ("te", "trailers, deflate"),
            ])],
        ),
        (
            "te: trailers",
            Answered(1),
            vec![get_with(&[("te", "trailers")])],
        ),
        ("lookalike", bad, vec![get_with(&[("content_length", "1")])]),
        ("empty name", bad, vec![get_with(&[("", "1")])]),
        ("name with a blank", bad, vec![get_with(&[("a b", "1")])]),
        ("name with a colon", bad, vec![get_with(&[("a:b", "1")])]),
        ("value with CR", bad, vec![get_with(&[("a", "1\r")])]),
        ("value with LF", bad, vec![get_with(&[("a", "1\nb: 2")])]),
        ("value with NUL", bad, vec![get_with(&[("a", "1\0")])]),
        (
            "value with a leading blank",
            bad,
            vec![get_with(&[("a", " 1")])],
        ),
        (
            "value with a trailing tab",
            bad,
            vec![get_with(&[("a", "1\t")])],
        ),
        ("empty path", bad, vec![only(&replaced(":path", ""))]),
        (
            "path without a slash",
            bad,
            vec![only(&replaced(":path", "a"))],
        ),
        (
            "path with a fragment",
            bad,
            vec![only(&replaced(":path", "/#a"))],
        ),
        (
            "path with a blank",
            bad,
            vec![only(&replaced(":path", "/a b"))],
        ),
        ("asterisk of GET", bad, vec![only(&replaced(":path", "*"))]),
        ("no method", bad, vec![only(&without(":method"))]),
        ("no scheme", bad, vec![only(&without(":scheme"))]),
        ("no path", bad, vec![only(&without(":path"))]),
        ("no authority", bad, vec![only(&without(":authority"))]),
        (
            "host for authority",
            Answered(1),
            vec![only(&with(&without(":authority"), &[("host", "a")]))],
        ),
        (
            "host that agrees",
            Answered(1),
            vec![get_with(&[("host", "A")])],
        ),
        (
            "host that contradicts",
            bad,
            vec![get_with(&[("host", "b")])],
        ),
        (
            "two hosts",
            bad,
            vec![get_with(&[("host", "a"), ("host", "a")])],
        ),
        (
            "user information",
            bad,
            vec![only(&replaced(":authority", "u@a"))],
        ),
        (
            "list of hosts",
            bad,
            vec![only(&replaced(":authority", "a,b"))],
        ),
        (
            "method with a blank",
            bad,
            vec![only(&replaced(":method", "GET /"))],
        ),
        ("other scheme", bad, vec![only(&replaced(":scheme", "ftp"))]),
        ("two methods", bad, vec![get_with(&[(":method", "GET")])]),
        ("two schemes", bad, vec![get_with(&[(":scheme", "http")])]),
        ("two paths", bad, vec![get_with(&[(":path", "/")])]),
        (
            "two authorities",
            bad,
            vec![get_with(&[(":authority", "a")])],
        ),
        (
            "CONNECT with a path",
            bad,
            vec![only(&replaced(":method", "CONNECT"))],
        ),
        (
            "CONNECT without a port",
            bad,
            vec![only(&[(":method", "CONNECT"), (":authority", "a")])],
        ),
        (
            "CONNECT with a length",
            bad,
            vec![only(&[
                (":method", "CONNECT"),
                (":authority", "a:1"),
                ("content-length", "0"),
            ])],
        ),
        (
            "protocol that was not offered",
            bad,
            vec![only(&with(
                &replaced(":method", "CONNECT"),
                &[(":protocol", "websocket")],
            ))],
        ),
    ]);
}

#[test]
fn bodies_are_as_long_as_told() {
    let bad = Reset(1, PROTOCOL);
    let told = || post_with(&[("content-length", "4")]);
    run(vec![
        (
            "as told",
            Answered(1),
            vec![told(), data(1, 0, b"te"), data(1, 1, b"st")],
        ),
        ("shorter", bad, vec![told(), data(1, END_STREAM, b"tes")]),
        ("longer", bad, vec![told(), data(1, END_STREAM, b"tests")]),
        (
            "longer in two",
            bad,
            vec![told(), data(1, 0, b"test"), data(1, END_STREAM, b"s")],
        ),
        ("none", bad, vec![get_with(&[("content-length", "1")])]),
        (
            "no number",
            bad,
            vec![post_with(&[("content-length", "+4")])],
        ),
        (
            "two",
            bad,
            vec![post_with(&[
                ("content-length", "4"),
                ("content-length", "4"),
            ])],
        ),
        (
            "shorter with trailers",
            bad,
            vec![
                told(),
                data(1, 0, b"t"),
                frame(HEADERS, WHOLE, 1, &block(&[("x", "1")])),
            ],
        ),
    ]);
}

#[test]
fn trailers_end_a_message_and_frame_nothing() {
    let trailers = |flags, fields: &[(&str, &str)]| {
        vec![
            post(1),
            data(1, 0, b"x"),
            frame(HEADERS, flags, 1, &block(fields)),
        ]
    };
    let bad = Reset(1, PROTOCOL);
    run(vec![
        (
            "trailers",
            Answered(1),
            trailers(WHOLE, &[("x-test", "ok")]),
        ),
        (
            "without END_STREAM",
            bad,
            trailers(END_HEADERS, &[("x-test", "ok")]),
        ),
        (
            "with a pseudo field",
            bad,
            trailers(WHOLE, &[(":method", "200")]),
        ),
        (
            "with a length",
            bad,
            trailers(WHOLE, &[("content-length", "1")]),
        ),
        (
            "with connection",
            bad,
            trailers(WHOLE, &[("connection", "x")]),
        ),
        ("upper case", bad, trailers(WHOLE, &[("X", "x")])),
    ]);
}

#[test]
fn a_head_is_known_to_be_under_way_until_its_end() {
    let whole = block(&GET);
    let (first, last) = whole.split_at(10);
    let pieces = [
        (PREFACE.to_vec(), false),
        (settings(&[]), false),
        // The beginning of a frame, then all of its header, then its payload.
        (frame(HEADERS, WHOLE, 1, &whole)[..8].to_vec(), false),
        (frame(HEADERS, WHOLE, 1, &whole)[8..9].to_vec(), true),
        (whole[..5].to_vec(), true),
        (whole[5..].to_vec(), false),
        // Over two frames, and what is between them.
        (frame(HEADERS, END_STREAM, 3, first), true),
        (
            frame(CONTINUATION, END_HEADERS, 3, last)[..4].to_vec(),
            true,
        ),
        (
            frame(CONTINUATION, END_HEADERS, 3, last)[4..].to_vec(),
            false,
        ),
        (post(5), false),
        (frame(DATA, 0, 5, b"body")[..11].to_vec(), false),
        (b"dy".to_vec(), false),
        // Trailers are a section like a head.
        (
            frame(HEADERS, WHOLE, 5, &block(&[("x", "1")]))[..12].to_vec(),
            true,
        ),
    ];
    let mut server = Side::server(&Limits::default());
    for (n, (bytes, is_in_head)) in pieces.iter().enumerate() {
        server.take(bytes);
        assert_eq!(server.codec.is_in_head(), *is_in_head, "piece {n}");
    }
    assert_eq!(server.refused, None);
    server.take(&[0xff; 100]);
    assert!(server.refused.is_some() && !server.codec.is_in_head());
}
