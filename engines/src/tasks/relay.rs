//! Relaying: what one socket receives goes to another's queue, without the caller.
//!
//! The source's quota of blocks is the back-pressure: a block comes home when the target has sent it.

use super::line::Line;
use crate::{BufMut, outlet::Finish, tally::Tally};
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
        to.source.replace(Some(self.clone()));
        self.relay.replace(Some(Relay {
            to: to.clone(),
            tally: RefCell::default(),
        }));
        self.wanted.set(true);
        self.schedule();
    }

    /// As the source: passes bytes on to the target.
    pub(super) fn pass_on(&self, data: BufMut) {
        let relay = self.relay.borrow();
        let Some(relay) = &*relay else { return };
        relay.tally.borrow_mut().on_queued(data.len());
        let data = self.lessee.borrow_mut().keep(data);
        relay.to.outlet.borrow_mut().push(data, true);
        relay.to.schedule();
    }

    /// As the target: `bytes` of the source's have left.
    pub(super) fn on_relayed(&self, bytes: usize) {
        let source = self.source.borrow();
        let Some(source) = &*source else { return };
        let relay = source.relay.borrow();
        let Some(relay) = &*relay else { return };
        let mut tally = relay.tally.borrow_mut();
        let reports = tally.on_left(bytes);
        if tally.is_drained() {
            source.lessee.borrow_mut().on_drained();
        }
        if reports {
            let now = self.hub.now();
            self.hub.reports.borrow_mut().push(now, source.clone());
        }
    }

    /// As the source: a report is due.
    pub(super) fn on_period_end(&self) {
        if let Some(relay) = &*self.relay.borrow() {
            relay.tally.borrow_mut().on_period_end();
        }
        self.report();
    }

    /// As the source: tells what is due of the relay.
    fn report(&self) {
        if let Some(relay) = &*self.relay.borrow()
            && !self.is_ending()
        {
            let mut events = self.hub.events.borrow_mut();
            relay.tally.borrow_mut().tell(self.sock, &mut events);
        }
    }

    /// As the source: everything was passed on; the target is to end behind it.
    pub(super) fn end_relay(&self) {
        let to = {
            let relay = self.relay.borrow();
            let Some(relay) = &*relay else { return };
            relay.tally.borrow_mut().on_source_end();
            relay.to.clone()
        };
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
        let source = self.source.borrow().clone();
        let Some(source) = source else { return };
        let ends = |relay: &Relay| relay.tally.borrow_mut().on_half_closed();
        if source.relay.borrow().as_ref().is_some_and(ends) {
            source.report();
        }
    }

    /// Takes a socket that goes out of its relays. A source without a target receives no more.
    pub(super) fn unlink(&self) {
        if let Some(source) = self.source.take() {
            source.wanted.set(false);
        }
        if let Some(relay) = self.relay.take() {
            relay.to.source.replace(None);
        }
    }
}
