//! The server's side of a connection: requests in, answers out, one at a time and in order.

mod answer;
mod request;

use super::body::Body;
use super::encode::{self, Framing, Sink};
use super::parse::Method;
use super::resume::Resume;
use super::{HeadLimits, bad, idle};
use crate::{
    Codec, Fields, Frame, Head, Heads, Life, Limits, Malformed, Reason, Step, StreamId, Version,
    Wait, Wrap,
};
use std::time::Instant;

/// The codec of a downstream connection.
#[derive(Debug)]
pub(super) struct Server {
    limits: HeadLimits,
    /// Of a head, or of trailers.
    scan: Resume,
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
    /// The current request is the peer's last: it said `close`, or HTTP/1.0 without `keep-alive`.
    is_last: bool,
    has_fin: bool,
    is_closed: bool,
}

/// An idle connection costs this much, of which there may be very many.
const _: () = assert!(size_of::<Server>() <= 72);

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
    /// Ended, and the end of our direction tells so.
    EndedByClose,
}

impl Answer {
    fn has_ended(&self) -> bool {
        matches!(self, Self::Ended | Self::EndedByClose)
    }

    /// It has no end of its own.
    fn ends_by_close(&self) -> bool {
        matches!(
            self,
            Self::Body(Sink::Raw) | Self::EndedByClose | Self::Tunnel
        )
    }
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
            limits: HeadLimits::of(limits),
            scan: Resume::default(),
            blank: Blank::default(),
            request: Request::Head,
            answer: Answer::None,
            id: 0,
            method: Method::default(),
            version: Version::default(),
            expect: Expect::default(),
            keep: true,
            is_last: false,
            has_fin: false,
            is_closed: false,
        }
    }

    /// Starts the next request once both directions of this one are over.
    fn settle(&mut self) {
        if !self.answer.has_ended() {
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
        let is_under_way = self.answer != Answer::None && !self.answer.has_ended();
        id.0 == self.id && is_under_way && !self.is_closed
    }

    /// The caller broke its promise: the peer must see a cut, not a wrong message.
    fn cut(&mut self) {
        debug_assert!(false, "an answer was longer or shorter than its head told");
        self.is_closed = true;
    }

    fn is_idle(&self) -> bool {
        matches!(self.request, Request::Head) && self.scan.is_fresh() && self.blank != Blank::Cr
    }

    fn invariants(&self) {
        let is_reading = !matches!(self.request, Request::Head);
        debug_assert!(
            is_reading || self.answer == Answer::None,
            "an answer without a request"
        );
        debug_assert!(self.is_closed || self.answer != Answer::None || !is_reading);
        debug_assert!(self.expect != Expect::Waits || self.has_body_to_come());
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

    fn refuse(&mut self, why: &Malformed, date: &[u8], out: &mut Vec<u8>) {
        (self.is_closed, self.is_last) = (true, false);
        if why.status == 0 || !matches!(self.answer, Answer::None | Answer::Awaited) {
            return;
        }
        self.answer = Answer::Ended;
        self.request = Request::Ended;
        self.expect = Expect::None;
        encode::status_line(why.status, out);
        if !date.is_empty() {
            encode::write_field(b"date", date, out);
        }
        // RFC 9110 §15.5.22: 426 names the protocol that is wanted.
        let wants_upgrade = why.status == 426;
        encode::write_connection([("close", true), ("upgrade", wants_upgrade)], out);
        if wants_upgrade {
            encode::write_field(b"upgrade", b"HTTP/1.1", out);
        }
        // Without a body: what was refused may have been a HEAD.
        Framing::Known(0).write(out);
        out.extend_from_slice(b"\r\n");
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
            Answer::Awaited | Answer::Ended | Answer::EndedByClose | Answer::None => None,
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
            Answer::Awaited | Answer::Ended | Answer::EndedByClose | Answer::None => false,
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

    fn verbatim_in(&self, id: StreamId) -> u64 {
        match &self.request {
            Request::Body(body) if id.0 == self.id && !self.is_closed => body.verbatim(),
            Request::Body(_) | Request::Ended | Request::Head | Request::Switching => 0,
        }
    }

    fn verbatim_out(&self, id: StreamId) -> u64 {
        match &self.answer {
            Answer::Body(sink) if self.is_current(id) => sink.verbatim(),
            Answer::Awaited
            | Answer::Body(_)
            | Answer::Ended
            | Answer::EndedByClose
            | Answer::None
            | Answer::Tunnel => 0,
        }
    }

    fn pass_in(&mut self, id: StreamId, bytes: u64) {
        if id.0 == self.id
            && let Request::Body(body) = &mut self.request
        {
            body.pass(bytes);
        }
    }

    fn pass_out(&mut self, id: StreamId, bytes: u64) {
        if id.0 == self.id
            && let Answer::Body(sink) = &mut self.answer
        {
            sink.pass(bytes);
        }
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
        self.is_closed || self.answer.has_ended() && !self.keep
    }

    fn ends_by_close(&self) -> bool {
        self.answer.ends_by_close()
    }

    fn life(&self) -> Life {
        // RFC 9112 §9.6: who has sent `close` must not send more behind that request; §9.3: who speaks
        // HTTP/1.0 and did not ask for `keep-alive` cannot expect more to be answered.
        let is_whole = matches!(self.request, Request::Ended) && self.answer.has_ended();
        match (self.is_closed, self.keep) {
            (true, _) if self.is_last && is_whole => Life::Over,
            (true, _) => Life::Closed,
            (false, true) => Life::Open { streams: 0 },
            (false, false) => Life::Draining,
        }
    }
}
