//! Accepting, and backing off when the network pretends that descriptors ran out.

use super::{
    SimEngine,
    agenda::Timer,
    entry::{Entry, Phase},
    socket::{Body, NetKey},
};
use crate::{Event, Kind, Sock, SockAddr, lessee::Park};
use std::{io, time::Duration};

/// Rest after an accept that failed for want of descriptors.
const BACKOFF: Duration = Duration::from_millis(50);
/// Connections taken from one listener in one turn.
const ACCEPTS_MAX: usize = 8;

impl SimEngine {
    pub(super) fn accept(&mut self, listener: Sock, key: NetKey, events: &mut Vec<Event>) {
        for _ in 0..ACCEPTS_MAX {
            let Some(entry) = self.entries.get(listener) else {
                return;
            };
            if !entry.is_receiving() {
                return;
            }
            let class = entry.lessee.class;
            if self.is_rationed(key) {
                return self.back_off(listener, events);
            }
            let Some((stream, peer, local)) = self.take_waiting(key) else {
                return;
            };
            let entry = Entry::new(Some(stream), Kind::Stream, class, Phase::Open);
            let sock = self.insert(entry);
            events.push(Event::Accepted {
                listener,
                sock,
                peer,
                local,
            });
        }
        self.mark(listener);
    }

    /// True when a connection waits and the next accept is to fail.
    fn is_rationed(&self, key: NetKey) -> bool {
        let mut world = self.net.world();
        let waiting = world.sockets.get(key).is_some_and(
            |socket| matches!(&socket.body, Body::Listener(listener) if !listener.queue.is_empty()),
        );
        waiting && world.faults.accept_failures.strikes(&mut world.rng)
    }

    fn take_waiting(&self, key: NetKey) -> Option<(NetKey, SockAddr, SockAddr)> {
        let mut world = self.net.world();
        let Body::Listener(listener) = &mut world.sockets.get_mut(key)?.body else {
            return None;
        };
        let stream = listener.queue.pop_front()?;
        let ends = world.stream(stream)?;
        Some((stream, ends.peer.clone(), ends.local.clone()))
    }

    pub(super) fn end_backoff(&mut self, listener: Sock) {
        if let Some(entry) = self.entries.get_mut(listener) {
            entry.lessee.parked = None;
            self.mark(listener);
        }
    }

    fn back_off(&mut self, listener: Sock, events: &mut Vec<Event>) {
        if let Some(entry) = self.entries.get_mut(listener) {
            entry.lessee.parked = Some(Park::Backoff);
        }
        self.add_timer(BACKOFF, Timer::Backoff(listener));
        self.counters.accept_failures += 1;
        let cause = io::Error::from_raw_os_error(libc::EMFILE);
        events.push(Event::AcceptFailed { listener, cause });
    }
}
