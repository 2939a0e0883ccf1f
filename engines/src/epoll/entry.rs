//! What the engine knows of one socket. What an idle stream does not need lies apart, in [`Rare`].

use super::relay::Relay;
use crate::{
    Class, Kind, Sock, SockAddr,
    lessee::{Lessee, Park},
    outlet::Outlet,
    sockaddr::RawAddr,
    socket,
};
use nix::sys::epoll::EpollFlags;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// TCP urgent data, sent by the peer and not received yet.
const URGENT: EpollFlags = EpollFlags::EPOLLPRI;
/// The peer's end comes along with what can be read.
const IN: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP);
const OUT: EpollFlags = EpollFlags::EPOLLOUT;
const BROKEN: EpollFlags = EpollFlags::EPOLLERR.union(EpollFlags::EPOLLHUP);
const ENDING: EpollFlags = EpollFlags::EPOLLRDHUP.union(BROKEN);

/// A socket's way through the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// `detach` was called: goes when its sends have left.
    Leaving,
    /// Is to go; see [`Rare::cause`].
    Ending,
}

/// A connection on its way to being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// See [`Rare::target`].
    Asked,
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
    /// In the list of sockets to be registered.
    pub(super) awaits_registration: bool,
    /// The kernel tells of each change.
    pub(super) registered: bool,
    /// Others may have descriptors of the same socket: closing ours does not end its registration.
    pub(super) shared: bool,
    /// There may be something to read: the next read tells.
    pub(super) readable: bool,
    /// The socket may take bytes: the next write tells.
    pub(super) writable: bool,
    /// A read that does not fill its room may leave something behind: it stopped at urgent data or at
    /// descriptors that a Unix socket passed along, or the peer's end or an error is next.
    pub(super) reads_stop_short: bool,
    /// `resume` was called.
    pub(super) wanted: bool,
    /// The peer's end was told.
    pub(super) ended: bool,
    /// The source has bytes in a pipe and waits for the socket to take them.
    pub(super) piped: bool,
    pub(super) lessee: Lessee,
    pub(super) outlet: Outlet,
    /// As the source of a relay.
    pub(super) relay: Option<Box<Relay>>,
    rare: Option<Box<Rare>>,
}

/// An idle connection costs this much, of which there may be very many.
const _: () = assert!(size_of::<Entry>() <= 64);

/// What few sockets have, and idle streams never.
#[derive(Default)]
pub(super) struct Rare {
    /// Why it ends, unless the caller has closed it.
    pub(super) cause: Option<io::Error>,
    /// Where it connects to; in place until that has begun.
    pub(super) target: Option<Box<RawAddr>>,
    /// A listener's address, if all its connections have just that one.
    pub(super) local: Option<SockAddr>,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: Vec<u8>,
    /// As the target of a relay: its source.
    pub(super) source: Option<Sock>,
}

impl Entry {
    pub(super) fn new(fd: OwnedFd, kind: Kind, class: Class) -> Self {
        let listens = kind == Kind::Listener;
        let local = listens.then(|| socket::fixed_local(fd.as_fd())).flatten();
        let mut entry = Self::with(Some(fd), kind, class);
        if local.is_some() {
            entry.rare_mut().local = local;
        }
        entry
    }

    /// A stream that is to connect first.
    pub(super) fn dialing(fd: OwnedFd, target: Box<RawAddr>, class: Class) -> Self {
        let mut this = Self::new(fd, Kind::Stream, class);
        this.dial = Dial::Asked;
        // A new connection's peer has not heard of us yet.
        this.readable = false;
        this.reads_stop_short = target.is_unix();
        this.rare_mut().target = Some(target);
        this
    }

    /// A socket that could not be opened.
    pub(super) fn broken(cause: io::Error, kind: Kind) -> Self {
        let mut this = Self::with(None, kind, Class::default());
        this.end(Some(cause));
        this
    }

    fn with(fd: Option<OwnedFd>, kind: Kind, class: Class) -> Self {
        Self {
            fd,
            kind,
            phase: Phase::Open,
            dial: Dial::Done,
            listed: false,
            awaits_registration: false,
            registered: false,
            shared: false,
            // A stream's first bytes are often there already.
            readable: kind == Kind::Stream,
            writable: true,
            reads_stop_short: false,
            wanted: false,
            ended: false,
            piped: false,
            lessee: Lessee::new(class),
            outlet: Outlet::default(),
            relay: None,
            rare: None,
        }
    }

    /// Is to go from now on; `cause`: not by the caller's will.
    pub(super) fn end(&mut self, cause: Option<io::Error>) {
        self.phase = Phase::Ending;
        if cause.is_some() {
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

    /// Gives up what lies apart if none of it is needed any more.
    pub(super) fn settle(&mut self) {
        if self.rare().is_some_and(Rare::is_blank) {
            self.rare = None;
        }
    }

    /// There are bytes that an adopted socket brought along.
    pub(super) fn has_unread(&self) -> bool {
        self.rare().is_some_and(|rare| !rare.unread.is_empty())
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
        self.phase == Phase::Ending
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.phase == Phase::Leaving
    }

    pub(super) fn is_connected(&self) -> bool {
        self.dial == Dial::Done
    }

    /// Receiving or accepting is asked for, and nothing stands against it.
    pub(super) fn receives(&self) -> bool {
        self.wanted && !self.ended && self.lessee.parked.is_none() && self.phase == Phase::Open
    }

    pub(super) fn is_starved(&self) -> bool {
        self.lessee.parked == Some(Park::Blocks) && !self.is_ending()
    }

    /// Nothing is left to send in our direction.
    pub(super) fn has_sent_all(&self) -> bool {
        self.is_drained() && self.outlet.is_at_rest()
    }

    /// Nothing is queued that what a relay moves would overtake.
    pub(super) fn is_drained(&self) -> bool {
        self.outlet.is_empty() && self.is_connected()
    }

    /// Is to go, and not by the caller's will.
    pub(super) fn has_failed(&self) -> bool {
        self.rare().is_some_and(|rare| rare.cause.is_some())
    }

    /// Notes what the kernel told; it tells the same again only after a change.
    pub(super) fn on_ready(&mut self, ready: EpollFlags) {
        self.readable |= ready.intersects(IN | URGENT | BROKEN);
        self.writable |= ready.intersects(OUT | BROKEN);
        self.reads_stop_short |= ready.intersects(URGENT | ENDING);
    }

    /// The socket waits for a change, and the kernel was not asked yet to tell of any.
    pub(super) fn must_register(&self) -> bool {
        let waits = match (self.phase, self.dial) {
            (Phase::Ending, _) | (_, Dial::Asked) => false,
            (_, Dial::UnderWay) => true,
            (Phase::Open | Phase::Leaving, Dial::Done) => {
                let sends = !self.outlet.is_empty() || self.piped;
                !self.readable && self.receives() || !self.writable && sends
            }
        };
        waits && !self.registered
    }

    /// All that the kernel is ever to tell of. Others than streams never wait to send.
    pub(super) fn interest(&self) -> EpollFlags {
        match self.kind {
            Kind::Stream => IN.union(URGENT).union(OUT),
            Kind::Datagram | Kind::Listener => IN,
        }
    }
}

impl Rare {
    fn is_blank(&self) -> bool {
        let Self {
            cause,
            target,
            local,
            unread,
            source,
        } = self;
        let holds = cause.is_some() || target.is_some() || local.is_some() || source.is_some();
        !holds && unread.is_empty()
    }
}
