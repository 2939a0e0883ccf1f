//! How connections begin and sockets go.

use super::{
    SimEngine,
    entry::Phase,
    net::carry,
    socket::{NetKey, State},
};
use crate::{Event, Sock};
use std::io;

impl SimEngine {
    pub(super) fn start_connect(&mut self, sock: Sock, key: NetKey) {
        let started = self.net.world().connect(key);
        match (started, self.entries.get_mut(sock)) {
            (Ok(()), Some(entry)) => entry.phase = Phase::Connecting,
            (Err(cause), _) => self.fail(sock, cause),
            (Ok(()), None) => {}
        }
    }

    pub(super) fn check_connect(&mut self, sock: Sock, key: NetKey, events: &mut Vec<Event>) {
        let answer = self.net.world().stream(key).map(|s| (s.state, s.error));
        let Some((state, error)) = answer else { return };
        if state == State::Open {
            if let Some(entry) = self.entries.get_mut(sock) {
                entry.phase = Phase::Open;
            }
            events.push(Event::Connected { sock });
            self.mark(sock);
        } else if let Some((code, _)) = error {
            self.fail(sock, io::Error::from_raw_os_error(code));
        }
    }

    /// Ends a socket that can do no more.
    pub(super) fn fail(&mut self, sock: Sock, cause: io::Error) {
        self.end(sock, Some(cause));
    }

    pub(super) fn end(&mut self, sock: Sock, cause: Option<io::Error>) {
        if let Some(entry) = self.live(sock) {
            entry.phase = Phase::Ending(cause);
            self.mark(sock);
        }
    }

    /// Tells that a socket is gone.
    pub(super) fn tell_closed(&mut self, sock: Sock, events: &mut Vec<Event>) {
        self.tell_last(sock, events);
        let Some(entry) = self.remove(sock) else {
            return;
        };
        match entry.key {
            Some(key) if entry.aborts => self.net.world().abort_for_holder(key),
            Some(key) => self.net.world().close(key),
            None => {}
        }
        if let Phase::Ending(cause) = entry.phase {
            events.push(Event::Closed { sock, cause });
        }
    }

    /// Hands out a socket that was detached and whose sends have left.
    pub(super) fn leave_if_done(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let done = self.entries.get(sock).is_some_and(|entry| {
            entry.is_leaving && matches!(entry.phase, Phase::Open) && entry.has_sent_all()
        });
        if !done {
            return;
        }
        self.tell_last(sock, events);
        let Some(entry) = self.remove(sock) else {
            return;
        };
        if let Some(key) = entry.key {
            self.net.world().hold(key, None);
            let carried = carry(key, entry.kind, entry.unread);
            events.push(Event::Detached { sock, carried });
        }
    }

    fn remove(&mut self, sock: Sock) -> Option<super::Entry> {
        let mut entry = self.entries.remove(sock)?;
        if entry.is_waiting_for_blocks() {
            self.net.world().seat(self.id).parked -= 1;
        }
        self.unlink(&mut entry);
        Some(entry)
    }
}
