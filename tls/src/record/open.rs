//! What is received: records found in the input, joined where they came in parts, and decrypted where they lie.

use super::{HEADER_BYTES, Keys, kind};
use crate::{
    fault::{Alert, Cause},
    limits::RECORD_BYTES_MAX,
};
use std::{mem, ops::Range};

/// Bytes that a TLS 1.3 record may have more than its data (RFC 8446 §5.2), the type's byte among them.
const EXPANSION_MAX: usize = 256;

/// Bytes that the first part of a record takes, if the record is as long: who sends a header only takes none.
const JOINED_BYTES_MIN: usize = 2 << 10;

/// Opens records. Memory is held only while part of a record waits for the rest, and then given away with what is in it:
/// a buffer that is kept would have to be copied out of, which for 16 KiB takes three times as long as allocating them.
pub(crate) struct Opener {
    keys: Keys,
    header: [u8; HEADER_BYTES],
    header_len: usize,
    /// What has come of the body that follows `header`.
    body: Vec<u8>,
}

/// A record, decrypted.
pub(crate) struct Record {
    /// Its type; in TLS 1.3 the inner one.
    pub(crate) kind: u8,
    pub(crate) place: Place,
}

/// Where the plaintext is.
pub(crate) enum Place {
    /// In the input.
    Input(Range<usize>),
    /// Here.
    Joined(Vec<u8>),
}

impl Place {
    pub(crate) fn joined(self) -> Option<Vec<u8>> {
        match self {
            Self::Input(_) => None,
            Self::Joined(bytes) => Some(bytes),
        }
    }
}

impl Opener {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            header: [0; HEADER_BYTES],
            header_len: 0,
            body: Vec::new(),
        }
    }

    /// Opens what follows with other keys.
    pub(crate) fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Part of a record waits for the rest.
    pub(crate) fn is_partial(&self) -> bool {
        self.header_len > 0
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn held_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Takes the bytes of at most one record from the front; returns how many that were, and the record if they
    /// end it.
    pub(crate) fn next(&mut self, input: &mut [u8]) -> Result<(usize, Option<Record>), Cause> {
        if self.header_len == 0
            && let Some((header, rest)) = input.split_first_chunk_mut()
        {
            let len = self.body_len(header)?;
            if let Some(body) = rest.get_mut(..len) {
                let (kind, range) = self.open(&{ *header }, body)?;
                let range = range.start + HEADER_BYTES..range.end + HEADER_BYTES;
                let place = Place::Input(range);
                return Ok((HEADER_BYTES + len, Some(Record { kind, place })));
            }
        }
        self.join(input)
    }

    fn join(&mut self, input: &[u8]) -> Result<(usize, Option<Record>), Cause> {
        let used = input.len().min(HEADER_BYTES - self.header_len);
        let (header, rest) = input.split_at(used);
        self.header[self.header_len..][..used].copy_from_slice(header);
        self.header_len += used;
        if self.header_len < HEADER_BYTES {
            return Ok((used, None));
        }
        let header = self.header;
        let len = self.body_len(&header)?;
        let more = rest.len().min(len - self.body.len());
        self.reserve(more, len);
        self.body.extend_from_slice(&rest[..more]);
        let used = used + more;
        if self.body.len() < len {
            return Ok((used, None));
        }
        self.header_len = 0;
        let mut body = mem::take(&mut self.body);
        let (kind, range) = self.open(&header, &mut body)?;
        body.truncate(range.end);
        body.drain(..range.start);
        let place = Place::Joined(body);
        Ok((used, Some(Record { kind, place })))
    }

    /// Makes room for `more` bytes of a body of `len`: for all of it where a quarter has come, else for four times what
    /// has.
    fn reserve(&mut self, more: usize, len: usize) {
        let have = self.body.len() + more;
        if have > self.body.capacity() {
            let wanted = len.min(JOINED_BYTES_MIN.max(4 * have));
            self.body.reserve_exact(wanted - self.body.len());
        }
    }

    /// Bytes that follow a header.
    fn body_len(&self, header: &[u8; HEADER_BYTES]) -> Result<usize, Cause> {
        let [kind, major, _, high, low] = *header;
        let is_known = match self.keys.is_tls13() {
            true => kind == kind::DATA,
            false => (kind::ALERT..=kind::DATA).contains(&kind),
        };
        if !is_known || major != 3 {
            return Err(Cause::unexpected(
                "a record of a type that has no place here",
            ));
        }
        let len = usize::from(u16::from_be_bytes([high, low]));
        let len_max = match self.keys.is_tls13() {
            true => RECORD_BYTES_MAX + EXPANSION_MAX,
            false => RECORD_BYTES_MAX + self.keys.overhead() - HEADER_BYTES,
        };
        if len > len_max {
            return Err(overflow());
        }
        Ok(len)
    }

    /// Type and place of the plaintext in `body`.
    fn open(
        &mut self,
        header: &[u8; HEADER_BYTES],
        body: &mut [u8],
    ) -> Result<(u8, Range<usize>), Cause> {
        let opened = self.keys.open(header, body);
        let mut range = opened.ok_or(Cause {
            alert: Alert::BAD_RECORD_MAC,
            detail: "tls_bad_record",
            reason: "a record does not decrypt",
        })?;
        let mut kind = header[0];
        if self.keys.is_tls13() {
            // RFC 8446 §5.4: zeros behind the type are padding, and count.
            if range.len() > RECORD_BYTES_MAX + 1 {
                return Err(overflow());
            }
            let plain = &body[range.clone()];
            let last = plain.iter().rposition(|byte| *byte != 0);
            let last = last.ok_or(Cause::unexpected("a record without a type"))?;
            (kind, range.end) = (plain[last], range.start + last);
        }
        match range.len() > RECORD_BYTES_MAX {
            true => Err(overflow()),
            false => Ok((kind, range)),
        }
    }
}

fn overflow() -> Cause {
    Cause {
        alert: Alert::RECORD_OVERFLOW,
        detail: "tls_record_overflow",
        reason: "a record holds more than 16 KiB",
    }
}
