//! The sockets of a simulated network, as its kernel would keep them.

use super::{agenda::Packet, net::EngineId};
use crate::{Kind, SockAddr, slot_key};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

slot_key! {
    /// Names one socket of the network.
    pub(super) struct NetKey;
}

/// A socket and who is told of what happens to it.
#[derive(Debug)]
pub(super) struct Socket {
    /// The engine that holds it and the index of its entry there; none on its way between engines,
    /// before it is accepted, and after it was closed.
    pub(super) holder: Option<(EngineId, u32)>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Listener(Listener),
    Mailbox(Mailbox),
    Stream(Box<Stream>),
}

impl Body {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Listener(_) => Kind::Listener,
            Self::Mailbox(_) => Kind::Datagram,
            Self::Stream(_) => Kind::Stream,
        }
    }

    pub(super) fn local(&self) -> &SockAddr {
        match self {
            Self::Listener(listener) => &listener.at,
            Self::Mailbox(mailbox) => &mailbox.at,
            Self::Stream(stream) => &stream.local,
        }
    }
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) at: SockAddr,
    /// Connections not accepted yet.
    pub(super) queue: VecDeque<NetKey>,
    pub(super) queue_max: usize,
}

/// A bound datagram socket.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) at: SockAddr,
    pub(super) queue: VecDeque<Packet>,
    pub(super) bytes: usize,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) local: SockAddr,
    pub(super) peer: SockAddr,
    pub(super) state: State,
    /// The other end, once there is a connection and until that end is gone.
    pub(super) other: Option<NetKey>,
    /// The port that is free again when the socket is gone.
    pub(super) port: Option<u16>,
    /// What a segment of the connection takes, jitter aside.
    pub(super) latency: Duration,
    pub(super) inlet: Inlet,
    /// Our direction has ended.
    pub(super) is_finished: bool,
    /// The other end waits for room here.
    pub(super) is_awaited: bool,
    /// The fatal error, and whether it shows on a paused socket.
    pub(super) error: Option<(i32, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Opened, and connecting at most.
    New,
    Open,
    /// Closed; takes what is still under way.
    Orphan,
}

/// What comes in on a stream.
#[derive(Debug)]
pub(super) struct Inlet {
    /// Under way, in order.
    pub(super) flight: VecDeque<(Instant, Segment)>,
    /// Bytes under way.
    pub(super) flight_bytes: usize,
    /// Arrived and not read.
    pub(super) arrived: VecDeque<u8>,
    /// The other direction has ended behind `arrived`.
    pub(super) is_ended: bool,
}

#[derive(Debug)]
pub(super) enum Segment {
    Data(Vec<u8>),
    /// The connection stands.
    Established,
    Fin,
    Refused,
    Reset,
}

impl Stream {
    pub(super) fn new(local: SockAddr, peer: SockAddr, state: State) -> Self {
        Self {
            local,
            peer,
            state,
            other: None,
            port: None,
            latency: Duration::ZERO,
            inlet: Inlet {
                flight: VecDeque::new(),
                flight_bytes: 0,
                arrived: VecDeque::new(),
                is_ended: false,
            },
            is_finished: false,
            is_awaited: false,
            error: None,
        }
    }

    /// Bytes sent to this end and not read by it.
    pub(super) fn unread(&self) -> usize {
        self.inlet.flight_bytes + self.inlet.arrived.len()
    }
}

/// What a read finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    Nothing,
    Bytes(usize),
    End,
    Error(i32),
}
