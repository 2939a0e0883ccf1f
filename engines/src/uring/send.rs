//! Sending: one operation in flight per socket, gathered from its queue.
//!
//! Two sends in flight on one socket would overtake each other. The buffers in flight stay at the
//! front of the queue until the completion was seen.

use super::{
    Uring, descriptor,
    entry::{Entry, Op, Phase},
};
use crate::{BufList, Event, Sock, outlet::Finish, socket};
use io_uring::{opcode, types::Fd};
use std::{io, mem, os::fd::AsFd};

/// Slices in one gathered send.
const SLICES_MAX: usize = 64;
/// Bytes in one send: a slow reader's progress shows at least so often.
const SEND_BYTES_MAX: usize = 512 << 10;
const FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// What a gathered send names, in place while the kernel reads it.
pub(super) struct Gather(Box<Parts>);

/// A message header and its slices.
struct Parts {
    header: libc::msghdr,
    slices: [libc::iovec; SLICES_MAX],
}

impl Gather {
    fn new() -> Self {
        // SAFETY: zeroes are a valid header and valid slices, without any memory.
        Self(unsafe { Box::new(mem::zeroed()) })
    }

    /// Points at the queue's first slices; returns how many bytes they are.
    fn fill(&mut self, queue: &BufList) -> (*const libc::msghdr, usize) {
        let Parts { header, slices } = &mut *self.0;
        let (mut count, mut bytes) = (0, 0);
        for (slice, buf) in slices.iter_mut().zip(queue.iter()) {
            slice.iov_base = buf.as_ptr().cast_mut().cast();
            slice.iov_len = buf.len().min(SEND_BYTES_MAX - bytes);
            count += 1;
            bytes += slice.iov_len;
            if bytes == SEND_BYTES_MAX {
                break;
            }
        }
        header.msg_iov = slices.as_mut_ptr();
        header.msg_iovlen = count;
        (header, bytes)
    }
}

impl Uring {
    /// Starts the next send, or the half-close behind the last one.
    pub(super) fn pump_send(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if entry.flight.has(Op::Send) || entry.flight.has(Op::PollOut) {
            return;
        }
        if !entry.outlet.is_empty() {
            self.start_send(sock);
        } else if entry.outlet.is_to_finish() {
            self.half_close(sock);
            self.on_drained(sock);
        }
    }

    fn half_close(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        entry.outlet.finish = Finish::Done;
        if let Some(fd) = &entry.fd {
            // A connection that is gone already refuses: its next use will tell.
            let _ = socket::finish(fd.as_fd());
        }
        self.on_half_closed(sock);
    }

    fn start_send(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        let fd = Fd(entry.raw());
        let Some(queue) = entry.outlet.queue() else {
            return;
        };
        let flags = |bytes| match entry.outlet.ends_behind(bytes) {
            true => FLAGS | libc::MSG_MORE,
            false => FLAGS,
        };
        let operation = if let Some(only) = queue.only() {
            let bytes = only.len().min(SEND_BYTES_MAX);
            entry.sending = bytes as u32;
            opcode::Send::new(fd, only.as_ptr(), entry.sending)
                .flags(flags(bytes))
                .build()
        } else {
            let mut gather = self.gathers.pop().unwrap_or_else(Gather::new);
            let (header, bytes) = gather.fill(queue);
            let operation = opcode::SendMsg::new(fd, header).flags(flags(bytes) as u32);
            (entry.gather, entry.sending) = (Some(gather), bytes as u32);
            operation.build()
        };
        // SAFETY: queue and gather stay as they are while Send is in flight: bytes leave the queue's
        // front in `on_sent` only, and the entry outlives its operations.
        unsafe { self.push(sock, Op::Send, operation) };
    }

    pub(super) fn on_sent(&mut self, sock: Sock, result: i32, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if let Some(gather) = entry.gather.take() {
            self.gathers.push(gather);
        }
        if entry.is_ending() {
            // Unless the caller has closed it, what left before it failed is still told.
            if entry.has_failed() && result > 0 {
                let (bytes, _) = entry.outlet.advance(result as usize, &mut self.spares);
                if bytes > 0 {
                    events.push(Event::Sent { sock, bytes });
                }
            }
            return self.mark_dirty(sock);
        }
        if result < 0 {
            return self.on_send_error(sock, -result);
        }
        // A send that waits for all of its bytes and is short may have met an error, which it then
        // keeps to itself: a receive would take the end that follows for the peer's FIN.
        let is_short = (result as usize) < entry.sending as usize;
        let is_dead = is_short
            && entry
                .fd
                .as_ref()
                .is_some_and(|fd| descriptor::is_dead(fd.as_fd()));
        let (own, relayed) = entry.outlet.advance(result as usize, &mut self.spares);
        if own > 0 {
            events.push(Event::Sent { sock, bytes: own });
        }
        if relayed > 0 {
            self.on_relayed(sock, relayed);
        }
        if is_dead {
            return self.fail(sock, io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        self.after_send(sock);
    }

    fn on_send_error(&mut self, sock: Sock, code: i32) {
        match code {
            libc::EINTR => self.mark_dirty(sock),
            // The descriptor does not block, and so the send did not wait.
            libc::EAGAIN => self.pump_poll_out(sock),
            _ => self.fail(sock, io::Error::from_raw_os_error(code)),
        }
    }

    fn after_send(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        if !entry.outlet.is_empty() || matches!(entry.phase, Phase::Leaving) {
            self.mark_dirty(sock);
        } else if entry.outlet.is_to_finish() {
            // At once: the kernel keeps the last bytes back for it.
            self.half_close(sock);
        }
        self.on_drained(sock);
    }
}

impl Entry {
    /// Nothing is queued or under way in our direction.
    pub(super) fn has_sent_all(&self) -> bool {
        self.is_drained() && self.outlet.is_at_rest()
    }

    /// Nothing is queued or under way that what a relay moves would overtake.
    pub(super) fn is_drained(&self) -> bool {
        self.outlet.is_empty() && !self.flight.has(Op::Send) && self.target().is_none()
    }
}
