//! The server's side of HTTP/1: what a peer may send, and what it is answered.

use codecs::http1::Http1;
use codecs::{
    Codec, Fields, Frame, Head, Heads, Length, Life, Limits, Malformed, Protocol, Reason, Step,
    StreamId, Wait,
};
use std::time::Instant;

struct Conn {
    codec: Box<dyn Codec>,
    heads: Heads,
    now: Instant,
    input: Vec<u8>,
    out: Vec<u8>,
}

impl Conn {
    #[expect(
        clippy::disallowed_methods,
        reason = "the codec takes a time that it does not read"
    )]
    fn new(input: &str) -> Self {
        Self {
            codec: Http1.server(&Limits::default()),
            heads: Heads::default(),
            now: Instant::now(),
            input: input.into(),
            out: Vec::new(),
        }
    }

    fn decode(&mut self) -> Result<Step, Malformed> {
        let step = self.codec.decode(self.now, &self.input, &mut self.heads)?;
        self.input.drain(..step.used);
        Ok(step)
    }

    fn next_head(&mut self) -> (StreamId, Box<Head>, bool, Wait) {
        let step = self.decode().expect("a good request");
        let Some(Frame::Head { id, head, end }) = step.frame else {
            panic!("{step:?}");
        };
        (id, head, end, step.wait)
    }

    fn answer(&mut self, id: u64, status: u16, length: Length, end: bool) -> String {
        let mut head = Head::default();
        head.status = status;
        head.length = length;
        self.codec.head(StreamId(id), &head, end, &mut self.out);
        self.written()
    }

    fn written(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).expect("ASCII")
    }

    fn control(&mut self) -> String {
        self.codec.control(&mut self.out);
        self.written()
    }
}

#[test]
fn pipelined_requests_are_held_until_their_turn() {
    let mut conn =
        Conn::new("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let (id, head, end, wait) = conn.next_head();
    assert_eq!(
        (id, head.path(), end, wait),
        (StreamId(1), &b"/1"[..], true, Wait::Hold)
    );
    for _ in 0..2 {
        let step = conn.decode().unwrap();
        assert!(step.used == 0 && step.frame.is_none() && step.wait == Wait::Hold);
    }
    let wrote = conn.answer(1, 200, Length::Known(2), false);
    assert_eq!(wrote, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
    conn.codec.data(StreamId(1), b"o", false);
    assert_eq!(conn.decode().unwrap().wait, Wait::Hold);
    conn.codec.data(StreamId(1), b"k", true);
    assert_eq!(
        (conn.decode().unwrap().used, conn.decode().unwrap().used),
        (1, 1)
    );
    let (id, head, ..) = conn.next_head();
    assert_eq!((id, head.path()), (StreamId(2), &b"/2"[..]));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn an_answer_is_framed_by_method_status_and_version() {
    let known = Length::Known(3);
    for (request, status, length, end, want) in [
        (
            "GET 1.1",
            200,
            known,
            false,
            "200 OK\r\ncontent-length: 3\r\n",
        ),
        (
            "GET 1.1",
            200,
            Length::Unknown,
            false,
            "200 OK\r\ntransfer-encoding: chunked\r\n",
        ),
        (
            "GET 1.1",
            200,
            Length::None,
            true,
            "200 OK\r\ncontent-length: 0\r\n",
        ),
        ("GET 1.1", 204, Length::None, true, "204 No Content\r\n"),
        (
            "GET 1.1",
            304,
            known,
            true,
            "304 Not Modified\r\ncontent-length: 3\r\n",
        ),
        (
            "HEAD 1.1",
            200,
            known,
            true,
            "200 OK\r\ncontent-length: 3\r\n",
        ),
        ("HEAD 1.1", 200, Length::Unknown, true, "200 OK\r\n"),
        ("CONNECT 1.1", 200, Length::None, false, "200 OK\r\n"),
        (
            "CONNECT 1.1",
            403,
            known,
            false,
            "403 Forbidden\r\ncontent-length: 3\r\nconnection: close\r\n",
        ),
        (
            "GET 1.0",
            200,
            known,
            false,
            "200 OK\r\ncontent-length: 3\r\nconnection: close\r\n",
        ),
        (
            "GET 1.0",
            200,
            Length::Unknown,
            false,
            "200 OK\r\nconnection: close\r\n",
        ),
        (
            "KEEP 1.0",
            200,
            known,
            false,
            "200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n",
        ),
        (
            "KEEP 1.0",
            200,
            Length::Unknown,
            false,
            "200 OK\r\nconnection: close\r\n",
        ),
        (
            "CLOSE 1.1",
            200,
            known,
            false,
            "200 OK\r\ncontent-length: 3\r\nconnection: close\r\n",
        ),
    ] {
        let (method, version) = request.split_once(' ').unwrap();
        let target = if method == "CONNECT" { "a:1" } else { "/" };
        let connection = match method {
            "KEEP" => "Keep-Alive",
            "CLOSE" => "keep-alive, close",
            _ => "",
        };
        let mut conn = Conn::new(&format!(
            "{method} {target} HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\n\r\n"
        ));
        conn.next_head();
        let wrote = conn.answer(1, status, length, end);
        assert_eq!(
            wrote,
            format!("HTTP/1.1 {want}\r\n"),
            "{request} {status} {length:?}"
        );
    }
}

#[test]
fn only_an_answer_without_framing_ends_by_the_close() {
    for (version, length, want) in [
        ("1.0", Length::Unknown, true),
        ("1.0", Length::Known(4), false),
        ("1.1", Length::Unknown, false),
        ("1.1", Length::Known(4), false),
    ] {
        let mut conn = Conn::new(&format!("GET / HTTP/{version}\r\nhost: h\r\n\r\n"));
        conn.next_head();
        assert!(!conn.codec.ends_by_close(), "{version} {length:?}");
        conn.answer(1, 200, length, false);
        assert_eq!(conn.codec.ends_by_close(), want, "{version} {length:?}");
        conn.codec.data(StreamId(1), b"four", true);
        assert_eq!(conn.codec.ends_by_close(), want, "{version} {length:?}");
    }
}

#[test]
fn a_connection_that_closes_takes_nothing_more() {
    let mut conn = Conn::new(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    conn.next_head();
    assert_eq!(conn.codec.life(), Life::Draining);
    conn.answer(1, 200, Length::Unknown, false);
    conn.codec
        .trailers(StreamId(1), &Fields::default(), &mut conn.out);
    assert_eq!(
        (conn.written().as_str(), conn.codec.life()),
        ("0\r\n\r\n", Life::Over)
    );
    let step = conn.decode().unwrap();
    assert!(step.frame.is_none() && conn.input.is_empty());
}

#[test]
fn a_peer_sends_no_more_only_behind_a_whole_request_that_says_so() {
    const CLOSE: &str = "Host: a\r\nConnection: close\r\n";
    for (input, want) in [
        (format!("GET / HTTP/1.1\r\n{CLOSE}\r\n"), Life::Over),
        ("GET / HTTP/1.0\r\n\r\n".into(), Life::Over),
        (
            format!("PUT / HTTP/1.1\r\n{CLOSE}Content-Length: 1\r\n\r\nx"),
            Life::Over,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{CLOSE}Content-Length: 2\r\n\r\nx"),
            Life::Closed,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{CLOSE}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"),
            Life::Closed,
        ),
        (format!("CONNECT a:1 HTTP/1.1\r\n{CLOSE}\r\n"), Life::Closed),
    ] {
        let mut conn = Conn::new(&input);
        while !conn.input.is_empty() && conn.decode().unwrap().used > 0 {}
        conn.answer(1, 403, Length::None, true);
        assert_eq!(conn.codec.life(), want, "{input}");
    }
    let mut drained = Conn::new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    drained.next_head();
    drained.codec.drain(&mut drained.out);
    drained.answer(1, 200, Length::None, true);
    assert_eq!(drained.codec.life(), Life::Closed, "the end was our wish");
}

const EXPECTS: &str =
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";

#[test]
fn continue_is_told_once_and_only_to_a_peer_that_waits() {
    let mut conn = Conn::new(EXPECTS);
    let (_, head, ..) = conn.next_head();
    assert_eq!(head.fields.get(b"expect"), None);
    assert_eq!(conn.control(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(conn.control(), "");
    assert_eq!(
        conn.answer(1, 100, Length::None, false),
        "",
        "it was told already"
    );
    conn.input.extend_from_slice(b"ok");
    conn.decode().unwrap();
    assert_eq!(
        conn.answer(1, 204, Length::None, true),
        "HTTP/1.1 204 No Content\r\n\r\n"
    );

    let mut conn = Conn::new(&format!("{EXPECTS}o"));
    conn.next_head();
    conn.decode().unwrap();
    assert_eq!(conn.control(), "", "the body comes already");

    let mut conn = Conn::new(&EXPECTS.replace("1.1", "1.0"));
    conn.next_head();
    assert_eq!(conn.control(), "", "HTTP/1.0 knows no interim answers");
    assert_eq!(conn.answer(1, 103, Length::None, false), "");
}

#[test]
fn a_final_answer_instead_of_continue_ends_the_connection() {
    let mut conn = Conn::new(EXPECTS);
    conn.next_head();
    let wrote = conn.answer(1, 413, Length::None, true);
    assert!(wrote.contains("connection: close\r\n"), "{wrote}");
    assert_eq!(
        (conn.control().as_str(), conn.codec.life()),
        ("", Life::Closed)
    );
}

#[test]
fn an_early_answer_lets_the_rest_of_the_request_pass_by() {
    let mut conn = Conn::new("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    conn.next_head();
    conn.decode().unwrap();
    conn.answer(1, 200, Length::None, true);
    conn.input
        .extend_from_slice(b"cdGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let step = conn.decode().unwrap();
    assert!(matches!(
        step.frame,
        Some(Frame::Data {
            len: 2,
            end: true,
            ..
        })
    ));
    assert_eq!((step.wait, conn.next_head().0), (Wait::Go, StreamId(2)));
}

#[test]
fn an_upgrade_becomes_a_tunnel_only_when_it_is_granted() {
    let input = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut conn = Conn::new(input);
    let (_, head, end, wait) = conn.next_head();
    assert_eq!(
        (head.upgrade(), end, wait),
        (&b"websocket"[..], false, Wait::Hold)
    );
    let mut answer = Head::default();
    answer.status = 101;
    answer.set_upgrade(b"websocket");
    conn.codec.head(StreamId(1), &answer, false, &mut conn.out);
    let want =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(conn.written(), want);
    assert!(conn.codec.ends_by_close());
    let step = conn.decode().unwrap();
    assert!(
        matches!(
            step.frame,
            Some(Frame::Data {
                len: 28,
                end: false,
                ..
            })
        ),
        "{step:?}"
    );
    assert!(conn.codec.data(StreamId(1), b"x", true).before.is_empty());
    assert!(conn.codec.is_finished() && conn.codec.life() == Life::Draining);
    let frame = conn.codec.eof().unwrap();
    assert!(matches!(
        frame,
        Some(Frame::Data {
            len: 0,
            end: true,
            ..
        })
    ));
    assert!(conn.codec.eof().unwrap().is_none() && conn.codec.life() == Life::Closed);

    let mut conn = Conn::new(input);
    conn.next_head();
    conn.answer(1, 403, Length::Known(1), false);
    let step = conn.decode().unwrap();
    assert!(
        matches!(
            step.frame,
            Some(Frame::Data {
                len: 0,
                end: true,
                ..
            })
        ),
        "{step:?}"
    );
    assert_eq!(step.wait, Wait::Hold);
    conn.codec.data(StreamId(1), b"x", true);
    assert_eq!(conn.next_head().1.path(), b"/2");
}

#[test]
fn a_fin_is_clean_only_between_requests() {
    for (input, want) in [
        ("", Ok(Life::Closed)),
        ("\r\n", Ok(Life::Closed)),
        ("\r", Err("eof-in-head")),
        ("GET", Err("eof-in-head")),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na",
            Err("eof-in-body"),
        ),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            Err("eof-in-body"),
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Life::Draining)),
    ] {
        let mut conn = Conn::new(input);
        while !conn.input.is_empty() && conn.decode().unwrap().used > 0 {}
        let fin = conn.codec.eof().map_err(|why| why.detail);
        assert_eq!(fin.map(|_| conn.codec.life()), want, "{input}");
    }
}

#[test]
fn the_answer_behind_a_fin_still_goes_out() {
    let mut conn = Conn::new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    conn.next_head();
    conn.codec.eof().unwrap();
    let wrote = conn.answer(1, 200, Length::None, true);
    assert!(wrote.contains("connection: close"));
    assert_eq!(conn.codec.life(), Life::Closed);
}

/// RFC 9110 §5.6.7.
const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn a_refusal_is_told_unless_an_answer_has_begun() {
    let mut conn = Conn::new("GET / HTTP/1.1\r\n\r\n");
    let why = conn.decode().unwrap_err();
    conn.codec.refuse(&why, DATE, &mut conn.out);
    let want = "HTTP/1.1 400 Bad Request\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close\r\n\
                content-length: 0\r\n\r\n";
    assert_eq!(
        (conn.written().as_str(), conn.codec.life()),
        (want, Life::Closed)
    );
    conn.codec.refuse(&why, DATE, &mut conn.out);
    assert_eq!(conn.written(), "", "once");
    let mut conn = Conn::new("HEAD /# HTTP/1.1\r\nHost: a\r\n\r\n");
    let why = conn.decode().unwrap_err();
    conn.codec.refuse(&why, DATE, &mut conn.out);
    assert_eq!(conn.written(), want, "no body, which HEAD could not have");

    let mut conn = Conn::new("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx");
    conn.next_head();
    conn.answer(1, 200, Length::Unknown, false);
    let why = conn.decode().unwrap_err();
    conn.codec.refuse(&why, DATE, &mut conn.out);
    assert_eq!(
        (conn.written().as_str(), conn.codec.life()),
        ("", Life::Closed)
    );
}

#[test]
fn a_reset_answer_ends_the_connection_without_ending_the_answer() {
    let mut conn = Conn::new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    conn.next_head();
    conn.answer(1, 200, Length::Unknown, false);
    conn.codec.reset(StreamId(1), Reason::Cancel, &mut conn.out);
    assert_eq!(
        (conn.written().as_str(), conn.codec.life()),
        ("", Life::Closed)
    );
    assert_eq!(&*conn.codec.data(StreamId(1), b"", true).after, b"");
}

#[test]
fn draining_closes_an_idle_connection_and_marks_the_current_answer() {
    let mut conn = Conn::new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    conn.next_head();
    conn.codec.drain(&mut conn.out);
    assert_eq!(conn.codec.life(), Life::Draining);
    let wrote = conn.answer(1, 200, Length::None, true);
    assert!(wrote.contains("connection: close"));
    let mut conn = Conn::new("");
    conn.codec.drain(&mut conn.out);
    assert_eq!(conn.codec.life(), Life::Closed);
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "longer or shorter"))]
fn a_body_beyond_its_length_is_the_callers_fault() {
    let mut conn = Conn::new("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    conn.next_head();
    conn.answer(1, 200, Length::Known(1), false);
    conn.codec.data(StreamId(1), b"ab", true);
    assert_eq!(conn.codec.life(), Life::Closed);
}

#[test]
fn http_10_is_refused_where_it_is_switched_off() {
    let mut conn = Conn::new("GET / HTTP/1.0\r\n\r\n");
    conn.codec = Http1.server(&Limits {
        accept_http_10: false,
        ..Limits::default()
    });
    let why = conn.decode().unwrap_err();
    assert_eq!(why.status, 426);
    conn.codec.refuse(&why, DATE, &mut conn.out);
    assert!(conn.written().contains("\r\nupgrade: HTTP/1.1\r\n"));
}
