//! A worker: one engine and everything that happens on it. Nothing here is shared with other workers
//! but endpoints, breakers and what `Epoch` points to.
//!
//! `turn` is the whole loop: wait, react to each event, let timers fire. What an event sets free beyond
//! its own call stack (a pooled connection for another stream, a held connection's next request) is put
//! on `todo` and done before the next event, so nothing recurses.

mod census;
mod events;
mod wheels;

pub use crate::epoch::Epoch;
pub use census::Census;
pub(crate) use wheels::Wheels;

use crate::{
    access_log::LogRing,
    cluster::{Cluster, SharedBreakers},
    config::Snapshot,
    conn::{ConnKey, Net},
    drain::Drain,
    epoch::Place,
    limits,
    listener::{Arrival, ArrivalKey},
    mailbox::{Command, Mailbox},
    owners::Owners,
    pool::{Pool, Wire},
    settle::Marked,
    stats::{ClusterStats, ListenerStats, WorkerStats},
    stream::{Stream, StreamKey, Target},
    tcp::{Tunnel, TunnelKey},
    waiting::Waiting,
};
use engines::{Carried, Engine, Event, Rng, Slots, Sock};
use std::{collections::VecDeque, io, rc::Rc, sync::Arc, time::Instant};

/// Whose a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Arrival(ArrivalKey),
    Conn(ConnKey),
    Listener(u32),
    Tunnel(TunnelKey),
}

/// Work that an event set free beyond its own call stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// A stream may go on.
    Advance(StreamKey),
    /// A connection's codec may have something to say.
    Control(ConnKey),
    /// A connection is of no more use.
    Drop(ConnKey),
    /// A connection's held input may be decoded.
    Decode(ConnKey),
    /// A pool may have a connection for a stream that waits, or needs one.
    Serve(Target),
}

/// A cluster with its pools, one an endpoint and protocol.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) cluster: Cluster,
    pub(crate) pools: Vec<[Pool; Wire::COUNT]>,
}

/// What a worker is made of; built on the control thread, sent to the worker's.
pub struct Plan {
    /// The configuration to start with.
    pub snapshot: Arc<Snapshot>,
    /// Listening sockets, by listener index.
    pub listeners: Vec<Carried>,
    /// Limits shared by all workers, by cluster index.
    pub breakers: Vec<Arc<SharedBreakers>>,
    /// Where this worker counts.
    pub stats: Arc<WorkerStats>,
    /// Where this worker's access log entries go.
    pub log: LogRing,
    /// Commands for this worker.
    pub mailbox: Arc<Mailbox>,
    /// Seed of everything random.
    pub seed: u64,
}

/// One event loop.
pub struct Worker {
    pub(crate) net: Net,
    pub(crate) now: Instant,
    pub(crate) rng: Rng,
    pub(crate) wheels: Wheels,
    owners: Owners,
    pub(crate) listeners: Vec<Sock>,
    pub(crate) arrivals: Slots<ArrivalKey, Arrival>,
    pub(crate) inspections: Waiting<ArrivalKey>,
    pub(crate) handshakes: Waiting<ConnKey>,
    pub(crate) tunnel_handshakes: Waiting<TunnelKey>,
    pub(crate) streams: Slots<StreamKey, Box<Stream>>,
    /// Ended streams, kept for their memory.
    #[allow(
        clippy::vec_box,
        reason = "the boxes themselves are moved back into `streams`"
    )]
    pub(crate) spare: Vec<Box<Stream>>,
    pub(crate) tunnels: Slots<TunnelKey, Tunnel>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) epoch: Rc<Epoch>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) log: LogRing,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) todo: VecDeque<Todo>,
    pub(crate) marked: Marked,
    pub(crate) drain: Drain,
    pub(crate) date: crate::date::Date,
    /// Turns so far.
    pub(crate) turns: u64,
    events: Vec<Event>,
    due: Vec<u32>,
}

impl Worker {
    /// A worker on `engine`; it accepts from the first turn on.
    pub fn new(mut engine: Box<dyn Engine>, plan: Plan) -> Self {
        let mut rng = Rng::seeded(plan.seed);
        plan.mailbox.attach(engine.waker());
        let upstreams = plan
            .snapshot
            .clusters
            .iter()
            .zip(plan.breakers)
            .map(|(config, shared)| {
                let pools = config
                    .endpoints
                    .iter()
                    .map(|_| Default::default())
                    .collect();
                Upstream {
                    cluster: Cluster::new(config.clone(), shared, &mut rng),
                    pools,
                }
            });
        let upstreams = upstreams.collect();
        let listeners: Vec<_> = plan
            .listeners
            .into_iter()
            .map(|c| engine.adopt(c))
            .collect();
        let now = engine.now();
        let mut worker = Self {
            now,
            rng,
            wheels: Wheels::new(now),
            owners: Owners::default(),
            listeners: Vec::new(),
            arrivals: Slots::default(),
            inspections: Waiting::new(limits::INSPECTIONS_MAX),
            handshakes: Waiting::new(limits::HANDSHAKES_MAX),
            tunnel_handshakes: Waiting::new(limits::HANDSHAKES_MAX),
            streams: Slots::default(),
            spare: Vec::new(),
            tunnels: Slots::default(),
            upstreams,
            epoch: Rc::new(Epoch {
                snapshot: plan.snapshot,
            }),
            stats: plan.stats,
            log: plan.log,
            mailbox: plan.mailbox,
            todo: VecDeque::new(),
            marked: Marked::default(),
            drain: Drain::default(),
            date: crate::date::Date::default(),
            turns: 0,
            events: Vec::new(),
            due: Vec::new(),
            net: Net::new(engine),
        };
        for (index, sock) in (0..).zip(&listeners) {
            worker.own(*sock, Owner::Listener(index));
            worker.net.engine.resume(*sock);
        }
        worker.listeners = listeners;
        worker
    }

    /// Runs until drained or stopped.
    ///
    /// # Errors
    /// The engine broke.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.drain.is_over() {
            self.turn()?;
        }
        while self.log.is_pending() {
            self.log.hand_over();
            std::thread::yield_now();
        }
        Ok(())
    }

    /// One turn of the loop: waits, then does everything that is due.
    ///
    /// # Errors
    /// The engine broke.
    pub fn turn(&mut self) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        let deadline = self.next_deadline();
        self.net.engine.wait(deadline, &mut events)?;
        self.now = self.net.engine.now();
        self.turns += 1;
        self.put_pools_first(&mut events);
        for event in events.drain(..) {
            self.on_event(event);
            self.do_todo();
        }
        self.events = events;
        if deadline.is_some_and(|at| at <= self.now) {
            self.fire_timers();
        }
        self.settle_marked();
        self.net.flush();
        self.log.hand_over();
        self.check_drained();
        self.copy_engine_counters();
        Ok(())
    }

    /// The earliest moment at which a turn has something to do by itself.
    pub fn next_deadline(&self) -> Option<Instant> {
        let drain = self.drain.deadline();
        self.wheels.next().into_iter().chain(drain).min()
    }

    /// The engine, for a driver that has to look at it.
    pub fn engine(&mut self) -> &mut dyn Engine {
        &mut *self.net.engine
    }

    /// True when the worker has drained or was stopped.
    pub fn is_over(&self) -> bool {
        self.drain.is_over()
    }

    pub(crate) fn do_todo(&mut self) {
        while let Some(todo) = self.todo.pop_front() {
            match todo {
                Todo::Advance(key) => self.advance(key),
                Todo::Control(key) => self.write_control(key),
                Todo::Drop(key) => self.drop_conn(key),
                Todo::Decode(key) => self.decode_held(key),
                Todo::Serve(target) => self.serve_pool(target),
            }
        }
    }

    fn read_mailbox(&mut self) {
        for command in self.mailbox.take() {
            match command {
                Command::Drain { within } => self.begin_drain(within),
                Command::Stop => self.drain.stop(),
            }
        }
    }

    fn copy_engine_counters(&self) {
        let (from, to) = (self.net.engine.counters(), &self.stats.engine);
        to.blocks_exhausted.set(from.blocks_exhausted);
        to.quota_reached.set(from.quota_reached);
        to.reserve_receives.set(from.reserve_receives);
        to.waits.set(from.waits);
        to.events.set(from.events);
        to.rearms.set(from.rearms);
        to.rests.set(from.rests);
        to.pipes_refused.set(from.pipes_refused);
        self.stats.log_drops.set(self.log.dropped());
        to.blocks_leased.set(self.net.blocks.leased() as u64);
    }

    pub(crate) fn own(&mut self, sock: Sock, owner: Owner) {
        self.owners.set(sock, owner);
    }

    pub(crate) fn disown(&mut self, sock: Sock) {
        self.owners.remove(sock);
    }

    fn owner(&self, sock: Sock) -> Option<Owner> {
        self.owners.find(sock)
    }

    /// Closes a socket; nothing that happens to it afterwards is of interest.
    pub(crate) fn close_sock(&mut self, sock: Sock) {
        self.disown(sock);
        self.net.engine.close(sock);
    }

    /// The same with a reset: its peer is to see that there may have been more.
    pub(crate) fn abort_sock(&mut self, sock: Sock) {
        if cfg!(planted = "lost_reset") {
            return self.close_sock(sock);
        }
        self.disown(sock);
        self.net.engine.abort(sock);
    }

    pub(crate) fn listener_stats(&self, place: Place) -> &ListenerStats {
        &self.stats.listeners[place.listener as usize]
    }

    pub(crate) fn cluster_stats(&self, cluster: usize) -> &ClusterStats {
        &self.stats.clusters[cluster]
    }
}
