//! The text form's base64 (RFC 4648 §4), in any pieces: what comes is decoded up to the last whole
//! quantum, what goes is padded where a message ends.

use super::message::Messages;
use base64::prelude::*;

/// A request's body that comes in. Padding may stand wherever its sender flushed, not at the end only.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Bits of the quantum that has begun.
    bits: u32,
    /// Its letters so far, padding included.
    letters: u8,
    /// How many of them are padding.
    padding: u8,
}

/// A text that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotBase64;

impl Decoder {
    /// Appends to `out` what `text` completes.
    ///
    /// # Errors
    /// A byte that no base64 has in that place. The decoder is of no use then.
    pub(super) fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
        text.iter().try_for_each(|byte| self.letter(*byte, out))
    }

    fn letter(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), NotBase64> {
        let value = match byte {
            b'=' if self.letters >= 2 => {
                self.padding += 1;
                0
            }
            _ if self.padding > 0 => return Err(NotBase64),
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(NotBase64),
        };
        self.bits = self.bits << 6 | u32::from(value);
        self.letters += 1;
        if self.letters == 4 {
            self.end_quantum(out)?;
        }
        Ok(())
    }

    fn end_quantum(&mut self, out: &mut Vec<u8>) -> Result<(), NotBase64> {
        let quantum = std::mem::take(self);
        let [_, bytes @ ..] = quantum.bits.to_be_bytes();
        let (told, rest) = bytes.split_at(3 - usize::from(quantum.padding));
        // RFC 4648 §3.5: bits that stand for nothing are zero.
        if rest.iter().any(|byte| *byte != 0) {
            return Err(NotBase64);
        }
        out.extend_from_slice(told);
        Ok(())
    }

    /// Nothing is missing of what was begun.
    pub(super) fn is_whole(&self) -> bool {
        self.letters == 0
    }
}

/// An answer's body that goes out. What does not fill a quantum waits, unless a message ends with it.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    messages: Messages,
    /// Fewer than three bytes that wait.
    rest: Vec<u8>,
}

impl Encoder {
    /// The text for `pieces`; `end`: nothing follows.
    pub(super) fn encode<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        end: bool,
    ) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.rest);
        let waited = bytes.len();
        pieces.for_each(|piece| bytes.extend_from_slice(piece));
        let whole = match self.messages.last_end(&bytes[waited..]) {
            _ if end => bytes.len(),
            Some(message_end) => waited + message_end,
            None => 0,
        };
        let (told, begun) = bytes.split_at(whole);
        let (more, rest) = begun.split_at(begun.len() / 3 * 3);
        let mut text = BASE64_STANDARD.encode(told);
        BASE64_STANDARD.encode_string(more, &mut text);
        self.rest = rest.to_vec();
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> Option<String> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.decode(piece, &mut out).ok()?;
        }
        let text = || String::from_utf8(out).unwrap();
        decoder.is_whole().then(text)
    }

    #[test]
    fn any_split_of_a_text_decodes_to_the_same_or_to_nothing() {
        for (text, expected) in [
            ("", Some("")),
            ("Zm9v", Some("foo")),
            ("Zm9vYg==", Some("foob")),
            ("Zm9vYmE=", Some("fooba")),
            // Each message by itself.
            ("Zg==Zm8=Zm9v", Some("ffofoo")),
            ("Zg==Zg==", Some("ff")),
            ("Zm9", None),
            ("Zg=", None),
            ("Zg", None),
            ("Z", None),
            ("=", None),
            ("Z===", None),
            ("Zg=v", None),
            ("====", None),
            ("Zm9v=", None),
            ("Zm9vZg==\n", None),
            ("Zm 9v", None),
            ("Zm9_", None),
            // Bits that stand for nothing.
            ("Zh==", None),
            ("Zm9=", None),
            ("\u{e9}m9v", None),
        ] {
            let text = text.as_bytes();
            let expected = expected.map(str::to_owned);
            for at in 0..=text.len() {
                let (a, b) = text.split_at(at);
                assert_eq!(decoded(&[a, b]), expected, "{}", text.escape_ascii());
            }
            let letters: Vec<_> = text.chunks(1).collect();
            assert_eq!(decoded(&letters), expected, "{}", text.escape_ascii());
        }
    }

    fn message(len: u8) -> Vec<u8> {
        [&[0, 0, 0, 0, len][..], &vec![b'm'; len.into()]].concat()
    }

    #[test]
    fn a_message_is_out_when_it_has_ended_however_it_came() {
        for lens in [&[1_u8, 2, 3][..], &[0, 0], &[4, 7], &[200]] {
            let body: Vec<_> = lens.iter().flat_map(|len| message(*len)).collect();
            for size in 1..=body.len() {
                let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
                let (mut taken, mut found) = (0, Vec::new());
                let mut messages = Messages::default();
                for piece in body.chunks(size) {
                    let text = encoder.encode([piece].into_iter(), false);
                    decoder.decode(&text, &mut found).unwrap();
                    let ended = messages.last_end(piece);
                    assert!(ended.is_none_or(|end| found.len() >= taken + end));
                    taken += piece.len();
                }
                let text = encoder.encode(std::iter::empty(), true);
                assert!(text.is_empty(), "{lens:?} by {size}");
                assert!(decoder.is_whole() && found == body, "{lens:?} by {size}");
            }
        }
    }

    #[test]
    fn the_end_flushes_what_is_no_whole_message() {
        let mut encoder = Encoder::default();
        assert_eq!(
            encoder.encode([&b"\0\0\0\0"[..]].into_iter(), false),
            b"AAAA"
        );
        assert_eq!(
            encoder.encode([&b"\x09ab"[..], b"c"].into_iter(), true),
            b"AAlhYmM="
        );
    }
}
