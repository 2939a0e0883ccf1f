//! The engine contract. Each numbered line is a test in `tests/contract.rs` that runs against all
//! four engines.
//!
//! 1. `listen`, `bind`, `local` and `original_dst` answer at once; every other method only enqueues.
//!    Nothing is delivered inside a call; all outcomes are events of a later `wait`. `send`, `finish`
//!    and `resume` before `Connected` are kept until then.
//! 2. After `close` or `abort` only one `Closed` follows; a stale `Sock` is ignored. What the peer is
//!    told differs. Behind `close` it sees the end of the stream. Behind `abort` a TCP peer sees a
//!    reset and never an end: what it was sent before and has received stays readable, and what the
//!    kernel has not sent yet is lost. A Unix socket has no reset: there `abort` is `close`.
//! 3. Sockets start paused. `pause` is a request: what was already under way still arrives (at most
//!    the socket's block quota), then neither `Received` nor `Finished`; a fatal error may show as
//!    `Closed` now or at the next resume or send.
//! 4. Sends of one socket leave in order. Buffers queued in one turn leave in one gathered call;
//!    `TCP_NODELAY` is on. `Sent` reports bytes and frees leases.
//! 5. `finish` comes after every queued send. `Finished` leaves our direction open. Both directions
//!    finished is not the end: a socket ends only by `close`, `abort`, a failed connect or a fatal error.
//! 6. A failed connect is `Closed { cause }` without `Connected`.
//! 7. Running out of receive blocks delays receiving, never fails it; it resumes when leases come
//!    home. Every socket has a block quota, and a reserve group serves sockets that hold no lease, so
//!    peers that pin every block they may never keep a fresh connection from being served.
//! 8. After `Closed` nothing of the socket is in the kernel: descriptor, operations and buffers queued
//!    in its `send` are back. It comes once and last (after `detach`, `Detached` comes instead). It
//!    never waits for receive leases that the caller holds.
//! 9. `wait` returns at the latest at `deadline`; `now` does not change between two waits.
//! 10. `relay` is infallible: after it no `Received`; bytes under way go first; `Relayed` reports
//!     progress at least each second; FIN passes on as half-close, then `Finished { from }`.
//! 11. `pass` is a relay with an end: exactly so many of the next bytes that `from` receives go to
//!     `to`, behind all that is queued there; those behind them stay `from`'s. `Relayed` tells the
//!     last bytes at once; then `from` is paused, and both are as any other socket. Until then
//!     `pause` and `resume` of `from` do nothing, and `finish` and `detach` of `to` wait. A FIN of
//!     `from` that comes first ends it after all has left, and goes no further: `Finished { from }`.
//!     When `from` goes, `to` sends what is queued on it. When `to` goes, `from` receives nothing
//!     more. Either way all progress was told before, unless the caller has closed `from`.
//! 12. No flags: a caller cannot find out which engine it has.

use crate::{Blocks, Buf, BufMut, Class, Sock, Waker};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    time::{Duration, Instant},
};

/// Owns sockets and moves bytes; see the module's contract.
pub trait Engine {
    /// Submits what is queued, then waits for events (at most 256, bounded bytes a socket) or for
    /// `deadline`. `None` waits without end.
    ///
    /// # Errors
    /// Only when the engine itself is broken; the worker cannot go on.
    fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()>;
    /// The time of the last `wait`.
    fn now(&self) -> Instant;
    /// Calendar time of the last `wait`; virtual in `sim`.
    fn wall(&self) -> UnixTime;
    /// A handle with which other threads end a `wait`.
    fn waker(&self) -> Waker;
    /// The pool that receive and write blocks come from.
    fn blocks(&self) -> Blocks;
    /// What the engine counted so far.
    fn counters(&self) -> &EngineCounters;

    /// Takes over a socket opened elsewhere. It starts paused; its unread bytes come first.
    fn adopt(&mut self, carried: Carried) -> Sock;
    /// Gives the socket up once its queued sends have left: `Event::Detached`.
    fn detach(&mut self, sock: Sock);
    /// Opens a TCP or Unix listener.
    ///
    /// # Errors
    /// The operating system's refusal (address in use, no permission …).
    fn listen(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock>;
    /// Opens a UDP socket.
    ///
    /// # Errors
    /// The operating system's refusal.
    fn bind(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock>;
    /// Starts a TCP or Unix connection: `Connected`, or `Closed` with the cause.
    fn connect(&mut self, to: &SockAddr, options: &ConnectOptions) -> Sock;

    /// Starts accepting or receiving.
    fn resume(&mut self, sock: Sock);
    /// Stops accepting or receiving.
    fn pause(&mut self, sock: Sock);
    /// Queues `data`; never copies.
    fn send(&mut self, sock: Sock, data: Buf);
    /// Sends one datagram. No `Sent` follows; a full socket drops and counts.
    fn send_to(&mut self, sock: Sock, datagram: Datagram);
    /// Half-closes, after all queued sends.
    fn finish(&mut self, sock: Sock);
    /// Closes now; drops queued sends. What was sent before ends regularly (FIN).
    fn close(&mut self, sock: Sock);
    /// Closes now, with a reset: the peer is not to take what it has for all. Of what was sent, the
    /// peer may lose what it has not received. On a listener, a UDP or a Unix socket as `close`.
    fn abort(&mut self, sock: Sock);
    /// Passes everything that `from` receives on to `to`, from now to the end. One call per
    /// direction; the caller first sends what it holds.
    fn relay(&mut self, from: Sock, to: Sock);
    /// Passes the next `bytes` that `from` receives on to `to`. One at a time for each source and
    /// each target, not beside a `relay`; nothing is sent on `to` meanwhile.
    fn pass(&mut self, from: Sock, to: Sock, bytes: u64);

    /// The socket's own address.
    fn local(&self, sock: Sock) -> Option<SockAddr>;
    /// Where the peer meant to connect before the packet filter redirected it (`SO_ORIGINAL_DST`).
    fn original_dst(&self, sock: Sock) -> Option<SockAddr>;
}

/// What happened to a socket.
#[derive(Debug)]
pub enum Event {
    /// Accepting failed (out of descriptors …); the engine backs off and resumes by itself.
    AcceptFailed { listener: Sock, cause: io::Error },
    /// A listener's new connection; it starts paused.
    Accepted {
        listener: Sock,
        sock: Sock,
        peer: SockAddr,
        local: SockAddr,
    },
    /// The last event of a socket. `None`: closed by `close`.
    Closed {
        sock: Sock,
        cause: Option<io::Error>,
    },
    /// A `connect` succeeded.
    Connected { sock: Sock },
    /// A datagram arrived.
    Datagram { sock: Sock, datagram: Datagram },
    /// The last event of a detached socket.
    Detached { sock: Sock, carried: Carried },
    /// The peer finished sending (FIN), or a relay's source did; our direction stays open.
    Finished { sock: Sock },
    /// Bytes arrived; never empty.
    Received { sock: Sock, data: BufMut },
    /// `bytes` more went from `from` to its relay's target.
    Relayed { from: Sock, bytes: u64 },
    /// `bytes` of what was queued were taken by the kernel.
    Sent { sock: Sock, bytes: usize },
    /// Somebody rang the waker.
    Woken,
}

/// An address of a TCP, UDP or Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SockAddr {
    /// IPv4 or IPv6 with a port.
    Inet(SocketAddr),
    /// A Unix socket's path; empty for an unnamed peer, a leading `@` for the abstract namespace.
    Unix(PathBuf),
}

impl SockAddr {
    /// The Internet address, if it is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(at) => Some(*at),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(at: SocketAddr) -> Self {
        Self::Inet(at)
    }
}

impl std::fmt::Display for SockAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inet(at) => at.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// How a listener or a UDP socket is opened.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Length of the kernel's queue of connections not yet accepted; the kernel caps it at
    /// `net.core.somaxconn`.
    pub backlog: u32,
    /// Buffer class of accepted sockets.
    pub class: Class,
    /// Several sockets may listen on the same address; the kernel spreads connections
    /// (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// Only IPv6 for an IPv6 address (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            class: Class::Small,
            reuse_port: false,
            v6_only: false,
        }
    }
}

/// How a connection is opened.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The class that the socket's buffers begin with; `uring` always begins with small ones.
    pub class: Class,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            class: Class::Large,
        }
    }
}

/// One datagram with its peer: the sender of a received one, the target of a sent one.
#[derive(Debug)]
pub struct Datagram {
    /// The other side.
    pub peer: SockAddr,
    /// Our address that it came to, where known.
    pub local: Option<IpAddr>,
    /// The payload; may be empty.
    pub data: Buf,
}

/// A socket on its way between engines, threads or processes.
#[derive(Debug)]
pub struct Carried {
    pub(crate) handle: Handle,
    pub(crate) kind: Kind,
    pub(crate) unread: Vec<u8>,
}

impl From<(OwnedFd, Kind)> for Carried {
    fn from((fd, kind): (OwnedFd, Kind)) -> Self {
        Self {
            handle: Handle::Fd(fd),
            kind,
            unread: Vec::new(),
        }
    }
}

impl TryFrom<OwnedFd> for Carried {
    type Error = io::Error;

    /// Asks the kernel what the descriptor is (for those that the environment hands over).
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let kind = crate::socket::kind_of(fd.as_fd())?;
        Ok(Self::from((fd, kind)))
    }
}

impl Carried {
    /// What the socket is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes to be delivered before all that the kernel still holds.
    #[must_use]
    pub fn with_unread(mut self, unread: Vec<u8>) -> Self {
        self.unread = unread;
        self
    }

    /// Another descriptor of the same socket, for a second engine.
    ///
    /// # Errors
    /// Out of descriptors, or the socket is simulated.
    pub fn try_clone(&self) -> io::Result<Self> {
        match &self.handle {
            Handle::Fd(fd) => Ok(Self::from((fd.try_clone()?, self.kind))),
            Handle::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The descriptor, unless the socket is simulated.
    pub fn into_fd(self) -> Option<OwnedFd> {
        match self.handle {
            Handle::Fd(fd) => Some(fd),
            Handle::Simulated(_) => None,
        }
    }
}

/// What carries a socket: a descriptor, or its number in a simulated network.
#[derive(Debug)]
pub enum Handle {
    /// A kernel socket.
    Fd(OwnedFd),
    /// A socket of `sim`.
    Simulated(u64),
}

impl Handle {
    /// The descriptor, made fit for an engine that runs on the kernel by readiness.
    pub(crate) fn into_prepared(self, kind: Kind) -> io::Result<OwnedFd> {
        match self {
            Self::Fd(fd) => crate::socket::prepare(fd.as_fd(), kind).map(|()| fd),
            Self::Simulated(_) => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }
}

/// What a carried socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UDP.
    Datagram,
    /// A TCP or Unix listener.
    Listener,
    /// A connected TCP or Unix stream.
    Stream,
}

/// Calendar time: the duration since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub Duration);

impl UnixTime {
    /// Whole seconds.
    pub fn secs(self) -> u64 {
        self.0.as_secs()
    }
}

/// What an engine counts; every value only grows.
#[derive(Clone, Debug, Default)]
pub struct EngineCounters {
    /// Accepts that failed for want of descriptors or memory.
    pub accept_failures: u64,
    /// Times a receive had to wait because the worker's blocks were all leased.
    pub blocks_exhausted: u64,
    /// Times a receive had to wait because its socket held its quota of blocks.
    pub quota_reached: u64,
    /// Receives served from the reserve group.
    pub reserve_receives: u64,
    /// Datagrams dropped because the socket was full.
    pub datagrams_dropped: u64,
    /// Calls of `wait`.
    pub waits: u64,
    /// Events delivered.
    pub events: u64,
    /// Receives that were started in the kernel (`uring`), sockets that were registered (`epoll`).
    pub rearms: u64,
    /// Receives given up because nothing came for long (`uring`).
    pub rests: u64,
    /// Times that bulk was copied because there was no pipe for it.
    pub pipes_refused: u64,
}
