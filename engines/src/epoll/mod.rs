//! The engine on epoll: an edge-triggered reactor.
//!
//! A socket is registered once, when it first waits for something; from then on the kernel tells of each
//! change. Its [`Entry`] notes what was told until a call finds nothing more, so what is not wanted now
//! is not lost. A block is leased only when there is something to read into it: an idle connection owns
//! nothing here. Calls note what is wanted in the entry and list it; `wait` serves the list, registers
//! what needs it, asks the kernel, and serves what is ready.

mod accept;
mod datagram;
mod end;
mod engine;
mod entry;
mod poller;
mod receive;
mod relay;
mod send;
mod splice;
#[cfg(test)]
mod tests;

use crate::{
    Blocks, EngineCounters, EngineOptions, Event, Kind, SlotKey, Slots, Sock,
    bulk::{BULK_BLOCKS_MAX, Bulk},
    clock::Clock,
    due::{BACKOFF, Due},
    eventfd::Bell,
    later::Later,
    lessee::{Budget, Starved, Turn},
    outlet::Spares,
    pipe::Pipes,
    tally::REPORT_EVERY,
};
use entry::Entry;
use poller::{Poller, Ready};
use receive::RECEIVES_MAX;
use std::{
    collections::VecDeque,
    io,
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

/// Events that one `wait` delivers.
const EVENTS_MAX: usize = 256;
/// Events that serving one socket may add after it found room.
const EVENTS_EACH: usize = 8 + RECEIVES_MAX * BULK_BLOCKS_MAX as usize;
/// The longest datagram.
const DATAGRAM_BYTES: usize = 64 << 10;

/// The engine on epoll. Used on the thread that made it.
pub(crate) struct Reactor {
    poller: Poller,
    socks: Slots<Sock, Entry>,
    /// Sockets to be served in this turn.
    ready: VecDeque<Sock>,
    /// Sockets that had their share of this turn.
    later: Later<Sock>,
    /// Sockets to be registered before the kernel is asked.
    unregistered: Vec<Sock>,
    /// Sockets that wait for blocks.
    starved: Starved<Sock>,
    /// Listeners that rest.
    backoffs: Due<Sock>,
    /// Relays whose progress is to be told.
    reports: Due<Sock>,
    pipes: Pipes,
    spares: Spares,
    blocks: Blocks,
    /// Where several blocks are filled at once.
    bulk: Bulk,
    /// Receive blocks that one socket may pin.
    quota: u16,
    /// Where the caller's list of events is full.
    events_end: usize,
    /// The last `wait` asked the kernel.
    polled: bool,
    bell: Arc<Bell>,
    /// Where datagrams are received.
    datagram: Vec<u8>,
    clock: Clock,
    counters: EngineCounters,
}

impl Reactor {
    /// # Errors
    /// The operating system's refusal (out of descriptors).
    pub(crate) fn new(options: &EngineOptions) -> io::Result<Self> {
        let bell = Arc::new(Bell::new()?);
        Ok(Self {
            poller: Poller::new(bell.as_fd())?,
            socks: Slots::default(),
            ready: VecDeque::new(),
            later: Later::default(),
            unregistered: Vec::new(),
            starved: Starved::default(),
            backoffs: Due::after(BACKOFF),
            reports: Due::after(REPORT_EVERY),
            pipes: Pipes::new(options.pipes_max),
            spares: Spares::default(),
            blocks: Blocks::new(&options.blocks),
            bulk: Bulk::default(),
            quota: options.blocks.socket_max.max(1),
            events_end: 0,
            polled: false,
            bell,
            datagram: vec![0; DATAGRAM_BYTES],
            clock: Clock::read(),
            counters: EngineCounters::default(),
        })
    }

    /// Has a socket served in this turn.
    fn mark_ready(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !std::mem::replace(&mut entry.listed, true)
        {
            self.ready.push_back(sock);
        }
    }

    /// Has a socket served in the next turn, after the others.
    fn mark_later(&mut self, sock: Sock) {
        self.put_off(sock, true);
    }

    /// Has a socket served in the next turn; before the others unless it had a share of this one.
    fn put_off(&mut self, sock: Sock, served: bool) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !std::mem::replace(&mut entry.listed, true)
        {
            self.later.push(sock, served);
        }
    }

    fn is_full(&self, events: &[Event]) -> bool {
        events.len() + EVENTS_EACH > self.events_end
    }

    /// Does what the calls since the last turn ask for.
    fn begin(&mut self, events: &mut Vec<Event>) {
        self.clock = Clock::read();
        self.end_backoffs();
        self.end_report_periods();
        self.collect();
        self.pipes.begin_turn();
        self.later.begin_turn(&mut self.ready);
        self.serve_all(events);
        // Sends gave blocks back, for which others may wait.
        self.collect();
    }

    /// Asks the kernel who is ready, and serves them.
    fn poll(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        self.register_all();
        let timeout = self.timeout(deadline);
        self.poller.wait(timeout)?;
        self.clock = Clock::read();
        for ready in self.poller.ready() {
            match ready {
                Ready::Bell => events.extend(self.bell.silence().then_some(Event::Woken)),
                Ready::Sock(sock, flags) => {
                    // One that was closed in this turn may still be told of.
                    let Some(entry) = self.socks.get_mut(sock) else {
                        continue;
                    };
                    entry.on_ready(flags);
                    if !std::mem::replace(&mut entry.listed, true) {
                        self.ready.push_back(sock);
                    }
                }
            }
        }
        self.serve_all(events);
        Ok(())
    }

    /// How long the kernel may keep us: not at all while there is something to do here.
    fn timeout(&self, deadline: Option<Instant>) -> Option<Duration> {
        if !self.ready.is_empty() || !self.later.is_empty() {
            return Some(Duration::ZERO);
        }
        let until = [deadline, self.backoffs.next(), self.reports.next()];
        let until = until.into_iter().flatten().min();
        until.map(|at| at.saturating_duration_since(self.clock.now))
    }

    /// Serves the list until nobody is left or there are events enough.
    fn serve_all(&mut self, events: &mut Vec<Event>) {
        while !self.is_full(events)
            && let Some(sock) = self.ready.pop_front()
        {
            self.serve(sock, events);
        }
    }

    fn serve(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        entry.listed = false;
        if !entry.is_ending() && (entry.is_connected() || self.dial(sock, events)) {
            self.serve_kind(sock, events);
        }
        self.serve_end(sock, events);
        self.mark_unregistered(sock);
    }

    /// Has a socket registered before the kernel is asked, if it then still needs it.
    fn mark_unregistered(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock)
            && entry.must_register()
            && !std::mem::replace(&mut entry.awaits_registration, true)
        {
            self.unregistered.push(sock);
        }
    }

    fn serve_kind(&mut self, sock: Sock, events: &mut Vec<Event>) {
        match self.socks.get(sock).map(|entry| entry.kind) {
            Some(Kind::Datagram) => self.serve_datagrams(sock, events),
            Some(Kind::Listener) => self.serve_listener(sock, events),
            Some(Kind::Stream) => {
                self.serve_send(sock, events);
                self.serve_receive(sock, events);
            }
            None => {}
        }
    }

    fn register_all(&mut self) {
        while let Some(sock) = self.unregistered.pop() {
            let Some(entry) = self.socks.get_mut(sock) else {
                continue;
            };
            entry.awaits_registration = false;
            if !entry.must_register() {
                continue;
            }
            match entry.with_fd(|fd| self.poller.add(fd, sock, entry.interest())) {
                Ok(()) => {
                    entry.registered = true;
                    self.counters.rearms += 1;
                }
                Err(cause) => self.fail(sock, cause),
            }
        }
    }

    /// Takes note of the leases that came home, and lets go on who waited for that.
    fn collect(&mut self) {
        let Self { blocks, socks, .. } = self;
        let (ready, quota) = (&mut self.ready, self.quota);
        let mut list = |entry: &mut Entry, sock| {
            if !std::mem::replace(&mut entry.listed, true) {
                ready.push_back(sock);
            }
        };
        blocks.collect(|owner, _| {
            let sock = Sock::from_bits(owner);
            if let Some(entry) = socks.get_mut(sock)
                && entry.lessee.on_home(quota)
            {
                list(entry, sock);
            }
        });
        self.starved.feed(Budget::of(blocks), |sock, budget| {
            let Some(entry) = socks.get_mut(*sock).filter(|entry| entry.is_starved()) else {
                return Turn::Over;
            };
            if !entry.wanted {
                entry.lessee.parked = None;
            } else if entry.lessee.take_share(budget) {
                list(entry, *sock);
            } else {
                return Turn::Waits;
            }
            Turn::Over
        });
    }
}
