//! Connecting and sending: all that a turn queued leaves in one call, the rest when the socket takes
//! it.

use super::{
    Reactor,
    entry::{Dial, Entry},
};
use crate::{Event, Sock, outlet::Finish, socket};
use std::io;

/// Gathered sends of one socket in one turn.
const SENDS_MAX: usize = 4;

impl Reactor {
    /// Goes on with connecting; true when the socket is connected.
    pub(super) fn dial(&mut self, sock: Sock, events: &mut Vec<Event>) -> bool {
        let Some(entry) = self.socks.get_mut(sock) else {
            return false;
        };
        let connected = match entry.dial {
            Dial::Asked => {
                let target = entry.rare_mut().target.take();
                entry.settle();
                let gone = || io::Error::from_raw_os_error(libc::EBADF);
                entry.with_fd(|fd| socket::connect(fd, &*target.ok_or_else(gone)?))
            }
            Dial::UnderWay if entry.writable => entry.with_fd(socket::take_error).map(|()| true),
            Dial::UnderWay => Ok(false),
            Dial::Done => Ok(true),
        };
        match connected {
            Ok(true) => {
                entry.dial = Dial::Done;
                entry.writable = true;
                events.push(Event::Connected { sock });
                // A source may have waited for that.
                self.on_drained(sock);
                return true;
            }
            Ok(false) => {
                entry.dial = Dial::UnderWay;
                entry.writable = false;
            }
            Err(cause) => self.fail(sock, cause),
        }
        false
    }

    pub(super) fn serve_send(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let queued = |entry: &Entry| !entry.outlet.is_empty();
        let had_queued = self.socks.get(sock).is_some_and(queued);
        let own = self.send_queued(sock);
        if own > 0 {
            events.push(Event::Sent { sock, bytes: own });
        }
        let Some(entry) = self.socks.get_mut(sock).filter(|entry| !entry.is_ending()) else {
            return;
        };
        if !entry.outlet.is_empty() {
            if entry.writable {
                self.mark_later(sock);
            }
            return;
        }
        // A source that waits for this socket may go on.
        let frees = had_queued || entry.piped && entry.writable;
        if entry.outlet.is_to_finish() {
            entry.outlet.finish = Finish::Done;
            // A connection that is gone already refuses: its next use will tell.
            let _ = entry.with_fd(socket::finish);
            self.on_half_closed(sock);
        }
        if frees {
            self.on_drained(sock);
        }
    }

    /// Sends what is queued; returns how many bytes of the caller's left.
    fn send_queued(&mut self, sock: Sock) -> usize {
        let mut own = 0;
        for _ in 0..SENDS_MAX {
            let Some(entry) = self.socks.get_mut(sock) else {
                break;
            };
            if !entry.writable || entry.outlet.is_empty() {
                break;
            }
            match entry.with_fd(|fd| entry.outlet.send(fd)) {
                Ok((sent, asked)) => {
                    // What took less than it was given is full.
                    entry.writable = sent == asked;
                    let (of_caller, of_relay) = entry.outlet.advance(sent, &mut self.spares);
                    own += of_caller;
                    if of_relay > 0 {
                        self.on_relayed(sock, of_relay);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => entry.writable = false,
                Err(error) => {
                    self.fail(sock, error);
                    break;
                }
            }
        }
        own
    }
}
