//! Frames that follow from one that came: streams to wake, streams that were refused.

use super::super::code::Code;
use super::input::Input;
use super::{Connection, reset_frame, stream_id};
use crate::{Frame, Reason};

/// What is still to be told before more input is taken.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Streams of ours that were given up without the peer.
    /// No reason: whether it can be had is known once the peer's SETTINGS came.
    pub(super) given_up: Vec<(u32, Option<Reason>, &'static str)>,
    /// Streams above this one were not taken by the peer.
    pub(super) refused_above: Option<u32>,
    /// So many streams are still to be looked at, behind `woken`.
    walk: u32,
    /// The stream that was looked at last.
    woken: u32,
    /// The stream that sent last.
    pub(super) sent: u32,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.walk == 0 && self.refused_above.is_none() && self.given_up.is_empty()
    }
}

impl Connection {
    /// Wakes all streams that may send again, beginning behind the one that sent last: when a window is
    /// not enough for all, the next one is for those that got nothing. Who is woken may be served much
    /// later, so that the order of waking tells nothing of who got some.
    pub(super) fn wake_all(&mut self) {
        self.pending.walk = self.streams.len() as u32;
        self.pending.woken = self.pending.sent;
    }

    pub(super) fn next_pending(&mut self) -> Option<Frame> {
        if !self.pending.given_up.is_empty()
            && let Some(frame) = self.next_given_up()
        {
            return Some(frame);
        }
        self.next_refused().or_else(|| self.next_woken())
    }

    #[cold]
    fn next_given_up(&mut self) -> Option<Frame> {
        let is_read = self.has_settings && !matches!(self.input, Input::Settings { .. });
        let is_known = is_read || self.has_fin;
        let mut given_up = self.pending.given_up.iter();
        let at = given_up.position(|(_, reason, _)| is_known || reason.is_some())?;
        let (id, reason, detail) = self.pending.given_up.remove(at);
        // It may be tried again where it can be had by now.
        let reason = reason.unwrap_or(match self.peer.takes_connect {
            true => Reason::Refused,
            false => Reason::Protocol,
        });
        Some(reset_frame(id, reason, detail))
    }

    /// RFC 9113 §6.8: streams above the last that GOAWAY names were not looked at.
    fn next_refused(&mut self) -> Option<Frame> {
        let above = self.pending.refused_above?;
        let Some(stream) = self.streams.next_above(above) else {
            self.pending.refused_above = None;
            return None;
        };
        let id = stream.id;
        self.take_out(id);
        Some(reset_frame(
            id,
            Code::REFUSED_STREAM.reason(),
            "http2-goaway",
        ))
    }

    fn next_woken(&mut self) -> Option<Frame> {
        while self.pending.walk > 0 {
            self.pending.walk -= 1;
            let next = self.streams.next_above(self.pending.woken);
            let next = next.or_else(|| self.streams.next_above(0));
            let Some(stream) = next.filter(|_| self.send.is_open()) else {
                self.pending.walk = 0;
                return None;
            };
            self.pending.woken = stream.id;
            if stream.is_sending() && stream.send.is_open() {
                return Some(Frame::Window {
                    id: stream_id(stream.id),
                });
            }
        }
        None
    }
}
