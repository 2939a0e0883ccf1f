//! Properties of the HTTP/1 codec over generated input.

use codecs::Length;
use codecs::http1::fuzz::{
    Message, Trace, answers, fuzz_http1, requests, write_answer, write_request,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A request as an independent, very small reader sees it.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    method: Vec<u8>,
    target: Vec<u8>,
    body: Vec<u8>,
}

/// Reads one request that a strict peer could have written; `None` if anything is odd.
fn read_plainly(bytes: &[u8]) -> Option<(Plain, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = text.split("\r\n");
    let words: Vec<_> = lines.next()?.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return None;
    };
    let fields: Vec<_> = lines
        .map(|line| line.split_once(": "))
        .collect::<Option<_>>()?;
    let all = |name: &str| {
        let named = fields.iter().filter(|(other, _)| *other == name);
        named.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    if fields[0].0 != "host" || all("host").len() != 1 {
        return None;
    }
    let rest = &bytes[end + 4..];
    let (body, rest) = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => (Vec::new(), rest),
        ([length], []) => {
            let (body, rest) = rest.split_at_checked(length.parse().ok()?)?;
            (body.to_vec(), rest)
        }
        ([], ["chunked"]) => read_chunks(rest)?,
        _ => return None,
    };
    let plain = Plain {
        method: method.into(),
        target: target.into(),
        body,
    };
    Some((plain, rest))
}

fn read_chunks(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            if let Some(rest) = rest.strip_prefix(b"\r\n") {
                return Some((body, rest));
            }
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
            return Some((body, &rest[end + 4..]));
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// Pieces that, strung together, are nearly HTTP.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "HEAD http://b:1/x HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 x\r\n",
        "HTTP/1.1 204 x\r\n",
        "HTTP/1.0 200 x\r\n",
        "HTTP/1.1 304 x\r\n",
        "Host: a\r\n",
        "Host: b\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding:\tchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: upgrade, x\r\n",
        "Upgrade: websocket\r\n",
        "Expect: 100-continue\r\n",
        "TE: trailers\r\n",
        "X: y\r\n",
        " folded\r\n",
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "\0",
        "hello",
        "5\r\nhello\r\n",
        "5;a=\"b\"\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nT: u\r\n\r\n",
        "0\r\n",
        "5\r\n",
        "0x5\r\n",
        "fffffffffffffffff\r\n",
        "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        "a: b\r\n\r\n",
    ]);
    vec(piece, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    "x-[a-z0-9!#$%&'*+.^_`|~-]{1,12}".prop_map(String::into_bytes)
}

fn pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let value = "([!-~\u{80}-\u{7ff}]([ -~\t\u{80}-\u{7ff}]{0,20}[!-~])?)?";
    vec((name(), value.prop_map(String::into_bytes)), 0..5)
}

prop_compose! {
    fn message()(
        fields in pairs(),
        body in vec(any::<u8>(), 0..300),
        trailers in pairs(),
        is_chunked in any::<bool>(),
    ) -> Message {
        let has_trailers = is_chunked && !trailers.is_empty();
        Message {
            length: if is_chunked { Length::Unknown } else { Length::Known(body.len() as u64) },
            fields,
            body,
            trailers: if has_trailers { trailers } else { Vec::new() },
            is_whole: true,
            ..Message::default()
        }
    }
}

fn assert_splits_agree(bytes: &[u8], steps: [usize; 3], trace: impl Fn(&[u8], usize) -> Trace) {
    let whole = trace(bytes, usize::MAX);
    for step in steps {
        assert_eq!(
            trace(bytes, step),
            whole,
            "steps of {step}: {}",
            bytes.escape_ascii()
        );
    }
}

/// Whatever is accepted reads the same once it was written anew.
fn assert_nothing_is_smuggled(bytes: &[u8]) {
    let whole = requests(bytes, usize::MAX).messages;
    for message in whole
        .iter()
        .filter(|message| message.is_whole && message.method != b"CONNECT")
    {
        let message = &message.without_tunnel();
        let wrote = write_request(message);
        let (plain, rest) = read_plainly(&wrote).expect("a plain reader reads it");
        assert_eq!(rest, b"", "{}", wrote.escape_ascii());
        let want = Plain {
            method: message.method.clone(),
            target: message.path.clone(),
            body: message.body.clone(),
        };
        assert_eq!(plain, want, "{}", wrote.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_without_panic(bytes in vec(any::<u8>(), 0..200)) {
        fuzz_http1(&bytes);
    }

    #[test]
    fn any_split_of_near_http_gives_the_same_messages(bytes in pieces(), step in 2..40_usize) {
        assert_splits_agree(&bytes, [1, step, step * 3], requests);
        for method in ["GET", "HEAD", "CONNECT", "upgrade"] {
            assert_splits_agree(&bytes, [1, step, step * 3], |bytes, step| answers(method, bytes, step));
        }
        fuzz_http1(&bytes);
    }

    #[test]
    fn near_http_is_never_smuggled(bytes in pieces()) {
        let with_host = String::from_utf8(bytes).unwrap().replace("HTTP/1.1\r\n", "HTTP/1.1\r\nHost: h\r\n");
        assert_nothing_is_smuggled(with_host.as_bytes());
    }

    #[test]
    fn requests_survive_the_round_trip(mut message in message(), method in "[A-Z]{1,8}", path in "/[!-\"$-~]{0,30}", step in 1..50_usize) {
        prop_assume!(method != "CONNECT");
        message.method = method.into_bytes();
        message.path = path.into_bytes();
        message.authority = b"example.com:80".to_vec();
        let bytes = write_request(&message);
        let want = Trace { messages: vec![message], refused: None };
        prop_assert_eq!(requests(&bytes, step), want);
    }

    #[test]
    fn answers_survive_the_round_trip(mut message in message(), status in 200..600_u16, step in 1..50_usize) {
        prop_assume!(status != 204 && status != 304);
        message.status = status;
        let bytes = write_answer("GET", &message);
        prop_assert_eq!(answers("GET", &bytes, step).messages, [message]);
    }

    #[test]
    fn ambiguous_framing_is_never_accepted(
        first in select(vec!["Content-Length: 5", "content-length:5", "Transfer-Encoding: chunked", "transfer-encoding:\tchunked"]),
        second in select(vec![
            "Content-Length: 5", "Content-Length: 6", "Transfer-Encoding: chunked", "Transfer-Encoding: identity",
            "Transfer-Encoding: x, chunked", "Content-Length: 5, 5", "Content-Length: +5", "Transfer-Encoding : chunked",
            " Transfer-Encoding: chunked", "Transfer_Encoding: chunked", "Content-Length\t: 5", "Content-Length: 0x5",
            "Transfer-Encoding: chunked\x0b", "Transfer-Encoding: \"chunked\"", "Connection: content-length",
            "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "\0Transfer-Encoding: chunked",
        ]),
        is_swapped in any::<bool>(),
        step in 1..60_usize,
    ) {
        let (one, two) = if is_swapped { (second, first) } else { (first, second) };
        let bytes = format!("POST / HTTP/1.1\r\nHost: a\r\n{one}\r\n{two}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let trace = requests(bytes.as_bytes(), step);
        prop_assert!(trace.messages.is_empty() && trace.refused.is_some(), "{bytes:?}: {trace:?}");
        let answer = format!("HTTP/1.1 200 OK\r\n{one}\r\n{two}\r\n\r\n0\r\n\r\n");
        let trace = answers("GET", answer.as_bytes(), step);
        prop_assert!(trace.messages.is_empty() && trace.refused.is_some(), "{answer:?}: {trace:?}");
    }
}

#[test]
fn the_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/http1");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        fuzz_http1(&bytes);
        assert_nothing_is_smuggled(&bytes);
        count += 1;
    }
    assert!(count >= 30, "{count} files");
}
