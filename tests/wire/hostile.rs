//! Requests meant to be understood differently by the proxy and the endpoint: refused, never forwarded.

use crate::support::{Client, Origin, Proxy, Setup};
use engines::EngineKind;

on_each_engine!(
    ambiguous_requests_are_refused_and_never_forwarded,
    an_answer_survives_input_that_nobody_reads,
    binary_garbage_is_refused,
    oversized_heads_are_431,
);

/// What is wrong, the request, and the status it deserves.
const REFUSED: &[(&str, &str, u16)] = &[
    (
        "CL and TE",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "two CL",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        400,
    ),
    (
        "CL list",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3, 4\r\n\r\nabcd",
        400,
    ),
    (
        "CL sign",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: +3\r\n\r\nabc",
        400,
    ),
    (
        "CL hex",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0x3\r\n\r\nabc",
        400,
    ),
    (
        "CL overflow",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 18446744073709551617\r\n\r\na",
        400,
    ),
    (
        "TE unknown",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n",
        501,
    ),
    (
        "TE chunked not last",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
        400,
    ),
    (
        "TE twice",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE vertical tab",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "space before colon",
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length : 3\r\n\r\nabc",
        400,
    ),
    (
        "obs-fold",
        "GET / HTTP/1.1\r\nhost: h\r\nx: a\r\n b\r\n\r\n",
        400,
    ),
    ("bare LF", "GET / HTTP/1.1\nhost: h\n\n", 400),
    (
        "bare CR",
        "GET / HTTP/1.1\r\nhost: h\r\nx: a\rb\r\n\r\n",
        400,
    ),
    ("NUL", "GET / HTTP/1.1\r\nhost: h\r\nx: a\0b\r\n\r\n", 400),
    (
        "bad name",
        "GET / HTTP/1.1\r\nhost: h\r\nx@y: 1\r\n\r\n",
        400,
    ),
    (
        "empty name",
        "GET / HTTP/1.1\r\nhost: h\r\n: 1\r\n\r\n",
        400,
    ),
    ("no host", "GET / HTTP/1.1\r\n\r\n", 400),
    (
        "two hosts",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        400,
    ),
    (
        "host with userinfo",
        "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n",
        400,
    ),
    ("two spaces", "GET  / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
    ("no version", "GET /\r\nhost: h\r\n\r\n", 400),
    ("version 2.0", "GET / HTTP/2.0\r\nhost: h\r\n\r\n", 505),
    ("version 1.2", "GET / HTTP/1.2\r\nhost: h\r\n\r\n", 505),
    ("fragment", "GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n", 400),
];

fn ambiguous_requests_are_refused_and_never_forwarded(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    for (what, request, status) in REFUSED {
        let mut client = Client::new(proxy.at("http"));
        client.send([request.as_bytes(), smuggled.as_bytes()].concat());
        let answer = client.answer();
        assert_eq!(answer.status, *status, "{what}");
        assert!(answer.field("date").is_some(), "{what}");
        assert!(client.is_closed(), "{what}");
    }
    for chunked in [
        "3 \r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut client = Client::new(proxy.at("http"));
        client.send("POST /chunked HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send([chunked.as_bytes(), smuggled.as_bytes()].concat());
        assert_eq!(client.answer().status, 400, "{chunked:?}");
        assert!(client.is_closed(), "{chunked:?}");
    }
    proxy.settle();
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
}

fn an_answer_survives_input_that_nobody_reads(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let body = vec![b'x'; 100_000];
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1e9\r\n\r\n");
    client.send(&body);
    client.send(&body);
    assert_eq!(client.answer().status, 400);
    assert!(client.is_closed());
}

fn binary_garbage_is_refused(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\0\0\0\0",
        b"\xff\xfe\xfd GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ] {
        let mut client = Client::new(proxy.at("http"));
        client.send(garbage);
        client.finish();
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 "),
            "{answer:?}"
        );
    }
    assert_eq!(Client::new(proxy.at("http")).get("/").status, 200);
    assert_eq!(origin.requests().len(), 1);
    proxy.settle();
}

fn oversized_heads_are_431(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let long = "a".repeat(70_000);
    for request in [
        format!("GET / HTTP/1.1\r\nhost: h\r\nx: {long}\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\nhost: h\r\n{}\r\n",
            "x: 1\r\n".repeat(200)
        ),
        format!("GET / HTTP/1.1\r\nhost: h\r\n{long}"),
    ] {
        let mut client = Client::new(proxy.at("http"));
        client.send(&request);
        assert_eq!(client.answer().status, 431, "{}", &request[..60]);
        assert!(client.is_closed());
    }
    let mut client = Client::new(proxy.at("http"));
    client.send(format!("GET /{long} HTTP/1.1\r\nhost: h\r\n\r\n"));
    assert!(matches!(client.answer().status, 414 | 431));
    proxy.settle();
    assert!(origin.requests().is_empty());
}
