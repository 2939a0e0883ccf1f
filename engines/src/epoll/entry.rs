//! What the engine knows of one socket.

use super::relay::Relay;
use crate::{
    Class, Kind, Sock, SockAddr,
    lessee::{Lessee, Park},
    outlet::{Finish, Outlet},
    sockaddr::RawAddr,
};
use nix::sys::epoll::EpollFlags;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// What readable sockets are armed for; the peer's end comes along.
const IN: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP);
const OUT: EpollFlags = EpollFlags::EPOLLOUT;
const BROKEN: EpollFlags = EpollFlags::EPOLLERR.union(EpollFlags::EPOLLHUP);
const ENDING: EpollFlags = EpollFlags::EPOLLRDHUP.union(BROKEN);

/// A socket's way through the engine.
#[derive(Debug)]
pub(super) enum Phase {
    Open,
    /// `detach` was called: goes when its sends have left.
    Leaving,
    Ending(Option<io::Error>),
}

/// A connection on its way to being one.
pub(super) enum Dial {
    Asked(Box<RawAddr>),
    UnderWay,
    Done,
}

pub(super) struct Entry {
    /// None when it could not be opened; the entry is `Ending` then.
    pub(super) fd: Option<OwnedFd>,
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    pub(super) dial: Dial,
    /// In a list of sockets to be served.
    pub(super) listed: bool,
    /// In the list of sockets to be armed.
    pub(super) unarmed: bool,
    /// What the kernel will tell of; none before the socket is registered.
    pub(super) armed: Option<EpollFlags>,
    /// Others may have descriptors of the same socket: closing ours does not end its registration.
    pub(super) shared: bool,
    /// There may be something to read: the next read tells.
    pub(super) readable: bool,
    /// The socket may take bytes: the next write tells.
    pub(super) writable: bool,
    /// The kernel told of the peer's end, or of an error; behind the last bytes a read finds it.
    pub(super) hung_up: bool,
    /// `resume` was called.
    pub(super) wanted: bool,
    /// The peer's end was told.
    pub(super) ended: bool,
    pub(super) lessee: Lessee,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: Vec<u8>,
    /// A listener's address, if all its connections have just that one.
    pub(super) local: Option<Box<SockAddr>>,
    pub(super) outlet: Outlet,
    /// As the source of a relay.
    pub(super) relay: Option<Box<Relay>>,
    /// As the target of a relay: its source.
    pub(super) source: Option<Sock>,
    /// The source has bytes in a pipe and waits for the socket to take them.
    pub(super) piped: bool,
}

impl Entry {
    pub(super) fn new(fd: OwnedFd, kind: Kind, class: Class) -> Self {
        Self::with(Some(fd), Phase::Open, kind, class)
    }

    /// A socket that could not be opened.
    pub(super) fn broken(cause: io::Error, kind: Kind) -> Self {
        Self::with(None, Phase::Ending(Some(cause)), kind, Class::default())
    }

    fn with(fd: Option<OwnedFd>, phase: Phase, kind: Kind, class: Class) -> Self {
        Self {
            fd,
            kind,
            phase,
            dial: Dial::Done,
            listed: false,
            unarmed: false,
            armed: None,
            shared: false,
            // A stream's first bytes are often there already.
            readable: kind == Kind::Stream,
            writable: true,
            hung_up: false,
            wanted: false,
            ended: false,
            lessee: Lessee::new(class),
            unread: Vec::new(),
            local: None,
            outlet: Outlet::default(),
            relay: None,
            source: None,
            piped: false,
        }
    }

    pub(super) fn with_fd<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        match &self.fd {
            Some(fd) => call(fd.as_fd()),
            None => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving)
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.dial, Dial::Done)
    }

    /// Receiving or accepting is asked for, and nothing stands against it.
    pub(super) fn receives(&self) -> bool {
        self.wanted
            && !self.ended
            && self.lessee.parked.is_none()
            && matches!(self.phase, Phase::Open)
    }

    pub(super) fn is_starved(&self) -> bool {
        self.lessee.parked == Some(Park::Blocks) && !self.is_ending()
    }

    /// Nothing is left to send in our direction.
    pub(super) fn has_sent_all(&self) -> bool {
        self.outlet.queue.is_empty() && self.outlet.finish != Finish::Asked && self.is_connected()
    }

    /// Notes what the kernel told; it will tell no more until the socket is armed again.
    pub(super) fn on_ready(&mut self, ready: EpollFlags) {
        self.armed = Some(EpollFlags::empty());
        self.readable |= ready.intersects(IN | BROKEN);
        self.writable |= ready.intersects(OUT | BROKEN);
        self.hung_up |= ready.intersects(ENDING);
    }

    /// What the kernel is to tell of and was not asked for yet.
    pub(super) fn missing(&self) -> Option<EpollFlags> {
        let mut interest = EpollFlags::empty();
        match (&self.phase, &self.dial) {
            (Phase::Ending(_), _) | (_, Dial::Asked(_)) => {}
            (_, Dial::UnderWay) => interest.insert(OUT),
            (Phase::Open | Phase::Leaving, Dial::Done) => {
                let sends = !self.outlet.queue.is_empty() || self.piped;
                interest.set(IN, !self.readable && self.receives());
                interest.set(OUT, !self.writable && sends);
            }
        }
        let armed = self.armed.unwrap_or(EpollFlags::empty());
        (!armed.contains(interest)).then_some(interest)
    }
}
