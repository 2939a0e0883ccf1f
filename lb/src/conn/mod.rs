//! A connection that speaks a codec, downstream or upstream: bytes to frames to streams, and back.
//!
//! A connection owns its codec, its undecoded input and the names of the streams it carries. What it
//! sends is encoded into the worker's one outbox and leaves in as few pieces as possible. It is read
//! only while what it feeds has room (`wants_reading`).

mod agree;
mod client_cert;
mod ending;
mod frames;
mod handshakes;
mod input;
mod input_end;
mod keepalive;
mod linger;
mod outbox;
mod rare;
mod reading;
mod secure;
mod streams;
mod timers;

pub(crate) use outbox::Net;

use timers::Patience;

use crate::{
    addresses::Addresses, config::ClusterConfig, epoch::Place, limits, stream::Target,
    transport_socket::TransportSocket,
};
use codecs::{Codec, Life};
use engines::{Sock, slot_key};
use rare::Rare;
use std::time::Instant;
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
    /// TLS is not yet established.
    Handshaking,
    /// We have finished; input is read and dropped until the peer finishes too.
    Lingering,
    /// Frames flow.
    Open,
}

/// Which side of the proxy a connection is on.
#[derive(Debug)]
pub(crate) enum Side {
    Down {
        place: Place,
        addresses: Addresses,
        /// Its number.
        id: u32,
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
    /// What lies between the socket and the codec.
    pub(crate) transport: TransportSocket,
    pub(crate) phase: ConnPhase,
    rare: Option<Box<Rare>>,
    pub(crate) streams: Streams,
    /// Of the bytes queued in the engine, the ones up to the last that lies in a receive block.
    pinned: u32,
    /// Unsent bytes from which on what feeds this connection is not read.
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
const _: () = assert!(size_of::<Conn>() <= 160);

impl Conn {
    fn new(sock: Sock, side: Side, codec: Box<dyn Codec>, high: usize, now: Instant) -> Self {
        Self {
            sock,
            side,
            codec,
            transport: TransportSocket::default(),
            phase: ConnPhase::Open,
            rare: None,
            streams: Streams::default(),
            pinned: 0,
            high: high as u32,
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
        let codec = target.wire.first_protocol().client(&config.limits);
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

    /// Everything queued has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.transport.is_flushed()
    }

    /// Not even what is under way is queued on it now.
    pub(crate) fn is_crammed(&self) -> bool {
        self.transport.unsent() >= self.high as usize * limits::UNSENT_FULL
    }

    /// What feeds it is not to be read now.
    pub(crate) fn is_full(&self) -> bool {
        self.transport.unsent() >= self.high as usize
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

    /// The keys of its TLS are nearly used up: it is to end before they are.
    pub(crate) fn is_worn(&self) -> bool {
        self.transport.is_worn()
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
            Side::Up {
                resets, is_retired, ..
            } if is_multiplexed => {
                *resets = resets.saturating_add(1);
                !*is_retired && *resets >= limits::UPSTREAM_RESETS_MAX
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
