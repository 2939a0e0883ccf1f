//! Relaying: what one socket receives goes to another's queue, without the caller.
//!
//! The source's quota of blocks is the back-pressure: a block comes home when the target has sent it.

use super::{
    Uring,
    entry::{Entry, Op},
};
use crate::{BufMut, Event, Sock, outlet::Finish, pipe::Pipe, tally::Tally};

/// A relay, kept with its source.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) to: Sock,
    pub(super) mode: Mode,
    pub(super) tally: Tally,
}

/// How the bytes move.
#[derive(Debug)]
pub(super) enum Mode {
    /// Through blocks.
    Copying,
    /// Through blocks to the end: splicing is not possible.
    CopyingOn,
    /// Through blocks until those under way have left.
    Turning,
    Splicing(Pipe),
}

impl Relay {
    /// Takes the pipe out.
    pub(super) fn take_pipe(&mut self) -> Option<Pipe> {
        match std::mem::replace(&mut self.mode, Mode::CopyingOn) {
            Mode::Splicing(pipe) => Some(pipe),
            Mode::Copying | Mode::CopyingOn | Mode::Turning => None,
        }
    }

    /// Bytes in the pipe.
    pub(super) fn held(&self) -> usize {
        match &self.mode {
            Mode::Splicing(pipe) => pipe.held(),
            Mode::Copying | Mode::CopyingOn | Mode::Turning => 0,
        }
    }

    /// It had an end, and has come to it.
    fn is_complete(&self) -> bool {
        self.tally.is_complete(self.held())
    }
}

impl Uring {
    /// Relays to the source's end, or so many bytes.
    pub(super) fn start_relay(&mut self, from: Sock, to: Sock, bytes: Option<u64>) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        let tally = Tally::new(bytes);
        let mode = if tally.is_bulk() {
            Mode::Turning
        } else {
            Mode::Copying
        };
        entry.relay = Some(Box::new(Relay { to, mode, tally }));
        entry.inlet.wanted = true;
        self.mark_dirty(from);
        match self.socks.get_mut(to).filter(|target| !target.is_ending()) {
            Some(target) => {
                target.set_source(Some(from));
                target.outlet.awaits = bytes.is_some();
            }
            None => self.break_relay(from),
        }
    }

    /// Makes source and target ordinary sockets again.
    fn end_pass(&mut self, from: Sock) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        entry.inlet.wanted = false;
        let Some(relay) = entry.relay.take() else {
            return;
        };
        self.cancel(from, Op::PollIn);
        self.mark_dirty(from);
        self.release_target(*relay);
    }

    /// Nothing of the relay comes to its target any more.
    fn release_target(&mut self, relay: Relay) {
        let Relay { to, mode, .. } = relay;
        if let Some(target) = self.socks.get_mut(to) {
            target.set_source(None);
            target.outlet.awaits = false;
            self.mark_dirty(to);
            self.let_block(to);
        }
        if let Mode::Splicing(pipe) = mode {
            self.pipes.put(pipe);
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
        entry.inlet.wanted &= !relay.tally.has_all();
        relay.tally.on_queued(own.len());
        let (to, own) = (relay.to, entry.inlet.lessee.keep(own));
        if !data.is_empty() {
            entry.rare_mut().unread.extend_from_slice(&data);
        }
        let data = own;
        if let Some(target) = self.socks.get_mut(to) {
            target.outlet.push(data, true, &mut self.spares);
            self.mark_dirty(to);
        }
    }

    /// The target took `bytes` of its source's.
    pub(super) fn on_relayed(&mut self, to: Sock, bytes: usize) {
        let Some(from) = self.socks.get(to).and_then(Entry::source) else {
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
            entry.inlet.lessee.on_drained();
        }
        let is_complete = relay.is_complete();
        let turns = relay.tally.is_bulk() && matches!(relay.mode, Mode::Copying);
        if turns {
            relay.mode = Mode::Turning;
        }
        if reports {
            self.reports.push(self.clock.now, from);
        }
        if turns {
            self.mark_dirty(from);
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
                self.mark_dirty(to);
            }
            Finish::Asked => {}
            Finish::Done => self.on_half_closed(to),
        }
    }

    /// Our direction of a relay's target has ended.
    pub(super) fn on_half_closed(&mut self, to: Sock) {
        let Some(from) = self.socks.get(to).and_then(Entry::source) else {
            return;
        };
        if let Some(relay) = self.relay_of(from)
            && relay.tally.on_half_closed()
        {
            self.mark_ready(from);
        }
    }

    /// Tells a relay's progress and its end.
    pub(super) fn serve_relay(&mut self, from: Sock, events: &mut Vec<Event>) {
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

    /// Makes the due reports deliverable.
    pub(super) fn end_report_periods(&mut self) {
        while let Some(from) = self.reports.pop(self.clock.now) {
            if let Some(relay) = self.relay_of(from) {
                relay.tally.on_period_end();
                self.mark_ready(from);
            }
        }
    }

    /// Takes a socket that goes out of its relays.
    pub(super) fn unlink(&mut self, entry: &mut Entry) {
        if let Some(from) = entry.source() {
            self.break_relay(from);
        }
        if let Some(relay) = entry.relay.take() {
            self.release_target(*relay);
        }
    }

    /// Goes on with receiving for a relay.
    pub(super) fn pump_relay(&mut self, from: Sock) {
        match self.relay_of(from).map(|relay| &relay.mode) {
            Some(Mode::Copying | Mode::CopyingOn) | None => self.pump_receive(from),
            Some(Mode::Turning) => self.turn_to_splicing(from),
            Some(Mode::Splicing(_)) => self.pump_splice(from),
        }
    }

    /// The target can take more: its source goes on if everything queued has left. Only what the
    /// kernel tells leads here, as two sources that turn at once would wake each other without end.
    pub(super) fn on_drained(&mut self, to: Sock) {
        let target = self.socks.get(to).filter(|target| target.is_drained());
        let Some(from) = target.and_then(Entry::source) else {
            return;
        };
        match self.relay_of(from).map(|relay| &relay.mode) {
            Some(Mode::Turning) => self.mark_dirty(from),
            Some(Mode::Splicing(_)) => self.mark_ready(from),
            Some(Mode::Copying | Mode::CopyingOn) | None => {}
        }
    }

    /// The relay has no target any more: nothing is received until the caller closes the source.
    fn break_relay(&mut self, from: Sock) {
        if let Some(entry) = self.socks.get_mut(from)
            && entry.relay.is_some()
        {
            entry.inlet.wanted = false;
            self.cancel(from, Op::Recv);
            self.cancel(from, Op::PollIn);
        }
    }

    pub(super) fn is_splicing(&self, from: Sock) -> bool {
        let relay = self.socks.get(from).and_then(|entry| entry.relay.as_ref());
        relay.is_some_and(|relay| matches!(relay.mode, Mode::Splicing(_)))
    }

    pub(super) fn relay_of(&mut self, from: Sock) -> Option<&mut Relay> {
        self.socks.get_mut(from)?.relay.as_deref_mut()
    }
}
