//! One side of a connection as the tests see it: bytes in, frames out.
#![allow(
    dead_code,
    unused_imports,
    clippy::field_reassign_with_default,
    reason = "each test uses its part; slots of a head are set one by one"
)]

pub(crate) mod case;
pub(crate) mod rng;
pub(crate) mod wire;

use codecs::http2::{Http2, Options};
use codecs::{
    Codec, Fields, Frame, Head, Heads, Length, Limits, Malformed, Protocol, Reason, StreamId, Wait,
};
use std::time::{Duration, Instant};

/// RFC 9110 §5.6.7.
pub(crate) const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// What a frame said, its payload with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Data(u64, Vec<u8>, bool),
    GoAway,
    Head(u64, Text, bool),
    Pong,
    /// Answered as it is to be.
    Refused(u64, u16, &'static str),
    Reset(u64, Reason, &'static str),
    Trailers(u64, Vec<(String, String)>),
    Window(u64),
}

/// A head as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) upgrade: String,
    pub(crate) status: u16,
    pub(crate) length: Length,
    pub(crate) fields: Vec<(String, String)>,
}

impl Text {
    pub(crate) fn of(head: &Head) -> Self {
        Self {
            method: text(head.method()),
            scheme: text(head.scheme()),
            authority: text(head.authority()),
            path: text(head.path()),
            upgrade: text(head.upgrade()),
            status: head.status,
            length: head.length,
            fields: pairs(&head.fields),
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

pub(crate) fn pairs(fields: &Fields) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// One side: a codec, what came and was not used, what it has written.
pub(crate) struct Side {
    pub(crate) codec: Box<dyn Codec>,
    pub(crate) heads: Heads,
    pub(crate) inbox: Vec<u8>,
    pub(crate) out: Vec<u8>,
    pub(crate) now: Instant,
    pub(crate) refused: Option<Malformed>,
    /// Payload is let go of as soon as it came.
    pub(crate) releases: bool,
}

impl Side {
    pub(crate) fn server(limits: &Limits) -> Self {
        Self::new(Http2.server(limits))
    }

    pub(crate) fn client(limits: &Limits) -> Self {
        Self::new(Http2.client(limits))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "time is counted from it and never compared with a clock"
    )]
    fn new(codec: Box<dyn Codec>) -> Self {
        let mut side = Self {
            codec,
            heads: Heads::default(),
            inbox: Vec::new(),
            out: Vec::new(),
            now: Instant::now(),
            refused: None,
            releases: true,
        };
        side.codec.control(&mut side.out);
        side
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// Bytes came: what they said. `refuse` is called where they are refused.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Told> {
        self.inbox.extend_from_slice(bytes);
        self.take_up_to(usize::MAX)
    }

    /// Bytes came: the first thing they said.
    pub(crate) fn take_one(&mut self, bytes: &[u8]) -> Vec<Told> {
        self.inbox.extend_from_slice(bytes);
        self.take_up_to(1)
    }

    fn take_up_to(&mut self, max: usize) -> Vec<Told> {
        let mut told = Vec::new();
        while self.refused.is_none() && told.len() < max {
            let step = match self.codec.decode(self.now, &self.inbox, &mut self.heads) {
                Ok(step) => step,
                Err(why) => {
                    self.codec.refuse(&why, b"", &mut self.out);
                    self.refused = Some(why);
                    break;
                }
            };
            let part: Vec<u8> = self.inbox.drain(..step.used).collect();
            let is_idle = step.used == 0 && step.frame.is_none();
            if let Some(frame) = step.frame {
                told.push(self.told(frame, &part));
            }
            if step.wait != Wait::Go || is_idle {
                break;
            }
        }
        self.codec.control(&mut self.out);
        told
    }

    fn told(&mut self, frame: Frame, part: &[u8]) -> Told {
        match frame {
            Frame::Data { id, len, end } => {
                if self.releases {
                    self.codec.release(id, len, &mut self.out);
                }
                Told::Data(id.0, part[part.len() - len..].to_vec(), end)
            }
            Frame::GoAway => Told::GoAway,
            Frame::Head { id, head, end } => {
                let told = Told::Head(id.0, Text::of(&head), end);
                self.heads.put(head);
                told
            }
            Frame::Pong => Told::Pong,
            Frame::Refused { id, why } => {
                self.codec
                    .refuse_stream(id, why.status, DATE, &mut self.out);
                Told::Refused(id.0, why.status, why.detail)
            }
            Frame::Reset { id, reason, detail } => Told::Reset(id.0, reason, detail),
            Frame::Trailers { id, fields } => {
                let told = Told::Trailers(id.0, pairs(&fields));
                self.heads.put_fields(fields);
                told
            }
            Frame::Window { id } => Told::Window(id.0),
        }
    }

    pub(crate) fn written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn head(&mut self, id: u64, head: &Head, end: bool) {
        self.codec.head(StreamId(id), head, end, &mut self.out);
    }

    /// Sends as much of a body as there is room for; how much it was.
    pub(crate) fn data(&mut self, id: u64, body: &[u8], end: bool) -> usize {
        let len = self.codec.room(StreamId(id)).min(body.len());
        let end = end && len == body.len();
        let wrap = self.codec.data(StreamId(id), &body[..len], end);
        self.out.extend_from_slice(&wrap.before);
        self.out.extend_from_slice(&body[..len]);
        self.out.extend_from_slice(&wrap.after);
        len
    }

    pub(crate) fn trailers(&mut self, id: u64, fields: &[(&str, &str)]) {
        let mut trailers = Fields::default();
        for (name, value) in fields {
            trailers.append(name.as_bytes(), value.as_bytes());
        }
        self.codec.trailers(StreamId(id), &trailers, &mut self.out);
    }

    pub(crate) fn reset(&mut self, id: u64, reason: Reason) {
        self.codec.reset(StreamId(id), reason, &mut self.out);
    }
}

pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Head {
    let mut head = Head::default();
    head.set_method(method.as_bytes());
    head.set_scheme(b"http");
    head.set_authority(b"example.com");
    head.set_path(path.as_bytes());
    append(&mut head, fields);
    head
}

pub(crate) fn answer(status: u16, fields: &[(&str, &str)]) -> Head {
    let mut head = Head::default();
    head.status = status;
    append(&mut head, fields);
    head
}

fn append(head: &mut Head, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        head.fields.append(name.as_bytes(), value.as_bytes());
    }
}

/// Carries bytes between two sides until neither has more to say.
pub(crate) fn exchange(client: &mut Side, server: &mut Side) -> (Vec<Told>, Vec<Told>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    loop {
        let (up, down) = (client.written(), server.written());
        if up.is_empty() && down.is_empty() {
            return (at_client, at_server);
        }
        at_server.extend(server.take(&up));
        at_client.extend(client.take(&down));
    }
}

/// Limits with these options.
pub(crate) fn limits(options: Options) -> Limits {
    Limits {
        http2: options,
        ..Limits::default()
    }
}

/// A client and a server that have told each other their settings.
pub(crate) fn pair(limits: &Limits) -> (Side, Side) {
    let (mut client, mut server) = (Side::client(limits), Side::server(limits));
    let told = exchange(&mut client, &mut server);
    assert_eq!(told, (vec![], vec![]));
    (client, server)
}

/// Opens a stream; its id.
pub(crate) fn open(client: &mut Side) -> u64 {
    client.codec.open().map_or(0, |id| id.0)
}
