//! What the engine tells, and whom it concerns.

use super::{Owner, Worker};
use crate::conn::Conn;
use engines::Event;

impl Worker {
    /// What a turn tells of connections that wait in pools comes first, so that none that has ended is
    /// given to a request of this turn.
    pub(super) fn put_pools_first(&self, events: &mut [Event]) {
        let is_late = |event: &Event| !self.tells_of_pool(event);
        if !events.is_sorted_by_key(is_late) {
            events.sort_by_key(is_late);
        }
    }

    fn tells_of_pool(&self, event: &Event) -> bool {
        let sock = match event {
            Event::Received { sock, .. }
            | Event::Finished { sock }
            | Event::Closed { sock, .. } => *sock,
            Event::AcceptFailed { .. }
            | Event::Accepted { .. }
            | Event::Connected { .. }
            | Event::Datagram { .. }
            | Event::Detached { .. }
            | Event::Relayed { .. }
            | Event::Sent { .. }
            | Event::Woken => return false,
        };
        match self.owner(sock) {
            Some(Owner::Conn(key)) => self.net.conns.get(key).is_some_and(Conn::is_pooled),
            Some(Owner::Arrival(_) | Owner::Listener(_) | Owner::Tunnel(_)) | None => false,
        }
    }

    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::AcceptFailed { listener, .. } => {
                if let Some(Owner::Listener(index)) = self.owner(listener) {
                    self.stats.listeners[index as usize].accept_failures.inc();
                }
            }
            Event::Accepted {
                listener,
                sock,
                peer,
                local,
            } => match self.owner(listener) {
                Some(Owner::Listener(index)) => self.on_accepted(index, sock, peer, local),
                Some(Owner::Arrival(_) | Owner::Conn(_) | Owner::Tunnel(_)) | None => {
                    self.net.engine.close(sock);
                }
            },
            Event::Received { sock, data } => match self.owner(sock) {
                Some(Owner::Arrival(key)) => self.on_arriving(key, &data),
                Some(Owner::Conn(key)) => self.on_received(key, data),
                Some(Owner::Tunnel(key)) => self.on_tunnel_received(key, sock, data),
                Some(Owner::Listener(_)) | None => {}
            },
            Event::Sent { sock, bytes } => match self.owner(sock) {
                Some(Owner::Conn(key)) => self.on_sent(key, bytes),
                Some(Owner::Tunnel(key)) => self.on_tunnel_sent(key, sock, bytes),
                Some(Owner::Arrival(_) | Owner::Listener(_)) | None => {}
            },
            Event::Connected { sock } => match self.owner(sock) {
                Some(Owner::Conn(key)) => self.on_connected(key),
                Some(Owner::Tunnel(key)) => self.on_tunnel_connected(key),
                Some(Owner::Arrival(_) | Owner::Listener(_)) | None => {}
            },
            Event::Finished { sock } => match self.owner(sock) {
                Some(Owner::Arrival(key)) => self.on_arrival_finished(key),
                Some(Owner::Conn(key)) => self.on_finished(key),
                Some(Owner::Tunnel(key)) => self.on_tunnel_finished(key, sock),
                Some(Owner::Listener(_)) | None => {}
            },
            Event::Closed { sock, cause } => {
                let owner = self.owner(sock);
                self.disown(sock);
                match owner {
                    Some(Owner::Arrival(key)) => self.on_arrival_closed(key),
                    Some(Owner::Conn(key)) => self.on_closed(key, cause),
                    Some(Owner::Tunnel(key)) => self.on_tunnel_closed(key, sock),
                    Some(Owner::Listener(_)) | None => {}
                }
            }
            Event::Relayed { from, bytes } => match self.owner(from) {
                Some(Owner::Conn(key)) => self.on_passed(key, bytes),
                Some(Owner::Tunnel(key)) => self.on_relayed(key, from, bytes),
                Some(Owner::Arrival(_) | Owner::Listener(_)) | None => {}
            },
            Event::Woken => self.read_mailbox(),
            // No socket of ours is detached, none speaks UDP.
            Event::Detached { .. } | Event::Datagram { .. } => {}
        }
    }
}
