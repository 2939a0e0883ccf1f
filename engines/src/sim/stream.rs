//! Connections of a simulated network, as TCP makes them.
//!
//! Each direction is a queue of segments that arrive in order, each at its time. A reset ends both
//! directions; a closed end lives on until nothing is under way to it, to answer what comes late.

use super::{
    agenda::Item,
    names,
    net::World,
    socket::{Body, NetKey, Readable, Segment, Socket, State, Stream},
};
use crate::{SockAddr, socket::unnamed};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// How often a request to connect is sent, each time after twice the rest.
const SYN_TRIES: u32 = 7;
/// Rest after the first request to connect.
const SYN_REST: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn open_stream(&mut self, to: &SockAddr) -> NetKey {
        let local = match to {
            SockAddr::Inet(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into(),
            SockAddr::Unix(_) => unnamed(),
        };
        self.insert_stream(Stream::new(local, to.clone(), State::New))
    }

    fn insert_stream(&mut self, stream: Stream) -> NetKey {
        self.sockets.insert(Socket {
            holder: None,
            body: Body::Stream(Box::new(stream)),
        })
    }

    pub(super) fn stream(&mut self, key: NetKey) -> Option<&mut Stream> {
        match &mut self.sockets.get_mut(key)?.body {
            Body::Stream(stream) => Some(stream),
            Body::Listener(_) | Body::Mailbox(_) => None,
        }
    }

    /// Starts connecting to the stream's peer.
    pub(super) fn connect(&mut self, key: NetKey) -> io::Result<()> {
        let Some(to) = self.stream(key).map(|stream| stream.peer.clone()) else {
            return Ok(());
        };
        let mut port = None;
        let (local, to) = match to {
            SockAddr::Inet(to) => {
                port = Some(self.ports.take().ok_or(io::ErrorKind::AddrNotAvailable)?);
                let (mut from, to) = names::route(&to);
                from.set_port(port.unwrap_or_default());
                (from.into(), to.into())
            }
            SockAddr::Unix(_) => (unnamed(), to),
        };
        let latency = self.draw_latency();
        if let Some(stream) = self.stream(key) {
            (stream.local, stream.peer) = (local, to);
            (stream.port, stream.latency) = (port, latency);
        }
        let lost = self.faults.lost_connects.strikes(&mut self.rng);
        self.request(key, if lost { SYN_TRIES } else { 0 }, lost);
        Ok(())
    }

    fn request(&mut self, from: NetKey, tries: u32, lost: bool) {
        let latency = self.stream(from).map_or(Duration::ZERO, |s| s.latency);
        // The rests add up: 1 s, 2 s, 4 s ….
        let rest = match (tries, lost) {
            (0, _) => Duration::ZERO,
            (_, true) => SYN_REST * ((1 << tries) - 1),
            (_, false) => SYN_REST * (1 << (tries - 1)),
        };
        let at = self.clock.now + latency + rest;
        self.agenda.add(at, Item::Syn { from, tries });
    }

    /// A request to connect arrives.
    pub(super) fn on_syn(&mut self, from: NetKey, tries: u32) {
        let Some(to) = self.stream(from).map(|stream| stream.peer.clone()) else {
            return;
        };
        if tries == SYN_TRIES {
            return self.refuse(from, libc::ETIMEDOUT);
        }
        let listeners = self.listeners.find(&to).unwrap_or_default();
        let found = listeners.get(self.rng.index(listeners.len())).copied();
        let refused = self.faults.refused_connects.strikes(&mut self.rng);
        match found.filter(|_| !refused) {
            Some(listener) if self.has_room(listener) => self.establish(from, listener),
            Some(_) => self.request(from, tries + 1, false),
            None if self.is_unknown_path(&to) => self.refuse(from, libc::ENOENT),
            None => self.transmit_to(from, Segment::Refused),
        }
    }

    fn is_unknown_path(&self, to: &SockAddr) -> bool {
        to.inet().is_none() && self.listeners.find(to).is_none()
    }

    fn has_room(&self, listener: NetKey) -> bool {
        match self.sockets.get(listener).map(|socket| &socket.body) {
            Some(Body::Listener(listener)) => listener.queue.len() < listener.queue_max,
            Some(Body::Mailbox(_) | Body::Stream(_)) | None => false,
        }
    }

    fn establish(&mut self, from: NetKey, listener: NetKey) {
        let Some(client) = self.stream(from) else {
            return;
        };
        let (mut local, mut peer) = (client.peer.clone(), client.local.clone());
        let latency = client.latency;
        let both = self
            .sockets
            .get(listener)
            .and_then(|l| l.body.local().inet());
        if both.is_some_and(|at| at.is_ipv6()) {
            (local, peer) = (shown_mapped(local), shown_mapped(peer));
        }
        let mut server = Stream::new(local, peer, State::Open);
        (server.other, server.latency) = (Some(from), latency);
        let server = self.insert_stream(server);
        if let Some(client) = self.stream(from) {
            client.other = Some(server);
        }
        if let Some(Socket {
            body: Body::Listener(listener),
            ..
        }) = self.sockets.get_mut(listener)
        {
            listener.queue.push_back(server);
        }
        self.wake(listener);
        self.transmit_to(from, Segment::Established);
    }

    /// Sends a segment from `from` to its other end.
    fn transmit(&mut self, from: NetKey, segment: Segment) {
        if let Some(to) = self.stream(from).and_then(|stream| stream.other) {
            self.transmit_to(to, segment);
        }
    }

    /// Puts a segment on its way to `to`, behind all others.
    fn transmit_to(&mut self, to: NetKey, segment: Segment) {
        let at = self.clock.now + self.draw_jitter();
        let Some(stream) = self.stream(to) else {
            return;
        };
        let after = stream.inlet.flight.back().map(|(at, _)| *at);
        let at = after.map_or(at + stream.latency, |after| after.max(at + stream.latency));
        if let Segment::Data(data) = &segment {
            stream.inlet.flight_bytes += data.len();
        }
        stream.inlet.flight.push_back((at, segment));
        self.agenda.add(at, Item::Segment(to));
    }

    /// The next segment under way to `key` arrives.
    pub(super) fn on_segment(&mut self, key: NetKey) {
        let Some(stream) = self.stream(key) else {
            return;
        };
        let Some((_, segment)) = stream.inlet.flight.pop_front() else {
            return;
        };
        if stream.state == State::Orphan {
            return self.on_late(key, &segment);
        }
        match segment {
            Segment::Data(data) => {
                stream.inlet.flight_bytes -= data.len();
                stream.inlet.arrived.extend(&data);
            }
            Segment::Established => stream.state = State::Open,
            Segment::Fin => stream.inlet.is_ended = true,
            Segment::Refused => return self.refuse(key, libc::ECONNREFUSED),
            Segment::Reset => return self.on_reset(key),
        }
        self.wake(key);
    }

    /// Something arrives at an end that was closed.
    fn on_late(&mut self, key: NetKey, segment: &Segment) {
        match segment {
            Segment::Data(_) | Segment::Established => self.transmit(key, Segment::Reset),
            Segment::Fin | Segment::Refused | Segment::Reset => {}
        }
        self.forget(key);
    }

    fn refuse(&mut self, key: NetKey, code: i32) {
        if let Some(stream) = self.stream(key) {
            stream.error = Some((code, true));
            self.wake(key);
        }
    }

    fn on_reset(&mut self, key: NetKey) {
        let eaten = self.faults.eaten_answers.strikes(&mut self.rng);
        let early = self.faults.early_errors.strikes(&mut self.rng);
        if let Some(stream) = self.stream(key) {
            // As Linux tells it: a connection whose other direction has ended is broken.
            let code = if stream.inlet.is_ended {
                libc::EPIPE
            } else {
                libc::ECONNRESET
            };
            stream.error = Some((code, early));
            stream.other = None;
            if eaten {
                stream.inlet.arrived.clear();
            }
            self.wake(key);
        }
    }

    /// How many bytes the stream takes now; its fatal error once it has one.
    pub(super) fn room(&mut self, key: NetKey) -> Result<usize, i32> {
        let window = self.faults.window.max(1);
        let Some(stream) = self.stream(key) else {
            return Err(libc::EBADF);
        };
        if let Some((code, _)) = stream.error {
            return Err(code);
        }
        let other = stream.other;
        let Some(other) = other.and_then(|other| self.stream(other)) else {
            return Ok(window);
        };
        let room = window.saturating_sub(other.unread());
        other.is_awaited |= room == 0;
        Ok(if other.is_awaited { 0 } else { room })
    }

    /// Sends bytes for which there is room. The network may reset the connection instead.
    pub(super) fn write(&mut self, key: NetKey, data: Vec<u8>) -> Result<(), i32> {
        if self.faults.resets.strikes(&mut self.rng) {
            self.transmit(key, Segment::Reset);
            self.on_reset(key);
            return Err(libc::ECONNRESET);
        }
        self.transmit(key, Segment::Data(data));
        Ok(())
    }

    pub(super) fn readable(&mut self, key: NetKey) -> Readable {
        let Some(stream) = self.stream(key) else {
            return Readable::Error(libc::EBADF);
        };
        let inlet = &stream.inlet;
        match stream.error {
            _ if !inlet.arrived.is_empty() => Readable::Bytes(inlet.arrived.len()),
            Some((code, _)) => Readable::Error(code),
            None if inlet.is_ended => Readable::End,
            None => Readable::Nothing,
        }
    }

    /// Reads as many bytes as there is room for, and there have to be.
    pub(super) fn read(&mut self, key: NetKey, room: &mut [u8]) {
        let window = self.faults.window.max(1);
        let Some(stream) = self.stream(key) else {
            return;
        };
        let arrived = &mut stream.inlet.arrived;
        let (front, back) = arrived.as_slices();
        let cut = front.len().min(room.len());
        let behind = room.len() - cut;
        room[..cut].copy_from_slice(&front[..cut]);
        room[cut..].copy_from_slice(&back[..behind]);
        arrived.drain(..room.len());
        // RFC 9293 §3.8.6.2.2: a closed window opens in one go, not by every byte that is read.
        let opens = stream.is_awaited && stream.unread() <= window / 4 * 3;
        stream.is_awaited &= !opens;
        if let Some(other) = stream.other.filter(|_| opens) {
            self.wake(other);
        }
    }

    /// Ends our direction behind what was sent.
    pub(super) fn half_close(&mut self, key: NetKey) {
        if let Some(stream) = self.stream(key)
            && !std::mem::replace(&mut stream.is_finished, true)
        {
            self.transmit(key, Segment::Fin);
        }
    }

    /// Closes an end: in order if it has read everything, else with a reset.
    pub(super) fn close_stream(&mut self, key: NetKey) {
        let Some(stream) = self.stream(key) else {
            return;
        };
        if stream.other.is_none() || stream.error.is_some() {
            return self.forget(key);
        }
        if !stream.inlet.arrived.is_empty() {
            return self.abort(key);
        }
        if stream.state == State::Open {
            self.half_close(key);
        }
        self.hold(key, None);
        let Some(stream) = self.stream(key) else {
            return;
        };
        stream.state = State::Orphan;
        let awaited = std::mem::take(&mut stream.is_awaited);
        let (ended, other) = (stream.inlet.is_ended, stream.other);
        if ended {
            self.forget(key);
        }
        if let Some(other) = other.filter(|_| awaited) {
            self.wake(other);
        }
    }

    /// Ends a connection at once.
    pub(super) fn abort(&mut self, key: NetKey) {
        self.transmit(key, Segment::Reset);
        self.forget(key);
    }

    fn forget(&mut self, key: NetKey) {
        let removed = self.sockets.remove(key);
        if let Some(Socket {
            body: Body::Stream(stream),
            ..
        }) = removed
            && let Some(port) = stream.port
        {
            self.ports.release(port);
        }
    }
}

fn shown_mapped(at: SockAddr) -> SockAddr {
    match at {
        SockAddr::Inet(at) => names::mapped(at).into(),
        SockAddr::Unix(_) => at,
    }
}
