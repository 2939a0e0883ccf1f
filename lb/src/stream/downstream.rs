//! The client's side of a stream: its request comes in, its answer goes out.

use super::{
    Deadlines, Failure, Flags, Half, Leg, LocalReply, Phase, Record, Retry, Stream, StreamKey,
    Upgrade,
};
use crate::{
    conn::{ConnKey, Side},
    epoch::Place,
    filter::Dir,
    grpc::{self, Outcome},
    limits,
    short_text::ShortText,
    transport_failure::TransportFailure,
    worker::{Todo, Worker},
};
use codecs::{Fields, Head, Reason, StreamId};
use engines::{Buf, SlotKey};

impl Worker {
    /// A request's head is complete.
    pub(crate) fn open_stream(&mut self, conn: ConnKey, id: StreamId, head: Box<Head>, end: bool) {
        let Some(owner) = self.net.conns.get_mut(conn) else {
            return;
        };
        let Side::Down { place, .. } = owner.side else {
            return;
        };
        let epoch = self.epoch.clone();
        let http = epoch.http(place);
        let upgrade = Upgrade::of(&head, http);
        // A wish for another upgrade is ignored, and what may follow it is not forwarded.
        let is_ignored = upgrade == Upgrade::None && !head.upgrade().is_empty();
        let end = end || is_ignored || head.method() == b"CONNECT";
        owner.requests += 1;
        owner.end_discarding();
        let requests = owner.requests;
        let is_multiplexed = owner.codec.is_multiplexed();
        let is_worn = owner.is_worn();
        let tls = owner.transport.facts().cloned();
        let stats = self.listener_stats(place);
        stats.requests.inc();
        stats.requests_active.inc();
        let mut stream = self.spare.pop().unwrap_or_else(|| self.blank_stream());
        stream.reset(Leg { conn, id }, place, epoch.clone(), self.now);
        (stream.upgrade, stream.tls) = (upgrade, tls);
        self.net
            .heads
            .put(std::mem::replace(&mut stream.head, head));
        stream.see_grpc();
        stream.is_grpc = stream.record.grpc.is_grpc();
        stream.request.incoming_end = end;
        stream.request.window = is_multiplexed.then_some(Leg { conn, id });
        if end {
            stream.record.request_done = stream.record.moment(self.now);
        }
        let key = self.streams.insert(stream);
        if let Some(owner) = self.net.conns.get_mut(conn) {
            owner.streams.push(id, key);
        }
        // A connection that carries many was told once: to tell it again would end its time to notice.
        let is_last = http.requests_max > 0
            && (requests == http.requests_max || requests > http.requests_max && !is_multiplexed)
            || is_worn;
        if is_last || self.drain.is_draining() && !is_multiplexed {
            self.net.write(conn, |codec, out| codec.drain(out));
        }
        self.dress_request(key, http);
        self.start_clocks(key, http, end || upgrade == Upgrade::Asked);
        if is_ignored && is_multiplexed {
            // RFC 8441 §5: a success would tell the client that it has its tunnel.
            self.answer(key, LocalReply::new(403, "upgrade_failed"), None);
        }
        self.wake_stream(key);
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
            place: Place::default(),
            gone: None,
            tls: None,
            up_tls: None,
            up_failure: None,
            head: Box::default(),
            answer: None,
            request: Half::default(),
            response: Half::default(),
            chain: None,
            record: Record::new(self.now),
            deadlines: Deadlines::default(),
            idle_time: None,
            retry: Retry::default(),
            upgrade: Upgrade::None,
            is_grpc: false,
            is_local: false,
            rematches: 0,
            is_marked: false,
        })
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
                stream.request.incoming_end |= end;
                stream.request.received_bytes += data.len() as u64;
                if stream.request.window.is_some() {
                    // Its window opens at the end of the turn.
                    return self.mark_stream(key);
                }
                let conn = stream.down.conn;
                return self.count_discarded(conn, data.len());
            }
            stream.request.receive(data, end);
        } else {
            stream.response.receive(data, end);
        }
        self.on_end(key, down, end);
        self.wake_stream(key);
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
        if !down && stream.record.grpc.is_grpc() {
            stream.record.grpc = Outcome::of_field(fields.get(b"grpc-status"));
        }
        let half = if down {
            &mut stream.request
        } else {
            &mut stream.response
        };
        half.trailers = Some(fields);
        half.incoming_end = true;
        self.on_end(key, down, true);
        self.wake_stream(key);
    }

    /// A message may be complete.
    pub(super) fn on_end(&mut self, key: StreamKey, down: bool, end: bool) {
        if !end {
            return;
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if !down && stream.is_half_open() {
            return;
        }
        if !down {
            return self.release_upstream(key);
        }
        stream.record.request_done = stream.record.moment(self.now);
        stream.deadlines.request = None;
        self.start_route_clock(key);
    }

    /// Answers here, instead of the upstream. `behind`: how many filters the answer passes, if not all.
    pub(crate) fn answer(&mut self, key: StreamKey, reply: LocalReply, behind: Option<usize>) {
        self.leave_upstream(key);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.response.head_sent {
            return self.reset_stream(key, Reason::Internal);
        }
        let mut head = self.net.heads.take();
        match stream.is_grpc {
            true => reply.write_grpc_head(&mut head),
            false => reply.write_head(&mut head),
        }
        if stream.is_grpc || grpc::is_request(&stream.head) {
            stream.record.grpc = Outcome::of(reply.grpc_status());
        }
        stream.record.detail = reply.detail;
        stream.deadlines.forget_answer();
        stream.is_local = true;
        let was_tunnel = stream.upgrade == Upgrade::Open;
        stream.give_upgrade_up();
        stream.request.abandon();
        stream.response.reset();
        if reply.may_have_body() && !stream.is_grpc && !stream.is_head_request() {
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
        if was_tunnel {
            let place = stream.place;
            self.listener_stats(place).upgrades_active.dec();
        }
    }

    /// The client is gone or has given the request up, or TLS with it has failed.
    pub(crate) fn on_downstream_lost(&mut self, key: StreamKey) {
        let failure = self.downstream_failure(key);
        let failure = failure.map(|why| (why.flag(), why.detail()));
        if let Some(stream) = self.streams.get_mut(key) {
            let record = &mut stream.record;
            match failure {
                Some((flag, detail)) => {
                    record.flags.set(flag);
                    record.detail = detail;
                }
                None => record.flags.set(Flags::DOWNSTREAM_TERMINATION),
            }
            if record.detail.is_empty() {
                record.detail = "downstream_remote_disconnect";
            }
        }
        self.abandon(key);
    }

    /// Why TLS with the client has failed, if it has.
    fn downstream_failure(&self, key: StreamKey) -> Option<&TransportFailure> {
        let stream = self.streams.get(key)?;
        match &stream.gone {
            Some(gone) => gone.failure.as_ref(),
            None => self.net.conns.get(stream.down.conn)?.failure(),
        }
    }

    /// The client has given the request up, or broke the rules within it.
    pub(crate) fn on_downstream_reset(
        &mut self,
        key: StreamKey,
        reason: Reason,
        detail: &'static str,
    ) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let conn = stream.down.conn;
        if reason == Reason::Cancel {
            stream.record.flags.set(Flags::DOWNSTREAM_TERMINATION);
        } else {
            stream.record.flags.set(Flags::DOWNSTREAM_PROTOCOL);
        }
        stream.record.detail = detail;
        self.abandon(key);
        self.after_answer(conn);
    }

    /// Gives the stream up without an answer; its connection is the caller's concern.
    pub(crate) fn abandon(&mut self, key: StreamKey) {
        self.leave_upstream(key);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if let Some(conn) = self.net.conns.get_mut(stream.down.conn) {
            conn.streams.remove(stream.down.id);
            if stream.is_begun() {
                // However it ends: not like one that has sent all.
                conn.break_off();
            }
        }
        let place = stream.place;
        self.listener_stats(place).resets.inc();
        self.close_stream(key);
    }

    /// Gives the stream up and lets the client see that its answer is not complete.
    pub(crate) fn reset_stream(&mut self, key: StreamKey, reason: Reason) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let down = stream.down;
        self.abandon(key);
        self.net
            .write(down.conn, |codec, out| codec.reset(down.id, reason, out));
        let Some(conn) = self.net.conns.get(down.conn) else {
            return;
        };
        if conn.codec.is_multiplexed() {
            self.after_answer(down.conn);
        } else if conn.codec.life().is_closed() {
            self.flush_and_cut(down.conn);
        }
    }

    /// The answer is out.
    pub(super) fn end_stream(&mut self, key: StreamKey) {
        self.leave_upstream(key);
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let (Leg { conn, id }, unfinished) = (stream.down, !stream.request.incoming_end);
        self.close_stream(key);
        if let Some(owner) = self.net.conns.get_mut(conn) {
            owner.streams.remove(id);
            if unfinished && !owner.codec.is_multiplexed() {
                owner.discard(0);
            } else {
                owner.end_discarding();
            }
        }
        self.after_answer(conn);
    }

    /// Logs the stream, counts it, and keeps its memory.
    fn close_stream(&mut self, key: StreamKey) {
        self.release_all(key, Dir::Request);
        let Some(mut stream) = self.streams.remove(key) else {
            return;
        };
        self.wheels.streams.set(key.index(), None);
        stream.record.request_bytes = stream.request.received_bytes;
        stream.record.response_bytes = stream.response.sent_bytes;
        let stats = self.listener_stats(stream.place);
        stats.requests_active.dec();
        if stream.upgrade == Upgrade::Open {
            stats.upgrades_active.dec();
        }
        stats.received_bytes.add(stream.record.request_bytes);
        stats.sent_bytes.add(stream.record.response_bytes);
        if let Some(counter) = crate::stats::class_of(&stats.answers, stream.record.status) {
            counter.inc();
        }
        stats
            .latency
            .record(self.now.saturating_duration_since(stream.record.started));
        if let Some(cluster) = stream.record.cluster
            && let Some(slot) = stream.record.grpc.slot()
        {
            self.stats.clusters[cluster as usize].grpc.count(slot);
        }
        if let Some(chain) = &mut stream.chain {
            chain.on_complete(&stream.record);
        }
        self.log_stream(&stream);
        stream.clear();
        if let Some(answer) = stream.answer.take() {
            self.net.heads.put(answer);
        }
        if self.spare.len() < limits::SPARE_STREAMS_MAX {
            self.spare.push(stream);
        }
    }

    /// Answers with an error, or resets what was already answered in part.
    pub(super) fn fail(&mut self, key: StreamKey, reply: LocalReply) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.record.detail = reply.detail;
        if !stream.response.head_sent {
            self.answer(key, reply, None);
        } else if !self.end_call(key, &reply) {
            self.reset_stream(key, Reason::Internal);
        }
    }

    /// Ends a gRPC answer that was begun with trailers that say what went wrong: a client takes a reset
    /// for a fault of the protocol, or for its own. False if it is no such answer, or not on a stream
    /// that can be ended so.
    fn end_call(&mut self, key: StreamKey, reply: &LocalReply) -> bool {
        let Some(stream) = self.streams.get_mut(key) else {
            return false;
        };
        let down = stream.down;
        if !stream.is_grpc || !self.net.is_multiplexed(down.conn) {
            return false;
        }
        let status = reply.grpc_status();
        stream.record.grpc = Outcome::of(status);
        let mut fields = Fields::default();
        fields.append(b"grpc-status", &ShortText::of(status));
        fields.append(b"grpc-message", reply.detail.as_bytes());
        self.abandon(key);
        self.net.write(down.conn, |codec, out| {
            codec.trailers(down.id, &fields, out);
        });
        self.after_answer(down.conn);
        true
    }

    /// The stream may go on, once the input at hand is decoded: one step for all its frames.
    pub(crate) fn wake_stream(&mut self, key: StreamKey) {
        let todo = Todo::Advance(key);
        if self.todo.back() != Some(&todo) {
            self.todo.push_back(todo);
        }
    }

    pub(super) fn retry_or_fail(&mut self, key: StreamKey, failure: Failure) {
        if self.try_again(key, &failure) {
            return;
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.record.flags.set(failure.flags());
        let has_begun = stream.response.head_sent;
        self.fail(key, failure.reply(has_begun));
    }
}
