//! Payload that goes past the codecs of both sides: they count it, and see every message's end.

use codecs::http1::Http1;
use codecs::{Codec, Frame, Head, Heads, Length, Life, Limits, Protocol, StreamId};
use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "the codec takes a time that it does not read"
)]
fn now() -> Instant {
    Instant::now()
}

/// The first frame of `input` that ends nothing but a head, and how much it took.
fn decode(codec: &mut dyn Codec, input: &[u8]) -> (usize, Option<Frame>) {
    let step = codec.decode(now(), input, &mut Heads::default());
    let step = step.expect("the input is valid");
    (step.used, step.frame)
}

/// Both sides of a proxy, a GET on its way.
fn proxy(method: &str) -> (Box<dyn Codec>, StreamId, Box<dyn Codec>, StreamId) {
    let (mut down, mut up) = (
        Http1.server(&Limits::default()),
        Http1.client(&Limits::default()),
    );
    let request = format!("{method} / HTTP/1.1\r\nhost: h\r\n\r\n");
    let (_, frame) = decode(&mut *down, request.as_bytes());
    let Some(Frame::Head { id, head, end }) = frame else {
        panic!("{frame:?}");
    };
    let named = up.open().expect("the connection is free");
    up.head(named, &head, end, &mut Vec::new());
    (down, id, up, named)
}

fn begin(up: &mut dyn Codec, input: &str) -> Box<Head> {
    match decode(up, input.as_bytes()) {
        (used, Some(Frame::Head { head, .. })) if used == input.len() => head,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_known_length_may_pass_up_to_its_last_byte() {
    let (mut down, id, mut up, named) = proxy("GET");
    assert_eq!((up.verbatim_in(named), down.verbatim_out(id)), (0, 0));
    let head = begin(&mut *up, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
    let mut out = Vec::new();
    down.head(id, &head, false, &mut out);
    assert_eq!((up.verbatim_in(named), down.verbatim_out(id)), (1000, 1000));
    for bytes in [600, 399] {
        up.pass_in(named, bytes);
        down.pass_out(id, bytes);
    }
    assert_eq!((up.verbatim_in(named), down.verbatim_out(id)), (1, 1));
    let last = decode(&mut *up, b"x");
    assert!(matches!(
        last,
        (
            1,
            Some(Frame::Data {
                len: 1,
                end: true,
                ..
            })
        )
    ));
    let wrap = down.data(id, b"x", true);
    assert!(wrap.before.is_empty() && wrap.after.is_empty());
    assert_eq!(up.life(), Life::Open { streams: 1 });
    assert_eq!(down.life(), Life::Open { streams: 0 });
    assert_eq!((up.verbatim_in(named), down.verbatim_out(id)), (0, 0));
    let next = decode(&mut *down, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(matches!(next.1, Some(Frame::Head { .. })));
}

#[test]
fn what_is_behind_a_passed_body_is_told_from_it() {
    let (_, _, mut up, named) = proxy("GET");
    begin(&mut *up, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n");
    up.pass_in(named, 9);
    let (used, _) = decode(&mut *up, b"xHTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(used, 1);
    let surplus = up.decode(now(), b"HTTP/1.1 200 OK\r\n\r\n", &mut Heads::default());
    assert!(surplus.is_err());
}

#[test]
fn an_end_that_comes_while_a_body_passes_is_a_cut() {
    let (_, _, mut up, named) = proxy("GET");
    begin(&mut *up, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n");
    up.pass_in(named, 4);
    assert_eq!(
        up.eof().map_err(|why| why.detail).err(),
        Some("eof-in-body")
    );
}

#[test]
fn framed_payload_and_other_streams_do_not_pass() {
    let (mut down, id, mut up, named) = proxy("GET");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let head = begin(&mut *up, chunked);
    down.head(id, &head, false, &mut Vec::new());
    assert_eq!((up.verbatim_in(named), down.verbatim_out(id)), (0, 0));

    let (mut down, id, mut up, named) = proxy("GET");
    let head = begin(&mut *up, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    down.head(id, &head, false, &mut Vec::new());
    let other = StreamId(named.0 + 7);
    assert_eq!((up.verbatim_in(other), down.verbatim_out(other)), (0, 0));
    up.pass_in(other, 5);
    down.pass_out(other, 5);
    assert_eq!((up.verbatim_in(named), down.verbatim_out(id)), (9, 9));
    assert_eq!((up.verbatim_out(named), down.verbatim_in(id)), (0, 0));
}

#[test]
fn a_body_without_length_passes_to_its_end() {
    let (_, _, mut up, named) = proxy("GET");
    let head = begin(&mut *up, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(head.length, Length::Unknown);
    assert_eq!(up.verbatim_in(named), u64::MAX);
    up.pass_in(named, 1 << 40);
    let end = up.eof().expect("it may end anywhere");
    assert!(matches!(
        end,
        Some(Frame::Data {
            len: 0,
            end: true,
            ..
        })
    ));
}

#[test]
fn the_body_of_a_request_counts_as_well() {
    let (mut down, mut up) = (
        Http1.server(&Limits::default()),
        Http1.client(&Limits::default()),
    );
    let request = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n";
    let (_, Some(Frame::Head { id, head, .. })) = decode(&mut *down, request) else {
        panic!("a head");
    };
    let named = up.open().expect("the connection is free");
    up.head(named, &head, false, &mut Vec::new());
    assert_eq!((down.verbatim_in(id), up.verbatim_out(named)), (100, 100));
    down.pass_in(id, 99);
    up.pass_out(named, 99);
    let (_, last) = decode(&mut *down, b"x");
    assert!(matches!(
        last,
        Some(Frame::Data {
            len: 1,
            end: true,
            ..
        })
    ));
    up.data(named, b"x", true);
    assert_eq!((down.verbatim_in(id), up.verbatim_out(named)), (0, 0));
}
