//! Ending a downstream connection so that the peer gets our last bytes: finish, read and drop until it
//! finishes too, then close. Closing at once would make the kernel answer late input with RST, which
//! takes back what the peer has not read yet. Only where the peer is to send no more, all of it was
//! read, and what we sent is little, the connection is closed as soon as our last bytes have left.

use super::{Conn, ConnKey, ConnPhase, Side};
use crate::{
    epoch::Place,
    limits,
    stream::{Flags, Record},
    worker::Worker,
};
use codecs::Malformed;

impl Worker {
    /// Answers malformed input and ends the connection. A stream whose request is cut short by it is
    /// given up.
    pub(crate) fn refuse(&mut self, key: ConnKey, place: Place, why: &Malformed) {
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        let streams: Vec<_> = conn.streams.iter().map(|(_, key)| *key).collect();
        let answered = |stream| {
            self.streams
                .get(stream)
                .is_some_and(|s| s.response.head_sent)
        };
        let is_multiplexed = conn.codec.is_multiplexed();
        let silent = !is_multiplexed && streams.iter().any(|stream| answered(*stream));
        for stream in &streams {
            if let Some(stream) = self.streams.get_mut(*stream) {
                stream.record.flags.set(Flags::DOWNSTREAM_PROTOCOL);
                stream.record.detail = why.detail;
                stream.record.status = why.status;
            }
            self.abandon(*stream);
        }
        if silent {
            // An answer was under way: it must not look complete.
            return self.drop_conn(key);
        }
        let date = self.date.at(self.net.engine.wall());
        self.net
            .write(key, |codec, out| codec.refuse(why, &date, out));
        if streams.is_empty() && why.status != 0 {
            self.count_refused(key, place, why);
        }
        self.linger(key);
    }

    pub(super) fn count_refused(&mut self, key: ConnKey, place: Place, why: &Malformed) {
        let mut record = Record::new(self.now);
        record.status = why.status;
        record.detail = why.detail;
        record.flags.set(Flags::DOWNSTREAM_PROTOCOL);
        if let Some(counter) =
            crate::stats::class_of(&self.listener_stats(place).answers, why.status)
        {
            counter.inc();
        }
        self.log_refused(key, place, &record);
    }

    /// Finishes our direction and waits for the peer's.
    pub(crate) fn linger(&mut self, key: ConnKey) {
        self.net.flush();
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if !matches!(conn.phase, ConnPhase::Handshaking | ConnPhase::Open) {
            return;
        }
        if conn.peer_done {
            return self.flush_and_close(key);
        }
        self.end_handshake(key);
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        (conn.phase, conn.since, conn.discarding) = (ConnPhase::Lingering, self.now, None);
        drop(conn.take_inbox());
        self.net.finish(key);
        self.mark_conn(key);
    }

    /// Closes once everything queued has left.
    pub(crate) fn flush_and_close(&mut self, key: ConnKey) {
        self.net.say_end(key);
        self.close_flushed(key);
    }

    /// The same where what was sent is not complete: TLS does not say that this is its end, and where neither TLS nor
    /// framing tells, a reset follows it.
    pub(crate) fn flush_and_cut(&mut self, key: ConnKey) {
        self.net.flush();
        if let Some(conn) = self.net.conns.get_mut(key) {
            conn.break_off();
        }
        self.close_flushed(key);
    }

    /// Closes once everything that was handed to the engine has left.
    pub(super) fn close_flushed(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.is_flushed() {
            return self.drop_conn(key);
        }
        self.end_handshake(key);
        if let Some(conn) = self.net.conns.get_mut(key) {
            (conn.phase, conn.since) = (ConnPhase::Flushing, self.now);
        }
        self.mark_conn(key);
    }

    /// Closes once everything queued has left, where the peer is to send no more and got little: the end
    /// of our direction leaves together with the last bytes.
    pub(crate) fn end_conn(&mut self, key: ConnKey) {
        self.net.say_end(key);
        if let Some(conn) = self.net.conns.get(key)
            && !conn.is_flushed()
        {
            self.net.engine.finish(conn.sock);
        }
        self.flush_and_close(key);
    }

    pub(crate) fn on_lingering_bytes(&mut self, key: ConnKey, len: usize) {
        let Some(conn) = self.net.conns.get_mut(key) else {
            return;
        };
        if conn.discard(len) > limits::LINGER_BYTES_MAX {
            if let Side::Down { place, .. } = conn.side {
                self.listener_stats(place).linger_overflows.inc();
            }
            self.drop_conn(key);
        }
    }
}

impl Conn {
    /// After the client's last request: nothing came behind it, and all that was ever sent on the
    /// connection is little, see [`limits::CLOSE_AT_ONCE_BYTES_MAX`]. (All, not the last answer alone:
    /// those before it may still be unread too.)
    pub(super) fn may_close_at_once(&self) -> bool {
        !self.has_inbox() && self.transport.sent() <= limits::CLOSE_AT_ONCE_BYTES_MAX
    }

    /// What the peer asks for is not taken by it: more is queued than bodies alone may be.
    pub(super) fn is_flooded(&self) -> bool {
        self.transport.unsent()
            > self.high as usize * limits::UNSENT_FULL + limits::UNSENT_CONTROL_MAX
    }

    /// More of a request that nobody wants any more; returns how much came so far.
    pub(crate) fn discard(&mut self, bytes: usize) -> usize {
        let more = u32::try_from(bytes).unwrap_or(u32::MAX);
        let all = self.discarding.unwrap_or(0).saturating_add(more);
        self.discarding = Some(all);
        all as usize
    }

    /// A request is complete, or a new one began: nothing of it is unwanted.
    pub(crate) fn end_discarding(&mut self) {
        self.discarding = None;
    }
}
