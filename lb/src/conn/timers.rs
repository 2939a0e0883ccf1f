//! How long a connection may stay in each of its states.

use super::{Conn, ConnKey, ConnPhase, Side};
use crate::{limits, worker::Worker};
use std::time::{Duration, Instant};

/// Which patience a connection is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Connect,
    Discard,
    Flush,
    Head,
    Idle,
    Linger,
}

impl Worker {
    pub(super) fn conn_deadline(&self, key: ConnKey) -> Option<Instant> {
        let conn = self.net.conns.get(key)?;
        let (_, patience) = self.patience(conn)?;
        conn.since.checked_add(patience)
    }

    fn patience(&self, conn: &Conn) -> Option<(Patience, Duration)> {
        let (idle, head) = match conn.side {
            Side::Down { listener, .. } => {
                let http = self.epoch.http(listener);
                (http.idle_timeout, http.request_head_timeout)
            }
            Side::Up { target, .. } => (self.epoch.cluster(target.cluster).idle_timeout, None),
        };
        match (conn.phase, conn.target()) {
            (ConnPhase::Connecting, Some(target)) => Some((
                Patience::Connect,
                self.epoch.cluster(target.cluster).connect_timeout,
            )),
            (ConnPhase::Lingering | ConnPhase::Flushing, _) if !conn.is_flushed() => {
                Some((Patience::Flush, limits::FLUSH_TIME))
            }
            (ConnPhase::Lingering | ConnPhase::Flushing, _) => {
                Some((Patience::Linger, limits::LINGER_TIME))
            }
            (ConnPhase::Connecting | ConnPhase::Open, _) if !conn.streams.is_empty() => None,
            (ConnPhase::Connecting | ConnPhase::Open, _) if conn.discarding.is_some() => {
                Some((Patience::Discard, limits::DISCARD_TIME))
            }
            (ConnPhase::Connecting | ConnPhase::Open, _) if !conn.inbox.is_empty() => {
                head.or(idle).map(|time| (Patience::Head, time))
            }
            (ConnPhase::Connecting | ConnPhase::Open, _) => idle.map(|time| (Patience::Idle, time)),
        }
    }

    pub(crate) fn on_conn_timer(&mut self, key: ConnKey) {
        if self.conn_deadline(key).is_none_or(|at| at > self.now) {
            return self.mark_conn(key);
        }
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let Some((patience, _)) = self.patience(conn) else {
            return;
        };
        match (patience, &conn.side) {
            (Patience::Idle, Side::Down { listener, .. }) => {
                self.listener_stats(*listener).idle_timeouts.inc();
                self.linger(key);
            }
            (Patience::Head, Side::Down { listener, .. }) => {
                let listener = *listener;
                self.listener_stats(listener).head_timeouts.inc();
                let why = codecs::Malformed {
                    status: 408,
                    detail: "request_header_timeout",
                };
                self.refuse(key, listener, &why);
            }
            (Patience::Connect, Side::Up { target, .. }) => {
                self.cluster_stats(target.cluster).connect_timeouts.inc();
                self.drop_conn(key);
            }
            (Patience::Discard, Side::Down { listener, .. }) => {
                self.listener_stats(*listener).discard_timeouts.inc();
                self.linger(key);
            }
            (Patience::Flush, Side::Down { listener, .. }) => {
                self.listener_stats(*listener).flush_timeouts.inc();
                self.drop_conn(key);
            }
            (Patience::Linger, Side::Down { listener, .. }) => {
                self.listener_stats(*listener).linger_timeouts.inc();
                self.drop_conn(key);
            }
            (
                Patience::Connect
                | Patience::Discard
                | Patience::Flush
                | Patience::Head
                | Patience::Idle
                | Patience::Linger,
                _,
            ) => self.drop_conn(key),
        }
    }
}
