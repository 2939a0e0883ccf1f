//! A tunnel with TLS on one side or both: what one socket receives is decrypted, encrypted, and sent on
//! the other, and a socket is read while the other one takes what it brings.

use super::{Tunnel, TunnelKey};
use crate::{
    config::EndpointTls,
    limits,
    transport_failure::TransportFailure,
    transport_socket::{Input, TransportSocket},
    worker::Worker,
};
use engines::{Buf, BufMut, Sock};
use std::{sync::Arc, time::Duration};
use tls::{Facts, ServerContext};

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
    /// A direction was cut: it ends when the client has what came before.
    pub(super) is_cut: bool,
    /// What TLS had agreed on with an endpoint whose socket was given away.
    parted_facts: Option<Arc<Facts>>,
}

/// One side of it.
#[derive(Default)]
pub(super) struct End {
    pub(super) transport: TransportSocket,
    /// The engine was told to receive.
    pub(super) is_read: bool,
    /// The peer sends no more.
    pub(super) is_done: bool,
    /// We said that we send no more.
    pub(super) is_ended: bool,
    /// It was not TLS that said so: what the peer makes of that is no fault of its own.
    pub(super) is_cut_off: bool,
}

impl Pump {
    /// TLS with the client comes first.
    pub(super) fn accept(context: &Arc<ServerContext>, is_read: bool) -> Self {
        let down = End {
            transport: TransportSocket::accept(context),
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
        self.up.transport.facts().or(self.parted_facts.as_ref())
    }

    /// What the endpoint's socket has not sent yet, if there is anything, with its TLS.
    pub(super) fn take_unsent_up(&mut self) -> Option<TransportSocket> {
        if self.up.transport.is_flushed() {
            return None;
        }
        self.parted_facts = self.up.transport.facts().cloned();
        Some(std::mem::take(&mut self.up.transport))
    }

    /// Another endpoint is tried.
    pub(super) fn forget_up(&mut self) {
        (self.up, self.parted_facts) = (End::default(), None);
    }

    /// The name that the client asks for by TLS.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.down.transport.server_name()
    }

    /// What TLS has agreed on with the client.
    pub(super) fn facts(&self) -> Option<&Arc<Facts>> {
        self.down.transport.facts()
    }

    /// How long it waits for the client's end once it has failed, or for what the client has not got once it is cut.
    pub(super) fn patience(&self) -> Option<Duration> {
        let time = match self.down.transport.is_flushed() {
            true => limits::LINGER_TIME,
            false => limits::FLUSH_TIME,
        };
        (self.has_failed || self.is_cut).then_some(time)
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
        self.note_tunnel_failure(oldest, TransportFailure::overflow());
        self.end_failed_tunnel(oldest);
    }

    /// The upstream socket is open.
    pub(super) fn start_pump(&mut self, key: TunnelKey, tls: Option<&EndpointTls>) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let pump = tunnel.pump.get_or_insert_default();
        match (tls, tunnel.up) {
            (Some(tls), Some(up)) => {
                let io = &mut self.net.io();
                if let Err(fault) = pump.up.transport.connect(up, tls, false, io) {
                    self.on_tunnel_fault(key, false, &fault);
                }
            }
            (Some(_), None) => {}
            (None, _) => self.open_pump(key),
        }
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
        pump.is_some_and(|pump| pump.down.transport.on_eof().is_err())
    }

    /// Bytes arrived on one of a tunnel's sockets.
    pub(crate) fn on_tunnel_received(&mut self, key: TunnelKey, sock: Sock, mut data: BufMut) {
        let Some(tunnel) = self.tunnels.get(key) else {
            return;
        };
        let is_down = sock == tunnel.down;
        if tunnel.pump.is_none() {
            return self.pass_on(key, is_down, data.freeze());
        }
        loop {
            let pump = self.tunnels.get_mut(key).and_then(|t| t.pump.as_mut());
            let Some(pump) = pump else { return };
            if pump.has_failed {
                return self.on_unwanted(key, data.len());
            }
            if pump.is_cut {
                return;
            }
            let transport = &mut pump.end(is_down).transport;
            match transport.next_input(sock, &mut data, &mut self.net.io()) {
                None => break,
                Some(Ok(Input::Data(part))) => self.pass_on(key, is_down, part),
                Some(Ok(Input::Established)) => self.on_tunnel_established(key, is_down),
                Some(Ok(Input::Closed)) => self.end_pump_half(key, is_down, false),
                Some(Err(fault)) => return self.on_tunnel_fault(key, is_down, &fault),
            }
        }
        self.sync_pump(key);
    }

    /// Nobody takes what comes behind a fault.
    fn on_unwanted(&mut self, key: TunnelKey, bytes: usize) {
        let pump = self.tunnels.get_mut(key).and_then(|t| t.pump.as_mut());
        let Some(pump) = pump else { return };
        pump.dropped += bytes;
        if pump.dropped > limits::LINGER_BYTES_MAX {
            self.end_failed_tunnel(key);
        }
    }

    /// A handshake is over: the other side is next, or both can take data.
    fn on_tunnel_established(&mut self, key: TunnelKey, is_down: bool) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let Some(pump) = &mut tunnel.pump else { return };
        pump.is_handshaking &= !is_down;
        if let Some(facts) = pump.end(is_down).transport.facts() {
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
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        if tunnel.connected {
            tunnel.since = self.now;
        }
        let to = if from_down {
            tunnel.up
        } else {
            Some(tunnel.down)
        };
        let Some(pump) = tunnel.pump.as_mut().filter(|_| tunnel.connected) else {
            // What waits leaves its receive block.
            tunnel.early.push(Buf::copy_of(&data));
            return;
        };
        let len = data.len() as u64;
        let stats = &self.stats.listeners[tunnel.place.listener as usize];
        if from_down {
            tunnel.record.request_bytes += len;
            stats.received_bytes.add(len);
        } else {
            tunnel.record.response_bytes += len;
            stats.sent_bytes.add(len);
        }
        let transport = &mut pump.end(!from_down).transport;
        if let Some(to) = to
            && let Err(fault) = transport.send(to, data, &mut self.net.io())
        {
            self.on_tunnel_fault(key, !from_down, &fault);
        }
    }

    /// Part of what was queued on one of a tunnel's sockets has left.
    pub(crate) fn on_tunnel_sent(&mut self, key: TunnelKey, sock: Sock, bytes: usize) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let is_down = sock == tunnel.down;
        let Some(pump) = &mut tunnel.pump else { return };
        pump.end(is_down).transport.on_sent(bytes);
        // A handshake has all of its time once, whatever it sends.
        if tunnel.connected || pump.has_failed {
            tunnel.since = self.now;
        }
        self.end_spent_pump(key);
        self.sync_pump(key);
        self.sync_tunnel(key);
    }

    /// Brings the engine's receiving on both sides in line with what the other can take.
    pub(super) fn sync_pump(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let (epoch, target) = (&tunnel.epoch, tunnel.target);
        let down_high = epoch.listener(tunnel.place.listener).buffer_limit;
        let up_high = target.map_or(down_high, |at| epoch.cluster(at.cluster).buffer_limit);
        let (down, up, connected) = (tunnel.down, tunnel.up, tunnel.connected);
        let Some(pump) = &mut tunnel.pump else { return };
        let (has_failed, is_cut) = (pump.has_failed, pump.is_cut);
        for (is_down, far_high) in [(true, up_high), (false, down_high)] {
            let far_has_room = pump.end(!is_down).transport.unsent() < far_high;
            let end = pump.end(is_down);
            let is_useful = has_failed || !end.transport.is_open() || connected && far_has_room;
            let is_wanted = !end.is_done && is_useful && !is_cut;
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
