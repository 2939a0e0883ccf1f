//! Datagrams of a simulated network: each finds its own way, so they may overtake each other.

use super::{
    agenda::{Item, Packet},
    names,
    net::World,
    socket::{Body, Mailbox, NetKey, Socket},
};
use crate::{Datagram, ListenOptions, SockAddr};
use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

/// The longest payload that fits into a datagram.
const PAYLOAD_MAX: usize = 65_507;

impl World {
    pub(super) fn bind(
        &mut self,
        at: &SockAddr,
        options: &ListenOptions,
    ) -> io::Result<(NetKey, SockAddr)> {
        if at.inet().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let key = self.sockets.insert(Socket {
            holder: None,
            body: Body::Mailbox(Mailbox {
                at: at.clone(),
                queue: VecDeque::new(),
                bytes: 0,
            }),
        });
        let bound = self.mailboxes.bind(at, options, key, &mut self.ports);
        self.settle(key, bound)
    }

    /// Sends a datagram off; false where the socket refuses it.
    pub(super) fn send_packet(&mut self, key: NetKey, datagram: &Datagram) -> bool {
        let Some(socket) = self.sockets.get(key) else {
            return false;
        };
        let (Some(local), Some(peer)) = (socket.body.local().inet(), datagram.peer.inet()) else {
            return false;
        };
        let fits = datagram.data.len() <= PAYLOAD_MAX && peer.port() != 0;
        if !fits || local.is_ipv4() != peer.is_ipv4() {
            return false;
        }
        let (source, to) = names::route(&peer);
        let bound = Some(local.ip()).filter(|ip| !ip.is_unspecified());
        let from = datagram.local.or(bound).unwrap_or(source.ip());
        let packet = Packet {
            from: SocketAddr::new(from, local.port()).into(),
            to: to.ip(),
            data: datagram.data.to_vec(),
        };
        let targets = self.mailboxes.find(&to.into()).unwrap_or_default();
        let Some(at) = targets.get(self.rng.index(targets.len())).copied() else {
            return true;
        };
        if self.faults.doubled_datagrams.strikes(&mut self.rng) {
            let packet = packet.clone();
            self.post(at, packet);
        }
        if !self.faults.lost_datagrams.strikes(&mut self.rng) {
            self.post(at, packet);
        }
        true
    }

    fn post(&mut self, at: NetKey, packet: Packet) {
        let when = self.clock.now + self.draw_latency() + self.draw_jitter();
        self.agenda.add(when, Item::Packet { at, packet });
    }

    /// A datagram arrived; a full socket drops it.
    pub(super) fn on_packet(&mut self, at: NetKey, packet: Packet) {
        let window = self.faults.window;
        if let Some(socket) = self.sockets.get_mut(at)
            && let Body::Mailbox(mailbox) = &mut socket.body
            && (mailbox.queue.is_empty() || mailbox.bytes < window)
        {
            mailbox.bytes += packet.data.len();
            mailbox.queue.push_back(packet);
            self.wake(at);
        }
    }

    pub(super) fn take_packet(&mut self, key: NetKey) -> Option<Packet> {
        let Body::Mailbox(mailbox) = &mut self.sockets.get_mut(key)?.body else {
            return None;
        };
        let packet = mailbox.queue.pop_front()?;
        mailbox.bytes -= packet.data.len();
        Some(packet)
    }

    pub(super) fn draw_latency(&mut self) -> Duration {
        let (low, high) = self.faults.latency;
        self.draw_between(low, high)
    }

    pub(super) fn draw_jitter(&mut self) -> Duration {
        self.draw_between(Duration::ZERO, self.faults.jitter)
    }

    pub(super) fn draw_between(&mut self, low: Duration, high: Duration) -> Duration {
        if high <= low {
            return low;
        }
        let (low, high) = (low.as_nanos() as u64, high.as_nanos() as u64);
        Duration::from_nanos(self.rng.between(low, high))
    }
}
