//! Connections to one endpoint that wait for requests, and requests that wait for connections.
//!
//! A request takes the connection that was used last, so that those not needed grow old and are closed
//! by their idle timeout. Requests wait in order. A connection is begun for each request that waits, as
//! far as the cluster's `max_connections` allows; the first of an endpoint is always allowed. A request
//! whose pooled connection turned out dead takes only a new one.
//!
//! A connection whose answer has come in whole still owns the receive blocks that wait in a slow client's
//! queue. So many of them could keep it from receiving the next answer, and that one client's slowness
//! would be another's. It rests until they are home, or is closed if its place is needed.

use crate::{
    cluster::Breaker,
    config::ClusterConfig,
    conn::{Conn, ConnKey},
    limits,
    stream::{Failure, Flags, LocalReply, Phase, StreamKey, Target},
    worker::{Owner, Todo, Worker},
};
use engines::ConnectOptions;
use std::collections::VecDeque;

/// A worker's connections to one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Used last comes last.
    idle: Vec<ConnKey>,
    /// Not idle yet: their last answers wait to be taken by slow clients.
    resting: Vec<ConnKey>,
    /// Being opened.
    connecting: usize,
    /// All of them, idle, busy or being opened.
    total: usize,
    waiting: VecDeque<StreamKey>,
}

impl Pool {
    pub(crate) fn idle_len(&self) -> usize {
        self.idle.len()
    }
}

/// What `acquire` found for a stream.
pub(crate) enum Acquired {
    /// A connection that can carry it now.
    Conn(ConnKey),
    /// It waits; the pool will advance it.
    Queued,
    /// It is refused.
    Refused(Flags, LocalReply),
}

impl Worker {
    /// Finds a connection to the stream's target.
    pub(crate) fn acquire(&mut self, stream: StreamKey, target: Target, fresh: bool) -> Acquired {
        if !fresh && let Some(conn) = self.take_idle(target) {
            return Acquired::Conn(conn);
        }
        let upstream = &mut self.upstreams[target.cluster];
        if !upstream.cluster.breakers.acquire(Breaker::Pending) {
            self.cluster_stats(target.cluster).pending_overflow.inc();
            return Acquired::Refused(
                Flags::UPSTREAM_OVERFLOW,
                LocalReply::new(503, "upstream_max_pending_requests_reached"),
            );
        }
        upstream.pools[target.endpoint].waiting.push_back(stream);
        self.todo.push_back(Todo::Serve {
            cluster: target.cluster,
            endpoint: target.endpoint,
        });
        Acquired::Queued
    }

    fn take_idle(&mut self, target: Target) -> Option<ConnKey> {
        let pool = &mut self.upstreams[target.cluster].pools[target.endpoint];
        // A stream that came first is served first.
        if pool.waiting.is_empty() {
            pool.idle.pop()
        } else {
            None
        }
    }

    /// Gives waiting streams the connections that are idle, and opens those that are missing.
    pub(crate) fn serve_pool(&mut self, cluster: usize, endpoint: usize) {
        let target = Target { cluster, endpoint };
        while self.next_waiting(target).is_some() {
            if let Some((stream, conn)) = self.match_idle(target) {
                self.unqueue(stream, target);
                self.attach(stream, conn);
                continue;
            }
            let pool = &self.upstreams[cluster].pools[endpoint];
            if pool.connecting >= pool.waiting.len() {
                return;
            }
            if self.open_upstream(target) {
                continue;
            }
            // What no waiting stream can take makes room: idle if all want new ones, or resting.
            let pool = &self.upstreams[cluster].pools[endpoint];
            let Some(useless) = pool.idle.first().or(pool.resting.first()).copied() else {
                return;
            };
            self.drop_conn(useless);
        }
    }

    /// The first stream that takes a connection used before, and the idle one used last.
    fn match_idle(&mut self, target: Target) -> Option<(StreamKey, ConnKey)> {
        let pool = &mut self.upstreams[target.cluster].pools[target.endpoint];
        let conn = *pool.idle.last()?;
        let takes = |key: &&StreamKey| self.streams.get(**key).is_some_and(|s| !s.retry.fresh);
        let stream = *pool.waiting.iter().find(takes)?;
        pool.idle.pop();
        Some((stream, conn))
    }

    /// Takes a stream out of the queue, if it waits there.
    pub(crate) fn unqueue(&mut self, stream: StreamKey, target: Target) {
        let upstream = &mut self.upstreams[target.cluster];
        let waiting = &mut upstream.pools[target.endpoint].waiting;
        if let Some(at) = waiting.iter().position(|other| *other == stream) {
            waiting.remove(at);
            upstream.cluster.breakers.release(Breaker::Pending);
        }
    }

    /// Begins a connection; false if no more are allowed.
    fn open_upstream(&mut self, target: Target) -> bool {
        let upstream = &mut self.upstreams[target.cluster];
        let pool = &mut upstream.pools[target.endpoint];
        let credit = upstream.cluster.breakers.acquire(Breaker::Connections);
        if !credit && pool.total > 0 {
            self.cluster_stats(target.cluster)
                .connections_overflow
                .inc();
            return false;
        }
        pool.connecting += 1;
        pool.total += 1;
        let config = upstream.cluster.config.clone();
        let address = &config.endpoints[target.endpoint].address;
        let sock = self.net.engine.connect(address, &ConnectOptions::default());
        let stats = self.cluster_stats(target.cluster);
        stats.connections.inc();
        stats.connections_active.inc();
        let conn = Conn::upstream(sock, target, &config, credit, self.now);
        let key = self.net.conns.insert(conn);
        self.own(sock, Owner::Conn(key));
        self.mark_conn(key);
        true
    }

    /// A new connection is open.
    pub(crate) fn pool_connected(&mut self, key: ConnKey, target: Target) {
        let pool = &mut self.upstreams[target.cluster].pools[target.endpoint];
        pool.connecting -= 1;
        if let Some(stream) = self.next_waiting(target) {
            self.unqueue(stream, target);
            self.attach(stream, key);
        } else {
            self.put_idle(key, target);
        }
    }

    fn next_waiting(&mut self, target: Target) -> Option<StreamKey> {
        loop {
            let pool = &self.upstreams[target.cluster].pools[target.endpoint];
            let stream = *pool.waiting.front()?;
            if self
                .streams
                .get(stream)
                .is_some_and(|s| s.phase == Phase::Queued)
            {
                return Some(stream);
            }
            self.unqueue(stream, target);
        }
    }

    /// A connection's answer is complete: it is free, or rests until `down` has taken the most of it.
    pub(crate) fn rest_or_put_idle(&mut self, key: ConnKey, target: Target, down: ConnKey) {
        if !self.net.pins_many(down) {
            return self.put_idle(key, target);
        }
        if let Some(down) = self.net.conns.get_mut(down) {
            down.add_resting(key);
        }
        self.upstreams[target.cluster].pools[target.endpoint]
            .resting
            .push(key);
        self.todo.push_back(Todo::Serve {
            cluster: target.cluster,
            endpoint: target.endpoint,
        });
    }

    /// More has left on a downstream connection: what rests because of it may be free now.
    pub(crate) fn end_rests(&mut self, down: ConnKey) {
        if self.net.pins_many(down) {
            return;
        }
        let Some(conn) = self.net.conns.get_mut(down) else {
            return;
        };
        for rested in conn.take_resting() {
            self.end_rest(rested);
        }
    }

    /// A connection's rest is over, if it still rests.
    pub(crate) fn end_rest(&mut self, key: ConnKey) {
        let Some(target) = self.net.conns.get(key).and_then(Conn::target) else {
            return;
        };
        let resting = &mut self.upstreams[target.cluster].pools[target.endpoint].resting;
        if let Some(at) = resting.iter().position(|other| *other == key) {
            resting.swap_remove(at);
            self.put_idle(key, target);
        }
    }

    /// A connection has become free.
    pub(crate) fn put_idle(&mut self, key: ConnKey, target: Target) {
        let pool = &mut self.upstreams[target.cluster].pools[target.endpoint];
        let is_full = pool.idle.len() >= limits::POOL_IDLE_MAX;
        if is_full || self.drain.is_draining() {
            let overflows = u64::from(is_full);
            self.cluster_stats(target.cluster)
                .idle_overflows
                .add(overflows);
            self.drop_conn(key);
            return;
        }
        pool.idle.push(key);
        if !pool.waiting.is_empty() {
            self.todo.push_back(Todo::Serve {
                cluster: target.cluster,
                endpoint: target.endpoint,
            });
        }
    }

    /// A connection of the pool is gone. `connected`: it had been open.
    pub(crate) fn pool_lost(
        &mut self,
        key: ConnKey,
        target: Target,
        credit: bool,
        connected: bool,
    ) {
        self.cluster_stats(target.cluster).connections_active.dec();
        let upstream = &mut self.upstreams[target.cluster];
        if credit {
            upstream.cluster.breakers.release(Breaker::Connections);
        }
        let pool = &mut upstream.pools[target.endpoint];
        pool.total -= 1;
        if !connected {
            pool.connecting -= 1;
        }
        pool.idle.retain(|other| *other != key);
        pool.resting.retain(|other| *other != key);
        if !pool.waiting.is_empty() {
            self.todo.push_back(Todo::Serve {
                cluster: target.cluster,
                endpoint: target.endpoint,
            });
        }
    }

    /// A connection could not be opened: the stream that has waited longest is told.
    pub(crate) fn pool_connect_failed(&mut self, target: Target) {
        let stats = self.cluster_stats(target.cluster);
        stats.connect_failures.inc();
        if let Some(stream) = self.next_waiting(target) {
            self.unqueue(stream, target);
            self.on_upstream_failed(stream, Failure::Connect);
        }
    }
}

/// Whether a connection may carry another request.
pub(crate) fn may_reuse(config: &ClusterConfig, requests: u32) -> bool {
    config.requests_max == 0 || requests < config.requests_max
}
