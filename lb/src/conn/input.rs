//! From received bytes to frames, and from frames to streams.

use super::{ConnKey, ConnPhase, Side};
use crate::{
    limits,
    worker::{Todo, Worker},
};
use codecs::{Detected, Frame, Malformed, PROTOCOLS, StreamId, Wait};
use engines::{Buf, BufMut};

impl Worker {
    /// Bytes arrived.
    pub(crate) fn on_received(&mut self, key: ConnKey, data: BufMut) {
        if self.net.is_secure(key) {
            self.on_sealed(key, data);
        } else {
            self.on_plain(key, data.freeze());
        }
    }

    /// Bytes of the protocol arrived.
    pub(super) fn on_plain(&mut self, key: ConnKey, data: Buf) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        match conn.phase {
            ConnPhase::Open => {}
            ConnPhase::Lingering => return self.on_lingering_bytes(key, data.len()),
            ConnPhase::Connecting | ConnPhase::Flushing | ConnPhase::Handshaking => return,
        }
        if conn.bound == self.turns && !conn.codec.is_multiplexed() {
            return self.on_unasked(key);
        }
        let is_resting = conn.streams.is_empty() && conn.discarding.is_none();
        if is_resting && !conn.has_inbox() && !conn.codec.is_multiplexed() {
            conn.since = self.now;
        }
        if conn.held {
            conn.append_inbox(&data);
            return self.mark_conn(key);
        }
        let input = if conn.has_inbox() {
            conn.append_inbox(&data);
            conn.take_inbox()
        } else {
            data
        };
        self.decode(key, input);
    }

    /// What a turn brings was there before anything is sent in it: these bytes are no answer to the
    /// request that this turn gave to the connection.
    fn on_unasked(&mut self, key: ConnKey) {
        if let Some(target) = self.net.conns.get(key).and_then(super::Conn::target) {
            self.cluster_stats(target.cluster).malformed.inc();
        }
        self.drop_conn(key);
    }

    /// The answer that held the connection's input is out.
    pub(crate) fn decode_held(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.phase != ConnPhase::Open || conn.held {
            return;
        }
        let input = conn.take_inbox();
        self.decode(key, input);
    }

    fn decode(&mut self, key: ConnKey, input: Buf) {
        if self.detect(key, &input) {
            self.decode_all(key, input);
        } else {
            self.keep(key, input);
            self.on_drained_input(key);
        }
        if let Some(conn) = self.net.conns.get_mut(key)
            && conn.codec.is_multiplexed()
        {
            conn.note_head(self.now);
        }
        self.todo.push_back(Todo::Control(key));
        self.mark_conn(key);
    }

    /// Finds out what a new connection speaks; false: more bytes are needed to tell. What nobody
    /// recognises is refused by the codec that it has.
    fn detect(&mut self, key: ConnKey, input: &[u8]) -> bool {
        let Some(conn) = self.net.conns.get_mut(key).filter(|c| c.is_undetected) else {
            return true;
        };
        let Side::Down { place, .. } = conn.side else {
            return true;
        };
        let answers = PROTOCOLS.iter().map(|one| (one, one.detect(input)));
        let found = answers
            .into_iter()
            .find(|(_, answer)| *answer != Detected::No);
        if let Some((_, Detected::NeedMore)) = found {
            return false;
        }
        conn.is_undetected = false;
        let http = self.epoch.http(place);
        if let Some((protocol, _)) = found
            && protocol.name() != super::agree::first_protocol(http.codec).name()
        {
            conn.codec = protocol.server(&http.limits);
        }
        self.greet(key);
        true
    }

    fn decode_all(&mut self, key: ConnKey, mut input: Buf) {
        loop {
            let Some(conn) = self.net.conns.get_mut(key) else {
                return;
            };
            if conn.phase != ConnPhase::Open {
                return self.on_lingering_bytes(key, input.len());
            }
            let step = match conn.codec.decode(self.now, &input, &mut self.net.heads) {
                Ok(step) => step,
                Err(why) => {
                    return self.on_malformed(key, &why);
                }
            };
            let idle = step.used == 0 && step.frame.is_none();
            if let Some(frame) = step.frame {
                let part = input.split_to(step.used);
                self.on_frame(key, frame, part);
            } else {
                input.skip(step.used);
            }
            match step.wait {
                Wait::Go if !idle => {}
                Wait::Go | Wait::More => {
                    self.keep(key, input);
                    return self.on_drained_input(key);
                }
                Wait::Hold => {
                    if self.hold(key) {
                        return self.keep(key, input);
                    }
                }
            }
        }
    }

    /// Holds the connection's input until its current answer is out; false if it is already.
    fn hold(&mut self, key: ConnKey) -> bool {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return true;
        };
        conn.held = !conn.streams.is_empty();
        conn.held
    }

    /// Keeps what cannot be decoded yet; what was kept before is not copied again.
    fn keep(&mut self, key: ConnKey, input: Buf) {
        if let Some(conn) = self.net.conns.get_mut(key) {
            conn.put_inbox(input);
        }
    }

    /// Lets the codec say what it has to, once the streams have seen what was decoded.
    pub(crate) fn write_control(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key).filter(|conn| conn.is_open()) else {
            return;
        };
        let is_multiplexed = conn.codec.is_multiplexed();
        if conn.is_down() || is_multiplexed {
            self.net.write(key, |codec, out| codec.control(out));
        }
        if is_multiplexed && !self.is_flooded(key) {
            self.check_life(key);
        }
    }

    /// A peer that asks for answers and does not take them is given up.
    fn is_flooded(&mut self, key: ConnKey) -> bool {
        let flooded = |conn: &super::Conn| conn.is_down() && conn.is_flooded();
        let is_over = self.net.conns.get(key).is_some_and(flooded);
        if is_over {
            self.stats.control_overflows.inc();
            self.drop_conn(key);
        }
        is_over
    }

    fn on_frame(&mut self, key: ConnKey, frame: Frame, mut part: Buf) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let down = conn.is_down();
        let stream = match &frame {
            Frame::Data { id, .. }
            | Frame::Head { id, .. }
            | Frame::Reset { id, .. }
            | Frame::Trailers { id, .. }
            | Frame::Window { id } => conn.streams.find(*id),
            Frame::GoAway | Frame::Pong => None,
        };
        match frame {
            Frame::Head { id, head, end } => match stream {
                None if down => self.open_stream(key, id, head, end),
                Some(stream) if !down => self.on_answer_head(stream, head, end),
                None | Some(_) => self.net.heads.put(head),
            },
            Frame::Data { id, len, end } => match stream {
                Some(stream) => {
                    part.skip(part.len() - len);
                    self.on_data(stream, down, part, end);
                }
                None => self.on_discarded(key, id, len, end),
            },
            Frame::Trailers { id, fields } => match stream {
                Some(stream) => self.on_trailers(stream, down, fields),
                None => self.on_discarded(key, id, 0, true),
            },
            Frame::Reset { reason, detail, .. } => {
                self.stats.count_limit(detail);
                match stream {
                    // The connection has ended: its streams are told so when it is dropped.
                    Some(_) if !down && detail.starts_with("eof") => {}
                    Some(stream) if down => self.on_downstream_reset(stream, reason, detail),
                    Some(stream) => self.on_upstream_reset(stream, reason, detail),
                    None if down => self.on_refused_head(key, detail),
                    None => {}
                }
            }
            Frame::Window { .. } => {
                if let Some(stream) = stream {
                    self.wake_stream(stream);
                }
            }
            Frame::GoAway => self.on_go_away(key),
            Frame::Pong => self.on_pong(key),
        }
    }

    /// The endpoint takes no more requests on this connection; those it has are answered.
    fn on_go_away(&mut self, key: ConnKey) {
        if let Some(target) = self.net.conns.get(key).and_then(super::Conn::target) {
            self.cluster_stats(target.cluster).connections_drained.inc();
            self.retire(key, target);
        }
    }

    /// The codec has refused a request before its head was complete.
    fn on_refused_head(&mut self, key: ConnKey, detail: &'static str) {
        if let Some(Side::Down { place, .. }) = self.net.conns.get(key).map(|conn| &conn.side) {
            let place = *place;
            self.listener_stats(place).malformed.inc();
            self.count_refused(key, place, &Malformed { status: 0, detail });
        }
    }

    /// A part of a request that nobody wants any more.
    fn on_discarded(&mut self, key: ConnKey, id: StreamId, len: usize, end: bool) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.codec.is_multiplexed() {
            self.net
                .write(key, |codec, out| codec.release(id, len, out));
            return;
        }
        let discarded = conn.discard(len);
        if end {
            conn.end_discarding();
            conn.since = self.now;
        } else if discarded > limits::DISCARD_BYTES_MAX {
            if let Side::Down { place, .. } = conn.side {
                self.listener_stats(place).discard_overflows.inc();
            }
            self.linger(key);
        }
    }

    /// All input was decoded: the time for the peer's FIN, and for the next request to count anew.
    fn on_drained_input(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.peer_done && conn.phase == ConnPhase::Open {
            self.end_of_input(key);
        }
    }

    /// The peer has finished.
    pub(crate) fn on_finished(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        conn.reading = false;
        if conn.phase == ConnPhase::Handshaking {
            conn.peer_done = true;
            return self.on_cut_handshake(key);
        }
        if conn.phase == ConnPhase::Open && conn.peer_done {
            return;
        }
        let is_cut = conn.transport.on_eof().is_err() && !cfg!(planted = "lost_close_notify");
        self.on_input_end(key, is_cut);
    }

    /// No more input comes; `is_cut`: TLS did not say so.
    pub(super) fn on_input_end(&mut self, key: ConnKey, is_cut: bool) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        conn.peer_done = true;
        if is_cut {
            conn.note_cut();
        }
        match conn.phase {
            ConnPhase::Lingering => self.flush_and_close(key),
            ConnPhase::Open if !conn.held => self.end_of_input(key),
            ConnPhase::Connecting
            | ConnPhase::Flushing
            | ConnPhase::Handshaking
            | ConnPhase::Open => {}
        }
        self.mark_conn(key);
    }

    fn end_of_input(&mut self, key: ConnKey) {
        loop {
            let Some(conn) = self.net.conns.get_mut(key) else {
                return;
            };
            match conn.codec.eof() {
                // Only the end of the connection ends this message, and anybody may have made that.
                Ok(Some(Frame::Data { .. })) if conn.is_cut() => return self.drop_conn(key),
                Ok(Some(frame)) => self.on_frame(key, frame, Buf::default()),
                Ok(None) => break,
                Err(why) => return self.on_malformed(key, &why),
            }
        }
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        if conn.is_down() {
            // An answer under way still goes out; afterwards `after_answer` closes. Not where it depends on
            // what the client would still have to send: windows, and whether it wants the answer at all.
            if conn.codec.is_multiplexed() {
                self.lose_streams(key);
                self.flush_and_close(key);
            } else if conn.streams.is_empty() {
                self.flush_and_close(key);
            }
        } else if conn.codec.is_multiplexed()
            || conn.streams.is_empty()
            || conn.codec.life().is_closed()
        {
            self.drop_conn(key);
        }
    }

    /// The client is gone for all that it has asked.
    fn lose_streams(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let streams = std::mem::take(&mut conn.streams);
        for (_, stream) in streams.iter() {
            self.on_downstream_lost(*stream);
        }
    }

    fn on_malformed(&mut self, key: ConnKey, why: &Malformed) {
        self.stats.count_limit(why.detail);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let is_multiplexed = conn.codec.is_multiplexed();
        match conn.side {
            // The client has its answer and leaves the rest of its request unsent.
            Side::Down { .. } if conn.discarding.is_some() && conn.peer_done => self.linger(key),
            Side::Down { place, .. } => {
                self.listener_stats(place).malformed.inc();
                self.refuse(key, place, why);
            }
            Side::Up { target, .. } => {
                if why.detail.starts_with("eof") {
                    return self.drop_conn(key);
                }
                let streams = std::mem::take(&mut conn.streams);
                self.cluster_stats(target.cluster).malformed.inc();
                if is_multiplexed {
                    self.net.write(key, |codec, out| codec.refuse(why, out));
                    self.flush_and_close(key);
                } else {
                    self.drop_conn(key);
                }
                for (_, stream) in streams.iter() {
                    self.on_upstream_malformed(*stream, why);
                }
            }
        }
    }
}
