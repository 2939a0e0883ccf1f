//! What one end says.

use super::{Peer, Role};
use crate::h2::{
    frame::{self, Settings},
    hpack::Fields,
};

impl Peer {
    pub(crate) fn tell_settings(&mut self, settings: Settings) {
        let payload = settings.write(&self.ours);
        frame::write(&mut self.out, frame::SETTINGS, 0, 0, &payload);
        self.unacked.push_back(settings.clone());
        self.ours = settings;
    }

    /// Opens a stream. `None`: no more are allowed.
    pub(crate) fn open(&mut self, fields: &Fields, end: bool) -> Option<u32> {
        if !self.may_open() {
            return None;
        }
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        self.last = id;
        let mut stream = self.blank_stream();
        stream.is_head_request = fields.contains(&(":method".into(), "HEAD".into()));
        self.streams.insert(id, stream);
        self.head(id, fields, end);
        Some(id)
    }

    /// Writes a header block: a head or trailers.
    pub(crate) fn head(&mut self, id: u32, fields: &Fields, end: bool) {
        let mut block = self.encoder.encode(fields, &mut self.rng);
        let mut flags = if end { frame::END_STREAM } else { 0 };
        let mut first = Vec::new();
        let padding = if self.odd && self.rng.chance(1, 8) {
            flags |= frame::PADDED;
            let len = self.rng.below(20) as u8;
            first.push(len);
            usize::from(len)
        } else {
            0
        };
        if self.odd && self.role == Role::Client && self.rng.chance(1, 8) {
            flags |= frame::WITH_PRIORITY;
            first.extend_from_slice(&[0, 0, 0, 0, self.rng.below(256) as u8]);
        }
        let is_cut = self.odd && self.rng.chance(1, 5) && block.len() > 1;
        let cut = match is_cut {
            true => 1 + self.rng.index(block.len() - 1),
            false => block.len(),
        };
        let mut rest = block.split_off(cut);
        first.extend(block);
        first.extend(std::iter::repeat_n(0, padding));
        flags |= if rest.is_empty() {
            frame::END_HEADERS
        } else {
            0
        };
        frame::write(&mut self.out, frame::HEADERS, flags, id, &first);
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(1 + rest.len() / 2));
            let flags = if later.is_empty() {
                frame::END_HEADERS
            } else {
                0
            };
            frame::write(&mut self.out, frame::CONTINUATION, flags, id, &rest);
            rest = later;
        }
        self.sent_end(id, end);
    }

    fn sent_end(&mut self, id: u32, end: bool) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sent_end |= end;
        }
    }

    /// Sends a part of a body, at most as long as `room` says.
    pub(crate) fn data(&mut self, id: u32, bytes: &[u8], end: bool) {
        let room = self.room(id);
        assert!(bytes.len() <= room, "{} of {room} bytes", bytes.len());
        let mut flags = if end { frame::END_STREAM } else { 0 };
        let mut payload = Vec::new();
        let spare = room - bytes.len();
        if self.odd && spare > 0 && !bytes.is_empty() && self.rng.chance(1, 8) {
            flags |= frame::PADDED;
            payload.push(self.rng.below(spare.min(100) as u64) as u8);
        }
        let padding = payload.first().copied().unwrap_or(0);
        payload.extend_from_slice(bytes);
        payload.extend(std::iter::repeat_n(0, padding.into()));
        frame::write(&mut self.out, frame::DATA, flags, id, &payload);
        self.send_window -= payload.len() as i64;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.send_window -= payload.len() as i64;
        }
        self.sent_end(id, end);
    }

    pub(crate) fn reset(&mut self, id: u32, code: u32) {
        frame::write(&mut self.out, frame::RST_STREAM, 0, id, &code.to_be_bytes());
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sent_reset = true;
        }
    }

    pub(crate) fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        frame::write(&mut self.out, frame::GOAWAY, 0, 0, &payload);
        if self.role == Role::Server {
            self.our_last = Some(last);
        }
    }

    /// Something is sent past these books: the other end may name any stream.
    pub(crate) fn misbehave(&mut self) {
        self.last = frame::ID_MAX;
    }

    pub(crate) fn ping(&mut self) {
        let payload = self.rng.next_u64().to_be_bytes();
        frame::write(&mut self.out, frame::PING, 0, 0, &payload);
        self.pings.push_back(payload);
    }

    /// Gives so much back to the connection's window.
    pub(crate) fn give_conn(&mut self, len: i64) {
        let len = len.min(self.owed);
        if len > 0 {
            self.owed -= len;
            self.widen_conn(len);
        }
    }

    /// Makes the connection's window larger than it was.
    pub(crate) fn widen_conn(&mut self, len: i64) {
        let number = (len as u32).to_be_bytes();
        frame::write(&mut self.out, frame::WINDOW_UPDATE, 0, 0, &number);
        self.window += len;
    }

    /// Gives so much back to a stream's window.
    pub(crate) fn give(&mut self, id: u32, len: i64) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let len = len.min(stream.owed);
        if len > 0 && !stream.got_end && !stream.sent_reset && !stream.got_reset {
            stream.owed -= len;
            stream.balance += len;
            let number = (len as u32).to_be_bytes();
            frame::write(&mut self.out, frame::WINDOW_UPDATE, 0, id, &number);
        }
    }
}
