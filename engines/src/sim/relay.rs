//! Relaying: what one socket receives goes to another's queue, without the caller.
//!
//! The source's quota of blocks is the back-pressure: a block comes home when the target has sent it.

use super::{SimEngine, agenda::Timer, entry::Entry};
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
    pub(super) fn start_relay(&mut self, from: Sock, to: Sock) {
        let has_target = self.live(to).is_some();
        let Some(entry) = self.live(from) else { return };
        entry.is_wanted = has_target;
        entry.relay = Some(Relay {
            to,
            tally: Tally::default(),
        });
        if let Some(target) = self.live(to) {
            target.source = Some(from);
        }
        self.mark(from);
    }

    fn relay_of(&mut self, from: Sock) -> Option<&mut Relay> {
        self.entries.get_mut(from)?.relay.as_mut()
    }

    pub(super) fn is_relayed(&self, from: Sock) -> bool {
        self.entries.get(from).is_some_and(|e| e.relay.is_some())
    }

    pub(super) fn pass_on(&mut self, from: Sock, data: BufMut) {
        let Some(entry) = self.entries.get_mut(from) else {
            return;
        };
        let Some(relay) = &mut entry.relay else {
            return;
        };
        relay.tally.on_queued(data.len());
        let (to, data) = (relay.to, entry.lessee.keep(data));
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
        if reports {
            self.add_timer(REPORT_EVERY, Timer::Report(from));
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
        if let Some(relay) = self.relay_of(from) {
            relay.tally.tell(from, events);
        }
    }

    /// The source has ended: the target is to end behind it.
    pub(super) fn end_relay(&mut self, from: Sock) {
        let Some(relay) = self.relay_of(from) else {
            return;
        };
        relay.tally.on_source_end();
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
        if let Some(relay) = entry.relay.take()
            && let Some(target) = self.entries.get_mut(relay.to)
        {
            target.source = None;
        }
    }
}
