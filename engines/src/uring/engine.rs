//! The calls: each only notes what is wanted, and `wait` does it.

use super::{
    EVENTS_MAX, Uring, descriptor,
    entry::{Entry, Phase},
};
use crate::{
    Blocks, Buf, Carried, Class, ConnectOptions, Datagram, Engine, EngineCounters, Event, Handle,
    Kind, ListenOptions, Sock, SockAddr, UnixTime, Waker, clock::Clock, outlet::Finish,
    sockaddr::RawAddr, socket,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

impl Engine for Uring {
    fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        self.counters.waits += 1;
        let before = events.len();
        self.events_end = before + EVENTS_MAX;
        loop {
            self.start_all();
            let stay = self.stay(deadline);
            self.ring.enter(stay)?;
            self.clock = Clock::read();
            self.deliver(events);
            let late = deadline.is_some_and(|at| at <= self.clock.now);
            if events.len() > before || late {
                self.counters.events += (events.len() - before) as u64;
                return Ok(());
            }
        }
    }

    fn now(&self) -> Instant {
        self.clock.now
    }

    fn wall(&self) -> UnixTime {
        self.clock.wall
    }

    fn waker(&self) -> Waker {
        Waker::new(self.bell.clone())
    }

    fn blocks(&self) -> Blocks {
        self.rings.blocks().clone()
    }

    fn counters(&self) -> &EngineCounters {
        &self.counters
    }

    fn adopt(&mut self, carried: Carried) -> Sock {
        let Carried {
            handle,
            kind,
            unread,
        } = carried;
        let fd = match handle {
            Handle::Fd(fd) => Some(fd),
            Handle::Simulated(_) => None,
        };
        let mut entry = Entry::new(fd, kind, Class::default());
        if !unread.is_empty() {
            entry.rare_mut().unread = unread;
        }
        match entry.prepare() {
            Ok(blocks) => entry.inlet.nonblocking = !blocks,
            Err(error) => entry.end(Some(error)),
        }
        self.insert(entry)
    }

    fn detach(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock) {
            entry.phase = Phase::Leaving;
            self.mark_dirty(sock);
        }
    }

    fn listen(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let fd = socket::listen(at, options)?;
        descriptor::set_blocking(fd.as_fd(), true)?;
        Ok(self.insert(Entry::new(Some(fd), Kind::Listener, options.class)))
    }

    fn bind(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let fd = socket::bind(at, options)?;
        Ok(self.insert(Entry::new(Some(fd), Kind::Datagram, options.class)))
    }

    /// A connection begins with small blocks whatever it is meant for: until the first ones were full
    /// its receives are multishot, and the kernel fills as many as there are bytes.
    fn connect(&mut self, to: &SockAddr, _options: &ConnectOptions) -> Sock {
        let entry = match open_stream(to) {
            Ok((fd, target)) => {
                let mut entry = Entry::new(Some(fd), Kind::Stream, Class::Small);
                entry.rare_mut().target = Some(target);
                entry.phase = Phase::Connecting;
                entry
            }
            Err(error) => {
                let mut entry = Entry::new(None, Kind::Stream, Class::Small);
                entry.end(Some(error));
                entry
            }
        };
        self.insert(entry)
    }

    fn resume(&mut self, sock: Sock) {
        self.want(sock, true);
    }

    fn pause(&mut self, sock: Sock) {
        self.want(sock, false);
    }

    fn send(&mut self, sock: Sock, data: Buf) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !entry.is_ending()
            && entry.kind == Kind::Stream
            && entry.outlet.finish == Finish::No
        {
            entry.outlet.push(data, false, &mut self.spares);
            self.mark_dirty(sock);
        }
    }

    fn send_to(&mut self, sock: Sock, datagram: Datagram) {
        self.send_datagram(sock, &datagram);
    }

    fn finish(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock)
            && entry.outlet.finish == Finish::No
        {
            entry.outlet.finish = Finish::Asked;
            self.mark_dirty(sock);
        }
    }

    fn close(&mut self, sock: Sock) {
        self.end(sock, None);
        if let Some(entry) = self.socks.get_mut(sock) {
            // Nothing but the end is told from now on.
            entry.end(None);
        }
    }

    fn abort(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock)
            && entry.kind == Kind::Stream
            && let Some(fd) = &entry.fd
        {
            // Shutting it down would send an end first.
            entry.shut |= socket::reset_on_close(fd.as_fd());
        }
        self.close(sock);
    }

    fn relay(&mut self, from: Sock, to: Sock) {
        if self.live(from).is_some() {
            self.start_relay(from, to, None);
        }
    }

    fn pass(&mut self, from: Sock, to: Sock, bytes: u64) {
        let may = |entry: &&mut Entry| entry.kind == Kind::Stream && entry.relay.is_none();
        if bytes > 0 && self.live(from).filter(may).is_some() {
            self.start_relay(from, to, Some(bytes));
        }
    }

    fn local(&self, sock: Sock) -> Option<SockAddr> {
        let fd = self.socks.get(sock)?.fd.as_ref()?;
        socket::local(fd.as_fd())
    }

    fn original_dst(&self, sock: Sock) -> Option<SockAddr> {
        let fd = self.socks.get(sock)?.fd.as_ref()?;
        socket::original_dst(fd.as_fd())
    }
}

/// A socket for a connection to `to`, and the address as the kernel reads it. A Unix socket does not
/// block until it is connected: it would wait for room in the listener's queue, on a thread of the
/// kernel.
fn open_stream(to: &SockAddr) -> io::Result<(OwnedFd, Box<RawAddr>)> {
    let (fd, target) = socket::dial(to)?;
    descriptor::set_blocking(fd.as_fd(), !target.is_unix())?;
    Ok((fd, target))
}
