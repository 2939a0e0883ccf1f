//! Relaying: what one socket receives goes to another, without the caller.
//!
//! Small flows go through blocks and the target's queue; the source's quota of blocks is the
//! back-pressure, as a block comes home when the target has sent it. Bulk goes through pipes.

use super::line::Line;
use crate::{BufMut, lessee::Lessee, outlet::Finish, pipe::Pipe, tally::Tally};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// A relay, kept with its source.
pub(super) struct Relay {
    pub(super) to: Rc<Line>,
    pub(super) tally: RefCell<Tally>,
    /// While bytes are under way in it.
    pub(super) pipe: RefCell<Option<Pipe>>,
    /// The socket cannot be spliced from or to.
    pub(super) copies: Cell<bool>,
}

impl Relay {
    /// Its bytes go through a pipe.
    pub(super) fn is_spliced(&self) -> bool {
        self.tally.borrow().is_bulk() && !self.copies.get()
    }

    /// Bytes in the pipe.
    pub(super) fn held(&self) -> usize {
        self.pipe.borrow().as_ref().map_or(0, Pipe::held)
    }

    /// It had an end, and has come to it.
    fn is_complete(&self) -> bool {
        self.tally.borrow().is_complete(self.held())
    }
}

impl Line {
    /// Makes this socket pass everything on to `to`, or so many bytes; without a target it only stops.
    pub(super) fn start_relay(self: &Rc<Self>, to: Option<&Rc<Self>>, bytes: Option<u64>) {
        let Some(to) = to else {
            return self.wanted.set(false);
        };
        let relay = Relay {
            to: to.clone(),
            tally: RefCell::new(Tally::new(bytes)),
            pipe: RefCell::default(),
            copies: Cell::new(false),
        };
        to.with_rare(|rare| rare.source = Some(self.clone()));
        to.outlet.borrow_mut().awaits = bytes.is_some();
        self.with_rare(|rare| rare.relay = Some(Rc::new(relay)));
        self.wanted.set(true);
        self.schedule();
    }

    /// As the source: passes bytes on to the target; keeps what is behind the relay's end.
    pub(super) fn pass_on(&self, mut data: BufMut) {
        let Some(relay) = self.relay() else { return };
        let mut tally = relay.tally.borrow_mut();
        let own = data.split_to(tally.take(data.len()));
        if tally.has_all() {
            self.wanted.set(false);
        }
        if !data.is_empty() {
            self.with_rare(|rare| rare.unread.extend_from_slice(&data));
        }
        drop(tally);
        self.queue_on_target(own);
    }

    /// As the source: queues what was taken on the target.
    pub(super) fn queue_on_target(&self, data: BufMut) {
        let Some(relay) = self.relay() else { return };
        relay.tally.borrow_mut().on_queued(data.len());
        let data = self.with_lessee(|lessee| lessee.keep(data));
        relay.to.queue(data, true);
    }

    /// As the target: `bytes` of the source's have left.
    pub(super) fn on_relayed(&self, bytes: usize) {
        let Some(source) = self.source() else { return };
        let Some(relay) = source.relay() else { return };
        let mut tally = relay.tally.borrow_mut();
        let reports = tally.on_left(bytes);
        if tally.is_drained() {
            source.with_lessee(Lessee::on_drained);
        }
        drop(tally);
        if reports {
            let now = self.hub.now();
            self.hub.reports.borrow_mut().push(now, source.clone());
        }
        source.end_pass();
    }

    /// As the source: ends a relay that had an end and has come to it.
    fn end_pass(&self) {
        let Some(relay) = self.relay().filter(|relay| relay.is_complete()) else {
            return;
        };
        if !self.is_ending() {
            let mut events = self.hub.events.borrow_mut();
            relay
                .tally
                .borrow_mut()
                .tell_complete(self.sock, &mut events);
        }
        self.wanted.set(false);
        self.leave_target();
    }

    /// As the source: the target is an ordinary socket again.
    fn leave_target(&self) {
        let Some(relay) = self.take_rare(|rare| &mut rare.relay) else {
            return;
        };
        relay.to.take_rare(|rare| &mut rare.source);
        relay.to.outlet.borrow_mut().awaits = false;
        relay.to.schedule();
        if let Some(pipe) = relay.pipe.take() {
            self.hub.pipes.borrow_mut().put(pipe);
        }
    }

    /// As the source: takes out what is in the pipe.
    pub(super) fn take_piped(&self) -> Vec<u8> {
        let pipe = self.relay().and_then(|relay| relay.pipe.take());
        pipe.map_or_else(Vec::new, |pipe| self.hub.pipes.borrow_mut().empty(pipe))
    }

    /// Tells what left of the relays that the socket takes part in, unless the caller has closed their
    /// source.
    pub(super) fn tell_last(&self) {
        if let Some(source) = self.source() {
            source.tell_all();
        }
        self.tell_all();
    }

    fn tell_all(&self) {
        if let Some(relay) = self.relay()
            && (!self.is_ending() || self.has_failed())
            && relay.tally.borrow().is_bounded()
        {
            let mut events = self.hub.events.borrow_mut();
            relay.tally.borrow_mut().tell_all(self.sock, &mut events);
        }
    }

    /// As the source: a report is due.
    pub(super) fn on_period_end(&self) {
        if let Some(relay) = self.relay() {
            relay.tally.borrow_mut().on_period_end();
        }
        self.report();
    }

    /// As the source: tells what is due of the relay.
    fn report(&self) {
        if let Some(relay) = self.relay()
            && !self.is_ending()
        {
            let mut events = self.hub.events.borrow_mut();
            relay.tally.borrow_mut().tell(self.sock, &mut events);
        }
    }

    /// As the source: everything was passed on; the target is to end behind it.
    pub(super) fn end_relay(&self) {
        let Some(relay) = self.relay() else { return };
        relay.tally.borrow_mut().on_source_end();
        if relay.tally.borrow().is_bounded() {
            return self.end_pass();
        }
        let to = &relay.to;
        let finish = to.outlet.borrow().finish;
        match finish {
            Finish::No => {
                to.outlet.borrow_mut().finish = Finish::Asked;
                to.schedule();
            }
            Finish::Asked => {}
            Finish::Done => to.on_half_closed(),
        }
    }

    /// As the target: our direction has ended.
    pub(super) fn on_half_closed(&self) {
        let Some(source) = self.source() else { return };
        let ends = |relay: Rc<Relay>| relay.tally.borrow_mut().on_half_closed();
        if source.relay().is_some_and(ends) {
            source.report();
        }
    }

    /// Takes a socket that goes out of its relays. A source without a target receives no more.
    pub(super) fn unlink(&self) {
        if let Some(source) = self.take_rare(|rare| &mut rare.source) {
            source.wanted.set(false);
        }
        self.leave_target();
    }
}
