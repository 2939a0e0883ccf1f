//! Relaying: what one socket receives goes to another's queue, without the caller.
//!
//! The source's quota of blocks is the back-pressure: a block comes home when the target has sent it.

use super::line::Line;
use crate::{Buf, Event, outlet::Finish};
use std::{cell::Cell, rc::Rc, time::Duration};

/// Progress is told at least so often (the contract allows a second).
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// A relay, kept with its source.
pub(super) struct Relay {
    to: Rc<Line>,
    /// Bytes that left since the last report.
    unreported: Cell<u64>,
    /// A report is scheduled.
    scheduled: Cell<bool>,
    /// The source's end was passed on.
    ending: Cell<bool>,
}

impl Relay {
    pub(super) fn pass_on(&self, data: Buf) {
        self.to.outlet.borrow_mut().push(data, true);
        self.to.schedule();
    }
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
            unreported: Cell::new(0),
            scheduled: Cell::new(false),
            ending: Cell::new(false),
        }));
        self.wanted.set(true);
        self.schedule();
    }

    /// As the target: `bytes` of the source's have left.
    pub(super) fn on_relayed(&self, bytes: u64) {
        let source = self.source.borrow();
        let Some(source) = &*source else { return };
        let relay = source.relay.borrow();
        let Some(relay) = &*relay else { return };
        relay.unreported.set(relay.unreported.get() + bytes);
        if !relay.scheduled.replace(true) {
            let at = self.hub.now() + REPORT_EVERY;
            let mut reports = self.hub.reports.borrow_mut();
            reports.push_back((at, source.clone()));
        }
    }

    /// As the source: tells the progress since the last time.
    pub(super) fn report(&self) {
        let relay = self.relay.borrow();
        let Some(relay) = &*relay else { return };
        relay.scheduled.set(false);
        let (from, bytes) = (self.sock, relay.unreported.take());
        if bytes > 0 && !self.is_ending() {
            self.hub.tell(Event::Relayed { from, bytes });
        }
    }

    /// As the source: everything was passed on; the target is to end behind it.
    pub(super) fn end_relay(&self) {
        let to = {
            let relay = self.relay.borrow();
            let Some(relay) = &*relay else { return };
            relay.ending.set(true);
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
        let ending = source
            .relay
            .borrow()
            .as_ref()
            .is_some_and(|r| r.ending.replace(false));
        if ending {
            source.report();
            let sock = source.sock;
            self.hub.tell(Event::Finished { sock });
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
