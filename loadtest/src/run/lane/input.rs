//! From received bytes to answers.

use super::Lane;
use crate::{
    outcome::Failure,
    run::{connection::Phase, exchange::Body},
    secure::Opened,
};
use codecs::{Frame, Life, Malformed, Reason, StreamId, Wait};
use engines::{BufMut, Sock};

/// A connection that reads at a rate rests when it is ahead by so much.
const AHEAD_NS: u64 = 1_000_000;

impl Lane {
    pub(super) fn on_received(&mut self, index: u32, sock: Sock, mut data: BufMut) {
        let bytes = data.len();
        self.recorder.received(self.now_ns, bytes);
        while self.place(index).sock() == Some(sock)
            && let Some(opened) = self.net.open(sock, &mut data)
        {
            match opened {
                Ok(Opened::Data(data)) => self.on_data(index, &data),
                Ok(Opened::Established) => self.on_secured(index),
                Ok(Opened::Closed) => self.on_finished(index, sock),
                Err(fault) => self.on_fault(index, sock, &fault),
            }
        }
        match self.place(index).sock() == Some(sock) {
            true => self.pace_reading(index, bytes),
            false => self.on_late(sock, data),
        }
    }

    /// Bytes of a connection whose last answer has come. Nobody asked for data; over TLS there are other
    /// things that a peer may say.
    pub(super) fn on_late(&mut self, sock: Sock, mut data: BufMut) {
        while self.lingering.has(sock)
            && let Some(opened) = self.net.open(sock, &mut data)
        {
            if matches!(opened, Ok(Opened::Data(_))) {
                self.recorder.unsolicited(self.now_ns);
            }
            if !matches!(opened, Ok(Opened::Established)) {
                self.lingering.remove(sock);
                self.net.close(sock);
            }
        }
    }

    fn on_data(&mut self, index: u32, data: &[u8]) {
        let Phase::Open { sock } = self.place(index).phase else {
            return;
        };
        if self.place(index).inbox.is_empty() {
            let used = self.decode(index, data);
            self.place(index).inbox.extend_from_slice(&data[used..]);
        } else {
            let mut inbox = std::mem::take(&mut self.place(index).inbox);
            inbox.extend_from_slice(data);
            let used = self.decode(index, &inbox);
            inbox.drain(..used);
            self.place(index).inbox = inbox;
        }
        let place = &mut self.places[index as usize];
        if !place.is_open() {
            return;
        }
        place.codec.control(self.net.out(sock));
        match place.is_over() {
            true => self.leave(index),
            false => self.list(index),
        }
    }

    /// Takes frames until the input is used up; how much of it was used.
    fn decode(&mut self, index: u32, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let place = &mut self.places[index as usize];
            if !place.is_open() {
                return input.len();
            }
            let step = match place.codec.decode(self.now, &input[at..], &mut self.heads) {
                Ok(step) => step,
                Err(why) => {
                    self.on_malformed(index, &why);
                    return input.len();
                }
            };
            let part = &input[at..at + step.used];
            at += step.used;
            let is_idle = step.used == 0 && step.frame.is_none();
            if let Some(frame) = step.frame {
                self.on_frame(index, frame, part);
                self.look_behind(index, &input[at..]);
            }
            match step.wait {
                Wait::Go if !is_idle => {}
                Wait::Go | Wait::Hold | Wait::More => return at,
            }
        }
    }

    /// What comes behind the last answer of a connection was not asked for; the codec only drops it. A peer
    /// that may speak without being asked says there that it goes.
    fn look_behind(&mut self, index: u32, rest: &[u8]) {
        let place = &self.places[index as usize];
        let is_over = matches!(place.codec.life(), Life::Closed | Life::Over);
        let is_over = is_over && !place.codec.is_multiplexed();
        if is_over && place.exchanges.is_empty() && !rest.is_empty() {
            self.recorder.unsolicited(self.now_ns);
        }
    }

    pub(super) fn on_frame(&mut self, index: u32, frame: Frame, part: &[u8]) {
        match frame {
            Frame::Head { id, head, end } => {
                let place = &mut self.places[index as usize];
                if !head.is_interim()
                    && let Some(at) = place.find(id)
                {
                    place.exchanges[at].on_head(&head);
                }
                self.heads.put(head);
                if end {
                    self.on_answered(index, id);
                }
            }
            Frame::Data { id, len, end } => {
                let place = &mut self.places[index as usize];
                if let Some(at) = place.find(id) {
                    place.exchanges[at].on_data(&part[part.len() - len..]);
                }
                self.let_go(index, id, len);
                if end {
                    self.on_answered(index, id);
                }
            }
            Frame::Trailers { id, fields } => {
                let place = &mut self.places[index as usize];
                if let Some(at) = place.find(id) {
                    place.exchanges[at].on_trailers(&fields);
                }
                self.heads.put_fields(fields);
                self.on_answered(index, id);
            }
            Frame::Reset { id, reason, .. } => self.on_reset(index, id, of_reset(reason)),
            Frame::Window { .. } => self.push_bodies(index),
            // Two show in the codec's life; no answer is refused with a status.
            Frame::GoAway | Frame::Pong | Frame::Refused { .. } => {}
        }
    }

    fn on_answered(&mut self, index: u32, id: StreamId) {
        let place = &mut self.places[index as usize];
        let Some(exchange) = place.find(id).and_then(|at| place.exchanges.remove(at)) else {
            return;
        };
        self.under_way -= 1;
        self.answers += 1;
        place.answers += 1;
        place.fruitless = 0;
        if place.drop_upload(id)
            && let Phase::Open { sock } = place.phase
        {
            place.codec.reset(id, Reason::Cancel, self.net.out(sock));
        }
        let (intended_ns, sent_ns) = (exchange.intended_ns, exchange.sent_ns);
        if let Some((status, messages)) = exchange.called() {
            self.recorder.called(intended_ns, status, messages);
        }
        let kind = self.load.mix.kind(exchange.kind);
        match exchange.judge(kind) {
            Ok(body) => {
                self.recorder.completed(self.now_ns, intended_ns, sent_ns);
                if body == Body::Unverified {
                    self.recorder.unverified(intended_ns);
                }
            }
            Err(why) => self.recorder.failed(self.now_ns, intended_ns, why),
        }
    }

    /// The target gave a request up.
    pub(super) fn on_reset(&mut self, index: u32, id: StreamId, why: Failure) {
        let place = &mut self.places[index as usize];
        place.drop_upload(id);
        let Some(exchange) = place.find(id).and_then(|at| place.exchanges.remove(at)) else {
            return;
        };
        self.under_way -= 1;
        self.recorder.failed(self.now_ns, exchange.intended_ns, why);
    }

    fn on_malformed(&mut self, index: u32, why: &Malformed) {
        self.suspect(why.detail);
        self.break_off(index);
    }

    /// The target broke the rules; nothing more of the connection can be understood.
    pub(super) fn break_off(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        match place.exchanges.pop_front() {
            Some(exchange) => {
                self.under_way -= 1;
                self.recorder
                    .failed(self.now_ns, exchange.intended_ns, Failure::Malformed);
            }
            None => self.recorder.unsolicited(self.now_ns),
        }
        self.give_up(index, Failure::Closed);
    }

    /// The target broke the protocol. If that was its first answer it does not speak it at all.
    fn suspect(&mut self, detail: &str) {
        if self.answers == 0 {
            let protocol = self.load.workload.protocol.name();
            self.fatal
                .get_or_insert_with(|| format!("does not speak {protocol}: {detail}"));
        }
    }

    /// The connection ends while an answer's beginning waits for more of it.
    pub(super) fn suspect_if_cut(&mut self, index: u32) {
        if !self.place(index).inbox.is_empty() {
            self.suspect("what came is no whole head");
        }
    }

    fn pace_reading(&mut self, index: u32, bytes: usize) {
        let Some(rate) = self.load.workload.read_rate else {
            return;
        };
        let now_ns = self.now_ns;
        let place = &mut self.places[index as usize];
        let Phase::Open { sock } = place.phase else {
            return;
        };
        if place.codec.is_multiplexed() {
            // Windows hold its answers back (`let_go`), not the socket.
            place.paused_ns = place.unread.next_ns();
            return self.arm(index);
        }
        place.pay(now_ns, bytes, rate);
        if place.paid_ns > now_ns + AHEAD_NS {
            place.paused_ns = place.paid_ns;
            self.net.engine.pause(sock);
            self.arm(index);
        }
    }

    /// A piece of a body was looked at: the target may send as much again, at once or, if the connection
    /// reads at a rate, when that has been read.
    fn let_go(&mut self, index: u32, id: StreamId, len: usize) {
        let now_ns = self.now_ns;
        let place = &mut self.places[index as usize];
        let Phase::Open { sock } = place.phase else {
            return;
        };
        match self.load.workload.read_rate {
            Some(rate) if place.codec.is_multiplexed() => {
                place.pay(now_ns, len, rate);
                place.unread.push(id, len, place.paid_ns);
            }
            Some(_) | None => place.codec.release(id, len, self.net.out(sock)),
        }
    }

    /// A connection that reads at a rate has rested long enough.
    pub(super) fn read_on(&mut self, index: u32, sock: Sock) {
        let now_ns = self.now_ns;
        let place = &mut self.places[index as usize];
        if !place.codec.is_multiplexed() {
            place.paused_ns = 0;
            return self.net.engine.resume(sock);
        }
        while let Some((id, len)) = place.unread.pop(now_ns) {
            place.codec.release(id, len, self.net.out(sock));
        }
        place.paused_ns = place.unread.next_ns();
    }
}

/// How it counts that the target gave one request up and not the connection.
fn of_reset(reason: Reason) -> Failure {
    match reason {
        Reason::Protocol => Failure::Malformed,
        Reason::Refused => Failure::Refused,
        Reason::Cancel | Reason::Internal | Reason::Overload | Reason::Timeout => Failure::Reset,
    }
}
