//! Accepting, and backing off when descriptors or memory run out.

use super::{Reactor, entry::Entry};
use crate::{Event, Kind, Sock, SockAddr, lessee::Park, socket};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

/// Connections taken from one listener in one turn.
const ACCEPTS_MAX: usize = 64;

impl Reactor {
    pub(super) fn serve_listener(&mut self, listener: Sock, events: &mut Vec<Event>) {
        for _ in 0..ACCEPTS_MAX {
            if self.is_full(events) {
                break;
            }
            let Some(entry) = self.socks.get_mut(listener) else {
                return;
            };
            if !entry.readable || !entry.receives() {
                return;
            }
            match entry.with_fd(|fd| socket::accept(fd, false)) {
                Ok((fd, peer)) => self.admit(listener, fd, peer, events),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => entry.readable = false,
                Err(error) if socket::is_of_peer(&error) => {}
                Err(cause) => {
                    entry.lessee.parked = Some(Park::Backoff);
                    self.backoffs.push(self.clock.now, listener);
                    self.counters.accept_failures += 1;
                    events.push(Event::AcceptFailed { listener, cause });
                }
            }
        }
        self.mark_later(listener);
    }

    fn admit(&mut self, listener: Sock, fd: OwnedFd, peer: SockAddr, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get(listener) else {
            return;
        };
        let fixed = entry.rare().and_then(|rare| rare.local.clone());
        let Some(local) = fixed.or_else(|| socket::local(fd.as_fd())) else {
            return; // Gone again already: nothing to tell.
        };
        let class = entry.lessee.class;
        let mut entry = Entry::new(fd, Kind::Stream, class);
        entry.reads_stop_short = matches!(peer, SockAddr::Unix(_));
        let sock = self.socks.insert(entry);
        events.push(Event::Accepted {
            listener,
            sock,
            peer,
            local,
        });
    }

    /// Lets the listeners go on whose rest is over.
    pub(super) fn end_backoffs(&mut self) {
        while let Some(listener) = self.backoffs.pop(self.clock.now) {
            if let Some(entry) = self.socks.get_mut(listener) {
                entry.lessee.parked = None;
                self.mark_ready(listener);
            }
        }
    }
}
