//! Ending well: no new connections, idle ones closed, requests under way answered with
//! `Connection: close`, and after a time the rest cut.

use crate::{
    limits,
    stream::{Flags, Phase},
    worker::Worker,
};
use std::time::{Duration, Instant};

/// Why what was still open when the drain time was over has ended, as in `%RESPONSE_CODE_DETAILS%`.
pub(crate) const CUT: &str = "drain_timeout";

/// Why a client has ended that the drain did not wait for any longer, as in `%RESPONSE_CODE_DETAILS%`.
pub(crate) const SILENT: &str = "draining";

/// Where a worker stands in its ending.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    phase: DrainPhase,
    began: Option<Instant>,
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

    /// Until when a drain lets a client be that was silent from `since` on and cannot be told of it: it is in
    /// its handshake, or has come out of one and not asked for anything.
    pub(crate) fn patience(&self, since: Instant) -> Option<Instant> {
        let began = self.began.filter(|_| self.is_draining())?;
        since.max(began).checked_add(limits::LINGER_TIME)
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
        self.drain.began = Some(self.now);
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
        for key in self.tunnels.keys() {
            self.sync_tunnel(key);
        }
        self.do_todo();
    }

    /// A draining worker with nothing left, or no time left, is done; a stopped one too.
    pub(crate) fn check_drained(&mut self) {
        let is_late = self.drain.deadline().is_some_and(|at| at <= self.now);
        let is_empty = self.net.conns.is_empty() && self.tunnels.is_empty();
        if self.drain.is_draining() && (is_empty || is_late) {
            self.drain.stop();
        }
        if self.drain.is_over() {
            self.cut_rest();
        }
    }

    /// Ends what is still open, so that it is counted and logged. Nothing of it is tried anew, and nothing is sent any
    /// more: what an end sets free is not done.
    fn cut_rest(&mut self) {
        for key in self.tunnels.keys() {
            if let Some(tunnel) = self.tunnels.get_mut(key) {
                tunnel.record.detail = CUT;
            }
            self.end_tunnel(key, Flags::DOWNSTREAM_TERMINATION);
            self.log.hand_over();
        }
        // Those that wait for a connection go first: none of them may get one that another leaves.
        let mut streams = self.streams.keys();
        streams.sort_by_key(|key| {
            let stream = self.streams.get(*key);
            stream.is_some_and(|stream| stream.phase != Phase::Queued)
        });
        for key in streams {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.record.detail = CUT;
            }
            self.on_downstream_lost(key);
            self.log.hand_over();
        }
        for key in self.net.conns.keys() {
            self.drop_conn(key);
            self.log.hand_over();
        }
        self.todo.clear();
    }
}
