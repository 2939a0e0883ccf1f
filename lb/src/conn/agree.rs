//! The beginning of a connection: TLS, if it has any, and which protocol it speaks.

use super::{Conn, ConnKey, ConnPhase, Side};
use crate::{
    addresses::Addresses,
    config::{CodecType, HttpConfig},
    epoch::Place,
    listener::Arrived,
    pool::Wire,
    stream::Target,
    transport_socket::TransportSocket,
    worker::{Owner, Worker},
};
use codecs::Protocol;
use std::sync::Arc;
use tls::ServerContext;

/// What a connection speaks as long as nothing says otherwise.
pub(super) fn first_protocol(codec: CodecType) -> &'static dyn Protocol {
    match codec {
        CodecType::Auto | CodecType::Http1 => &codecs::http1::Http1,
        CodecType::Http2 => &codecs::http2::Http2,
    }
}

impl Worker {
    /// A connection has come to a filter chain that speaks HTTP.
    pub(crate) fn open_downstream(
        &mut self,
        place: Place,
        http: &HttpConfig,
        tls: Option<&Arc<ServerContext>>,
        arrived: Arrived,
    ) {
        let codec = first_protocol(http.codec).server(&http.limits);
        let high = self.epoch.listener(place.listener).buffer_limit;
        let side = Side::Down {
            place,
            addresses: Addresses::new(arrived.peer, arrived.local),
            id: arrived.id,
        };
        let mut conn = Conn::new(arrived.sock, side, codec, high, self.now);
        if self.logs_connections(place.listener) {
            conn.note_opened(arrived.since);
        }
        let phase = match tls {
            Some(_) => ConnPhase::Handshaking,
            None => ConnPhase::Open,
        };
        let key = self.net.conns.insert(Conn {
            is_undetected: http.codec == CodecType::Auto,
            reading: arrived.is_read,
            transport: tls.map_or_else(TransportSocket::default, TransportSocket::accept),
            phase,
            ..conn
        });
        self.own(arrived.sock, Owner::Conn(key));
        if tls.is_some() {
            self.begin_handshake(key);
        } else {
            self.start_keepalive(key);
        }
        if let Some(bytes) = arrived.bytes {
            self.on_received(key, bytes);
        }
        if arrived.is_finished {
            self.on_finished(key);
        }
        self.mark_conn(key);
    }

    /// A client has agreed on a protocol, or on none.
    pub(super) fn agree_downstream(&mut self, key: ConnKey, alpn: Option<&[u8]>, place: Place) {
        let epoch = self.epoch.clone();
        let http = epoch.http(place);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if let Some(protocol) = alpn.and_then(codecs::by_alpn)
            && http.codec == CodecType::Auto
        {
            conn.is_undetected = false;
            if protocol.name() != first_protocol(http.codec).name() {
                conn.codec = protocol.server(&http.limits);
            }
        }
        self.greet(key);
    }

    /// It is known what a client speaks. Who may ask for several things is told at once that the worker
    /// drains, others with their answer.
    pub(super) fn greet(&mut self, key: ConnKey) {
        self.start_keepalive(key);
        if self.drain.is_draining() && self.net.is_multiplexed(key) {
            self.net.write(key, |codec, out| codec.drain(out));
        }
    }

    /// A connection that we began is open: TLS comes first, if there is to be any.
    pub(crate) fn on_connected(&mut self, key: ConnKey) {
        let Some(target) = self.net.conns.get(key).and_then(Conn::target) else {
            return;
        };
        let config = self.upstreams[target.cluster].cluster.config.clone();
        let Some(tls) = &config.endpoints[target.endpoint].tls else {
            return self.open_upstream_codec(key, target);
        };
        if let Err(fault) = self.net.begin_client(key, tls, target.wire == Wire::Http2) {
            self.on_fault(key, &fault);
        }
        self.mark_conn(key);
    }

    /// An endpoint has agreed on a protocol, or on none.
    pub(super) fn agree_upstream(&mut self, key: ConnKey, target: Target, alpn: Option<&[u8]>) {
        let config = self.upstreams[target.cluster].cluster.config.clone();
        if target.wire == Wire::Agreed {
            let protocol = alpn.and_then(codecs::by_alpn);
            let protocol = protocol.unwrap_or(&codecs::http1::Http1);
            if let Some(conn) = self.net.conns.get_mut(key)
                && protocol.name() != target.wire.first_protocol().name()
            {
                conn.codec = protocol.client(&config.limits);
            }
        }
        self.open_upstream_codec(key, target);
    }

    fn open_upstream_codec(&mut self, key: ConnKey, target: Target) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        (conn.phase, conn.since) = (ConnPhase::Open, self.now);
        let is_multiplexed = conn.codec.is_multiplexed();
        if is_multiplexed {
            // What the protocol begins with goes before the first request.
            self.net.write(key, |codec, out| codec.control(out));
            self.start_keepalive(key);
        }
        self.pool_connected(key, target, is_multiplexed);
        self.mark_conn(key);
    }
}
