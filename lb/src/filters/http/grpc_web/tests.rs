//! Whole messages through the filter, their bodies in any pieces.

use super::fuzz::{Bench, fuzz_grpc_web};
use crate::{corpus, filter::Flow, grpc::Outcome, limits};
use codecs::Length;
use engines::Rng;

/// Every cut of a body into two, and into single bytes.
fn splits(body: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let pairs = (0..=body.len()).map(|at| vec![&body[..at], &body[at..]]);
    pairs.chain([body.chunks(1).collect()])
}

#[test]
fn a_request_goes_on_as_grpc_in_any_pieces() {
    for (content_type, body, expected_type, expected) in [
        (
            "application/grpc-web",
            "\0\0\0\0\x02ab",
            "application/grpc",
            "\0\0\0\0\x02ab",
        ),
        (
            "application/grpc-web+proto",
            "\0\0\0\0\0",
            "application/grpc+proto",
            "\0\0\0\0\0",
        ),
        (
            "application/grpc-web-text",
            "AAAAAAJhYg==",
            "application/grpc",
            "\0\0\0\0\x02ab",
        ),
        (
            "application/grpc-web-text+proto",
            "AAAAAAFhAAAAAAFi",
            "application/grpc+proto",
            "\0\0\0\0\x01a\0\0\0\0\x01b",
        ),
        // Padding where a message ends.
        (
            "application/grpc-web-text",
            "AAAAAAJhYg==AAAAAAA=",
            "application/grpc",
            "\0\0\0\0\x02ab\0\0\0\0\0",
        ),
    ] {
        let head = [("content-type", content_type), ("x-grpc-web", "1")];
        for pieces in splits(body.as_bytes()) {
            let message = (&head[..], body.as_bytes(), None);
            let passed = Bench::new().pass(0, message, &pieces).unwrap();
            assert_eq!(passed.field("content-type"), Some(expected_type));
            assert_eq!(passed.field("te"), Some("trailers"));
            assert_eq!(passed.length, Length::Unknown);
            assert_eq!(passed.body, expected.as_bytes(), "{pieces:?}");
        }
    }
}

#[test]
fn a_text_that_is_no_base64_is_refused_wherever_it_goes_wrong() {
    let head = [("content-type", "application/grpc-web-text")];
    for body in [
        "AAAAAAJhYg=",
        "AAAA AAA",
        "AA=A",
        "AAAA=",
        "A",
        "AAAAAAJhYh==",
    ] {
        for pieces in splits(body.as_bytes()) {
            let message = (&head[..], body.as_bytes(), None);
            let flow = Bench::new().pass(0, message, &pieces);
            let Err(Flow::Respond { reply, behind: 0 }) = flow else {
                panic!("{flow:?}");
            };
            let told = (reply.status, reply.fields.get(b"grpc-status"));
            assert_eq!(told, (400, Some(&b"13"[..])));
        }
    }
}

#[test]
fn other_requests_and_their_answers_pass_as_they_are() {
    for content_type in ["application/grpc", "text/plain", "application/grpc-webby"] {
        let head = [("content-type", content_type)];
        let mut bench = Bench::new();
        let message = (&head[..], &b"!"[..], None);
        let asked = bench.pass(0, message, &[b"!"]).unwrap();
        assert_eq!((asked.fields.len(), asked.length), (1, Length::Known(1)));
        let answer = (&head[..], &b"!"[..], Some(&[("grpc-status", "0")][..]));
        let passed = bench.pass(200, answer, &[b"!"]).unwrap();
        assert_eq!(passed.field("content-type"), Some(content_type));
        assert_eq!(
            (passed.length, &passed.body[..]),
            (Length::Known(1), &b"!"[..])
        );
        assert!(passed.trailers.is_some());
    }
}

const MESSAGES: &[u8] = b"\0\0\0\0\x04abcd\0\0\0\0\x01e";
const FRAME: &[u8] = b"\x80\0\0\0\x20grpc-status: 0\r\ngrpc-message: \r\n";

fn plain(text: &[u8]) -> Vec<u8> {
    let (mut decoder, mut out) = (super::Decoder::default(), Vec::new());
    assert_eq!(decoder.decode(text, &mut out), Ok(()));
    assert!(decoder.is_whole());
    out
}

#[test]
fn trailers_become_the_last_frame_in_the_form_that_is_accepted() {
    let head = [("content-type", "application/grpc+proto"), ("x", "y")];
    let trailers = [("grpc-status", "0"), ("grpc-message", "")];
    for (asked, accept, is_text) in [
        ("application/grpc-web", "*/*", false),
        ("application/grpc-web-text", "*/*", true),
        ("application/grpc-web-text", "application/grpc-web", false),
        ("application/grpc-web", "application/grpc-web-text", true),
    ] {
        for pieces in splits(MESSAGES) {
            let mut bench = Bench::new();
            bench.ask(asked, accept);
            let answer = (&head[..], MESSAGES, Some(&trailers[..]));
            let passed = bench.pass(200, answer, &pieces).unwrap();
            let (name, body) = match is_text {
                true => ("application/grpc-web-text+proto", plain(&passed.body)),
                false => ("application/grpc-web+proto", passed.body.clone()),
            };
            assert_eq!(passed.field("content-type"), Some(name));
            assert_eq!(passed.field("x"), Some("y"));
            assert_eq!((passed.length, &passed.trailers), (Length::Unknown, &None));
            assert_eq!(body, [MESSAGES, FRAME].concat(), "{pieces:?}");
        }
    }
}

#[test]
fn an_answer_without_a_message_has_its_trailers_all_the_same() {
    let head = [("content-type", "application/grpc")];
    let mut bench = Bench::new();
    bench.ask("application/grpc-web", "");
    let trailers = [("grpc-status", "0"), ("grpc-message", "")];
    let answer = (&head[..], &b""[..], Some(&trailers[..]));
    let passed = bench.pass(200, answer, &[]).unwrap();
    assert_eq!((&passed.body[..], passed.trailers), (FRAME, None));
}

#[test]
fn a_status_in_the_head_stays_there() {
    let head = [("content-type", "application/grpc"), ("grpc-status", "5")];
    let mut bench = Bench::new();
    bench.ask("application/grpc-web-text", "");
    let passed = bench.pass(200, (&head, b"", None), &[]).unwrap();
    let name = "application/grpc-web-text+proto";
    assert_eq!(passed.field("content-type"), Some(name));
    assert_eq!(passed.field("grpc-status"), Some("5"));
    assert_eq!((passed.length, passed.body.len()), (Length::None, 0));
}

#[test]
fn an_answer_that_is_not_grpc_says_in_its_head_what_it_means() {
    let html = [("content-type", "text/html")];
    let no_type = [("x", "y")];
    for (status, head, body, known, expected) in [
        (
            503,
            &html[..],
            "<b>down</b>\n",
            Outcome::OPEN,
            ("14", Some("<b>down</b>")),
        ),
        (
            404,
            &html,
            "100 %\u{e9}",
            Outcome::OPEN,
            ("12", Some("100 %25%C3%A9")),
        ),
        (200, &html, "hello", Outcome::OPEN, ("2", Some("hello"))),
        (500, &no_type, "", Outcome::OPEN, ("2", None)),
        (504, &html, "late", Outcome::of(4), ("4", Some("late"))),
    ] {
        for pieces in splits(body.as_bytes()) {
            let mut bench = Bench::new();
            bench.ask("application/grpc-web", "");
            bench.record.grpc = known;
            let message = (head, body.as_bytes(), None);
            let passed = bench.pass(status, message, &pieces).unwrap();
            assert_eq!(
                passed.field("content-type"),
                Some("application/grpc-web+proto")
            );
            assert_eq!(passed.field("grpc-status"), Some(expected.0));
            assert_eq!(passed.field("grpc-message"), expected.1);
            assert_eq!((passed.length, passed.body.len()), (Length::None, 0));
            assert_eq!(
                bench.record.grpc.status().map(|s| s.to_string()),
                Some(expected.0.into())
            );
        }
    }
}

#[test]
fn a_long_answer_that_is_not_grpc_is_dropped_as_it_comes() {
    let body = vec![b'x'; limits::STREAM_BYTES_MAX + 1];
    let mut bench = Bench::new();
    bench.ask("application/grpc-web", "");
    let message = (&[("content-type", "text/html")][..], &body[..], None);
    let pieces: Vec<_> = body.chunks(10_000).collect();
    let passed = bench.pass(502, message, &pieces).unwrap();
    assert_eq!(passed.field("grpc-status"), Some("14"));
    assert_eq!((passed.length, passed.body.len()), (Length::Unknown, 0));
}

#[test]
fn an_endpoint_that_speaks_grpc_web_itself_is_understood() {
    let head = [("content-type", "application/grpc-web+proto")];
    let body = [MESSAGES, FRAME].concat();
    let mut bench = Bench::new();
    bench.ask("application/grpc-web-text", "");
    let passed = bench.pass(200, (&head, &body, None), &[&body]).unwrap();
    assert_eq!(plain(&passed.body), body);
}

#[test]
fn the_corpus_holds() {
    let corpus = corpus::of("grpc_web");
    corpus.iter().for_each(|bytes| fuzz_grpc_web(bytes));
}

#[test]
fn the_corpus_holds_however_it_is_damaged() {
    let (corpus, mut rng) = (corpus::of("grpc_web"), Rng::seeded(1));
    for _ in 0..2000 {
        fuzz_grpc_web(&corpus::damaged(&corpus, b"\0\x01\x80A=/+_", &mut rng));
    }
}
