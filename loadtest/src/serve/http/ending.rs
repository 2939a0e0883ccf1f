//! How a connection that speaks a codec ends.

use super::{Http, Phase};
use crate::serve::{
    limits,
    link::{Desk, Link},
};
use codecs::{Life, Malformed};

impl Http {
    /// TLS broke: the alert leaves, and no more.
    pub(in crate::serve) fn on_fault(&mut self, desk: &Desk) {
        self.exchanges.clear();
        (self.phase, self.since) = (Phase::Flushing, desk.now);
    }

    /// Ends the connection if its codec carries no more.
    pub(super) fn end_if_over(&mut self, link: &mut Link, desk: &mut Desk) {
        let life = self.codec.as_ref().map(|codec| codec.life());
        if !life.is_some_and(Life::is_closed) {
            return;
        }
        link.flush(desk);
        let is_little = link.total_sent <= limits::CLOSE_AT_ONCE_BYTES_MAX;
        match life == Some(Life::Over) && self.inbox.is_empty() && is_little {
            true => self.flush(link, desk),
            false => self.finish(link, desk),
        }
    }

    /// Closes once everything has left.
    pub(super) fn flush(&mut self, link: &mut Link, desk: &mut Desk) {
        link.flush(desk);
        link.end(desk);
        (self.phase, self.since) = (Phase::Flushing, desk.now);
    }

    /// Tells the peer what was wrong, and ends the connection. What was being answered is cut.
    pub(super) fn refuse(&mut self, link: &mut Link, desk: &mut Desk, why: &Malformed) {
        desk.counters.malformed += 1;
        self.exchanges.clear();
        if let Some(codec) = &mut self.codec {
            codec.refuse(why, b"", &mut desk.out);
        }
        self.finish(link, desk);
    }

    /// What was to be said was said; see [`Self::linger`].
    pub(super) fn finish(&mut self, link: &mut Link, desk: &mut Desk) {
        link.flush(desk);
        link.end(desk);
        self.linger(link, desk);
    }

    /// Finishes our direction and waits for the peer's: closing at once would make the kernel answer late
    /// input with RST, which takes back what the peer has not read yet.
    pub(super) fn linger(&mut self, link: &mut Link, desk: &mut Desk) {
        link.flush(desk);
        self.inbox = Vec::new();
        self.since = desk.now;
        desk.engine.finish(link.sock);
        self.phase = match self.is_done {
            true => Phase::Flushing,
            false => Phase::Lingering,
        };
    }

    pub(super) fn on_dropped(&mut self, desk: &mut Desk, len: usize) {
        self.dropped += len;
        if self.dropped > limits::LINGER_BYTES_MAX {
            desk.counters.linger_overflows += 1;
            self.phase = Phase::Ended;
        }
    }
}
