//! What the engine knows of one socket.
//!
//! An entry lives until every operation that names it has completed, so a completion always finds
//! the entry it belongs to. What an idle stream does not need lies apart, in [`Rare`].

use super::{blocks::Filled, descriptor, relay::Relay, rest::Idle, send::Gather};
use crate::{
    Class, Kind, Sock, SockAddr, buf::Group, lessee::Lessee, outlet::Outlet, sockaddr::RawAddr,
    socket,
};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// `detach` was called: goes when its sends have left.
    Leaving,
    /// Goes when the kernel has nothing of it any more; see [`Rare::cause`].
    Ending,
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
    /// Was shut down on the way out, or goes by a reset.
    pub(super) shut: bool,
    /// In the list of sockets with something to start.
    pub(super) dirty: bool,
    /// In the list of sockets with something to deliver.
    pub(super) ready: bool,
    pub(super) inlet: Inlet,
    /// Bytes that the send in flight is to take.
    pub(super) sending: u32,
    pub(super) outlet: Outlet,
    /// What a gathered send in flight names.
    pub(super) gather: Option<Gather>,
    /// As the source of a relay.
    pub(super) relay: Option<Box<Relay>>,
    rare: Option<Box<Rare>>,
}

/// An idle connection costs this much, of which there may be very many.
const _: () = assert!(size_of::<Entry>() <= 72);

/// What few sockets have, and idle streams never.
#[derive(Default)]
pub(super) struct Rare {
    /// Why it ends, unless the caller has closed it.
    pub(super) cause: Option<io::Error>,
    /// Where it connects to; in place until the connect completed.
    pub(super) target: Option<Box<RawAddr>>,
    /// A listener's address, if all its connections have just that one.
    pub(super) local: Option<SockAddr>,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: Vec<u8>,
    /// Filled blocks over the quota, and those that came after `detach`.
    pub(super) stash: VecDeque<Filled>,
    /// As the target of a relay: its source.
    pub(super) source: Option<Sock>,
}

/// The receiving side, or the accepting one.
pub(super) struct Inlet {
    pub(super) wanted: bool,
    pub(super) lessee: Lessee,
    /// Group that the receive in flight takes its blocks from.
    pub(super) group: Group,
    /// Readiness was reported and not used up (datagrams, non-blocking listeners, bulk, splicing).
    pub(super) readable: bool,
    /// The descriptor does not block: accepting goes by readiness.
    pub(super) nonblocking: bool,
    pub(super) idle: Idle,
    pub(super) end: End,
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
        let mut entry = Self {
            fd,
            kind,
            phase: Phase::Open,
            flight: Ops::default(),
            cancelled: Ops::default(),
            shut: false,
            dirty: false,
            ready: false,
            inlet: Inlet::new(class),
            sending: 0,
            outlet: Outlet::default(),
            gather: None,
            relay: None,
            rare: None,
        };
        if local.is_some() {
            entry.rare_mut().local = local;
        }
        entry
    }

    /// Is to go from now on; `cause`: not by the caller's will.
    pub(super) fn end(&mut self, cause: Option<io::Error>) {
        self.phase = Phase::Ending;
        if self.rare.is_some() || cause.is_some() {
            self.rare_mut().cause = cause;
        }
    }

    /// What lies apart, if there is anything.
    pub(super) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// What lies apart, to be added to.
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What lies apart, to be taken to pieces.
    pub(super) fn take_rare(&mut self) -> Rare {
        self.rare.take().map_or_else(Rare::default, |rare| *rare)
    }

    /// Where it connects to.
    pub(super) fn target(&self) -> Option<&RawAddr> {
        self.rare()?.target.as_deref()
    }

    /// Gives up what lies apart if none of it is needed any more.
    pub(super) fn settle(&mut self) {
        if self.rare().is_some_and(Rare::is_blank) {
            self.rare = None;
        }
    }

    /// Bytes wait to be delivered.
    pub(super) fn has_stored(&self) -> bool {
        self.rare().is_some_and(Rare::has_stored)
    }

    /// Filled blocks that wait to be delivered.
    pub(super) fn stashed(&self) -> usize {
        self.rare().map_or(0, |rare| rare.stash.len())
    }

    /// The peer's end was seen, everything before it was delivered, and it may be told.
    pub(super) fn owes_end(&self) -> bool {
        self.inlet.end == End::Seen && self.inlet.wanted && !self.has_stored()
    }

    /// As the target of a relay: its source.
    pub(super) fn source(&self) -> Option<Sock> {
        self.rare()?.source
    }

    pub(super) fn set_source(&mut self, source: Option<Sock>) {
        if source.is_some() || self.rare.is_some() {
            self.rare_mut().source = source;
        }
    }

    /// Calls with the descriptor, which there may be none of.
    pub(super) fn with_fd<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.fd {
            Some(fd) => call(fd.as_fd()),
            None => Err(io::Error::from_raw_os_error(libc::EBADF)),
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
        self.phase == Phase::Ending
    }

    /// Is to go, and not by the caller's will.
    pub(super) fn has_failed(&self) -> bool {
        self.rare().is_some_and(|rare| rare.cause.is_some())
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }
}

impl Rare {
    fn has_stored(&self) -> bool {
        !self.stash.is_empty() || !self.unread.is_empty()
    }

    fn is_blank(&self) -> bool {
        let Self {
            cause,
            target,
            local,
            unread,
            stash,
            source,
        } = self;
        let holds = cause.is_some() || target.is_some() || local.is_some() || source.is_some();
        !holds && unread.is_empty() && stash.is_empty()
    }
}

impl Inlet {
    fn new(class: Class) -> Self {
        Self {
            wanted: false,
            lessee: Lessee::new(class),
            group: class.into(),
            readable: false,
            nonblocking: false,
            idle: Idle::No,
            end: End::No,
        }
    }
}
