//! Relaying: what one socket receives goes to another's queue, without the caller.
//!
//! The source's quota of blocks is the back-pressure: a block comes home when the target has sent it.

use super::{
    SimEngine,
    agenda::Timer,
    entry::{Entry, Phase},
};
use crate::{
    BufMut, Event, Sock,
    outlet::Finish,
    tally::{REPORT_EVERY, Tally},
};

/// A relay, kept with its source.
#[derive(Debug)]
pub(super) struct Relay {
    to: Sock,
    tally: Tally,
}

impl SimEngine {
    /// Relays to the source's end, or so many bytes.
    pub(super) fn start_relay(&mut self, from: Sock, to: Sock, bytes: Option<u64>) {
        let has_target = self.live(to).is_some();
        let Some(entry) = self.live(from) else { return };
        (entry.is_wanted, entry.late_blocks) = (has_target, 0);
        entry.relay = Some(Relay {
            to,
            tally: Tally::new(bytes),
        });
        if let Some(target) = self.live(to) {
            target.source = Some(from);
            target.outlet.awaits = bytes.is_some();
        }
        self.mark(from);
    }

    /// Makes source and target of a relay that had an end ordinary sockets again.
    fn end_pass(&mut self, from: Sock) {
        let Some(entry) = self.entries.get_mut(from) else {
            return;
        };
        entry.is_wanted = false;
        if let Some(relay) = entry.relay.take() {
            self.release_target(relay.to);
        }
    }

    /// Nothing of a relay comes to this socket any more.
    fn release_target(&mut self, to: Sock) {
        if let Some(target) = self.entries.get_mut(to) {
            (target.source, target.outlet.awaits) = (None, false);
            self.mark(to);
        }
    }

    /// Tells what left of the relays that a socket takes part in and that is about to go.
    pub(super) fn tell_last(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let Some(entry) = self.entries.get(sock) else {
            return;
        };
        let source = entry.source.filter(|from| self.is_told_of(*from));
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
        let closed = |entry: &Entry| matches!(entry.phase, Phase::Ending(None));
        self.entries.get(sock).is_some_and(|entry| !closed(entry))
    }

    fn relay_of(&mut self, from: Sock) -> Option<&mut Relay> {
        self.entries.get_mut(from)?.relay.as_mut()
    }

    pub(super) fn is_relayed(&self, from: Sock) -> bool {
        self.entries.get(from).is_some_and(|e| e.relay.is_some())
    }

    /// Passes bytes on to the relay's target; what is behind a relay's end is kept.
    pub(super) fn pass_on(&mut self, from: Sock, mut data: BufMut) {
        let Some(entry) = self.entries.get_mut(from) else {
            return;
        };
        let Some(relay) = &mut entry.relay else {
            return;
        };
        let own = data.split_to(relay.tally.take(data.len()));
        relay.tally.on_queued(own.len());
        entry.is_wanted &= !relay.tally.has_all();
        entry.unread.extend_from_slice(&data);
        let (to, data) = (relay.to, entry.lessee.keep(own));
        if let Some(target) = self.entries.get_mut(to)
            && !target.is_ending()
        {
            target.outlet.push(data, true, &mut self.spares);
            self.mark(to);
        }
    }

    /// The target took `bytes` of its source's.
    pub(super) fn on_relayed(&mut self, to: Sock, bytes: usize) {
        let Some(from) = self.entries.get(to).and_then(|target| target.source) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(from) else {
            return;
        };
        let Some(relay) = &mut entry.relay else {
            return;
        };
        let reports = relay.tally.on_left(bytes);
        if relay.tally.is_drained() {
            entry.lessee.on_drained();
        }
        let is_complete = relay.tally.is_complete(0);
        if reports {
            self.add_timer(REPORT_EVERY, Timer::Report(from));
        }
        if is_complete {
            self.mark(from);
        }
    }

    /// A report's time has come: it is told when the source is served.
    pub(super) fn on_report_due(&mut self, from: Sock) {
        if let Some(relay) = self.relay_of(from) {
            relay.tally.on_period_end();
            self.mark(from);
        }
    }

    /// Tells the progress whose time has come, and the end.
    pub(super) fn tell_progress(&mut self, from: Sock, events: &mut Vec<Event>) {
        let Some(relay) = self.relay_of(from) else {
            return;
        };
        if relay.tally.is_complete(0) {
            relay.tally.tell_complete(from, events);
            self.end_pass(from);
        } else {
            relay.tally.tell(from, events);
        }
    }

    /// The source has ended: the target is to end behind it.
    pub(super) fn end_relay(&mut self, from: Sock) {
        let Some(relay) = self.relay_of(from) else {
            return;
        };
        relay.tally.on_source_end();
        if relay.tally.is_bounded() {
            return self.mark(from);
        }
        let to = relay.to;
        let Some(target) = self.live(to) else { return };
        match target.outlet.finish {
            Finish::No => {
                target.outlet.finish = Finish::Asked;
                self.mark(to);
            }
            Finish::Asked => {}
            Finish::Done => self.on_half_closed(to),
        }
    }

    /// Our direction of a relay's target has ended.
    pub(super) fn on_half_closed(&mut self, to: Sock) {
        let Some(from) = self.entries.get(to).and_then(|target| target.source) else {
            return;
        };
        if let Some(relay) = self.relay_of(from)
            && relay.tally.on_half_closed()
        {
            self.mark(from);
        }
    }

    /// Takes a socket that goes out of its relays. A source without a target receives no more.
    pub(super) fn unlink(&mut self, entry: &mut Entry) {
        if let Some(from) = entry.source
            && let Some(source) = self.entries.get_mut(from)
            && source.relay.is_some()
        {
            source.is_wanted = false;
        }
        if let Some(relay) = entry.relay.take() {
            self.release_target(relay.to);
        }
    }
}
