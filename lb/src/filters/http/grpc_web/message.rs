//! gRPC's messages in a body, as far as it takes to see where one ends; and the frame of trailers.

use codecs::Fields;

/// Bytes before a message: a byte of flags and its length, four bytes, most significant first.
const PREFIX: u8 = 5;
/// The flag of a frame of trailers (gRPC-Web's protocol, "Message framing").
const TRAILERS: u8 = 0x80;

/// Follows the messages of a body.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Bytes of the prefix that have come.
    prefix: u8,
    /// The length that they tell, as far as it has come; then what is missing of the message.
    left: u32,
}

impl Messages {
    /// Takes the next bytes in; behind which of them the last message ends.
    pub(super) fn last_end(&mut self, mut bytes: &[u8]) -> Option<usize> {
        let (len, mut end) = (bytes.len(), None);
        while let Some((first, rest)) = bytes.split_first() {
            if self.prefix < PREFIX {
                // The flags are shifted out by the length's four bytes.
                self.left = self.left << 8 | u32::from(*first);
                self.prefix += 1;
                bytes = rest;
            } else {
                let part = bytes.len().min(self.left as usize);
                self.left -= part as u32;
                bytes = &bytes[part..];
            }
            if self.prefix == PREFIX && self.left == 0 {
                (self.prefix, end) = (0, Some(len - bytes.len()));
            }
        }
        end
    }
}

/// The frame that carries an answer's trailers in its body.
pub(super) fn trailers(fields: &Fields) -> Vec<u8> {
    let mut frame = vec![TRAILERS, 0, 0, 0, 0];
    for (name, value) in fields.iter() {
        for part in [name, b": ", value, b"\r\n"] {
            frame.extend_from_slice(part);
        }
    }
    let len = (frame.len() - usize::from(PREFIX)) as u32;
    frame[1..5].copy_from_slice(&len.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_messages_are_found_in_any_split() {
        let body = [
            &[0, 0, 0, 0, 2, b'a', b'b'][..],
            &[1, 0, 0, 0, 0],
            &[0x80, 0, 0, 1, 0],
            &[b'x'; 256],
            &[0, 0, 0],
        ]
        .concat();
        let ends = [7, 12, 273];
        for size in 1..=body.len() {
            let (mut messages, mut at) = (Messages::default(), 0);
            for piece in body.chunks(size) {
                let within = |end: &&usize| (at + 1..=at + piece.len()).contains(*end);
                let expected = ends.iter().rfind(within).map(|end| end - at);
                assert_eq!(messages.last_end(piece), expected, "at {at} by {size}");
                at += piece.len();
            }
        }
    }

    #[test]
    fn the_largest_length_is_just_a_long_message() {
        let mut messages = Messages::default();
        assert_eq!(messages.last_end(&[0xff; 1000]), None);
        assert_eq!((messages.prefix, messages.left), (5, u32::MAX - 995));
    }

    #[test]
    fn trailers_are_lines_behind_their_length() {
        let mut fields = Fields::default();
        fields.append(b"Grpc-Status", b"0");
        fields.append(b"x", b"");
        assert_eq!(
            trailers(&fields),
            b"\x80\0\0\0\x15grpc-status: 0\r\nx: \r\n"
        );
        let long = vec![b'v'; 300];
        fields.set(b"x", &long);
        assert_eq!(trailers(&fields)[..5], [0x80, 0, 0, 1, 0x41]);
    }
}
