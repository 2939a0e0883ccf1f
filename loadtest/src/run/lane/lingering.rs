//! Sockets that carried their last request and wait for their peers to close first. Their places have
//! others already: what the generator waits for must not be missing from the load.

use crate::run::limits;
use engines::{SlotKey, Sock};
use std::collections::VecDeque;

/// A thread's lingering sockets.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    /// Those that linger, by the socket's index.
    socks: Vec<Option<Sock>>,
    /// In the order of their ends, which is that of their coming; some are gone already.
    queue: VecDeque<(Sock, u64)>,
    count: usize,
}

impl Lingering {
    /// Lets a socket linger until then; another one that has to be closed now if they are too many.
    pub(super) fn add(&mut self, sock: Sock, until_ns: u64) -> Option<Sock> {
        let oldest = match self.count {
            limits::LINGERING_MAX.. => self.pop(u64::MAX),
            _ => None,
        };
        let at = sock.index() as usize;
        if self.socks.len() <= at {
            self.socks.resize(at + 1, None);
        }
        self.socks[at] = Some(sock);
        self.queue.push_back((sock, until_ns));
        self.count += 1;
        oldest
    }

    /// Forgets a socket; false if it did not linger.
    pub(super) fn remove(&mut self, sock: Sock) -> bool {
        let is_here = self.has(sock);
        if is_here {
            self.socks[sock.index() as usize] = None;
            self.count -= 1;
            self.drop_gone();
        }
        is_here
    }

    /// Takes one whose time is over.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<Sock> {
        let (sock, until_ns) = *self.queue.front()?;
        if until_ns > now_ns {
            return None;
        }
        // The first of the queue is never one that is gone.
        self.remove(sock);
        Some(sock)
    }

    /// When the first one's time is over.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.queue.front().map(|(_, until_ns)| *until_ns)
    }

    pub(super) fn has(&self, sock: Sock) -> bool {
        self.socks.get(sock.index() as usize) == Some(&Some(sock))
    }

    fn drop_gone(&mut self) {
        while let Some((sock, _)) = self.queue.front()
            && !self.has(*sock)
        {
            self.queue.pop_front();
        }
    }
}
