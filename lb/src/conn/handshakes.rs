//! The handshakes of clients that are under way on a worker, so that there are not too many.

use super::{Conn, ConnKey, ConnPhase, Net, Side};
use crate::{config::EndpointTls, limits, secure, worker::Worker};
use std::collections::VecDeque;

/// Handshakes with clients, in the order in which they were begun.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    /// Those that are over by now are among them.
    begun: VecDeque<ConnKey>,
    active: usize,
}

impl Handshakes {
    /// One that was counted is over.
    pub(super) fn count_end(&mut self) {
        self.active -= 1;
    }
}

impl Worker {
    /// A client is to begin a handshake; see [`limits::HANDSHAKES_MAX`].
    pub(super) fn begin_handshake(&mut self, key: ConnKey) {
        self.handshakes.begun.push_back(key);
        self.handshakes.active += 1;
        if self.handshakes.active > limits::HANDSHAKES_MAX {
            self.drop_oldest_handshake();
        }
        if self.handshakes.begun.len() > 2 * limits::HANDSHAKES_MAX {
            let conns = &self.net.conns;
            let is_active = |key: &ConnKey| conns.get(*key).is_some_and(Conn::is_handshaking);
            self.handshakes.begun.retain(is_active);
        }
    }

    fn drop_oldest_handshake(&mut self) {
        while let Some(key) = self.handshakes.begun.pop_front() {
            let Some(conn) = self.net.conns.get(key).filter(|conn| conn.is_handshaking()) else {
                continue;
            };
            if let Side::Down { place, .. } = conn.side {
                self.listener_stats(place).handshake_overflows.inc();
            }
            return self.drop_conn(key);
        }
    }

    /// A connection's handshake is over, well or not.
    pub(super) fn end_handshake(&mut self, key: ConnKey) {
        let conn = self.net.conns.get(key);
        if conn.is_some_and(|conn| conn.is_handshaking() && conn.is_down()) {
            self.handshakes.count_end();
        }
    }

    /// The peer of a connection went away during the handshake.
    pub(super) fn on_cut_handshake(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let Some(session) = &conn.tls else { return };
        // Who only looks whether anybody is there breaks nothing off.
        let has_begun = !secure::is_unused(session) || !conn.is_down();
        match session.on_eof() {
            Err(fault) if has_begun => self.on_fault(key, &fault),
            Err(_) | Ok(()) => self.drop_conn(key),
        }
    }
}

impl Net {
    /// Begins TLS on a connection that we opened.
    pub(super) fn begin_client(&mut self, key: ConnKey, tls: &EndpointTls, http2: bool) {
        let mut records = std::mem::take(&mut self.records);
        let session = secure::connect(tls, http2, self.engine.wall().0, &mut records);
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        conn.phase = ConnPhase::Handshaking;
        match session {
            Ok(session) => conn.tls = Some(Box::new(session)),
            Err(fault) => {
                conn.note_fault(fault.detail);
                self.engine.close(conn.sock);
            }
        }
        self.send_records(key, &records);
        records.clear();
        self.records = records;
    }
}

impl Conn {
    fn is_handshaking(&self) -> bool {
        self.phase == ConnPhase::Handshaking
    }
}
