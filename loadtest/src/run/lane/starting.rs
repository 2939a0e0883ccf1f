//! Requests start: each when it is due, on a connection with room, idle ones first and in turn. What
//! finds none waits, and keeps its intended start.

use super::{Lane, stage::Stage};
use crate::{
    outcome::Failure,
    run::{
        connection::{Phase, Piece},
        exchange::Exchange,
        limits,
    },
};
use codecs::Length;
use std::collections::VecDeque;

/// Starts that a turn deals with before it looks at its connections again.
const STARTS_MAX: usize = 4096;

/// Requests that wait for a connection, and connections that wait for requests.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// In the order of their intended starts.
    backlog: VecDeque<Waiting>,
    /// Places without a request under way …
    idle: VecDeque<u32>,
    /// … and with some, but room for more. Each place is in each list at most once; whether it still
    /// belongs there is looked at when it comes out.
    roomy: VecDeque<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    intended_ns: u64,
    kind: u32,
}

impl Queue {
    /// The intended start of the request that waits longest.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.backlog.front().map(|waiting| waiting.intended_ns)
    }

    /// The intended starts of all that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u64> {
        self.backlog.iter().map(|waiting| waiting.intended_ns)
    }

    pub(super) fn clear(&mut self) {
        self.backlog.clear();
    }
}

impl Lane {
    pub(super) fn start_requests(&mut self) {
        match self.stage {
            Stage::Opening | Stage::Done => {}
            Stage::Ending { .. } => self.start_waiting(),
            Stage::Running if self.schedule.is_open() => self.start_due(),
            Stage::Running => self.start_closed(),
        }
    }

    /// A connection that is free asks again.
    fn start_closed(&mut self) {
        while let Some(index) = self.take_room() {
            loop {
                if !self.schedule.take_one(self.now_ns) {
                    return self.list(index);
                }
                self.recorder.started(self.now_ns);
                let kind = self.load.mix.draw(&mut self.rng);
                self.ask(index, kind, self.now_ns);
                if !self.has_room(index) {
                    break;
                }
            }
        }
    }

    fn start_due(&mut self) {
        self.start_waiting();
        for _ in 0..STARTS_MAX {
            let Some(intended_ns) = self.schedule.pop(self.now_ns) else {
                return;
            };
            self.recorder.started(intended_ns);
            let kind = self.load.mix.draw(&mut self.rng);
            match self.take_room() {
                Some(index) => {
                    self.recorder.left(intended_ns, self.now_ns);
                    self.ask(index, kind, intended_ns);
                    self.list(index);
                }
                None if self.queue.backlog.len() < limits::BACKLOG_MAX => {
                    let waiting = Waiting { intended_ns, kind };
                    self.queue.backlog.push_back(waiting);
                }
                None => self
                    .recorder
                    .failed(self.now_ns, intended_ns, Failure::Overload),
            }
        }
    }

    fn start_waiting(&mut self) {
        while !self.queue.backlog.is_empty() {
            let Some(index) = self.take_room() else {
                return;
            };
            if let Some(Waiting { intended_ns, kind }) = self.queue.backlog.pop_front() {
                self.ask(index, kind, intended_ns);
                self.list(index);
            }
        }
    }

    /// Those that wait for a connection time out as those on one do.
    pub(super) fn expire_backlog(&mut self) {
        let late = |waiting: &mut Waiting| {
            waiting.intended_ns.saturating_add(self.timeout_ns) <= self.now_ns
        };
        while let Some(waiting) = self.queue.backlog.pop_front_if(late) {
            self.recorder
                .failed(self.now_ns, waiting.intended_ns, Failure::Timeout);
        }
    }

    /// Puts a place with room where it is found.
    pub(super) fn list(&mut self, index: u32) {
        if !self.has_room(index) {
            return;
        }
        let place = &mut self.places[index as usize];
        let is_busy = usize::from(!place.exchanges.is_empty());
        if !std::mem::replace(&mut place.is_listed[is_busy], true) {
            match is_busy {
                0 => self.queue.idle.push_back(index),
                _ => self.queue.roomy.push_back(index),
            }
        }
    }

    /// Takes a place with room, an idle one if there is one.
    fn take_room(&mut self) -> Option<u32> {
        while let Some(index) = self.queue.idle.pop_front() {
            self.place(index).is_listed[0] = false;
            if self.place(index).exchanges.is_empty() && self.has_room(index) {
                return Some(index);
            }
            self.list(index);
        }
        while let Some(index) = self.queue.roomy.pop_front() {
            self.place(index).is_listed[1] = false;
            if self.has_room(index) {
                return Some(index);
            }
        }
        None
    }

    fn has_room(&self, index: u32) -> bool {
        self.places[index as usize].has_room(self.load.workload.streams as usize)
    }

    /// Hands a request to a connection.
    fn ask(&mut self, index: u32, kind: u32, intended_ns: u64) {
        let place = &mut self.places[index as usize];
        let opened = match place.phase {
            Phase::Open { sock } => place.codec.open().map(|id| (sock, id)),
            Phase::Connecting { .. } | Phase::Securing { .. } | Phase::Down { .. } => None,
        };
        let Some((sock, id)) = opened else {
            debug_assert!(false, "a place with room takes a request");
            return self
                .recorder
                .failed(self.now_ns, intended_ns, Failure::Closed);
        };
        place.left -= 1;
        let request = self.load.mix.kind(kind);
        let end = matches!(request.head.length, Length::Known(0) | Length::None);
        let out = self.net.out(sock);
        let before = out.len();
        if place.left == 0 && self.load.workload.protocol.tells_the_last() {
            place.codec.drain(out);
        }
        place.codec.head(id, &request.head, end, out);
        place.unsent += out.len() - before;
        let mix = &self.load.mix;
        let exchange = Exchange::new(id, kind, intended_ns, self.now_ns, mix);
        place.exchanges.push_back(exchange);
        self.under_way += 1;
        if !end {
            place.add_upload(id, request.body, mix.is_grpc);
            self.push_bodies(index);
        }
        self.arm(index);
    }

    /// Sends what bodies the connection takes.
    pub(super) fn push_bodies(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        let Phase::Open { sock } = place.phase else {
            return;
        };
        while place.has_uploads() {
            match place.next_piece(self.net.out(sock)) {
                Some(Piece::Copied) => {}
                Some(Piece::Sent(data, after)) => {
                    self.net.send(sock, data);
                    self.net.out(sock).extend_from_slice(&after);
                }
                None => return,
            }
        }
    }

    pub(super) fn on_sent(&mut self, index: u32, bytes: usize) {
        let place = self.place(index);
        place.unsent = place.unsent.saturating_sub(bytes);
        if place.has_uploads() {
            self.push_bodies(index);
            self.list(index);
        }
    }
}
