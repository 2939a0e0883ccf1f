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
    told: Told,
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
            told: Told::Nothing,
        }
    }

    /// The answer's head, no interim one.
    pub(super) fn on_head(&mut self, head: &Head) {
        self.status = head.status;
        if self.crc32.is_some() {
            let field = head.fields.get(b"x-body-crc32");
            self.told = field.map_or(Told::Nothing, Told::read);
        }
    }

    /// A piece of its body.
    pub(super) fn on_data(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        if let Some(crc32) = &mut self.crc32 {
            crc32.update(piece);
        }
    }

    /// What is to be said of the whole answer.
    ///
    /// # Errors
    /// What was wrong with it.
    pub(super) fn judge(self, kind: &Kind) -> Result<Body, Failure> {
        let expect = &kind.expect;
        // Where the protocol has no status there is nothing to judge.
        let is_status_right = match expect.status {
            Some(status) => self.status == status,
            None => self.status < 400,
        };
        if !is_status_right {
            return Err(Failure::Status);
        }
        if expect.bytes.is_some_and(|bytes| bytes != self.bytes) {
            return Err(Failure::Body);
        }
        let Some(crc32) = self.crc32.map(Hasher::finalize) else {
            return Ok(Body::Unasked);
        };
        match expect.crc32.map_or(self.told, Told::Sum) {
            Told::Sum(wanted) if wanted == crc32 => Ok(Body::Verified),
            Told::Sum(_) | Told::Garbage => Err(Failure::Body),
            Told::Nothing if self.bytes == 0 => Ok(Body::Verified),
            Told::Nothing => Ok(Body::Unverified),
        }
    }
}

/// A right answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Nobody asked for checksums.
    Unasked,
    /// It is empty, or has its checksum.
    Verified,
    /// There was no checksum to compare it with.
    Unverified,
}

/// What an answer says that its body's checksum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Sum(u32),
    /// The field is there, and is no checksum.
    Garbage,
}

impl Told {
    /// Eight hexadecimal digits.
    fn read(value: &[u8]) -> Self {
        let is_hex = value.len() == 8 && value.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(value).ok().filter(|_| is_hex);
        let sum = text.and_then(|text| u32::from_str_radix(text, 16).ok());
        sum.map_or(Self::Garbage, Self::Sum)
    }
}
