//! One case for each limit of the guard: the peer that goes beyond it is sent away with that limit's
//! name, and an honest one near it is not.

mod http2_support;

use codecs::http2::hpack::{Encoder, Indexing};
use codecs::http2::{LIMITS, Options, STALLED_WINDOW};
use codecs::{Limits, Reason, StreamId};
use http2_support::wire::*;
use http2_support::{Side, Told, answer, exchange, request};

const CALM: u32 = 0xb;

fn limits() -> Limits {
    Limits {
        http2: Options {
            streams_max: 10,
            ..Options::default()
        },
        ..Limits::default()
    }
}

fn server() -> Side {
    let mut server = new_server();
    server.take(&frame(SETTINGS, ACK, 0, b""));
    server
}

/// One whose client has not seen its SETTINGS.
fn new_server() -> Side {
    let mut server = Side::server(&limits());
    server.take(&[PREFACE, &settings(&[])[..]].concat());
    server.written();
    server
}

/// Why the server sent its peer away, if it did; a wrong code is no answer.
fn outcome(server: &mut Side) -> Option<&'static str> {
    let seen = frames(&server.written());
    let goaway = seen
        .iter()
        .find(|frame| frame.kind == GOAWAY)
        .map(Seen::number);
    let detail = server.refused.as_ref().map(|why| why.detail);
    assert_eq!(goaway, detail.map(|_| CALM), "{detail:?}");
    detail
}

/// Feeds what `bytes` gives for each of `count` rounds, then asks what came of it.
fn rounds(count: u32, bytes: impl Fn(u32) -> Vec<u8>) -> Option<&'static str> {
    let mut server = server();
    for n in 0..count {
        server.take(&bytes(n));
        if server.refused.is_some() {
            break;
        }
    }
    outcome(&mut server)
}

fn id(n: u32) -> u32 {
    2 * n + 1
}

fn head(id: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, id, &block(&with(&GET, fields)))
}

#[test]
fn resets_are_limited_whoever_is_made_to_send_them() {
    let rapid = |n| [get(id(n)), rst(id(n), 8)].concat();
    assert_eq!(rounds(1000, rapid), None);
    assert_eq!(rounds(1001, rapid), Some("http2-reset-flood"));
    // The server is made to reset: by a window of 0, a body that is too long, a second head.
    let provoked = |n| [post(id(n)), window_update(id(n), 0)].concat();
    assert_eq!(rounds(1001, provoked), Some("http2-reset-flood"));
    let malformed = |n| head(id(n), WHOLE, &[("connection", "x")]);
    assert_eq!(rounds(1001, malformed), Some("http2-reset-flood"));
    let many = |n| post(id(n));
    assert_eq!(rounds(10, many), None);
    assert_eq!(rounds(1011, many), Some("http2-reset-flood"));
}

#[test]
fn a_reset_without_error_is_told_of_a_request_as_any_other() {
    let calm = |n| [get(id(n)), rst(id(n), 0)].concat();
    assert_eq!(rounds(1000, calm), None);
    assert_eq!(rounds(1001, calm), Some("http2-reset-flood"));
    let mut server = server();
    for n in 0..100 {
        let told = server.take(&calm(n));
        let [Told::Head(_, _, true), reset] = &told[..] else {
            panic!("{told:?}");
        };
        let detail = "http2-reset-no-error";
        let stream = u64::from(id(n));
        assert_eq!(*reset, Told::Reset(stream, Reason::Cancel, detail));
    }
}

#[test]
fn a_request_that_is_refused_pays_no_reset_back() {
    let mut server = server();
    for n in 0..2002 {
        let refused = head(id(n), WHOLE, &[("expect", "x")]);
        let reset = [get(id(n)), rst(id(n), 8)].concat();
        let told = server.take(if n % 2 == 0 { &refused } else { &reset });
        if let [Told::Refused(stream, status, _)] = told[..] {
            server.head(stream, &answer(status, &[]), true);
        }
    }
    assert_eq!(outcome(&mut server), Some("http2-reset-flood"));
}

#[test]
fn a_client_whose_calls_run_into_deadlines_beside_others_that_end_is_let_be() {
    let mut server = server();
    for n in 0..10_000 {
        server.take(&get(id(n)));
        match n % 2 {
            0 => server.head(u64::from(id(n)), &answer(200, &[]), true),
            _ => drop(server.take(&rst(id(n), 8))),
        }
    }
    assert_eq!(outcome(&mut server), None);
}

#[test]
fn probes_and_settings_are_limited_but_not_beside_data() {
    let ping = |_| frame(PING, 0, 0, &[0; 8]);
    // One of 1000 is spent by the SETTINGS at the beginning.
    assert_eq!(rounds(999, ping), None);
    assert_eq!(rounds(1000, ping), Some("http2-ping-flood"));
    let change = |n| settings(&[(4, n)]);
    assert_eq!(rounds(99, change), None);
    assert_eq!(rounds(100, change), Some("http2-settings-flood"));
    let mut server = server();
    server.take(&post(1));
    let beside = [frame(PING, 0, 0, &[0; 8]), frame(DATA, 0, 1, &[0; 100])].concat();
    (0..5000).for_each(|_| drop(server.take(&beside)));
    assert_eq!(outcome(&mut server), None);
}

#[test]
fn time_pays_back() {
    let mut server = server();
    for n in 0..5000 {
        server.take(&frame(PING, 0, 0, &[0; 8]));
        server.wait(if n % 100 == 0 { 1000 } else { 0 });
    }
    assert_eq!(outcome(&mut server), None);
}

#[test]
fn frames_that_mean_nothing_are_limited() {
    assert_eq!(rounds(1000, |_| frame(0xee, 0, 0, b"x")), None);
    assert_eq!(
        rounds(1001, |_| frame(0xee, 0, 0, b"x")),
        Some("http2-useless-frames")
    );
    assert_eq!(
        rounds(1001, |_| frame(PING, ACK, 0, &[0; 8])),
        Some("http2-useless-frames")
    );
    assert_eq!(
        rounds(1001, |_| frame(GOAWAY, 0, 0, &[0; 8])),
        Some("http2-useless-frames")
    );
    let priority = |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]);
    assert_eq!(rounds(100, priority), None);
    assert_eq!(rounds(101, priority), Some("http2-priority-flood"));
    let with_stream = |n| match n {
        0 => post(1),
        _ => priority(n),
    };
    assert_eq!(rounds(201, with_stream), None);
    assert_eq!(rounds(202, with_stream), Some("http2-priority-flood"));
}

#[test]
fn empty_frames_are_limited() {
    let empty = |n| match n {
        0 => post(1),
        _ => frame(DATA, 0, 1, b""),
    };
    assert_eq!(rounds(2, empty), None);
    assert_eq!(rounds(3, empty), Some("http2-empty-frames"));
    let padded = |n| match n {
        0 => post(1),
        _ => frame(DATA, PADDED, 1, b"\x01\0"),
    };
    assert_eq!(rounds(3, padded), Some("http2-empty-frames"));
    let blocks = |n| match n {
        0 => frame(HEADERS, 0, 1, b"\x82"),
        _ => frame(CONTINUATION, 0, 1, b""),
    };
    assert_eq!(rounds(3, blocks), Some("http2-empty-frames"));
}

#[test]
fn window_updates_are_limited_by_what_is_sent() {
    assert_eq!(rounds(1000, |_| window_update(0, 1)), None);
    assert_eq!(
        rounds(1001, |_| window_update(0, 1)),
        Some("http2-window-update-flood")
    );
    // A download whose reader opens the window at each frame.
    let (mut client, mut server) = (Side::client(&limits()), Side::server(&limits()));
    exchange(&mut client, &mut server);
    let stream = client.codec.open().map_or(0, |id| id.0);
    client.head(stream, &request("GET", "/", &[]), true);
    exchange(&mut client, &mut server);
    server.head(stream, &answer(200, &[]), false);
    for _ in 0..5000 {
        assert_eq!(server.data(stream, &[0; 16_000], false), 16_000);
        exchange(&mut client, &mut server);
    }
    assert_eq!((client.refused, server.refused), (None, None));
}

#[test]
fn tiny_windows_are_limited() {
    let begin = |window| {
        let mut server = server();
        server.take(&[settings(&[(4, window)]), get(1)].concat());
        server.head(1, &answer(200, &[]), false);
        server
    };
    // It is opened byte by byte.
    let mut tiny = begin(0);
    for _ in 0..1200 {
        tiny.take(&window_update(1, 1));
        let len = tiny.codec.room(StreamId(1)).min(1);
        tiny.data(1, &[0; 1][..len], false);
    }
    tiny.take(b"");
    assert_eq!(outcome(&mut tiny), Some("http2-tiny-windows"));
    // A small window, opened as a whole.
    let mut small = begin(256);
    for _ in 0..3000 {
        assert_eq!(small.data(1, &[0; 256], false), 256);
        small.take(&[window_update(1, 256), window_update(0, 256)].concat());
    }
    assert_eq!(outcome(&mut small), None);
}

#[test]
fn header_blocks_are_limited_before_they_are_decoded() {
    let pieces = |count: u32| {
        rounds(count + 1, move |n| match n {
            0 => frame(HEADERS, END_STREAM, 1, b"\x82"),
            n if n == count => frame(CONTINUATION, END_HEADERS, 1, b"\x86\x84\x41\x01a"),
            _ => frame(CONTINUATION, 0, 1, &block(&[("a", "b")])),
        })
    };
    assert_eq!(pieces(15), None);
    assert_eq!(pieces(16), Some("http2-continuation-flood"));
    let long = |n| match n {
        0 => frame(HEADERS, END_STREAM, 1, &[0; 16_384]),
        _ => frame(CONTINUATION, 0, 1, &[0; 16_384]),
    };
    assert_eq!(rounds(3, long), None);
    assert_eq!(rounds(5, long), Some("http2-head-block-too-long"));
}

/// What the server told of a head, and the status that it answered with, if it did.
fn told(bytes: &[u8]) -> (Vec<Told>, Option<Vec<u8>>) {
    let mut server = server();
    let told = server.take(bytes);
    assert_eq!(server.refused, None);
    let seen = frames(&server.written());
    let status = seen.into_iter().find(|frame| frame.kind == HEADERS);
    (told, status.map(|frame| frame.payload))
}

#[test]
fn heads_are_limited_once_they_are_decoded_and_answered() {
    // A field of 4000 bytes in the table, and one byte for each time it comes again.
    let long = "v".repeat(4000);
    let mut bomb = vec![
        0x82, 0x86, 0x84, 0x41, 1, b'a', 0x40, 1, b'x', 0x7f, 0xa1, 0x1e,
    ];
    bomb.extend(long.as_bytes());
    let one = frame(HEADERS, WHOLE, 1, &bomb);
    assert!(matches!(&told(&one).0[..], [Told::Head(..)]));
    bomb.extend([0xbe; 10_000]);
    let (seen, status) = told(&frame(HEADERS, WHOLE, 1, &bomb));
    assert!(
        matches!(seen[..], [Told::Refused(1, 431, "http2-head-too-large")]),
        "{seen:?}"
    );
    // 431 is in no table: a name of the static one, and a value.
    assert!(status.is_some_and(|block| block[0] & 0x0f == 8));
    let names: Vec<_> = (0..97).map(|n| format!("x-{n}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    assert!(matches!(
        &told(&head(1, WHOLE, &fields[..96])).0[..],
        [Told::Head(..)]
    ));
    let (seen, _) = told(&head(1, END_HEADERS, &fields));
    assert!(
        matches!(seen[..], [Told::Refused(1, 431, "http2-too-many-fields")]),
        "{seen:?}"
    );
}

#[test]
fn names_copied_within_the_table_are_limited_by_the_bytes_that_ask_for_it() {
    // One name of almost the whole table, then the same with no value for two bytes each time.
    let costly = |n: u32| {
        let mut fields = vec![0x82, 0x86, 0x84, 0x01, 1, b'a'];
        if n == 0 {
            fields.extend([0x40, 0x7f, 0xa1, 0x1e]);
            fields.extend([b'x'; 4000]);
            fields.push(0);
        }
        fields.extend([0x7e, 0].repeat(10));
        frame(HEADERS, WHOLE, id(n), &fields)
    };
    assert_eq!(rounds(1, costly), None);
    assert_eq!(rounds(10, costly), Some("http2-costly-names"));
    // Long names in earnest: of 120 bytes, with a new value each time, ten in each request.
    let names: Vec<_> = (0..10)
        .map(|n| format!("x-{n}{}", "n".repeat(117)))
        .collect();
    let mut encoder = Encoder::new(4096);
    let mut server = server();
    for n in 0..5000 {
        let mut fields = Vec::new();
        encoder.begin(&mut fields);
        for (name, value) in GET {
            encoder.field(
                name.as_bytes(),
                value.as_bytes(),
                Indexing::Auto,
                &mut fields,
            );
        }
        for name in &names {
            let value = (n * 7919 % 1000).to_string();
            encoder.field(
                name.as_bytes(),
                value.as_bytes(),
                Indexing::Auto,
                &mut fields,
            );
        }
        let told = server.take(&frame(HEADERS, WHOLE, id(n), &fields));
        assert!(matches!(told[..], [Told::Head(..)]), "{told:?}");
        server.head(u64::from(id(n)), &answer(200, &[]), true);
    }
    assert_eq!(outcome(&mut server), None);
}

#[test]
fn heads_answered_by_the_codec_are_limited() {
    let large = "v".repeat(100);
    let fields: Vec<_> = (0..101).map(|_| ("x", &*large)).collect();
    let many = |n| head(id(n), WHOLE, &fields);
    assert_eq!(rounds(1001, many), Some("http2-control-flood"));
}

#[test]
fn heads_of_stalled_streams_are_limited_together() {
    let wide = Limits {
        http2: Options {
            streams_max: 1000,
            ..Options::default()
        },
        head_bytes_max: 4096,
        ..Limits::default()
    };
    let mut server = Side::server(&wide);
    server.take(&[PREFACE, &settings(&[])[..]].concat());
    let long = "v".repeat(3000);
    let told: Vec<_> = (0..60)
        .flat_map(|n| server.take(&head(id(n), WHOLE, &[("x", &long)])))
        .collect();
    let refused = |told: &&Told| {
        matches!(
            told,
            Told::Reset(_, Reason::Refused, "http2-heads-too-large-together")
        )
    };
    let count = told.iter().filter(refused).count();
    assert!((45..55).contains(&count), "{count}");
    // Each that ends makes room.
    server.head(1, &answer(200, &[]), true);
    assert!(matches!(
        &server.take(&head(id(60), WHOLE, &[]))[..],
        [Told::Head(..)]
    ));
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let mut server = server();
    let told: Vec<_> = (0..11).flat_map(|n| server.take(&post(id(n)))).collect();
    assert!(matches!(
        told[..],
        [
            ..,
            Told::Reset(21, Reason::Refused, "http2-too-many-streams")
        ]
    ));
}

#[test]
fn streams_refused_to_a_client_that_cannot_know_the_limit_are_no_attack() {
    let refused = |server: &mut Side, count: u32| {
        let told = (0..count).flat_map(|n| server.take(&get(id(n))));
        let is_refusal = |told: &Told| matches!(told, Told::Reset(_, Reason::Refused, _));
        told.filter(is_refusal).count()
    };
    let mut server = new_server();
    assert_eq!(refused(&mut server, 1110), 1100);
    assert_eq!(outcome(&mut server), None);
    // From there on it knows.
    server.take(&frame(SETTINGS, ACK, 0, b""));
    let late = (1110..2111).map(|n| get(id(n))).collect::<Vec<_>>();
    server.take(&late.concat());
    assert_eq!(outcome(&mut server), Some("http2-reset-flood"));
    // And one that never acknowledges is not let go on.
    let mut server = new_server();
    assert_eq!(refused(&mut server, 12_000), 11_000);
    assert_eq!(outcome(&mut server), Some("http2-reset-flood"));
}

#[test]
fn trailers_are_limited() {
    let long = "v".repeat(9000);
    let trailers = frame(HEADERS, WHOLE, 1, &block(&[("x", &long)]));
    let (seen, _) = told(&[post(1), trailers].concat());
    assert!(
        matches!(
            seen[..],
            [
                _,
                Told::Reset(1, Reason::Overload, "http2-trailers-too-large")
            ]
        ),
        "{seen:?}"
    );
}

#[test]
fn every_limit_is_listed() {
    let here = concat!(
        include_str!("http2_hostile.rs"),
        include_str!("http2_late.rs")
    );
    // A stalled window is given up by who keeps the time: `tests/wire/abuse.rs`.
    for name in LIMITS.iter().filter(|name| **name != STALLED_WINDOW) {
        assert!(here.contains(&format!("\"{name}\"")), "{name} has no case");
    }
}
