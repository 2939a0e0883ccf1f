//! The client's side of HTTP/1: what is asked, and which answers are believed.

use codecs::http1::Http1;
use codecs::{
    Codec, Frame, Head, Heads, Length, Life, Limits, Malformed, Protocol, Reason, Step, StreamId,
};
use std::time::Instant;

struct Conn {
    codec: Box<dyn Codec>,
    heads: Heads,
    now: Instant,
    input: Vec<u8>,
}

impl Conn {
    #[expect(
        clippy::disallowed_methods,
        reason = "the codec takes a time that it does not read"
    )]
    fn new(input: &str) -> Self {
        Self {
            codec: Http1.client(&Limits::default()),
            heads: Heads::default(),
            now: Instant::now(),
            input: input.into(),
        }
    }

    fn asked(method: &str, input: &str) -> Self {
        let mut conn = Self::new(input);
        conn.ask(&request(method), true);
        conn
    }

    fn ask(&mut self, head: &Head, end: bool) -> String {
        let mut out = Vec::new();
        let id = self.codec.open().expect("the connection is free");
        self.codec.head(id, head, end, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn decode(&mut self) -> Result<Step, Malformed> {
        let step = self.codec.decode(self.now, &self.input, &mut self.heads)?;
        self.input.drain(..step.used);
        Ok(step)
    }

    /// All frames that the input gives, in short.
    fn read(&mut self) -> Result<String, &'static str> {
        let mut seen = String::new();
        while !self.input.is_empty() {
            let step = self.decode().map_err(|why| why.detail)?;
            match step.frame {
                Some(Frame::Head { head, end, .. }) => seen += &format!("{} {end} ", head.status),
                Some(Frame::Data { len, end, .. }) => seen += &format!("+{len} {end} "),
                Some(Frame::Trailers { fields, .. }) => seen += &format!("t{} ", fields.len()),
                Some(frame) => panic!("{frame:?}"),
                None if step.used == 0 => return Ok(seen + "…"),
                None => {}
            }
        }
        Ok(seen)
    }
}

fn request(method: &str) -> Head {
    let mut head = Head::default();
    let is_upgrade = method == "upgrade";
    head.set_method(if is_upgrade {
        b"GET"
    } else {
        method.as_bytes()
    });
    head.set_upgrade(if is_upgrade { b"websocket" } else { b"" });
    head.set_authority(b"a:80");
    head.set_path(b"/");
    head
}

const OPEN: Life = Life::Open { streams: 1 };

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn answers_are_framed_by_method_and_status() {
    for (method, input, want, life) in [
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "200 false +2 true ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "200 true ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "200 false +2 false +0 true ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
            "200 false t1 ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\n\r\nok",
            "200 false +2 false ",
            Life::Draining,
        ),
        (
            "GET",
            "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
            "204 true ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n",
            "304 true ",
            OPEN,
        ),
        (
            "HEAD",
            "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n",
            "200 true ",
            OPEN,
        ),
        (
            "HEAD",
            "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "200 true ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
            "103 false 204 true ",
            OPEN,
        ),
        (
            "GET",
            "HTTP/1.1 204 x\r\nConnection: close\r\n\r\nlate",
            "204 true ",
            Life::Closed,
        ),
        (
            "GET",
            "HTTP/1.0 204 x\r\nConnection: keep-alive\r\n\r\n",
            "204 true ",
            Life::Closed,
        ),
        (
            "CONNECT",
            "HTTP/1.1 200 x\r\n\r\nraw",
            "200 false +3 false ",
            Life::Draining,
        ),
        (
            "CONNECT",
            "HTTP/1.1 403 x\r\nContent-Length: 1\r\n\r\nx",
            "403 false +1 true ",
            OPEN,
        ),
        (
            "upgrade",
            "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
            "101 false +3 false ",
            Life::Draining,
        ),
        (
            "upgrade",
            "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n",
            "200 true ",
            OPEN,
        ),
    ] {
        let mut conn = Conn::asked(method, input);
        assert_eq!(conn.read().as_deref(), Ok(want), "{method} {input}");
        assert_eq!(conn.codec.life(), life, "{method} {input}");
    }
}

#[test]
fn hostile_answers_are_refused() {
    let interims = "HTTP/1.1 100 x\r\n\r\n".repeat(17);
    for (input, want) in [
        (
            "HTTP/1.1 200 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "length-and-transfer-encoding",
        ),
        (
            "HTTP/1.1 200 x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "repeated-content-length",
        ),
        (
            "HTTP/1.1 200 x\r\nTransfer-Encoding: gzip\r\n\r\n",
            "unknown-transfer-coding",
        ),
        (
            "HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "transfer-encoding-in-http-1.0",
        ),
        (
            "HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n",
            "framing-without-body",
        ),
        (
            "HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "framing-without-body",
        ),
        (
            "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "unsolicited-upgrade",
        ),
        (
            "HTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 x\r\n",
            "unsolicited-answer",
        ),
        ("\r\nHTTP/1.1 204 x\r\n\r\n", "invalid-status-line"),
        ("HTTP/1.1 200 x\nA: b\n\n", "bare-lf"),
        (&interims, "too-many-interim-answers"),
    ] {
        assert_eq!(Conn::asked("GET", input).read(), Err(want), "{input}");
    }
    let mut conn = Conn::new("HTTP/1.1 200 x\r\n\r\n");
    assert_eq!(
        conn.decode().unwrap_err().status,
        0,
        "an endpoint is told nothing"
    );
    let mut conn = Conn::asked("upgrade", "HTTP/1.1 101 x\r\n\r\n");
    assert_eq!(conn.read(), Err("unsolicited-upgrade"));
}

#[test]
fn requests_are_framed_by_their_length() {
    let tail = "GET / HTTP/1.1\r\nhost: a:80\r\n";
    for (method, length, end, want) in [
        ("GET", Length::None, true, ""),
        ("GET", Length::Known(2), false, "content-length: 2\r\n"),
        (
            "GET",
            Length::Unknown,
            false,
            "transfer-encoding: chunked\r\n",
        ),
        ("POST", Length::None, true, "content-length: 0\r\n"),
        ("PUT", Length::Unknown, true, "content-length: 0\r\n"),
        ("DELETE", Length::Known(0), true, "content-length: 0\r\n"),
        (
            "upgrade",
            Length::None,
            false,
            "connection: upgrade\r\nupgrade: websocket\r\n",
        ),
        ("upgrade", Length::Known(1), false, "content-length: 1\r\n"),
    ] {
        let mut head = request(method);
        head.length = length;
        let wrote = Conn::new("").ask(&head, end);
        let line = tail.replace("GET", str::from_utf8(head.method()).unwrap());
        assert_eq!(
            wrote,
            format!("{line}{want}\r\n"),
            "{method} {length:?} {end}"
        );
    }
    let mut head = request("GET");
    head.fields.append(b"te", b"trailers");
    head.fields.append(b"X", b"y");
    let wrote = Conn::new("").ask(&head, true);
    assert_eq!(
        wrote,
        format!("{tail}x: y\r\nconnection: te\r\nte: trailers\r\n\r\n")
    );
}

#[test]
fn one_stream_at_a_time() {
    let mut conn = Conn::asked("GET", "HTTP/1.1 204 x\r\n\r\n");
    assert_eq!(
        (conn.codec.open(), conn.codec.life()),
        (None, Life::Open { streams: 0 })
    );
    conn.read().unwrap();
    assert_eq!(conn.codec.open(), Some(StreamId(2)));
    conn.codec
        .reset(StreamId(2), Reason::Cancel, &mut Vec::new());
    assert_eq!(
        conn.codec.life(),
        OPEN,
        "nothing was written, nothing is lost"
    );
}

#[test]
fn an_answer_before_the_end_of_the_request_costs_the_connection() {
    let mut conn = Conn::new("HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n");
    let mut head = request("PUT");
    head.length = Length::Known(2);
    conn.ask(&head, false);
    assert_eq!(conn.read().as_deref(), Ok("413 true "));
    assert_eq!(conn.codec.life(), Life::Closed);
}

#[test]
fn a_fin_ends_what_it_may_end() {
    for (method, input, want) in [
        ("GET", "HTTP/1.1 200 x\r\n\r\nok", Ok(true)),
        ("CONNECT", "HTTP/1.1 200 x\r\n\r\nok", Ok(true)),
        ("GET", "HTTP/1.1 204 x\r\n\r\n", Ok(false)),
        ("GET", "", Err("eof-before-head")),
        ("GET", "HTTP/1.1 103 x\r\n\r\n", Err("eof-before-head")),
        ("GET", "HTTP", Err("eof-in-head")),
        (
            "GET",
            "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\no",
            Err("eof-in-body"),
        ),
        (
            "GET",
            "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err("eof-in-body"),
        ),
    ] {
        let mut conn = Conn::asked(method, input);
        conn.read().unwrap();
        let fin = conn.codec.eof().map_err(|why| why.detail);
        assert_eq!(fin.map(|frame| frame.is_some()), want, "{method} {input}");
        assert!(want.is_err() || conn.codec.eof().unwrap().is_none());
        let is_tunnel = method == "CONNECT";
        assert!(is_tunnel || conn.codec.life() == Life::Closed, "{input}");
    }
    let mut conn = Conn::new("");
    assert!(conn.codec.eof().unwrap().is_none() && conn.codec.life() == Life::Closed);
}

#[test]
fn a_tunnel_ends_in_each_direction() {
    let mut conn = Conn::asked("CONNECT", "HTTP/1.1 200 x\r\n\r\n");
    assert!(!conn.codec.ends_by_close());
    conn.read().unwrap();
    assert!(!conn.codec.is_finished() && conn.codec.ends_by_close());
    assert!(conn.codec.data(StreamId(1), b"raw", true).before.is_empty());
    assert!(conn.codec.is_finished() && conn.codec.life() == Life::Draining);
    assert!(conn.codec.eof().unwrap().is_some());
    assert_eq!(conn.codec.life(), Life::Closed);
}

#[test]
fn draining_ends_an_idle_connection_and_lets_a_busy_one_finish() {
    let mut conn = Conn::asked("GET", "HTTP/1.1 204 x\r\n\r\n");
    conn.codec.drain(&mut Vec::new());
    assert_eq!(conn.codec.life(), Life::Draining);
    conn.read().unwrap();
    assert_eq!((conn.codec.life(), conn.codec.open()), (Life::Closed, None));
    let mut conn = Conn::new("");
    conn.codec.drain(&mut Vec::new());
    assert_eq!(conn.codec.life(), Life::Closed);
}

#[test]
fn a_reset_request_costs_the_connection() {
    let mut conn = Conn::asked("GET", "");
    conn.codec
        .reset(StreamId(1), Reason::Timeout, &mut Vec::new());
    assert_eq!(conn.codec.life(), Life::Closed);
}
