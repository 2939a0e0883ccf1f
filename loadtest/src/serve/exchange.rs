//! A request and the answer that it asks for.

use super::{
    answer::{Answer, Body, Fault},
    limits,
    link::{Desk, Link},
    piece::send_piece,
};
use crate::grpc;
use codecs::{Codec, Length, Reason, StreamId};
use engines::{Buf, BufList};
use std::time::{Duration, Instant};

/// One request that is not answered completely.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: StreamId,
    pub(super) answer: Answer,
    /// What is known of the request's body.
    length: Length,
    /// The answer is a head alone: to HEAD, or of a status without body.
    is_bodiless: bool,
    pub(super) stage: Stage,
    /// What is to be echoed and did not go yet. Where the protocol has windows, theirs bound it.
    echoed: BufList,
    /// The request is complete.
    is_asked: bool,
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The request is not complete.
    Asking,
    /// The head is given then.
    Delayed(Instant),
    /// The head is out; of the body, `at` bytes.
    Body {
        since: Instant,
        at: u64,
    },
    /// The request's body is the answer's.
    Echoing,
    /// Nothing will come.
    Stalled,
    Ended,
    /// The request was given up.
    GivenUp,
    /// The connection ends here without having said all.
    Broken,
    /// The connection is reset.
    Reset,
}

const GARBAGE: &[u8] = b"\x00\xff\x16garbage, not an answer\r\n\r\n\x80\x01";

impl Exchange {
    pub(super) fn new(id: StreamId, mut answer: Answer, length: Length, method: &[u8]) -> Self {
        if method == b"CONNECT" {
            answer.status = 405;
            answer.body = Body::Bytes(0);
        }
        let is_bodiless = method == b"HEAD" || matches!(answer.status, 204 | 304);
        if is_bodiless && answer.body == Body::Echo {
            answer.body = Body::Bytes(0);
        }
        Self {
            id,
            answer,
            length,
            is_bodiless,
            stage: Stage::Asking,
            echoed: BufList::default(),
            is_asked: false,
        }
    }

    /// The body that comes in goes out again.
    pub(super) fn is_echo(&self) -> bool {
        self.answer.body == Body::Echo
    }

    /// The request's head; `end`: it is all.
    pub(super) fn on_head(
        &mut self,
        link: &mut Link,
        desk: &mut Desk,
        codec: &mut dyn Codec,
        end: bool,
    ) {
        self.is_asked = end;
        if end || self.is_echo() {
            self.begin(link, desk, codec);
        }
    }

    /// The request is known: answers it, now or later.
    fn begin(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        if self.answer.delay > Duration::ZERO {
            self.stage = Stage::Delayed(desk.now + self.answer.delay);
        } else {
            self.give(link, desk, codec);
        }
    }

    /// Goes on as far as it can, but on a connection with other streams queues no more than a turn's
    /// bytes of a body; true if it did anything.
    pub(super) fn go_on(
        &mut self,
        link: &mut Link,
        desk: &mut Desk,
        codec: &mut dyn Codec,
    ) -> bool {
        match self.stage {
            Stage::Delayed(until) if until <= desk.now => {
                self.give(link, desk, codec);
                true
            }
            Stage::Body { .. } => self.pump(link, desk, codec),
            Stage::Echoing => self.pump_echo(link, desk, codec),
            Stage::Asking
            | Stage::Delayed(_)
            | Stage::Stalled
            | Stage::Ended
            | Stage::GivenUp
            | Stage::Broken
            | Stage::Reset => false,
        }
    }

    /// Gives the head, or what goes wrong instead of it, and as much of the body as goes now.
    fn give(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        self.stage = match self.answer.fault {
            None | Some(Fault::Cut) => return self.give_head(link, desk, codec),
            Some(Fault::Drain) => {
                codec.drain(&mut desk.out);
                return self.give_head(link, desk, codec);
            }
            Some(Fault::Cancel) => self.give_up(desk, codec, Reason::Internal),
            Some(Fault::Refuse) => self.give_up(desk, codec, Reason::Refused),
            Some(Fault::Close) => Stage::Broken,
            Some(Fault::Garbage) => {
                desk.out.extend_from_slice(GARBAGE);
                Stage::Broken
            }
            Some(Fault::Reset) => Stage::Reset,
            Some(Fault::Stall) => Stage::Stalled,
        };
    }

    fn give_up(&self, desk: &mut Desk, codec: &mut dyn Codec, reason: Reason) -> Stage {
        codec.reset(self.id, reason, &mut desk.out);
        Stage::GivenUp
    }

    fn give_head(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        let length = match self.answer.body {
            Body::Bytes(len) => Length::Known(len),
            Body::Messages { count: 0, .. } => Length::None,
            Body::Chunked(_) | Body::Endless | Body::Messages { .. } => Length::Unknown,
            Body::Echo if self.answer.call.is_some() => Length::Unknown,
            Body::Echo => self.length,
        };
        let ends = self.is_bodiless || matches!(length, Length::Known(0) | Length::None);
        let mut out = std::mem::take(&mut desk.out);
        let head = desk.head(&self.answer, length, ends);
        codec.head(self.id, head, ends, &mut out);
        desk.out = out;
        link.flush_gathered(desk);
        self.stage = match (ends, self.answer.body) {
            (true, _) => Stage::Ended,
            (false, Body::Echo) => Stage::Echoing,
            (false, Body::Bytes(_) | Body::Chunked(_) | Body::Endless | Body::Messages { .. }) => {
                Stage::Body {
                    since: desk.now,
                    at: 0,
                }
            }
        };
        self.pump_echo(link, desk, codec);
        self.pump(link, desk, codec);
    }

    /// Queues as much of the body as there is room for; true if it did anything.
    fn pump(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) -> bool {
        let (len, is_cut) = self.extent();
        let mut turn = match codec.is_multiplexed() {
            true => limits::TURN_BYTES,
            false => u64::MAX,
        };
        let mut has_moved = false;
        while let Stage::Body { since, at } = self.stage
            && link.unsent < limits::UNSENT_HIGH_BYTES
            && turn > 0
        {
            let room = limits::SLICE_BYTES_MAX.min(codec.room(self.id)) as u64;
            let paced = self.allowed(desk.now - since).saturating_sub(at);
            let some = room.min(len - at).min(paced).min(turn) as usize;
            if some == 0 && at < len {
                break;
            }
            let is_last = self.answer.call.is_none() && !is_cut;
            let end = |sent: u64| is_last && at + sent == len;
            let body = self.answer.body;
            let sent = send_piece(link, desk, codec, self.id, body, at..at + some as u64, end);
            has_moved = true;
            turn = turn.saturating_sub(sent);
            let at = at + sent;
            self.stage = match at == len {
                true if is_cut => Stage::Broken,
                true => self.end(desk, codec),
                false => Stage::Body { since, at },
            };
        }
        has_moved
    }

    /// The body has gone; what is left is the end of a call.
    fn end(&self, desk: &mut Desk, codec: &mut dyn Codec) -> Stage {
        if let Some(status) = self.answer.call {
            desk.end_call(codec, self.id, status);
        }
        Stage::Ended
    }

    /// Sends what is to be echoed as far as it goes; true if it did anything. Where windows hold the peer
    /// back it waits here for its turn, else the socket is not read instead.
    fn pump_echo(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) -> bool {
        let mut has_moved = false;
        while self.stage == Stage::Echoing {
            let is_full = codec.is_multiplexed() && link.unsent >= limits::ECHO_HIGH_BYTES;
            let room = if is_full { 0 } else { codec.room(self.id) };
            let data = match self.echoed.is_empty() {
                false if room > 0 => self.echoed.take(room).unwrap_or_default(),
                true if self.is_asked => Buf::default(),
                _ => break,
            };
            self.echo(link, desk, codec, data);
            has_moved = true;
        }
        if !self.echoed.is_empty() {
            self.echoed.settle();
        }
        has_moved
    }

    fn echo(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec, data: Buf) {
        let (len, is_last) = (data.len(), self.is_asked && self.echoed.is_empty());
        let end = is_last && self.answer.call.is_none();
        if len > 0 || end {
            link.send_body(desk, codec, self.id, data, end);
            codec.release(self.id, len, &mut desk.out);
        }
        if is_last {
            self.stage = self.end(desk, codec);
        }
    }

    /// A part of the request's body.
    pub(super) fn on_data(
        &mut self,
        link: &mut Link,
        desk: &mut Desk,
        codec: &mut dyn Codec,
        data: Buf,
        end: bool,
    ) {
        self.is_asked |= end;
        if self.is_echo() {
            self.echoed.push(data);
            self.pump_echo(link, desk, codec);
            return;
        }
        codec.release(self.id, data.len(), &mut desk.out);
        if end && self.stage == Stage::Asking {
            self.begin(link, desk, codec);
        }
    }

    /// Nobody wants the answer any more. What it holds of the request counts against the connection.
    pub(super) fn on_reset(&self, desk: &mut Desk, codec: &mut dyn Codec) {
        codec.release(self.id, self.echoed.len(), &mut desk.out);
    }

    /// Where the body ends, and whether that is too early.
    fn extent(&self) -> (u64, bool) {
        let len = match self.answer.body {
            Body::Bytes(len) | Body::Chunked(len) => len,
            Body::Messages { each, count } => {
                let whole = each.saturating_add(grpc::PREFIX_BYTES as u64);
                whole.saturating_mul(count)
            }
            Body::Echo | Body::Endless => u64::MAX,
        };
        match self.answer.fault {
            Some(Fault::Cut) if len == u64::MAX => (1 << 20, true),
            Some(Fault::Cut) => (len / 2, true),
            Some(
                Fault::Cancel
                | Fault::Close
                | Fault::Drain
                | Fault::Garbage
                | Fault::Refuse
                | Fault::Reset
                | Fault::Stall,
            )
            | None => (len, false),
        }
    }

    /// Bytes that may have gone out after so long.
    fn allowed(&self, elapsed: Duration) -> u64 {
        let Some(rate) = self.answer.rate else {
            return u64::MAX;
        };
        let bytes = u128::from(rate) * elapsed.as_nanos() / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// When it goes on by itself. What is full goes on when something has left, what waits for a window
    /// when that opens.
    pub(super) fn deadline(&self, link: &Link, codec: &dyn Codec) -> Option<Instant> {
        if link.unsent >= limits::UNSENT_HIGH_BYTES {
            return None;
        }
        match self.stage {
            Stage::Delayed(until) => Some(until),
            Stage::Body { since, at } => {
                let rate = self.answer.rate?;
                if codec.room(self.id) == 0 {
                    return None;
                }
                let next = u128::from(at + 1) * 1_000_000_000 / u128::from(rate) + 1;
                let steps = next.div_ceil(limits::PACE_TIME.as_nanos());
                let steps = u32::try_from(steps).unwrap_or(u32::MAX);
                Some(since + limits::PACE_TIME * steps)
            }
            Stage::Asking
            | Stage::Echoing
            | Stage::Stalled
            | Stage::Ended
            | Stage::GivenUp
            | Stage::Broken
            | Stage::Reset => None,
        }
    }
}
