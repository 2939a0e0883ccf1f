//! What takes part in a run beside the workers: sockets, timers, and what is made of both.

use crate::{ledger::SharedLedger, secure::Line, timers::Timers};
use engines::{EngineId, Event, SimNet, Sock};
use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

/// A party's own engine and timers.
pub(crate) struct Seat<Alarm> {
    line: Line,
    timers: Timers<Alarm>,
    events: Vec<Event>,
}

impl<Alarm> Seat<Alarm> {
    pub(crate) fn new(net: &SimNet, seed: u64, ledger: &SharedLedger) -> Self {
        Self {
            line: Line::new(net, seed, ledger),
            timers: Timers::default(),
            events: Vec::new(),
        }
    }

    /// Rings after so long.
    pub(crate) fn after(&mut self, after: Duration, alarm: Alarm) {
        self.timers.add(self.line.now(), after, alarm);
    }

    fn due(&mut self) -> Option<Alarm> {
        self.timers.pop(self.line.now())
    }

    /// No alarm rings any more.
    pub(crate) fn silence(&mut self) {
        self.timers.clear();
    }
}

impl<Alarm> Deref for Seat<Alarm> {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.line
    }
}

impl<Alarm> DerefMut for Seat<Alarm> {
    fn deref_mut(&mut self) -> &mut Line {
        &mut self.line
    }
}

/// What a party makes of what happens.
pub(crate) trait Party {
    type Alarm;

    fn seat(&mut self) -> &mut Seat<Self::Alarm>;

    fn on_alarm(&mut self, alarm: Self::Alarm);
    fn on_accepted(&mut self, _sock: Sock) {}
    fn on_connected(&mut self, _sock: Sock) {}
    fn on_received(&mut self, sock: Sock, data: &[u8]);
    fn on_sent(&mut self, sock: Sock, bytes: usize);
    /// The other end sends no more.
    fn on_finished(&mut self, sock: Sock);
    fn on_closed(&mut self, sock: Sock);
}

/// A party as the run sees it.
pub(crate) trait Turns {
    fn id(&mut self) -> EngineId;
    fn deadline(&mut self) -> Option<Instant>;
    /// Takes what has happened, then what is due.
    fn turn(&mut self);
}

impl<P: Party> Turns for P {
    fn id(&mut self) -> EngineId {
        self.seat().id()
    }

    fn deadline(&mut self) -> Option<Instant> {
        self.seat().timers.next()
    }

    fn turn(&mut self) {
        let seat = self.seat();
        let mut events = std::mem::take(&mut seat.events);
        seat.line.wait(seat.timers.next(), &mut events);
        for event in events.drain(..) {
            match event {
                Event::Accepted { sock, .. } => self.on_accepted(sock),
                Event::Connected { sock } => self.on_connected(sock),
                Event::Received { sock, data } => self.on_received(sock, &data),
                Event::Sent { sock, bytes } => self.on_sent(sock, bytes),
                Event::Finished { sock } => self.on_finished(sock),
                Event::Closed { sock, .. } => self.on_closed(sock),
                Event::AcceptFailed { .. }
                | Event::Datagram { .. }
                | Event::Detached { .. }
                | Event::Relayed { .. }
                | Event::Woken => {}
            }
        }
        self.seat().events = events;
        while let Some(alarm) = self.seat().due() {
            self.on_alarm(alarm);
        }
    }
}
