//! The TCP proxy: a downstream and an upstream socket whose bytes the engine relays.
//!
//! Where no TLS is, nothing here looks at the bytes, and both directions go to `relay` as soon as the
//! upstream is open; else they are pumped (`pump`). Half-closes pass through; the tunnel ends when both
//! directions have.

mod ending;
mod pump;

use crate::{
    addresses::Addresses,
    cluster::Breaker,
    config::TcpConfig,
    drain,
    epoch::Place,
    listener::Arrived,
    stream::{Flags, Record},
    transport_failure::TransportFailure,
    worker::{Epoch, Owner, Worker},
};
use engines::{BufList, Class, ConnectOptions, SlotKey, Sock, slot_key};
use pump::Pump;
use std::{rc::Rc, sync::Arc, time::Instant};
use tls::{Facts, ServerContext};

slot_key! {
    /// Names one tunnel of one worker.
    pub struct TunnelKey;
}

/// An endpoint, by its places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    cluster: usize,
    endpoint: usize,
}

/// One tunnel.
pub(crate) struct Tunnel {
    pub(crate) down: Sock,
    pub(crate) up: Option<Sock>,
    pub(crate) target: Option<Chosen>,
    pub(crate) place: Place,
    pub(crate) config: Arc<TcpConfig>,
    pub(crate) epoch: Rc<Epoch>,
    pub(crate) addresses: Addresses,
    pub(crate) record: Record,
    /// The number of the client's connection.
    pub(crate) id: u32,
    /// Why TLS with the client failed.
    pub(crate) failure: Option<TransportFailure>,
    /// Why TLS with the endpoint tried last was not established, or broke.
    pub(crate) up_failure: Option<TransportFailure>,
    connected: bool,
    attempts: u32,
    credit: bool,
    /// The directions that have ended: from downstream, from upstream.
    finished: (bool, bool),
    since: Instant,
    /// What came from downstream before the upstream was open.
    early: BufList,
    /// What a tunnel with TLS has more than another.
    pump: Option<Box<Pump>>,
    /// The name that the client asked for, if its ClientHello was looked at.
    sni: Option<Box<str>>,
}

impl Tunnel {
    /// Its client's handshake is not over.
    fn is_handshaking(&self) -> bool {
        self.pump.as_ref().is_some_and(|pump| pump.is_handshaking)
    }

    /// An end of the endpoint's socket would pass for the client's. Not where TLS tells by what it does not say.
    fn is_up_cut(&self) -> bool {
        let is_whole = self.finished.0 && self.early.is_empty();
        let is_secure = |pump: &Pump| pump.up.transport.is_secure();
        !is_whole && !self.pump.as_deref().is_some_and(is_secure)
    }

    /// The same of the client's socket and the endpoint's end.
    fn is_down_cut(&self) -> bool {
        let is_secure = |pump: &Pump| pump.down.transport.is_secure();
        self.connected && !self.finished.1 && !self.pump.as_deref().is_some_and(is_secure)
    }

    /// When the client's handshake has taken too long.
    fn handshake_end(&self) -> Option<Instant> {
        let tls = self.epoch.chain(self.place).tls.as_ref();
        self.since.checked_add(tls?.handshake_timeout?)
    }

    /// The name that the client asked for.
    pub(crate) fn server_name(&self) -> Option<&str> {
        let asked = self.pump.as_ref().and_then(|pump| pump.server_name());
        asked.or(self.sni.as_deref())
    }

    /// What TLS with the endpoint has agreed on.
    pub(crate) fn up_facts(&self) -> Option<&Arc<Facts>> {
        self.pump.as_ref()?.up_facts()
    }

    /// What TLS with the client has agreed on.
    pub(crate) fn facts(&self) -> Option<&Arc<Facts>> {
        self.pump.as_ref()?.facts()
    }
}

impl Worker {
    /// A connection has come to a filter chain that is a TCP proxy.
    pub(crate) fn open_tunnel(
        &mut self,
        place: Place,
        config: &Arc<TcpConfig>,
        tls: Option<&Arc<ServerContext>>,
        arrived: Arrived,
    ) {
        let sock = arrived.sock;
        let tunnel = Tunnel {
            down: sock,
            up: None,
            target: None,
            place,
            config: config.clone(),
            epoch: self.epoch.clone(),
            addresses: Addresses::new(arrived.peer, arrived.local),
            record: Record::new(arrived.since),
            id: arrived.id,
            failure: None,
            up_failure: None,
            connected: false,
            attempts: 0,
            credit: false,
            finished: (arrived.is_finished && tls.is_none(), false),
            since: self.now,
            early: BufList::default(),
            sni: arrived.sni,
            pump: tls.map(|context| Box::new(Pump::accept(context, arrived.is_read))),
        };
        let key = self.tunnels.insert(tunnel);
        self.own(sock, Owner::Tunnel(key));
        if tls.is_some() {
            self.begin_tunnel_handshake(key);
            self.sync_pump(key);
            self.sync_tunnel(key);
        } else {
            if arrived.is_read {
                self.net.engine.pause(sock);
            }
            self.connect_tunnel(key, None);
        }
        if let Some(bytes) = arrived.bytes {
            self.on_tunnel_received(key, sock, bytes);
        }
        if arrived.is_finished && tls.is_some() {
            self.on_pump_finished(key, sock);
        }
    }

    pub(super) fn connect_tunnel(&mut self, key: TunnelKey, avoid: Option<usize>) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let cluster = tunnel.config.cluster;
        (tunnel.up_failure, tunnel.record.detail) = (None, "");
        if let Some(pump) = &mut tunnel.pump {
            pump.forget_up();
        }
        tunnel.record.cluster = u32::try_from(cluster).ok();
        let upstream = &mut self.upstreams[cluster];
        if !upstream.cluster.breakers.acquire(Breaker::Connections) {
            self.stats.clusters[cluster].connections_overflow.inc();
            return self.end_tunnel(key, Flags::UPSTREAM_OVERFLOW);
        }
        let Some(endpoint) = upstream.cluster.choose(avoid, &mut self.rng) else {
            upstream.cluster.breakers.release(Breaker::Connections);
            self.stats.clusters[cluster].no_endpoint.inc();
            return self.end_tunnel(key, Flags::NO_HEALTHY_UPSTREAM);
        };
        upstream.cluster.begin(endpoint);
        let address = upstream.cluster.config.endpoints[endpoint].address.clone();
        let sock = self.net.engine.connect(
            &address,
            &ConnectOptions {
                class: Class::Large,
            },
        );
        tunnel.up = Some(sock);
        tunnel.target = Some(Chosen { cluster, endpoint });
        tunnel.record.endpoint = u32::try_from(endpoint).ok();
        (tunnel.credit, tunnel.attempts, tunnel.since) = (true, tunnel.attempts + 1, self.now);
        self.own(sock, Owner::Tunnel(key));
        let stats = &self.stats.clusters[cluster];
        stats.connections.inc();
        stats.connections_active.inc();
        self.sync_tunnel(key);
    }

    pub(crate) fn on_tunnel_connected(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let Some(target) = tunnel.target else { return };
        let epoch = tunnel.epoch.clone();
        let tls = &epoch.cluster(target.cluster).endpoints[target.endpoint].tls;
        if tls.is_some() || tunnel.pump.is_some() {
            return self.start_pump(key, tls.as_ref());
        }
        (tunnel.connected, tunnel.since) = (true, self.now);
        tunnel.record.upstream_started = tunnel.record.moment(self.now);
        self.mark_tunnel(key);
        self.sync_tunnel(key);
    }

    /// Leaves a tunnel without TLS to the engine: at the end of the turn, when nothing that came for it waits
    /// among the turn's events.
    pub(crate) fn relay_tunnel(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let Some(up) = tunnel.up else { return };
        let mut early = std::mem::take(&mut tunnel.early);
        let (down, is_finished) = (tunnel.down, tunnel.finished.0);
        tunnel.record.request_bytes += early.len() as u64;
        while let Some(part) = early.pop() {
            self.net.engine.send(up, part);
        }
        if is_finished {
            self.net.engine.finish(up);
        } else {
            self.net.engine.relay(down, up);
        }
        self.net.engine.relay(up, down);
    }

    pub(crate) fn on_relayed(&mut self, key: TunnelKey, from: Sock, bytes: u64) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        tunnel.since = self.now;
        let stats = &self.stats.listeners[tunnel.place.listener as usize];
        if from == tunnel.down {
            tunnel.record.request_bytes += bytes;
            stats.received_bytes.add(bytes);
        } else {
            tunnel.record.response_bytes += bytes;
            stats.sent_bytes.add(bytes);
        }
        self.sync_tunnel(key);
    }

    pub(crate) fn on_tunnel_finished(&mut self, key: TunnelKey, sock: Sock) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        if tunnel.pump.is_some() {
            return self.on_pump_finished(key, sock);
        }
        if sock == tunnel.down {
            tunnel.finished.0 = true;
        } else {
            tunnel.finished.1 = true;
        }
        if tunnel.finished == (true, true) {
            self.end_tunnel(key, Flags::default());
        }
    }

    /// One of a tunnel's sockets is gone.
    pub(crate) fn on_tunnel_closed(&mut self, key: TunnelKey, sock: Sock) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let is_down = sock == tunnel.down;
        if !is_down {
            tunnel.up = None;
        }
        if let Some(fault) = tunnel.cut_handshake(is_down) {
            return self.on_cut_tunnel(key, is_down, &fault);
        }
        if is_down && tunnel.failure.is_some() {
            return self.end_failed_tunnel(key);
        }
        if is_down {
            return self.end_tunnel(key, Flags::DOWNSTREAM_TERMINATION);
        }
        if tunnel.connected {
            return self.cut_tunnel(key, Flags::UPSTREAM_TERMINATION);
        }
        if let Some(target) = tunnel.target {
            self.stats.clusters[target.cluster].connect_failures.inc();
        }
        self.retry_tunnel(key);
    }

    pub(super) fn retry_tunnel(&mut self, key: TunnelKey) {
        self.leave_endpoint(key);
        let Some(tunnel) = self.tunnels.get(key) else {
            return;
        };
        if tunnel.attempts < tunnel.config.connect_attempts {
            let failed = tunnel.record.endpoint.map(|endpoint| endpoint as usize);
            self.connect_tunnel(key, failed);
        } else {
            self.end_tunnel(key, Flags::UPSTREAM_CONNECT_FAILURE);
        }
    }

    /// Settles what the choice of an endpoint had taken.
    pub(super) fn leave_endpoint(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let Some(target) = tunnel.target.take() else {
            return;
        };
        let up = tunnel.up.take();
        let is_cut = tunnel.is_up_cut();
        let unsent = tunnel.pump.as_mut().and_then(|pump| pump.take_unsent_up());
        let cluster = &mut self.upstreams[target.cluster].cluster;
        cluster.end(target.endpoint);
        if std::mem::take(&mut tunnel.credit) {
            cluster.breakers.release(Breaker::Connections);
        }
        self.stats.clusters[target.cluster].connections_active.dec();
        match (up, unsent) {
            (Some(up), Some(transport)) => {
                self.part_sock(up, target.cluster, target.endpoint, transport, is_cut);
            }
            (Some(up), None) if is_cut => self.abort_sock(up),
            (Some(up), None) => self.close_sock(up),
            (None, _) => {}
        }
    }

    pub(crate) fn end_tunnel(&mut self, key: TunnelKey, why: Flags) {
        self.leave_endpoint(key);
        let Some(mut tunnel) = self.tunnels.remove(key) else {
            return;
        };
        if tunnel.is_handshaking() {
            self.tunnel_handshakes.end();
        }
        self.wheels.tunnels.set(key.index(), None);
        tunnel.record.flags.set(why);
        if tunnel.is_down_cut() {
            self.abort_sock(tunnel.down);
        } else {
            self.close_sock(tunnel.down);
        }
        let stats = self.listener_stats(tunnel.place);
        stats.connections_active.dec();
        stats
            .latency
            .record(self.now.saturating_duration_since(tunnel.record.started));
        self.log_tunnel(&tunnel);
    }

    pub(crate) fn sync_tunnel(&mut self, key: TunnelKey) {
        let deadline = self.tunnel_deadline(key);
        self.wheels.tunnels.set(key.index(), deadline);
    }

    fn tunnel_deadline(&self, key: TunnelKey) -> Option<Instant> {
        let tunnel = self.tunnels.get(key)?;
        let time = if let Some(patience) = tunnel.pump.as_ref().and_then(|pump| pump.patience()) {
            Some(patience)
        } else if tunnel.connected {
            tunnel.config.idle_timeout
        } else if tunnel.target.is_none() {
            let ends = [tunnel.handshake_end(), self.drain.patience(tunnel.since)];
            return ends.into_iter().flatten().min();
        } else {
            Some(tunnel.epoch.cluster(tunnel.config.cluster).connect_timeout)
        };
        tunnel.since.checked_add(time?)
    }

    pub(crate) fn on_tunnel_timer(&mut self, key: TunnelKey) {
        if self.tunnel_deadline(key).is_none_or(|at| at > self.now) {
            return self.sync_tunnel(key);
        }
        let Some(tunnel) = self.tunnels.get(key) else {
            return;
        };
        if tunnel.pump.as_ref().is_some_and(|pump| pump.has_failed) {
            self.end_failed_tunnel(key);
        } else if tunnel.pump.as_ref().is_some_and(|pump| pump.is_cut) {
            self.listener_stats(tunnel.place).flush_timeouts.inc();
            self.end_tunnel(key, Flags::default());
        } else if tunnel.connected {
            self.listener_stats(tunnel.place).idle_timeouts.inc();
            self.end_tunnel(key, Flags::STREAM_IDLE);
        } else if tunnel.target.is_none() && tunnel.handshake_end().is_none_or(|at| at > self.now) {
            if let Some(tunnel) = self.tunnels.get_mut(key) {
                tunnel.record.detail = drain::SILENT;
            }
            self.end_tunnel(key, Flags::default());
        } else if tunnel.target.is_none() {
            self.listener_stats(tunnel.place).handshake_timeouts.inc();
            self.note_tunnel_failure(key, TransportFailure::timeout());
            self.end_failed_tunnel(key);
        } else {
            let stats = &self.stats.clusters[tunnel.config.cluster];
            stats.connect_timeouts.inc();
            stats.connect_failures.inc();
            self.time_endpoint_out(key);
            self.retry_tunnel(key);
        }
    }
}
