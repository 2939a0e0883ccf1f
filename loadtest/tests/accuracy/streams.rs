//! The endpoint over HTTP/2: the same scripts, each request a stream of its own.

use crate::endpoint::{Answer, Endpoint, Request};
use codecs::{
    Codec, Fields, Frame, Head, Heads, Length, Limits, Protocol, Reason, StreamId, http2::Http2,
};
use engines::{Buf, Engine, Sock};
use std::{collections::BTreeMap, fmt::Write, time::Instant};

/// A connection.
pub(crate) struct Streams {
    codec: Box<dyn Codec>,
    input: Vec<u8>,
    asked: BTreeMap<StreamId, (String, Vec<u8>)>,
    /// Bodies under way.
    bodies: BTreeMap<StreamId, (Vec<u8>, Option<Fields>)>,
}

/// A request: its stream, head and body.
type Whole = (StreamId, String, Vec<u8>);

impl Default for Streams {
    fn default() -> Self {
        Self {
            codec: Http2.server(&Limits::default()),
            input: Vec::new(),
            asked: BTreeMap::new(),
            bodies: BTreeMap::new(),
        }
    }
}

impl Streams {
    /// Takes what came; the requests that are complete, and bytes to be sent.
    fn take(&mut self, now: Instant, data: &[u8]) -> (Vec<Whole>, Vec<u8>) {
        let (mut heads, mut whole, mut out) = (Heads::default(), Vec::new(), Vec::new());
        self.input.extend_from_slice(data);
        loop {
            let step = self.codec.decode(now, &self.input, &mut heads).unwrap();
            let part: Vec<u8> = self.input.drain(..step.used).collect();
            let ended = match step.frame {
                None => break,
                Some(Frame::Head { id, head, end }) => {
                    self.asked.insert(id, (text(&head), Vec::new()));
                    end.then_some(id)
                }
                Some(Frame::Data { id, len, end }) => {
                    let (_, body) = self.asked.get_mut(&id).unwrap();
                    body.extend_from_slice(&part[part.len() - len..]);
                    self.codec.release(id, len, &mut out);
                    end.then_some(id)
                }
                Some(Frame::Reset { id, .. }) => {
                    self.asked.remove(&id);
                    self.bodies.remove(&id);
                    None
                }
                Some(Frame::Trailers { id, .. }) => Some(id),
                Some(
                    Frame::GoAway | Frame::Pong | Frame::Refused { .. } | Frame::Window { .. },
                ) => None,
            };
            if let Some(id) = ended {
                let (head, body) = self.asked.remove(&id).unwrap();
                whole.push((id, head, body));
            }
        }
        self.codec.control(&mut out);
        self.push(&mut out);
        (whole, out)
    }

    /// Sends what of the bodies the windows let go.
    fn push(&mut self, out: &mut Vec<u8>) {
        let Self { codec, bodies, .. } = self;
        bodies.retain(|id, (body, trailers)| {
            while !body.is_empty() && codec.room(*id) > 0 {
                let piece: Vec<u8> = body.drain(..codec.room(*id).min(body.len())).collect();
                let wrap = codec.data(*id, &piece, body.is_empty() && trailers.is_none());
                out.extend([&*wrap.before, &piece, &*wrap.after].concat());
            }
            if let Some(fields) = trailers.take_if(|_| body.is_empty()) {
                codec.trailers(*id, &fields, out);
            }
            !body.is_empty()
        });
    }

    /// Begins the answer that is written as one of HTTP/1.
    fn answer(&mut self, id: StreamId, answer: &Answer, out: &mut Vec<u8>) {
        if answer.drains {
            self.codec.drain(out);
        }
        if let Some(reason) = answer.reset {
            return self.codec.reset(id, reason, out);
        }
        let end = answer.bytes.windows(4).position(|at| at == b"\r\n\r\n");
        let (head, body) = answer.bytes.split_at(end.unwrap() + 4);
        let lines = String::from_utf8(head.to_vec()).unwrap();
        let mut lines = lines.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut head = Head::default();
        head.status = status.parse().unwrap();
        head.length = Length::Unknown;
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name {
                "content-length" => head.length = Length::Known(value.parse().unwrap()),
                _ => head.fields.append(name.as_bytes(), value.as_bytes()),
            }
        }
        let trailers = answer.trailers.as_ref().map(|(name, value)| {
            let mut fields = Fields::default();
            fields.append(name.as_bytes(), value.as_bytes());
            fields
        });
        let ends = body.is_empty() && trailers.is_none();
        self.codec.head(id, &head, ends, out);
        if !ends {
            self.bodies.insert(id, (body.to_vec(), trailers));
        }
        self.push(out);
    }
}

/// A head in lower case, as the scripts read it.
fn text(head: &Head) -> String {
    let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
    let mut text = format!("{} {} http/2\r\n", word(head.method()), word(head.path()));
    for (name, value) in head.fields.iter() {
        write!(text, "{}: {}\r\n", word(name), word(value)).unwrap();
    }
    text
}

impl Endpoint {
    pub(crate) fn read_streams(&mut self, sock: Sock, data: &[u8]) {
        let now = self.engine.now();
        let peer = self.peers.get_mut(&sock).unwrap();
        let (whole, out) = peer.streams.take(now, data);
        self.send(sock, out);
        for (id, head, body) in whole {
            let peer = self.peers.get_mut(&sock).unwrap();
            let request = Request {
                number: self.number,
                at: now.saturating_duration_since(self.start),
                head,
                body,
                ahead: peer.waiting,
            };
            self.number += 1;
            if let Some(mut answer) = (self.script)(&request) {
                answer.stream = Some(id);
                self.peers.get_mut(&sock).unwrap().waiting += 1;
                let at = now + answer.delay;
                self.due.insert((at, self.queued), (sock, answer));
                self.queued += 1;
            }
        }
    }

    pub(crate) fn answer_stream(&mut self, sock: Sock, id: StreamId, answer: &Answer) {
        let mut out = Vec::new();
        let peer = self.peers.get_mut(&sock).unwrap();
        peer.streams.answer(id, answer, &mut out);
        self.send(sock, out);
    }

    fn send(&mut self, sock: Sock, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.engine.send(sock, Buf::from(bytes));
        }
    }
}

impl Answer {
    /// A trailer.
    pub(crate) fn trailing(mut self, name: &str, value: &str) -> Self {
        self.trailers = Some((name.to_owned(), value.to_owned()));
        self
    }

    /// The stream is reset instead.
    pub(crate) fn resetting(mut self, reason: Reason) -> Self {
        self.reset = Some(reason);
        self
    }

    /// The connection takes no more requests.
    pub(crate) fn draining(mut self) -> Self {
        self.drains = true;
        self
    }
}
