//! The simulated network: its sockets, its engines' seats, its one clock and its random source.
//!
//! Everything follows from the seed and the order of calls: no real clock, no addresses of memory, no
//! table without an order. Time stands still until somebody moves it.

use super::{
    SimEngine,
    agenda::{Agenda, Item, Timer},
    bell::Bell,
    fault::Faults,
    names::{Names, Ports},
    socket::{Body, Listener, NetKey, Socket},
};
use crate::{
    Blocks, Carried, EngineOptions, Handle, Kind, ListenOptions, Rng, SlotKey, Slots, SockAddr,
    UnixTime, clock::Clock,
};
use std::{
    cell::{RefCell, RefMut},
    collections::VecDeque,
    fmt, io,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// Names an engine of a simulated network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngineId(usize);

/// A simulated network. Clones are the same network; it lives on one thread.
#[derive(Clone)]
pub struct SimNet(Rc<RefCell<World>>);

impl SimNet {
    /// A network that behaves (see [`Faults`]). Its calendar starts with the year 2026.
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(World {
            clock: Clock {
                now: Clock::read().now,
                wall: UnixTime(Duration::from_secs(1_767_225_600)),
            },
            rng: Rng::seeded(seed),
            faults: Faults::default(),
            sockets: Slots::default(),
            listeners: Names::default(),
            mailboxes: Names::default(),
            ports: Ports::default(),
            agenda: Agenda::default(),
            seats: Vec::new(),
        })))
    }

    /// An engine on this network.
    pub fn engine(&self, options: &EngineOptions) -> SimEngine {
        let blocks = Blocks::new(&options.blocks);
        let bell = Arc::new(Bell::default());
        let mut world = self.world();
        let id = EngineId(world.seats.len());
        world.seats.push(Seat {
            is_alive: true,
            ready: Ready::default(),
            timers: Vec::new(),
            bell: bell.clone(),
            blocks: blocks.clone(),
            parked: 0,
        });
        let clock = world.clock;
        drop(world);
        SimEngine::new(self.clone(), id, blocks, bell, clock, &options.blocks)
    }

    /// Opens a listening socket for an engine to adopt; with the address it is bound to.
    ///
    /// # Errors
    /// The address is in use or unusable.
    pub fn open_listener(
        &self,
        at: &SockAddr,
        options: &ListenOptions,
    ) -> io::Result<(Carried, SockAddr)> {
        let mut world = self.world();
        let (key, local) = world.listen(at, options)?;
        Ok((carry(key, Kind::Listener, Vec::new()), local))
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.world().faults = faults;
    }

    /// What goes wrong.
    pub fn faults(&self) -> Faults {
        self.world().faults.clone()
    }

    /// The network's time.
    pub fn now(&self) -> Instant {
        self.world().clock.now
    }

    /// The network's calendar time.
    pub fn wall(&self) -> UnixTime {
        self.world().clock.wall
    }

    /// True when a `wait` of the engine has something to do, its deadline aside.
    pub fn is_due(&self, engine: EngineId) -> bool {
        let mut world = self.world();
        world.run_due();
        world.seats[engine.0].is_due()
    }

    /// When the network itself has something to do next.
    pub fn next_due(&self) -> Option<Instant> {
        let mut world = self.world();
        world.run_due();
        world.agenda.next()
    }

    /// Moves the clock, never back. What is due on the way happens at its own time.
    pub fn advance_to(&self, at: Instant) {
        let mut world = self.world();
        while let Some(next) = world.agenda.next().filter(|next| *next <= at) {
            world.set_clock(next);
            world.run_due();
        }
        world.set_clock(at);
    }

    /// Sockets that exist: held by engines, on their way between them, not accepted yet, or closed
    /// while something is still under way to them.
    pub fn sockets(&self) -> usize {
        self.world().sockets.len()
    }

    /// True when at most one engine is left.
    pub(super) fn is_alone(&self) -> bool {
        let world = self.world();
        world.seats.iter().filter(|seat| seat.is_alive).count() <= 1
    }

    pub(super) fn world(&self) -> RefMut<'_, World> {
        self.0.borrow_mut()
    }
}

impl fmt::Debug for SimNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimNet")
    }
}

/// A simulated socket on its way.
pub(super) fn carry(key: NetKey, kind: Kind, unread: Vec<u8>) -> Carried {
    Carried {
        handle: Handle::Simulated(key.to_bits()),
        kind,
        unread,
    }
}

/// What all engines of a network share.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) rng: Rng,
    pub(super) faults: Faults,
    pub(super) sockets: Slots<NetKey, Socket>,
    pub(super) listeners: Names,
    pub(super) mailboxes: Names,
    pub(super) ports: Ports,
    pub(super) agenda: Agenda,
    pub(super) seats: Vec<Seat>,
}

/// What the network knows of an engine.
pub(super) struct Seat {
    pub(super) is_alive: bool,
    pub(super) ready: Ready,
    /// Timers that came up.
    pub(super) timers: Vec<Timer>,
    bell: Arc<Bell>,
    blocks: Blocks,
    /// Sockets that wait for blocks to come home.
    pub(super) parked: usize,
}

impl Seat {
    fn is_due(&self) -> bool {
        let fed = || self.parked > 0 && self.blocks.has_home();
        !self.ready.queue.is_empty() || !self.timers.is_empty() || self.bell.is_rung() || fed()
    }
}

/// The entries of an engine that are to be served, each once.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<u32>,
    marked: Vec<bool>,
}

impl Ready {
    pub(super) fn mark(&mut self, index: u32) {
        let place = index as usize;
        if place >= self.marked.len() {
            self.marked.resize(place + 1, false);
        }
        if !std::mem::replace(&mut self.marked[place], true) {
            self.queue.push_back(index);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes the first out, or with `rng` any of the first `reach`.
    fn pop(&mut self, reach: usize, rng: Option<&mut Rng>) -> Option<u32> {
        let place = rng.map_or(0, |rng| rng.index(reach.min(self.queue.len())));
        // What stood first takes the place of the one taken out.
        let index = self.queue.swap_remove_front(place)?;
        self.marked[index as usize] = false;
        Some(index)
    }
}

impl World {
    pub(super) fn seat(&mut self, engine: EngineId) -> &mut Seat {
        &mut self.seats[engine.0]
    }

    /// The next entry to serve, of those that were the first `reach`.
    pub(super) fn next_ready(&mut self, engine: EngineId, reach: usize) -> Option<u32> {
        let rng = self.faults.reorder.then_some(&mut self.rng);
        self.seats[engine.0].ready.pop(reach, rng)
    }

    /// Tells the holder of a socket that something happened to it.
    pub(super) fn wake(&mut self, key: NetKey) {
        if let Some(socket) = self.sockets.get(key)
            && let Some((engine, index)) = socket.holder
        {
            self.seats[engine.0].ready.mark(index);
        }
    }

    /// Gives a socket to an engine, or (with `None`) takes it away.
    pub(super) fn hold(&mut self, key: NetKey, holder: Option<(EngineId, u32)>) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.holder = holder;
        }
    }

    fn set_clock(&mut self, at: Instant) {
        let by = at.saturating_duration_since(self.clock.now);
        self.clock.now += by;
        self.clock.wall.0 += by;
    }

    /// Does what is due by now.
    pub(super) fn run_due(&mut self) {
        while let Some(item) = self.agenda.pop_due(self.clock.now) {
            match item {
                Item::Packet { at, packet } => self.on_packet(at, packet),
                Item::Segment(key) => self.on_segment(key),
                Item::Syn { from, tries } => self.on_syn(from, tries),
                Item::Timer(engine, timer) => self.seats[engine.0].timers.push(timer),
            }
        }
    }

    pub(super) fn listen(
        &mut self,
        at: &SockAddr,
        options: &ListenOptions,
    ) -> io::Result<(NetKey, SockAddr)> {
        let key = self.sockets.insert(Socket {
            holder: None,
            body: Body::Listener(Listener {
                at: at.clone(),
                queue: VecDeque::new(),
                queue_max: options.backlog.max(1) as usize,
            }),
        });
        let bound = self.listeners.bind(at, options, key, &mut self.ports);
        self.settle(key, bound)
    }

    /// Notes where a new socket was bound, or takes it away again.
    pub(super) fn settle(
        &mut self,
        key: NetKey,
        bound: io::Result<SockAddr>,
    ) -> io::Result<(NetKey, SockAddr)> {
        let local = bound.inspect_err(|_| drop(self.sockets.remove(key)))?;
        match self.sockets.get_mut(key).map(|socket| &mut socket.body) {
            Some(Body::Listener(listener)) => listener.at = local.clone(),
            Some(Body::Mailbox(mailbox)) => mailbox.at = local.clone(),
            Some(Body::Stream(_)) | None => {}
        }
        Ok((key, local))
    }

    /// Closes a socket for its holder.
    pub(super) fn close(&mut self, key: NetKey) {
        let Some(socket) = self.sockets.get(key) else {
            return;
        };
        match &socket.body {
            Body::Listener(listener) => {
                let (at, queue) = (listener.at.clone(), listener.queue.clone());
                self.listeners.unbind(&at, key, &mut self.ports);
                self.sockets.remove(key);
                queue.into_iter().for_each(|waiting| self.abort(waiting));
            }
            Body::Mailbox(mailbox) => {
                let at = mailbox.at.clone();
                self.mailboxes.unbind(&at, key, &mut self.ports);
                self.sockets.remove(key);
            }
            Body::Stream(_) => self.close_stream(key),
        }
    }

    /// The same with a reset, where there is one.
    pub(super) fn abort_for_holder(&mut self, key: NetKey) {
        let is_tcp = |body: &Body| {
            matches!(body, Body::Stream(_)) && matches!(body.local(), SockAddr::Inet(_))
        };
        match self.sockets.get(key) {
            Some(socket) if is_tcp(&socket.body) => self.abort(key),
            Some(_) | None => self.close(key),
        }
    }
}
