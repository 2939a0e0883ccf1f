//! Drives both codecs over any bytes, for the fuzz target and the property tests.
//!
//! What must hold: no input panics, every split of it gives the same messages, and a request that was
//! accepted is the same request after it was written anew.

use super::Http1;
use crate::{Codec, Frame, Head, Heads, Length, Limits, Malformed, Protocol, StreamId, Wait};
use std::time::Instant;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A message as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub method: Vec<u8>,
    pub authority: Vec<u8>,
    pub path: Vec<u8>,
    pub upgrade: Vec<u8>,
    pub status: u16,
    pub length: Length,
    pub fields: Pairs,
    pub body: Vec<u8>,
    pub trailers: Pairs,
    pub is_whole: bool,
}

/// All messages of a connection, and why it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub messages: Vec<Message>,
    pub refused: Option<Malformed>,
}

/// The fuzz target.
pub fn fuzz_http1(bytes: &[u8]) {
    let trace = requests(bytes, usize::MAX);
    let odd = bytes
        .iter()
        .fold(1, |sum, byte| (sum + usize::from(*byte)) % 29)
        + 1;
    for step in [1, odd] {
        assert_eq!(requests(bytes, step), trace, "requests in steps of {step}");
    }
    for message in trace.messages.iter().filter(|message| message.is_whole) {
        if !message.authority.is_empty() && message.method != b"CONNECT" {
            check_written_anew(message);
        }
    }
    for method in ["GET", "HEAD", "CONNECT", "upgrade"] {
        let trace = answers(method, bytes, usize::MAX);
        for step in [1, odd] {
            assert_eq!(
                answers(method, bytes, step),
                trace,
                "{method} in steps of {step}"
            );
        }
    }
}

/// What a server's codec makes of `bytes`; each request is answered once it ended.
pub fn requests(bytes: &[u8], step: usize) -> Trace {
    let mut codec = Http1.server(&Limits::default());
    drive(codec.as_mut(), bytes, step, answer)
}

/// What a client's codec makes of `bytes` as answers to requests of one method.
pub fn answers(method: &str, bytes: &[u8], step: usize) -> Trace {
    let mut codec = Http1.client(&Limits::default());
    let ask = |codec: &mut dyn Codec, _: &[Message]| {
        if let Some(id) = codec.open() {
            codec.head(id, &request(method), true, &mut Vec::new());
        }
    };
    ask(codec.as_mut(), &[]);
    drive(codec.as_mut(), bytes, step, ask)
}

/// `bytes` of a request written by a client's codec.
pub fn write_request(message: &Message) -> Vec<u8> {
    let mut codec = Http1.client(&Limits::default());
    let mut out = Vec::new();
    if let Some(id) = codec.open() {
        write(codec.as_mut(), id, message, &mut out);
    }
    out
}

/// `bytes` of an answer to `method` written by a server's codec.
pub fn write_answer(method: &str, message: &Message) -> Vec<u8> {
    let mut codec = Http1.server(&Limits::default());
    let input = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut out = Vec::new();
    let step = codec.decode(now(), input.as_bytes(), &mut Heads::default());
    assert!(step.is_ok_and(|step| step.frame.is_some()));
    write(codec.as_mut(), StreamId(1), message, &mut out);
    out
}

fn check_written_anew(message: &Message) {
    let message = &message.without_tunnel();
    let bytes = write_request(message);
    let trace = requests(&bytes, usize::MAX);
    assert_eq!(trace.refused, None, "{}", bytes.escape_ascii());
    assert_eq!(trace.messages.len(), 1, "{}", bytes.escape_ascii());
    let mut again = trace.messages[0].clone();
    let is_lengthless = matches!(&*message.method, b"POST" | b"PUT" | b"PATCH");
    if is_lengthless && message.length == Length::None {
        again.length = Length::None;
    }
    assert_eq!(again, *message, "{}", bytes.escape_ascii());
}

fn write(codec: &mut dyn Codec, id: StreamId, message: &Message, out: &mut Vec<u8>) {
    let has_body = message.length == Length::Unknown || !message.body.is_empty();
    codec.head(
        id,
        &head(message),
        !has_body && message.upgrade.is_empty(),
        out,
    );
    let (first, second) = message.body.split_at(message.body.len() / 2);
    let end = message.trailers.is_empty();
    for (slice, end) in [(first, false), (second, end)]
        .into_iter()
        .filter(|_| has_body)
    {
        let wrap = codec.data(id, slice, end);
        out.extend_from_slice(&wrap.before);
        out.extend_from_slice(slice);
        out.extend_from_slice(&wrap.after);
    }
    if !message.trailers.is_empty() {
        let mut head = Head::default();
        let each = message.trailers.iter();
        each.for_each(|(name, value)| head.fields.append(name, value));
        codec.trailers(id, &head.fields, out);
    }
}

fn head(message: &Message) -> Head {
    let mut head = Head::default();
    head.set_method(&message.method);
    head.set_authority(&message.authority);
    head.set_path(&message.path);
    head.set_upgrade(&message.upgrade);
    head.status = message.status;
    head.length = message.length;
    let each = message.fields.iter();
    each.for_each(|(name, value)| head.fields.append(name, value));
    head
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

/// Answers a request that ended, and grants what it asks for.
fn answer(codec: &mut dyn Codec, messages: &[Message]) {
    let number = messages.len();
    let Some(message) = messages.last() else {
        return;
    };
    let mut head = Head::default();
    let is_upgrade = !message.upgrade.is_empty();
    head.status = if is_upgrade { 101 } else { 200 };
    head.set_upgrade(&message.upgrade);
    let is_tunnel = is_upgrade || message.method == b"CONNECT";
    head.length = if is_tunnel {
        Length::None
    } else {
        Length::Known(0)
    };
    codec.head(StreamId(number as u64), &head, !is_tunnel, &mut Vec::new());
}

/// Feeds `step` bytes at a time; `on_end` is called when the codec waits for us.
fn drive(
    codec: &mut dyn Codec,
    bytes: &[u8],
    step: usize,
    on_end: impl Fn(&mut dyn Codec, &[Message]),
) -> Trace {
    let (mut trace, mut heads) = (Trace::default(), Heads::default());
    let (mut used, mut end) = (0, 0);
    loop {
        let taken = match codec.decode(now(), &bytes[used..end], &mut heads) {
            Ok(taken) => taken,
            Err(why) => {
                let mut out = Vec::new();
                codec.refuse(&why, b"", &mut out);
                trace.refused = Some(why);
                return trace;
            }
        };
        used += taken.used;
        let has_ended = taken
            .frame
            .is_some_and(|frame| trace.add(frame, &bytes[..used], &mut heads));
        codec.control(&mut Vec::new());
        match taken.wait {
            Wait::Hold => on_end(codec, &trace.messages),
            Wait::Go | Wait::More if has_ended => on_end(codec, &trace.messages),
            Wait::More if end == bytes.len() => break,
            Wait::More => end = end.saturating_add(step).min(bytes.len()),
            Wait::Go => {}
        }
    }
    trace.finish(codec, &mut heads);
    trace
}

impl Trace {
    /// True when a message ended.
    fn add(&mut self, frame: Frame, taken: &[u8], heads: &mut Heads) -> bool {
        match frame {
            Frame::Head { head, end, .. } => {
                self.messages.push(Message::of(&head, end));
                heads.put(head);
            }
            Frame::Data { len, end, .. } => {
                let message = self.current();
                assert!(!message.is_whole, "a frame behind the end");
                message.body.extend_from_slice(&taken[taken.len() - len..]);
                message.is_whole = end;
            }
            Frame::Trailers { fields, .. } => {
                let message = self.current();
                message.trailers = pairs(fields.iter());
                message.is_whole = true;
                heads.put_fields(fields);
            }
            Frame::GoAway
            | Frame::Pong
            | Frame::Refused { .. }
            | Frame::Reset { .. }
            | Frame::Window { .. } => {
                unreachable!("HTTP/1 has no such frame")
            }
        }
        self.current().is_whole
    }

    fn current(&mut self) -> &mut Message {
        self.messages.last_mut().expect("a head comes first")
    }

    fn finish(&mut self, codec: &mut dyn Codec, heads: &mut Heads) {
        loop {
            match codec.eof() {
                Ok(None) => return,
                Ok(Some(frame)) => _ = self.add(frame, &[], heads),
                Err(why) => return self.refused = Some(why),
            }
        }
    }
}

impl Message {
    /// The request alone, without what went through the tunnel that it asked for.
    pub fn without_tunnel(&self) -> Self {
        let mut message = self.clone();
        if !self.upgrade.is_empty() {
            message.body.clear();
        }
        message
    }

    fn of(head: &Head, is_whole: bool) -> Self {
        Self {
            method: head.method().to_vec(),
            authority: head.authority().to_vec(),
            path: head.path().to_vec(),
            upgrade: head.upgrade().to_vec(),
            status: head.status,
            length: head.length,
            fields: pairs(head.fields.iter()),
            is_whole,
            ..Self::default()
        }
    }
}

fn pairs<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Pairs {
    fields
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the codec takes a time that it does not read"
)]
fn now() -> Instant {
    Instant::now()
}
