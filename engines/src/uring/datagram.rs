//! UDP: readiness from the ring, then system calls that do not wait.

use super::{Uring, entry::Op};
use crate::{Datagram, Event, Kind, Sock, packet};
use std::{io, os::fd::AsFd};

/// Datagrams taken from one socket in one turn.
const DATAGRAMS_MAX: usize = 64;

impl Uring {
    pub(super) fn pump_datagrams(&mut self, sock: Sock) {
        match self.socks.get(sock) {
            Some(entry) if entry.inlet.wanted => self.pump_poll_in(sock),
            Some(_) => self.cancel(sock, Op::PollIn),
            None => {}
        }
    }

    pub(super) fn serve_datagrams(&mut self, sock: Sock, events: &mut Vec<Event>) {
        for _ in 0..DATAGRAMS_MAX {
            if self.is_full(events) {
                break;
            }
            let Some(entry) = self.socks.get_mut(sock) else {
                return;
            };
            let Some(fd) = entry.fd.as_ref().filter(|_| entry.inlet.wanted) else {
                return;
            };
            match packet::receive(fd.as_fd(), &mut self.datagram) {
                Ok(datagram) => events.push(Event::Datagram { sock, datagram }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    entry.inlet.readable = false;
                    return;
                }
                // An earlier datagram came back (ICMP): says nothing about the next.
                Err(_) => {}
            }
        }
        self.mark_dirty(sock);
    }

    pub(super) fn send_datagram(&mut self, sock: Sock, datagram: &Datagram) {
        let Some(entry) = self.live(sock) else { return };
        let Some(fd) = entry.fd.as_ref().filter(|_| entry.kind == Kind::Datagram) else {
            return;
        };
        let Datagram { peer, local, data } = datagram;
        if packet::send(fd.as_fd(), peer, *local, data).is_err() {
            self.counters.datagrams_dropped += 1;
        }
    }
}
