//! DATA that comes in (RFC 9113 §6.1).
//!
//! A frame is judged whole before any of it is handed out: whom it is for, whether the windows allow
//! it, and whether the body may be so long. All of it counts against both windows, padding and what
//! nobody wants included; those bytes are given back at once.

use super::super::code::Wrong;
use super::super::frame::{self, END_STREAM, Header, PADDED};
use super::super::streams::Flags;
use super::input::{Input, Piece};
use super::{Connection, Role, stream_id};
use crate::Frame;

impl Connection {
    pub(super) fn begin_data(&mut self, header: Header) -> Result<Option<Frame>, Wrong> {
        if header.id == 0 {
            return Err(Wrong::protocol("http2-wrong-stream"));
        }
        if self.is_idle(header.id) {
            // RFC 9113 §5.1.
            return Err(Wrong::protocol("http2-data-of-idle-stream"));
        }
        // RFC 9113 §6.9.1: of the connection's window, whatever becomes of the stream.
        let taken = self.receive.take(header.len);
        taken.ok_or(Wrong::flow("http2-connection-window-exceeded"))?;
        match header.is_set(PADDED) {
            // RFC 9113 §4.2: too short for what it must hold.
            true if header.len == 0 => Err(Wrong::size("http2-wrong-frame-length")),
            true => {
                self.input = Input::PadLength(header);
                Ok(None)
            }
            false => self.begin_payload(header, 0),
        }
    }

    /// The length of the padding is known.
    pub(super) fn begin_payload(
        &mut self,
        header: Header,
        padding: u32,
    ) -> Result<Option<Frame>, Wrong> {
        let around = padding + u32::from(header.is_set(PADDED));
        // RFC 9113 §6.1: padding must not be as long as the payload.
        let Some(len) = header.len.checked_sub(around) else {
            return Err(Wrong::protocol("http2-padding-too-long"));
        };
        let end = header.is_set(END_STREAM);
        match (len, end) {
            (0, false) => self.guard.on_empty()?,
            _ => self.guard.on_work(),
        }
        match self.judge(header, len) {
            Ok(true) => {}
            Ok(false) => {
                if self.role == Role::Client {
                    self.guard.on_late()?;
                }
                self.swallow(header.len, len + padding);
                return Ok(None);
            }
            Err(wrong) => {
                self.swallow(header.len, len + padding);
                return self.fail_stream(header.id, wrong).map(Some);
            }
        }
        self.let_go(around);
        self.let_go_of(header.id, around);
        if len > 0 || padding > 0 || end {
            self.input = Input::Data {
                id: header.id,
                left: len,
                padding,
                end,
            };
        }
        Ok(None)
    }

    /// Whether somebody wants the frame.
    fn judge(&mut self, header: Header, len: u32) -> Result<bool, Wrong> {
        let end = header.is_set(END_STREAM);
        let is_client = self.role == Role::Client;
        let Some(stream) = self.streams.find_mut(header.id) else {
            return self.judge_closed(header, end);
        };
        if stream.is(Flags::REMOTE_END) {
            // RFC 9113 §5.1: half-closed (remote).
            return Err(Wrong::closed("http2-data-after-end"));
        }
        if is_client && !stream.is(Flags::HEAD_CAME) {
            // RFC 9113 §8.1: a head comes first.
            return Err(Wrong::protocol("http2-data-before-head"));
        }
        // RFC 9113 §6.9.1.
        let taken = stream.receive.take(header.len);
        taken.ok_or(Wrong::flow("http2-stream-window-exceeded"))?;
        // RFC 9113 §8.1.1: the sum of DATA is the content-length.
        if let Some(left) = &mut stream.body_left {
            let after = left.checked_sub(u64::from(len));
            *left = after.ok_or(Wrong::protocol("http2-body-longer-than-content-length"))?;
            if end && *left > 0 {
                let detail = "http2-body-shorter-than-content-length";
                return Err(Wrong::protocol(detail));
            }
        }
        Ok(true)
    }

    /// RFC 9113 §5.1: what was under way when we ended the stream is let pass, else it is an error. The
    /// streams that a client has ended are not counted: there may be hundreds in a round trip.
    fn judge_closed(&mut self, header: Header, end: bool) -> Result<bool, Wrong> {
        let id = header.id;
        if self.role == Role::Client {
            return Ok(false);
        }
        if self.tombs.admit(id, header.len) || self.going.is_beyond(id) {
            if end {
                self.tombs.forget(id);
            }
            return Ok(false);
        }
        Err(Wrong::closed("http2-data-of-closed-stream"))
    }

    /// Drops the rest of a frame and gives the connection's window back.
    fn swallow(&mut self, all: u32, left: u32) {
        self.let_go(all);
        self.input = Input::Skip(left);
    }

    pub(super) fn data_piece(&mut self, rest: &[u8]) -> Result<Piece, Wrong> {
        let Input::Data {
            id,
            left,
            padding,
            end,
        } = &mut self.input
        else {
            return Ok(Piece::dry(0));
        };
        let take = rest.len().min(*left as usize);
        if take == 0 && *left > 0 {
            return Ok(Piece::dry(0));
        }
        *left -= take as u32;
        let (id, is_last, end) = (*id, *left == 0, *end);
        if is_last {
            self.input = match *padding {
                0 => Input::default(),
                padding => Input::Skip(padding),
            };
        }
        let end = is_last && end;
        if self.streams.find(id).is_none() {
            // Its stream ended while the frame came.
            self.let_go(take as u32);
            if end {
                self.tombs.forget(id);
            }
            return Ok(Piece::taken(take));
        }
        if end {
            self.remote_ends(id);
        }
        let frame = (take > 0 || end).then_some(Frame::Data {
            id: stream_id(id),
            len: take,
            end,
        });
        Ok(Piece::with(take, frame))
    }

    /// END_STREAM came.
    pub(super) fn remote_ends(&mut self, id: u32) {
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        stream.set(Flags::REMOTE_END);
        if stream.is_over() {
            self.take_out(id);
            self.guard.on_complete();
        }
    }

    /// Bytes that nobody holds go back to the connection's window.
    fn let_go(&mut self, len: u32) {
        let size = self.limits.options.connection_window;
        if let Some(told) = self.receive.release(len as usize, size) {
            frame::write_window_update(0, told, &mut self.owed);
        }
    }

    /// And to the stream's.
    fn let_go_of(&mut self, id: u32, len: u32) {
        let size = self.limits.options.stream_window;
        if len > 0
            && let Some(stream) = self.streams.find_mut(id)
            && let Some(told) = stream.receive.release(len as usize, size)
        {
            frame::write_window_update(id, told, &mut self.owed);
        }
    }
}
