//! The simulated engine: a network without a kernel, with one virtual clock, repeatable by its seed.
//!
//! [`SimNet`] is the network and, with [`Faults`], its weather; each [`SimEngine`] on it is an engine
//! like any other. What happens to a socket marks its entry; `wait` serves the marked entries, in
//! seeded order if the network reorders. The only engine of a network moves the clock itself when it
//! has nothing to do. With several, `wait` returns what is due, and a [`Driver`] moves the clock.

mod accept;
mod agenda;
mod bell;
mod datagram;
mod driver;
mod end;
mod engine;
mod entry;
mod fault;
mod names;
mod net;
mod receive;
mod relay;
mod send;
mod socket;
mod stream;

pub use driver::{Driver, Party};
pub use fault::{Chance, Faults};
pub use net::{EngineId, SimNet};

use crate::{
    BlockLimits, Blocks, EngineCounters, Event, Kind, SlotKey, Slots, Sock,
    buf::Group,
    clock::Clock,
    lessee::{Budget, Park, Starved, Turn},
    outlet::Spares,
};
use agenda::Timer;
use bell::Bell;
use entry::{Entry, Phase};
use socket::NetKey;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// Events that one `wait` delivers …
const EVENTS_MAX: usize = 256;
/// … of which serving one socket may add so many.
const EVENTS_EACH: usize = 8;

/// An engine on a simulated network. When it is dropped, its sockets are closed.
pub struct SimEngine {
    net: SimNet,
    id: EngineId,
    entries: Slots<Sock, Entry>,
    blocks: Blocks,
    /// Receive blocks that one socket may pin.
    quota: u16,
    /// Sockets that wait for blocks.
    starved: Starved<Sock>,
    spares: Spares,
    /// Blocks that nobody has until a drought is over.
    hoard: Vec<(Group, u16)>,
    bell: Arc<Bell>,
    clock: Clock,
    counters: EngineCounters,
    /// Where the events of this `wait` end.
    events_end: usize,
}

impl SimEngine {
    fn new(
        net: SimNet,
        id: EngineId,
        blocks: Blocks,
        bell: Arc<Bell>,
        clock: Clock,
        limits: &BlockLimits,
    ) -> Self {
        Self {
            net,
            id,
            entries: Slots::default(),
            spares: Spares::default(),
            blocks,
            quota: limits.socket_max.max(1),
            starved: Starved::default(),
            hoard: Vec::new(),
            bell,
            clock,
            counters: EngineCounters::default(),
            events_end: 0,
        }
    }

    /// The engine's name on its network.
    pub fn id(&self) -> EngineId {
        self.id
    }

    fn insert(&mut self, entry: Entry) -> Sock {
        let key = entry.key;
        let sock = self.entries.insert(entry);
        let mut world = self.net.world();
        if let Some(key) = key {
            world.hold(key, Some((self.id, sock.index())));
        }
        world.seat(self.id).ready.mark(sock.index());
        sock
    }

    /// The entry, unless it was closed.
    fn live(&mut self, sock: Sock) -> Option<&mut Entry> {
        self.entries
            .get_mut(sock)
            .filter(|entry| !entry.is_ending())
    }

    fn mark(&self, sock: Sock) {
        self.net.world().seat(self.id).ready.mark(sock.index());
    }

    fn add_timer(&self, after: Duration, timer: Timer) {
        let mut world = self.net.world();
        let at = world.clock.now + after;
        world.agenda.add(at, agenda::Item::Timer(self.id, timer));
    }

    fn is_full(&self, events: &[Event]) -> bool {
        events.len() + EVENTS_EACH > self.events_end
    }

    fn wait_for_events(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) {
        let before = events.len();
        self.events_end = before + EVENTS_MAX;
        loop {
            self.catch_up();
            if self.bell.silence() {
                events.push(Event::Woken);
            }
            self.collect();
            self.serve_ready(events);
            self.collect();
            let late = deadline.is_some_and(|at| at <= self.clock.now);
            if events.len() > before || late || !self.net.is_alone() {
                return;
            }
            if !self.net.is_due(self.id) {
                self.pass_time(deadline);
            }
        }
    }

    /// Takes note of the time and of what came up.
    fn catch_up(&mut self) {
        let mut world = self.net.world();
        world.run_due();
        self.clock = world.clock;
        let timers = std::mem::take(&mut world.seat(self.id).timers);
        drop(world);
        for timer in timers {
            match timer {
                Timer::Backoff(sock) => self.end_backoff(sock),
                Timer::Drought => self.end_drought(),
                Timer::Report(sock) => self.on_report_due(sock),
            }
        }
    }

    /// Moves the clock to what comes next; sleeps for a ring if nothing ever will.
    fn pass_time(&self, deadline: Option<Instant>) {
        match [deadline, self.net.next_due()].into_iter().flatten().min() {
            Some(at) => self.net.advance_to(at),
            None => self.bell.sleep(),
        }
    }

    /// Takes note of the leases that came home and lets go on who waited for them.
    fn collect(&mut self) {
        let (entries, quota) = (&mut self.entries, self.quota);
        let mut world = self.net.world();
        let seat = world.seat(self.id);
        let mut unpark = |sock: Sock| {
            seat.parked -= 1;
            seat.ready.mark(sock.index());
        };
        self.blocks.collect(|owner, _| {
            let sock = Sock::from_bits(owner);
            if let Some(entry) = entries.get_mut(sock)
                && entry.lessee.on_home(quota)
            {
                unpark(sock);
            }
        });
        self.starved.feed(Budget::of(&self.blocks), |sock, budget| {
            let Some(entry) = entries.get_mut(*sock) else {
                return Turn::Over;
            };
            if entry.lessee.parked != Some(Park::Blocks) {
                return Turn::Over;
            }
            if !entry.lessee.take_share(budget) {
                return Turn::Waits;
            }
            unpark(*sock);
            Turn::Over
        });
    }

    /// Serves each socket that is ready once.
    fn serve_ready(&mut self, events: &mut Vec<Event>) {
        let mut left = self.net.world().seat(self.id).ready.len();
        while left > 0 && !self.is_full(events) {
            let next = self.net.world().next_ready(self.id, left);
            left -= 1;
            if let Some(sock) = next.and_then(|index| self.entries.key_at(index)) {
                self.serve(sock, events);
            }
        }
    }

    fn serve(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let Some(entry) = self.entries.get(sock) else {
            return;
        };
        match (&entry.phase, entry.kind, entry.key) {
            (Phase::Ending(_), ..) | (.., None) => self.tell_closed(sock, events),
            (Phase::New, _, Some(key)) => self.start_connect(sock, key),
            (Phase::Connecting, _, Some(key)) => self.check_connect(sock, key, events),
            (Phase::Open, Kind::Stream, Some(key)) => self.serve_stream(sock, key, events),
            (Phase::Open, Kind::Listener, Some(key)) => self.accept(sock, key, events),
            (Phase::Open, Kind::Datagram, Some(key)) => self.serve_datagrams(sock, key, events),
        }
        if let Some(entry) = self.entries.get_mut(sock) {
            entry.late_blocks = 0;
        }
        self.leave_if_done(sock, events);
    }

    fn serve_stream(&mut self, sock: Sock, key: NetKey, events: &mut Vec<Event>) {
        let shown = self.net.world().stream(key).and_then(|s| s.error);
        if let Some((code, true)) = shown {
            return self.fail(sock, io::Error::from_raw_os_error(code));
        }
        self.tell_progress(sock, events);
        self.receive(sock, key, events);
        self.send_queued(sock, key, events);
    }
}

impl Drop for SimEngine {
    fn drop(&mut self) {
        let mut world = self.net.world();
        for (_, entry) in self.entries.iter() {
            match entry.key {
                Some(key) if entry.aborts => world.abort_for_holder(key),
                Some(key) => world.close(key),
                None => {}
            }
        }
        world.seat(self.id).is_alive = false;
    }
}
