//! The rest of a long answer goes past us, from socket to socket: the engine tells how far it is.
//!
//! It is left to the engine at the end of a turn, when nothing of it waits here. The last byte is not:
//! the end of the answer, and what an endpoint may have sent behind it, come to the codec as ever.
//! Whatever ends the stream before that closes the upstream connection, as with every answer that is
//! not complete.

use super::{Phase, Stream, StreamKey};
use crate::{
    conn::{Conn, ConnKey},
    filter::Dir,
    limits,
    worker::Worker,
};

impl Worker {
    /// Leaves the rest of an answer to the engine if it is bulk and nobody here looks at it.
    pub(crate) fn pass_bulk(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(key).filter(|s| s.may_pass()) else {
            return;
        };
        let (down, Some(up)) = (stream.down, stream.up) else {
            return;
        };
        let (Some(from), Some(to)) = (self.net.conns.get(up.conn), self.net.conns.get(down.conn))
        else {
            return;
        };
        let bytes = from.codec.verbatim_in(up.id);
        let bytes = bytes.min(to.codec.verbatim_out(down.id));
        let bytes = bytes.saturating_sub(1);
        if bytes < to.bulk_bytes() || !from.may_pass() || !to.may_pass() {
            return;
        }
        let (from, to) = (from.sock, to.sock);
        let place = stream.place;
        self.net.flush();
        self.net.engine.pass(from, to, bytes);
        self.listener_stats(place).passes.inc();
        if let Some(conn) = self.net.conns.get_mut(up.conn) {
            conn.on_passing();
        }
        if let Some(stream) = self.streams.get_mut(key) {
            stream.response.passing = bytes;
        }
    }

    /// `bytes` more of an answer went past us.
    pub(crate) fn on_passed(&mut self, key: ConnKey, bytes: u64) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        let Some((id, stream_key)) = conn.streams.first().copied() else {
            return;
        };
        conn.codec.pass_in(id, bytes);
        let Some(stream) = self.streams.get_mut(stream_key) else {
            return;
        };
        stream.touch(self.now);
        stream.response.note_passed(bytes);
        let (down, is_over) = (stream.down, stream.response.passing == 0);
        if let Some(to) = self.net.conns.get_mut(down.conn) {
            to.codec.pass_out(down.id, bytes);
            to.transport.count_sent(bytes);
        }
        if is_over {
            self.mark_conn(key);
        }
    }
}

impl Stream {
    /// Nothing of the answer waits here, and nobody here is to see what is still to come.
    fn may_pass(&self) -> bool {
        let half = &self.response;
        let begun = self.phase == Phase::Stream && !self.is_local && half.head_sent;
        let waits = half.incoming_end || half.passing > 0 || self.response_waiting() > 0;
        let seen = self
            .chain
            .as_ref()
            .is_some_and(|c| c.sees_data(Dir::Response));
        let patient = self
            .idle_time
            .is_none_or(|time| time >= limits::PASS_IDLE_TIME);
        begun && !waits && !seen && patient
    }
}

impl Conn {
    /// Its one stream is all that it carries.
    fn may_pass(&self) -> bool {
        self.is_open() && !self.transport.is_secure() && self.streams.len() == 1
    }
}
