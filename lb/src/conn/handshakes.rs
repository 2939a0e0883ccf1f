//! The handshakes of a worker's connections: their beginning, and their end before time.

use super::{Conn, ConnKey, ConnPhase, Net, Side};
use crate::{config::EndpointTls, transport_failure::TransportFailure, worker::Worker};
use tls::Fault;

impl Worker {
    /// A client is to begin a handshake; see [`crate::limits::HANDSHAKES_MAX`].
    pub(super) fn begin_handshake(&mut self, key: ConnKey) {
        let conns = &mut self.net.conns;
        let is_waiting = |key| conns.get(key).is_some_and(Conn::is_handshaking);
        let Some(oldest) = self.handshakes.add(key, is_waiting) else {
            return;
        };
        if let Some(conn) = conns.get_mut(oldest)
            && let Side::Down { place, .. } = conn.side
        {
            conn.note_failure(TransportFailure::overflow());
            self.listener_stats(place).handshake_overflows.inc();
        }
        self.drop_conn(oldest);
    }

    /// A connection's handshake is over, well or not.
    pub(super) fn end_handshake(&mut self, key: ConnKey) {
        let conn = self.net.conns.get(key);
        if conn.is_some_and(|conn| conn.is_handshaking() && conn.is_down()) {
            self.handshakes.end();
        }
    }

    /// The time of a connection's handshake is over, if it is in one.
    pub(super) fn time_handshake_out(&mut self, key: ConnKey) {
        let conn = self.net.conns.get_mut(key);
        if let Some(conn) = conn.filter(|conn| conn.is_handshaking()) {
            conn.note_failure(TransportFailure::timeout());
        }
    }

    /// The peer of a connection went away during the handshake.
    pub(super) fn on_cut_handshake(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        // Nothing is left to wait for.
        conn.peer_done = true;
        match self.cut_handshake(key) {
            Some(fault) => self.on_fault(key, &fault),
            None => self.drop_conn(key),
        }
    }

    /// What it is that a connection ends now, if it is in its handshake. Who only looks whether anybody is there breaks
    /// nothing off.
    pub(super) fn cut_handshake(&self, key: ConnKey) -> Option<Fault> {
        let conn = self.net.conns.get(key)?;
        let has_begun = !conn.transport.is_unused() || !conn.is_down();
        let is_cut = conn.is_handshaking() && has_begun;
        is_cut.then(|| conn.transport.on_eof().err()).flatten()
    }
}

impl Net {
    /// Begins TLS on a connection that we opened.
    ///
    /// # Errors
    /// It could not be begun.
    pub(super) fn begin_client(
        &mut self,
        key: ConnKey,
        tls: &EndpointTls,
        http2: bool,
    ) -> Result<(), Fault> {
        let Some((conn, mut io)) = self.split(key) else {
            return Ok(());
        };
        conn.phase = ConnPhase::Handshaking;
        conn.transport.connect(conn.sock, tls, http2, &mut io)
    }
}

impl Conn {
    fn is_handshaking(&self) -> bool {
        self.phase == ConnPhase::Handshaking
    }
}
