//! An HTTP/2 client that sends the frames it is told to, and another's decompression.

use super::Client;
use fluke_hpack::{Decoder, Encoder};
use std::net::SocketAddr;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// END_STREAM of DATA and HEADERS; ACK of SETTINGS and PING.
pub(crate) const END: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) id: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn is_end(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END != 0
    }

    /// The code of a RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// An answer of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// It was reset with this code.
    pub(crate) reset: Option<u32>,
}

pub(crate) struct H2 {
    pub(crate) client: Client,
    encoder: Encoder<'static>,
    decoder: Decoder<'static>,
    next_id: u32,
}

impl H2 {
    /// A connection whose SETTINGS say nothing.
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self::with_settings(to, &[])
    }

    pub(crate) fn with_settings(to: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::over(Client::new(to), settings)
    }

    pub(crate) fn over(client: Client, settings: &[(u16, u32)]) -> Self {
        let mut new = Self {
            client,
            encoder: Encoder::new(),
            decoder: Decoder::new(),
            next_id: 1,
        };
        new.client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let pairs = settings.iter().flat_map(|(name, value)| {
            let (name, value) = (name.to_be_bytes(), value.to_be_bytes());
            name.into_iter().chain(value)
        });
        new.send(SETTINGS, 0, 0, &pairs.collect::<Vec<_>>());
        new
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        self.client.send(frame(kind, flags, id, payload));
    }

    /// Sends bytes that the peer may no longer want; false once it does not take them.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.client.try_send(bytes).is_ok()
    }

    /// The next stream's id.
    pub(crate) fn take_id(&mut self) -> u32 {
        self.next_id += 2;
        self.next_id - 2
    }

    pub(crate) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let pairs = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        self.encoder.encode(pairs)
    }

    /// Begins a request; its id.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        end: bool,
    ) -> u32 {
        let id = self.take_id();
        let mut fields = vec![
            (":method", method),
            (":scheme", "http"),
            (":authority", "example"),
            (":path", path),
        ];
        fields.extend_from_slice(more);
        let block = self.block(&fields);
        let flags = END_HEADERS | if end { END } else { 0 };
        self.send(HEADERS, flags, id, &block);
        id
    }

    /// GETs a path.
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        let id = self.request("GET", path, &[], true);
        self.reply(id)
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let head = self.client.try_take(9)?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let id = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let payload = self.client.try_take(len)?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            id,
            payload,
        })
    }

    /// The answer to a stream, whatever other frames come meanwhile; SETTINGS and PING are answered, and
    /// windows opened.
    pub(crate) fn reply(&mut self, id: u32) -> Reply {
        let mut reply = Reply::default();
        loop {
            let frame = self.next().expect("the connection ended within an answer");
            match frame.kind {
                SETTINGS | PING if frame.flags & END == 0 => {
                    let payload = if frame.kind == PING {
                        &frame.payload[..]
                    } else {
                        &[]
                    };
                    self.send(frame.kind, END, 0, payload);
                }
                HEADERS => {
                    let fields = self.fields(&frame.payload);
                    if frame.id == id {
                        take_head(&mut reply, fields);
                    }
                }
                DATA => self.take_data(&mut reply, id, &frame),
                RST_STREAM if frame.id == id => {
                    reply.reset = Some(frame.code());
                    return reply;
                }
                GOAWAY if frame.code() != 0 => panic!("GOAWAY with code {}", frame.code()),
                _ => {}
            }
            if frame.id == id && frame.is_end() {
                return reply;
            }
        }
    }

    fn take_data(&mut self, reply: &mut Reply, id: u32, frame: &Frame) {
        if frame.id == id {
            reply.body.extend_from_slice(&frame.payload);
        }
        if !frame.payload.is_empty() {
            let more = (frame.payload.len() as u32).to_be_bytes();
            self.send(WINDOW_UPDATE, 0, 0, &more);
            if !frame.is_end() {
                self.send(WINDOW_UPDATE, 0, frame.id, &more);
            }
        }
    }

    pub(crate) fn fields(&mut self, block: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let fields = self.decoder.decode(block).unwrap();
        let pairs = fields.into_iter();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// Reads up to a GOAWAY that tells of an error, or the end; its code.
    pub(crate) fn goaway(&mut self) -> Option<u32> {
        loop {
            let frame = self.next()?;
            if frame.kind == GOAWAY && frame.code() != 0 {
                return Some(frame.code());
            }
        }
    }
}

fn take_head(reply: &mut Reply, fields: Vec<(String, String)>) {
    if reply.status >= 200 {
        reply.trailers = fields;
        return;
    }
    let status = fields.iter().find(|(name, _)| name == ":status");
    reply.status = status.unwrap().1.parse().unwrap();
    reply.fields = fields;
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![len[1], len[2], len[3], kind, flags];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
