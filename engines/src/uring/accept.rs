//! Accepting, and backing off when descriptors or memory run out.

use super::{
    Uring, descriptor,
    entry::{Entry, Op},
    rest::Idle,
};
use crate::{Event, Kind, Sock, SockAddr, lessee::Park, socket};
use io_uring::{opcode, types::Fd};
use std::{
    io,
    os::fd::{AsFd, FromRawFd, OwnedFd},
};

/// Connections taken from one non-blocking listener in one turn.
const ACCEPTS_MAX: usize = 64;

impl Uring {
    /// Starts or ends accepting, as wanted. A listener that does not block (it came from elsewhere
    /// and may be shared) would fail an accept in the ring instead of waiting: its readiness is
    /// awaited.
    pub(super) fn pump_accept(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        let inlet = &entry.inlet;
        if !inlet.wanted {
            self.cancel(sock, Op::Accept);
            self.cancel(sock, Op::PollIn);
        } else if inlet.nonblocking {
            self.pump_poll_in(sock);
        } else if !entry.flight.has(Op::Accept) && inlet.lessee.parked.is_none() {
            let operation = opcode::AcceptMulti::new(Fd(entry.raw()))
                .flags(libc::SOCK_CLOEXEC)
                .build();
            // SAFETY: the operation names no memory.
            unsafe { self.push(sock, Op::Accept, operation) };
        }
    }

    /// Awaits readiness in the kernel's own edge-triggered way. Once for who rests or receives bulk, as
    /// a short receive does not tell whether there is an end behind it. A source that is spliced from
    /// stays readable while the pipe is full.
    pub(super) fn pump_poll_in(&mut self, sock: Sock) {
        let Some(entry) = self.socks.get(sock) else {
            return;
        };
        let (raw, readable) = (entry.raw(), entry.inlet.readable);
        let receives = entry.inlet.lessee.is_bulk() && !self.is_splicing(sock);
        let once = entry.inlet.idle == Idle::Rests || receives;
        let armed = entry.flight.has(Op::PollIn) || entry.inlet.lessee.parked.is_some();
        if readable {
            self.mark_ready(sock);
        }
        if !armed {
            let operation = opcode::PollAdd::new(Fd(raw), libc::POLLIN as u32)
                .multi(!once)
                .build();
            self.counters.rearms += 1;
            // SAFETY: the operation names no memory.
            unsafe { self.push(sock, Op::PollIn, operation) };
        }
    }

    pub(super) fn on_accepted(&mut self, listener: Sock, result: i32, events: &mut Vec<Event>) {
        if result < 0 {
            self.on_accept_error(listener, io::Error::from_raw_os_error(-result), events);
        } else if descriptor::is_connection(result) {
            // SAFETY: the kernel made this descriptor for us a moment ago, and it is open.
            let fd = unsafe { OwnedFd::from_raw_fd(result) };
            let peer = socket::peer(fd.as_fd());
            self.admit(listener, fd, peer, events);
        } else {
            // Linux 6.6 to 6.8 hand out numbers that are no descriptors.
            self.counters.accept_failures += 1;
        }
        let armed = |e: &Entry| e.flight.has(Op::Accept);
        if !self.socks.get(listener).is_some_and(armed) {
            self.mark_dirty(listener);
        }
    }

    /// Takes a new connection in, unless its listener is about to go.
    fn admit(
        &mut self,
        listener: Sock,
        fd: OwnedFd,
        peer: Option<SockAddr>,
        events: &mut Vec<Event>,
    ) {
        let Some(entry) = self.socks.get(listener) else {
            return;
        };
        if entry.is_ending() {
            return;
        }
        let fixed = entry.rare().and_then(|rare| rare.local.clone());
        let local = fixed.or_else(|| socket::local(fd.as_fd()));
        let (Some(peer), Some(local)) = (peer, local) else {
            return; // Gone again already: nothing to tell.
        };
        let class = entry.inlet.lessee.class;
        let sock = self.socks.insert(Entry::new(Some(fd), Kind::Stream, class));
        events.push(Event::Accepted {
            listener,
            sock,
            peer,
            local,
        });
    }

    fn on_accept_error(&mut self, listener: Sock, cause: io::Error, events: &mut Vec<Event>) {
        let Some(entry) = self.socks.get_mut(listener) else {
            return;
        };
        match cause.raw_os_error() {
            Some(libc::EAGAIN) => entry.inlet.nonblocking = true,
            Some(libc::ECANCELED | libc::EINTR) => {}
            _ if entry.is_ending() || socket::is_of_peer(&cause) => {}
            _ => {
                entry.inlet.lessee.parked = Some(Park::Backoff);
                self.backoffs.push(self.clock.now, listener);
                self.counters.accept_failures += 1;
                events.push(Event::AcceptFailed { listener, cause });
            }
        }
    }

    /// Lets the listeners go on whose rest is over.
    pub(super) fn end_backoffs(&mut self) {
        while let Some(listener) = self.backoffs.pop(self.clock.now) {
            if let Some(entry) = self.socks.get_mut(listener) {
                entry.inlet.lessee.parked = None;
                self.mark_dirty(listener);
            }
        }
    }

    /// Accepts from a readable non-blocking listener.
    pub(super) fn serve_listener(&mut self, listener: Sock, events: &mut Vec<Event>) {
        for _ in 0..ACCEPTS_MAX {
            let full = self.is_full(events);
            let Some(entry) = self.socks.get_mut(listener) else {
                return;
            };
            let going = entry.inlet.wanted && entry.inlet.lessee.parked.is_none();
            if full || !going {
                break;
            }
            let Some(fd) = &entry.fd else { return };
            match socket::accept(fd.as_fd(), true) {
                Ok((fd, peer)) => self.admit(listener, fd, Some(peer), events),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    entry.inlet.readable = false;
                    return;
                }
                Err(error) => self.on_accept_error(listener, error, events),
            }
        }
        self.mark_dirty(listener);
    }
}
