//! The server's side of a connection: requests in, answers out, one at a time and in order.

use super::body::{Body, Part};
use super::encode::{self, Framing, Sink};
use super::parse::{self, Facts, Method};
use super::scan::{Bounds, Scan};
use super::{bad, idle, refused, status};
use crate::{
    Codec, Fields, Frame, Head, Heads, Length, Life, Limits, Malformed, Reason, Step, StreamId,
    Version, Wait, Wrap,
};
use std::time::Instant;

/// The codec of a downstream connection.
#[derive(Debug)]
pub(super) struct Server {
    limits: Limits,
    scan: Scan,
    blank: Blank,
    request: Request,
    answer: Answer,
    /// Of the current request, or the last one.
    id: u64,
    method: Method,
    version: Version,
    expect: Expect,
    /// The connection goes on behind the current answer.
    keep: bool,
    has_fin: bool,
    is_closed: bool,
}

/// What the peer sends now.
#[derive(Debug)]
enum Request {
    Body(Body),
    Ended,
    Head,
    /// CONNECT or an upgrade: the final answer tells what the next bytes are.
    Switching,
}

/// What we send now.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// There is no request.
    None,
    /// No final head yet.
    Awaited,
    Body(Sink),
    Tunnel,
    Ended,
}

/// The one empty line that may come before a request (RFC 9112 §2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Blank {
    Cr,
    Line,
    #[default]
    None,
}

/// Whether the peer waits for `100 Continue` (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    None,
    Told,
    Waits,
}

impl Server {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            scan: Scan::default(),
            blank: Blank::default(),
            request: Request::Head,
            answer: Answer::None,
            id: 0,
            method: Method::default(),
            version: Version::default(),
            expect: Expect::default(),
            keep: true,
            has_fin: false,
            is_closed: false,
        }
    }

    fn step(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        match self.request {
            Request::Head if self.scan.is_fresh() && !input.is_empty() => {
                match self.skip_blank(input[0])? {
                    true => Ok(idle(1, more_or_go(1, input))),
                    false => self.decode_head(input, heads),
                }
            }
            Request::Head => self.decode_head(input, heads),
            Request::Body(_) => self.decode_body(input, heads),
            Request::Ended | Request::Switching => Ok(idle(0, Wait::Hold)),
        }
    }

    /// True if the byte belongs to an empty line before the request.
    fn skip_blank(&mut self, byte: u8) -> Result<bool, Malformed> {
        self.blank = match (self.blank, byte) {
            (Blank::None, b'\r') => Blank::Cr,
            (Blank::Cr, b'\n') => Blank::Line,
            (Blank::Cr, _) => return Err(bad("bare-cr")),
            (Blank::Line, b'\r') => return Err(bad("repeated-empty-line")),
            (Blank::None | Blank::Line, _) => return Ok(false),
        };
        Ok(true)
    }

    fn decode_head(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let bounds = Bounds {
            bytes_max: self.limits.head_bytes_max,
            lines_max: self.limits.fields_max + 1,
            first_line_status: 414,
        };
        let Some(section) = self.scan.find_end(input, bounds)? else {
            return Ok(idle(0, Wait::More));
        };
        if section.lines == 0 {
            return Err(bad("repeated-empty-line"));
        }
        let mut head = heads.take();
        let facts = match parse::request(input, section, &mut head) {
            Ok(facts) if head.version != Version::Http10 || self.limits.accept_http_10 => facts,
            Ok(_) => return Err(refused(426, "http-1.0")),
            Err(why) => {
                heads.put(head);
                return Err(why);
            }
        };
        self.begin(&head, facts);
        let end = matches!(self.request, Request::Ended);
        let frame = Frame::Head {
            id: StreamId(self.id),
            head,
            end,
        };
        Ok(Step {
            used: section.len,
            frame: Some(frame),
            wait: self.wait(section.len, input),
        })
    }

    fn begin(&mut self, head: &Head, facts: Facts) {
        let is_http_10 = head.version == Version::Http10;
        self.id += 1;
        self.blank = Blank::None;
        self.method = Method::of(head);
        self.version = head.version;
        self.answer = Answer::Awaited;
        self.keep &= !facts.close && (!is_http_10 || facts.keep_alive);
        let is_switch = self.method == Method::Connect || !head.upgrade().is_empty();
        self.request = match head.length {
            Length::None if is_switch => Request::Switching,
            Length::None | Length::Known(0) => Request::Ended,
            Length::Known(length) => Request::Body(Body::Known(length)),
            Length::Unknown => Request::Body(Body::chunked()),
        };
        let waits = facts.expects_continue && !is_http_10 && self.has_body_to_come();
        self.expect = if waits { Expect::Waits } else { Expect::None };
    }

    fn has_body_to_come(&self) -> bool {
        matches!(self.request, Request::Body(_))
    }

    fn decode_body(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let Request::Body(body) = &mut self.request else {
            return Ok(idle(0, Wait::Hold));
        };
        let piece = body.decode(input, &self.limits, heads)?;
        if piece.used > 0 {
            self.expect = Expect::None;
        }
        let id = StreamId(self.id);
        let (frame, is_end) = match piece.part {
            Part::Data { len, end } => (Some(Frame::Data { id, len, end }), end),
            Part::None => (None, false),
            Part::Trailers(fields) => (Some(Frame::Trailers { id, fields }), true),
        };
        if is_end {
            self.request = Request::Ended;
            self.settle();
        }
        let is_dry = frame.is_none();
        Ok(Step {
            used: piece.used,
            frame,
            wait: if is_dry {
                Wait::More
            } else {
                self.wait(piece.used, input)
            },
        })
    }

    /// What follows a step that gave a frame.
    fn wait(&self, used: usize, input: &[u8]) -> Wait {
        match self.request {
            Request::Ended | Request::Switching => Wait::Hold,
            Request::Body(_) | Request::Head => more_or_go(used, input),
        }
    }

    /// Starts the next request once both directions of this one are over.
    fn settle(&mut self) {
        if self.answer != Answer::Ended {
            return;
        }
        if matches!(self.request, Request::Body(Body::Known(0))) {
            self.request = Request::Ended;
        }
        if !self.keep || self.has_fin {
            self.is_closed = true;
        } else if matches!(self.request, Request::Ended) {
            self.request = Request::Head;
            self.answer = Answer::None;
        }
    }

    fn is_current(&self, id: StreamId) -> bool {
        id.0 == self.id && !matches!(self.answer, Answer::None | Answer::Ended) && !self.is_closed
    }

    /// RFC 9110 §15.2: not to HTTP/1.0; `100 Continue` once.
    fn write_interim(&mut self, head: &Head, out: &mut Vec<u8>) {
        let is_told = head.status == 100 && self.expect == Expect::Told;
        if self.version == Version::Http10 || is_told {
            return;
        }
        if head.status == 100 && self.expect == Expect::Waits {
            self.expect = Expect::Told;
        }
        encode::status_line(head.status, out);
        encode::write_fields(&head.fields, out);
        out.extend_from_slice(b"\r\n");
    }

    fn switches(&self, status: u16) -> bool {
        matches!(self.request, Request::Switching)
            && match self.method {
                Method::Connect => (200..300).contains(&status),
                Method::Head | Method::Other => status == 101,
            }
    }

    fn framing(&self, head: &Head, end: bool) -> Framing {
        let known = match head.length {
            Length::Known(length) => Some(length),
            Length::None | Length::Unknown => None,
        };
        match (known, end) {
            _ if self.switches(head.status) => Framing::Tunnel,
            _ if head.status == 204 => Framing::Bodiless(None),
            _ if self.method == Method::Head || head.status == 304 => Framing::Bodiless(known),
            (Some(length), _) => Framing::Known(length),
            (None, true) => Framing::Known(0),
            (None, false) if self.version == Version::Http10 => Framing::Close,
            (None, false) => Framing::Chunked,
        }
    }

    fn write_final(&mut self, head: &Head, framing: Framing, out: &mut Vec<u8>) {
        // Whether a peer that waited for 100 Continue still sends its body cannot be known.
        self.keep &= framing != Framing::Close && self.expect != Expect::Waits;
        let is_switched = framing == Framing::Tunnel && self.method != Method::Connect;
        let upgrade = head.upgrade();
        let says_upgrade = !upgrade.is_empty() && (is_switched || head.status == 426);
        let is_http_10 = self.version == Version::Http10;
        encode::status_line(head.status, out);
        encode::write_fields(&head.fields, out);
        framing.write(out);
        let options = [
            ("close", framing != Framing::Tunnel && !self.keep),
            (
                "keep-alive",
                framing != Framing::Tunnel && self.keep && is_http_10,
            ),
            ("upgrade", says_upgrade),
        ];
        encode::write_connection(options, out);
        if says_upgrade {
            encode::write_field(b"upgrade", upgrade, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The final head is written: what the peer sends next is known too.
    fn answer_begins(&mut self, framing: Framing) {
        let is_tunnel = framing == Framing::Tunnel;
        self.answer = match is_tunnel {
            true => Answer::Tunnel,
            false => Answer::Body(framing.sink()),
        };
        if matches!(self.request, Request::Switching) {
            self.keep &= !is_tunnel;
            self.request = Request::Body(match is_tunnel && !self.has_fin {
                true => Body::UntilEnd,
                false => Body::Known(0),
            });
        }
    }

    fn answer_ends(&mut self) {
        let is_tunnel = self.answer == Answer::Tunnel;
        self.answer = Answer::Ended;
        if !is_tunnel || matches!(self.request, Request::Ended) {
            self.settle();
        }
    }

    /// The caller broke its promise: the peer must see a cut, not a wrong message.
    fn cut(&mut self) {
        debug_assert!(false, "an answer was longer or shorter than its head told");
        self.is_closed = true;
    }

    fn is_idle(&self) -> bool {
        matches!(self.request, Request::Head) && self.scan.is_fresh() && self.blank != Blank::Cr
    }

    #[cfg(debug_assertions)]
    fn invariants(&self) {
        let is_reading = !matches!(self.request, Request::Head);
        assert!(
            is_reading || self.answer == Answer::None,
            "an answer without a request"
        );
        assert!(self.is_closed || self.answer != Answer::None || !is_reading);
        assert!(self.expect != Expect::Waits || self.has_body_to_come());
    }

    #[cfg(not(debug_assertions))]
    fn invariants(&self) {}
}

fn more_or_go(used: usize, input: &[u8]) -> Wait {
    match used == input.len() {
        true => Wait::More,
        false => Wait::Go,
    }
}

impl Codec for Server {
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
        step
    }

    fn eof(&mut self) -> Result<Option<Frame>, Malformed> {
        if self.is_closed {
            return Ok(None);
        }
        self.has_fin = true;
        match self.request {
            Request::Body(Body::UntilEnd) => {
                self.request = Request::Ended;
                self.settle();
                Ok(Some(Frame::Data {
                    id: StreamId(self.id),
                    len: 0,
                    end: true,
                }))
            }
            Request::Body(Body::Known(0)) | Request::Ended | Request::Switching => {
                self.keep = false;
                Ok(None)
            }
            Request::Body(_) => {
                self.is_closed = true;
                Err(bad("eof-in-body"))
            }
            Request::Head => {
                self.is_closed = true;
                self.is_idle().then_some(None).ok_or(bad("eof-in-head"))
            }
        }
    }

    fn refuse(&mut self, why: &Malformed, out: &mut Vec<u8>) {
        self.is_closed = true;
        if why.status == 0 || !matches!(self.answer, Answer::None | Answer::Awaited) {
            return;
        }
        let is_head = self.answer == Answer::Awaited && self.method == Method::Head;
        let reason = status::reason(why.status).as_bytes();
        self.answer = Answer::Ended;
        self.request = Request::Ended;
        self.expect = Expect::None;
        encode::status_line(why.status, out);
        // RFC 9110 §15.5.22: 426 names the protocol that is wanted.
        let wants_upgrade = why.status == 426;
        encode::write_connection([("close", true), ("upgrade", wants_upgrade)], out);
        if wants_upgrade {
            encode::write_field(b"upgrade", b"HTTP/1.1", out);
        }
        encode::write_field(b"content-type", b"text/plain", out);
        Framing::Known(reason.len() as u64).write(out);
        out.extend_from_slice(b"\r\n");
        if !is_head {
            out.extend_from_slice(reason);
        }
    }

    fn open(&mut self) -> Option<StreamId> {
        None
    }

    fn head(&mut self, id: StreamId, head: &Head, end: bool, out: &mut Vec<u8>) {
        if !self.is_current(id) || self.answer != Answer::Awaited {
            return;
        }
        if head.is_interim() {
            return self.write_interim(head, out);
        }
        let framing = self.framing(head, end);
        if head.status == 101 && framing != Framing::Tunnel {
            return self.cut();
        }
        self.write_final(head, framing, out);
        self.expect = Expect::None;
        self.answer_begins(framing);
        if end && matches!(framing, Framing::Known(1..)) {
            self.cut();
        } else if end {
            self.answer_ends();
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
        let wrap = match &mut self.answer {
            Answer::Body(sink) => sink.data(slice.len(), end),
            Answer::Tunnel => Some(Wrap::default()),
            Answer::Awaited | Answer::Ended | Answer::None => None,
        };
        match wrap {
            None => self.cut(),
            Some(_) if end => self.answer_ends(),
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
        let is_whole = match &mut self.answer {
            Answer::Body(sink) => sink.trailers(fields, out),
            Answer::Tunnel => true,
            Answer::Awaited | Answer::Ended | Answer::None => false,
        };
        match is_whole {
            true => self.answer_ends(),
            false => self.cut(),
        }
        self.invariants();
    }

    /// HTTP/1 has no reset: the connection ends without ending the answer.
    fn reset(&mut self, id: StreamId, _reason: Reason, _out: &mut Vec<u8>) {
        let is_over = matches!(self.request, Request::Head);
        self.is_closed |= id.0 == self.id && !is_over;
    }

    fn room(&self, _id: StreamId) -> usize {
        usize::MAX
    }

    fn release(&mut self, _id: StreamId, _len: usize, _out: &mut Vec<u8>) {}

    fn ping(&mut self, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn control(&mut self, out: &mut Vec<u8>) {
        if self.expect == Expect::Waits && !self.is_closed {
            self.expect = Expect::Told;
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn drain(&mut self, _out: &mut Vec<u8>) {
        self.keep = false;
        self.is_closed |= self.is_idle();
    }

    fn is_finished(&self) -> bool {
        self.is_closed || self.answer == Answer::Ended && !self.keep
    }

    fn life(&self) -> Life {
        match (self.is_closed, self.keep) {
            (true, _) => Life::Closed,
            (false, true) => Life::Open { streams: 0 },
            (false, false) => Life::Draining,
        }
    }
}
