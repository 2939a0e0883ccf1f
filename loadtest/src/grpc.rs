//! What gRPC puts around its messages and behind them (the protocol's own specification, "gRPC over
//! HTTP2"): a prefix of five bytes, and a status in the trailers.

use codecs::Fields;

/// A flag for compression, and the message's length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The highest status that is known.
pub(crate) const STATUS_MAX: u8 = 16;

/// The status of a call whose server told one that is none (UNKNOWN).
pub(crate) const UNKNOWN: u8 = 2;

/// What stands before a message of that many bytes, uncompressed.
pub(crate) fn prefix(bytes: u32) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = bytes.to_be_bytes();
    [0, a, b, c, d]
}

/// The status that an answer ends with; none: it tells none. What is no known one is UNKNOWN.
pub(crate) fn status(fields: &Fields) -> Option<u8> {
    let told = fields.get(b"grpc-status")?;
    let number = std::str::from_utf8(told).ok().and_then(|t| t.parse().ok());
    Some(number.filter(|n| *n <= STATUS_MAX).unwrap_or(UNKNOWN))
}

/// A status by its name.
pub(crate) fn name(status: u8) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(usize::from(status)).copied().unwrap_or("UNKNOWN")
}

/// Finds the messages in a body that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Messages {
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the next prefix that came.
    has: u8,
    /// Bytes of the current message that have not come.
    left: u32,
    /// Messages that came whole.
    pub(crate) count: u64,
}

impl Messages {
    /// Takes a piece; what of it is in messages goes to `content`.
    pub(crate) fn take(&mut self, mut piece: &[u8], mut content: impl FnMut(&[u8])) {
        while !piece.is_empty() {
            if self.left > 0 {
                let len = piece.len().min(self.left as usize);
                let (now, rest) = piece.split_at(len);
                content(now);
                self.left -= len as u32;
                self.count += u64::from(self.left == 0);
                piece = rest;
                continue;
            }
            let has = usize::from(self.has);
            let len = piece.len().min(PREFIX_BYTES - has);
            let (now, rest) = piece.split_at(len);
            self.prefix[has..has + len].copy_from_slice(now);
            self.has += len as u8;
            piece = rest;
            if usize::from(self.has) == PREFIX_BYTES {
                let [_, a, b, c, d] = self.prefix;
                self.left = u32::from_be_bytes([a, b, c, d]);
                self.has = 0;
                self.count += u64::from(self.left == 0);
            }
        }
    }

    /// No message has begun and not ended.
    pub(crate) fn is_whole(&self) -> bool {
        self.has == 0 && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let mut body = Vec::new();
        for message in [&b"abc"[..], b"", b"de"] {
            body.extend_from_slice(&prefix(message.len() as u32));
            body.extend_from_slice(message);
        }
        for size in 1..=body.len() {
            let (mut messages, mut content) = (Messages::default(), Vec::new());
            for piece in body.chunks(size) {
                messages.take(piece, |part| content.extend_from_slice(part));
            }
            assert_eq!((messages.count, &*content), (3, &b"abcde"[..]), "{size}");
            assert!(messages.is_whole());
        }
        let mut cut = Messages::default();
        cut.take(&body[..body.len() - 1], |_| ());
        assert!(!cut.is_whole() && cut.count == 2);
        cut.take(&body[..1], |_| ());
        cut.take(&body[..2], |_| ());
        assert!(!cut.is_whole());
    }

    #[test]
    fn a_status_is_a_number_that_is_known() {
        for (told, want) in [
            (None, None),
            (Some("0"), Some(0)),
            (Some("16"), Some(16)),
            (Some("17"), Some(UNKNOWN)),
            (Some("999"), Some(UNKNOWN)),
            (Some("x"), Some(UNKNOWN)),
            (Some(""), Some(UNKNOWN)),
        ] {
            let mut fields = Fields::default();
            if let Some(told) = told {
                fields.append(b"grpc-status", told.as_bytes());
            }
            assert_eq!(status(&fields), want, "{told:?}");
        }
        assert_eq!((name(0), name(16)), ("OK", "UNAUTHENTICATED"));
    }
}
