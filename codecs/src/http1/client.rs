//! The client's side of a connection: one request at a time, and its answer.
//!
//! A `Malformed` of this side has status 0: an endpoint is told nothing.

use super::body::{Body, Part};
use super::encode::{self, Framing, Sink};
use super::parse::{self, Facts, Method};
use super::scan::{Bounds, Scan};
use super::{bad, idle};
use crate::{
    Codec, Fields, Frame, Head, Heads, Length, Life, Limits, Malformed, Reason, Step, StreamId,
    Version, Wait, Wrap,
};
use std::time::Instant;

/// Interim answers that one request may get.
const INTERIM_MAX: u8 = 16;

/// The codec of an upstream connection.
#[derive(Debug)]
pub(super) struct Client {
    limits: Limits,
    scan: Scan,
    request: Request,
    answer: Answer,
    /// Of the current request, or the last one.
    id: u64,
    method: Method,
    asks_upgrade: bool,
    /// The answer made a tunnel of the connection.
    is_switched: bool,
    interims: u8,
    /// The connection goes on behind the current answer.
    keep: bool,
    is_closed: bool,
}

/// What we send now.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Body(Sink),
    Ended,
    None,
    /// A stream is open, its head not written.
    Opened,
    /// CONNECT or an upgrade was asked for: nothing may be sent before the answer.
    Switching,
    Tunnel,
}

/// What the peer sends now.
#[derive(Debug)]
enum Answer {
    Body(Body),
    Ended,
    Head,
    None,
}

impl Client {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            scan: Scan::default(),
            request: Request::None,
            answer: Answer::None,
            id: 0,
            method: Method::default(),
            asks_upgrade: false,
            is_switched: false,
            interims: 0,
            keep: true,
            is_closed: false,
        }
    }

    fn step(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        match self.answer {
            Answer::None | Answer::Ended if input.is_empty() => Ok(idle(0, Wait::More)),
            Answer::None | Answer::Ended => Err(bad("unsolicited-answer")),
            Answer::Head => self.decode_head(input, heads),
            Answer::Body(_) => self.decode_body(input, heads),
        }
    }

    fn decode_head(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let bounds = Bounds {
            bytes_max: self.limits.head_bytes_max,
            lines_max: self.limits.fields_max + 1,
            first_line_status: 431,
        };
        let Some(section) = self.scan.find_end(input, bounds)? else {
            return Ok(idle(0, Wait::More));
        };
        if section.lines == 0 {
            return Err(bad("invalid-status-line"));
        }
        let mut head = heads.take();
        let parsed = parse::answer(input, section, &mut head);
        let begun = parsed.and_then(|facts| self.begin(&mut head, facts));
        let end = match begun {
            Ok(end) => end,
            Err(why) => {
                heads.put(head);
                return Err(why);
            }
        };
        let id = StreamId(self.id);
        if end {
            self.answer_ends();
        }
        Ok(Step {
            used: section.len,
            frame: Some(Frame::Head { id, head, end }),
            wait: Wait::Go,
        })
    }

    /// How the answer goes on (RFC 9112 §6.3); true if it ends with its head.
    fn begin(&mut self, head: &mut Head, facts: Facts) -> Result<bool, Malformed> {
        if head.status < 200 || head.status == 204 {
            refuse_body(head)?;
        }
        if head.is_interim() {
            self.interims += 1;
            let is_many = self.interims > INTERIM_MAX;
            return (!is_many)
                .then_some(false)
                .ok_or(bad("too-many-interim-answers"));
        }
        self.keep &= !facts.close && head.version != Version::Http10;
        if self.switches(head)? {
            head.length = Length::None;
            self.keep = false;
            self.is_switched = true;
            self.request = match self.request {
                Request::Ended => Request::Ended,
                Request::Body(_)
                | Request::None
                | Request::Opened
                | Request::Switching
                | Request::Tunnel => Request::Tunnel,
            };
            self.answer = Answer::Body(Body::UntilEnd);
            return Ok(false);
        }
        if self.request == Request::Switching {
            self.request = Request::Ended;
        }
        if self.method == Method::Head || matches!(head.status, 204 | 304) {
            return Ok(true);
        }
        let body = match head.length {
            Length::Known(0) => return Ok(true),
            Length::Known(length) => Body::Known(length),
            Length::Unknown => Body::chunked(),
            Length::None => {
                head.length = Length::Unknown;
                self.keep = false;
                Body::UntilEnd
            }
        };
        self.answer = Answer::Body(body);
        Ok(false)
    }

    /// RFC 9110 §7.8, §9.3.6: only what was asked for.
    fn switches(&self, head: &Head) -> Result<bool, Malformed> {
        match head.status {
            101 if !self.asks_upgrade || head.upgrade().is_empty() => {
                Err(bad("unsolicited-upgrade"))
            }
            101 => Ok(true),
            200..300 => Ok(self.method == Method::Connect),
            _ => Ok(false),
        }
    }

    fn decode_body(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let Answer::Body(body) = &mut self.answer else {
            return Ok(idle(0, Wait::More));
        };
        let piece = body.decode(input, &self.limits, heads)?;
        let id = StreamId(self.id);
        let (frame, is_end) = match piece.part {
            Part::Data { len, end } => (Some(Frame::Data { id, len, end }), end),
            Part::None => (None, false),
            Part::Trailers(fields) => (Some(Frame::Trailers { id, fields }), true),
        };
        if is_end {
            self.answer_ends();
        }
        let is_dry = frame.is_none() || piece.used == input.len();
        Ok(Step {
            used: piece.used,
            frame,
            wait: if is_dry { Wait::More } else { Wait::Go },
        })
    }

    /// Makes the connection free again, unless something of the request is still owed.
    fn answer_ends(&mut self) {
        self.answer = Answer::Ended;
        match self.request {
            Request::Ended if self.keep => {
                self.request = Request::None;
                self.answer = Answer::None;
            }
            Request::Tunnel => {}
            Request::Body(_)
            | Request::Ended
            | Request::None
            | Request::Opened
            | Request::Switching => self.is_closed = true,
        }
    }

    fn request_ends(&mut self) {
        self.is_closed |= self.request == Request::Tunnel && matches!(self.answer, Answer::Ended);
        self.request = Request::Ended;
    }

    fn is_current(&self, id: StreamId) -> bool {
        id.0 == self.id
            && !matches!(self.request, Request::None | Request::Ended)
            && !self.is_closed
    }

    fn framing(&self, head: &Head, end: bool) -> Framing {
        let is_switch = self.method == Method::Connect || self.asks_upgrade;
        match head.length {
            Length::None | Length::Unknown if is_switch => Framing::Tunnel,
            Length::Known(length) => Framing::Known(length),
            Length::Unknown if !end => Framing::Chunked,
            Length::None | Length::Unknown => match head.method() {
                b"POST" | b"PUT" | b"PATCH" => Framing::Known(0),
                _ => Framing::Bodiless(None),
            },
        }
    }

    fn write_head(&self, head: &Head, framing: Framing, out: &mut Vec<u8>) {
        let wants_trailers = encode::wants_trailers(&head.fields);
        encode::request_line(head, out);
        encode::write_fields(&head.fields, out);
        framing.write(out);
        let options = [
            ("close", !self.keep),
            ("te", wants_trailers),
            ("upgrade", self.asks_upgrade),
        ];
        encode::write_connection(options, out);
        if wants_trailers {
            encode::write_field(b"te", b"trailers", out);
        }
        if self.asks_upgrade {
            encode::write_field(b"upgrade", head.upgrade(), out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The caller broke its promise: the peer must see a cut, not a wrong message.
    fn cut(&mut self) {
        debug_assert!(false, "a request was longer or shorter than its head told");
        self.is_closed = true;
    }

    fn is_idle(&self) -> bool {
        matches!(self.request, Request::None | Request::Opened)
    }

    #[cfg(debug_assertions)]
    fn invariants(&self) {
        let has_answer = !matches!(self.answer, Answer::None);
        assert!(
            self.is_closed || self.is_idle() != has_answer,
            "answers follow requests"
        );
    }

    #[cfg(not(debug_assertions))]
    fn invariants(&self) {}
}

/// RFC 9110 §8.6, RFC 9112 §6.1: 1xx and 204 have neither body nor framing. A length of zero is
/// common and harmless.
fn refuse_body(head: &mut Head) -> Result<(), Malformed> {
    match std::mem::take(&mut head.length) {
        Length::Known(0) | Length::None => Ok(()),
        Length::Known(_) | Length::Unknown => Err(bad("framing-without-body")),
    }
}

fn told_nothing(why: Malformed) -> Malformed {
    Malformed { status: 0, ..why }
}

impl Codec for Client {
    fn decode(
        &mut self,
        _now: Instant,
        input: &[u8],
        heads: &mut Heads,
    ) -> Result<Step, Malformed> {
        if self.is_closed {
            return Ok(idle(input.len(), Wait::More));
        }
        let step = self.step(input, heads);
        self.is_closed |= step.is_err();
        self.invariants();
        step.map_err(told_nothing)
    }

    fn eof(&mut self) -> Result<Option<Frame>, Malformed> {
        if self.is_closed {
            return Ok(None);
        }
        match self.answer {
            Answer::Body(Body::UntilEnd) => {
                self.answer_ends();
                return Ok(Some(Frame::Data {
                    id: StreamId(self.id),
                    len: 0,
                    end: true,
                }));
            }
            Answer::Ended => return Ok(None),
            Answer::Body(_) | Answer::Head | Answer::None => self.is_closed = true,
        }
        match self.answer {
            Answer::Body(_) => Err(told_nothing(bad("eof-in-body"))),
            Answer::Head if self.scan.is_fresh() => Err(told_nothing(bad("eof-before-head"))),
            Answer::Head => Err(told_nothing(bad("eof-in-head"))),
            Answer::Ended | Answer::None => Ok(None),
        }
    }

    fn refuse(&mut self, _why: &Malformed, _out: &mut Vec<u8>) {
        self.is_closed = true;
    }

    fn open(&mut self) -> Option<StreamId> {
        if self.is_closed || !self.keep || self.request != Request::None {
            return None;
        }
        self.id += 1;
        self.interims = 0;
        self.request = Request::Opened;
        Some(StreamId(self.id))
    }

    fn head(&mut self, id: StreamId, head: &Head, end: bool, out: &mut Vec<u8>) {
        if !self.is_current(id) || self.request != Request::Opened {
            return;
        }
        self.method = Method::of(head);
        let can_upgrade = self.method == Method::Other && head.length == Length::None;
        self.asks_upgrade = can_upgrade && !head.upgrade().is_empty();
        let framing = self.framing(head, end);
        self.write_head(head, framing, out);
        self.answer = Answer::Head;
        self.request = match framing {
            Framing::Tunnel => Request::Switching,
            Framing::Bodiless(_) | Framing::Known(0) => Request::Ended,
            Framing::Chunked | Framing::Close | Framing::Known(_) => Request::Body(framing.sink()),
        };
        if end && matches!(framing, Framing::Known(1..)) {
            self.cut();
        }
        self.invariants();
    }

    fn data(&mut self, id: StreamId, slice: &[u8], end: bool) -> Wrap {
        if !self.is_current(id) {
            if id.0 == self.id && !slice.is_empty() && !self.is_closed {
                self.cut();
            }
            return Wrap::default();
        }
        let wrap = match &mut self.request {
            Request::Body(sink) => sink.data(slice.len(), end),
            Request::Tunnel => Some(Wrap::default()),
            Request::Switching => slice.is_empty().then(Wrap::default),
            Request::Ended | Request::None | Request::Opened => None,
        };
        match wrap {
            None => self.cut(),
            Some(_) if end => self.request_ends(),
            Some(_) => {}
        }
        self.invariants();
        wrap.unwrap_or_default()
    }

    fn forward(&mut self, _id: StreamId, _raw: &mut [u8]) -> bool {
        false
    }

    fn trailers(&mut self, id: StreamId, fields: &Fields, out: &mut Vec<u8>) {
        if !self.is_current(id) {
            return;
        }
        let is_whole = match &mut self.request {
            Request::Body(sink) => sink.trailers(fields, out),
            Request::Switching | Request::Tunnel => true,
            Request::Ended | Request::None | Request::Opened => false,
        };
        match is_whole {
            true => self.request_ends(),
            false => self.cut(),
        }
        self.invariants();
    }

    /// HTTP/1 has no reset: the connection ends, unless nothing of the request was written.
    fn reset(&mut self, id: StreamId, _reason: Reason, _out: &mut Vec<u8>) {
        if id.0 != self.id {
            return;
        }
        match self.request {
            Request::None => {}
            Request::Opened => self.request = Request::None,
            Request::Body(_) | Request::Ended | Request::Switching | Request::Tunnel => {
                self.is_closed = true;
            }
        }
    }

    fn room(&self, _id: StreamId) -> usize {
        usize::MAX
    }

    fn release(&mut self, _id: StreamId, _len: usize, _out: &mut Vec<u8>) {}

    fn ping(&mut self, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn control(&mut self, _out: &mut Vec<u8>) {}

    fn drain(&mut self, _out: &mut Vec<u8>) {
        self.keep = false;
        self.is_closed |= self.request == Request::None;
    }

    fn is_finished(&self) -> bool {
        self.is_closed || self.is_switched && self.request == Request::Ended
    }

    fn life(&self) -> Life {
        match (self.is_closed, self.keep) {
            (true, _) => Life::Closed,
            (false, false) => Life::Draining,
            (false, true) => Life::Open {
                streams: usize::from(self.request == Request::None),
            },
        }
    }
}
