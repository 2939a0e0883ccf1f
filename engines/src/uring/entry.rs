//! What the engine knows of one socket.
//!
//! An entry lives until every operation that names it has completed, so a completion always finds
//! the entry it belongs to.

use super::{blocks::Filled, descriptor, relay::Relay, send::Gather};
use crate::{
    Class, Kind, Sock, SockAddr, buf::Group, lessee::Lessee, outlet::Outlet, sockaddr::RawAddr,
    socket,
};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

/// The operations of a socket that the kernel may have, at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Accept,
    Connect,
    PollIn,
    PollOut,
    Recv,
    Send,
    /// The waker's; belongs to no socket.
    Wake,
    /// Its outcome does not matter; belongs to no socket.
    Cancel,
}

pub(super) const OPS: [Op; 8] = [
    Op::Accept,
    Op::Connect,
    Op::PollIn,
    Op::PollOut,
    Op::Recv,
    Op::Send,
    Op::Wake,
    Op::Cancel,
];

/// A set of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ops(u8);

impl Ops {
    pub(super) fn has(self, op: Op) -> bool {
        self.0 & (1 << op as u8) != 0
    }

    pub(super) fn add(&mut self, op: Op) {
        self.0 |= 1 << op as u8;
    }

    pub(super) fn remove(&mut self, op: Op) {
        self.0 &= !(1 << op as u8);
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A socket's way through the engine.
#[derive(Debug)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// `detach` was called: goes when its sends have left.
    Leaving,
    /// Goes when the kernel has nothing of it any more.
    Ending(Option<io::Error>),
}

pub(super) struct Entry {
    /// None when it could not be opened; the entry is `Ending` then.
    pub(super) fd: Option<OwnedFd>,
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    /// What the kernel has.
    pub(super) flight: Ops,
    /// What of it was asked to end.
    pub(super) cancelled: Ops,
    /// Shut down on the way out.
    pub(super) shut: bool,
    /// In the list of sockets with something to start.
    pub(super) dirty: bool,
    /// In the list of sockets with something to deliver.
    pub(super) ready: bool,
    /// Where it connects to; in place until the connect completed.
    pub(super) target: Option<Box<RawAddr>>,
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
    /// What a gathered send in flight names.
    pub(super) gather: Option<Gather>,
    /// Bytes that the send in flight is to take.
    pub(super) sending: usize,
    /// As the source of a relay.
    pub(super) relay: Option<Box<Relay>>,
    /// As the target of a relay: its source.
    pub(super) source: Option<Sock>,
}

/// The receiving side, or the accepting one.
pub(super) struct Inlet {
    pub(super) wanted: bool,
    pub(super) lessee: Lessee,
    /// Group that the receive in flight takes its blocks from.
    pub(super) group: Group,
    /// That receive fills several blocks at once, and then ends.
    pub(super) bundled: bool,
    /// Readiness was reported and not used up (datagrams, non-blocking listeners, splicing).
    pub(super) readable: bool,
    /// The descriptor does not block: accepting goes by readiness.
    pub(super) nonblocking: bool,
    /// A listener's address, if all its connections have just that one.
    pub(super) local: Option<Box<SockAddr>>,
    pub(super) end: End,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: Vec<u8>,
    /// Filled blocks over the quota, and those that came after `detach`.
    pub(super) stash: VecDeque<Filled>,
}

/// The end of what the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    No,
    Seen,
    Told,
}

impl Entry {
    pub(super) fn new(fd: Option<OwnedFd>, kind: Kind, class: Class) -> Self {
        let listener = fd.as_ref().filter(|_| kind == Kind::Listener);
        let local = listener.and_then(|fd| socket::fixed_local(fd.as_fd()));
        let mut inlet = Inlet::new(class);
        inlet.local = local.map(Box::new);
        Self {
            fd,
            kind,
            phase: Phase::Open,
            flight: Ops::default(),
            cancelled: Ops::default(),
            shut: false,
            dirty: false,
            ready: false,
            target: None,
            inlet,
            outlet: Outlet::default(),
            gather: None,
            sending: 0,
            relay: None,
            source: None,
        }
    }

    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Makes a socket opened elsewhere fit for the ring; true when it blocks.
    pub(super) fn prepare(&self) -> io::Result<bool> {
        match &self.fd {
            Some(fd) => descriptor::prepare(fd, self.kind),
            None => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }
}

impl Inlet {
    fn new(class: Class) -> Self {
        Self {
            wanted: false,
            lessee: Lessee::new(class),
            group: class.into(),
            bundled: false,
            readable: false,
            nonblocking: false,
            local: None,
            end: End::No,
            unread: Vec::new(),
            stash: VecDeque::new(),
        }
    }
}
