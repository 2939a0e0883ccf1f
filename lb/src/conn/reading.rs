//! Backpressure: a connection is read while what it feeds has room, and what it feeds goes on when its
//! own bytes have left.

use super::{Conn, ConnKey, ConnPhase, Side};
use crate::{
    limits,
    worker::{Todo, Worker},
};
use engines::SlotKey;

/// Spreads numbers that follow one another (2^64 over the golden ratio).
const MIXED: u64 = 0x9E37_79B9_7F4A_7C15;

impl Worker {
    /// Part of what was queued has left.
    pub(crate) fn on_sent(&mut self, key: ConnKey, bytes: usize) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let was_full = conn.is_full();
        conn.transport.on_sent(bytes);
        conn.pinned = conn
            .pinned
            .saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        if conn.has_resting() {
            self.end_rests(key);
        }
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.phase == ConnPhase::Flushing && conn.is_flushed() {
            self.drop_conn(key);
        } else if matches!(conn.phase, ConnPhase::Flushing | ConnPhase::Lingering) {
            conn.since = self.now;
            self.mark_conn(key);
        } else if was_full && !conn.is_full() && !cfg!(planted = "lost_resume") {
            // Each time another one is first, as the first may fill it again.
            let first = (self.turns.wrapping_mul(MIXED) >> 33) as usize;
            let first = first % conn.streams.len().max(1);
            let (later, sooner) = conn.streams.split_at(first);
            let streams = sooner.iter().chain(later);
            self.todo
                .extend(streams.map(|(_, stream)| Todo::Advance(*stream)));
            if conn.codec.is_multiplexed() {
                self.check_life(key);
            }
        }
    }

    /// Brings the engine's receiving and the alarm of a connection in line with its state; see
    /// `mark_conn`.
    pub(crate) fn sync_conn(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let (wanted, reading, sock) = (self.wants_reading(conn), conn.reading, conn.sock);
        let alarm = self.missing_alarm(conn);
        if wanted != reading {
            if wanted {
                self.net.engine.resume(sock);
            } else {
                self.count_backpressure(key);
                self.net.engine.pause(sock);
            }
        }
        if let Some(conn) = self.net.conns.get_mut(key) {
            (conn.reading, conn.is_marked) = (wanted, false);
            if let Some((patience, end)) = alarm {
                conn.alarm = Some(patience);
                self.wheels.conns.set(key.index(), end);
            }
        }
    }

    fn wants_reading(&self, conn: &Conn) -> bool {
        match conn.phase {
            ConnPhase::Connecting | ConnPhase::Flushing => return false,
            ConnPhase::Handshaking => return true,
            ConnPhase::Lingering => return !conn.peer_done,
            ConnPhase::Open => {}
        }
        if conn.peer_done || (conn.held && conn.has_inbox()) {
            return false;
        }
        if conn.codec.is_multiplexed() {
            return true;
        }
        let useless = |bytes: u32| bytes as usize > limits::DISCARD_BYTES_MAX;
        if !conn.streams.is_empty() && conn.discarding.is_some_and(useless) {
            return false;
        }
        conn.streams.iter().all(|(_, key)| {
            let Some(stream) = self.streams.get(*key) else {
                return true;
            };
            let (waiting, far) = if conn.is_down() {
                (stream.request_waiting(), stream.up.map(|up| up.conn))
            } else {
                (stream.response_waiting(), Some(stream.down.conn))
            };
            if !conn.is_down() && stream.response.passing > 0 {
                return false;
            }
            let full = far.is_some_and(|far| self.net.is_full(far));
            waiting < self.net.stream_bytes_max(far) && !full
        })
    }

    fn count_backpressure(&self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let down = match (&conn.side, conn.streams.first()) {
            _ if conn.phase != ConnPhase::Open || conn.peer_done || conn.held => return,
            (Side::Down { place, .. }, _) => Some(*place),
            (Side::Up { .. }, Some((_, stream))) => self.streams.get(*stream).map(|s| s.place),
            (Side::Up { .. }, None) => None,
        };
        if let Some(place) = down {
            self.listener_stats(place).backpressure.inc();
        }
    }
}
