//! What a simulated engine knows of one socket.

use super::{relay::Relay, socket::NetKey};
use crate::{
    Class, Datagram, Kind, Sock, SockAddr,
    lessee::{Lessee, Park},
    outlet::Outlet,
};
use std::{collections::VecDeque, io};

pub(super) struct Entry {
    /// None when it could not be opened; the entry is `Ending` then.
    pub(super) key: Option<NetKey>,
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    /// `detach` was called: goes when its sends have left.
    pub(super) is_leaving: bool,
    /// `abort` was called.
    pub(super) aborts: bool,
    /// `resume` was called.
    pub(super) is_wanted: bool,
    /// Blocks that are still received behind `pause`.
    pub(super) late_blocks: u8,
    pub(super) lessee: Lessee,
    pub(super) end: End,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: Vec<u8>,
    pub(super) outlet: Outlet,
    pub(super) datagrams: VecDeque<Datagram>,
    /// As the source of a relay.
    pub(super) relay: Option<Relay>,
    /// As the target of a relay: its source.
    pub(super) source: Option<Sock>,
}

/// A socket's way through the engine.
#[derive(Debug)]
pub(super) enum Phase {
    /// Opened to connect, and not started yet.
    New,
    Connecting,
    Open,
    Ending(Option<io::Error>),
}

/// The end of what the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    No,
    Told,
}

impl Entry {
    pub(super) fn new(key: Option<NetKey>, kind: Kind, class: Class, phase: Phase) -> Self {
        Self {
            key,
            kind,
            phase,
            is_leaving: false,
            aborts: false,
            is_wanted: false,
            late_blocks: 0,
            lessee: Lessee::new(class),
            end: End::No,
            unread: Vec::new(),
            outlet: Outlet::default(),
            datagrams: VecDeque::new(),
            relay: None,
            source: None,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }

    /// Receiving or accepting is asked for and may go on.
    pub(super) fn is_receiving(&self) -> bool {
        (self.is_wanted || self.late_blocks > 0)
            && !self.is_leaving
            && self.lessee.parked.is_none()
            && self.end == End::No
            && matches!(self.phase, Phase::Open)
    }

    pub(super) fn is_waiting_for_blocks(&self) -> bool {
        matches!(self.lessee.parked, Some(Park::Blocks | Park::Quota))
    }

    pub(super) fn has_sent_all(&self) -> bool {
        let is_drained = self.outlet.is_empty() && self.datagrams.is_empty();
        is_drained && self.outlet.is_at_rest()
    }
}

/// An address to connect to, as a refusal of it or nothing.
pub(super) fn check(to: &SockAddr) -> io::Result<()> {
    crate::sockaddr::RawAddr::encode(to).map(drop)
}
