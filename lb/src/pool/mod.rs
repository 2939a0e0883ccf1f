//! Connections to one endpoint that may take requests, and requests that wait for connections.
//!
//! A request takes the connection that was used last, so that those not needed grow old and are closed
//! by their idle timeout. Requests wait in order. Connections are begun for the requests that wait, as
//! many as they are likely to need, as far as the cluster's `max_connections` allows; the first of an
//! endpoint is always allowed. A request whose pooled connection turned out dead takes only a new one,
//! where a connection carries one request at a time.

mod rest;
mod wire;

pub(crate) use wire::Wire;

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

/// A worker's connections to one endpoint that speak one protocol.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// They can take one more request; used last comes last.
    free: Vec<ConnKey>,
    /// Not free yet: their last answers wait to be taken by slow clients.
    resting: Vec<ConnKey>,
    /// Being opened.
    connecting: usize,
    /// All of them, free, busy or being opened.
    total: usize,
    /// Those of them that only end what they have.
    retired: usize,
    /// Streams that the last one was seen to carry at a time; 0: not known.
    streams_each: usize,
    /// Whether the last one that was opened carries many requests at a time.
    is_shared: Option<bool>,
    waiting: VecDeque<StreamKey>,
}

impl Pool {
    pub(crate) fn free(&self) -> &[ConnKey] {
        &self.free
    }

    fn remove_free(&mut self, key: ConnKey) {
        if self.free.last() == Some(&key) {
            self.free.pop();
        } else {
            self.free.retain(|other| *other != key);
        }
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
    pub(crate) fn pool(&mut self, target: Target) -> &mut Pool {
        &mut self.upstreams[target.cluster].pools[target.endpoint][target.wire as usize]
    }

    /// Connections of a pool carry many requests at a time.
    pub(super) fn is_shared(&mut self, target: Target) -> bool {
        match target.wire {
            Wire::Agreed => self.pool(target).is_shared.unwrap_or(false),
            Wire::Http1 => false,
            Wire::Http2 => true,
        }
    }

    /// Finds a connection to the stream's target.
    pub(crate) fn acquire(&mut self, stream: StreamKey, target: Target, fresh: bool) -> Acquired {
        // A stream that came first is served first.
        let may_take = (!fresh || self.is_shared(target)) && self.pool(target).waiting.is_empty();
        if may_take && let Some(conn) = self.find_free(target) {
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
        self.pool(target).waiting.push_back(stream);
        self.todo.push_back(Todo::Serve(target));
        Acquired::Queued
    }

    /// The connection used last that can take one more request; `on_taken` follows.
    fn find_free(&mut self, target: Target) -> Option<ConnKey> {
        loop {
            let conn = *self.pool(target).free.last()?;
            if self.net.conns.get(conn).is_some_and(Conn::has_room) {
                return Some(conn);
            }
            // Its endpoint allows fewer streams by now; `put_free` follows when there is room again.
            self.pool(target).free.pop();
        }
    }

    /// A connection has taken a request.
    pub(crate) fn on_taken(&mut self, key: ConnKey, target: Target) {
        if !self.net.conns.get(key).is_some_and(Conn::has_room) {
            self.pool(target).remove_free(key);
        }
    }

    /// Gives waiting streams the connections that are free, and opens those that are missing.
    pub(crate) fn serve_pool(&mut self, target: Target) {
        while self.next_waiting(target).is_some() {
            if let Some((stream, conn)) = self.match_free(target) {
                self.unqueue(stream, target);
                self.attach(stream, conn);
                continue;
            }
            let each = self.expected_streams(target);
            let pool = self.pool(target);
            if pool.connecting.saturating_mul(each) >= pool.waiting.len() {
                return;
            }
            if self.open_upstream(target) {
                continue;
            }
            // What no waiting stream can take makes room: free if all want new ones, or resting.
            let pool = self.pool(target);
            let Some(useless) = pool.free.first().or(pool.resting.first()).copied() else {
                return;
            };
            pool.remove_free(useless);
            self.drop_conn(useless);
        }
    }

    /// The first stream that takes a connection used before, and the free one used last.
    fn match_free(&mut self, target: Target) -> Option<(StreamKey, ConnKey)> {
        let conn = self.find_free(target)?;
        let shared = self.net.is_multiplexed(conn);
        let pool = &self.upstreams[target.cluster].pools[target.endpoint][target.wire as usize];
        let takes =
            |key: &&StreamKey| shared || self.streams.get(**key).is_some_and(|s| !s.retry.fresh);
        let stream = *pool.waiting.iter().find(takes)?;
        Some((stream, conn))
    }

    /// Takes a stream out of the queue, if it waits there.
    pub(crate) fn unqueue(&mut self, stream: StreamKey, target: Target) {
        let waiting = &mut self.pool(target).waiting;
        if let Some(at) = waiting.iter().position(|other| *other == stream) {
            waiting.remove(at);
            let cluster = &mut self.upstreams[target.cluster].cluster;
            cluster.breakers.release(Breaker::Pending);
        }
    }

    /// Begins a connection; false if no more are allowed.
    fn open_upstream(&mut self, target: Target) -> bool {
        let upstream = &mut self.upstreams[target.cluster];
        let pool = &mut upstream.pools[target.endpoint][target.wire as usize];
        let credit = upstream.cluster.breakers.acquire(Breaker::Connections);
        if !credit && pool.total > pool.retired {
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
    pub(crate) fn pool_connected(&mut self, key: ConnKey, target: Target, is_shared: bool) {
        let pool = self.pool(target);
        pool.connecting -= 1;
        pool.is_shared = Some(is_shared);
        if !is_shared && !pool.waiting.is_empty() {
            // It may have been expected to do for all.
            self.todo.push_back(Todo::Serve(target));
        }
        if let Some(stream) = self.next_waiting(target) {
            self.unqueue(stream, target);
            self.attach(stream, key);
        }
        if self.net.conns.get(key).is_some_and(Conn::has_room) {
            self.put_free(key, target);
        }
    }

    fn next_waiting(&mut self, target: Target) -> Option<StreamKey> {
        loop {
            let stream = *self.pool(target).waiting.front()?;
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

    /// A connection can take one more request, if it is not known yet.
    pub(crate) fn put_free(&mut self, key: ConnKey, target: Target) {
        // Of a pool whose connections agree on what they speak some may be shared and others not.
        let conn = self.net.conns.get(key);
        let is_shared = conn.is_some_and(|conn| conn.codec.is_multiplexed());
        let is_known = is_shared && self.pool(target).free.contains(&key);
        let is_full = !is_known && self.pool(target).free.len() >= limits::POOL_IDLE_MAX;
        let is_busy = |conn: &Conn| !conn.streams.is_empty();
        let is_needed = is_shared
            && (!self.pool(target).waiting.is_empty()
                || self.net.conns.get(key).is_some_and(is_busy));
        if is_full || self.drain.is_draining() && !is_needed {
            let overflows = u64::from(is_full);
            self.cluster_stats(target.cluster)
                .idle_overflows
                .add(overflows);
            self.pool(target).remove_free(key);
            return self.drop_unused(key);
        }
        if is_known {
            return;
        }
        let pool = self.pool(target);
        pool.free.push(key);
        if !pool.waiting.is_empty() {
            self.todo.push_back(Todo::Serve(target));
        }
    }

    /// A connection that carries many streams has said how many more it takes.
    pub(crate) fn on_room(&mut self, key: ConnKey, target: Target, streams: usize) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let (each, has_room) = (streams + conn.streams.len(), conn.has_room());
        self.pool(target).streams_each = each;
        if has_room {
            self.put_free(key, target);
        }
    }

    /// A connection takes no more requests; those that it has go on.
    pub(crate) fn retire(&mut self, key: ConnKey, target: Target) {
        if self.net.conns.get_mut(key).is_some_and(Conn::retire) {
            let pool = self.pool(target);
            pool.retired += 1;
            pool.remove_free(key);
        }
    }

    /// Retires a connection with the last request that it may carry (`max_requests_per_connection`), if
    /// it could take others meanwhile.
    pub(crate) fn retire_spent(&mut self, key: ConnKey, target: Target) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let config = self.epoch.cluster(target.cluster);
        let is_spent = !may_reuse(config, conn.requests) || conn.is_worn();
        if conn.codec.is_multiplexed() && is_spent {
            self.dismiss(key, target);
        }
    }

    /// Tells the endpoint of a connection that it takes no more requests.
    pub(crate) fn dismiss(&mut self, key: ConnKey, target: Target) {
        self.net.write(key, |codec, out| codec.drain(out));
        self.retire(key, target);
    }

    /// Streams that a connection still to be opened is likely to carry at a time.
    fn expected_streams(&mut self, target: Target) -> usize {
        // Before TLS has agreed on anything, one that is shared would do for all.
        let is_unknown = target.wire == Wire::Agreed && self.pool(target).is_shared.is_none();
        let is_shared = is_unknown || self.is_shared(target);
        let config = &self.upstreams[target.cluster].cluster.config;
        let expected = wire::expected_streams(is_shared, config);
        match self.pool(target).streams_each {
            0 => expected,
            seen => seen.min(expected).max(1),
        }
    }

    /// Closes a connection once no stream is on it; the last one calls this again.
    pub(crate) fn drop_unused(&mut self, key: ConnKey) {
        if self
            .net
            .conns
            .get(key)
            .is_some_and(|conn| conn.streams.is_empty())
        {
            self.drop_conn(key);
        }
    }

    /// A connection of the pool is gone. `connected`: it had been open.
    pub(crate) fn pool_lost(
        &mut self,
        key: ConnKey,
        target: Target,
        credit: bool,
        connected: bool,
        is_retired: bool,
    ) {
        self.cluster_stats(target.cluster).connections_active.dec();
        let upstream = &mut self.upstreams[target.cluster];
        if credit {
            upstream.cluster.breakers.release(Breaker::Connections);
        }
        let pool = self.pool(target);
        pool.total -= 1;
        pool.retired -= usize::from(is_retired);
        if !connected {
            pool.connecting -= 1;
        }
        pool.remove_free(key);
        pool.resting.retain(|other| *other != key);
        if !pool.waiting.is_empty() {
            self.todo.push_back(Todo::Serve(target));
        }
    }

    /// A connection could not be opened: those that it was meant for are told, who have waited longest.
    pub(crate) fn pool_connect_failed(&mut self, target: Target, why: &Failure) {
        self.cluster_stats(target.cluster).connect_failures.inc();
        let meant = self.expected_streams(target);
        let pool = self.pool(target);
        // Others that are open will take those that wait.
        let has_others = pool.total > pool.connecting + pool.retired;
        let meant = if has_others { 1 } else { meant };
        for _ in 0..meant.min(pool.waiting.len()) {
            let Some(stream) = self.next_waiting(target) else {
                return;
            };
            self.unqueue(stream, target);
            self.on_upstream_failed(stream, why.clone());
        }
    }
}

/// Whether a connection may carry another request.
pub(crate) fn may_reuse(config: &ClusterConfig, requests: u32) -> bool {
    config.requests_max == 0 || requests < config.requests_max
}
