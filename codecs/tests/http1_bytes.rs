//! Every byte in every place of a message: taken only where the grammar lets it stand, refused in all
//! others, however the input is split.

use codecs::http1::fuzz::{Trace, answers, requests};

/// A place: what is before and behind the byte, and which bytes may stand there.
type Place = (&'static str, &'static str, fn(u8) -> bool);

fn none(_: u8) -> bool {
    false
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A field's name may also end here.
fn is_name(byte: u8) -> bool {
    is_token(byte) || byte == b':'
}

fn is_value(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

fn is_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

const REQUESTS: &[Place] = &[
    ("", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", is_token),
    ("GE", "T / HTTP/1.1\r\nHost: h\r\n\r\n", is_token),
    ("GET", " / HTTP/1.1\r\nHost: h\r\n\r\n", is_token),
    ("GET ", "/a HTTP/1.1\r\nHost: h\r\n\r\n", |b| b == b'/'),
    ("GET /a", "b HTTP/1.1\r\nHost: h\r\n\r\n", is_target),
    ("GET /a", " HTTP/1.1\r\nHost: h\r\n\r\n", is_target),
    ("GET /a ", "HTTP/1.1\r\nHost: h\r\n\r\n", none),
    ("GET /a HTTP", "1.1\r\nHost: h\r\n\r\n", |b| b == b'/'),
    ("GET /a HTTP/1", "1\r\nHost: h\r\n\r\n", |b| b == b'.'),
    ("GET /a HTTP/1.", "\r\nHost: h\r\n\r\n", |b| {
        matches!(b, b'0' | b'1')
    }),
    ("GET /a HTTP/1.1", "\r\nHost: h\r\n\r\n", none),
    ("GET htt", "://b/ HTTP/1.1\r\nHost: h\r\n\r\n", |b| {
        b.eq_ignore_ascii_case(&b'p')
    }),
    ("GET / HTTP/1.1\r\nHost", ": h\r\n\r\n", none),
    ("GET / HTTP/1.1\r\nHost: h\r\n", "y: 1\r\n\r\n", is_token),
    ("GET / HTTP/1.1\r\nHost: h\r\nx", "y: 1\r\n\r\n", is_name),
    ("GET / HTTP/1.1\r\nHost: h\r\nx", ": 1\r\n\r\n", is_name),
    ("GET / HTTP/1.1\r\nHost: h\r\nx: ", "b\r\n\r\n", is_value),
    ("GET / HTTP/1.1\r\nHost: h\r\nx: a", "b\r\n\r\n", is_value),
    ("GET / HTTP/1.1\r\nHost: h\r\nx: a", "\r\n\r\n", is_value),
    ("GET / HTTP/1.1\r\nHost: h\r\n", "\r\n\r\n", none),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: ",
        "5\r\n\r\nhello",
        |b| is_space(b) || b == b'0',
    ),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0",
        "5\r\n\r\nhello",
        |b| b == b'0',
    ),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5",
        "\r\n\r\nhello",
        is_space,
    ),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ",
        "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        is_space,
    ),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked",
        "\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        is_space,
    ),
    (
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue",
        "\r\n\r\nx",
        is_space,
    ),
];

const BODIES: &[Place] = &[
    ("", "5\r\nhello\r\n0\r\n\r\n", |b| b == b'0'),
    ("5", "\nhello\r\n0\r\n\r\n", |b| b == b'\r'),
    ("5\r", "hello\r\n0\r\n\r\n", |b| b == b'\n'),
    ("5\r\nhello", "\n0\r\n\r\n", |b| b == b'\r'),
    ("5\r\nhello\r", "0\r\n\r\n", |b| b == b'\n'),
    ("5\r\nhello", "\r\n0\r\n\r\n", none),
    ("5;a", "b\r\nhello\r\n0\r\n\r\n", |b| {
        is_token(b) || matches!(b, b';' | b'=')
    }),
    ("5;a=b", "c\r\nhello\r\n0\r\n\r\n", |b| {
        is_token(b) || b == b';'
    }),
    ("5;a=\"b", "c\"\r\nhello\r\n0\r\n\r\n", |b| {
        is_value(b) && b != b'"'
    }),
    ("5\r\nhello\r\n0", "\r\n\r\n", |b| b == b'0'),
    ("5\r\nhello\r\n0\r\n", "\r\n", none),
    ("5\r\nhello\r\n0\r\nx", "y: 1\r\n\r\n", is_name),
    ("5\r\nhello\r\n0\r\nx: a", "\r\n\r\n", is_value),
];

const ANSWERS: &[Place] = &[
    ("", "HTTP/1.1 200 OK\r\n", none),
    ("HTTP/1.", " 200 OK\r\n", |b| matches!(b, b'0' | b'1')),
    ("HTTP/1.1", "200 OK\r\n", |b| b == b' '),
    ("HTTP/1.1 ", "00 OK\r\n", |b| matches!(b, b'2'..=b'9')),
    ("HTTP/1.1 2", "0 OK\r\n", |b| b.is_ascii_digit()),
    ("HTTP/1.1 200", "OK\r\n", |b| b == b' '),
    ("HTTP/1.1 200 O", "K\r\n", is_value),
    ("HTTP/1.1 200 OK\r\nx", "y: 1\r\n", is_name),
    ("HTTP/1.1 200 OK\r\nx", ": 1\r\n", is_name),
    ("HTTP/1.1 200 OK\r\nx: a", "b\r\n", is_value),
];

fn is_taken(trace: &Trace) -> bool {
    // An endpoint that is asked for a second answer has none.
    let is_over = |why: &codecs::Malformed| why.detail == "eof-before-head";
    trace.refused.as_ref().is_none_or(is_over)
        && matches!(&trace.messages[..], [message] if message.is_whole)
        && matches!(&*trace.messages[0].body, b"" | b"x" | b"hello")
}

fn check(places: &[Place], read: impl Fn(&[u8], usize) -> Trace) {
    for (before, behind, may_stand) in places {
        for byte in 0..=255 {
            let input = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
            for step in [1, 3, usize::MAX] {
                let trace = read(&input, step);
                let told = input.escape_ascii();
                assert_eq!(is_taken(&trace), may_stand(byte), "{told}: {trace:?}");
            }
        }
    }
}

#[test]
fn each_byte_of_a_request_stands_only_where_it_may() {
    check(REQUESTS, requests);
}

#[test]
fn each_byte_of_a_chunked_body_stands_only_where_it_may() {
    check(BODIES, |body, step| {
        let head = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        requests(&[head, body].concat(), step)
    });
    check(BODIES, |body, step| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        answers("GET", &[head, body].concat(), step)
    });
}

#[test]
fn each_byte_of_an_answer_stands_only_where_it_may() {
    check(ANSWERS, |head, step| {
        let rest = b"Content-Length: 5\r\n\r\nhello";
        answers("GET", &[head, rest].concat(), step)
    });
}
