//! What the tasks of one engine share.

use super::{executor::RunQueue, line::Line, stream::RECEIVES_IN_TURN};
use crate::{
    Blocks, EngineCounters, EngineOptions, Event, Sock, SockAddr,
    bulk::{BULK_BLOCKS_MAX, Bulk},
    clock::Clock,
    due::{BACKOFF, Due},
    lessee::{Budget, Starved},
    outlet::Spares,
    pipe::Pipes,
    tally::REPORT_EVERY,
};
use std::{
    cell::{Cell, RefCell},
    os::fd::OwnedFd,
    rc::Rc,
    time::Instant,
};

/// Events that one `wait` delivers.
const EVENTS_MAX: usize = 256;
/// Events that one look of a task may add after it found room.
const EVENTS_EACH: usize = 8 + RECEIVES_IN_TURN as usize * BULK_BLOCKS_MAX as usize;

pub(super) struct Hub {
    pub(super) blocks: Blocks,
    /// Where several blocks are filled at once.
    pub(super) bulk: RefCell<Bulk>,
    /// Receive blocks that one socket may pin.
    pub(super) quota: u16,
    pub(super) queue: RunQueue,
    pub(super) spares: RefCell<Spares>,
    pub(super) pipes: RefCell<Pipes>,
    pub(super) events: RefCell<Vec<Event>>,
    pub(super) counters: RefCell<EngineCounters>,
    pub(super) clock: Cell<Clock>,
    pub(super) registry: mio::Registry,
    /// Sockets that wait for blocks.
    pub(super) starved: RefCell<Starved<Rc<Line>>>,
    /// Listeners that rest.
    pub(super) backoffs: RefCell<Due<Rc<Line>>>,
    /// Relays whose progress is to be told.
    pub(super) reports: RefCell<Due<Rc<Line>>>,
    /// Connections that were accepted and have no task yet.
    pub(super) accepted: RefCell<Vec<Accepted>>,
    /// Where datagrams are received.
    pub(super) datagram: RefCell<Vec<u8>>,
}

pub(super) struct Accepted {
    pub(super) listener: Sock,
    pub(super) fd: OwnedFd,
    pub(super) peer: SockAddr,
    pub(super) local: SockAddr,
}

impl Hub {
    pub(super) fn new(options: &EngineOptions, registry: mio::Registry) -> Self {
        let limits = &options.blocks;
        Self {
            blocks: Blocks::new(limits),
            bulk: RefCell::default(),
            quota: limits.socket_max.max(1),
            queue: RunQueue::default(),
            spares: RefCell::default(),
            pipes: RefCell::new(Pipes::new(options.pipes_max)),
            events: RefCell::default(),
            counters: RefCell::default(),
            clock: Cell::new(Clock::read()),
            registry,
            starved: RefCell::default(),
            backoffs: RefCell::new(Due::after(BACKOFF)),
            reports: RefCell::new(Due::after(REPORT_EVERY)),
            accepted: RefCell::default(),
            datagram: RefCell::new(vec![0; 64 << 10]),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.get().now
    }

    pub(super) fn tell(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    /// Lets those go on that gave way.
    pub(super) fn begin_turn(&self) {
        self.pipes.borrow_mut().begin_turn();
        self.queue.begin_turn();
    }

    /// No more events in this `wait`.
    pub(super) fn is_full(&self) -> bool {
        let waiting = self.events.borrow().len() + self.accepted.borrow().len();
        waiting + EVENTS_EACH > EVENTS_MAX
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut EngineCounters)) {
        add(&mut self.counters.borrow_mut());
    }

    /// Lets sockets go on that wait for blocks: no more than there are blocks for.
    pub(super) fn feed_starved(&self) {
        let mut starved = self.starved.borrow_mut();
        starved.feed(Budget::of(&self.blocks), |line, budget| line.offer(budget));
    }

    /// Lets the listeners go on whose rest is over.
    pub(super) fn end_backoffs(&self) {
        while let Some(line) = self.backoffs.borrow_mut().pop(self.now()) {
            line.unpark();
        }
    }

    /// Tells the progress of the relays whose period is over.
    pub(super) fn end_report_periods(&self) {
        loop {
            let due = self.reports.borrow_mut().pop(self.now());
            let Some(line) = due else { return };
            line.on_period_end();
        }
    }

    /// Forgets all sockets.
    pub(super) fn clear(&self) {
        self.starved.borrow_mut().clear();
        self.backoffs.borrow_mut().clear();
        self.reports.borrow_mut().clear();
        self.accepted.borrow_mut().clear();
    }

    /// When something has to be done without any readiness.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let (backoff, report) = (self.backoffs.borrow().next(), self.reports.borrow().next());
        [backoff, report].into_iter().flatten().min()
    }
}
