//! Ending well: no new connections, idle ones closed, requests under way answered with
//! `Connection: close`, and after a time the rest cut.

use crate::worker::{Timer, Worker};
use engines::Alarm;
use std::time::Duration;

/// Where a worker stands in its ending.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    phase: DrainPhase,
    alarm: Alarm,
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
        self.drain
            .alarm
            .set(Some(self.now + within), &mut self.wheel, Timer::Drain);
        for sock in std::mem::take(&mut self.listeners) {
            self.close_sock(sock);
        }
        for key in self.net.conns.keys() {
            self.drain_conn(key);
        }
        self.do_todo();
    }

    pub(crate) fn on_drain_timer(&mut self, tick: u64) {
        if self
            .drain
            .alarm
            .fired(tick, self.now, &mut self.wheel, Timer::Drain)
        {
            self.drain.phase = DrainPhase::Over;
        }
    }

    /// A draining worker with nothing left is done.
    pub(crate) fn check_drained(&mut self) {
        if self.drain.is_draining() && self.net.conns.is_empty() && self.tunnels.is_empty() {
            self.drain.phase = DrainPhase::Over;
        }
    }
}
