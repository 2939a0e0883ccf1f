//! A request and the answer that it asks for.

use super::{
    answer::{Answer, Body, Fault},
    limits,
    link::{Desk, Link},
    pattern,
};
use codecs::{Codec, Length, StreamId};
use engines::Buf;
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
        }
    }

    /// The body that comes in goes out again.
    pub(super) fn is_echo(&self) -> bool {
        self.answer.body == Body::Echo
    }

    /// The request is known: answers it, now or later.
    pub(super) fn begin(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        if self.answer.delay > Duration::ZERO {
            self.stage = Stage::Delayed(desk.now + self.answer.delay);
        } else {
            self.give(link, desk, codec);
        }
    }

    /// Gives the head, or what goes wrong instead of it, and as much of the body as goes now.
    pub(super) fn give(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        self.stage = match self.answer.fault {
            None | Some(Fault::Cut) => return self.give_head(link, desk, codec),
            Some(Fault::Close) => Stage::Broken,
            Some(Fault::Garbage) => {
                desk.out.extend_from_slice(GARBAGE);
                Stage::Broken
            }
            Some(Fault::Reset) => Stage::Reset,
            Some(Fault::Stall) => Stage::Stalled,
        };
    }

    fn give_head(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        let (length, sum) = match self.answer.body {
            Body::Bytes(len) => (Length::Known(len), Some(len)),
            Body::Chunked(len) => (Length::Unknown, Some(len)),
            Body::Endless => (Length::Unknown, None),
            Body::Echo => (self.length, None),
        };
        let ends = self.is_bodiless || matches!(length, Length::Known(0) | Length::None);
        let mut out = std::mem::take(&mut desk.out);
        let sum = sum.filter(|_| self.answer.tells_crc);
        let head = desk.head(self.answer.status, length, sum);
        codec.head(self.id, head, ends, &mut out);
        desk.out = out;
        self.stage = match (ends, self.answer.body) {
            (true, _) => Stage::Ended,
            (false, Body::Echo) => Stage::Echoing,
            (false, Body::Bytes(_) | Body::Chunked(_) | Body::Endless) => Stage::Body {
                since: desk.now,
                at: 0,
            },
        };
        self.pump(link, desk, codec);
    }

    /// Queues as much of the body as there is room for.
    pub(super) fn pump(&mut self, link: &mut Link, desk: &mut Desk, codec: &mut dyn Codec) {
        let (len, is_cut) = self.extent();
        while let Stage::Body { since, at } = self.stage
            && link.unsent < limits::UNSENT_HIGH_BYTES
        {
            let room = limits::SLICE_BYTES_MAX.min(codec.room(self.id)) as u64;
            let paced = self.allowed(desk.now - since).saturating_sub(at);
            let some = room.min(len - at).min(paced) as usize;
            if some == 0 && at < len {
                return;
            }
            let data = pattern::slice(at, some);
            let at = at + data.len() as u64;
            let end = at == len && !is_cut;
            link.send_body(desk, codec, self.id, data, end);
            self.stage = match at == len {
                true if is_cut => Stage::Broken,
                true => Stage::Ended,
                false => Stage::Body { since, at },
            };
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
        match self.stage {
            Stage::Echoing => {
                link.send_body(desk, codec, self.id, data, end);
                if end {
                    self.stage = Stage::Ended;
                }
            }
            Stage::Asking if end => self.begin(link, desk, codec),
            Stage::Asking
            | Stage::Delayed(_)
            | Stage::Body { .. }
            | Stage::Stalled
            | Stage::Ended
            | Stage::Broken
            | Stage::Reset => {}
        }
    }

    /// Where the body ends, and whether that is too early.
    fn extent(&self) -> (u64, bool) {
        let len = match self.answer.body {
            Body::Bytes(len) | Body::Chunked(len) => len,
            Body::Echo | Body::Endless => u64::MAX,
        };
        match self.answer.fault {
            Some(Fault::Cut) if self.answer.body == Body::Endless => (1 << 20, true),
            Some(Fault::Cut) => (len / 2, true),
            Some(Fault::Close | Fault::Garbage | Fault::Reset | Fault::Stall) | None => {
                (len, false)
            }
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

    /// When it goes on by itself.
    pub(super) fn deadline(&self, link: &Link) -> Option<Instant> {
        match self.stage {
            Stage::Delayed(until) => Some(until),
            // What is full goes on when something has left.
            Stage::Body { .. } if link.unsent >= limits::UNSENT_HIGH_BYTES => None,
            Stage::Body { since, at } => {
                let rate = self.answer.rate?;
                let next = u128::from(at + 1) * 1_000_000_000 / u128::from(rate) + 1;
                let steps = next.div_ceil(limits::PACE_TIME.as_nanos());
                let steps = u32::try_from(steps).unwrap_or(u32::MAX);
                Some(since + limits::PACE_TIME * steps)
            }
            Stage::Asking
            | Stage::Echoing
            | Stage::Stalled
            | Stage::Ended
            | Stage::Broken
            | Stage::Reset => None,
        }
    }
}
