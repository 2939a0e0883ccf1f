//! UDP.

use super::Reactor;
use crate::{Event, Sock, packet};
use std::io;

/// Datagrams taken from one socket in one turn.
const DATAGRAMS_MAX: usize = 64;

impl Reactor {
    pub(super) fn serve_datagrams(&mut self, sock: Sock, events: &mut Vec<Event>) {
        for _ in 0..DATAGRAMS_MAX {
            if self.is_full(events) {
                break;
            }
            let Some(entry) = self.socks.get_mut(sock) else {
                return;
            };
            if !entry.readable || !entry.receives() {
                return;
            }
            match entry.with_fd(|fd| packet::receive(fd, &mut self.datagram)) {
                Ok(datagram) => events.push(Event::Datagram { sock, datagram }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => entry.readable = false,
                // An earlier datagram came back (ICMP): says nothing about the next.
                Err(_) => {}
            }
        }
        self.mark_later(sock);
    }
}
