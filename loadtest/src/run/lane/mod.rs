//! One thread's part of a load: an engine, its connections, and the loop that starts requests when they
//! are due. It knows neither threads nor clocks, so that it runs on `sim` as on the kernel.
//!
//! Times are ns since the lane was made. What a turn's events set free is used at its end: requests
//! start, and connections are opened, only there, when no event of the turn is left that could name an
//! older socket of the same index.

mod connecting;
mod input;
mod lingering;
mod stage;
mod starting;

pub use stage::Share;

use super::{
    Target,
    connection::{Connection, Phase},
    mix::Mix,
    net::Net,
    recorder::{Record, Recorder},
    secure::Guard,
};
use crate::{
    outcome::{Failure, Tally},
    workload::Workload,
};
use codecs::Heads;
use engines::{Engine, Event, Rng, SlotKey, Sock, Wheel};
use lingering::Lingering;
use stage::{Schedule, Stage};
use starting::Queue;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// What all lanes of a run share: where the load goes and what it is.
#[derive(Debug)]
pub struct Load {
    target: Target,
    workload: Workload,
    mix: Mix,
}

impl Load {
    /// A workload that was checked ([`Workload::check`]), for a target.
    pub fn new(target: Target, workload: Workload) -> Self {
        let mix = Mix::new(&target, &workload);
        Self {
            target,
            workload,
            mix,
        }
    }
}

/// One thread's part of a load.
pub struct Lane {
    net: Net,
    load: Arc<Load>,
    places: Vec<Connection>,
    /// Whose place a socket is in, by the socket's index.
    owners: Vec<u32>,
    /// Places whose sockets are to be opened in this turn.
    down: Vec<u32>,
    lingering: Lingering,
    queue: Queue,
    schedule: Schedule,
    stage: Stage,
    recorder: Recorder,
    heads: Heads,
    rng: Rng,
    wheel: Wheel,
    epoch: Instant,
    now: Instant,
    now_ns: u64,
    timeout_ns: u64,
    /// Requests under way on all connections.
    under_way: usize,
    /// Places whose first connection neither came about nor failed yet.
    opening: usize,
    first_cause: Option<String>,
    /// Answers so far, right or wrong.
    answers: u64,
    fatal: Option<String>,
    events: Vec<Event>,
    due: Vec<u32>,
}

impl Lane {
    /// A lane that opens its connections from the first turn on and starts requests once it was told to
    /// ([`Lane::start`]).
    pub fn new(engine: Box<dyn Engine>, load: Arc<Load>, share: Share, seed: u64) -> Self {
        let workload = &load.workload;
        let connections = share.part_of(workload.connections.into()) as u32;
        let place = |_| Connection::new(workload.protocol.codec(workload));
        let epoch = engine.now();
        let mut rng = Rng::seeded(seed);
        let tls = load.target.tls.as_ref();
        let guard = tls.map(|tls| Guard::new(tls, workload, connections as usize));
        let (guard, fatal) = match guard.transpose() {
            Ok(guard) => (guard, None),
            Err(why) => (None, Some(why)),
        };
        Self {
            places: (0..connections).map(place).collect(),
            owners: Vec::new(),
            down: (0..connections).collect(),
            lingering: Lingering::default(),
            queue: Queue::default(),
            schedule: Schedule::new(workload, share, &mut rng),
            stage: Stage::Opening,
            recorder: Recorder::new(workload.arrivals.is_open(), workload.protocol.is_grpc()),
            heads: Heads::default(),
            wheel: Wheel::new(epoch),
            rng,
            epoch,
            now: epoch,
            now_ns: 0,
            timeout_ns: nanos(workload.timeout),
            under_way: 0,
            opening: connections as usize,
            first_cause: None,
            answers: 0,
            fatal,
            events: Vec::new(),
            due: Vec::new(),
            net: Net::new(engine, guard),
            load,
        }
    }

    /// Waits for events or the next thing to do, and does it.
    ///
    /// # Errors
    /// The engine is broken.
    pub fn turn(&mut self) -> io::Result<()> {
        self.open_connections();
        let mut events = std::mem::take(&mut self.events);
        self.net.flush();
        let waited = self.net.engine.wait(self.deadline(), &mut events);
        self.now = self.net.engine.now();
        self.now_ns = nanos(self.now.saturating_duration_since(self.epoch));
        self.enter_measured();
        for event in events.drain(..) {
            self.on_event(event);
        }
        self.events = events;
        self.expire();
        self.start_requests();
        self.advance_stage();
        self.open_connections();
        self.net.flush();
        waited
    }

    /// When the lane has something to do by itself.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.down.is_empty() {
            return Some(self.now);
        }
        let backlog = self
            .queue
            .oldest_ns()
            .map(|ns| ns.saturating_add(self.timeout_ns));
        let own = [self.stage_deadline_ns(), backlog, self.lingering.next_ns()];
        let own = own.into_iter().flatten().min();
        let own = own.map(|ns| self.epoch + Duration::from_nanos(ns));
        [own, self.wheel.next()].into_iter().flatten().min()
    }

    /// The time of its last turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Counts since the lane was made, warm-up included.
    pub fn so_far(&self) -> &Tally {
        &self.recorder.so_far
    }

    /// Each connection came about, or failed once.
    pub fn is_settled(&self) -> bool {
        self.opening == 0
    }

    /// Why no connection came about, if none did so far.
    pub fn unreachable(&self) -> Option<&str> {
        let has_connected = self.recorder.so_far.connected > 0;
        self.first_cause.as_deref().filter(|_| !has_connected)
    }

    /// Why the run makes no sense: the very first answer was none.
    pub fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// What was measured, and for how long.
    pub(super) fn into_record(self) -> (Record, Duration) {
        let measured = self.measured_ns();
        let record = self.recorder.into_record(measured.1);
        let measured_ns = match measured {
            (ns, true) => record.answered_ns.max(ns),
            (ns, false) => ns,
        };
        (record, Duration::from_nanos(measured_ns))
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Received { sock, data } => match self.owner(sock) {
                Some(index) => self.on_received(index, sock, data),
                None if self.lingering.has(sock) => {
                    self.recorder.received(self.now_ns, data.len());
                    self.on_late(sock, data);
                }
                None => {}
            },
            Event::Sent { sock, bytes } => {
                self.recorder.sent(self.now_ns, bytes);
                if let Some(index) = self.owner(sock) {
                    self.on_sent(index, bytes);
                }
            }
            Event::Connected { sock } => {
                if let Some(index) = self.owner(sock) {
                    self.on_connected(index, sock);
                }
            }
            Event::Closed { sock, cause } => {
                match self.owner(sock) {
                    Some(index) => self.on_closed(index, cause),
                    None => drop(self.lingering.remove(sock)),
                }
                self.net.forget(sock);
            }
            Event::Finished { sock } => match self.owner(sock) {
                Some(index) => self.on_finished(index, sock),
                None if self.lingering.remove(sock) => self.net.close(sock),
                None => {}
            },
            Event::AcceptFailed { .. }
            | Event::Accepted { .. }
            | Event::Datagram { .. }
            | Event::Detached { .. }
            | Event::Relayed { .. }
            | Event::Woken => {}
        }
    }

    /// The place that has the socket now.
    fn owner(&self, sock: Sock) -> Option<u32> {
        let index = *self.owners.get(sock.index() as usize)?;
        let place = self.places.get(index as usize)?;
        (place.sock() == Some(sock)).then_some(index)
    }

    fn place(&mut self, index: u32) -> &mut Connection {
        &mut self.places[index as usize]
    }

    /// Has the wheel look at a place in time.
    fn arm(&mut self, index: u32) {
        let timeout_ns = self.timeout_ns;
        let place = &mut self.places[index as usize];
        let deadline_ns = place.deadline_ns(timeout_ns);
        if deadline_ns < place.armed_ns {
            place.armed_ns = deadline_ns;
            let at = self.epoch + Duration::from_nanos(deadline_ns);
            self.wheel.set(index, Some(at));
        }
    }

    fn expire(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(self.now, &mut due);
        for index in due.drain(..) {
            self.place(index).armed_ns = u64::MAX;
            self.on_due(index);
            self.arm(index);
        }
        self.due = due;
        while let Some(sock) = self.lingering.pop(self.now_ns) {
            self.net.close(sock);
        }
        self.expire_backlog();
    }

    fn on_due(&mut self, index: u32) {
        let (now_ns, timeout_ns) = (self.now_ns, self.timeout_ns);
        let place = self.place(index);
        if place.deadline_ns(timeout_ns) > now_ns {
            return;
        }
        match place.phase {
            Phase::Connecting { sock, .. } => {
                self.net.close(sock);
                self.on_unconnected(index, Failure::Connect, "timed out");
            }
            Phase::Securing { sock, .. } => self.on_insecure(index, sock, "timed out"),
            Phase::Down { .. } => {
                let until_ns = u64::MAX;
                place.phase = Phase::Down { until_ns };
                self.down.push(index);
            }
            Phase::Open { sock } => {
                if place.paused_ns != 0 && place.paused_ns <= now_ns {
                    self.read_on(index, sock);
                }
                self.time_out(index, sock);
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
