//! Access logs. A worker copies an entry's raw values into its ring; a thread of its own formats and
//! writes them. A reader that is slow or stuck makes entries drop, counted, and never stops a worker.

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
    conn::{ConnKey, Side},
    epoch::Place,
    stream::{Record, Stream},
    tcp::Tunnel,
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
    /// When the entry is made, and how long after the start that is.
    pub(crate) wall: UnixTime,
    pub(crate) duration: Duration,
}

/// The access logs of a listener.
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

impl Worker {
    /// Logs a request that has ended.
    pub(crate) fn log_stream(&mut self, stream: &Stream) {
        if logs(&stream.epoch, stream.place).is_empty() {
            return;
        }
        let conn = self.net.conns.get(stream.down.conn);
        let addresses = conn.and_then(|conn| match &conn.side {
            Side::Down { addresses, .. } => Some(addresses),
            Side::Up { .. } => None,
        });
        self.log.add(&Facts {
            record: &stream.record,
            epoch: &stream.epoch,
            place: stream.place,
            request: Some(&stream.head),
            response: stream.answer.as_deref(),
            tls: stream.tls.as_deref(),
            up_tls: stream.up_tls.as_deref(),
            server_name: stream.tls.as_ref().and_then(|tls| tls.sni.as_deref()),
            addresses,
            wall: self.net.engine.wall(),
            duration: self.now.saturating_duration_since(stream.record.started),
        });
    }

    /// Logs a request that was refused before it became a stream.
    pub(crate) fn log_refused(&mut self, conn: ConnKey, place: Place, record: &Record) {
        let Some(conn) = self.net.conns.get(conn) else {
            return;
        };
        let Side::Down { addresses, .. } = &conn.side else {
            return;
        };
        let tls = conn.transport.facts();
        self.log.add(&Facts {
            record,
            epoch: &self.epoch,
            place,
            request: None,
            response: None,
            tls: tls.map(|facts| &**facts),
            up_tls: None,
            server_name: tls.and_then(|facts| facts.sni.as_deref()),
            addresses: Some(addresses),
            wall: self.net.engine.wall(),
            duration: Duration::ZERO,
        });
    }

    /// Logs a tunnel that has ended.
    pub(crate) fn log_tunnel(&mut self, tunnel: &Tunnel) {
        self.log.add(&Facts {
            record: &tunnel.record,
            epoch: &tunnel.epoch,
            place: tunnel.place,
            request: None,
            response: None,
            tls: tunnel.facts().map(|facts| &**facts),
            up_tls: tunnel.up_facts().map(|facts| &**facts),
            server_name: tunnel.server_name(),
            addresses: Some(&tunnel.addresses),
            wall: self.net.engine.wall(),
            duration: self.now.saturating_duration_since(tunnel.record.started),
        });
    }
}
