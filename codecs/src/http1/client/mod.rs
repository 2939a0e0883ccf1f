//! The client's side of a connection: one request at a time, and its answer.
//!
//! A `Malformed` of this side has status 0: an endpoint is told nothing.

mod answer;
mod request;

use super::body::Body;
use super::encode::{Framing, Sink};
use super::parse::Method;
use super::resume::Resume;
use super::{HeadLimits, bad, idle};
use crate::{
    Codec, Fields, Frame, Head, Heads, Length, Life, Limits, Malformed, Reason, Step, StreamId,
    Wait, Wrap,
};
use std::time::Instant;

/// The codec of an upstream connection.
#[derive(Debug)]
pub(super) struct Client {
    limits: HeadLimits,
    /// Of a head, or of trailers.
    scan: Resume,
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
            limits: HeadLimits::of(limits),
            scan: Resume::default(),
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

    fn request_ends(&mut self) {
        self.is_closed |= self.request == Request::Tunnel && matches!(self.answer, Answer::Ended);
        self.request = Request::Ended;
    }

    fn is_current(&self, id: StreamId) -> bool {
        id.0 == self.id
            && !matches!(self.request, Request::None | Request::Ended)
            && !self.is_closed
    }

    /// The caller broke its promise: the peer must see a cut, not a wrong message.
    fn cut(&mut self) {
        debug_assert!(false, "a request was longer or shorter than its head told");
        self.is_closed = true;
    }

    fn is_idle(&self) -> bool {
        matches!(self.request, Request::None | Request::Opened)
    }

    fn invariants(&self) {
        let has_answer = !matches!(self.answer, Answer::None);
        debug_assert!(
            self.is_closed || self.is_idle() != has_answer,
            "answers follow requests"
        );
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

    fn refuse(&mut self, _why: &Malformed, _date: &[u8], _out: &mut Vec<u8>) {
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

    /// Nothing goes into a tunnel that is only asked for.
    fn room(&self, _id: StreamId) -> usize {
        match self.request {
            Request::Switching => 0,
            Request::Body(_)
            | Request::Ended
            | Request::None
            | Request::Opened
            | Request::Tunnel => usize::MAX,
        }
    }

    fn verbatim_in(&self, id: StreamId) -> u64 {
        match &self.answer {
            Answer::Body(body) if id.0 == self.id && !self.is_closed => body.verbatim(),
            Answer::Body(_) | Answer::Ended | Answer::Head | Answer::None => 0,
        }
    }

    fn verbatim_out(&self, id: StreamId) -> u64 {
        match &self.request {
            Request::Body(sink) if self.is_current(id) => sink.verbatim(),
            Request::Body(_)
            | Request::Ended
            | Request::None
            | Request::Opened
            | Request::Switching
            | Request::Tunnel => 0,
        }
    }

    fn pass_in(&mut self, id: StreamId, bytes: u64) {
        if id.0 == self.id
            && let Answer::Body(body) = &mut self.answer
        {
            body.pass(bytes);
        }
    }

    fn pass_out(&mut self, id: StreamId, bytes: u64) {
        if id.0 == self.id
            && let Request::Body(sink) = &mut self.request
        {
            sink.pass(bytes);
        }
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

    fn ends_by_close(&self) -> bool {
        self.is_switched
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
