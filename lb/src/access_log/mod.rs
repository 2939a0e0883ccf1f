//! Access logs. A worker copies an entry's raw values into its ring; a thread of its own formats and
//! writes them. A reader that is slow or stuck makes entries drop, counted, and never stops a worker.

mod connection_id;
mod format;
mod grpc_status;
mod operator;
mod ring;
mod sample;
mod tls_value;
mod writer;

pub use format::LogFormat;
pub use ring::LogRing;
pub use sample::Sample;
pub use writer::Writer;

use crate::{
    addresses::Addresses,
    config::{AccessLogConfig, FilterChain, Terminal},
    conn::{Conn, ConnKey, Side},
    epoch::Place,
    stream::{Record, Stream},
    tcp::Tunnel,
    transport_failure::TransportFailure,
    worker::{Epoch, Worker},
};
use codecs::Head;
use engines::UnixTime;
use std::{sync::Arc, time::Duration};

/// What an entry's values are taken from.
pub(crate) struct Facts<'a> {
    pub(crate) record: &'a Record,
    pub(crate) epoch: &'a Epoch,
    pub(crate) place: Place,
    pub(crate) request: Option<&'a Head>,
    pub(crate) response: Option<&'a Head>,
    /// What TLS with the client has agreed on.
    pub(crate) tls: Option<&'a tls::Facts>,
    /// The same with the endpoint.
    pub(crate) up_tls: Option<&'a tls::Facts>,
    /// The name that the client asked for by TLS, be it ours or passed on.
    pub(crate) server_name: Option<&'a str>,
    /// Peer and own address of the downstream connection.
    pub(crate) addresses: Option<&'a Addresses>,
    /// The number of the downstream connection.
    pub(crate) connection_id: Option<u32>,
    /// Why the downstream connection's TLS failed.
    pub(crate) failure: Option<&'a TransportFailure>,
    /// Why TLS with the endpoint tried last was not established, or broke.
    pub(crate) up_failure: Option<&'a TransportFailure>,
    /// When the entry is made, and how long after the start that is.
    pub(crate) wall: UnixTime,
    pub(crate) duration: Duration,
}

/// The access logs of what a filter chain carries.
pub(crate) fn logs(epoch: &Epoch, place: Place) -> &[Arc<AccessLogConfig>] {
    of_chain(epoch.chain(place))
}

/// The access logs of a filter chain.
fn of_chain(chain: &FilterChain) -> &[Arc<AccessLogConfig>] {
    match &chain.terminal {
        Terminal::Http(http) => &http.access_logs,
        Terminal::Tcp(tcp) => &tcp.access_logs,
    }
}

impl<'a> Facts<'a> {
    /// What is known of everything that is logged.
    pub(crate) fn new(
        record: &'a Record,
        epoch: &'a Epoch,
        place: Place,
        wall: UnixTime,
        duration: Duration,
    ) -> Self {
        Self {
            record,
            epoch,
            place,
            request: None,
            response: None,
            tls: None,
            up_tls: None,
            server_name: None,
            addresses: None,
            connection_id: None,
            failure: None,
            up_failure: None,
            wall,
            duration,
        }
    }
}

impl Worker {
    /// Logs a request that has ended.
    pub(crate) fn log_stream(&mut self, stream: &Stream) {
        if logs(&stream.epoch, stream.place).is_empty() {
            return;
        }
        let (wall, record) = (self.net.engine.wall(), &stream.record);
        let duration = self.now.saturating_duration_since(record.started);
        let (whose, failure) = match &stream.gone {
            Some(gone) => (Some((&gone.addresses, gone.id)), gone.failure.as_ref()),
            None => {
                let conn = self.net.conns.get(stream.down.conn);
                (conn.and_then(of_side), conn.and_then(Conn::failure))
            }
        };
        let (addresses, connection_id) = whose.unzip();
        self.log.add(&Facts {
            request: Some(&stream.head),
            response: stream.answer.as_deref(),
            tls: stream.tls.as_deref(),
            up_tls: stream.up_tls.as_deref(),
            server_name: stream.tls.as_ref().and_then(|tls| tls.sni.as_deref()),
            addresses,
            connection_id,
            failure,
            up_failure: stream.up_failure.as_deref(),
            ..Facts::new(record, &stream.epoch, stream.place, wall, duration)
        });
    }

    /// Logs a request that was refused before it became a stream.
    pub(crate) fn log_refused(&mut self, conn: ConnKey, place: Place, record: &Record) {
        let Some(conn) = self.net.conns.get(conn) else {
            return;
        };
        let (addresses, connection_id) = of_side(conn).unzip();
        let tls = conn.transport.facts();
        let wall = self.net.engine.wall();
        self.log.add(&Facts {
            tls: tls.map(|facts| &**facts),
            server_name: tls.and_then(|facts| facts.sni.as_deref()),
            addresses,
            connection_id,
            ..Facts::new(record, &self.epoch, place, wall, Duration::ZERO)
        });
    }

    /// Logs a tunnel that has ended, and the client's connection with it.
    pub(crate) fn log_tunnel(&mut self, tunnel: &Tunnel) {
        let (wall, record) = (self.net.engine.wall(), &tunnel.record);
        let duration = self.now.saturating_duration_since(record.started);
        let facts = Facts {
            tls: tunnel.facts().map(|facts| &**facts),
            up_tls: tunnel.up_facts().map(|facts| &**facts),
            server_name: tunnel.server_name(),
            addresses: Some(&tunnel.addresses),
            connection_id: Some(tunnel.id),
            failure: tunnel.failure.as_ref(),
            up_failure: tunnel.up_failure.as_ref(),
            ..Facts::new(record, &tunnel.epoch, tunnel.place, wall, duration)
        };
        self.log.add(&facts);
        self.log.add_connection(&facts);
    }
}

/// Addresses and number of a client's connection.
fn of_side(conn: &Conn) -> Option<(&Addresses, u32)> {
    match &conn.side {
        Side::Down { addresses, id, .. } => Some((addresses, *id)),
        Side::Up { .. } => None,
    }
}
