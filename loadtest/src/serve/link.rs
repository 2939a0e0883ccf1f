//! What the connections of a worker share, and the sending side of one of them.

use super::{
    answer::{Answer, Body, Defaults},
    limits, pattern,
};
use crate::secure::{Opened, Secure};
use codecs::{Codec, Fields, Head, Heads, Length, Limits, StreamId, http2};
use engines::{Blocks, Buf, BufMut, Engine, Sock};
use std::time::Instant;
use tls::Fault;

/// Payloads up to this many bytes are copied between the heads around them rather than sent as a slice
/// of their own.
pub(super) const COPIED_BYTES_MAX: usize = 1024;

/// Bytes of a body that are sealed in one go: what they become has memory of its own.
const SEALED_BYTES_MAX: usize = 64 << 10;

/// Gathered bytes from which on they are handed to the engine; more would not fit what messages share.
const GATHERED_BYTES_MAX: usize = 3 << 10;

/// What was limited, refused or went wrong; every value only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Times that the engine could not accept (descriptors, memory).
    pub accept_failures: u64,
    /// Answers whose last byte was queued.
    pub answered: u64,
    /// Times that an echoed connection was not read because [`limits::ECHO_HIGH_BYTES`] were unsent.
    ///
    /// [`limits::ECHO_HIGH_BYTES`]: super::limits::ECHO_HIGH_BYTES
    pub echo_pauses: u64,
    /// Lingering closes cut short by [`limits::LINGER_BYTES_MAX`].
    ///
    /// [`limits::LINGER_BYTES_MAX`]: super::limits::LINGER_BYTES_MAX
    pub linger_overflows: u64,
    /// Closes cut short by [`limits::LINGER_TIME`] or [`limits::FLUSH_TIME`].
    ///
    /// [`limits::LINGER_TIME`]: super::limits::LINGER_TIME
    /// [`limits::FLUSH_TIME`]: super::limits::FLUSH_TIME
    pub close_timeouts: u64,
    /// Connections refused for malformed input, TLS included.
    pub malformed: u64,
}

/// An engine and what is used for one connection after the other.
pub(super) struct Desk {
    pub(super) engine: Box<dyn Engine>,
    pub(super) blocks: Blocks,
    pub(super) heads: Heads,
    pub(super) defaults: Defaults,
    pub(super) limits: Limits,
    pub(super) now: Instant,
    pub(super) counters: Counters,
    /// Encoded bytes of the connection that is served, not yet handed to the engine.
    pub(super) out: Vec<u8>,
    /// Room for what is sealed, and for what sessions of TLS send by themselves.
    sealed: Vec<u8>,
    plain: Head,
    /// Of an answer that tells a checksum or the status of a call.
    telling: Head,
    trailers: Fields,
    /// The length and the number of repetitions that a checksum was last told for, and the checksum.
    crc: (u64, u64, u32),
}

impl Desk {
    pub(super) fn new(engine: Box<dyn Engine>, defaults: Defaults) -> Self {
        // It takes a moment to make, which is not to be the first answer's.
        pattern::pattern();
        let mut plain = Head::default();
        add_fields(&mut plain, PLAIN);
        Self {
            blocks: engine.blocks(),
            now: engine.now(),
            engine,
            heads: Heads::default(),
            defaults,
            limits: Limits {
                http2: http2::Options {
                    streams_max: limits::STREAMS_MAX,
                    ..http2::Options::default()
                },
                ..Limits::default()
            },
            counters: Counters::default(),
            out: Vec::new(),
            sealed: Vec::new(),
            plain,
            telling: Head::default(),
            trailers: Fields::default(),
            crc: (0, 0, 0),
        }
    }

    /// An answer's head; `ends`: nothing follows it.
    pub(super) fn head(&mut self, answer: &Answer, length: Length, ends: bool) -> &Head {
        let sum = self.checksum(answer);
        let head = match (sum, answer.call) {
            (None, None) => &mut self.plain,
            (sum, call) => {
                let head = &mut self.telling;
                head.clear();
                add_fields(head, if call.is_some() { CALL } else { PLAIN });
                if let Some(sum) = sum {
                    head.fields.append(b"x-body-crc32", &hex(sum));
                }
                if let Some(status) = call.filter(|_| ends) {
                    append_status(&mut head.fields, status);
                }
                head
            }
        };
        (head.status, head.length) = (answer.status, length);
        head
    }

    /// The checksum that the head has to tell.
    fn checksum(&mut self, answer: &Answer) -> Option<u32> {
        let (len, times) = match answer.body {
            _ if !answer.tells_crc => return None,
            Body::Bytes(len) | Body::Chunked(len) => (len, 1),
            Body::Messages { each, count } if count < u64::MAX => (each, count),
            Body::Echo | Body::Endless | Body::Messages { .. } => return None,
        };
        if (self.crc.0, self.crc.1) != (len, times) {
            self.crc = (len, times, pattern::crc32_of_repeated(len, times));
        }
        Some(self.crc.2)
    }

    /// Ends the answer to a call behind its messages.
    pub(super) fn end_call(&mut self, codec: &mut dyn Codec, id: StreamId, status: u8) {
        self.trailers.clear();
        append_status(&mut self.trailers, status);
        codec.trailers(id, &self.trailers, &mut self.out);
    }
}

const PLAIN: &[u8] = b"application/octet-stream";
const CALL: &[u8] = b"application/grpc";

fn add_fields(head: &mut Head, content_type: &[u8]) {
    head.fields.append(b"server", b"loadtest");
    head.fields.append(b"content-type", content_type);
    head.fields.append(b"cache-control", b"no-store");
}

fn append_status(fields: &mut Fields, status: u8) {
    let digits = [b'0' + status / 10, b'0' + status % 10];
    fields.append(b"grpc-status", &digits[usize::from(status < 10)..]);
}

/// Eight lower-case hexadecimal digits.
fn hex(value: u32) -> [u8; 8] {
    std::array::from_fn(|at| b"0123456789abcdef"[(value >> (28 - 4 * at)) as usize & 15])
}

/// A socket and how much is queued on it.
pub(super) struct Link {
    pub(super) sock: Sock,
    /// Bytes queued in the engine, sealed ones over TLS.
    pub(super) unsent: usize,
    /// Bytes ever queued.
    pub(super) total_sent: u64,
    secure: Option<Box<Secure>>,
}

impl Link {
    pub(super) fn new(sock: Sock, secure: Option<Secure>) -> Self {
        Self {
            sock,
            unsent: 0,
            total_sent: 0,
            secure: secure.map(Box::new),
        }
    }

    /// Sends data behind what was gathered; in the clear it is not copied.
    pub(super) fn send(&mut self, desk: &mut Desk, data: Buf) {
        if self.secure.is_none() {
            self.flush(desk);
            return self.queue(desk, data);
        }
        for piece in data.chunks(SEALED_BYTES_MAX) {
            self.flush_with(desk, piece);
        }
    }

    /// Hands what was gathered to the engine.
    pub(super) fn flush(&mut self, desk: &mut Desk) {
        if !desk.out.is_empty() {
            self.flush_with(desk, &[]);
        }
    }

    fn flush_with(&mut self, desk: &mut Desk, data: &[u8]) {
        let (now, blocks) = (desk.engine.wall().0, &desk.blocks);
        let ready = match &mut self.secure {
            None => Ok(blocks.write(&desk.out)),
            Some(secure) => secure.seal(now, &[&desk.out, data], blocks, &mut desk.sealed),
        };
        desk.out.clear();
        match ready {
            Ok(ready) => self.queue(desk, ready),
            // Its keys are used up.
            Err(_) => desk.engine.close(self.sock),
        }
    }

    fn queue(&mut self, desk: &mut Desk, data: Buf) {
        self.unsent += data.len();
        self.total_sent += data.len() as u64;
        desk.engine.send(self.sock, data);
    }

    /// Takes what is next in received bytes; none once they are used up.
    pub(super) fn open(
        &mut self,
        desk: &mut Desk,
        data: &mut BufMut,
    ) -> Option<Result<Opened, Fault>> {
        let Some(secure) = &mut self.secure else {
            let all = data.len();
            return (all > 0).then(|| Ok(Opened::Data(data.split_to(all))));
        };
        desk.sealed.clear();
        let opened = secure.open(desk.engine.wall().0, data, &mut desk.sealed);
        self.queue_sealed(desk);
        opened
    }

    /// Tells a peer over TLS that no more is sent.
    pub(super) fn end(&mut self, desk: &mut Desk) {
        if let Some(secure) = &mut self.secure {
            desk.sealed.clear();
            secure.close(&mut desk.sealed);
            self.queue_sealed(desk);
        }
    }

    fn queue_sealed(&mut self, desk: &mut Desk) {
        if !desk.sealed.is_empty() {
            let sealed = desk.blocks.write(&desk.sealed);
            self.queue(desk, sealed);
        }
    }

    /// Sends a part of a body in the connection's framing.
    pub(super) fn send_body(
        &mut self,
        desk: &mut Desk,
        codec: &mut dyn Codec,
        id: StreamId,
        data: Buf,
        end: bool,
    ) {
        let wrap = codec.data(id, &data, end);
        desk.out.extend_from_slice(&wrap.before);
        if must_copy(&data) {
            desk.out.extend_from_slice(&data);
        } else {
            self.send(desk, data);
        }
        desk.out.extend_from_slice(&wrap.after);
        self.flush_gathered(desk);
    }

    /// Sends a part of a body that is copied; the body does not end with it.
    pub(super) fn copy_body(
        &mut self,
        desk: &mut Desk,
        codec: &mut dyn Codec,
        id: StreamId,
        data: &[u8],
    ) {
        let wrap = codec.data(id, data, false);
        for part in [&*wrap.before, data, &*wrap.after] {
            desk.out.extend_from_slice(part);
        }
        self.flush_gathered(desk);
    }

    /// Hands what was gathered to the engine if it is much.
    pub(super) fn flush_gathered(&mut self, desk: &mut Desk) {
        if desk.out.len() > GATHERED_BYTES_MAX {
            self.flush(desk);
        }
    }
}

/// A slice is copied if it is short, if it pins a receive block of which it is less than a quarter, or
/// if its block belongs to the reserve.
pub(super) fn must_copy(data: &Buf) -> bool {
    data.len() <= COPIED_BYTES_MAX
        || data.is_reserve()
        || (data.is_leased() && data.len() * 4 < data.pinned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_has_eight_digits() {
        assert_eq!(
            (&hex(0xcafe), &hex(0xf000_000a)),
            (b"0000cafe", b"f000000a")
        );
    }
}
