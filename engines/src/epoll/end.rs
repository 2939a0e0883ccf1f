//! How sockets go: closing, failing, and being given up.

use super::Reactor;
use crate::{Carried, Event, Handle, Sock};
use std::io;

impl Reactor {
    /// Ends a socket that can do no more.
    pub(super) fn fail(&mut self, sock: Sock, cause: io::Error) {
        self.end(sock, Some(cause));
    }

    pub(super) fn end(&mut self, sock: Sock, cause: Option<io::Error>) {
        if let Some(entry) = self.socks.get_mut(sock)
            && !entry.is_ending()
        {
            entry.end(cause);
            self.mark_ready(sock);
        }
    }

    /// Lets a socket go that is to end, or that is to leave and has nothing to send.
    pub(super) fn serve_end(&mut self, sock: Sock, events: &mut Vec<Event>) {
        match self.socks.get(sock) {
            Some(entry) if entry.is_ending() => self.tell_closed(sock, events),
            Some(entry) if entry.is_leaving() && entry.has_sent_all() => {
                self.tell_detached(sock, events);
            }
            Some(_) | None => {}
        }
    }

    fn tell_closed(&mut self, sock: Sock, events: &mut Vec<Event>) {
        self.tell_last(sock, events);
        self.unlink(sock);
        let Some(mut entry) = self.socks.remove(sock) else {
            return;
        };
        if entry.shared
            && entry.registered
            && let Some(fd) = &entry.fd
        {
            self.poller.remove(fd);
        }
        let cause = entry.take_rare().cause;
        // Closes the descriptor and gives the blocks of queued sends back.
        drop(entry);
        events.push(Event::Closed { sock, cause });
    }

    fn tell_detached(&mut self, sock: Sock, events: &mut Vec<Event>) {
        self.tell_last(sock, events);
        let mut unread = self.unlink(sock);
        let Some(mut entry) = self.socks.remove(sock) else {
            return;
        };
        unread.append(&mut entry.take_rare().unread);
        if let Some(fd) = entry.fd {
            if entry.registered {
                self.poller.remove(&fd);
            }
            let (handle, kind) = (Handle::Fd(fd), entry.kind);
            let carried = Carried {
                handle,
                kind,
                unread,
            };
            events.push(Event::Detached { sock, carried });
        }
    }
}
