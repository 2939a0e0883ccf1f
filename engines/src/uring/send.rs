//! Sending: one operation in flight per socket, gathered from its queue.
//!
//! Two sends in flight on one socket would overtake each other. The buffers in flight stay at the
//! front of the queue until the completion was seen.

use super::{
    Uring,
    entry::{Entry, Op, Phase},
};
use crate::{Buf, BufList, Event, Sock, socket};
use io_uring::{opcode, types::Fd};
use std::{io, mem, os::fd::AsFd};

/// Slices in one gathered send.
const SLICES_MAX: usize = 64;
/// Bytes in one send: a slow reader's progress shows at least so often.
const SEND_BYTES_MAX: usize = 512 << 10;
const FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// The sending side of a socket.
#[derive(Default)]
pub(super) struct Outlet {
    pub(super) queue: BufList,
    /// What a gathered send in flight names.
    gather: Option<Gather>,
    /// Who gave the queued bytes, once the socket was a relay's target.
    shares: Vec<Share>,
    pub(super) finish: Finish,
}

/// Whether our direction is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Finish {
    #[default]
    No,
    Asked,
    Done,
}

/// A run of queued bytes that came from one side.
struct Share {
    bytes: usize,
    relayed: bool,
}

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

    /// Points at the queue's first slices.
    fn fill(&mut self, queue: &BufList) -> *const libc::msghdr {
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
        header
    }
}

impl Outlet {
    /// Queues bytes of the caller or of a relay.
    pub(super) fn push(&mut self, data: Buf, relayed: bool) {
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

    /// Drops bytes that left; returns how many were the caller's and how many a relay's.
    fn advance(&mut self, bytes: usize) -> (usize, usize) {
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

impl Uring {
    /// Starts the next send, or the half-close behind the last one.
    pub(super) fn pump_send(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if entry.flight.has(Op::Send) || entry.flight.has(Op::PollOut) {
            return;
        }
        if entry.outlet.queue.is_empty() {
            if entry.outlet.finish == Finish::Asked {
                entry.outlet.finish = Finish::Done;
                if let Some(fd) = &entry.fd {
                    // A connection that is gone already refuses: its next use will tell.
                    let _ = socket::finish(fd.as_fd());
                }
                self.on_half_closed(sock);
            }
            return self.on_drained(sock);
        }
        self.start_send(sock);
    }

    fn start_send(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        let fd = Fd(entry.raw());
        let outlet = &mut entry.outlet;
        let operation = if let Some(only) = outlet.queue.only() {
            let bytes = only.len().min(SEND_BYTES_MAX) as u32;
            opcode::Send::new(fd, only.as_ptr(), bytes)
                .flags(FLAGS)
                .build()
        } else {
            let mut gather = self.gathers.pop().unwrap_or_else(Gather::new);
            let header = gather.fill(&outlet.queue);
            outlet.gather = Some(gather);
            opcode::SendMsg::new(fd, header).flags(FLAGS as u32).build()
        };
        // SAFETY: queue and gather stay as they are while Send is in flight: bytes leave the queue's
        // front in `on_sent` only, and the entry outlives its operations.
        unsafe { self.push(sock, Op::Send, operation) };
    }

    pub(super) fn on_sent(&mut self, sock: Sock, result: i32, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get_mut(sock) else {
            return;
        };
        if let Some(gather) = entry.outlet.gather.take() {
            self.gathers.push(gather);
        }
        if entry.is_ending() {
            return self.mark_dirty(sock);
        }
        if result < 0 {
            return self.on_send_error(sock, -result);
        }
        let (own, relayed) = entry.outlet.advance(result as usize);
        if own > 0 {
            events.push(Event::Sent { sock, bytes: own });
        }
        if relayed > 0 {
            self.on_relayed(sock, relayed);
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
        if !entry.outlet.queue.is_empty()
            || entry.outlet.finish == Finish::Asked
            || matches!(entry.phase, Phase::Leaving)
            || entry.source.is_some()
        {
            self.mark_dirty(sock);
        }
    }
}

impl Entry {
    /// Nothing is queued or under way in our direction.
    pub(super) fn has_sent_all(&self) -> bool {
        self.outlet.queue.is_empty()
            && !self.flight.has(Op::Send)
            && self.outlet.finish != Finish::Asked
    }
}
