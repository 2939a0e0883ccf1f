//! From frames to streams.

use super::{ConnKey, Side};
use crate::{limits, worker::Worker};
use codecs::{Frame, Malformed, StreamId};
use engines::Buf;

impl Worker {
    pub(super) fn on_frame(&mut self, key: ConnKey, frame: Frame, mut part: Buf) {
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
            Frame::GoAway | Frame::Pong | Frame::Refused { .. } => None,
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
            Frame::Refused { id, why } => self.refuse_request(key, id, &why),
            Frame::Reset { reason, detail, .. } => {
                self.stats.count_limit(detail);
                match stream {
                    // The connection has ended: its streams are told so when it is dropped.
                    Some(_) if !down && detail.starts_with("eof") => {}
                    Some(stream) if down => self.on_downstream_reset(stream, reason, detail),
                    Some(stream) => self.on_upstream_reset(stream, reason, detail),
                    None if down => self.on_refused(key, &Malformed { status: 0, detail }),
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

    /// Answers a request that the codec does not take; the connection goes on.
    fn refuse_request(&mut self, key: ConnKey, id: StreamId, why: &Malformed) {
        self.stats.count_limit(why.detail);
        let date = self.date.at(self.net.engine.wall());
        self.net.write(key, |codec, out| {
            codec.refuse_stream(id, why.status, &date, out);
        });
        self.on_refused(key, why);
    }

    /// The codec has refused a request before it became a stream.
    fn on_refused(&mut self, key: ConnKey, why: &Malformed) {
        if let Some(Side::Down { place, .. }) = self.net.conns.get(key).map(|conn| &conn.side) {
            let place = *place;
            self.listener_stats(place).malformed.inc();
            self.count_refused(key, place, why);
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

    pub(super) fn on_malformed(&mut self, key: ConnKey, why: &Malformed) {
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
                    self.net
                        .write(key, |codec, out| codec.refuse(why, b"", out));
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
