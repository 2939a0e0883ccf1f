//! What becomes of a connection between its being accepted and its filter chain.
//!
//! A listener with one chain gives its connections to that at once. Where chains are told apart by what a
//! ClientHello says, or by whether there is one, the first bytes are looked at before (`inspect`).

mod access_log;
mod inspect;

pub(crate) use inspect::{Arrival, ArrivalKey};

use crate::{
    config::{ChainFacts, Terminal, Transport},
    epoch::Place,
    stream::Flags,
    transport_failure::TransportFailure,
    worker::Worker,
};
use engines::{BufMut, Sock, SockAddr};
use std::time::Instant;
use tls::Offer;

/// A connection that was accepted.
pub(crate) struct Arrived {
    pub(crate) sock: Sock,
    /// Its number.
    pub(crate) id: u32,
    pub(crate) peer: SockAddr,
    pub(crate) local: SockAddr,
    /// When it was accepted.
    pub(crate) since: Instant,
    /// What came of it so far, if it was looked at.
    pub(crate) bytes: Option<BufMut>,
    /// The engine was told to receive.
    pub(crate) is_read: bool,
    /// The client sends no more.
    pub(crate) is_finished: bool,
    /// The name that it asks for, if that was looked at.
    pub(crate) sni: Option<Box<str>>,
}

/// Why a connection has come to no filter chain.
struct End {
    flags: Flags,
    /// As in `%RESPONSE_CODE_DETAILS%`.
    detail: &'static str,
    failure: Option<TransportFailure>,
}

impl End {
    fn new(flags: Flags, detail: &'static str) -> Self {
        Self {
            flags,
            detail,
            failure: None,
        }
    }
}

impl Worker {
    pub(crate) fn on_accepted(
        &mut self,
        listener: u32,
        sock: Sock,
        peer: SockAddr,
        local: SockAddr,
    ) {
        let stats = &self.stats.listeners[listener as usize];
        stats.connections.inc();
        stats.connections_active.inc();
        let arrived = Arrived {
            sock,
            id: self.log.next_connection_id(),
            peer,
            local,
            since: self.now,
            bytes: None,
            is_read: false,
            is_finished: false,
            sni: None,
        };
        if self.epoch.listener(listener).chains.needs_hello {
            self.inspect(listener, arrived);
        } else {
            self.enter_chain(listener, None, arrived);
        }
    }

    /// Gives a connection to the filter chain that is for it. `offer`: what its ClientHello says, if it
    /// began with one and was looked at.
    fn enter_chain(&mut self, listener: u32, offer: Option<&Offer>, mut arrived: Arrived) {
        arrived.sni = offer.and_then(|offer| offer.sni.clone());
        let epoch = self.epoch.clone();
        let chains = &epoch.listener(listener).chains;
        let facts = ChainFacts {
            destination: arrived.local.inet(),
            source: arrived.peer.inet(),
            server_name: offer.and_then(|offer| offer.sni.as_deref()),
            transport: match offer {
                Some(_) => Transport::Tls,
                None => Transport::RawBuffer,
            },
            protocols: offer.map_or(&[], |offer| &offer.alpn),
        };
        let Some(chain) = chains.choose(&facts) else {
            let stats = &self.stats.listeners[listener as usize];
            stats.no_chain.inc();
            let end = End::new(Flags::NO_ROUTE, "filter_chain_not_found");
            return self.end_arrival(listener, &arrived, &end);
        };
        let chain = u32::try_from(chain).unwrap_or(u32::MAX);
        let place = Place { listener, chain };
        let chain = epoch.chain(place);
        let context = chain.tls.as_ref().map(|tls| tls.context.get());
        match &chain.terminal {
            Terminal::Http(http) => self.open_downstream(place, http, context.as_ref(), arrived),
            Terminal::Tcp(tcp) => self.open_tunnel(place, tcp, context.as_ref(), arrived),
        }
    }

    /// Closes a connection that has come to no filter chain.
    fn end_arrival(&mut self, listener: u32, arrived: &Arrived, end: &End) {
        self.stats.listeners[listener as usize]
            .connections_active
            .dec();
        self.log_arrival(listener, arrived, end);
        self.close_sock(arrived.sock);
    }
}
