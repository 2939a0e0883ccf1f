//! The calls: each only notes what is wanted, and `wait` does it.

use super::{
    SimEngine,
    entry::{Entry, Phase, check},
    socket::NetKey,
};
use crate::{
    Blocks, Buf, Carried, Class, ConnectOptions, Datagram, Engine, EngineCounters, Event, Handle,
    Kind, ListenOptions, SlotKey, Sock, SockAddr, UnixTime, Waker, outlet::Finish,
};
use std::{io, time::Instant};

impl Engine for SimEngine {
    fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        let before = events.len();
        self.counters.waits += 1;
        self.wait_for_events(deadline, events);
        self.counters.events += (events.len() - before) as u64;
        Ok(())
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
        let world = self.net.world();
        let key = match carried.handle {
            Handle::Simulated(number) => {
                let key = NetKey::from_bits(number);
                let free = |socket: &super::socket::Socket| {
                    socket.holder.is_none() && socket.body.kind() == carried.kind
                };
                world.sockets.get(key).is_some_and(free).then_some(key)
            }
            Handle::Fd(_) => None,
        };
        drop(world);
        let phase = match key {
            Some(_) => Phase::Open,
            None => Phase::Ending(Some(io::Error::from_raw_os_error(libc::EBADF))),
        };
        let mut entry = Entry::new(key, carried.kind, Class::default(), phase);
        entry.unread = carried.unread;
        self.insert(entry)
    }

    fn detach(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock) {
            entry.is_leaving = true;
            self.mark(sock);
        }
    }

    fn listen(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let (key, _) = self.net.world().listen(at, options)?;
        let entry = Entry::new(Some(key), Kind::Listener, options.class, Phase::Open);
        Ok(self.insert(entry))
    }

    fn bind(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let (key, _) = self.net.world().bind(at, options)?;
        let entry = Entry::new(Some(key), Kind::Datagram, options.class, Phase::Open);
        Ok(self.insert(entry))
    }

    fn connect(&mut self, to: &SockAddr, options: &ConnectOptions) -> Sock {
        let entry = match check(to) {
            Ok(()) => {
                let key = self.net.world().open_stream(to);
                Entry::new(Some(key), Kind::Stream, options.class, Phase::New)
            }
            Err(cause) => {
                let phase = Phase::Ending(Some(cause));
                Entry::new(None, Kind::Stream, options.class, phase)
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
        if let Some(entry) = self.entries.get_mut(sock)
            && !entry.is_ending()
            && entry.kind == Kind::Stream
            && entry.outlet.finish == Finish::No
        {
            entry.outlet.push(data, false, &mut self.spares);
            self.mark(sock);
        }
    }

    fn send_to(&mut self, sock: Sock, datagram: Datagram) {
        if let Some(entry) = self.live(sock)
            && entry.kind == Kind::Datagram
        {
            entry.datagrams.push_back(datagram);
            self.mark(sock);
        }
    }

    fn finish(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock)
            && entry.kind == Kind::Stream
            && entry.outlet.finish == Finish::No
        {
            entry.outlet.finish = Finish::Asked;
            self.mark(sock);
        }
    }

    fn close(&mut self, sock: Sock) {
        self.end(sock, None);
    }

    fn abort(&mut self, sock: Sock) {
        if let Some(entry) = self.live(sock) {
            entry.aborts = true;
        }
        self.close(sock);
    }

    fn relay(&mut self, from: Sock, to: Sock) {
        self.start_relay(from, to, None);
    }

    fn pass(&mut self, from: Sock, to: Sock, bytes: u64) {
        let may = |entry: &&mut Entry| entry.kind == Kind::Stream && entry.relay.is_none();
        if bytes > 0 && self.live(from).filter(may).is_some() {
            self.start_relay(from, to, Some(bytes));
        }
    }

    fn local(&self, sock: Sock) -> Option<SockAddr> {
        let key = self.entries.get(sock)?.key?;
        let world = self.net.world();
        Some(world.sockets.get(key)?.body.local().clone())
    }

    /// There is no packet filter here.
    fn original_dst(&self, _sock: Sock) -> Option<SockAddr> {
        None
    }
}
