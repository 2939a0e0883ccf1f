//! What came on a connection that reads at a rate, where the protocol has windows: it counts as read, and
//! opens them, only when its time has come.

use codecs::StreamId;
use std::collections::VecDeque;

/// Pieces of one stream up to this many bytes are joined, so that tiny ones cost no memory.
const JOINED_BYTES_MAX: usize = 4096;

/// Pieces in the order in which they came, bounded by the connection's window.
#[derive(Debug, Default)]
pub(super) struct Unread(VecDeque<Piece>);

#[derive(Clone, Copy, Debug)]
struct Piece {
    id: StreamId,
    len: usize,
    due_ns: u64,
}

impl Unread {
    /// Adds bytes that are read at that time; times never fall.
    pub(super) fn push(&mut self, id: StreamId, len: usize, due_ns: u64) {
        match self.0.back_mut() {
            Some(last) if last.id == id && last.len + len <= JOINED_BYTES_MAX => {
                last.len += len;
                last.due_ns = due_ns;
            }
            Some(_) | None => self.0.push_back(Piece { id, len, due_ns }),
        }
    }

    /// Takes what is read by now.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<(StreamId, usize)> {
        let piece = self.0.pop_front_if(|piece| piece.due_ns <= now_ns)?;
        Some((piece.id, piece.len))
    }

    /// When the next bytes are read; 0: nothing waits.
    pub(super) fn next_ns(&self) -> u64 {
        self.0.front().map_or(0, |piece| piece.due_ns.max(1))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_order_and_tiny_pieces_are_joined() {
        let mut unread = Unread::default();
        assert_eq!(unread.next_ns(), 0);
        for (id, len, due_ns) in [
            (1, 1, 10),
            (1, 2, 20),
            (3, 5, 30),
            (1, 4096, 40),
            (1, 1, 50),
        ] {
            unread.push(StreamId(id), len, due_ns);
        }
        let mut seen = Vec::new();
        for now_ns in [19, 20, 50] {
            while let Some((id, len)) = unread.pop(now_ns) {
                seen.push((now_ns, id.0, len));
            }
        }
        assert_eq!(seen, [(20, 1, 3), (50, 3, 5), (50, 1, 4096), (50, 1, 1)]);
    }
}
