//! What was received during the handshake and is still needed: the records of a message that is not whole, then
//! part of a record.

use crate::record::HEADER_BYTES;
use zeroize::Zeroize;

/// Bytes that a record may hold so that rustls takes it (RFC 5246 §6.2.3).
const BODY_BYTES_MAX: usize = (1 << 14) + 2048;

#[derive(Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Bytes of whole records.
    whole: usize,
    /// How many have come since all were done with.
    count: usize,
}

impl Held {
    /// Takes bytes up to the end of a record; returns how many, and whether they end it.
    pub(super) fn fill(&mut self, input: &[u8]) -> (usize, bool) {
        let mut used = 0;
        loop {
            let wanted = self.wanted();
            let len = wanted.min(input.len() - used);
            self.bytes.extend_from_slice(&input[used..used + len]);
            used += len;
            if len < wanted {
                return (used, false);
            }
            if self.wanted() == 0 {
                self.whole = self.bytes.len();
                self.count += 1;
                return (used, true);
            }
        }
    }

    /// Bytes that the header or the record lacks. A record too long to be one ends with its header, which is what
    /// rustls refuses.
    fn wanted(&self) -> usize {
        let part = &self.bytes[self.whole..];
        let Some([_, _, _, high, low]) = part.first_chunk::<HEADER_BYTES>() else {
            return HEADER_BYTES - part.len();
        };
        let body = usize::from(u16::from_be_bytes([*high, *low]));
        match body > BODY_BYTES_MAX {
            true => 0,
            false => HEADER_BYTES + body - part.len(),
        }
    }

    /// All that is held, part of a record too.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[cfg(feature = "simulation")]
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The whole records, which rustls decrypts where they lie.
    pub(super) fn records(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.whole]
    }

    /// Bytes within the whole records, their headers left out.
    pub(super) fn payload_len(&self) -> usize {
        self.whole.saturating_sub(self.count * HEADER_BYTES)
    }

    /// Records since all were done with.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Drops bytes of whole records from the front.
    pub(super) fn discard(&mut self, len: usize) {
        debug_assert!(len <= self.whole, "what is not there cannot be dropped");
        self.bytes.drain(..len);
        self.whole -= len;
        if self.whole == 0 {
            self.count = 0;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_one_at_a_time_however_they_come() {
        let input = [
            &[22, 3, 1, 0, 3, 1, 2, 3][..],
            &[20, 3, 3, 0, 1, 1],
            &[23, 3, 3, 0, 9, 1],
        ]
        .concat();
        for step in 1..=input.len() {
            let (mut held, mut ends, mut at) = (Held::default(), Vec::new(), 0);
            while at < input.len() {
                let end = (at + step).min(input.len());
                let (used, is_whole) = held.fill(&input[at..end]);
                at += used;
                if is_whole {
                    ends.push(at);
                    assert_eq!(held.records(), &input[..at]);
                }
            }
            assert_eq!(ends, [8, 14], "steps of {step}");
            held.discard(8);
            assert_eq!(held.records(), &input[8..14]);
            assert_eq!(held.bytes(), &input[8..]);
        }
    }

    #[test]
    fn a_record_that_is_too_long_ends_with_its_header() {
        let mut held = Held::default();
        assert_eq!(held.fill(&[22, 3, 3, 0x48, 1, 0, 0]), (5, true));
        let mut held = Held::default();
        assert_eq!(held.fill(&[22, 3, 3, 0x48, 0, 0, 0]), (7, false));
    }
}
