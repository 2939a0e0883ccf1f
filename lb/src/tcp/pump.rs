//! A tunnel with TLS on one side or both: what one socket receives is decrypted, encrypted, and sent on
//! the other, and a socket is read while the other one takes what it brings.

use super::{Tunnel, TunnelKey};
use crate::{config::EndpointTls, limits, secure, stream::Flags, worker::Worker};
use engines::{Buf, BufMut, Sock};
use std::{sync::Arc, time::Duration};
use tls::{Facts, Fault, ServerContext, Session, What};

/// What a tunnel with TLS has more than another.
#[derive(Default)]
pub(crate) struct Pump {
    pub(super) down: End,
    pub(super) up: End,
    /// The client's handshake is not over.
    pub(super) is_handshaking: bool,
    /// TLS with the client has failed: it ends when the client has the alert that says so and ends too.
    pub(super) has_failed: bool,
    /// Bytes read and dropped since.
    dropped: usize,
}

/// One side of it.
#[derive(Default)]
pub(super) struct End {
    pub(super) tls: Option<Session>,
    /// Bytes queued in the engine.
    pub(super) unsent: usize,
    /// The engine was told to receive.
    pub(super) is_read: bool,
    /// The peer sends no more.
    pub(super) is_done: bool,
    /// We said that we send no more.
    pub(super) is_ended: bool,
}

impl End {
    /// Data can be sent on it.
    pub(super) fn is_open(&self) -> bool {
        self.tls.as_ref().is_none_or(Session::is_established)
    }
}

impl Pump {
    /// TLS with the client comes first.
    pub(super) fn accept(context: &Arc<ServerContext>, is_read: bool) -> Self {
        let down = End {
            tls: Some(Session::accept(context)),
            is_read,
            ..End::default()
        };
        Self {
            down,
            is_handshaking: true,
            ..Self::default()
        }
    }

    /// What TLS has agreed on with the endpoint.
    pub(super) fn up_facts(&self) -> Option<&Arc<Facts>> {
        self.up.tls.as_ref()?.facts()
    }

    /// What TLS has agreed on with the client.
    pub(super) fn facts(&self) -> Option<&Arc<Facts>> {
        self.down.tls.as_ref()?.facts()
    }

    /// How long it waits for the client's end once it has failed.
    pub(super) fn patience(&self) -> Option<Duration> {
        let time = match self.down.unsent {
            0 => limits::LINGER_TIME,
            _ => limits::FLUSH_TIME,
        };
        self.has_failed.then_some(time)
    }

    pub(super) fn end(&mut self, is_down: bool) -> &mut End {
        if is_down {
            &mut self.down
        } else {
            &mut self.up
        }
    }
}

impl Worker {
    /// A tunnel's client is to begin a handshake; see [`limits::HANDSHAKES_MAX`].
    pub(super) fn begin_tunnel_handshake(&mut self, key: TunnelKey) {
        let tunnels = &self.tunnels;
        let is_waiting = |key| tunnels.get(key).is_some_and(Tunnel::is_handshaking);
        let Some(oldest) = self.tunnel_handshakes.add(key, is_waiting) else {
            return;
        };
        if let Some(tunnel) = tunnels.get(oldest) {
            self.listener_stats(tunnel.place).handshake_overflows.inc();
        }
        self.end_tunnel(oldest, Flags::DOWNSTREAM_PROTOCOL);
    }

    /// The upstream socket is open.
    pub(super) fn start_pump(&mut self, key: TunnelKey, tls: Option<&EndpointTls>) {
        let mut records = std::mem::take(&mut self.net.records);
        let now = self.net.engine.wall().0;
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let pump = tunnel.pump.get_or_insert_default();
        pump.up = End::default();
        let session = tls.map(|tls| secure::connect(tls, false, now, &mut records));
        match session.transpose() {
            Ok(session) => {
                pump.up.tls = session;
                self.send_tunnel_records(key, false, &records);
                if tls.is_none() {
                    self.open_pump(key);
                }
            }
            Err(fault) => self.on_tunnel_fault(key, false, &fault),
        }
        records.clear();
        self.net.records = records;
        self.sync_pump(key);
        self.sync_tunnel(key);
    }

    /// Both sides can take data: what came early goes on.
    fn open_pump(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        (tunnel.connected, tunnel.since) = (true, self.now);
        tunnel.record.upstream_started = tunnel.record.moment(self.now);
        let is_finished = tunnel.finished.0;
        let mut early = std::mem::take(&mut tunnel.early);
        while let Some(part) = early.pop() {
            self.pass_on(key, true, part);
        }
        if is_finished {
            let is_cut = self.is_pump_cut(key);
            self.end_pump_half(key, true, is_cut);
        }
    }

    /// The client ended its direction without TLS saying so.
    pub(super) fn is_pump_cut(&self, key: TunnelKey) -> bool {
        let pump = self.tunnels.get(key).and_then(|t| t.pump.as_ref());
        let session = pump.and_then(|pump| pump.down.tls.as_ref());
        session.is_some_and(|session| session.on_eof().is_err())
    }

    /// Bytes arrived on one of a tunnel's sockets.
    pub(crate) fn on_tunnel_received(&mut self, key: TunnelKey, sock: Sock, mut data: BufMut) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let is_down = sock == tunnel.down;
        if let Some(pump) = tunnel.pump.as_mut().filter(|pump| pump.has_failed) {
            pump.dropped += data.len();
            if pump.dropped > limits::LINGER_BYTES_MAX {
                self.end_tunnel(key, Flags::DOWNSTREAM_PROTOCOL);
            }
            return;
        }
        let is_secure = match &mut tunnel.pump {
            // Nobody takes what came behind the fault.
            Some(pump) => pump.end(is_down).tls.is_some(),
            None => false,
        };
        if !is_secure {
            return self.pass_on(key, is_down, data.freeze());
        }
        while !data.is_empty() {
            let Some(step) = self.open_tunnel_records(key, is_down, &mut data) else {
                return;
            };
            let (part, what) = match step {
                Ok(step) => (data.split_to(step.used), step.what),
                Err(fault) => return self.on_tunnel_fault(key, is_down, &fault),
            };
            match what {
                What::Nothing => {}
                What::Data(at) => {
                    let mut part = part.freeze();
                    part.truncate(at.end);
                    part.skip(at.start);
                    self.pass_on(key, is_down, part);
                }
                What::Joined(joined) => self.pass_on(key, is_down, Buf::from(joined)),
                What::Established => self.on_tunnel_established(key, is_down),
                What::Closed => self.end_pump_half(key, is_down, false),
            }
        }
        self.sync_pump(key);
    }

    fn open_tunnel_records(
        &mut self,
        key: TunnelKey,
        is_down: bool,
        data: &mut BufMut,
    ) -> Option<Result<tls::Step, Fault>> {
        let now = self.net.engine.wall().0;
        let mut records = std::mem::take(&mut self.net.records);
        let pump = self.tunnels.get_mut(key).and_then(|t| t.pump.as_mut());
        let session = pump.and_then(|pump| pump.end(is_down).tls.as_mut());
        let step = session.map(|session| session.receive(now, data, &mut records));
        self.send_tunnel_records(key, is_down, &records);
        records.clear();
        self.net.records = records;
        step
    }

    /// Sends what TLS itself has to say on one side.
    pub(super) fn send_tunnel_records(&mut self, key: TunnelKey, is_down: bool, records: &[u8]) {
        if !records.is_empty() {
            let records = self.net.blocks.write(records);
            self.send_tunnel(key, is_down, records);
        }
    }

    fn send_tunnel(&mut self, key: TunnelKey, is_down: bool, data: Buf) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let sock = if is_down {
            Some(tunnel.down)
        } else {
            tunnel.up
        };
        if let (Some(sock), Some(pump)) = (sock, &mut tunnel.pump) {
            pump.end(is_down).unsent += data.len();
            self.net.engine.send(sock, data);
        }
    }

    /// A handshake is over: the other side is next, or both can take data.
    fn on_tunnel_established(&mut self, key: TunnelKey, is_down: bool) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        if let Some(pump) = &mut tunnel.pump {
            pump.is_handshaking &= !is_down;
        }
        let session = tunnel
            .pump
            .as_mut()
            .and_then(|p| p.end(is_down).tls.as_ref());
        if let Some(facts) = session.and_then(Session::facts) {
            self.stats.tls.count_handshake(facts, is_down);
        }
        if is_down {
            self.tunnel_handshakes.end();
            self.connect_tunnel(key, None);
        } else {
            self.open_pump(key);
        }
    }

    /// Data that one side brought goes to the other, or waits until that is open.
    fn pass_on(&mut self, key: TunnelKey, from_down: bool, data: Buf) {
        let now = self.net.engine.wall().0;
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        tunnel.since = self.now;
        let pump = tunnel.pump.as_mut().filter(|_| tunnel.connected);
        let Some(end) = pump.map(|pump| pump.end(!from_down)) else {
            // What waits leaves its receive block.
            tunnel.early.push(Buf::copy_of(&data));
            return;
        };
        let len = data.len() as u64;
        let sent = match &mut end.tls {
            Some(session) => {
                let net = &mut self.net;
                secure::seal(session, now, &net.blocks, &mut net.short, &[&data])
            }
            None => Ok(data),
        };
        let stats = &self.stats.listeners[tunnel.place.listener as usize];
        if from_down {
            tunnel.record.request_bytes += len;
            stats.received_bytes.add(len);
        } else {
            tunnel.record.response_bytes += len;
            stats.sent_bytes.add(len);
        }
        match sent {
            Ok(data) => self.send_tunnel(key, !from_down, data),
            Err(fault) => self.on_tunnel_fault(key, !from_down, &fault),
        }
    }

    /// Part of what was queued on one of a tunnel's sockets has left.
    pub(crate) fn on_tunnel_sent(&mut self, key: TunnelKey, sock: Sock, bytes: usize) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let is_down = sock == tunnel.down;
        let Some(pump) = &mut tunnel.pump else { return };
        let end = pump.end(is_down);
        end.unsent = end.unsent.saturating_sub(bytes);
        tunnel.since = self.now;
        self.end_spent_pump(key);
        self.sync_pump(key);
        self.sync_tunnel(key);
    }

    /// Brings the engine's receiving on both sides in line with what the other can take.
    pub(super) fn sync_pump(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let high = tunnel.epoch.listener(tunnel.place.listener).buffer_limit;
        let (down, up, connected) = (tunnel.down, tunnel.up, tunnel.connected);
        let Some(pump) = &mut tunnel.pump else { return };
        let has_failed = pump.has_failed;
        for is_down in [true, false] {
            let far_has_room = pump.end(!is_down).unsent < high;
            let end = pump.end(is_down);
            let is_useful = has_failed || !end.is_open() || connected && far_has_room;
            let is_wanted = !end.is_done && is_useful;
            let sock = if is_down { Some(down) } else { up };
            let Some(sock) = sock.filter(|_| is_wanted != end.is_read) else {
                continue;
            };
            end.is_read = is_wanted;
            if is_wanted {
                self.net.engine.resume(sock);
            } else {
                self.net.engine.pause(sock);
            }
        }
    }
}
