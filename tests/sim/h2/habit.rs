//! What an HTTP/2 client is like on one connection.

use engines::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Has not the certificate that it needs.
    Barred,
    /// Sends as fast as it may, reads at once.
    Brisk,
    /// Does not read for a long time.
    Deaf,
    /// Breaks the rules behind its requests.
    Hostile,
    /// Closes when so many bytes were sent.
    Leaver(usize),
    /// Sends a few bytes at a time.
    Slow,
    /// Its records are changed on the way.
    Spoiled,
    /// Reads, and opens no stream's window.
    Stalled,
}

impl Habit {
    pub(super) fn new(rng: &mut Rng) -> Self {
        match rng.below(12) {
            0 => Self::Deaf,
            1 => Self::Hostile,
            2 => Self::Leaver(rng.below(30_000) as usize),
            3 => Self::Slow,
            4 => Self::Stalled,
            _ => Self::Brisk,
        }
    }
}

/// What ends a connection: a frame of the wrong length, of an idle stream, behind a stream's end, a
/// window that opens by nothing, a block that refers to nothing, a header block that is interrupted.
pub(super) const MALFORMED: &[&[u8]] = &[
    &[0, 0, 3, 6, 0, 0, 0, 0, 0, 1, 2, 3],
    &[0, 0, 4, 3, 0, 0, 0, 0x0f, 0xff, 0, 0, 0, 8],
    &[0, 0, 1, 0, 1, 0, 0, 0x0f, 0xff, 0],
    &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0, 0, 2, 1, 5, 0, 0, 0x7f, 0xff, 0xff, 0x7f],
    &[
        0, 0, 1, 1, 0, 0, 0, 0x7f, 0xff, 0x82, 0, 0, 0, 4, 1, 0, 0, 0, 0,
    ],
    &[0, 0x40, 1, 0, 0, 0, 0, 0, 1],
    b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
];
