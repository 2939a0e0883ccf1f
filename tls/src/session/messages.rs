//! Handshake messages after the handshake (RFC 8446 §4.6), out of the records they come in.

use crate::{fault::Cause, limits::POST_HANDSHAKE_BYTES_MAX};
use std::ops::Range;
use zeroize::Zeroize;

/// Type and length.
const PREFIX_BYTES: usize = 4;

/// What has come of a message that is not whole.
#[derive(Default)]
pub(super) struct Messages {
    part: Vec<u8>,
}

/// A whole message.
pub(super) struct Message {
    pub(super) kind: u8,
    /// Where its body is, in what [`Messages::push`] returned.
    pub(super) body: Range<usize>,
    /// Nothing follows it in the record.
    pub(super) is_last: bool,
}

impl Messages {
    pub(super) fn is_partial(&self) -> bool {
        !self.part.is_empty()
    }

    #[cfg(feature = "simulation")]
    pub(super) fn held_bytes(&self) -> usize {
        self.part.capacity()
    }

    /// What waited, with the contents of another record.
    pub(super) fn push(&mut self, record: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.part);
        bytes.extend_from_slice(record);
        bytes
    }

    /// The message at an offset; `None`: it is not whole.
    pub(super) fn next(bytes: &[u8], at: usize) -> Result<Option<Message>, Cause> {
        let Some([kind, high, middle, low]) = bytes[at..].first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        if len > POST_HANDSHAKE_BYTES_MAX {
            return Err(Cause {
                detail: "tls_post_handshake_too_long",
                ..Cause::undecodable("a handshake message is too long")
            });
        }
        let body = at + PREFIX_BYTES..at + PREFIX_BYTES + len;
        Ok((body.end <= bytes.len()).then_some(Message {
            kind: *kind,
            is_last: body.end == bytes.len(),
            body,
        }))
    }

    /// Keeps what is left of the bytes from an offset on.
    pub(super) fn keep(&mut self, mut bytes: Vec<u8>, at: usize) {
        if at < bytes.len() {
            bytes.drain(..at);
            self.part = bytes;
        } else {
            bytes.zeroize();
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.part.zeroize();
    }
}
