//! The io_uring engine.
//!
//! One ring per worker, entered once per turn: it submits what the worker's calls queued and waits for
//! completions. Calls only note what is wanted in a socket's [`Entry`] and put the socket on the list
//! of those with something to start; completions put it on the list of those with something to
//! deliver. At most one operation of each kind is in flight per socket.

mod accept;
mod blocks;
mod datagram;
mod descriptor;
mod doorbell;
mod end;
mod engine;
mod entry;
mod probe;
mod receive;
mod relay;
mod rest;
mod ring;
mod send;
mod splice;

pub use probe::uring_available;

use crate::{
    Blocks, EngineCounters, EngineOptions, Event, Kind, SlotKey, Slots, Sock,
    bulk::{BULK_BLOCKS_MAX, Bulk},
    clock::Clock,
    due::{BACKOFF, Due},
    eventfd::Bell,
    later::Later,
    lessee::Starved,
    outlet::Spares,
    pipe::Pipes,
    tally::REPORT_EVERY,
};
use blocks::BlockRings;
use entry::{Entry, OPS, Op, Phase};
use io_uring::{cqueue, squeue};
use rest::{Idle, Sweep};
use ring::{Ring, Stay};
use send::Gather;
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// Among turns that find more completions than they take, each so-manieth collects what the kernel owes.
const LOOK_EVERY: u64 = 4;

/// Events that one `wait` delivers.
const EVENTS_MAX: usize = 256;
/// Events that one completion or one turn of a socket may give.
const EVENTS_EACH: usize = 2 + BULK_BLOCKS_MAX as usize;
/// The longest datagram.
const DATAGRAM_BYTES: usize = 64 << 10;
/// How long an engine that is dropped waits for its operations to end, in turns of so long in which none
/// of its sockets ends.
const DROP_TURN: Duration = Duration::from_millis(50);
const DROP_TURNS_MAX: usize = 40;

/// The engine on io_uring. Used on the thread that made it.
pub(crate) struct Uring {
    ring: Ring,
    rings: BlockRings,
    socks: Slots<Sock, Entry>,
    /// Sockets with something to start.
    dirty: Vec<Sock>,
    /// Sockets with something to deliver.
    ready: VecDeque<Sock>,
    /// Those that go on in the next turn.
    later: Later<Sock>,
    /// Sockets that wait for blocks.
    starved: Starved<Sock>,
    /// Listeners that rest.
    backoffs: Due<Sock>,
    /// Relays whose progress is to be told.
    reports: Due<Sock>,
    /// When streams go to rest.
    sweep: Sweep,
    gathers: Vec<Gather>,
    /// Blocks of the bulk receive at hand.
    bulk: Bulk,
    spares: Spares,
    pipes: Pipes,
    quota: u16,
    /// Where the caller's list of events is full.
    events_end: usize,
    bell: Arc<Bell>,
    /// Where datagrams are received.
    datagram: Vec<u8>,
    clock: Clock,
    counters: EngineCounters,
}

fn user_data(op: Op, sock: Sock) -> u64 {
    let generation = u64::from(sock.generation() & 0xff_ffff);
    (op as u64) << 56 | generation << 32 | u64::from(sock.index())
}

impl Uring {
    /// An engine whose ring is as large as the memory limit allows.
    ///
    /// # Errors
    /// One sentence that says what the kernel refused.
    pub(crate) fn new(options: &EngineOptions) -> io::Result<Self> {
        let opened = ring::largest(|ring| {
            let rings = BlockRings::new(&ring, &Blocks::new(&options.blocks))?;
            Ok((ring, rings))
        });
        let (ring, rings) = opened.map_err(probe::explained)?;
        let mut this = Self {
            ring,
            rings,
            socks: Slots::default(),
            dirty: Vec::new(),
            ready: VecDeque::new(),
            later: Later::default(),
            starved: Starved::default(),
            backoffs: Due::after(BACKOFF),
            reports: Due::after(REPORT_EVERY),
            sweep: Sweep::every(options.idle_after),
            gathers: Vec::new(),
            bulk: Bulk::default(),
            spares: Spares::default(),
            pipes: Pipes::new(options.pipes_max),
            quota: options.blocks.socket_max.max(1),
            events_end: 0,
            bell: Arc::new(Bell::new()?),
            datagram: vec![0; DATAGRAM_BYTES],
            clock: Clock::read(),
            counters: EngineCounters::default(),
        };
        this.arm_doorbell();
        Ok(this)
    }

    /// Starts an operation of a socket.
    ///
    /// # Safety
    /// The memory that `operation` names stays valid until its completion was seen.
    unsafe fn push(&mut self, sock: Sock, op: Op, operation: squeue::Entry) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        debug_assert!(!entry.flight.has(op), "{op:?} is in flight already");
        entry.flight.add(op);
        // SAFETY: the caller's promise.
        unsafe { self.ring.push(operation.user_data(user_data(op, sock))) };
    }

    fn mark_dirty(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !std::mem::replace(&mut entry.dirty, true)
        {
            self.dirty.push(sock);
        }
    }

    fn mark_ready(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !std::mem::replace(&mut entry.ready, true)
        {
            self.ready.push_back(sock);
        }
    }

    /// Has a socket served in the next turn; before the others unless it had a share of this one.
    fn put_off(&mut self, sock: Sock, served: bool) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !std::mem::replace(&mut entry.ready, true)
        {
            self.later.push(sock, served);
        }
    }

    fn is_full(&self, events: &[Event]) -> bool {
        events.len() + EVENTS_EACH > self.events_end
    }

    /// Starts what the calls and completions since the last turn ask for.
    fn start_all(&mut self) {
        self.clock = Clock::read();
        self.end_backoffs();
        self.end_report_periods();
        self.sweep();
        self.pipes.begin_turn();
        self.later.begin_turn(&mut self.ready);
        self.lend();
        // Starting one socket's operations may make another one dirty.
        let mut next = 0;
        while let Some(sock) = self.dirty.get(next).copied() {
            next += 1;
            if let Some(entry) = self.socks.get_mut(sock) {
                entry.dirty = false;
                self.pump(sock);
            }
        }
        self.dirty.clear();
    }

    fn pump(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        match (entry.phase, entry.kind) {
            (Phase::Connecting, _) => self.start_connect(sock),
            (Phase::Leaving, _) => self.pump_leave(sock),
            (Phase::Ending, _) => self.pump_end(sock),
            (Phase::Open, Kind::Datagram) => self.pump_datagrams(sock),
            (Phase::Open, Kind::Listener) => self.pump_accept(sock),
            (Phase::Open, Kind::Stream) => {
                self.pump_send(sock);
                self.pump_relay(sock);
            }
        }
    }

    /// How long the kernel may keep us: not at all while there is something to do here.
    fn stay(&mut self, deadline: Option<Instant>) -> Stay {
        let waiting = self.ring.completions();
        if waiting > 0 {
            // What is submitted may complete at once, again and again: the others' completions would
            // never be posted if those had to be taken first.
            let is_turn = waiting < EVENTS_MAX || self.counters.waits.is_multiple_of(LOOK_EVERY);
            return match is_turn && self.ring.owes_completions() {
                true => Stay::Look,
                false => Stay::Not,
            };
        }
        if !self.ready.is_empty() || self.can_feed() {
            return Stay::Look;
        }
        let own = [self.backoffs.next(), self.reports.next(), self.sweep.next()];
        let until = own.into_iter().chain([deadline]).flatten().min();
        let now = self.clock.now;
        Stay::Until(until.map(|at| at.saturating_duration_since(now)))
    }

    fn deliver(&mut self, events: &mut Vec<Event>) {
        // Sockets that receive bulk are ready again and again, and could fill every turn: half of it is
        // for what the kernel has completed.
        let half = events.len() + EVENTS_MAX / 2;
        while events.len() < half
            && !self.is_full(events)
            && let Some(completion) = self.ring.next()
        {
            self.complete(&completion, events);
        }
        loop {
            while !self.is_full(events)
                && let Some(sock) = self.ready.pop_front()
            {
                self.serve(sock, events);
            }
            if self.is_full(events) {
                return;
            }
            let Some(completion) = self.ring.next() else {
                return;
            };
            self.complete(&completion, events);
        }
    }

    fn serve(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        entry.ready = false;
        match (entry.phase, entry.kind) {
            (Phase::Connecting, _) => {}
            (Phase::Leaving, _) => self.serve_leave(sock, events),
            (Phase::Ending, _) => self.serve_end(sock, events),
            (Phase::Open, Kind::Datagram) => self.serve_datagrams(sock, events),
            (Phase::Open, Kind::Listener) => self.serve_listener(sock, events),
            (Phase::Open, Kind::Stream) => {
                self.serve_stream(sock, events);
                self.serve_relay(sock, events);
            }
        }
    }

    fn complete(&mut self, completion: &cqueue::Entry, events: &mut Vec<Event>) {
        let data = completion.user_data();
        let op = OPS[(data >> 56) as usize % OPS.len()];
        match op {
            Op::Cancel => return self.on_cancel_refused(data),
            Op::Wake => return self.on_rung(completion, events),
            Op::Accept | Op::Connect | Op::PollIn | Op::PollOut | Op::Recv | Op::Send => {}
        }
        let Some(sock) = self.socks.key_at(data as u32) else {
            return debug_assert!(false, "{op:?} completed after its socket was gone");
        };
        debug_assert_eq!(user_data(op, sock), data, "{op:?} of a socket that is gone");
        if !cqueue::more(completion.flags())
            && let Some(entry) = self.socks.get_mut(sock)
        {
            entry.flight.remove(op);
            entry.cancelled.remove(op);
        }
        self.complete_of(sock, op, completion, events);
        let gone = |e: &Entry| e.is_ending() && e.flight.is_empty();
        if self.socks.get(sock).is_some_and(gone) {
            self.mark_ready(sock);
        }
    }

    fn complete_of(
        &mut self,
        sock: Sock,
        op: Op,
        completion: &cqueue::Entry,
        events: &mut Vec<Event>,
    ) {
        let result = completion.result();
        match op {
            Op::Accept => self.on_accepted(sock, result, events),
            Op::Connect => self.on_connected(sock, result, events),
            Op::PollIn => self.on_readable(sock),
            Op::PollOut => {
                self.mark_dirty(sock);
                self.on_drained(sock);
            }
            Op::Recv => self.on_received(sock, completion, events),
            Op::Send => self.on_sent(sock, result, events),
            Op::Wake | Op::Cancel => {}
        }
    }

    fn on_readable(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        (entry.inlet.readable, entry.inlet.idle) = (true, Idle::No);
        self.mark_dirty(sock);
    }

    fn want(&mut self, sock: Sock, wanted: bool) {
        if let Some(entry) = self.live(sock)
            && entry.relay.is_none()
            && entry.inlet.wanted != wanted
        {
            entry.inlet.wanted = wanted;
            self.mark_dirty(sock);
        }
    }

    fn insert(&mut self, entry: Entry) -> Sock {
        let sock = self.socks.insert(entry);
        self.mark_dirty(sock);
        sock
    }

    /// The entry of a socket that was not closed yet.
    fn live(&mut self, sock: Sock) -> Option<&mut Entry> {
        self.socks.get_mut(sock).filter(|entry| !entry.is_ending())
    }
}

impl Drop for Uring {
    /// Ends every operation: afterwards the kernel writes to no memory of ours, and peers have seen
    /// their connections end.
    fn drop(&mut self) {
        for sock in self.socks.keys() {
            self.end(sock, None);
        }
        let (mut events, mut left, mut vain) = (Vec::new(), self.socks.len(), 0);
        while vain < DROP_TURNS_MAX {
            if left == 0 {
                return;
            }
            self.start_all();
            let stay = self.stay(Some(self.clock.now + DROP_TURN));
            if self.ring.enter(stay).is_err() {
                break;
            }
            self.events_end = EVENTS_MAX;
            self.deliver(&mut events);
            events.clear();
            // A turn ends few: the kernel runs what is due in small portions.
            let before = std::mem::replace(&mut left, self.socks.len());
            vain = if left < before { 0 } else { vain + 1 };
        }
        // Something does not end: its memory must not be used for anything else.
        std::mem::forget((self.rings.blocks().clone(), std::mem::take(&mut self.socks)));
    }
}
