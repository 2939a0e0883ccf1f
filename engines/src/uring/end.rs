//! How sockets go: closing, failing, and being given up.
//!
//! Closing a descriptor does not end a receive in flight. So a stream is shut down first, what is in
//! flight is cancelled, and the descriptor is closed when all of it has completed. Operations are
//! cancelled by their user data: by descriptor the kernel would search all that are armed.

use super::{
    Uring, descriptor,
    entry::{Entry, OPS, Op, Ops, Phase},
    relay::Relay,
};
use crate::{Carried, Event, Handle, Kind, Sock};
use io_uring::{
    opcode, squeue,
    types::{CancelBuilder, Fd},
};
use std::{io, os::fd::AsFd};

impl Uring {
    /// Ends a socket that can do no more.
    pub(super) fn fail(&mut self, sock: Sock, cause: io::Error) {
        self.end(sock, Some(cause));
    }

    pub(super) fn end(&mut self, sock: Sock, cause: Option<io::Error>) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if !entry.is_ending() {
            entry.end(cause);
            self.mark_dirty(sock);
        }
    }

    /// Asks the kernel to end an operation that is in flight.
    pub(super) fn cancel(&mut self, sock: Sock, op: Op) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if !entry.flight.has(op) || entry.cancelled.has(op) {
            return;
        }
        entry.cancelled.add(op);
        let target = CancelBuilder::user_data(super::user_data(op, sock));
        let operation = opcode::AsyncCancel2::new(target)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(super::user_data(Op::Cancel, sock));
        // SAFETY: the operation names no memory.
        unsafe { self.ring.push(operation) };
    }

    /// The kernel did not find what it was asked to end: it has completed, or just does something.
    pub(super) fn on_cancel_refused(&mut self, data: u64) {
        let Some(sock) = self.socks.key_at(data as u32) else {
            return;
        };
        if super::user_data(Op::Cancel, sock) == data
            && let Some(entry) = self.socks.get_mut(sock)
        {
            entry.cancelled = Ops::default();
            self.mark_dirty(sock);
        }
    }

    /// Goes on with ending: cancels once, and is done when nothing is in flight.
    pub(super) fn pump_end(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if entry.flight.is_empty() {
            return self.mark_ready(sock);
        }
        // Listeners and datagram sockets may be shared with others, who go on.
        if entry.kind == Kind::Stream && !entry.shut {
            entry.shut = true;
            if let Some(fd) = &entry.fd {
                descriptor::shutdown(fd.as_fd());
            }
        }
        for op in OPS {
            self.cancel(sock, op);
        }
    }

    /// Goes on with leaving: receiving ends, sends leave.
    pub(super) fn pump_leave(&mut self, sock: Sock) {
        if self.socks.get(sock).is_some_and(|e| e.target().is_some()) {
            return self.start_connect(sock);
        }
        for op in [Op::Accept, Op::PollIn, Op::Recv] {
            self.cancel(sock, op);
        }
        self.pump_send(sock);
        let quiet = |e: &Entry| e.flight.is_empty() && e.has_sent_all();
        if self.socks.get(sock).is_some_and(quiet) {
            self.mark_ready(sock);
        }
    }

    /// Tells that a socket is gone once the kernel has nothing of it.
    pub(super) fn serve_end(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let gone = |e: &Entry| e.is_ending() && e.flight.is_empty();
        if !self.socks.get(sock).is_some_and(gone) {
            return;
        }
        self.tell_last(sock, events);
        let Some(mut entry) = self.remove(sock) else {
            return;
        };
        let cause = entry.take_rare().cause;
        // Closes the descriptor and gives the blocks of queued sends back.
        drop(entry);
        events.push(Event::Closed { sock, cause });
    }

    /// Hands out a socket that left.
    pub(super) fn serve_leave(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let quiet = |e: &Entry| e.flight.is_empty() && e.has_sent_all();
        if !self.socks.get(sock).is_some_and(quiet) {
            return;
        }
        self.tell_last(sock, events);
        let pipe = self.relay_of(sock).and_then(Relay::take_pipe);
        let piped = pipe.map(|pipe| self.pipes.empty(pipe));
        let Some(mut entry) = self.remove(sock) else {
            return;
        };
        let mut unread = piped.unwrap_or_default();
        let mut rare = entry.take_rare();
        unread.append(&mut rare.unread);
        for filled in rare.stash {
            unread.extend_from_slice(&self.rings.claim(filled, u64::MAX));
        }
        if let Some(fd) = entry.fd {
            let (handle, kind) = (Handle::Fd(fd), entry.kind);
            let carried = Carried {
                handle,
                kind,
                unread,
            };
            events.push(Event::Detached { sock, carried });
        }
    }

    fn remove(&mut self, sock: Sock) -> Option<Entry> {
        let mut entry = self.socks.remove(sock)?;
        if entry.is_ending() && entry.has_stored() {
            for filled in entry.rare_mut().stash.drain(..) {
                drop(self.rings.claim(filled, u64::MAX));
            }
        }
        self.unlink(&mut entry);
        Some(entry)
    }

    pub(super) fn start_connect(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        let Some(target) = entry.target() else { return };
        if entry.flight.has(Op::Connect) {
            return;
        }
        let operation =
            opcode::Connect::new(Fd(entry.raw()), target.as_ptr(), target.len()).build();
        // SAFETY: the target is boxed and dropped in `on_connected`, or with the entry, which
        // outlives its operations.
        unsafe { self.push(sock, Op::Connect, operation) };
    }

    pub(super) fn on_connected(&mut self, sock: Sock, result: i32, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        let target = entry.rare_mut().target.take();
        entry.settle();
        let is_unix = target.is_some_and(|target| target.is_unix());
        if result == 0
            && is_unix
            && let Some(fd) = &entry.fd
        {
            entry.inlet.nonblocking = descriptor::set_blocking(fd.as_fd(), true).is_err();
        }
        match entry.phase {
            Phase::Connecting if result == 0 => {
                entry.phase = Phase::Open;
                events.push(Event::Connected { sock });
            }
            Phase::Leaving if result == 0 => events.push(Event::Connected { sock }),
            Phase::Connecting | Phase::Leaving => {
                return self.fail(sock, io::Error::from_raw_os_error(-result));
            }
            Phase::Open | Phase::Ending => {}
        }
        self.mark_dirty(sock);
        self.on_drained(sock);
    }
}
