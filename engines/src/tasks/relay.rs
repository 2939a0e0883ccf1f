//! Relaying: what one socket receives goes to another's queue, without the caller.
//!
//! The source's quota of blocks is the back-pressure: a block comes home when the target has sent it.

use super::line::Line;
use crate::{BufMut, lessee::Lessee, outlet::Finish, tally::Tally};
use std::{cell::RefCell, rc::Rc};

/// A relay, kept with its source.
pub(super) struct Relay {
    to: Rc<Line>,
    tally: RefCell<Tally>,
}

impl Line {
    /// Makes this socket pass everything on to `to`; without a target it only stops.
    pub(super) fn start_relay(self: &Rc<Self>, to: Option<&Rc<Self>>) {
        let Some(to) = to else {
            return self.wanted.set(false);
        };
        let relay = Relay {
            to: to.clone(),
            tally: RefCell::default(),
        };
        to.with_rare(|rare| rare.source = Some(self.clone()));
        self.with_rare(|rare| rare.relay = Some(Rc::new(relay)));
        self.wanted.set(true);
        self.schedule();
    }

    /// As the source: passes bytes on to the target.
    pub(super) fn pass_on(&self, data: BufMut) {
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
        if reports {
            let now = self.hub.now();
            self.hub.reports.borrow_mut().push(now, source);
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
        if let Some(relay) = self.take_rare(|rare| &mut rare.relay) {
            relay.to.take_rare(|rare| &mut rare.source);
        }
    }
}
