//! The endpoint's side of a stream: the request goes out, the answer comes in.

use super::{Failure, Flags, Leg, Phase, StreamKey};
use crate::{
    cluster::Breaker,
    conn::{Conn, ConnKey},
    filter::Dir,
    grpc::Outcome,
    pool::may_reuse,
    short_text::ShortText,
    transport_failure::TransportFailure,
    worker::{Todo, Worker},
};
use codecs::{Head, Malformed, Reason};

impl Worker {
    /// A pool has a connection for a stream that waited. Its head goes out at once: streams of one
    /// connection have to begin in the order in which they were opened (RFC 9113 §5.1.1).
    pub(crate) fn attach(&mut self, key: StreamKey, conn: ConnKey) {
        self.bind(key, conn);
        self.advance(key);
    }

    /// The stream goes through that connection from now on.
    pub(super) fn bind(&mut self, key: StreamKey, conn: ConnKey) {
        let Some(leg) = self.net.conns.get_mut(conn) else {
            return;
        };
        let Some(id) = leg.codec.open() else {
            // Not usable after all: the pool gives another.
            self.drop_unused(conn);
            if let Some(stream) = self.streams.get_mut(key) {
                stream.phase = Phase::Acquire;
            }
            self.release_target(key);
            return;
        };
        leg.requests += 1;
        leg.bound = self.turns;
        let was_idle = leg.streams.is_empty();
        leg.is_committed &= !was_idle;
        leg.streams.push(id, key);
        let (target, is_multiplexed) = (leg.target(), leg.codec.is_multiplexed());
        let tls = leg.transport.facts().cloned();
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let leg = Leg { conn, id };
        (stream.up, stream.up_tls) = (Some(leg), tls);
        stream.response.window = is_multiplexed.then_some(leg);
        stream.phase = Phase::Stream;
        self.start_try_clock(key);
        if let Some(target) = target {
            self.stats.clusters[target.cluster].requests.inc();
            self.retire_spent(conn, target);
            self.on_taken(conn, target);
        }
        if is_multiplexed && was_idle {
            self.probe_if_stale(conn);
        }
    }

    /// An answer's head arrived.
    pub(crate) fn on_answer_head(&mut self, key: StreamKey, head: Box<Head>, end: bool) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(key) else {
            return self.net.heads.put(head);
        };
        stream.touch(now);
        if let Some(conn) = stream.up.and_then(|up| self.net.conns.get_mut(up.conn)) {
            conn.note_answer();
        }
        if head.is_interim() {
            return self.forward_interim(key, head);
        }
        let (target, started) = (stream.target, stream.record.upstream_started.get());
        if let Some(target) = target
            && let Some(counter) =
                crate::stats::class_of(&self.stats.clusters[target.cluster].answers, head.status)
        {
            counter.inc();
        }
        if self.retries_status(key, head.status) {
            return self.net.heads.put(head);
        }
        let mut head = head;
        if !self.on_upgrade_answer(key, &mut head) {
            return self.net.heads.put(head);
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return self.net.heads.put(head);
        };
        stream.deadlines.per_try = None;
        stream.record.detail = "via_upstream";
        if stream.record.grpc.is_grpc() {
            // gRPC's Trailers-Only has its status here; else it comes with the trailers.
            stream.record.grpc = Outcome::of_field(head.fields.get(b"grpc-status"));
        }
        let suppress = stream.epoch.http(stream.place).suppress_envoy_headers;
        if let Some(started) = started.filter(|_| !suppress) {
            let since = now.saturating_duration_since(stream.record.started);
            let millis = since.saturating_sub(started).as_millis();
            head.fields
                .set(b"x-envoy-upstream-service-time", &ShortText::of(millis));
        }
        if let Some(old) = stream.answer.replace(head) {
            self.net.heads.put(old);
        }
        stream.response.incoming_end = end;
        self.on_end(key, false, end);
        self.wake_stream(key);
    }

    /// 1xx heads go on at once, or not at all; `100 Continue` was ours to give.
    fn forward_interim(&mut self, key: StreamKey, head: Box<Head>) {
        if let Some(stream) = self.streams.get(key)
            && head.status != 100
            && stream.head.version != codecs::Version::Http10
            && !stream.response.head_sent
            && !self.net.is_full(stream.down.conn)
        {
            let down = stream.down;
            self.net.write(down.conn, |codec, out| {
                codec.head(down.id, &head, false, out)
            });
        }
        self.net.heads.put(head);
    }

    /// The answer is complete: its connection serves others, if it can.
    pub(super) fn release_upstream(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(up) = stream.up.take() else { return };
        (stream.deadlines.route, stream.deadlines.per_try) = (None, None);
        let down = stream.down.conn;
        let requested = stream.request.end_sent || cfg!(planted = "early_reuse");
        if !requested {
            // Nobody will get the rest of the request.
            stream.request.abandon();
        }
        if let (Some(target), Some(started)) = (stream.target, stream.record.upstream_started.get())
        {
            let since = self.now.saturating_duration_since(stream.record.started);
            self.stats.clusters[target.cluster]
                .latency
                .record(since.saturating_sub(started));
        }
        self.release_target(key);
        if !requested {
            self.reset_upstream(up);
        }
        let Some(conn) = self.net.conns.get_mut(up.conn) else {
            return;
        };
        conn.streams.remove(up.id);
        let Some(target) = conn.target() else { return };
        let config = self.epoch.cluster(target.cluster);
        let wanted = may_reuse(config, conn.requests) && !conn.is_worn();
        if conn.codec.is_multiplexed() {
            self.leave_shared(up.conn);
        } else if requested && conn.has_room() && wanted && !conn.is_full() {
            conn.rest(self.now);
            self.rest_or_put_free(up.conn, target, down);
            self.mark_conn(up.conn);
        } else {
            self.todo.push_back(Todo::Drop(up.conn));
        }
    }

    /// One stream fewer is on a connection that may carry others.
    fn leave_shared(&mut self, key: ConnKey) {
        if let Some(conn) = self.net.conns.get_mut(key)
            && conn.streams.is_empty()
        {
            conn.rest(self.now);
        }
        self.check_life(key);
        self.mark_conn(key);
    }

    fn reset_upstream(&mut self, up: Leg) {
        self.net.write(up.conn, |codec, out| {
            codec.reset(up.id, Reason::Cancel, out)
        });
        // What clients cancel must not make the endpoint take us for an attacker.
        let is_much = self
            .net
            .conns
            .get_mut(up.conn)
            .is_some_and(Conn::count_reset);
        if is_much && let Some(target) = self.net.conns.get(up.conn).and_then(Conn::target) {
            self.cluster_stats(target.cluster).reset_overflows.inc();
            self.dismiss(up.conn, target);
        }
    }

    /// The stream needs no endpoint any more: a connection with an unfinished request is closed, unless
    /// others are on it.
    pub(super) fn leave_upstream(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.phase == Phase::Queued
            && let Some(target) = stream.target
        {
            self.unqueue(key, target);
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let (up, tunnel) = (stream.up.take(), stream.tunnel_sent());
        self.release_target(key);
        if let Some(up) = up {
            self.reset_upstream(up);
        }
        self.release_all(key, Dir::Response);
        let Some(up) = up else { return };
        let Some(conn) = self.net.conns.get_mut(up.conn) else {
            return;
        };
        conn.streams.remove(up.id);
        if conn.codec.is_multiplexed() {
            self.leave_shared(up.conn);
            return;
        }
        match tunnel {
            // The last bytes of a tunnel may still be queued.
            Some(true) => self.flush_and_close(up.conn),
            Some(false) => self.flush_and_cut(up.conn),
            None => self.todo.push_back(Todo::Drop(up.conn)),
        }
    }

    /// Settles what the choice of an endpoint had taken.
    pub(super) fn release_target(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        // A try may end before it has found an endpoint.
        if let Some(cluster) = stream.record.cluster
            && std::mem::take(&mut stream.retry.credit)
        {
            let cluster = &mut self.upstreams[cluster as usize].cluster;
            cluster.breakers.release(Breaker::Retries);
        }
        let Some(target) = stream.target.take() else {
            return;
        };
        let cluster = &mut self.upstreams[target.cluster].cluster;
        cluster.end(target.endpoint);
        cluster.breakers.release(Breaker::Requests);
        self.stats.clusters[target.cluster].requests_active.dec();
    }

    /// The stream's connection ended. `unsent`: no byte of the request had left; `reused`: it had
    /// carried other requests before; `why`: its TLS failed.
    pub(crate) fn on_upstream_lost(
        &mut self,
        key: StreamKey,
        unsent: bool,
        reused: bool,
        why: Option<TransportFailure>,
    ) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.up = None;
        let unsent = unsent || !stream.request.head_sent;
        if let Some(target) = stream.target {
            self.stats.clusters[target.cluster].resets.inc();
        }
        let failure = Failure::Lost {
            unsent,
            reused,
            why,
        };
        self.on_upstream_failed(key, failure);
    }

    /// The upstream gave the stream up, or broke the rules within it.
    pub(crate) fn on_upstream_reset(
        &mut self,
        key: StreamKey,
        reason: Reason,
        detail: &'static str,
    ) {
        let failure = match reason {
            Reason::Refused => Failure::Refused,
            Reason::Protocol => Failure::Malformed(detail),
            Reason::Cancel | Reason::Internal | Reason::Overload | Reason::Timeout => {
                Failure::Reset
            }
        };
        if let Some(target) = self.streams.get(key).and_then(|stream| stream.target) {
            self.stats.clusters[target.cluster].stream_resets.inc();
        }
        self.on_upstream_failed(key, failure);
    }

    /// The answer was not valid.
    pub(crate) fn on_upstream_malformed(&mut self, key: StreamKey, why: &Malformed) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.record.flags.set(Flags::UPSTREAM_PROTOCOL);
        }
        self.on_upstream_failed(key, Failure::Malformed(why.detail));
    }

    /// The try came to nothing: another one, or an answer that says so.
    pub(crate) fn on_upstream_failed(&mut self, key: StreamKey, failure: Failure) {
        if !self.streams.contains(key) {
            return;
        }
        let endpoint = self
            .streams
            .get(key)
            .and_then(|stream| stream.target)
            .map(|t| t.endpoint);
        self.leave_upstream(key);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.retry.avoid = endpoint;
            stream.up_failure = failure.transport().cloned().map(Box::new);
        }
        self.retry_or_fail(key, failure);
        self.wake_stream(key);
    }
}
