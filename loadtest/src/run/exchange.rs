//! A request under way, and what came of its answer.

use super::mix::Kind;
use crate::outcome::Failure;
use codecs::{Head, StreamId};
use crc32fast::Hasher;

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: StreamId,
    /// Which of the mix.
    pub(super) kind: u32,
    /// When it was to start.
    pub(super) intended_ns: u64,
    /// When it was handed to the connection.
    pub(super) sent_ns: u64,
    /// 0 until there is a head.
    status: u16,
    bytes: u64,
    /// Of the body so far, if it is verified.
    crc32: Option<Hasher>,
    /// What the answer says that its body's checksum is.
    told_crc32: Option<u32>,
}

impl Exchange {
    pub(super) fn new(
        id: StreamId,
        kind: u32,
        intended_ns: u64,
        sent_ns: u64,
        verify: bool,
    ) -> Self {
        Self {
            id,
            kind,
            intended_ns,
            sent_ns,
            status: 0,
            bytes: 0,
            crc32: verify.then(Hasher::new),
            told_crc32: None,
        }
    }

    /// The answer's head, no interim one.
    pub(super) fn on_head(&mut self, head: &Head) {
        self.status = head.status;
        if self.crc32.is_some() {
            self.told_crc32 = head.fields.get(b"x-body-crc32").and_then(hexadecimal);
        }
    }

    /// A piece of its body.
    pub(super) fn on_data(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        if let Some(crc32) = &mut self.crc32 {
            crc32.update(piece);
        }
    }

    /// What was wrong with the whole answer.
    pub(super) fn fault(self, kind: &Kind) -> Option<Failure> {
        let expect = &kind.expect;
        // Where the protocol has no status there is nothing to judge.
        let is_status_right = match expect.status {
            Some(status) => self.status == status,
            None => self.status < 400,
        };
        if !is_status_right {
            return Some(Failure::Status);
        }
        let crc32 = self.crc32.map(Hasher::finalize);
        let wanted = expect.crc32.or(self.told_crc32);
        let is_body_right = expect.bytes.is_none_or(|bytes| bytes == self.bytes)
            && crc32.zip(wanted).is_none_or(|(is, wanted)| is == wanted);
        (!is_body_right).then_some(Failure::Body)
    }
}

fn hexadecimal(value: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(value).ok()?, 16).ok()
}
