//! What a protocol implements.

use crate::{Fields, Head, Heads};
use std::time::Instant;

/// One side of one connection's protocol.
///
/// * Input starts at the first unused byte and only grows; a codec remembers how far it scanned, no
///   byte is looked at more than twice. Bytes may be consumed without a frame.
/// * The payload of [`Frame::Data`] is the *last* `len` bytes of [`Step::used`]; framing behind it goes
///   with a later step.
/// * Input is left unused only inside a head or trailers; smaller framing is taken piecemeal into state
///   of the codec's own.
/// * An error of one stream is no [`Malformed`]: `decode` yields [`Frame::Reset`], `control` writes; or
///   [`Frame::Refused`], which the caller answers.
pub trait Codec: Send {
    /// Takes bytes off the front of `input`. Heads come from (and go back to) the worker's free list.
    ///
    /// # Errors
    /// The connection cannot go on; [`Codec::refuse`] writes the last bytes.
    fn decode(&mut self, now: Instant, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed>;
    /// The peer's FIN, once all input was decoded. Called until it returns `None`.
    ///
    /// # Errors
    /// A message was cut short.
    fn eof(&mut self) -> Result<Option<Frame>, Malformed>;
    /// Writes what a refused peer is told last: a status answer, GOAWAY, or nothing. Closed afterwards. `date`: the field's
    /// value in a status answer (RFC 9110 §6.6.1); empty: the caller has no clock.
    fn refuse(&mut self, why: &Malformed, date: &[u8], out: &mut Vec<u8>);
    /// Answers a request that came as [`Frame::Refused`] with a status alone. `date`: as in [`Codec::refuse`].
    fn refuse_stream(&mut self, id: StreamId, status: u16, date: &[u8], out: &mut Vec<u8>) {
        let mut head = Head::default();
        head.status = status;
        if !date.is_empty() {
            head.fields.append(b"date", date);
        }
        self.head(id, &head, true, out);
    }
    /// Opens a stream towards the peer; `None`: the connection carries no more streams now.
    fn open(&mut self) -> Option<StreamId>;
    /// Encodes a head; `end`: neither body nor trailers follow. A 1xx head is not the last.
    fn head(&mut self, id: StreamId, head: &Head, end: bool, out: &mut Vec<u8>);
    /// Frames one contiguous slice of a body: the bytes around it. `end`: the message ends with it.
    /// A slice that breaks its head's length closes the codec (see `life`) and must not be sent.
    fn data(&mut self, id: StreamId, slice: &[u8], end: bool) -> Wrap;
    /// Prepares an unchanged message to be sent as it came, id and checksum patched in place. False:
    /// it cannot be done, encode it anew.
    fn forward(&mut self, id: StreamId, raw: &mut [u8]) -> bool;
    /// Encodes trailers and ends the message.
    fn trailers(&mut self, id: StreamId, fields: &Fields, out: &mut Vec<u8>);
    /// Gives a stream up. Where the protocol has no reset, the connection ends (see `life`) or the late
    /// answer is dropped.
    fn reset(&mut self, id: StreamId, reason: Reason, out: &mut Vec<u8>);
    /// Bytes that one `data` call may carry now (window, frame size).
    fn room(&self, id: StreamId) -> usize;
    /// How many of the next bytes that come in are payload of that stream and nothing else. Fewer than
    /// that may go past the codec ([`Codec::pass_in`]). 0 where payload is framed.
    fn verbatim_in(&self, _id: StreamId) -> u64 {
        0
    }
    /// How many bytes of that stream's payload could be sent as they are now. Fewer than that may go
    /// past the codec ([`Codec::pass_out`]).
    fn verbatim_out(&self, _id: StreamId) -> u64 {
        0
    }
    /// `bytes` of the stream's payload came in past the codec: input goes on behind them. The end of a
    /// message always comes by `decode` or `eof`.
    fn pass_in(&mut self, _id: StreamId, _bytes: u64) {}
    /// `bytes` of the stream's payload were sent past the codec. The message ends by `data` or
    /// `trailers`.
    fn pass_out(&mut self, _id: StreamId, _bytes: u64) {}
    /// `len` bytes of payload were handed on or dropped: opens the window. Of a stream that has ended
    /// too: its bytes still count against the connection.
    fn release(&mut self, id: StreamId, len: usize, out: &mut Vec<u8>);
    /// Writes a keep-alive probe, if the protocol has one; the answer is [`Frame::Pong`].
    fn ping(&mut self, out: &mut Vec<u8>) -> bool;
    /// Writes what the protocol itself has to say: settings, acks, `100 Continue`.
    fn control(&mut self, out: &mut Vec<u8>);
    /// Asks the peer to go: GOAWAY now, or `Connection: close` with the current answer. Where the peer
    /// is given time to notice, a second call ends that time.
    fn drain(&mut self, out: &mut Vec<u8>);
    /// Whether the connection can carry more.
    fn life(&self) -> Life;
    /// Nothing more will be written though the peer may still send: half-close (a tunnel's end).
    fn is_finished(&self) -> bool {
        false
    }
    /// What is sent now, or was sent last, has no end of its own: the end of our direction is its end.
    fn ends_by_close(&self) -> bool {
        false
    }
    /// Part of a head has come, and its end has not. Of a codec that is multiplexed; where it is not,
    /// input that was left unused tells it.
    fn is_in_head(&self) -> bool {
        false
    }
    /// Several streams may be under way at a time, and the peer may speak without being asked. Then one
    /// stream ends without the others ([`Codec::reset`], and an answer that ends before its request),
    /// and each is held back by its window alone ([`Codec::release`]), never by not reading.
    fn is_multiplexed(&self) -> bool {
        false
    }
}

/// A protocol: how it is recognised, and its codecs.
pub trait Protocol: Sync {
    /// The name used in configuration, statistics and logs.
    fn name(&self) -> &'static str;
    /// Its names in ALPN (RFC 7301), none if a TLS handshake cannot choose it: what it is offered by, then those that
    /// older versions of it have, which its server speaks as well.
    fn alpn(&self) -> &'static [&'static [u8]];
    /// Whether a connection that begins with `prefix` speaks it.
    fn detect(&self, prefix: &[u8]) -> Detected;
    /// The codec of a downstream connection.
    fn server(&self, limits: &Limits) -> Box<dyn Codec>;
    /// The codec of an upstream connection.
    fn client(&self, limits: &Limits) -> Box<dyn Codec>;
}

/// The answer of [`Protocol::detect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// Another protocol.
    No,
    /// Too few bytes to tell.
    NeedMore,
    /// This one.
    Yes,
}

/// Limits of a codec; each is named in the error that it causes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a head, request or status line and blank line included (`max_request_headers_kb`).
    pub head_bytes_max: u32,
    /// Fields of a head or trailer section (`max_headers_count`).
    pub fields_max: u32,
    /// Bytes of a trailer section, at least 2: the blank line that ends a body without one counts.
    pub trailer_bytes_max: u32,
    /// HTTP/1.0 requests are answered (`accept_http_10`); otherwise 426.
    pub accept_http_10: bool,
    /// Of HTTP/2 alone (`http2_protocol_options`).
    pub http2: crate::http2::Options,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 60 << 10,
            fields_max: 100,
            trailer_bytes_max: 8 << 10,
            accept_http_10: true,
            http2: crate::http2::Options::default(),
        }
    }
}

/// Names a stream (a request and its answer) within a connection. A later stream has a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// What one `decode` took.
#[derive(Debug)]
pub struct Step {
    /// Bytes consumed off the front of the input.
    pub used: usize,
    /// What they completed.
    pub frame: Option<Frame>,
    /// What to do next.
    pub wait: Wait,
}

/// When to call `decode` again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// At once.
    Go,
    /// When the current answer was written through this codec.
    Hold,
    /// When there are more bytes.
    More,
}

/// One piece of a message.
#[derive(Debug)]
pub enum Frame {
    /// A piece of a body: the last `len` bytes of the step.
    Data { id: StreamId, len: usize, end: bool },
    /// The peer is about to go: `life` tells that there are no new streams. Each stream of ours that it
    /// did not take follows as a [`Frame::Reset`] of [`Reason::Refused`].
    GoAway,
    /// A request's or answer's head. A 1xx answer has `end: false` and is followed by another head.
    Head {
        id: StreamId,
        head: Box<Head>,
        end: bool,
    },
    /// The answer to `ping`.
    Pong,
    /// A request that is not taken, and has no other frame: [`Codec::refuse_stream`] is to answer it with
    /// the status, before the next `decode`.
    Refused { id: StreamId, why: Malformed },
    /// The peer gave the stream up, or broke its rules; `detail` says how, as in [`Malformed`]. A
    /// message that is reset before its head was complete has no other frame.
    Reset {
        id: StreamId,
        reason: Reason,
        detail: &'static str,
    },
    /// The end of a message that has trailers.
    Trailers { id: StreamId, fields: Fields },
    /// The stream's window opened (`room` grew).
    Window { id: StreamId },
}

/// Why a stream was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody wants the answer any more.
    Cancel,
    /// A failure of the one who gives it up.
    Internal,
    /// Too much was asked: a limit against abuse.
    Overload,
    /// The protocol's rules were broken.
    Protocol,
    /// Not started; safe to try again.
    Refused,
    /// A timeout of ours.
    Timeout,
}

/// Whether a connection can carry more streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Nothing more may be sent or received; end once what is queued has left. The peer may still send.
    Closed,
    /// Current streams end normally, no new ones.
    Draining,
    /// `streams`: how many more `open` would give now.
    Open { streams: usize },
    /// As `Closed`, and the peer is to send no more: its request, read whole, was its last, because it
    /// said `close` or because HTTP/1.0 means one request a connection unless more is asked for. It may
    /// send all the same, so closing at once is safe only for what has surely arrived.
    Over,
}

impl Life {
    /// Nothing more may be sent or received.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Closed | Self::Over)
    }
}

/// Why a connection's input was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The status that tells the peer (400, 431 …); 0 if it is told nothing.
    pub status: u16,
    /// What was wrong, in kebab-case, for counters, logs and `%RESPONSE_CODE_DETAILS%`.
    pub detail: &'static str,
}

/// The bytes around a slice of a body; no heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrap {
    /// Goes before the slice.
    pub before: Inline<18>,
    /// Goes behind the slice.
    pub after: Inline<14>,
}

/// Up to `N` bytes, inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Inline<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    /// The bytes, cut to `N`.
    pub fn new(from: &[u8]) -> Self {
        debug_assert!(from.len() <= N);
        let mut new = Self::default();
        from.iter().take(N).for_each(|byte| new.push(*byte));
        new
    }

    /// Adds a byte.
    pub fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }
}

impl<const N: usize> Default for Inline<N> {
    fn default() -> Self {
        Self {
            len: 0,
            bytes: [0; N],
        }
    }
}

impl<const N: usize> std::ops::Deref for Inline<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const N: usize> std::fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.escape_ascii().to_string())
    }
}
