//! A connection that speaks a codec, downstream or upstream: bytes to frames to streams, and back.
//!
//! A connection owns its codec, its undecoded input and the names of the streams it carries. What it
//! sends is encoded into the worker's one outbox and leaves in as few pieces as possible. It is read
//! only while what it feeds has room (`wants_reading`).

mod input;
mod keepalive;
mod linger;
mod outbox;
mod rare;
mod streams;
mod timers;

pub(crate) use outbox::Net;

use timers::Patience;

use crate::{
    addresses::Addresses,
    config::{ClusterConfig, CodecType, HttpConfig},
    limits,
    stream::Target,
    worker::Worker,
};
use codecs::{Codec, Life, Protocol};
use engines::{SlotKey, Sock, SockAddr, slot_key};
use rare::Rare;
use std::{io, time::Instant};
use streams::Streams;

slot_key! {
    /// Names one connection of one worker.
    pub struct ConnKey;
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnPhase {
    /// Upstream: not yet open.
    Connecting,
    /// Closed as soon as what is queued has left; input is not read any more.
    Flushing,
    /// We have finished; input is read and dropped until the peer finishes too.
    Lingering,
    /// Frames flow.
    Open,
}

/// Spreads numbers that follow one another (2^64 over the golden ratio).
const MIXED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Which side of the proxy a connection is on.
#[derive(Debug)]
pub(crate) enum Side {
    Down {
        listener: usize,
        addresses: Addresses,
    },
    Up {
        target: Target,
        credit: bool,
        /// An answer came on it.
        has_answered: bool,
        /// It takes no more requests, and ends with the last that it has.
        is_retired: bool,
        /// Streams that we gave up on it, less answers that came.
        resets: u16,
    },
}

/// One connection.
pub(crate) struct Conn {
    pub(crate) sock: Sock,
    pub(crate) side: Side,
    pub(crate) codec: Box<dyn Codec>,
    pub(crate) phase: ConnPhase,
    rare: Option<Box<Rare>>,
    pub(crate) streams: Streams,
    /// Bytes queued in the engine.
    pub(crate) unsent: usize,
    /// Of those, the ones up to the last that lies in a receive block.
    pinned: u32,
    /// Bytes ever queued on it, or passed on to it by the engine; saturates.
    total_sent: u32,
    /// `unsent` from which on what feeds this connection is not read.
    high: u32,
    /// Requests begun on it.
    pub(crate) requests: u32,
    /// Bytes of the streams that it carries now were given to the engine, and may have left.
    pub(crate) is_committed: bool,
    /// The turn in which the last stream was given to it; 0: none yet.
    pub(crate) bound: u64,
    /// The engine was told to receive.
    reading: bool,
    /// The codec waits for the current answer.
    held: bool,
    /// Downstream: which protocol it speaks is told by its first bytes.
    is_undetected: bool,
    /// Among what is settled at the end of the turn.
    pub(crate) is_marked: bool,
    /// The peer has finished.
    pub(crate) peer_done: bool,
    /// Bytes read and dropped: of a request that is already answered, or while lingering.
    discarding: Option<u32>,
    /// When the present state began: idle, part of a head, lingering, connecting.
    since: Instant,
    /// The patience whose end its alarm was set for.
    alarm: Option<Patience>,
}

/// An idle connection costs this much, of which there may be very many.
const _: () = assert!(size_of::<Conn>() <= 152);

impl Conn {
    fn new(sock: Sock, side: Side, codec: Box<dyn Codec>, high: usize, now: Instant) -> Self {
        Self {
            sock,
            side,
            codec,
            phase: ConnPhase::Open,
            rare: None,
            streams: Streams::default(),
            unsent: 0,
            pinned: 0,
            total_sent: 0,
            high: high.clamp(1, limits::UNSENT_HIGH_BYTES) as u32,
            requests: 0,
            is_committed: false,
            bound: 0,
            reading: false,
            held: false,
            is_undetected: false,
            is_marked: false,
            peer_done: false,
            discarding: None,
            since: now,
            alarm: None,
        }
    }

    pub(crate) fn upstream(
        sock: Sock,
        target: Target,
        config: &ClusterConfig,
        credit: bool,
        now: Instant,
    ) -> Self {
        let codec = target.wire.protocol().client(&config.limits);
        let side = Side::Up {
            target,
            credit,
            has_answered: false,
            is_retired: false,
            resets: 0,
        };
        let conn = Self::new(sock, side, codec, config.buffer_limit, now);
        Self {
            phase: ConnPhase::Connecting,
            ..conn
        }
    }

    /// So many bytes more are sent on it, by us or by the engine alone.
    pub(crate) fn count_sent(&mut self, bytes: u64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.total_sent = self.total_sent.saturating_add(bytes);
    }

    /// Not even what is under way is queued on it now.
    pub(crate) fn is_crammed(&self) -> bool {
        self.unsent >= self.high as usize * limits::UNSENT_FULL
    }

    /// What feeds it is not to be read now.
    pub(crate) fn is_full(&self) -> bool {
        self.unsent >= self.high as usize
    }

    /// So much still to come for it is worth leaving to the engine.
    pub(crate) fn bulk_bytes(&self) -> u64 {
        u64::from(self.high) * limits::PASS_BUFFERS
    }

    /// The engine passes on what it receives, and pauses it behind that.
    pub(crate) fn on_passing(&mut self) {
        self.reading = false;
    }

    /// Input is no longer held; true if there is some, or its end.
    pub(crate) fn unhold(&mut self) -> bool {
        std::mem::take(&mut self.held) && (self.peer_done || self.has_inbox())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == ConnPhase::Open
    }

    /// It can carry one more request.
    pub(crate) fn has_room(&self) -> bool {
        let free = matches!(self.codec.life(), Life::Open { streams } if streams > 0);
        // Heads are bytes too: where others wait to be sent, no more are added.
        let takes = !self.codec.is_multiplexed() || !self.is_full();
        free && takes && self.is_open() && !self.peer_done
    }

    pub(crate) fn target(&self) -> Option<Target> {
        match self.side {
            Side::Down { .. } => None,
            Side::Up { target, .. } => Some(target),
        }
    }

    /// An answer came on it.
    pub(crate) fn note_answer(&mut self) {
        if let Side::Up {
            has_answered,
            resets,
            ..
        } = &mut self.side
        {
            (*has_answered, *resets) = (true, resets.saturating_sub(1));
        }
    }

    /// One of its streams is given up; true if it carries no more requests because of that, where it
    /// carries many ([`limits::UPSTREAM_RESETS_MAX`]).
    pub(crate) fn count_reset(&mut self) -> bool {
        let is_multiplexed = self.codec.is_multiplexed();
        match &mut self.side {
            Side::Up { resets, .. } if is_multiplexed => {
                *resets = resets.saturating_add(1);
                *resets >= limits::UPSTREAM_RESETS_MAX
            }
            Side::Up { .. } | Side::Down { .. } => false,
        }
    }

    /// It takes no more requests; false if that is known.
    pub(crate) fn retire(&mut self) -> bool {
        match &mut self.side {
            Side::Up { is_retired, .. } => !std::mem::replace(is_retired, true),
            Side::Down { .. } => false,
        }
    }

    /// A request's answer is complete and the connection waits for the next.
    pub(crate) fn rest(&mut self, now: Instant) {
        self.since = now;
    }

    /// Upstream, open, and without a request.
    pub(crate) fn is_pooled(&self) -> bool {
        !self.is_down() && self.phase == ConnPhase::Open && self.streams.is_empty()
    }

    fn is_down(&self) -> bool {
        matches!(self.side, Side::Down { .. })
    }
}

/// What a connection speaks as long as its first bytes say nothing else.
fn first_protocol(codec: CodecType) -> &'static dyn Protocol {
    match codec {
        CodecType::Auto | CodecType::Http1 => &codecs::http1::Http1,
        CodecType::Http2 => &codecs::http2::Http2,
    }
}

impl Worker {
    /// A connection was accepted by an HTTP listener.
    pub(crate) fn open_downstream(
        &mut self,
        listener: usize,
        http: &HttpConfig,
        sock: Sock,
        peer: SockAddr,
        local: SockAddr,
    ) {
        let codec = first_protocol(http.codec).server(&http.limits);
        let high = self.epoch.listener(listener).buffer_limit;
        let side = Side::Down {
            listener,
            addresses: Addresses::new(peer, local),
        };
        let conn = Conn::new(sock, side, codec, high, self.now);
        let key = self.net.conns.insert(Conn {
            is_undetected: http.codec == CodecType::Auto,
            ..conn
        });
        self.own(sock, crate::worker::Owner::Conn(key));
        self.start_keepalive(key);
        self.mark_conn(key);
    }

    /// A connection that we began is open.
    pub(crate) fn on_connected(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        (conn.phase, conn.since) = (ConnPhase::Open, self.now);
        if conn.codec.is_multiplexed() {
            // What the protocol begins with goes before the first request.
            self.net.write(key, |codec, out| codec.control(out));
            self.start_keepalive(key);
        }
        if let Some(target) = self.net.conns.get(key).and_then(Conn::target) {
            self.pool_connected(key, target);
        }
        self.mark_conn(key);
    }

    /// Part of what was queued has left.
    pub(crate) fn on_sent(&mut self, key: ConnKey, bytes: usize) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let was_full = conn.is_full();
        debug_assert!(conn.unsent >= bytes, "more was sent than queued");
        conn.unsent = conn.unsent.saturating_sub(bytes);
        conn.pinned = conn
            .pinned
            .saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        if conn.has_resting() {
            self.end_rests(key);
        }
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.phase == ConnPhase::Flushing && conn.unsent == 0 {
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
                .extend(streams.map(|(_, stream)| crate::worker::Todo::Advance(*stream)));
            if conn.codec.is_multiplexed() {
                self.check_life(key);
            }
        }
    }

    /// The socket is gone: reset, failed, or broken.
    pub(crate) fn on_closed(&mut self, key: ConnKey, _cause: Option<io::Error>) {
        self.lose_conn(key);
    }

    /// Closes a connection at once. Its streams are told.
    pub(crate) fn drop_conn(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let sock = conn.sock;
        self.net.forget(key);
        self.close_sock(sock);
        self.lose_conn(key);
    }

    /// A connection is no more: what it carried is told, pool and counters are settled.
    fn lose_conn(&mut self, key: ConnKey) {
        self.net.forget(key);
        let Some(mut conn) = self.net.conns.remove(key) else {
            return;
        };
        self.wheels.conns.set(key.index(), None);
        self.wheels.pings.set(key.index(), None);
        match conn.side {
            Side::Down { listener, .. } => {
                self.listener_stats(listener).connections_active.dec();
                for rested in conn.take_resting() {
                    self.end_rest(rested);
                }
                for (_, stream) in conn.streams.iter() {
                    self.on_downstream_lost(*stream);
                }
            }
            Side::Up {
                target,
                credit,
                has_answered,
                is_retired,
                ..
            } => {
                let connected = conn.phase != ConnPhase::Connecting;
                self.pool_lost(key, target, credit, connected, is_retired);
                if !connected {
                    self.pool_connect_failed(target);
                }
                let unsent = !conn.is_committed;
                for (_, stream) in conn.streams.iter() {
                    self.on_upstream_lost(*stream, unsent, has_answered);
                }
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
            (Side::Down { listener, .. }, _) => Some(*listener),
            (Side::Up { .. }, Some((_, stream))) => self.streams.get(*stream).map(|s| s.listener),
            (Side::Up { .. }, None) => None,
        };
        if let Some(listener) = down {
            self.listener_stats(listener).backpressure.inc();
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
                self.todo.push_back(crate::worker::Todo::Decode(key));
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
