//! Hostile requests and the status that each is refused with.

use codecs::http1::fuzz::requests;

/// Why `input`, fed `step` bytes at a time, is refused.
fn refusal(input: &str, step: usize) -> Option<(u16, &'static str)> {
    let why = requests(input.as_bytes(), step).refused?;
    Some((why.status, why.detail))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn hostile_requests_are_refused_with_their_status() {
    let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let chunked = |body: &str| head("Transfer-Encoding: chunked\r\n") + body;
    for (input, want) in [
        ("GET /\r\n\r\n".into(), (400, "http-0.9")),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
            (505, "unsupported-version"),
        ),
        (
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n".into(),
            (505, "unsupported-version"),
        ),
        (
            "GET / http/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "invalid-version"),
        ),
        ("GET / HTTP/1.1\nHost: a\n\n".into(), (400, "bare-lf")),
        (
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "repeated-empty-line"),
        ),
        (
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "bare-lf"),
        ),
        (
            "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "bare-cr"),
        ),
        ("GET / HTTP/1.1\r\n\r\n".into(), (400, "missing-host")),
        (
            "GET / HTTP/1.1\r\nHost:\r\n\r\n".into(),
            (400, "invalid-host"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".into(),
            (400, "invalid-host"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(),
            (400, "repeated-host"),
        ),
        (
            "GET http://b/ HTTP/1.1\r\n\r\n".into(),
            (400, "missing-host"),
        ),
        (
            "GET http://b/ HTTP/1.1\r\nHost: @\r\n\r\n".into(),
            (400, "invalid-host"),
        ),
        (
            "GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "invalid-authority"),
        ),
        (
            "GET /# HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "invalid-target"),
        ),
        (
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "invalid-target"),
        ),
        (
            "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "invalid-target"),
        ),
        (
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            (400, "invalid-connect-target"),
        ),
        (
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n".into(),
            (400, "connect-with-body"),
        ),
        (
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            (400, "transfer-encoding-in-http-1.0"),
        ),
        (head("X : y\r\n"), (400, "invalid-field-name")),
        (head(": y\r\n"), (400, "invalid-field-name")),
        (head("X\r\n"), (400, "invalid-field-name")),
        (head("X: y\r\n z\r\n"), (400, "folded-line")),
        (head("X: \0\r\n"), (400, "nul")),
        (head("X: \x7f\r\n"), (400, "invalid-field-value")),
        (
            head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            (400, "length-and-transfer-encoding"),
        ),
        (
            head("Content-Length: 1\r\nContent-Length: 1\r\n"),
            (400, "repeated-content-length"),
        ),
        (
            head("Content-Length: 1,1\r\n"),
            (400, "invalid-content-length"),
        ),
        (
            head("Content-Length: 99999999999999999999\r\n"),
            (400, "invalid-content-length"),
        ),
        (
            head("Transfer-Encoding: gzip, chunked\r\n"),
            (501, "unknown-transfer-coding"),
        ),
        (
            head("Transfer-Encoding: chunked, gzip\r\n"),
            (400, "invalid-transfer-encoding"),
        ),
        (
            head("Connection: transfer-encoding\r\n"),
            (400, "connection-names-framing"),
        ),
        (head("Expect: 200-maybe\r\n"), (417, "unknown-expectation")),
        (chunked("5 \r\n"), (400, "invalid-chunk-size")),
        (chunked("1\r\nab"), (400, "invalid-chunk-end")),
        (chunked("0\r\nHost: b\r\n\r\n"), (400, "forbidden-trailer")),
        (
            chunked(&format!("0\r\na: {}", "b".repeat(9000))),
            (431, "line-too-long"),
        ),
        (
            chunked(&format!("0\r\n{}", "a: b\r\n".repeat(101))),
            (431, "too-many-fields"),
        ),
        (
            format!("GET /{}", "a".repeat(70_000)),
            (414, "line-too-long"),
        ),
        (
            head(&format!("X: {}", "a".repeat(70_000))),
            (431, "head-too-long"),
        ),
        (head(&"a: b\r\n".repeat(101)), (431, "too-many-fields")),
    ] {
        let told = format!("{:.100}", input.escape_debug());
        for step in [1, 7, usize::MAX] {
            assert_eq!(refusal(&input, step), Some(want), "{told}");
        }
    }
    assert_eq!(refusal(&head(&"a: b\r\n".repeat(99)), 1), None);
}
