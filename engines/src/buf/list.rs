//! Slices in a row.

use super::Buf;
use std::collections::VecDeque;

/// Slices from this length on are not joined with others when a list settles.
const JOINED_BYTES_MAX: usize = 4096;

/// Slices that a list which holds few keeps room for. One receive block may bring thousands, if a peer
/// sends a body in the smallest chunks; what holds a list must not keep the room of its worst moment.
const ROOM_KEPT: usize = 64;

/// A queue of slices and the number of bytes in them. Holds no empty slice.
#[derive(Debug, Default)]
pub struct BufList {
    bufs: VecDeque<Buf>,
    bytes: usize,
    /// Slices at the end that came since the list was settled.
    fresh: usize,
}

impl BufList {
    /// Bytes in all slices.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// True when there is no byte.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Adds a slice at the end; an empty one is dropped. What lies right behind the last slice, in the
    /// same block, becomes part of it.
    pub fn push(&mut self, buf: Buf) {
        if buf.is_empty() {
            return;
        }
        self.bytes += buf.len();
        let rest = match self.bufs.back_mut() {
            Some(last) => last.join(buf),
            None => Some(buf),
        };
        if let Some(buf) = rest {
            self.bufs.push_back(buf);
            self.fresh += 1;
        }
    }

    /// Puts a slice in front of all.
    pub fn push_front(&mut self, buf: Buf) {
        if !buf.is_empty() {
            self.bytes += buf.len();
            self.bufs.push_front(buf);
            self.fresh = self.bufs.len();
        }
    }

    /// Takes the first slice out.
    pub fn pop(&mut self) -> Option<Buf> {
        let buf = self.bufs.pop_front()?;
        self.bytes -= buf.len();
        self.fresh = self.fresh.min(self.bufs.len());
        Some(buf)
    }

    /// Takes a slice of at most `max` bytes out.
    pub fn take(&mut self, max: usize) -> Option<Buf> {
        let front = self.bufs.front_mut()?;
        if front.len() <= max {
            return self.pop();
        }
        self.bytes -= max;
        Some(front.split_to(max))
    }

    /// Drops the first `n` bytes, or all if there are fewer.
    pub fn skip(&mut self, mut n: usize) {
        while n > 0 {
            let Some(taken) = self.take(n) else { return };
            n -= taken.len();
        }
    }

    /// Moves all slices of `other` to the end.
    pub fn append(&mut self, mut other: Self) {
        self.bytes += other.bytes;
        self.fresh += other.bufs.len();
        self.bufs.append(&mut other.bufs);
    }

    /// Copies what lies in receive blocks into memory of its own. Short pieces are joined, so that
    /// waiting costs about as much memory as there are bytes.
    pub fn settle(&mut self) {
        if self.fresh > 0 {
            self.copy_fresh();
        }
        self.give_room_back();
    }

    fn copy_fresh(&mut self) {
        let first = self.bufs.len() - std::mem::take(&mut self.fresh);
        let fresh: Vec<Buf> = self.bufs.drain(first..).collect();
        for buf in fresh {
            if !buf.is_leased() && buf.len() >= JOINED_BYTES_MAX {
                self.bufs.push_back(buf);
                continue;
            }
            let last = self.bufs.back_mut();
            let joined =
                last.is_some_and(|last| last.len() < JOINED_BYTES_MAX && last.append(&buf));
            if !joined {
                self.bufs.push_back(Buf::copy_of(&buf));
            }
        }
    }

    fn give_room_back(&mut self) {
        if self.bufs.capacity() > ROOM_KEPT && self.bufs.len() <= ROOM_KEPT {
            self.bufs.shrink_to(ROOM_KEPT);
        }
    }

    /// Slices that there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.bufs.capacity()
    }

    /// The slice, if there is exactly one.
    pub(crate) fn only(&self) -> Option<&Buf> {
        self.bufs.front().filter(|_| self.bufs.len() == 1)
    }

    /// The slices in order.
    pub fn iter(&self) -> impl Iterator<Item = &Buf> {
        self.bufs.iter()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        if !self.bufs.is_empty() {
            self.bufs.clear();
        }
        self.give_room_back();
        (self.bytes, self.fresh) = (0, 0);
    }

    /// A copy of all bytes in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.bytes);
        self.bufs.iter().for_each(|buf| all.extend_from_slice(buf));
        all
    }
}
