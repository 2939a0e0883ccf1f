//! What ends a connection, and what becomes of one when something on it has ended.

use super::{Conn, ConnKey, ConnPhase, Side, streams::Streams};
use crate::{
    pool::Wire,
    stream::{Failure, Gone, StreamKey, Target},
    transport_failure::TransportFailure,
    transport_socket::TransportSocket,
    worker::{Owner, Todo, Worker},
};
use codecs::Life;
use engines::{SlotKey, Sock};
use std::io;

/// What the loss of a connection to an endpoint means to others.
struct Loss {
    target: Target,
    credit: bool,
    is_connected: bool,
    is_retired: bool,
    has_answered: bool,
    /// None of what its streams asked for was sent.
    is_unsent: bool,
    /// Why its TLS failed.
    why: Option<TransportFailure>,
    streams: Streams,
}

impl Conn {
    /// What others have to be told, if they were not; nothing at a client's connection.
    fn take_loss(&mut self) -> Option<Loss> {
        let Side::Up {
            target,
            credit,
            has_answered,
            is_retired,
            ..
        } = self.side
        else {
            return None;
        };
        let is_connected = !matches!(self.phase, ConnPhase::Connecting | ConnPhase::Handshaking);
        (!self.is_lost()).then(|| Loss {
            target,
            credit,
            is_connected,
            is_retired,
            has_answered,
            is_unsent: !self.is_committed,
            why: self.failure().cloned(),
            streams: std::mem::take(&mut self.streams),
        })
    }
}

impl Worker {
    /// The socket is gone: reset, failed, or broken.
    pub(crate) fn on_closed(&mut self, key: ConnKey, _cause: Option<io::Error>) {
        if let Some(fault) = self.cut_handshake(key) {
            self.note_fault(key, &fault);
        }
        self.lose_conn(key);
    }

    /// Closes a connection at once. Its streams are told.
    pub(crate) fn drop_conn(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let (sock, must_reset) = (conn.sock, self.must_reset(conn));
        self.net.forget(key);
        if must_reset {
            self.abort_sock(sock);
        } else {
            self.close_sock(sock);
        }
        self.lose_conn(key);
    }

    /// The peer would take the end of a connection that is closed now for the end of what was sent, though that is not
    /// whole. Not where TLS tells by what it does not say, or the framing.
    fn must_reset(&self, conn: &Conn) -> bool {
        if conn.transport.is_secure() {
            return false;
        }
        let is_begun = |key: &StreamKey| self.streams.get(*key).is_some_and(|s| s.is_begun());
        let is_answering = || conn.streams.iter().any(|(_, key)| is_begun(key));
        let may_lack = || !conn.is_flushed() || conn.is_down() && is_answering();
        conn.is_broken_off() || conn.codec.ends_by_close() && may_lack()
    }

    /// A connection is no more: what it carried is told, pool and counters are settled.
    fn lose_conn(&mut self, key: ConnKey) {
        self.net.forget(key);
        if let Some(fault) = self.net.take_fault(key) {
            self.note_fault(key, &fault);
        }
        let Some(mut conn) = self.net.conns.remove(key) else {
            return;
        };
        self.wheels.conns.set(key.index(), None);
        self.wheels.pings.set(key.index(), None);
        match conn.side {
            Side::Down { place, .. } => {
                self.listener_stats(place).connections_active.dec();
                self.leave_streams(&conn);
                if conn.phase == ConnPhase::Handshaking {
                    self.handshakes.end();
                }
                for rested in conn.take_resting() {
                    self.end_rest(rested);
                }
                for (_, stream) in conn.streams.iter() {
                    self.on_downstream_lost(*stream);
                }
                self.log_conn(&conn);
            }
            Side::Up { .. } => {
                if let Some(loss) = conn.take_loss() {
                    self.tell_loss(key, loss);
                }
            }
        }
    }

    /// A client's connection is gone: its streams keep what their lines in access logs tell of it. All of them do before
    /// the first ends, which may bring the end of others about.
    fn leave_streams(&mut self, conn: &Conn) {
        let Side::Down { addresses, id, .. } = &conn.side else {
            return;
        };
        for (_, stream) in conn.streams.iter() {
            if let Some(stream) = self.streams.get_mut(*stream) {
                stream.gone = Some(Box::new(Gone {
                    addresses: addresses.clone(),
                    id: *id,
                    failure: conn.failure().cloned(),
                }));
            }
        }
    }

    /// Gives up a connection to an endpoint with which no TLS came about: others are told at once, the socket
    /// is closed when the alert has left.
    pub(super) fn part(&mut self, key: ConnKey) {
        self.net.forget(key);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let loss = conn.take_loss();
        conn.note_lost();
        if let Some(loss) = loss {
            self.tell_loss(key, loss);
        }
        // The alert says it all.
        self.net.flush();
        self.close_flushed(key);
    }

    /// Closes the socket of a connection to an endpoint when what is queued on it has left; nobody waits for that.
    /// `is_cut`: more should have followed.
    pub(crate) fn part_sock(
        &mut self,
        sock: Sock,
        cluster: usize,
        endpoint: usize,
        transport: TransportSocket,
        is_cut: bool,
    ) {
        // Nobody takes what it brings.
        self.net.engine.pause(sock);
        let config = self.upstreams[cluster].cluster.config.clone();
        let target = Target {
            cluster,
            endpoint,
            wire: Wire::Http1,
        };
        let mut conn = Conn::upstream(sock, target, &config, false, self.now);
        (conn.phase, conn.transport) = (ConnPhase::Flushing, transport);
        conn.note_lost();
        if is_cut {
            conn.note_broken_off();
        }
        let key = self.net.conns.insert(conn);
        self.own(sock, Owner::Conn(key));
        self.mark_conn(key);
    }

    fn tell_loss(&mut self, key: ConnKey, loss: Loss) {
        let target = loss.target;
        self.pool_lost(key, target, loss.credit, loss.is_connected, loss.is_retired);
        if !loss.is_connected {
            let why = loss.why.clone();
            let failure = why.map_or(Failure::Connect, Failure::Handshake);
            self.pool_connect_failed(target, &failure);
        }
        for (_, stream) in loss.streams.iter() {
            self.on_upstream_lost(*stream, loss.is_unsent, loss.has_answered, loss.why.clone());
        }
    }

    /// An answer went out completely, or its stream was given up: what becomes of the connection.
    pub(crate) fn after_answer(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.streams.is_empty() {
            conn.since = self.now;
        }
        if conn.phase != ConnPhase::Open {
            return;
        }
        let life = conn.codec.life();
        if life == Life::Over && conn.may_close_at_once() {
            self.end_conn(key);
        } else if life.is_closed() {
            self.linger(key);
        } else if conn.held {
            if conn.unhold() {
                self.todo.push_back(Todo::Decode(key));
            }
        } else if conn.peer_done && conn.streams.is_empty() {
            self.flush_and_close(key);
        }
        self.mark_conn(key);
    }

    /// The worker drains: an idle connection is closed, another with its current answer.
    pub(crate) fn drain_conn(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.phase == ConnPhase::Handshaking {
            // From now on it has less time.
            conn.alarm = None;
            return self.mark_conn(key);
        }
        let idle = conn.streams.is_empty() && conn.phase == ConnPhase::Open;
        if idle && conn.is_down() && !conn.has_inbox() && !conn.codec.is_multiplexed() {
            self.linger(key);
        } else if idle && !conn.is_down() {
            self.drop_conn(key);
        } else if conn.is_down() {
            self.net.write(key, |codec, out| codec.drain(out));
            self.check_life(key);
        }
        self.mark_conn(key);
    }

    /// The codec of a connection with many streams may have come to its end, or its pool may not know
    /// that it has room.
    pub(crate) fn check_life(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key).filter(|conn| conn.is_open()) else {
            return;
        };
        let (life, is_empty) = (conn.codec.life(), conn.streams.is_empty());
        match (life, conn.target()) {
            (Life::Closed | Life::Over, None) if is_empty => self.linger(key),
            (Life::Closed | Life::Over, Some(_)) if !is_empty => self.drop_conn(key),
            (Life::Closed | Life::Draining | Life::Over, Some(_)) if is_empty => {
                self.flush_and_close(key);
            }
            (Life::Open { streams }, Some(target)) => self.on_room(key, target, streams),
            (Life::Closed | Life::Draining | Life::Over, _) | (Life::Open { .. }, None) => {}
        }
    }
}
