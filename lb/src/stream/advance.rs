//! A request's life, top to bottom.
//!
//! `advance` takes a stream from phase to phase until it has to wait: for a filter, a connection, room,
//! a timer, or the answer ahead of it. Whatever it waited for ends by calling `advance` again.

use super::{Flags, Half, Phase, StreamKey, Target, Upgrade, local_reply::LocalReply};
use crate::{
    cluster::Breaker,
    conn::ConnKey,
    filter::{Chain, Dir, Flow},
    pool::{Acquired, Wire},
    route::{Action, Forward},
    worker::{Todo, Worker},
};
use codecs::{Head, StreamId};

/// Whether a phase came to an end.
enum Step {
    Again,
    Wait,
}

impl Worker {
    /// Takes a stream as far as it can go now.
    pub(crate) fn advance(&mut self, key: StreamKey) {
        loop {
            let Some(stream) = self.streams.get(key) else {
                return;
            };
            let step = match stream.phase {
                Phase::Match => self.find_route(key),
                Phase::Filter => self.filter_request(key),
                Phase::Acquire => self.find_connection(key),
                Phase::Queued => Step::Wait,
                Phase::Stream => self.pump(key),
                Phase::Done => {
                    self.end_stream(key);
                    return;
                }
            };
            if let Step::Wait = step {
                break;
            }
        }
        self.mark_stream(key);
    }

    /// Match: the route, and the chain of filters that it configures.
    fn find_route(&mut self, key: StreamKey) -> Step {
        let Some(stream) = self.streams.get_mut(key) else {
            return Step::Wait;
        };
        let epoch = stream.epoch.clone();
        let routes = &epoch.http(stream.place).routes;
        let rng = &mut self.rng;
        let found = routes.find(&stream.head, stream.client_cert(), &mut |bound| {
            rng.below(bound)
        });
        (stream.record.route, stream.record.cluster) = (found, None);
        if let Some(chain) = &mut stream.chain {
            chain.give_back(&mut stream.request);
        }
        let Some(id) = found else {
            stream.record.flags.set(Flags::NO_ROUTE);
            self.answer(key, LocalReply::new(404, "route_not_found"), None);
            return Step::Again;
        };
        let route = epoch.route(stream.place, id);
        if let Action::Forward(forward) = &route.action {
            stream.record.cluster = u32::try_from(forward.cluster).ok();
            stream.retry.left = forward.retry.retries;
        }
        stream.chain = Chain::new(&route.filters);
        stream.phase = Phase::Filter;
        if stream.chain.is_some() {
            // What filters hold up counts.
            stream.start_duration_clock();
        }
        Step::Again
    }

    /// Filter: the request's head passes the filters, then the route's edits.
    fn filter_request(&mut self, key: StreamKey) -> Step {
        if let Some(flow) = self.run_chain(key, Dir::Request) {
            match flow {
                Flow::Go => {}
                Flow::Wait => return Step::Wait,
                stop @ (Flow::Rematch | Flow::Reset(_) | Flow::Respond { .. }) => {
                    self.obey(key, stop);
                    return Step::Again;
                }
            }
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return Step::Wait;
        };
        let (epoch, id) = (stream.epoch.clone(), stream.record.route);
        let Some(route) = id.map(|id| epoch.route(stream.place, id)) else {
            return Step::Wait;
        };
        if !stream.settle_wish(self.now, &mut self.rng) {
            self.answer(key, LocalReply::new(403, "upgrade_failed"), None);
            return Step::Again;
        }
        match &route.action {
            Action::Forward(forward) => {
                let suppress = epoch.http(stream.place).suppress_envoy_headers;
                let matched_len = route.condition.path.matched_len();
                rewrite(&mut stream.head, forward, matched_len, suppress);
                stream.phase = Phase::Acquire;
                self.start_route_clocks(key);
            }
            Action::Direct { status, body } => {
                let body = engines::Buf::copy_of(body);
                self.answer(
                    key,
                    LocalReply::with_body(*status, "direct_response", body),
                    None,
                );
            }
        }
        Step::Again
    }

    /// Acquire: an endpoint of the cluster, and a connection to it.
    fn find_connection(&mut self, key: StreamKey) -> Step {
        let Some(stream) = self.streams.get_mut(key) else {
            return Step::Wait;
        };
        let Some(cluster) = stream.record.cluster.map(|index| index as usize) else {
            return Step::Wait;
        };
        let (avoid, fresh) = (stream.retry.avoid, stream.retry.fresh);
        let upstream = &mut self.upstreams[cluster];
        if !upstream.cluster.breakers.acquire(Breaker::Requests) {
            self.cluster_stats(cluster).requests_overflow.inc();
            let reply = LocalReply::new(503, "upstream_max_requests_reached");
            return self.refuse_stream(key, Flags::UPSTREAM_OVERFLOW, reply);
        }
        let Some(endpoint) = upstream.cluster.choose(avoid, &mut self.rng) else {
            upstream.cluster.breakers.release(Breaker::Requests);
            self.cluster_stats(cluster).no_endpoint.inc();
            let reply = LocalReply::new(503, "no_healthy_upstream");
            return self.refuse_stream(key, Flags::NO_HEALTHY_UPSTREAM, reply);
        };
        upstream.cluster.begin(endpoint);
        let wire = Wire::of(&upstream.cluster.config, stream.head.version);
        let target = Target {
            cluster,
            endpoint,
            wire,
        };
        stream.target = Some(target);
        stream.record.endpoint = u32::try_from(endpoint).ok();
        stream.phase = Phase::Queued;
        self.cluster_stats(cluster).requests_active.inc();
        match self.acquire(key, target, fresh) {
            Acquired::Conn(conn) => {
                self.bind(key, conn);
                Step::Again
            }
            Acquired::Queued => Step::Wait,
            Acquired::Refused(flags, reply) => self.refuse_stream(key, flags, reply),
        }
    }

    fn refuse_stream(&mut self, key: StreamKey, flags: Flags, reply: LocalReply) -> Step {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.record.flags.set(flags);
        }
        self.answer(key, reply, None);
        Step::Again
    }

    /// Stream: both directions move as far as their targets have room.
    fn pump(&mut self, key: StreamKey) -> Step {
        if let Step::Again = self.pump_request(key) {
            return Step::Again;
        }
        self.pump_response(key)
    }

    fn pump_request(&mut self, key: StreamKey) -> Step {
        let Some(stream) = self.streams.get(key) else {
            return Step::Wait;
        };
        let is_over = stream.is_local || stream.request.end_sent;
        let Some(up) = stream.up.filter(|_| !is_over) else {
            return Step::Wait;
        };
        if let Some(flow) = self.run_chain(key, Dir::Request)
            && !matches!(flow, Flow::Go | Flow::Wait)
        {
            self.obey(key, flow);
            return Step::Again;
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return Step::Wait;
        };
        if !stream.request.head_sent {
            stream.request.head_sent = true;
            let asks_upgrade = stream.upgrade == Upgrade::Asked;
            let end = ends_with_head(&stream.request) && !asks_upgrade;
            stream.request.end_sent = end;
            stream.record.upstream_started = stream.record.moment(self.now);
            self.net.write(up.conn, |codec, out| {
                codec.head(up.id, &stream.head, end, out)
            });
            if asks_upgrade {
                // The codec may have to tell that its peer does not know of such a thing.
                self.todo.push_back(Todo::Decode(up.conn));
            }
        }
        self.send_body(key, Dir::Request, up.conn, up.id);
        Step::Wait
    }

    fn pump_response(&mut self, key: StreamKey) -> Step {
        let Some(stream) = self.streams.get(key) else {
            return Step::Wait;
        };
        if stream.answer.is_none() {
            return Step::Wait;
        }
        match self.run_chain(key, Dir::Response) {
            None | Some(Flow::Go) => {}
            Some(Flow::Wait) => return Step::Wait,
            Some(stop @ (Flow::Rematch | Flow::Reset(_) | Flow::Respond { .. })) => {
                self.obey(key, stop);
                return Step::Again;
            }
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return Step::Wait;
        };
        let down = stream.down;
        if !stream.response.head_sent {
            // An answer without body is bytes too, and there may be many.
            if self.net.is_full(down.conn) {
                return Step::Wait;
            }
            self.send_answer_head(key);
            if self
                .streams
                .get(key)
                .is_some_and(|s| s.upgrade == Upgrade::Open)
            {
                self.release_held(down.conn);
            }
        }
        self.send_body(key, Dir::Response, down.conn, down.id);
        let Some(stream) = self.streams.get_mut(key) else {
            return Step::Wait;
        };
        if !stream.response.end_sent || stream.is_half_open() {
            return Step::Wait;
        }
        stream.phase = Phase::Done;
        Step::Again
    }

    /// Hands what has passed the filters to a connection, while it has room.
    fn send_body(&mut self, key: StreamKey, dir: Dir, conn: ConnKey, id: StreamId) {
        loop {
            let Some(stream) = self.streams.get_mut(key) else {
                return;
            };
            let keep = dir == Dir::Request && stream.may_replay();
            let half = stream.half(dir);
            if half.end_sent {
                return;
            }
            if half.ready.is_empty() {
                return self.send_end(key, dir, conn, id);
            }
            let Some(target) = self.net.conns.get(conn) else {
                return;
            };
            let room = target.codec.room(id);
            let has_others = target.streams.len() > 1;
            let is_stopped = match has_others {
                true => target.is_full(),
                false => target.is_crammed(),
            };
            if is_stopped || room == 0 {
                return;
            }
            let Some(data) = half.ready.take(room) else {
                return;
            };
            let is_shared = half.window.is_some();
            half.sent_bytes += data.len() as u64;
            let end = half.ready_end && half.ready.is_empty() && half.trailers.is_none();
            half.end_sent = end;
            if keep {
                stream.keep_for_retry(&data);
            }
            self.net.write_data(conn, id, &data, end, is_shared);
            if end {
                self.end_tunnel_half(key, conn);
            } else if has_others {
                // They take turns, a frame each: window and socket may not be enough for all.
                return self.wake_stream(key);
            }
        }
    }

    fn send_end(&mut self, key: StreamKey, dir: Dir, conn: ConnKey, id: StreamId) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        // A tunnel that is only asked for cannot end.
        let is_early = dir == Dir::Request && stream.upgrade == Upgrade::Asked;
        let half = stream.half(dir);
        if !half.ready_end || is_early {
            return;
        }
        half.end_sent = true;
        if let Some(fields) = &half.trailers {
            self.net
                .write(conn, |codec, out| codec.trailers(id, fields, out));
        } else {
            self.net
                .write_data(conn, id, &engines::Buf::default(), true, false);
            self.end_tunnel_half(key, conn);
        }
    }
}

fn ends_with_head(half: &Half) -> bool {
    half.ready_end && half.ready.is_empty() && half.trailers.is_none()
}

fn rewrite(head: &mut Head, forward: &Forward, matched_len: usize, suppress: bool) {
    if !forward.prefix_rewrite.is_empty() {
        if !suppress {
            let original = head.path().to_vec();
            head.fields.set(b"x-envoy-original-path", &original);
        }
        let rest = head.path().get(matched_len..).unwrap_or_default();
        let path = [&forward.prefix_rewrite, rest].concat();
        head.set_path(&path);
    }
    if !forward.host_rewrite.is_empty() {
        head.set_authority(&forward.host_rewrite);
    }
}
