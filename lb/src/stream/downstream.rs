//! The client's side of a stream: its request comes in, its answer goes out.

use super::{
    Deadlines, Failure, Flags, Half, Leg, LocalReply, Phase, Record, Retry, Stream, StreamKey,
};
use crate::{
    config::{HttpConfig, ServerHeader},
    conn::{ConnKey, Side},
    limits,
    route::Action,
    short_text::ShortText,
    worker::{Todo, Worker},
};
use codecs::{Fields, Head, Length, Life, StreamId};
use engines::{Buf, SlotKey};
use std::time::Duration;

impl Worker {
    /// A request's head is complete.
    pub(crate) fn open_stream(&mut self, conn: ConnKey, id: StreamId, head: Box<Head>, end: bool) {
        let Some(owner) = self.net.conns.get_mut(conn) else {
            return;
        };
        let Side::Down { listener, .. } = owner.side else {
            return;
        };
        // No upgrade is supported: its wish is ignored, and what may follow it is not forwarded.
        let end = end || !head.upgrade().is_empty() || head.method() == b"CONNECT";
        owner.requests += 1;
        owner.end_discarding();
        let requests = owner.requests;
        let stats = self.listener_stats(listener);
        stats.requests.inc();
        stats.requests_active.inc();
        let mut stream = self.spare.pop().unwrap_or_else(|| self.blank_stream());
        stream.reset(Leg { conn, id }, listener, self.epoch.clone(), self.now);
        self.net
            .heads
            .put(std::mem::replace(&mut stream.head, head));
        stream.request.incoming_end = end;
        if end {
            stream.record.request_done = stream.record.moment(self.now);
        }
        let key = self.streams.insert(stream);
        if let Some(owner) = self.net.conns.get_mut(conn) {
            owner.streams.push(id, key);
        }
        let epoch = self.epoch.clone();
        let http = epoch.http(listener);
        if self.drain.is_draining() || (http.requests_max > 0 && requests >= http.requests_max) {
            self.net.write(conn, |codec, out| codec.drain(out));
        }
        self.dress_request(key, http);
        self.start_clocks(key, http, end);
        self.advance(key);
    }

    fn blank_stream(&self) -> Box<Stream> {
        Box::new(Stream {
            down: Leg {
                conn: SlotKey::from_parts(0, 0),
                id: StreamId(0),
            },
            up: None,
            target: None,
            phase: Phase::Match,
            epoch: self.epoch.clone(),
            listener: 0,
            head: Box::default(),
            answer: None,
            request: Half::default(),
            response: Half::default(),
            chain: None,
            record: Record::new(self.now),
            deadlines: Deadlines::default(),
            idle_time: None,
            retry: Retry::default(),
            is_local: false,
            rematches: 0,
        })
    }

    fn start_clocks(&mut self, key: StreamKey, http: &HttpConfig, end: bool) {
        let now = self.now;
        let after = |time: Option<Duration>| time.and_then(|time| now.checked_add(time));
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.request = if end {
            None
        } else {
            after(http.request_timeout)
        };
        stream.idle_time = http.stream_idle_timeout;
        stream.touch(now);
    }

    /// The fields that the connection manager adds before anything else sees the request.
    fn dress_request(&mut self, key: StreamKey, http: &HttpConfig) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(Side::Down { addresses, .. }) =
            self.net.conns.get(stream.down.conn).map(|c| &c.side)
        else {
            return;
        };
        let head = &mut stream.head;
        // No upgrade is configured: the request goes on as it is without one (RFC 9110 §7.8).
        head.set_upgrade(b"");
        if http.use_remote_address {
            head.fields.retain(|name, _| !name.starts_with(b"x-envoy-"));
            if !http.skip_xff_append
                && let Some(peer) = addresses.peer().inet()
            {
                append_forwarded_for(&mut head.fields, peer.ip());
            }
        }
        if http.use_remote_address && http.trusted_hops == 0 {
            head.fields.set(b"x-forwarded-proto", b"http");
        } else if head.fields.get(b"x-forwarded-proto").is_none() {
            // No listener speaks TLS yet; a target's scheme is the client's word only.
            head.fields.append(b"x-forwarded-proto", b"http");
        }
        // The id of a client is replaced; one of a proxy before us names the same request.
        let is_clients = http.use_remote_address && !http.preserve_request_id;
        if http.generate_request_id && (is_clients || head.fields.get(b"x-request-id").is_none()) {
            head.fields
                .set(b"x-request-id", &crate::request_id::generate(&mut self.rng));
        }
    }

    /// A part of a body arrived, from downstream (`down`) or upstream.
    pub(crate) fn on_data(&mut self, key: StreamKey, down: bool, data: Buf, end: bool) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.touch(self.now);
        if down {
            let is_answered = stream.is_local || (stream.answer.is_some() && stream.up.is_none());
            if is_answered || stream.request.incoming_end {
                // The rest of the request is of no use.
                let conn = stream.down.conn;
                stream.request.incoming_end |= end;
                return self.count_discarded(conn, data.len());
            }
            stream.request.receive(data, end);
        } else {
            stream.response.receive(data, end);
        }
        self.on_end(key, down, end);
        self.advance(key);
    }

    fn count_discarded(&mut self, conn: ConnKey, len: usize) {
        if let Some(conn) = self.net.conns.get_mut(conn) {
            conn.discard(len);
        }
    }

    /// A message ended with trailers.
    pub(crate) fn on_trailers(&mut self, key: StreamKey, down: bool, fields: Fields) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.touch(self.now);
        let half = if down {
            &mut stream.request
        } else {
            &mut stream.response
        };
        half.trailers = Some(fields);
        half.incoming_end = true;
        self.on_end(key, down, true);
        self.advance(key);
    }

    /// A message may be complete.
    pub(super) fn on_end(&mut self, key: StreamKey, down: bool, end: bool) {
        if !end {
            return;
        }
        if !down {
            return self.release_upstream(key);
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.record.request_done = stream.record.moment(self.now);
        stream.deadlines.request = None;
        self.start_route_clock(key);
    }

    /// The route's timeout runs from the end of the request, once the filters have let its head go;
    /// waiting for a connection counts.
    fn start_route_clock(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let forwards = match stream.phase {
            Phase::Acquire | Phase::Queued => true,
            Phase::Stream => stream.up.is_some(),
            Phase::Done | Phase::Filter | Phase::Match => false,
        };
        if let Some(id) = stream.record.route
            && let Action::Forward(forward) = &stream.epoch.route(stream.listener, id).action
            && forwards
            && stream.deadlines.route.is_none()
            && stream.request.incoming_end
        {
            let started = |time| self.now.checked_add(time);
            stream.deadlines.route = forward.timeout.and_then(started);
        }
    }

    /// The route's timeouts hold from now on.
    pub(super) fn start_route_clocks(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if let Some(id) = stream.record.route
            && let Action::Forward(forward) = &stream.epoch.route(stream.listener, id).action
            && let Some(idle) = forward.idle_timeout
        {
            stream.idle_time = idle;
            stream.touch(self.now);
        }
        self.start_route_clock(key);
    }

    /// Answers here, instead of the upstream. `behind`: how many filters the answer passes, if not all.
    pub(crate) fn answer(&mut self, key: StreamKey, reply: LocalReply, behind: Option<usize>) {
        self.leave_upstream(key);
        let mut head = self.net.heads.take();
        reply.write_head(&mut head);
        let Some(stream) = self.streams.get_mut(key) else {
            return self.net.heads.put(head);
        };
        if stream.response.head_sent {
            self.net.heads.put(head);
            return self.reset_stream(key);
        }
        stream.record.detail = reply.detail;
        stream.is_local = true;
        stream.request.abandon();
        stream.response.reset();
        if reply.may_have_body() && !stream.is_head_request() {
            stream.response.receive(reply.body, true);
        }
        stream.response.incoming_end = true;
        if let Some(old) = stream.answer.replace(head) {
            self.net.heads.put(old);
        }
        if let Some(chain) = &mut stream.chain {
            chain.answer_from(behind);
        }
        stream.phase = Phase::Stream;
    }

    /// Encodes the answer's head, with the fields that the connection manager adds.
    pub(super) fn send_answer_head(&mut self, key: StreamKey) {
        let date = self.date.at(self.net.engine.wall());
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(head) = stream.answer.as_mut() else {
            return;
        };
        let epoch = stream.epoch.clone();
        let http = epoch.http(stream.listener);
        if head.fields.get(b"date").is_none() {
            head.fields.append(b"date", &date);
        }
        let name = http.server_name.as_bytes();
        match http.server_header {
            ServerHeader::Overwrite => head.fields.set(b"server", name),
            ServerHeader::AppendIfAbsent if head.fields.get(b"server").is_none() => {
                head.fields.append(b"server", name);
            }
            ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
        }
        let response = &mut stream.response;
        response.head_sent = true;
        let end = response.ready_end && response.ready.is_empty() && response.trailers.is_none();
        response.end_sent = end;
        stream.record.status = head.status;
        stream.record.response_started = stream.record.moment(self.now);
        stream.retry.kept.clear();
        let (down, unfinished) = (stream.down, !stream.request.incoming_end);
        let large =
            matches!(stream.head.length, Length::Known(n) if n > limits::DISCARD_BYTES_MAX as u64);
        if stream.is_local && unfinished && (large || stream.record.status == 408) {
            // The rest of the request will not be read to its end, or did not come: the answer says
            // so.
            self.net.write(down.conn, |codec, out| codec.drain(out));
        }
        if let Some(head) = &stream.answer {
            self.net
                .write(down.conn, |codec, out| codec.head(down.id, head, end, out));
        }
    }

    /// The client is gone or has given the request up.
    pub(crate) fn on_downstream_lost(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.record.flags.set(Flags::DOWNSTREAM_TERMINATION);
            if stream.record.detail.is_empty() {
                stream.record.detail = "downstream_remote_disconnect";
            }
        }
        self.abandon(key);
    }

    /// Gives the stream up without an answer; its connection is the caller's concern.
    pub(crate) fn abandon(&mut self, key: StreamKey) {
        self.leave_upstream(key);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if let Some(conn) = self.net.conns.get_mut(stream.down.conn) {
            conn.forget(key);
        }
        let listener = stream.listener;
        self.listener_stats(listener).resets.inc();
        self.close_stream(key);
    }

    /// Gives the stream up and lets the client see that its answer is not complete.
    pub(crate) fn reset_stream(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let down = stream.down;
        self.abandon(key);
        self.net.write(down.conn, |codec, out| {
            codec.reset(down.id, codecs::Reason::Cancel, out)
        });
        let closed = |conn: &crate::conn::Conn| conn.codec.life() == Life::Closed;
        if self.net.conns.get(down.conn).is_some_and(closed) {
            self.flush_and_close(down.conn);
        }
    }

    /// The answer is out.
    pub(super) fn end_stream(&mut self, key: StreamKey) {
        self.leave_upstream(key);
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let (conn, unfinished) = (stream.down.conn, !stream.request.incoming_end);
        self.close_stream(key);
        if let Some(owner) = self.net.conns.get_mut(conn) {
            owner.forget(key);
            if unfinished {
                owner.discard(0);
            } else {
                owner.end_discarding();
            }
        }
        self.after_answer(conn);
    }

    /// Logs the stream, counts it, and keeps its memory.
    fn close_stream(&mut self, key: StreamKey) {
        let Some(mut stream) = self.streams.remove(key) else {
            return;
        };
        self.wheels.streams.set(key.index(), None);
        stream.record.request_bytes = stream.request.received_bytes;
        stream.record.response_bytes = stream.response.sent_bytes;
        let stats = self.listener_stats(stream.listener);
        stats.requests_active.dec();
        stats.received_bytes.add(stream.record.request_bytes);
        stats.sent_bytes.add(stream.record.response_bytes);
        if let Some(counter) = crate::stats::class_of(&stats.answers, stream.record.status) {
            counter.inc();
        }
        stats
            .latency
            .record(self.now.saturating_duration_since(stream.record.started));
        if let Some(chain) = &mut stream.chain {
            chain.on_complete(&stream.record);
        }
        self.log_stream(&stream);
        stream.chain = None;
        if let Some(answer) = stream.answer.take() {
            self.net.heads.put(answer);
        }
        if self.spare.len() < limits::SPARE_STREAMS_MAX {
            self.spare.push(stream);
        }
    }

    pub(super) fn on_request_timeout(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.request = None;
        let listener = stream.listener;
        self.listener_stats(listener).request_timeouts.inc();
        self.answer(key, LocalReply::new(408, "request_overall_timeout"), None);
    }

    pub(super) fn on_route_timeout(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.route = None;
        stream.record.flags.set(Flags::UPSTREAM_TIMEOUT);
        if let Some(target) = stream.target {
            self.cluster_stats(target.cluster).timeouts.inc();
        }
        self.fail(key, LocalReply::new(504, "upstream_response_timeout"));
    }

    pub(super) fn on_stream_idle(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.deadlines.idle = None;
        stream.record.flags.set(Flags::STREAM_IDLE);
        let (listener, waits) = (stream.listener, stream.request.incoming_end);
        self.listener_stats(listener).stream_idle_timeouts.inc();
        let status = if waits { 504 } else { 408 };
        self.fail(key, LocalReply::new(status, "stream_idle_timeout"));
    }

    /// Answers with an error, or resets what was already answered in part.
    pub(super) fn fail(&mut self, key: StreamKey, reply: LocalReply) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.record.detail = reply.detail;
        if stream.response.head_sent {
            self.reset_stream(key);
        } else {
            self.answer(key, reply, None);
        }
    }

    /// A stream of this connection may have become ready.
    pub(crate) fn wake_stream(&mut self, key: StreamKey) {
        self.todo.push_back(Todo::Advance(key));
    }

    pub(super) fn retry_or_fail(&mut self, key: StreamKey, failure: Failure) {
        if self.try_again(key, failure) {
            return;
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.record.flags.set(failure.flags());
        self.fail(key, failure.reply());
    }
}

fn append_forwarded_for(fields: &mut Fields, peer: std::net::IpAddr) {
    let address = &ShortText::of(peer);
    let Some(before) = fields.get(b"x-forwarded-for") else {
        return fields.append(b"x-forwarded-for", address);
    };
    let mut joined = before.to_vec();
    for more in fields.all(b"x-forwarded-for").skip(1) {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(more);
    }
    joined.extend_from_slice(b", ");
    joined.extend_from_slice(address);
    fields.set(b"x-forwarded-for", &joined);
}
