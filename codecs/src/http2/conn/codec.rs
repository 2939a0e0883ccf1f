//! The codec's contract, each call in terms of the connection's own.

use super::super::frame;
use super::{Connection, number, small};
use crate::{
    Codec, Fields, Frame, Head, Heads, Life, Malformed, Reason, Step, StreamId, Wait, Wrap,
};
use std::time::Instant;

impl Codec for Connection {
    fn decode(&mut self, now: Instant, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        if self.is_closed {
            return Ok(Step {
                used: input.len(),
                frame: None,
                wait: Wait::More,
            });
        }
        self.guard.on_time(now);
        let step = self.step(input, heads);
        self.invariants();
        step.map_err(|wrong| {
            self.on_wrong(wrong);
            wrong.malformed()
        })
    }

    fn eof(&mut self) -> Result<Option<Frame>, Malformed> {
        self.on_fin()
    }

    fn refuse(&mut self, _why: &Malformed, _date: &[u8], out: &mut Vec<u8>) {
        self.write_last(out);
    }

    fn open(&mut self) -> Option<StreamId> {
        self.open_stream()
    }

    fn head(&mut self, id: StreamId, head: &Head, end: bool, out: &mut Vec<u8>) {
        self.send_head(number(id), head, end, out);
        self.invariants();
    }

    fn data(&mut self, id: StreamId, slice: &[u8], end: bool) -> Wrap {
        let wrap = self.wrap_data(number(id), slice.len(), end);
        self.invariants();
        wrap
    }

    fn forward(&mut self, _id: StreamId, _raw: &mut [u8]) -> bool {
        false
    }

    fn trailers(&mut self, id: StreamId, fields: &Fields, out: &mut Vec<u8>) {
        self.send_trailers(number(id), fields, out);
        self.invariants();
    }

    fn reset(&mut self, id: StreamId, reason: Reason, out: &mut Vec<u8>) {
        self.send_reset(number(id), reason, out);
        self.invariants();
    }

    fn room(&self, id: StreamId) -> usize {
        self.sending_room(number(id))
    }

    fn release(&mut self, id: StreamId, len: usize, out: &mut Vec<u8>) {
        if !self.is_closed {
            self.release_payload(number(id), len, out);
        }
    }

    fn ping(&mut self, out: &mut Vec<u8>) -> bool {
        if self.is_closed {
            return false;
        }
        self.pinged = true;
        self.pay(out);
        frame::write_ping(0, &small::PROBE, out);
        true
    }

    fn control(&mut self, out: &mut Vec<u8>) {
        if !self.is_closed {
            self.pay(out);
        }
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        if !self.is_closed {
            self.begin_drain();
            self.pay(out);
        }
    }

    fn life(&self) -> Life {
        self.current_life()
    }

    fn is_in_head(&self) -> bool {
        self.has_begun_block() && !self.is_closed
    }

    fn is_multiplexed(&self) -> bool {
        true
    }
}
