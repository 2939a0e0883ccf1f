//! Properties of the HTTP/1 codec over generated orders of calls.

use codecs::http1::Http1;
use codecs::http1::fuzz::answers;
use codecs::{Codec, Fields, Head, Heads, Length, Life, Limits, Protocol, Reason, StreamId, Wait};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Control,
    Data { len: usize, end: bool },
    Decode,
    Drain,
    Eof,
    Feed,
    Head { status: u16, end: bool },
    Open,
    Refuse,
    Reset,
    Trailers,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let common = select(vec![
        Call::Control,
        Call::Data { len: 0, end: false },
        Call::Data { len: 3, end: false },
        Call::Data { len: 3, end: true },
        Call::Data { len: 0, end: true },
        Call::Decode,
        Call::Feed,
        Call::Head {
            status: 103,
            end: false,
        },
        Call::Head {
            status: 200,
            end: false,
        },
        Call::Head {
            status: 200,
            end: true,
        },
        Call::Open,
        Call::Trailers,
    ]);
    let rare = select(vec![Call::Drain, Call::Eof, Call::Refuse, Call::Reset]);
    vec(prop_oneof![20 => common, 1 => rare], 0..60)
}

/// A caller that keeps its promises: bodies go where a head made room for one.
struct Caller {
    codec: Box<dyn Codec>,
    heads: Heads,
    now: Instant,
    ahead: Vec<u8>,
    input: Vec<u8>,
    out: Vec<u8>,
    current: u64,
    has_room: bool,
    is_refused: bool,
}

impl Caller {
    #[expect(
        clippy::disallowed_methods,
        reason = "the codec takes a time that it does not read"
    )]
    fn new(codec: Box<dyn Codec>, ahead: &[u8]) -> Self {
        Self {
            codec,
            heads: Heads::default(),
            now: Instant::now(),
            ahead: ahead.to_vec(),
            input: Vec::new(),
            out: Vec::new(),
            current: 0,
            has_room: false,
            is_refused: false,
        }
    }

    fn call(&mut self, call: Call) {
        let id = StreamId(self.current);
        match call {
            Call::Control => self.codec.control(&mut self.out),
            Call::Data { len, end } if self.has_room => self.data(id, len, end),
            Call::Data { .. } => {}
            Call::Decode => self.decode(),
            Call::Drain => self.codec.drain(&mut self.out),
            Call::Eof => self.is_refused |= self.input.is_empty() && self.codec.eof().is_err(),
            Call::Feed => {
                let taken = self.ahead.len().min(7);
                self.input.extend(self.ahead.drain(..taken));
            }
            Call::Head { status, end } => self.head(id, status, end),
            Call::Open => self.current = self.codec.open().map_or(self.current, |id| id.0),
            Call::Refuse => {
                self.codec.refuse(
                    &codecs::Malformed {
                        status: 400,
                        detail: "x",
                    },
                    b"",
                    &mut self.out,
                );
            }
            Call::Reset => self.codec.reset(id, Reason::Cancel, &mut self.out),
            Call::Trailers => {
                self.has_room = false;
                self.codec.trailers(id, &Fields::default(), &mut self.out);
            }
        }
        self.has_room &= self.codec.life() != Life::Closed;
    }

    fn data(&mut self, id: StreamId, len: usize, end: bool) {
        let wrap = self.codec.data(id, &b"abc"[..len], end);
        self.out.extend_from_slice(&wrap.before);
        self.out.extend_from_slice(&b"abc"[..len]);
        self.out.extend_from_slice(&wrap.after);
        self.has_room = !end;
    }

    fn decode(&mut self) {
        match self.codec.decode(self.now, &self.input, &mut self.heads) {
            Ok(step) => {
                assert!(step.wait != Wait::Hold || step.used > 0 || step.frame.is_none());
                self.input.drain(..step.used);
                if let Some(codecs::Frame::Head { id, .. }) = step.frame {
                    self.current = id.0;
                }
            }
            Err(_) => self.is_refused = true,
        }
    }

    fn head(&mut self, id: StreamId, status: u16, end: bool) {
        let mut head = Head::default();
        head.status = status;
        head.set_method(b"GET");
        head.set_path(b"/");
        head.length = if end {
            Length::Known(0)
        } else {
            Length::Unknown
        };
        let written = self.out.len();
        self.codec.head(id, &head, end, &mut self.out);
        self.has_room |= self.out.len() > written && !end && status == 200;
    }
}

fn begun(bytes: &[u8]) -> usize {
    bytes
        .windows(12)
        .filter(|line| *line == b"HTTP/1.1 200")
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_server_is_told_to_write_its_peer_can_read(calls in calls()) {
        let ahead = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
            GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4);
        let mut caller = Caller::new(Http1.server(&Limits::default()), ahead.as_bytes());
        // A caller answers only requests that it was given, and with a body only once.
        for call in calls {
            let has_begun = caller.has_room;
            if matches!(call, Call::Trailers) && !has_begun {
                continue;
            }
            caller.call(call);
        }
        let trace = answers("GET", &caller.out, usize::MAX);
        let whole = trace.messages.iter().filter(|message| message.status == 200 && message.is_whole);
        let (whole, begun) = (whole.count(), begun(&caller.out));
        prop_assert!(whole == begun || whole + 1 == begun, "{}", caller.out.escape_ascii());
        let detail = trace.refused.map_or("", |why| why.detail);
        prop_assert!(matches!(detail, "" | "eof-before-head" | "eof-in-body" | "too-many-interim-answers"), "{detail}");
    }

    #[test]
    fn a_client_survives_any_order_of_calls(calls in calls()) {
        let ahead = "HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\nabc".repeat(8);
        let mut caller = Caller::new(Http1.client(&Limits::default()), ahead.as_bytes());
        for call in calls {
            if !matches!(call, Call::Trailers) || caller.has_room {
                caller.call(call);
            }
            prop_assert!(caller.codec.life() == Life::Closed || !caller.is_refused);
        }
    }
}

#[test]
fn heads_are_used_again() {
    let mut caller = Caller::new(Http1.server(&Limits::default()), b"");
    let mut last = None;
    for _ in 0..3 {
        let input = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
        let step = caller
            .codec
            .decode(caller.now, input, &mut caller.heads)
            .unwrap();
        let Some(codecs::Frame::Head { id, head, .. }) = step.frame else {
            panic!("{step:?}");
        };
        let at: *const Head = &raw const *head;
        assert_eq!(*last.get_or_insert(at), at);
        caller.heads.put(head);
        caller.head(id, 200, true);
    }
}
