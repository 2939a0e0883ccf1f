//! Several requests under way on a connection whose codec carries one: a ring of such codecs, all on the
//! same bytes. Requests leave and answers come in order, so the codec that waits longest reads.

use codecs::{
    Codec, Fields, Frame, Head, Heads, Life, Malformed, Reason, Step, StreamId, Wait, Wrap,
};
use std::{collections::VecDeque, time::Instant};

/// What makes one more codec.
type Make = fn() -> Box<dyn Codec>;

/// A pipeline; its stream ids count requests.
pub(super) struct Pipeline {
    make: Make,
    /// Codecs with a request under way, the oldest first.
    busy: VecDeque<Lane>,
    free: Vec<Box<dyn Codec>>,
    depth: usize,
    last: u64,
    is_draining: bool,
    is_closed: bool,
}

struct Lane {
    codec: Box<dyn Codec>,
    /// The name within `codec`.
    inner: StreamId,
    outer: StreamId,
    /// The request was written to its end.
    is_sent: bool,
}

impl Pipeline {
    /// At most `depth` requests under way.
    pub(super) fn new(make: Make, depth: usize) -> Self {
        Self {
            make,
            busy: VecDeque::new(),
            free: Vec::new(),
            depth,
            last: 0,
            is_draining: false,
            is_closed: false,
        }
    }

    fn find(&mut self, id: StreamId) -> Option<&mut Lane> {
        let first = self.busy.front()?.outer.0;
        let index = usize::try_from(id.0.checked_sub(first)?).ok()?;
        self.busy.get_mut(index)
    }

    fn is_sending(&self) -> bool {
        self.busy.back().is_some_and(|lane| !lane.is_sent)
    }

    /// The oldest request was answered.
    fn next_answer(&mut self) {
        let Some(lane) = self.busy.pop_front() else {
            return;
        };
        match lane.codec.life() {
            Life::Open { .. } => self.free.push(lane.codec),
            // Behind an answer with `connection: close` nothing comes.
            Life::Closed | Life::Draining | Life::Over => self.is_closed = true,
        }
        self.is_closed |= self.is_draining && self.busy.is_empty();
    }

    /// Gives a frame of the oldest request its name here.
    fn rename(&mut self, mut frame: Frame) -> Frame {
        let outer = self
            .busy
            .front()
            .map_or(StreamId(self.last), |lane| lane.outer);
        let end = match &mut frame {
            Frame::Data { id, end, .. } | Frame::Head { id, end, .. } => {
                *id = outer;
                *end
            }
            Frame::Trailers { id, .. } | Frame::Refused { id, .. } | Frame::Reset { id, .. } => {
                *id = outer;
                true
            }
            Frame::Window { id } => {
                *id = outer;
                false
            }
            Frame::GoAway | Frame::Pong => false,
        };
        if end {
            self.next_answer();
        }
        frame
    }
}

impl Codec for Pipeline {
    fn decode(&mut self, now: Instant, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        if self.is_closed || input.is_empty() {
            return Ok(Step {
                used: input.len(),
                frame: None,
                wait: Wait::More,
            });
        }
        let Some(lane) = self.busy.front_mut() else {
            self.is_closed = true;
            let (status, detail) = (0, "unsolicited-answer");
            return Err(Malformed { status, detail });
        };
        let step = lane.codec.decode(now, input, heads);
        self.is_closed |= step.is_err();
        let mut step = step?;
        step.frame = step.frame.map(|frame| self.rename(frame));
        // What one codec waits for may be another's already.
        if step.used > 0 && step.used < input.len() {
            step.wait = Wait::Go;
        }
        Ok(step)
    }

    fn eof(&mut self) -> Result<Option<Frame>, Malformed> {
        let Some(lane) = self.busy.front_mut().filter(|_| !self.is_closed) else {
            self.is_closed = true;
            return Ok(None);
        };
        let frame = lane.codec.eof();
        self.is_closed |= !matches!(frame, Ok(Some(_)));
        Ok(frame?.map(|frame| self.rename(frame)))
    }

    fn refuse(&mut self, _: &Malformed, _: &[u8], _: &mut Vec<u8>) {
        self.is_closed = true;
    }

    fn open(&mut self) -> Option<StreamId> {
        if matches!(
            self.life(),
            Life::Open { streams: 0 } | Life::Closed | Life::Draining
        ) {
            return None;
        }
        let mut codec = self.free.pop().unwrap_or_else(self.make);
        let inner = codec.open()?;
        self.last += 1;
        let outer = StreamId(self.last);
        self.busy.push_back(Lane {
            codec,
            inner,
            outer,
            is_sent: false,
        });
        Some(outer)
    }

    fn head(&mut self, id: StreamId, head: &Head, end: bool, out: &mut Vec<u8>) {
        if let Some(lane) = self.find(id) {
            lane.codec.head(lane.inner, head, end, out);
            lane.is_sent = end;
        }
    }

    fn data(&mut self, id: StreamId, slice: &[u8], end: bool) -> Wrap {
        let Some(lane) = self.find(id) else {
            return Wrap::default();
        };
        lane.is_sent = end;
        lane.codec.data(lane.inner, slice, end)
    }

    fn forward(&mut self, _: StreamId, _: &mut [u8]) -> bool {
        false
    }

    fn trailers(&mut self, id: StreamId, fields: &Fields, out: &mut Vec<u8>) {
        if let Some(lane) = self.find(id) {
            lane.codec.trailers(lane.inner, fields, out);
            lane.is_sent = true;
        }
    }

    fn reset(&mut self, id: StreamId, _: Reason, _: &mut Vec<u8>) {
        self.is_closed |= self.find(id).is_some();
    }

    fn room(&self, _: StreamId) -> usize {
        usize::MAX
    }

    fn release(&mut self, _: StreamId, _: usize, _: &mut Vec<u8>) {}

    fn ping(&mut self, _: &mut Vec<u8>) -> bool {
        false
    }

    fn control(&mut self, _: &mut Vec<u8>) {}

    /// The newest request, if its head is still to be written, says that it is the last.
    fn drain(&mut self, out: &mut Vec<u8>) {
        self.is_draining = true;
        match self.busy.back_mut() {
            Some(lane) => lane.codec.drain(out),
            None => self.is_closed = true,
        }
    }

    fn life(&self) -> Life {
        match (self.is_closed, self.is_draining) {
            (true, _) => Life::Closed,
            (false, true) => Life::Draining,
            (false, false) => Life::Open {
                streams: match self.is_sending() {
                    true => 0,
                    false => self.depth.saturating_sub(self.busy.len()),
                },
            },
        }
    }
}
