//! What is queued to be sent on a stream, and who gave it.
//!
//! A socket has a queue only while there is something in it; emptied ones are kept for the next send.

use crate::{Buf, BufList, socket};
use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
};

/// Slices in one gathered send.
const SLICES_MAX: usize = 64;
/// Emptied queues kept for the next sends. One that had room for more slices than
/// [`SPARE_SLICES_MAX`] goes.
const SPARES_MAX: usize = 256;
const SPARE_SLICES_MAX: usize = SLICES_MAX;

/// The sending side of a socket.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    queue: Option<Box<Queue>>,
    pub(crate) finish: Finish,
    /// A source passes bytes on, and has not come to their end: ours comes behind it.
    pub(crate) awaits: bool,
}

/// Bytes that wait to be sent. Never empty in an outlet.
#[derive(Debug, Default)]
struct Queue {
    bufs: BufList,
    /// Who gave the bytes, once the socket was a relay's target.
    shares: Vec<Share>,
}

/// Emptied queues of one engine.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "the boxes themselves move into outlets")]
pub(crate) struct Spares(Vec<Box<Queue>>);

impl Spares {
    fn take(&mut self) -> Box<Queue> {
        self.0.pop().unwrap_or_default()
    }

    fn put(&mut self, queue: Box<Queue>) {
        let is_small = queue.bufs.capacity() <= SPARE_SLICES_MAX;
        if is_small && self.0.len() < SPARES_MAX {
            self.0.push(queue);
        }
    }
}

/// Whether our direction is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Finish {
    #[default]
    No,
    Asked,
    Done,
}

/// A run of queued bytes that came from one side.
#[derive(Debug)]
struct Share {
    bytes: usize,
    relayed: bool,
}

impl Outlet {
    /// Nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_none()
    }

    /// The queued slices, if there are any.
    pub(crate) fn queue(&self) -> Option<&BufList> {
        self.queue.as_deref().map(|queue| &queue.bufs)
    }

    /// Queues bytes of the caller or of a relay.
    pub(crate) fn push(&mut self, data: Buf, relayed: bool, spares: &mut Spares) {
        if !data.is_empty() {
            let queue = self.queue.get_or_insert_with(|| spares.take());
            queue.push(data, relayed);
        }
    }

    /// Sends once what is at the front; returns how much of how much the kernel took. The last bytes
    /// before a half-close wait in the kernel for it: they and the FIN are one segment.
    pub(crate) fn send(&self, fd: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
        let Some(queue) = self.queue() else {
            return Ok((0, 0));
        };
        if let Some(only) = queue.only() {
            let sent = socket::send(fd, &[IoSlice::new(only)], self.ends_behind(only.len()))?;
            return Ok((sent, only.len()));
        }
        let mut parts = [IoSlice::new(&[]); SLICES_MAX];
        let (mut count, mut bytes) = (0, 0);
        for (part, buf) in parts.iter_mut().zip(queue.iter()) {
            *part = IoSlice::new(buf);
            count += 1;
            bytes += buf.len();
        }
        let sent = socket::send(fd, &parts[..count], self.ends_behind(bytes))?;
        Ok((sent, bytes))
    }

    /// Nothing but the half-close comes behind the first `bytes` of the queue.
    pub(crate) fn ends_behind(&self, bytes: usize) -> bool {
        self.is_to_finish() && bytes == self.queue().map_or(0, BufList::len)
    }

    /// The half-close comes behind what is queued.
    pub(crate) fn is_to_finish(&self) -> bool {
        self.finish == Finish::Asked && !self.awaits
    }

    /// Nothing comes behind what is queued.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.finish != Finish::Asked && !self.awaits
    }

    /// Drops bytes that left; returns how many were the caller's and how many a relay's.
    pub(crate) fn advance(&mut self, bytes: usize, spares: &mut Spares) -> (usize, usize) {
        let Some(queue) = &mut self.queue else {
            return (bytes, 0);
        };
        let sides = queue.advance(bytes);
        if queue.bufs.is_empty()
            && let Some(queue) = self.queue.take()
        {
            spares.put(queue);
        }
        sides
    }
}

impl Queue {
    fn push(&mut self, data: Buf, relayed: bool) {
        if relayed && self.shares.is_empty() && !self.bufs.is_empty() {
            self.shares.push(Share {
                bytes: self.bufs.len(),
                relayed: false,
            });
        }
        if relayed || !self.shares.is_empty() {
            match self.shares.last_mut() {
                Some(last) if last.relayed == relayed => last.bytes += data.len(),
                Some(_) | None => self.shares.push(Share {
                    bytes: data.len(),
                    relayed,
                }),
            }
        }
        self.bufs.push(data);
    }

    fn advance(&mut self, bytes: usize) -> (usize, usize) {
        self.bufs.skip(bytes);
        if self.shares.is_empty() {
            return (bytes, 0);
        }
        let (mut left, mut own, mut relayed) = (bytes, 0, 0);
        while let Some(share) = self.shares.first_mut() {
            let part = share.bytes.min(left);
            *if share.relayed {
                &mut relayed
            } else {
                &mut own
            } += part;
            share.bytes -= part;
            left -= part;
            if share.bytes > 0 {
                break;
            }
            self.shares.remove(0);
        }
        (own + left, relayed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_apart_by_who_gave_them() {
        let (mut outlet, mut spares) = (Outlet::default(), Spares::default());
        for (bytes, relayed) in [(3, false), (4, true), (5, true), (2, false)] {
            outlet.push(Buf::copy_of(&vec![0; bytes]), relayed, &mut spares);
        }
        assert_eq!(outlet.advance(2, &mut spares), (2, 0));
        assert_eq!(outlet.advance(5, &mut spares), (1, 4));
        assert_eq!(outlet.advance(7, &mut spares), (2, 5));
        assert!(outlet.is_empty());
    }

    #[test]
    fn an_emptied_queue_serves_the_next_outlet_unless_it_had_grown() {
        let mut spares = Spares::default();
        for (slices, kept) in [(1, 1), (2, 1), (100, 0)] {
            let mut outlet = Outlet::default();
            for _ in 0..slices {
                outlet.push(Buf::from_static(b"x"), false, &mut spares);
            }
            assert_eq!(outlet.advance(slices, &mut spares), (slices, 0));
            assert_eq!((outlet.is_empty(), spares.0.len()), (true, kept));
        }
    }

    #[test]
    fn only_the_last_bytes_before_a_half_close_wait_for_it() {
        let (mut outlet, mut spares) = (Outlet::default(), Spares::default());
        outlet.push(Buf::from_static(b"abc"), false, &mut spares);
        assert!(!outlet.ends_behind(3));
        outlet.finish = Finish::Asked;
        assert!(outlet.ends_behind(3) && !outlet.ends_behind(2));
        outlet.awaits = true;
        assert!(!outlet.ends_behind(3));
        (outlet.finish, outlet.awaits) = (Finish::Done, false);
        assert!(!outlet.ends_behind(3));
    }

    #[test]
    fn an_outlet_without_a_queue_is_small() {
        assert!(size_of::<Outlet>() <= 16);
    }
}
