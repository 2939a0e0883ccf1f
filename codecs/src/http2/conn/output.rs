//! What goes out on streams: bodies, trailers, resets, windows.

use super::super::code::{Code, Wrong};
use super::super::frame::{self, END_HEADERS, END_STREAM, HEADER, Header, Kind, SENT_MAX};
use super::super::guard::TINY_BYTES;
use super::super::head::write_trailers;
use super::super::streams::{Flags, Stream};
use super::{Connection, Role};
use crate::{Fields, Inline, Reason, StreamId, Wrap};

impl Connection {
    pub(super) fn open_stream(&mut self) -> Option<StreamId> {
        let is_going = self.is_closed || self.has_fin || self.going.is_going();
        if self.role == Role::Server || is_going || self.free_streams() == 0 {
            return None;
        }
        let id = self.next_id;
        self.next_id += 2;
        let stream = Stream::new(id, self.peer.window, self.first_window(), Flags::NONE);
        self.streams.push(stream);
        self.guard.on_stream();
        Some(super::stream_id(id))
    }

    /// Room for the header of a block, behind all that is owed.
    pub(super) fn begin_block(&mut self, out: &mut Vec<u8>) -> usize {
        self.pay(out);
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        start
    }

    /// We have sent END_STREAM. What has to follow, if the peer is to stop: an answer that ends before
    /// its request (RFC 9113 §8.1).
    pub(super) fn local_ends(&mut self, id: u32) -> Option<[u8; 13]> {
        let stream = self.streams.find_mut(id)?;
        stream.set(Flags::LOCAL_END);
        let is_earnest = !stream.is(Flags::IS_REFUSED);
        if stream.is_over() {
            self.take_out(id);
            if is_earnest {
                self.guard.on_complete();
            }
            return None;
        }
        if self.role == Role::Client || stream.is(Flags::IS_TUNNEL) {
            return None;
        }
        let window = stream.receive.left();
        self.take_out(id);
        self.bury(id, window);
        Some(frame::reset(id, Code::NO_ERROR))
    }

    pub(super) fn sending_room(&self, id: u32) -> usize {
        match self.streams.find(id) {
            Some(stream) if stream.is_sending() && !self.is_closed => {
                let window = stream.send.bytes().min(self.send.bytes());
                window.min(self.peer.frame_max).min(SENT_MAX) as usize
            }
            Some(_) | None => 0,
        }
    }

    pub(super) fn wrap_data(&mut self, id: u32, len: usize, end: bool) -> Wrap {
        if len > self.sending_room(id) {
            // The slice would leave without a frame around it: nothing behind it could be read.
            self.is_closed = true;
            return Wrap::default();
        }
        let Some(stream) = self.streams.find_mut(id) else {
            return Wrap::default();
        };
        if !stream.is_sending() || len == 0 && !end {
            return Wrap::default();
        }
        stream.send.take(len as u32);
        self.send.take(len as u32);
        if len > 0 {
            self.pending.sent = id;
        }
        let is_shut = !stream.send.is_open() || !self.send.is_open();
        let is_tiny = is_shut && len < TINY_BYTES && !end;
        if let Err(wrong) = self.guard.on_data_sent(is_tiny) {
            self.broken.get_or_insert(wrong);
        }
        let flags = if end { END_STREAM } else { 0 };
        let mut wrap = Wrap {
            before: Inline::new(&Header::new(Kind::Data, flags, id, len).bytes()),
            after: Inline::default(),
        };
        if end && let Some(reset) = self.local_ends(id) {
            wrap.after = Inline::new(&reset);
        }
        wrap
    }

    pub(super) fn send_trailers(&mut self, id: u32, fields: &Fields, out: &mut Vec<u8>) {
        let is_sending = self.streams.find(id).is_some_and(Stream::is_sending);
        if !is_sending || self.is_closed {
            return;
        }
        let start = self.begin_block(out);
        write_trailers(&mut self.encoder, fields, out);
        match out.len() - start > HEADER {
            true => finish_block(out, start, id, END_STREAM, self.peer.frame_max),
            // Trailers without a field are none.
            false => {
                let header = Header::new(Kind::Data, END_STREAM, id, 0);
                out[start..].copy_from_slice(&header.bytes());
            }
        }
        if let Some(reset) = self.local_ends(id) {
            out.extend_from_slice(&reset);
        }
    }

    pub(super) fn send_reset(&mut self, id: u32, reason: Reason, out: &mut Vec<u8>) {
        let Some(stream) = self.take_out(id) else {
            return;
        };
        // RFC 9113 §5.1: not for an idle stream.
        if self.is_idle(id) || self.is_closed {
            return;
        }
        if !stream.is(Flags::REMOTE_END) {
            self.bury(id, stream.receive.left());
        }
        self.pay(out);
        out.extend_from_slice(&frame::reset(id, Code::of(reason)));
    }

    /// Payload was handed on or dropped.
    pub(super) fn release_payload(&mut self, id: u32, len: usize, out: &mut Vec<u8>) {
        let options = &self.limits.options;
        let (window, stream_window) = (options.connection_window, options.stream_window);
        if let Some(told) = self.receive.release(len, window) {
            frame::write_window_update(0, told, out);
        }
        if let Some(stream) = self.streams.find_mut(id)
            && !stream.is(Flags::REMOTE_END)
            && let Some(told) = stream.receive.release(len, stream_window)
        {
            frame::write_window_update(id, told, out);
        }
    }

    /// The connection's input is wrong: `refuse` will tell.
    pub(super) fn on_wrong(&mut self, wrong: Wrong) {
        self.code = wrong.code;
        self.is_closed = true;
    }

    pub(super) fn write_last(&mut self, out: &mut Vec<u8>) {
        self.is_closed = true;
        if !std::mem::replace(&mut self.is_refused, true) {
            self.pay(out);
            frame::write_goaway(self.last_peer, self.code, out);
        }
    }
}

/// Writes the header in front of a block that begins behind `start`; what does not fit goes into
/// CONTINUATION frames (RFC 9113 §6.10).
#[inline]
pub(super) fn finish_block(out: &mut Vec<u8>, start: usize, id: u32, flags: u8, frame_max: u32) {
    let max = frame_max.min(SENT_MAX) as usize;
    let len = out.len() - start - HEADER;
    if len <= max {
        let header = Header::new(Kind::Headers, flags | END_HEADERS, id, len);
        out[start..start + HEADER].copy_from_slice(&header.bytes());
    } else {
        split_block(out, start, id, flags, max);
    }
}

#[cold]
fn split_block(out: &mut Vec<u8>, start: usize, id: u32, flags: u8, max: usize) {
    let block = out.split_off(start + HEADER);
    out.truncate(start);
    let (mut kind, mut flags) = (Kind::Headers, flags);
    let mut pieces = block.chunks(max).peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        out.extend_from_slice(&Header::new(kind, flags, id, piece.len()).bytes());
        out.extend_from_slice(piece);
        (kind, flags) = (Kind::Continuation, 0);
    }
}
