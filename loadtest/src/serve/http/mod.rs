//! A connection that speaks a codec: bytes to requests, and their answers back.

mod ending;

use super::{
    answer::Answer,
    detect::detect,
    exchange::{Exchange, Stage},
    limits,
    link::{Desk, Link},
};
use codecs::{Codec, Frame, Wait};
use engines::{Buf, BufMut};
use std::time::Instant;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Frames flow.
    Open,
    /// We have finished; input is read and dropped until the peer finishes too.
    Lingering,
    /// Closed as soon as what is queued has left.
    Flushing,
    /// To be closed now.
    Ended,
    /// To be reset now.
    Reset,
}

/// One connection's protocol.
pub(super) struct Http {
    /// None until the first bytes told which protocol it is.
    codec: Option<Box<dyn Codec>>,
    /// Input that waits: part of a head, or what came behind a request that is not answered.
    inbox: Vec<u8>,
    /// In the order of their ids.
    exchanges: Vec<Exchange>,
    /// Whose turn it is.
    turn: usize,
    pub(super) phase: Phase,
    /// The codec, or a delayed echo, waits for the current answer.
    is_held: bool,
    /// The peer has finished.
    is_done: bool,
    /// Bytes read and dropped while lingering.
    dropped: usize,
    /// When the last of our bytes left or the close began, once it is to be closed.
    since: Instant,
}

impl Http {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            codec: None,
            inbox: Vec::new(),
            exchanges: Vec::new(),
            turn: 0,
            phase: Phase::Open,
            is_held: false,
            is_done: false,
            dropped: 0,
            since: now,
        }
    }

    pub(super) fn on_received(&mut self, link: &mut Link, desk: &mut Desk, data: BufMut) {
        match self.phase {
            Phase::Open => {}
            Phase::Lingering => return self.on_dropped(desk, data.len()),
            Phase::Flushing | Phase::Ended | Phase::Reset => return,
        }
        if self.is_held {
            self.inbox.extend_from_slice(&data);
            return;
        }
        let input = match self.inbox.is_empty() {
            true => data.freeze(),
            false => {
                self.inbox.extend_from_slice(&data);
                Buf::from(std::mem::take(&mut self.inbox))
            }
        };
        self.decode(link, desk, input);
        self.go_on(link, desk);
    }

    pub(super) fn on_finished(&mut self, link: &mut Link, desk: &mut Desk) {
        self.is_done = true;
        let is_stalled = |exchange: &Exchange| exchange.stage == Stage::Stalled;
        match self.phase {
            Phase::Lingering => self.phase = Phase::Flushing,
            Phase::Open if self.exchanges.iter().any(is_stalled) => self.phase = Phase::Ended,
            Phase::Open if !self.is_held => {
                self.end_of_input(link, desk);
                self.go_on(link, desk);
            }
            Phase::Open | Phase::Flushing | Phase::Ended | Phase::Reset => {}
        }
    }

    /// Part of what was queued has left.
    pub(super) fn on_sent(&mut self, link: &mut Link, desk: &mut Desk) {
        self.since = desk.now;
        if self.phase == Phase::Open && !self.exchanges.is_empty() {
            self.go_on(link, desk);
        }
    }

    /// The deadline has passed.
    pub(super) fn on_timer(&mut self, link: &mut Link, desk: &mut Desk) {
        match self.phase {
            Phase::Open => self.go_on(link, desk),
            Phase::Lingering | Phase::Flushing => {
                desk.counters.close_timeouts += 1;
                self.phase = Phase::Ended;
            }
            Phase::Ended | Phase::Reset => {}
        }
    }

    /// When something is to happen by itself.
    pub(super) fn deadline(&self, link: &Link) -> Option<Instant> {
        match self.phase {
            Phase::Open => {
                let codec = self.codec.as_deref()?;
                let all = self.exchanges.iter();
                all.filter_map(|exchange| exchange.deadline(link, codec))
                    .min()
            }
            Phase::Lingering | Phase::Flushing if link.unsent > 0 => {
                Some(self.since + limits::FLUSH_TIME)
            }
            Phase::Lingering | Phase::Flushing => Some(self.since + limits::LINGER_TIME),
            Phase::Ended | Phase::Reset => None,
        }
    }

    /// More input would find a place.
    pub(super) fn wants_reading(&self, link: &Link) -> bool {
        let is_echoing = || self.exchanges.iter().any(Exchange::is_echo);
        match self.phase {
            Phase::Open if self.is_done || self.is_held && !self.inbox.is_empty() => false,
            Phase::Open if self.is_multiplexed() => link.unsent < limits::UNSENT_MAX_BYTES,
            Phase::Open => link.unsent < limits::ECHO_HIGH_BYTES || !is_echoing(),
            Phase::Lingering => !self.is_done,
            Phase::Flushing | Phase::Ended | Phase::Reset => false,
        }
    }

    /// Everything has left, and nothing more is to come.
    pub(super) fn is_over(&self, link: &Link) -> bool {
        self.phase == Phase::Ended || self.phase == Phase::Flushing && link.unsent == 0
    }

    /// Serves the exchanges, and the input that they held, as far as they go now.
    fn go_on(&mut self, link: &mut Link, desk: &mut Desk) {
        loop {
            self.serve_all(link, desk);
            if self.phase != Phase::Open || self.is_held || self.inbox.is_empty() && !self.is_done {
                break;
            }
            if self.is_done && self.inbox.is_empty() {
                self.end_of_input(link, desk);
                break;
            }
            let before = self.inbox.len();
            let input = Buf::from(std::mem::take(&mut self.inbox));
            self.decode(link, desk, input);
            if self.inbox.len() == before {
                if self.is_done {
                    self.end_of_input(link, desk);
                }
                break;
            }
        }
        link.flush(desk);
    }

    fn is_multiplexed(&self) -> bool {
        let codec = self.codec.as_ref();
        codec.is_some_and(|codec| codec.is_multiplexed())
    }

    /// Lets every exchange go on, a turn each, as long as one of them can.
    fn serve_all(&mut self, link: &mut Link, desk: &mut Desk) {
        while self.serve_turns(link, desk) {}
    }

    /// A turn for each exchange; true if one of them did anything. Where there is no more room, the next
    /// begins with whom it had none for.
    fn serve_turns(&mut self, link: &mut Link, desk: &mut Desk) -> bool {
        let mut has_moved = false;
        for _ in 0..self.exchanges.len() {
            if self.turn >= self.exchanges.len() {
                self.turn = 0;
            }
            let index = self.turn;
            let is_full = link.unsent >= limits::UNSENT_HIGH_BYTES;
            let (Some(codec), Some(exchange)) = (&mut self.codec, self.exchanges.get_mut(index))
            else {
                break;
            };
            if is_full {
                return false;
            }
            let was_delayed = matches!(exchange.stage, Stage::Delayed(_));
            if exchange.go_on(link, desk, &mut **codec) {
                has_moved = true;
                // Only a delayed echo holds the input by itself, and the codec says so again.
                self.is_held &= !was_delayed;
            }
            if !self.end_exchange(link, desk, index) {
                self.turn += 1;
            }
        }
        has_moved
    }

    /// Takes an exchange out that is over, and lets the connection go on or end; false if it is not.
    fn end_exchange(&mut self, link: &mut Link, desk: &mut Desk, index: usize) -> bool {
        match self.exchanges[index].stage {
            Stage::Ended | Stage::GivenUp => {
                let ended = self.exchanges.remove(index);
                self.is_held = false;
                desk.counters.answered += u64::from(ended.stage == Stage::Ended);
                self.end_if_over(link, desk);
            }
            Stage::Broken => {
                self.exchanges.clear();
                self.linger(link, desk);
            }
            Stage::Reset => {
                self.exchanges.clear();
                self.phase = Phase::Reset;
            }
            Stage::Asking
            | Stage::Delayed(_)
            | Stage::Body { .. }
            | Stage::Echoing
            | Stage::Stalled => return false,
        }
        true
    }

    fn decode(&mut self, link: &mut Link, desk: &mut Desk, mut input: Buf) {
        while self.phase == Phase::Open && !self.is_held {
            let Some(codec) = detect(&mut self.codec, &input, desk) else {
                break;
            };
            let step = match codec.decode(desk.now, &input, &mut desk.heads) {
                Ok(step) => step,
                Err(why) => return self.refuse(link, desk, &why),
            };
            let is_idle = step.used == 0 && step.frame.is_none();
            let part = input.split_to(step.used);
            if let Some(frame) = step.frame {
                self.on_frame(link, desk, frame, part);
            }
            match step.wait {
                Wait::Go if !is_idle => {}
                Wait::Hold if self.exchanges.is_empty() => {}
                Wait::Hold => self.is_held = true,
                Wait::Go | Wait::More => break,
            }
        }
        if self.phase == Phase::Open {
            self.inbox = input.into_vec();
            if let Some(codec) = &mut self.codec {
                codec.control(&mut desk.out);
            }
            if self.exchanges.is_empty() && self.is_multiplexed() {
                self.end_if_over(link, desk);
            }
        }
    }

    fn on_frame(&mut self, link: &mut Link, desk: &mut Desk, frame: Frame, mut part: Buf) {
        let Some(codec) = &mut self.codec else { return };
        let codec = &mut **codec;
        let exchanges = &self.exchanges;
        let place = |id| exchanges.binary_search_by_key(&id, |exchange| exchange.id);
        let place = |id| place(id).ok();
        let index = match frame {
            Frame::Head { id, head, end } => {
                let content_type = head.fields.get(b"content-type");
                let is_call = content_type.is_some_and(|name| name.starts_with(CALL));
                let answer = Answer::of(head.path(), is_call, &desk.defaults);
                let mut exchange = Exchange::new(id, answer, head.length, head.method());
                desk.heads.put(head);
                exchange.on_head(link, desk, codec, end);
                let is_delayed = matches!(exchange.stage, Stage::Delayed(_));
                self.is_held |= !end && is_delayed && !codec.is_multiplexed();
                self.exchanges.push(exchange);
                Some(self.exchanges.len() - 1)
            }
            Frame::Data { id, len, end } => {
                part.skip(part.len() - len);
                let index = place(id);
                match index {
                    Some(index) => self.exchanges[index].on_data(link, desk, codec, part, end),
                    None => codec.release(id, len, &mut desk.out),
                }
                index
            }
            Frame::Trailers { id, fields } => {
                desk.heads.put_fields(fields);
                let index = place(id);
                if let Some(index) = index {
                    self.exchanges[index].on_data(link, desk, codec, Buf::default(), true);
                }
                index
            }
            Frame::Refused { id, why } => {
                desk.counters.malformed += 1;
                codec.refuse_stream(id, why.status, b"", &mut desk.out);
                None
            }
            Frame::Reset { id, .. } => {
                if let Some(index) = place(id) {
                    self.exchanges.remove(index).on_reset(desk, codec);
                }
                None
            }
            Frame::Window { id } => {
                let index = place(id);
                if let Some(index) = index {
                    self.exchanges[index].go_on(link, desk, codec);
                }
                index
            }
            Frame::GoAway | Frame::Pong => None,
        };
        if let Some(index) = index {
            self.end_exchange(link, desk, index);
        }
    }

    /// The peer has finished and all input was decoded.
    fn end_of_input(&mut self, link: &mut Link, desk: &mut Desk) {
        while let Some(codec) = &mut self.codec {
            match codec.eof() {
                Ok(Some(frame)) => self.on_frame(link, desk, frame, Buf::default()),
                Ok(None) => break,
                Err(why) => return self.refuse(link, desk, &why),
            }
        }
        if self.phase == Phase::Open && self.exchanges.is_empty() {
            self.flush(link, desk);
        }
    }
}

/// What the content of a call of gRPC is; more may follow.
const CALL: &[u8] = b"application/grpc";
