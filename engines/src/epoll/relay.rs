//! Relaying: what one socket receives goes to another, without the caller.
//!
//! Small flows go through blocks and the target's queue; the source's quota of blocks is the
//! back-pressure, as a block comes home when the target has sent it. Bulk goes through pipes.

use super::{Reactor, entry::Entry};
use crate::{BufMut, Event, Kind, Sock, outlet::Finish, pipe::Pipe, tally::Tally};

/// A relay, kept with its source.
pub(super) struct Relay {
    pub(super) to: Sock,
    pub(super) tally: Tally,
    /// While bytes are under way in it.
    pub(super) pipe: Option<Pipe>,
    /// The socket cannot be spliced from or to.
    pub(super) copies: bool,
}

impl Relay {
    /// It had an end, and has come to it.
    fn is_complete(&self) -> bool {
        let piped = self.pipe.as_ref().map_or(0, Pipe::held);
        self.tally.is_complete(piped)
    }
}

impl Reactor {
    /// Relays to the source's end, or so many bytes.
    pub(super) fn start_relay(&mut self, from: Sock, to: Sock, bytes: Option<u64>) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        entry.relay = Some(Box::new(Relay {
            to,
            tally: Tally::new(bytes),
            pipe: None,
            copies: false,
        }));
        entry.wanted = true;
        self.mark_ready(from);
        match self.socks.get_mut(to) {
            Some(target) if target.kind == Kind::Stream && !target.is_ending() => {
                target.set_source(Some(from));
                target.outlet.awaits = bytes.is_some();
            }
            Some(_) | None => self.break_relay(from),
        }
    }

    pub(super) fn serve_relay(&mut self, from: Sock, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get(from) else {
            return;
        };
        let Some(relay) = &entry.relay else { return };
        if !relay.tally.is_bulk() || relay.copies || entry.has_unread() {
            self.receive(from, events);
        } else if self.socks.get(relay.to).is_some_and(Entry::is_drained) {
            self.splice(from, events);
        }
        // Otherwise what was copied has to leave first.
        let Some(relay) = self.relay_of(from) else {
            return;
        };
        if relay.is_complete() {
            relay.tally.tell_complete(from, events);
            self.end_pass(from);
        } else {
            relay.tally.tell(from, events);
        }
    }

    /// Makes source and target ordinary sockets again.
    fn end_pass(&mut self, from: Sock) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        entry.wanted = false;
        let Some(relay) = entry.relay.take() else {
            return;
        };
        self.release_target(relay.to);
    }

    /// Nothing of a relay comes to this socket any more.
    fn release_target(&mut self, to: Sock) {
        if let Some(target) = self.socks.get_mut(to) {
            target.set_source(None);
            (target.piped, target.outlet.awaits) = (false, false);
            self.mark_ready(to);
        }
    }

    /// Tells what left of the relays that a socket takes part in and that is about to go.
    pub(super) fn tell_last(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        let source = entry.source().filter(|from| self.is_told_of(*from));
        let itself = self.is_told_of(sock).then_some(sock);
        for from in [source, itself].into_iter().flatten() {
            if let Some(relay) = self.relay_of(from)
                && relay.tally.is_bounded()
            {
                relay.tally.tell_all(from, events);
            }
        }
    }

    /// The caller has not closed the socket.
    fn is_told_of(&self, sock: Sock) -> bool {
        let told = |entry: &Entry| !entry.is_ending() || entry.has_failed();
        self.socks.get(sock).is_some_and(told)
    }

    /// Passes bytes on to the relay's target; what is behind a relay's end is kept.
    pub(super) fn pass_on(&mut self, from: Sock, mut data: BufMut) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        let Some(relay) = &mut entry.relay else {
            return;
        };
        let own = data.split_to(relay.tally.take(data.len()));
        entry.wanted &= !relay.tally.has_all();
        if !data.is_empty() {
            entry.rare_mut().unread.extend_from_slice(&data);
        }
        self.queue_on_target(from, own);
    }

    /// Queues what was taken from the source on the relay's target.
    pub(super) fn queue_on_target(&mut self, from: Sock, data: BufMut) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        let Some(relay) = &mut entry.relay else {
            return;
        };
        relay.tally.on_queued(data.len());
        let (to, data) = (relay.to, entry.lessee.keep(data));
        if let Some(target) = self.socks.get_mut(to) {
            target.outlet.push(data, true, &mut self.spares);
            self.mark_ready(to);
        }
    }

    /// The target took `bytes` of its source's.
    pub(super) fn on_relayed(&mut self, to: Sock, bytes: usize) {
        let Some(from) = self.source_of(to) else {
            return;
        };
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        let Some(relay) = &mut entry.relay else {
            return;
        };
        let reports = relay.tally.on_left(bytes);
        if relay.tally.is_drained() {
            entry.lessee.on_drained();
        }
        let is_complete = relay.is_complete();
        if reports {
            self.reports.push(self.clock.now, from);
        }
        if is_complete {
            self.mark_ready(from);
        }
    }

    /// The source has ended and everything it sent is queued.
    pub(super) fn on_relay_end(&mut self, from: Sock) {
        let Some(relay) = self.relay_of(from) else {
            return;
        };
        relay.tally.on_source_end();
        if relay.tally.is_bounded() {
            return;
        }
        let to = relay.to;
        let Some(target) = self.socks.get_mut(to) else {
            return;
        };
        match target.outlet.finish {
            Finish::No => {
                target.outlet.finish = Finish::Asked;
                self.mark_ready(to);
            }
            Finish::Asked => {}
            Finish::Done => self.on_half_closed(to),
        }
    }

    /// Our direction of a relay's target has ended.
    pub(super) fn on_half_closed(&mut self, to: Sock) {
        let Some(from) = self.source_of(to) else {
            return;
        };
        if let Some(relay) = self.relay_of(from)
            && relay.tally.on_half_closed()
        {
            self.mark_ready(from);
        }
    }

    /// Everything queued on a socket has left: a source may go on that waited for it.
    pub(super) fn on_drained(&mut self, to: Sock) {
        let Some(from) = self.source_of(to) else {
            return;
        };
        if let Some(relay) = self.relay_of(from)
            && relay.tally.is_bulk()
            && !relay.copies
        {
            self.mark_ready(from);
        }
    }

    /// Makes the due reports deliverable.
    pub(super) fn end_report_periods(&mut self) {
        while let Some(from) = self.reports.pop(self.clock.now) {
            if let Some(relay) = self.relay_of(from) {
                relay.tally.on_period_end();
                self.mark_ready(from);
            }
        }
    }

    /// Takes a socket that goes out of its relays; returns the bytes that it received and that did
    /// not leave.
    pub(super) fn unlink(&mut self, sock: Sock) -> Vec<u8> {
        let Some(entry) = self.socks.get_mut(sock) else {
            return Vec::new();
        };
        let (source, relay) = (entry.source(), entry.relay.take());
        entry.set_source(None);
        if let Some(from) = source {
            self.break_relay(from);
        }
        let Some(relay) = relay else {
            return Vec::new();
        };
        self.release_target(relay.to);
        relay
            .pipe
            .map_or_else(Vec::new, |pipe| self.pipes.empty(pipe))
    }

    /// The relay has no target any more: nothing is received until the caller closes the source.
    fn break_relay(&mut self, from: Sock) {
        if let Some(entry) = self.socks.get_mut(from)
            && entry.relay.is_some()
        {
            entry.wanted = false;
        }
    }

    fn source_of(&self, to: Sock) -> Option<Sock> {
        self.socks.get(to)?.source()
    }

    pub(super) fn relay_of(&mut self, from: Sock) -> Option<&mut Relay> {
        self.socks.get_mut(from)?.relay.as_deref_mut()
    }
}
