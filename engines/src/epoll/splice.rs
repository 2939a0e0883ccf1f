//! Relaying bulk through a pipe: the bytes stay in the kernel.
//!
//! A pipe is taken when the source is readable, filled, emptied to the target, and put back: an idle
//! relay has none. It is filled only when it is empty, so what would block is always the source.

use super::{Reactor, receive::Next};
use crate::{BufMut, Event, Sock, pipe::Pipe};
use std::os::fd::AsFd;

/// Rounds through the pipe in one turn.
const ROUNDS_MAX: usize = 4;

impl Reactor {
    /// Moves what it can from the source to the target.
    pub(super) fn splice(&mut self, from: Sock, events: &mut Vec<Event>) {
        for round in 0..ROUNDS_MAX {
            if !self.pipes.has_share() {
                return self.put_off(from, round > 0);
            }
            if let Next::Stop = self.fill_pipe(from, events) {
                return;
            }
            if let Next::Stop = self.drain_pipe(from) {
                return;
            }
        }
        self.mark_later(from);
    }

    /// Moves bytes from the source into the pipe, unless there are some in it.
    fn fill_pipe(&mut self, from: Sock, events: &mut Vec<Event>) -> Next {
        let Some(entry) = self.socks.get_mut(from) else {
            return Next::Stop;
        };
        // A relay needs no blocks any more.
        entry.lessee.parked = None;
        let receives = entry.receives() && entry.readable;
        let (Some(fd), Some(relay)) = (&entry.fd, &mut entry.relay) else {
            return Next::Stop;
        };
        if relay.pipe.is_some() {
            return Next::Again;
        }
        if !receives {
            return Next::Stop;
        }
        let Some(mut pipe) = self.pipes.take(&mut self.counters) else {
            // For now; when pipes are free again they are used again.
            self.receive(from, events);
            return Next::Stop;
        };
        let filled = pipe.fill(fd.as_fd(), relay.tally.room());
        if let Ok(Some(bytes @ 1..)) = filled {
            self.pipes.on_moved(bytes);
            relay.tally.take(bytes);
            entry.wanted &= !relay.tally.has_all();
            relay.pipe = Some(pipe);
            return Next::Again;
        }
        self.pipes.put(pipe);
        match filled {
            Ok(Some(_)) => {
                entry.ended = true;
                self.on_relay_end(from);
            }
            Ok(None) => entry.readable = false,
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                relay.copies = true;
                self.mark_later(from);
            }
            Err(error) => self.fail(from, error),
        }
        Next::Stop
    }

    /// Moves the bytes in the pipe to the target; goes on when none are left.
    fn drain_pipe(&mut self, from: Sock) -> Next {
        let Some(relay) = self.relay_of(from) else {
            return Next::Stop;
        };
        let (to, Some(mut pipe)) = (relay.to, relay.pipe.take()) else {
            return Next::Stop;
        };
        let drained = match self.socks.get(to) {
            Some(target) if target.writable => target.with_fd(|fd| pipe.drain(fd)),
            Some(_) | None => Ok(0),
        };
        let is_left = pipe.held() > 0;
        if let Some(target) = self.socks.get_mut(to) {
            // What left something in the pipe is full.
            target.writable &= !is_left;
            target.piped = is_left;
        }
        match drained {
            Ok(0) => {}
            Ok(bytes) => self.on_relayed(to, bytes),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.copy_instead(from, pipe);
                return Next::Stop;
            }
            Err(error) => self.fail(to, error),
        }
        if !is_left {
            self.pipes.put(pipe);
            return Next::Again;
        }
        if let Some(relay) = self.relay_of(from) {
            relay.pipe = Some(pipe);
        }
        self.mark_unregistered(to);
        Next::Stop
    }

    /// Goes back to copying: the target cannot be spliced to.
    fn copy_instead(&mut self, from: Sock, pipe: Pipe) {
        let bytes = self.pipes.empty(pipe);
        let Some(relay) = self.relay_of(from) else {
            return;
        };
        relay.copies = true;
        let to = relay.to;
        if let Some(target) = self.socks.get_mut(to) {
            (target.writable, target.piped) = (true, false);
        }
        self.queue_on_target(from, BufMut::from(bytes));
        self.mark_later(from);
    }
}
