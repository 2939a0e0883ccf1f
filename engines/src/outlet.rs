//! What is queued to be sent on a stream, and who gave it.

use crate::{Buf, BufList, socket};
use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
};

/// Slices in one gathered send.
const SLICES_MAX: usize = 64;

/// The sending side of a socket.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    pub(crate) queue: BufList,
    /// Who gave the queued bytes, once the socket was a relay's target.
    shares: Vec<Share>,
    pub(crate) finish: Finish,
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
    /// Queues bytes of the caller or of a relay.
    pub(crate) fn push(&mut self, data: Buf, relayed: bool) {
        if relayed && self.shares.is_empty() && !self.queue.is_empty() {
            self.shares.push(Share {
                bytes: self.queue.len(),
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
        self.queue.push(data);
    }

    /// Sends once what is at the front; returns how much of how much the kernel took.
    pub(crate) fn send(&self, fd: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
        let mut parts = [IoSlice::new(&[]); SLICES_MAX];
        let (mut count, mut bytes) = (0, 0);
        for (part, buf) in parts.iter_mut().zip(self.queue.iter()) {
            *part = IoSlice::new(buf);
            count += 1;
            bytes += buf.len();
        }
        Ok((socket::send(fd, &parts[..count])?, bytes))
    }

    /// Drops bytes that left; returns how many were the caller's and how many a relay's.
    pub(crate) fn advance(&mut self, bytes: usize) -> (usize, usize) {
        self.queue.skip(bytes);
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
        let mut outlet = Outlet::default();
        for (bytes, relayed) in [(3, false), (4, true), (5, true), (2, false)] {
            outlet.push(Buf::copy_of(&vec![0; bytes]), relayed);
        }
        assert_eq!(outlet.advance(2), (2, 0));
        assert_eq!(outlet.advance(5), (1, 4));
        assert_eq!(outlet.advance(7), (2, 5));
        assert!(outlet.queue.is_empty());
    }
}
