//! A record for each message of a flight.
//!
//! rustls seals all messages of a flight as one record, as RFC 8446 §5.1 allows. GmSSL (3.2) reads one message of a
//! record and refuses what follows it, so all who speak RFC 8998 get them one by one, as most programs send them. rustls
//! knows of one record only: the encrypter tells where the first of several ends by a head that no record has, and
//! [`mend`] puts it right on the way out. Keys of data seal one message at a time (a server sends one ticket), so
//! rustls' count of their records stays true.

use rustls::{ContentType, ProtocolVersion};

/// In place of the type of a record: others follow in what is told to be its payload, and its own length stands where
/// the version does.
pub(super) const SEVERAL: ContentType = ContentType::Unknown(0xff);

/// Of a record, RFC 8446 §5.1.
const HEAD_BYTES: usize = 5;
/// Type and length of a handshake message, RFC 8446 §4.
const MESSAGE_HEAD_BYTES: usize = 4;

/// The head of a record that is sealed, RFC 8446 §5.2.
pub(super) fn head(len: usize) -> [u8; HEAD_BYTES] {
    let [high, low] = length(len).to_be_bytes();
    [ContentType::ApplicationData.into(), 3, 3, high, low]
}

/// The length of the first of several, in the place of a version.
pub(super) fn first(len: usize) -> ProtocolVersion {
    ProtocolVersion::from(length(len))
}

/// No record is longer than 2^14 + 256 bytes.
fn length(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// Puts the head of what rustls has encoded right, if it stands for several records.
pub(crate) fn mend(records: &mut [u8]) {
    if let Some([kind, version @ .., high, low]) = records.first_chunk_mut::<HEAD_BYTES>()
        && ContentType::from(*kind) == SEVERAL
    {
        *kind = ContentType::ApplicationData.into();
        [*high, *low] = *version;
        *version = [3, 3];
    }
}

/// The same for any number of records, for tests that let rustls write them.
#[cfg(test)]
pub(crate) fn mend_all(mut records: &mut [u8]) {
    while !records.is_empty() {
        mend(records);
        let len = usize::from(u16::from_be_bytes([records[3], records[4]]));
        records = &mut records[HEAD_BYTES + len..];
    }
}

/// Where messages end in the fragments of a flight: rustls cuts it anywhere, every 2^14 bytes.
#[derive(Default)]
pub(super) struct Messages {
    head: [u8; MESSAGE_HEAD_BYTES],
    head_len: usize,
    /// Of the body.
    missing: usize,
}

impl Messages {
    /// The part of a fragment that belongs to the first message in it, and what follows.
    pub(super) fn split<'a>(&mut self, fragment: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let mut len = 0;
        if self.missing == 0 {
            for byte in fragment.iter().take(MESSAGE_HEAD_BYTES - self.head_len) {
                self.head[self.head_len] = *byte;
                self.head_len += 1;
                len += 1;
            }
            if self.head_len == MESSAGE_HEAD_BYTES {
                let [_, body @ ..] = self.head;
                self.missing = body
                    .iter()
                    .fold(0, |len, byte| len << 8 | usize::from(*byte));
                self.head_len = 0;
            }
        }
        let body = self.missing.min(fragment.len() - len);
        self.missing -= body;
        fragment.split_at(len + body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_wherever_a_flight_is_cut() {
        let messages: [&[u8]; 4] = [
            &[8, 0, 0, 2, 0, 0],
            &[5, 0, 0, 0],
            &[11, 0, 0, 3, 8, 0, 0],
            &[20, 0, 0, 1, 9],
        ];
        let flight = messages.concat();
        for cut in 0..=flight.len() {
            let mut state = Messages::default();
            let mut ends = Vec::new();
            let mut at = 0;
            for mut fragment in [&flight[..cut], &flight[cut..]] {
                while !fragment.is_empty() {
                    let (part, rest) = state.split(fragment);
                    (at, fragment) = (at + part.len(), rest);
                    ends.push(at);
                }
            }
            let mut expected = vec![6, 10, 17, 22];
            if cut > 0 && !expected.contains(&cut) {
                expected.push(cut);
                expected.sort_unstable();
            }
            assert_eq!(ends, expected, "{cut}");
        }
    }

    #[test]
    fn only_the_head_of_several_is_mended() {
        let mut several = [0xff, 0, 2, 0, 9, 1, 2];
        mend(&mut several);
        assert_eq!(several, [23, 3, 3, 0, 2, 1, 2]);
        let mut one = [23, 3, 3, 0, 2, 1, 2];
        mend(&mut one);
        assert_eq!(one, [23, 3, 3, 0, 2, 1, 2]);
        mend(&mut []);
    }
}
