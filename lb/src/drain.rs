//! Ending well: no new connections, idle ones closed, requests under way answered with
//! `Connection: close`, and after a time the rest cut.

use crate::worker::Worker;
use std::time::{Duration, Instant};

/// Where a worker stands in its ending.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    phase: DrainPhase,
    /// When what is left is cut.
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DrainPhase {
    #[default]
    Serving,
    Draining,
    Over,
}

impl Drain {
    pub(crate) fn is_draining(&self) -> bool {
        self.phase == DrainPhase::Draining
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| self.is_draining())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase == DrainPhase::Over
    }

    pub(crate) fn stop(&mut self) {
        self.phase = DrainPhase::Over;
    }
}

impl Worker {
    pub(crate) fn begin_drain(&mut self, within: Duration) {
        if self.drain.phase != DrainPhase::Serving {
            return;
        }
        self.drain.phase = DrainPhase::Draining;
        self.drain.deadline = self.now.checked_add(within);
        for sock in std::mem::take(&mut self.listeners) {
            self.close_sock(sock);
        }
        for key in self.arrivals.keys() {
            self.drain_arrival(key);
        }
        for key in self.net.conns.keys() {
            self.drain_conn(key);
        }
        self.do_todo();
    }

    /// A draining worker with nothing left, or no time left, is done.
    pub(crate) fn check_drained(&mut self) {
        let is_late = self.drain.deadline().is_some_and(|at| at <= self.now);
        let is_empty = self.net.conns.is_empty() && self.tunnels.is_empty();
        if self.drain.is_draining() && (is_empty || is_late) {
            self.drain.phase = DrainPhase::Over;
        }
    }
}
