//! What is going to happen in a simulated network, in the order of its time.

use super::{net::EngineId, socket::NetKey};
use crate::Sock;
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Instant,
};

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Item {
    /// A datagram arrives at a bound socket.
    Packet { at: NetKey, packet: Packet },
    /// The next segment under way to a stream arrives.
    Segment(NetKey),
    /// A request to connect arrives where it goes, for the n-th time.
    Syn { from: NetKey, tries: u32 },
    /// An engine's own timer.
    Timer(EngineId, Timer),
}

/// What an engine waits for without any socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// A listener's rest is over.
    Backoff(Sock),
    /// Blocks are free again.
    Drought,
    /// A relay's progress is to be told.
    Report(Sock),
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: crate::SockAddr,
    pub(super) to: std::net::IpAddr,
    pub(super) data: Vec<u8>,
}

/// A queue by time; what is due at the same time comes in the order in which it was added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    queue: BinaryHeap<Reverse<Dated>>,
    added: u64,
}

#[derive(Debug)]
struct Dated {
    at: Instant,
    order: u64,
    item: Item,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, item: Item) {
        self.added += 1;
        let order = self.added;
        self.queue.push(Reverse(Dated { at, order, item }));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(dated)| dated.at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Item> {
        let due = self.next().is_some_and(|at| at <= now);
        due.then(|| self.queue.pop())
            .flatten()
            .map(|Reverse(dated)| dated.item)
    }
}

impl Ord for Dated {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Dated {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Dated {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dated {}
