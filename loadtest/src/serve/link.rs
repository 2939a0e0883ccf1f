//! What the connections of a worker share, and the sending side of one of them.

use super::{answer::Defaults, pattern};
use codecs::{Codec, Head, Heads, Length, Limits, StreamId};
use engines::{Blocks, Buf, Engine, Sock};
use std::time::Instant;

/// Payloads up to this many bytes are copied between the heads around them rather than sent as a slice
/// of their own.
const COPIED_BYTES_MAX: usize = 1024;

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
    /// Connections refused for malformed input.
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
    plain: Head,
    summed: Head,
    /// The length that a checksum was last told for, and the checksum.
    crc: (u64, u32),
}

impl Desk {
    pub(super) fn new(engine: Box<dyn Engine>, defaults: Defaults) -> Self {
        let mut plain = Head::default();
        add_fields(&mut plain);
        Self {
            blocks: engine.blocks(),
            now: engine.now(),
            engine,
            heads: Heads::default(),
            defaults,
            limits: Limits::default(),
            counters: Counters::default(),
            out: Vec::new(),
            plain,
            summed: Head::default(),
            crc: (0, 0),
        }
    }

    /// An answer's head; with the checksum of that many bytes of the pattern, if it is to be told.
    pub(super) fn head(&mut self, status: u16, length: Length, summed: Option<u64>) -> &Head {
        let head = match summed {
            None => &mut self.plain,
            Some(len) => {
                if self.crc.0 != len {
                    self.crc = (len, pattern::crc32(len));
                }
                self.summed.clear();
                add_fields(&mut self.summed);
                let field = hex(self.crc.1);
                self.summed.fields.append(b"x-body-crc32", &field);
                &mut self.summed
            }
        };
        (head.status, head.length) = (status, length);
        head
    }
}

fn add_fields(head: &mut Head) {
    head.fields.append(b"server", b"loadtest");
    head.fields
        .append(b"content-type", b"application/octet-stream");
    head.fields.append(b"cache-control", b"no-store");
}

/// Eight lower-case hexadecimal digits.
fn hex(value: u32) -> [u8; 8] {
    std::array::from_fn(|at| b"0123456789abcdef"[(value >> (28 - 4 * at)) as usize & 15])
}

/// A socket and how much is queued on it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sock: Sock,
    /// Bytes queued in the engine.
    pub(super) unsent: usize,
    /// Bytes ever queued.
    pub(super) total_sent: u64,
}

impl Link {
    pub(super) fn send(&mut self, desk: &mut Desk, data: Buf) {
        self.unsent += data.len();
        self.total_sent += data.len() as u64;
        desk.engine.send(self.sock, data);
    }

    /// Hands what was gathered to the engine.
    pub(super) fn flush(&mut self, desk: &mut Desk) {
        if !desk.out.is_empty() {
            let gathered = desk.blocks.write(&desk.out);
            desk.out.clear();
            self.send(desk, gathered);
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
            self.flush(desk);
            self.send(desk, data);
        }
        desk.out.extend_from_slice(&wrap.after);
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
