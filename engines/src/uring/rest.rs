//! Rests: a stream that has received nothing for long gives its receive up and awaits readiness.
//!
//! To the kernel an armed receive is a request, a message header and a poll entry (860 bytes); a poll
//! is the request alone (256). All sockets are looked at once in a period, some in each turn. While no
//! receive is armed there is no next time: nothing wakes an engine whose sockets rest.

use super::{Uring, entry::Op};
use crate::Sock;
use std::{
    mem,
    time::{Duration, Instant},
};

/// Slots looked at in one turn.
const SLOTS_EACH: u32 = 1024;

/// What a stream has received lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// Something since it was looked at, or it has just begun.
    No,
    /// Nothing since it was looked at last.
    Once,
    /// Nothing for a whole period: it rests.
    Rests,
}

/// When streams are looked at, and how far that is.
pub(super) struct Sweep {
    every: Duration,
    due: Option<Instant>,
    /// Slots looked at in one turn.
    slots_each: u32,
    /// Slot to go on with.
    at: u32,
    /// A receive is armed, so there is a next time.
    again: bool,
}

impl Sweep {
    pub(super) fn every(every: Duration) -> Self {
        Self {
            every,
            due: None,
            slots_each: SLOTS_EACH,
            at: 0,
            again: false,
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn on_armed(&mut self, now: Instant) {
        self.again = true;
        self.due.get_or_insert(now + self.every);
    }
}

impl Uring {
    /// Looks at the next sockets if that is due.
    pub(super) fn sweep(&mut self) {
        if self.sweep.due.is_none_or(|due| due > self.clock.now) {
            return;
        }
        let (from, slots) = (self.sweep.at, self.socks.slots());
        let to = slots.min(from + self.sweep.slots_each);
        for index in from..to {
            if let Some(sock) = self.socks.key_at(index) {
                self.look_at(sock);
            }
        }
        self.sweep.at = to;
        if to == slots {
            self.sweep.at = 0;
            let again = mem::take(&mut self.sweep.again);
            self.sweep.due = again.then(|| self.clock.now + self.sweep.every);
        }
    }

    /// Lets a stream rest whose receive has brought nothing for a period. What arrives before that
    /// receive ends is received; the poll completes at once for what arrives after.
    fn look_at(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if !entry.flight.has(Op::Recv) || entry.cancelled.has(Op::Recv) {
            return;
        }
        self.sweep.again = true;
        if entry.inlet.idle == Idle::No {
            entry.inlet.idle = Idle::Once;
            return;
        }
        (entry.inlet.idle, entry.inlet.readable) = (Idle::Rests, false);
        self.counters.rests += 1;
        self.cancel(sock, Op::Recv);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Carried, Engine, EngineOptions, Event, Kind,
        uring::{entry::Entry, ring::Stay},
    };
    use std::{
        io::Write,
        os::{fd::OwnedFd, unix::net::UnixStream},
    };

    /// An engine with that many streams that receive, and their peers.
    fn engine(streams: usize) -> (Uring, Vec<UnixStream>) {
        let mut uring = Uring::new(&EngineOptions {
            idle_after: Duration::ZERO,
            ..EngineOptions::default()
        })
        .unwrap();
        let peers = (0..streams).map(|_| {
            let (near, far) = UnixStream::pair().unwrap();
            let sock = uring.adopt(Carried::from((OwnedFd::from(near), Kind::Stream)));
            uring.resume(sock);
            far
        });
        let peers = peers.collect();
        (uring, peers)
    }

    fn look(uring: &mut Uring) -> Vec<Event> {
        let (mut events, now) = (Vec::new(), uring.now());
        uring.wait(Some(now), &mut events).unwrap();
        events
    }

    fn armed(uring: &Uring, op: Op) -> usize {
        let entries = uring.socks.iter();
        entries.filter(|(_, entry)| entry.flight.has(op)).count()
    }

    #[test]
    fn who_receives_nothing_rests_and_then_nothing_wakes_the_engine() {
        if crate::uring_available().is_err() {
            return;
        }
        let (mut uring, mut peers) = engine(3);
        look(&mut uring);
        for rests in [3, 4] {
            while uring.sweep.next().is_some() {
                assert!(look(&mut uring).is_empty());
            }
            assert_eq!(uring.counters().rests, rests);
            assert_eq!((armed(&uring, Op::Recv), armed(&uring, Op::PollIn)), (0, 3));
            assert!(matches!(uring.stay(None), Stay::Until(None)));
            peers[1].write_all(b"x").unwrap();
            let mut events = Vec::new();
            uring.wait(None, &mut events).unwrap();
            assert!(matches!(events[..], [Event::Received { .. }]));
            assert_eq!((armed(&uring, Op::Recv), armed(&uring, Op::PollIn)), (1, 2));
        }
    }

    #[test]
    fn a_turn_looks_at_some_of_many_and_turns_follow_until_all_are_seen() {
        if crate::uring_available().is_err() {
            return;
        }
        let (mut uring, _peers) = engine(5);
        uring.sweep.slots_each = 2;
        look(&mut uring);
        assert_eq!(armed(&uring, Op::Recv), 5);
        let mut seen = Vec::new();
        for _ in 0..3 {
            assert!(uring.sweep.next().is_some_and(|due| due <= uring.now()));
            look(&mut uring);
            let looked = |entry: &Entry| entry.inlet.idle == Idle::Once;
            let entries = uring.socks.iter();
            seen.push(entries.filter(|(_, entry)| looked(entry)).count());
        }
        assert_eq!((seen, uring.sweep.at), (vec![2, 4, 5], 0));
    }
}
