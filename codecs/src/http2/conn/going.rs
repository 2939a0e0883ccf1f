//! How a connection ends: GOAWAY of either side, ours in two steps (RFC 9113 §6.8), and FIN.

use super::super::code::{Code, Wrong};
use super::super::frame;
use super::super::streams::Flags;
use super::{Connection, ID_MAX, Role, reset_frame};
use crate::{Frame, Life, Malformed, Reason};

/// What the PING behind the first GOAWAY carries. Its answer comes behind every stream that the peer
/// opened before it knew.
pub(super) const DRAIN_PING: [u8; 8] = *b"rl-drain";

/// Who wants to go.
#[derive(Debug, Default)]
pub(super) struct Going {
    ours: Ours,
    /// The last of our streams that the peer takes.
    theirs: Option<u32>,
}

/// How far our own going is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ours {
    /// The last stream that we take was told.
    Final(u32),
    #[default]
    None,
    /// The peer was told, and may have opened streams meanwhile.
    Told,
}

impl Going {
    /// Whether a stream of the peer comes too late.
    pub(super) fn is_beyond(&self, id: u32) -> bool {
        matches!(self.ours, Ours::Final(last) if id > last)
    }

    /// We may open no more streams.
    pub(super) fn is_going(&self) -> bool {
        self.theirs.is_some() || self.ours != Ours::None
    }
}

impl Connection {
    pub(super) fn begin_drain(&mut self) {
        match (self.going.ours, self.role) {
            (Ours::None, Role::Server) => {
                self.going.ours = Ours::Told;
                frame::write_goaway(ID_MAX, Code::NO_ERROR, &mut self.owed);
                frame::write_ping(0, &DRAIN_PING, &mut self.owed);
            }
            // A server opens no streams that would have to be waited for.
            (Ours::None, Role::Client) | (Ours::Told, _) => self.end_drain(),
            (Ours::Final(_), _) => {}
        }
    }

    fn end_drain(&mut self) {
        self.going.ours = Ours::Final(self.last_peer);
        frame::write_goaway(self.last_peer, Code::NO_ERROR, &mut self.owed);
    }

    /// The peer has seen the first GOAWAY; false: nobody asked.
    pub(super) fn on_drain_pong(&mut self) -> bool {
        let is_asked = self.going.ours == Ours::Told;
        if is_asked {
            self.end_drain();
        }
        is_asked
    }

    pub(super) fn on_goaway(&mut self, last: u32) -> Result<Option<Frame>, Wrong> {
        self.guard.on_useless()?;
        // RFC 9113 §6.8: a later one must not name a larger id; if it does, the smaller one holds.
        let last = self.going.theirs.map_or(last, |before| before.min(last));
        self.going.theirs = Some(last);
        if self.role == Role::Client {
            self.pending.refused_above = Some(last);
        }
        Ok(Some(Frame::GoAway))
    }

    /// Nothing is left to be done.
    fn is_over(&self) -> bool {
        let is_final = matches!(self.going.ours, Ours::Final(_));
        let is_left = self.role == Role::Client && self.going.theirs.is_some();
        let is_told = self.pending.is_empty();
        self.streams.is_empty() && is_told && (is_final || is_left || self.has_fin)
    }

    pub(super) fn current_life(&self) -> Life {
        if self.is_closed || self.is_over() {
            return Life::Closed;
        }
        let is_asked = self.going.ours != Ours::None;
        match self.role {
            _ if self.has_fin || is_asked => Life::Draining,
            Role::Client if self.going.is_going() || self.next_id > ID_MAX => Life::Draining,
            Role::Client => Life::Open {
                streams: self.free_streams(),
            },
            Role::Server => Life::Open { streams: 0 },
        }
    }

    pub(super) fn free_streams(&self) -> usize {
        let max = self.peer.streams_max.min(self.limits.options.streams_max);
        let ids = (ID_MAX + 2).saturating_sub(self.next_id) / 2;
        (max as usize)
            .saturating_sub(self.streams.len())
            .min(ids as usize)
    }

    /// The peer has finished: every message that is not whole is cut short.
    pub(super) fn on_fin(&mut self) -> Result<Option<Frame>, Malformed> {
        if self.is_closed {
            return Ok(None);
        }
        self.has_fin = true;
        if let Some(frame) = self.next_pending() {
            return Ok(Some(frame));
        }
        if !self.is_between_frames() {
            self.is_closed = true;
            return Err(Wrong::protocol("eof-in-frame").malformed());
        }
        let cut = self
            .streams
            .iter()
            .find(|stream| !stream.is(Flags::REMOTE_END));
        let Some(id) = cut.map(|stream| stream.id) else {
            return Ok(None);
        };
        self.take_out(id);
        let reason = match self.role {
            Role::Client => Reason::Internal,
            Role::Server => Reason::Cancel,
        };
        Ok(Some(reset_frame(id, reason, "eof-in-stream")))
    }
}
