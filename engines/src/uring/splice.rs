//! Relaying bulk through a pipe: the bytes stay in the kernel.
//!
//! A flow that has shown to be bulk ends its receive, lets the target send what is queued, and then
//! moves on by `splice(2)` whenever its source is readable and its target writable. (The ring's own
//! splice operation runs on worker threads and costs three times as much.)

use super::{
    Uring, descriptor,
    entry::{End, Entry, Op},
    relay::Mode,
};
use crate::{Sock, pipe::Pipe};
use io_uring::{opcode, types::Fd};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

/// Rounds through the pipe in one turn.
const ROUNDS_MAX: usize = 4;

/// What came of moving bytes.
enum Moved {
    Bytes(usize),
    /// The source has ended.
    End,
    /// The source has nothing now.
    Nothing,
    /// The pipe is full.
    Full,
}

impl Uring {
    /// Goes over to splicing once nothing is left of copying.
    pub(super) fn turn_to_splicing(&mut self, from: Sock) {
        self.cancel(from, Op::Recv);
        let Some(entry) = self.socks.get(from) else {
            return;
        };
        let Some(relay) = &entry.relay else { return };
        let to = relay.to;
        if entry.has_stored() || entry.owes_end() {
            return self.mark_ready(from);
        }
        if entry.inlet.end != End::No || !entry.inlet.wanted {
            return;
        }
        let drained = self.socks.get(to).is_some_and(Entry::is_drained);
        if entry.flight.has(Op::Recv) || !drained {
            return;
        }
        let mode = match self.pipes.take(&mut self.counters) {
            Some(pipe) if self.stop_blocking(to) => Mode::Splicing(pipe),
            Some(pipe) => {
                self.pipes.put(pipe);
                Mode::CopyingOn
            }
            None => Mode::CopyingOn,
        };
        if let Some(entry) = self.socks.get_mut(from)
            && let Some(relay) = &mut entry.relay
        {
            relay.mode = mode;
            entry.inlet.lessee.parked = None;
            entry.inlet.readable = true;
        }
        self.mark_dirty(from);
    }

    /// Splicing to a socket waits unless the descriptor does not block.
    fn stop_blocking(&mut self, sock: Sock) -> bool {
        let Some(entry) = self.socks.get_mut(sock) else {
            return false;
        };
        let Some(fd) = &entry.fd else { return false };
        entry.inlet.nonblocking = descriptor::set_blocking(fd.as_fd(), false).is_ok();
        entry.inlet.nonblocking
    }

    /// Lets operations on a relay's former target wait again.
    pub(super) fn let_block(&mut self, sock: Sock) {
        if let Some(entry) = self.socks.get_mut(sock)
            && let Some(fd) = &entry.fd
            && entry.inlet.nonblocking
        {
            entry.inlet.nonblocking = descriptor::set_blocking(fd.as_fd(), true).is_err();
        }
    }

    /// Awaits the source's readiness.
    pub(super) fn pump_splice(&mut self, from: Sock) {
        let Some(entry) = self.socks.get(from) else {
            return;
        };
        if entry.inlet.wanted && entry.inlet.end == End::No {
            self.pump_poll_in(from);
        } else {
            self.cancel(from, Op::PollIn);
        }
    }

    /// Moves what it can from the source to the target.
    pub(super) fn serve_splice(&mut self, from: Sock) {
        for round in 0..ROUNDS_MAX {
            if !self.pipes.has_share() {
                return self.put_off(from, round > 0);
            }
            let filled = self.fill_pipe(from);
            let drained = self.drain_pipe(from);
            if !filled && !drained {
                return self.after_splice(from);
            }
        }
        self.put_off(from, true);
    }

    /// Moves bytes from the source into the pipe; true when some came.
    fn fill_pipe(&mut self, from: Sock) -> bool {
        let Some(entry) = self.socks.get_mut(from) else {
            return false;
        };
        let (Some(fd), Some(relay)) = (&entry.fd, &mut entry.relay) else {
            return false;
        };
        let Mode::Splicing(pipe) = &mut relay.mode else {
            return false;
        };
        let is_waiting = entry.inlet.wanted && entry.inlet.end == End::No;
        if !entry.inlet.readable || !is_waiting || pipe.held() > 0 {
            return false;
        }
        match receive(fd.as_fd(), pipe, relay.tally.room()) {
            Ok(Moved::Bytes(bytes)) => {
                self.pipes.on_moved(bytes);
                relay.tally.take(bytes);
                entry.inlet.wanted &= !relay.tally.has_all();
                return true;
            }
            Ok(Moved::End) => entry.inlet.end = End::Seen,
            Ok(Moved::Full) => {}
            Ok(Moved::Nothing) => entry.inlet.readable = false,
            Err(error) => self.fail(from, error),
        }
        false
    }

    /// Moves bytes from the pipe to the target; true when some left.
    fn drain_pipe(&mut self, from: Sock) -> bool {
        let Some(to) = self.relay_of(from).map(|relay| relay.to) else {
            return false;
        };
        let Some(target) = self.socks.get(to) else {
            return false;
        };
        let free = !target.is_ending() && target.is_drained() && !target.flight.has(Op::PollOut);
        let raw = target.raw();
        let Some(Mode::Splicing(pipe)) = self.relay_of(from).map(|relay| &mut relay.mode) else {
            return false;
        };
        if !free || pipe.held() == 0 {
            return false;
        }
        // SAFETY: the target's entry keeps its descriptor open, and nothing of it changes here.
        match pipe.drain(unsafe { BorrowedFd::borrow_raw(raw) }) {
            Ok(0) => self.pump_poll_out(to),
            Ok(bytes) => {
                self.on_relayed(to, bytes);
                return true;
            }
            Err(error) => self.fail(to, error),
        }
        false
    }

    /// Passes the source's end on when the pipe is empty.
    fn after_splice(&mut self, from: Sock) {
        let Some(entry) = self.socks.get_mut(from) else {
            return;
        };
        let held = entry.relay.as_ref().map_or(0, |relay| relay.held());
        if entry.inlet.end == End::Seen && held == 0 {
            entry.inlet.end = End::Told;
            self.cancel(from, Op::PollIn);
            self.on_relay_end(from);
        }
    }

    /// Awaits that the socket can send again.
    pub(super) fn pump_poll_out(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        if !entry.flight.has(Op::PollOut) {
            let operation = opcode::PollAdd::new(Fd(entry.raw()), libc::POLLOUT as u32).build();
            // SAFETY: the operation names no memory.
            unsafe { self.push(sock, Op::PollOut, operation) };
        }
    }
}

/// Moves bytes from a socket that may block into the pipe. What a splice would wait for is seen by
/// looking first.
fn receive(fd: BorrowedFd<'_>, pipe: &mut Pipe, most: usize) -> io::Result<Moved> {
    match descriptor::peek(fd) {
        Ok(Some(0)) => return Ok(Moved::End),
        Ok(Some(_)) => {}
        Ok(None) => return Ok(Moved::Nothing),
        Err(error) => return Err(error),
    }
    Ok(match pipe.fill(fd, most)? {
        Some(bytes @ 1..) => Moved::Bytes(bytes),
        Some(0) | None => Moved::Full,
    })
}
