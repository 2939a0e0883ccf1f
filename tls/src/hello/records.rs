//! The first handshake message of a connection, out of the records it comes in.

use crate::{
    limits::{HELLO_BYTES_MAX, RECORD_BYTES_MAX},
    record::{HEADER_BYTES, kind},
};
use std::mem;

/// Bytes of a handshake message before its body.
const PREFIX_BYTES: usize = 4;

/// Gathers the message; each record is looked at once, however often the caller asks.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// Where the next record begins.
    at: usize,
    /// The contents of the records before.
    message: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Gathered {
    Incomplete,
    /// The body of a ClientHello.
    Message(Vec<u8>),
    Plain,
    Malformed(&'static str),
}

impl Gather {
    /// Reads all that came so far.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Gathered {
        let bytes = &bytes[..bytes.len().min(HELLO_BYTES_MAX)];
        if let Some(refused) = refuse_start(bytes) {
            return refused;
        }
        loop {
            let Some((header, rest)) = bytes[self.at..].split_first_chunk() else {
                return wait(bytes);
            };
            let len = match body_len(header) {
                Ok(len) => len,
                Err(reason) => return Gathered::Malformed(reason),
            };
            // A part of a record is looked at too: what is wrong is told before the rest of it comes.
            let body = &rest[..len.min(rest.len())];
            let part = self.message.len();
            self.message.extend_from_slice(body);
            match self.body() {
                Ok(Some(body)) => return Gathered::Message(body),
                Ok(None) => {}
                Err(reason) => return Gathered::Malformed(reason),
            }
            if body.len() < len {
                self.message.truncate(part);
                return wait(bytes);
            }
            self.at += HEADER_BYTES + len;
        }
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// The body of the message, taken, if all of it is there.
    fn body(&mut self) -> Result<Option<Vec<u8>>, &'static str> {
        if self.message.first().is_some_and(|kind| *kind != 1) {
            return Err("the first message is not a ClientHello");
        }
        let Some([_, high, middle, low]) = self.message.first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let end = PREFIX_BYTES + len;
        if end > HELLO_BYTES_MAX {
            return Err(TOO_LONG);
        }
        if self.message.len() < end {
            return Ok(None);
        }
        let mut body = mem::take(&mut self.message);
        body.truncate(end);
        body.drain(..PREFIX_BYTES);
        Ok(Some(body))
    }
}

/// The reason of a ClientHello over [`HELLO_BYTES_MAX`].
pub(crate) const TOO_LONG: &str = "the ClientHello is too long";

fn wait(bytes: &[u8]) -> Gathered {
    match bytes.len() < HELLO_BYTES_MAX {
        true => Gathered::Incomplete,
        false => Gathered::Malformed(TOO_LONG),
    }
}

/// What the very first bytes tell.
fn refuse_start(bytes: &[u8]) -> Option<Gathered> {
    match bytes {
        [] | [kind::HANDSHAKE] | [kind::HANDSHAKE, 3, ..] => None,
        // SSL 2.0 (RFC 5246 §E.2): length with the high bit set, CLIENT-HELLO, version.
        [0x80..=0xff, _, 1, 0 | 2 | 3, ..] => Some(Gathered::Malformed("an SSL 2.0 ClientHello")),
        [0x80..=0xff] | [0x80..=0xff, _] | [0x80..=0xff, _, 1] => Some(Gathered::Incomplete),
        _ => Some(Gathered::Plain),
    }
}

fn body_len(header: &[u8; HEADER_BYTES]) -> Result<usize, &'static str> {
    let [kind, major, _, high, low] = *header;
    let len = usize::from(u16::from_be_bytes([high, low]));
    match (kind, major) {
        (kind::HANDSHAKE, 3) if len == 0 => Err("an empty handshake record"),
        (kind::HANDSHAKE, 3) if len > RECORD_BYTES_MAX => Err("a record of more than 16 KiB"),
        (kind::HANDSHAKE, 3) => Ok(len),
        _ => Err("another record within the ClientHello"),
    }
}
