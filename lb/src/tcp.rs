//! The TCP proxy: a downstream and an upstream socket whose bytes the engine relays.
//!
//! Nothing here looks at the bytes, so both directions go to `relay` as soon as the upstream is open.
//! Half-closes pass through; the tunnel ends when both directions have.

use crate::{
    addresses::Addresses,
    cluster::Breaker,
    config::TcpConfig,
    stream::{Flags, Record},
    worker::{Epoch, Owner, Worker},
};
use engines::{Class, ConnectOptions, SlotKey, Sock, SockAddr, slot_key};
use std::{rc::Rc, sync::Arc, time::Instant};

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
    pub(crate) listener: usize,
    pub(crate) config: Arc<TcpConfig>,
    pub(crate) epoch: Rc<Epoch>,
    pub(crate) addresses: Addresses,
    pub(crate) record: Record,
    connected: bool,
    attempts: u32,
    credit: bool,
    /// The directions that have ended: from downstream, from upstream.
    finished: (bool, bool),
    since: Instant,
}

impl Worker {
    /// A connection was accepted by a TCP listener.
    pub(crate) fn open_tunnel(
        &mut self,
        listener: usize,
        config: &Arc<TcpConfig>,
        sock: Sock,
        peer: SockAddr,
        local: SockAddr,
    ) {
        let tunnel = Tunnel {
            down: sock,
            up: None,
            target: None,
            listener,
            config: config.clone(),
            epoch: self.epoch.clone(),
            addresses: Addresses::new(peer, local),
            record: Record::new(self.now),
            connected: false,
            attempts: 0,
            credit: false,
            finished: (false, false),
            since: self.now,
        };
        let key = self.tunnels.insert(tunnel);
        self.own(sock, Owner::Tunnel(key));
        self.connect_tunnel(key, None);
    }

    fn connect_tunnel(&mut self, key: TunnelKey, avoid: Option<usize>) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let cluster = tunnel.config.cluster;
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
        let Some(up) = tunnel.up else { return };
        (tunnel.connected, tunnel.since) = (true, self.now);
        tunnel.record.upstream_started = tunnel.record.moment(self.now);
        self.net.engine.relay(tunnel.down, up);
        self.net.engine.relay(up, tunnel.down);
        self.sync_tunnel(key);
    }

    pub(crate) fn on_relayed(&mut self, key: TunnelKey, from: Sock, bytes: u64) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        tunnel.since = self.now;
        let stats = &self.stats.listeners[tunnel.listener];
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
        if sock == tunnel.down {
            return self.end_tunnel(key, Flags::DOWNSTREAM_TERMINATION);
        }
        tunnel.up = None;
        if tunnel.connected {
            return self.end_tunnel(key, Flags::UPSTREAM_TERMINATION);
        }
        if let Some(target) = tunnel.target {
            self.stats.clusters[target.cluster].connect_failures.inc();
        }
        self.retry_tunnel(key);
    }

    fn retry_tunnel(&mut self, key: TunnelKey) {
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
    fn leave_endpoint(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let Some(target) = tunnel.target.take() else {
            return;
        };
        let up = tunnel.up.take();
        let cluster = &mut self.upstreams[target.cluster].cluster;
        cluster.end(target.endpoint);
        if std::mem::take(&mut tunnel.credit) {
            cluster.breakers.release(Breaker::Connections);
        }
        self.stats.clusters[target.cluster].connections_active.dec();
        if let Some(sock) = up {
            self.close_sock(sock);
        }
    }

    fn end_tunnel(&mut self, key: TunnelKey, why: Flags) {
        self.leave_endpoint(key);
        let Some(mut tunnel) = self.tunnels.remove(key) else {
            return;
        };
        self.wheels.tunnels.set(key.index(), None);
        tunnel.record.flags.set(why);
        self.close_sock(tunnel.down);
        let stats = &self.stats.listeners[tunnel.listener];
        stats.connections_active.dec();
        stats
            .latency
            .record(self.now.saturating_duration_since(tunnel.record.started));
        self.log_tunnel(&tunnel);
    }

    fn sync_tunnel(&mut self, key: TunnelKey) {
        let deadline = self.tunnel_deadline(key);
        self.wheels.tunnels.set(key.index(), deadline);
    }

    fn tunnel_deadline(&self, key: TunnelKey) -> Option<Instant> {
        let tunnel = self.tunnels.get(key)?;
        let time = if tunnel.connected {
            tunnel.config.idle_timeout
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
        if tunnel.connected {
            self.stats.listeners[tunnel.listener].idle_timeouts.inc();
            self.end_tunnel(key, Flags::STREAM_IDLE);
        } else {
            let stats = &self.stats.clusters[tunnel.config.cluster];
            stats.connect_timeouts.inc();
            stats.connect_failures.inc();
            self.retry_tunnel(key);
        }
    }
}
