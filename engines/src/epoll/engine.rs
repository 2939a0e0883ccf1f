//! The calls: each only notes what is wanted, and `wait` does it.

use super::{
    EVENTS_MAX, Reactor,
    entry::{Entry, Phase},
};
use crate::{
    Blocks, Buf, Carried, Class, ConnectOptions, Datagram, Engine, EngineCounters, Event, Kind,
    ListenOptions, Sock, SockAddr, UnixTime, Waker, outlet::Finish, packet, socket,
};
use std::{io, os::fd::AsFd, time::Instant};

impl Engine for Reactor {
    fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        self.counters.waits += 1;
        let before = events.len();
        self.events_end = before + EVENTS_MAX;
        loop {
            self.begin(events);
            // What the calls led to is told at once; every other time the kernel is asked as well.
            let told = events.len() > before;
            self.polled = !(told && self.polled && !self.bell.is_rung());
            if self.polled {
                self.poll(if told { Some(self.clock.now) } else { deadline }, events)?;
            }
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
        self.blocks.clone()
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
        let entry = match handle.into_prepared(kind) {
            Ok(fd) => {
                let mut entry = Entry::new(fd, kind, Class::default());
                entry.shared = true;
                let is_unix = entry.with_fd(|fd| Ok(socket::is_unix(fd)));
                entry.reads_stop_short = kind == Kind::Stream && is_unix.unwrap_or(false);
                if !unread.is_empty() {
                    entry.rare_mut().unread = unread;
                }
                entry
            }
            Err(cause) => Entry::broken(cause, kind),
        };
        self.insert(entry)
    }

    fn detach(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock) {
            entry.phase = Phase::Leaving;
            self.mark_ready(sock);
        }
    }

    fn listen(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let fd = socket::listen(at, options)?;
        Ok(self.insert(Entry::new(fd, Kind::Listener, options.class)))
    }

    fn bind(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let fd = socket::bind(at, options)?;
        Ok(self.insert(Entry::new(fd, Kind::Datagram, options.class)))
    }

    fn connect(&mut self, to: &SockAddr, options: &ConnectOptions) -> Sock {
        let entry = match socket::dial(to) {
            Ok((fd, target)) => Entry::dialing(fd, target, options.class),
            Err(cause) => Entry::broken(cause, Kind::Stream),
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
            self.mark_ready(sock);
        }
    }

    fn send_to(&mut self, sock: Sock, datagram: Datagram) {
        if let Some(entry) = self.live(sock)
            && entry.kind == Kind::Datagram
        {
            let Datagram { peer, local, data } = &datagram;
            let sent = entry.with_fd(|fd| packet::send(fd, peer, *local, data));
            self.counters.datagrams_dropped += u64::from(sent.is_err());
        }
    }

    fn finish(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock)
            && entry.kind == Kind::Stream
            && entry.outlet.finish == Finish::No
        {
            entry.outlet.finish = Finish::Asked;
            self.mark_ready(sock);
        }
    }

    fn close(&mut self, sock: Sock) {
        self.end(sock, None);
    }

    fn abort(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock)
            && entry.kind == Kind::Stream
            && let Some(fd) = &entry.fd
        {
            socket::reset_on_close(fd.as_fd());
        }
        self.close(sock);
    }

    fn relay(&mut self, from: Sock, to: Sock) {
        if let Some(entry) = self.live(from)
            && entry.kind == Kind::Stream
            && entry.relay.is_none()
        {
            self.start_relay(from, to, None);
        }
    }

    fn pass(&mut self, from: Sock, to: Sock, bytes: u64) {
        if let Some(entry) = self.live(from)
            && entry.kind == Kind::Stream
            && entry.relay.is_none()
            && bytes > 0
        {
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

impl Reactor {
    fn insert(&mut self, entry: Entry) -> Sock {
        let sock = self.socks.insert(entry);
        self.mark_ready(sock);
        sock
    }

    /// The entry of a socket that was not closed yet.
    fn live(&mut self, sock: Sock) -> Option<&mut Entry> {
        self.socks.get_mut(sock).filter(|entry| !entry.is_ending())
    }

    fn want(&mut self, sock: Sock, wanted: bool) {
        if let Some(entry) = self.live(sock)
            && entry.relay.is_none()
            && entry.wanted != wanted
        {
            entry.wanted = wanted;
            self.mark_ready(sock);
        }
    }
}
