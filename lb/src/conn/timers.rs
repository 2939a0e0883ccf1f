//! How long a connection may stay in each of its states.

use super::{Conn, ConnKey, ConnPhase, Side};
use crate::{limits, worker::Worker};
use std::time::Instant;

/// Which patience a connection is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Connect,
    Discard,
    Flush,
    Handshake,
    Head,
    Idle,
    Linger,
}

impl Conn {
    /// None while it carries a request: then that has deadlines of its own.
    fn patience(&self) -> Option<Patience> {
        Some(match self.phase {
            ConnPhase::Connecting => Patience::Connect,
            ConnPhase::Handshaking if self.is_down() => Patience::Handshake,
            ConnPhase::Handshaking => Patience::Connect,
            ConnPhase::Lingering | ConnPhase::Flushing if !self.is_flushed() => Patience::Flush,
            ConnPhase::Lingering | ConnPhase::Flushing => Patience::Linger,
            ConnPhase::Open if self.head_since().is_some() => Patience::Head,
            ConnPhase::Open if !self.streams.is_empty() => return None,
            ConnPhase::Open if self.discarding.is_some() => Patience::Discard,
            ConnPhase::Open if self.has_inbox() => Patience::Head,
            ConnPhase::Open => Patience::Idle,
        })
    }
}

impl Worker {
    /// The alarm that a connection needs, if it is not the one that it has. While the kind of patience
    /// stays the same, or is the same again, its end only moves later: the alarm set first is kept, and
    /// set anew when it turns out to be early. So requests that come and go set none.
    pub(super) fn missing_alarm(&self, conn: &Conn) -> Option<(Patience, Option<Instant>)> {
        let patience = conn.patience()?;
        (conn.alarm != Some(patience)).then(|| {
            let ends = [
                self.end_of(conn, patience),
                self.drain_end_of(conn, patience),
            ];
            (patience, ends.into_iter().flatten().min())
        })
    }

    /// When a patience ends that began with the connection's present state.
    fn end_of(&self, conn: &Conn, patience: Patience) -> Option<Instant> {
        let (idle, head, begin) = match conn.side {
            Side::Down { place, .. } => {
                let (http, tls) = (self.epoch.http(place), &self.epoch.chain(place).tls);
                let handshake = tls.as_ref().and_then(|tls| tls.handshake_timeout);
                (http.idle_timeout, http.request_head_timeout, handshake)
            }
            Side::Up { target, .. } => {
                let cluster = self.epoch.cluster(target.cluster);
                (cluster.idle_timeout, None, Some(cluster.connect_timeout))
            }
        };
        let time = match patience {
            Patience::Connect | Patience::Handshake => begin,
            Patience::Discard => Some(limits::DISCARD_TIME),
            Patience::Flush => Some(limits::FLUSH_TIME),
            Patience::Head => head.or(idle),
            Patience::Idle => idle,
            Patience::Linger => Some(limits::LINGER_TIME),
        };
        let since = match patience {
            Patience::Head => conn.head_since().unwrap_or(conn.since),
            Patience::Connect
            | Patience::Discard
            | Patience::Flush
            | Patience::Handshake
            | Patience::Idle
            | Patience::Linger => conn.since,
        };
        since.checked_add(time?)
    }

    /// When a drain waits for a client no longer.
    fn drain_end_of(&self, conn: &Conn, patience: Patience) -> Option<Instant> {
        let is_silent = match patience {
            Patience::Handshake => true,
            Patience::Idle => conn.is_down() && !conn.codec.is_multiplexed(),
            Patience::Connect
            | Patience::Discard
            | Patience::Flush
            | Patience::Head
            | Patience::Linger => false,
        };
        self.drain.patience(conn.since).filter(|_| is_silent)
    }

    /// Tells the peer of a connection without streams that it ends, where the protocol can.
    fn say_goodbye(&mut self, key: ConnKey) {
        if self.net.is_multiplexed(key) {
            self.net.write(key, |codec, out| {
                codec.drain(out);
                codec.drain(out);
            });
        }
    }

    pub(crate) fn on_conn_timer(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        conn.alarm = None;
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let Some(patience) = conn.patience() else {
            return self.mark_conn(key);
        };
        let has_passed = |end: Option<Instant>| end.is_some_and(|at| at <= self.now);
        if has_passed(self.end_of(conn, patience)) {
            self.end_patience(key, patience);
        } else if !has_passed(self.drain_end_of(conn, patience)) {
            self.mark_conn(key);
        } else if patience == Patience::Handshake {
            self.drop_conn(key);
        } else {
            self.linger(key);
        }
    }

    fn end_patience(&mut self, key: ConnKey, patience: Patience) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        match (patience, &conn.side) {
            (Patience::Idle, Side::Down { place, .. }) => {
                self.listener_stats(*place).idle_timeouts.inc();
                self.say_goodbye(key);
                self.linger(key);
            }
            (Patience::Head, Side::Down { place, .. }) => {
                let place = *place;
                self.listener_stats(place).head_timeouts.inc();
                let why = codecs::Malformed {
                    status: 408,
                    detail: "request_header_timeout",
                };
                self.refuse(key, place, &why);
            }
            (Patience::Connect, Side::Up { target, .. }) => {
                self.cluster_stats(target.cluster).connect_timeouts.inc();
                self.time_handshake_out(key);
                self.drop_conn(key);
            }
            (Patience::Handshake, Side::Down { place, .. }) => {
                self.listener_stats(*place).handshake_timeouts.inc();
                self.time_handshake_out(key);
                self.drop_conn(key);
            }
            (Patience::Idle, Side::Up { .. }) => self.flush_and_close(key),
            (Patience::Discard, Side::Down { place, .. }) => {
                self.listener_stats(*place).discard_timeouts.inc();
                self.linger(key);
            }
            (Patience::Flush, Side::Down { place, .. }) => {
                self.listener_stats(*place).flush_timeouts.inc();
                self.drop_conn(key);
            }
            (Patience::Linger, Side::Down { place, .. }) => {
                self.listener_stats(*place).linger_timeouts.inc();
                self.drop_conn(key);
            }
            (
                Patience::Connect
                | Patience::Discard
                | Patience::Flush
                | Patience::Handshake
                | Patience::Head
                | Patience::Linger,
                _,
            ) => self.drop_conn(key),
        }
    }
}
