//! Heads that go out.

use super::super::frame::END_STREAM;
use super::super::head::{write_answer, write_request};
use super::super::streams::Flags;
use super::output::finish_block;
use super::{Connection, Role};
use crate::{Head, Reason};

impl Connection {
    pub(super) fn send_head(&mut self, id: u32, head: &Head, end: bool, out: &mut Vec<u8>) {
        let is_fresh = |stream: &super::Stream| !stream.is(Flags::HEAD_SENT);
        if self.is_closed || !self.streams.find(id).is_some_and(is_fresh) {
            return;
        }
        match self.role {
            Role::Client => self.send_request(id, head, end, out),
            Role::Server => self.send_answer(id, head, end, out),
        }
    }

    fn send_request(&mut self, id: u32, head: &Head, end: bool, out: &mut Vec<u8>) {
        let is_connect = head.method() == b"CONNECT";
        let is_extended = !is_connect && !head.upgrade().is_empty();
        if id < self.last_sent {
            // RFC 9113 §5.1.1: a later stream was opened, this one is closed by that.
            return self.give_up(id, Some(Reason::Refused), "http2-stream-id-overtaken");
        }
        if self.streams.len() > self.peer.streams_max as usize {
            // RFC 9113 §5.1.2: fewer are allowed than when it was opened.
            return self.give_up(id, Some(Reason::Refused), "http2-too-many-streams-by-now");
        }
        if is_extended && !self.can_extend(head) {
            let is_known = self.has_settings || !is_websocket(head);
            let reason = is_known.then_some(Reason::Protocol);
            return self.give_up(id, reason, "extended-connect-unsupported");
        }
        if let Some(stream) = self.streams.find_mut(id) {
            stream.set(Flags::HEAD_SENT.and(match head.method() {
                _ if is_extended => Flags::IS_EXTENDED,
                b"CONNECT" => Flags::IS_CONNECT,
                b"HEAD" => Flags::IS_HEAD,
                _ => Flags::NONE,
            }));
        }
        self.last_sent = id;
        // A tunnel is not ended by what opens it.
        let end = end && !is_extended;
        let flags = if end { END_STREAM } else { 0 };
        let start = self.begin_block(out);
        write_request(&mut self.encoder, head, is_extended, out);
        finish_block(out, start, id, flags, self.peer.frame_max);
        if end {
            self.local_ends(id);
        }
    }

    /// RFC 8441 §3: only where it was offered. Of what can be asked for, we know WebSocket.
    fn can_extend(&self, head: &Head) -> bool {
        self.peer.takes_connect && is_websocket(head)
    }

    fn send_answer(&mut self, id: u32, head: &Head, end: bool, out: &mut Vec<u8>) {
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        let is_success = (200..300).contains(&head.status);
        let (status, is_tunnel) = match head.status {
            101 if stream.is(Flags::IS_EXTENDED) => (200, true),
            // RFC 9113 §8.6: there is no such answer.
            101 => {
                self.send_reset(id, Reason::Internal, out);
                return self.give_up(id, Some(Reason::Internal), "http2-switching-protocols");
            }
            100 if stream.is(Flags::TOLD_CONTINUE) => return,
            _ if is_success && stream.is(Flags::IS_EXTENDED) => {
                return self.answer_in_place(id, end, out);
            }
            status @ 100..1000 => (status, stream.is(Flags::IS_CONNECT) && is_success),
            _ => (500, false),
        };
        let end = end && !head.is_interim();
        if !head.is_interim() {
            stream.set(Flags::HEAD_SENT);
        }
        if is_tunnel {
            stream.set(Flags::IS_TUNNEL);
        }
        let flags = if end { END_STREAM } else { 0 };
        let start = self.begin_block(out);
        write_answer(&mut self.encoder, head, status, is_tunnel, out);
        finish_block(out, start, id, flags, self.peer.frame_max);
        if end && let Some(reset) = self.local_ends(id) {
            out.extend_from_slice(&reset);
        }
    }

    /// RFC 8441 §5: any 2xx would mean that the other protocol is spoken from there on, and it is not.
    fn answer_in_place(&mut self, id: u32, is_last: bool, out: &mut Vec<u8>) {
        let start = self.begin_block(out);
        self.encoder.begin(out);
        self.encoder.status(502, out);
        finish_block(out, start, id, END_STREAM, self.peer.frame_max);
        if let Some(reset) = self.local_ends(id) {
            out.extend_from_slice(&reset);
        }
        if !is_last {
            self.give_up(id, Some(Reason::Internal), "extended-connect-not-accepted");
        }
    }

    /// Ends a stream of which the peer knows nothing, or no more: the next `decode` tells.
    fn give_up(&mut self, id: u32, reason: Option<Reason>, detail: &'static str) {
        self.take_out(id);
        self.pending.given_up.push((id, reason, detail));
    }
}

fn is_websocket(head: &Head) -> bool {
    head.upgrade().eq_ignore_ascii_case(b"websocket")
}
