//! Keep-alive probes (`connection_keepalive`): a connection whose peer does not answer them in time is
//! closed, and with it what it carries.

use super::{Conn, ConnKey, Side};
use crate::{config::Keepalive, worker::Worker};
use engines::SlotKey;
use std::time::Duration;

impl Worker {
    /// The connection is open and its protocol known: probes begin, if there are to be any.
    pub(crate) fn start_keepalive(&mut self, key: ConnKey) {
        if let Some(interval) = self.keepalive(key).and_then(|config| config.interval) {
            self.set_ping(key, interval);
        }
    }

    /// A connection that was idle takes a request: whether it still works is found out if it was idle
    /// for long (`connection_idle_interval`).
    pub(crate) fn probe_if_stale(&mut self, key: ConnKey) {
        let Some(idle) = self.keepalive(key).and_then(|config| config.idle_interval) else {
            return;
        };
        let rested = |conn: &Conn| self.now.saturating_duration_since(conn.since);
        if self
            .net
            .conns
            .get(key)
            .is_some_and(|conn| rested(conn) >= idle)
        {
            self.probe(key);
        }
    }

    /// A probe is due, or its answer.
    pub(crate) fn on_ping_timer(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if !conn.await_pong(false) {
            return self.probe(key);
        }
        match conn.side {
            Side::Down { place, .. } => self.listener_stats(place).keepalive_timeouts.inc(),
            Side::Up { target, .. } => self.cluster_stats(target.cluster).keepalive_timeouts.inc(),
        }
        self.drop_conn(key);
    }

    /// The peer has answered.
    pub(crate) fn on_pong(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if !conn.await_pong(false) {
            return;
        }
        match self.keepalive(key).and_then(|config| config.interval) {
            Some(interval) => self.set_ping(key, interval),
            None => self.wheels.pings.set(key.index(), None),
        }
    }

    fn probe(&mut self, key: ConnKey) {
        let Some(timeout) = self.keepalive(key).map(|config| config.timeout) else {
            return;
        };
        let is_sent = self.net.write(key, |codec, out| codec.ping(out));
        if is_sent == Some(true)
            && let Some(conn) = self.net.conns.get_mut(key)
        {
            conn.await_pong(true);
            self.set_ping(key, timeout);
        }
    }

    fn set_ping(&mut self, key: ConnKey, after: Duration) {
        self.wheels
            .pings
            .set(key.index(), self.now.checked_add(after));
    }

    /// What is configured for the connection, if its protocol has probes.
    fn keepalive(&self, key: ConnKey) -> Option<Keepalive> {
        let conn = self.net.conns.get(key)?;
        if !conn.is_open() || !conn.codec.is_multiplexed() {
            return None;
        }
        match conn.side {
            Side::Down { place, .. } => self.epoch.http(place).keepalive,
            Side::Up { target, .. } => self.epoch.cluster(target.cluster).keepalive,
        }
    }
}
