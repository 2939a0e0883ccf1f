//! Looking at the first bytes of a connection without answering them.

use super::{Arrived, End};
use crate::{
    drain,
    stream::Flags,
    transport_failure::TransportFailure,
    worker::{Owner, Worker},
};
use engines::{BufMut, SlotKey, slot_key};
use tls::{
    Offer,
    hello::{self, Hello},
};

slot_key! {
    /// Names one connection that waits for its filter chain.
    pub struct ArrivalKey;
}

/// A connection whose first bytes are awaited.
pub(crate) struct Arrival {
    listener: u32,
    arrived: Arrived,
    bytes: Vec<u8>,
    hello: hello::Reader,
}

impl Worker {
    /// Waits for as much of a connection as tells which filter chain is for it.
    pub(super) fn inspect(&mut self, listener: u32, mut arrived: Arrived) {
        let (sock, time) = (
            arrived.sock,
            self.epoch.listener(listener).chains.inspect_timeout,
        );
        let end = time.and_then(|time| arrived.since.checked_add(time));
        arrived.is_read = true;
        let key = self.arrivals.insert(Arrival {
            listener,
            arrived,
            bytes: Vec::new(),
            hello: hello::Reader::default(),
        });
        self.own(sock, Owner::Arrival(key));
        let arrivals = &self.arrivals;
        let is_waiting = |key| arrivals.get(key).is_some();
        if let Some(oldest) = self.inspections.add(key, is_waiting) {
            if let Some(arrival) = arrivals.get(oldest) {
                self.stats.listeners[arrival.listener as usize]
                    .inspect_overflows
                    .inc();
            }
            self.drop_arrival(oldest, &End::new(Flags::default(), "inspect_overflow"));
        }
        self.wheels.arrivals.set(key.index(), end);
        self.net.engine.resume(sock);
    }

    /// More of a connection has come.
    pub(crate) fn on_arriving(&mut self, key: ArrivalKey, data: &[u8]) {
        let Some(arrival) = self.arrivals.get_mut(key) else {
            return;
        };
        arrival.bytes.extend_from_slice(data);
        match arrival.hello.read(&arrival.bytes) {
            Hello::Incomplete => {}
            Hello::Offer(offer) => self.end_inspection(key, Some(&offer)),
            Hello::Plain => self.end_inspection(key, None),
            // It is for no chain: not for a plain one, and which other one nobody can tell.
            Hello::Malformed { detail, reason } => {
                let listener = arrival.listener as usize;
                self.stats.listeners[listener].handshake_failures.inc();
                self.stats.tls.count_fault(detail);
                let end = End {
                    failure: Some(TransportFailure::new(detail, reason)),
                    ..End::new(Flags::DOWNSTREAM_PROTOCOL, detail)
                };
                self.drop_arrival(key, &end);
            }
        }
    }

    /// The client sends no more: what it has sent is all there is to tell by.
    pub(crate) fn on_arrival_finished(&mut self, key: ArrivalKey) {
        let Some(arrival) = self.arrivals.get_mut(key) else {
            return;
        };
        arrival.arrived.is_finished = true;
        if arrival.bytes.is_empty() {
            self.on_arrival_closed(key);
        } else {
            self.end_inspection(key, None);
        }
    }

    /// The client is gone.
    pub(crate) fn on_arrival_closed(&mut self, key: ArrivalKey) {
        let flags = Flags::DOWNSTREAM_TERMINATION;
        self.drop_arrival(key, &End::new(flags, "downstream_remote_disconnect"));
    }

    /// The worker drains.
    pub(crate) fn drain_arrival(&mut self, key: ArrivalKey) {
        self.drop_arrival(key, &End::new(Flags::default(), drain::SILENT));
    }

    fn drop_arrival(&mut self, key: ArrivalKey, end: &End) {
        if let Some(arrival) = self.take_arrival(key) {
            self.end_arrival(arrival.listener, &arrival.arrived, end);
        }
    }

    /// `listener_filters_timeout` has passed.
    pub(crate) fn on_arrival_timer(&mut self, key: ArrivalKey) {
        let Some(arrival) = self.arrivals.get(key) else {
            return;
        };
        let listener = arrival.listener;
        self.stats.listeners[listener as usize]
            .inspect_timeouts
            .inc();
        if self.epoch.listener(listener).chains.continue_on_timeout {
            self.end_inspection(key, None);
        } else {
            self.drop_arrival(key, &End::new(Flags::default(), "listener_filters_timeout"));
        }
    }

    fn take_arrival(&mut self, key: ArrivalKey) -> Option<Arrival> {
        let arrival = self.arrivals.remove(key)?;
        self.inspections.end();
        self.wheels.arrivals.set(key.index(), None);
        Some(arrival)
    }

    fn end_inspection(&mut self, key: ArrivalKey, offer: Option<&Offer>) {
        let Some(arrival) = self.take_arrival(key) else {
            return;
        };
        let mut arrived = arrival.arrived;
        arrived.bytes = (!arrival.bytes.is_empty()).then(|| BufMut::from(arrival.bytes));
        self.enter_chain(arrival.listener, offer, arrived);
    }
}
