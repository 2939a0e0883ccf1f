//! The deadlines of a worker.

use super::Worker;
use engines::Wheel;
use std::time::Instant;

/// The deadlines of a worker: one for each slot of its tables.
pub(crate) struct Wheels {
    pub(crate) arrivals: Wheel,
    pub(crate) conns: Wheel,
    pub(crate) pings: Wheel,
    pub(crate) streams: Wheel,
    pub(crate) tunnels: Wheel,
}

impl Wheels {
    pub(super) fn new(now: Instant) -> Self {
        let [arrivals, conns, pings, streams, tunnels] = std::array::from_fn(|_| Wheel::new(now));
        Self {
            arrivals,
            conns,
            pings,
            streams,
            tunnels,
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let quick = [&self.arrivals, &self.conns, &self.pings];
        let all = quick.into_iter().chain([&self.streams, &self.tunnels]);
        all.into_iter().filter_map(Wheel::next).min()
    }
}

impl Worker {
    pub(super) fn fire_timers(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheels.arrivals.expire(self.now, &mut due);
        for index in due.drain(..) {
            if let Some(key) = self.arrivals.key_at(index) {
                self.on_arrival_timer(key);
                self.do_todo();
            }
        }
        self.wheels.conns.expire(self.now, &mut due);
        for index in due.drain(..) {
            if let Some(key) = self.net.conns.key_at(index) {
                self.on_conn_timer(key);
                self.do_todo();
            }
        }
        self.wheels.pings.expire(self.now, &mut due);
        for index in due.drain(..) {
            if let Some(key) = self.net.conns.key_at(index) {
                self.on_ping_timer(key);
                self.do_todo();
            }
        }
        self.wheels.streams.expire(self.now, &mut due);
        for index in due.drain(..) {
            if let Some(key) = self.streams.key_at(index) {
                self.on_stream_timer(key);
                self.do_todo();
            }
        }
        self.wheels.tunnels.expire(self.now, &mut due);
        for index in due.drain(..) {
            if let Some(key) = self.tunnels.key_at(index) {
                self.on_tunnel_timer(key);
            }
        }
        self.due = due;
    }
}
