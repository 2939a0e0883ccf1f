//! How a tunnel with TLS ends: each direction by itself, or both because a session failed.

use super::{Tunnel, TunnelKey};
use crate::{stream::Flags, transport_failure::TransportFailure, worker::Worker};
use engines::Sock;
use tls::Fault;

/// The detail where a side ended without TLS saying so.
const TRUNCATED: &str = "tls_truncated";

impl Tunnel {
    /// What it is that a side goes away now, if it is in its handshake.
    pub(super) fn cut_handshake(&self, is_down: bool) -> Option<Fault> {
        let pump = self.pump.as_ref()?;
        let transport = match is_down {
            true => &pump.down.transport,
            false => &pump.up.transport,
        };
        // Who only looks whether anybody is there breaks nothing off, and a fault was told before.
        let is_told = is_down && (transport.is_unused() || pump.has_failed);
        let is_cut = transport.is_handshaking() && !is_told;
        is_cut.then(|| transport.on_eof().err()).flatten()
    }
}

impl Worker {
    /// A socket brings no more.
    pub(super) fn on_pump_finished(&mut self, key: TunnelKey, sock: Sock) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let is_down = sock == tunnel.down;
        let cut = tunnel.cut_handshake(is_down);
        let Some(pump) = &mut tunnel.pump else { return };
        let end = pump.end(is_down);
        (end.is_read, end.is_done) = (false, true);
        let is_cut = end.transport.on_eof().is_err();
        let is_silent = is_down && end.transport.is_unused();
        match cut {
            _ if pump.has_failed || pump.is_cut => self.end_spent_pump(key),
            Some(fault) => self.on_tunnel_fault(key, is_down, &fault),
            None if is_silent => self.end_tunnel(key, Flags::DOWNSTREAM_TERMINATION),
            None => self.end_pump_half(key, is_down, is_cut),
        }
    }

    /// One side sends no more: the other is told, once it has all. `is_cut`: TLS did not say so, and neither
    /// is it said to the other side, which is to see that there may have been more. Where the other side has no TLS,
    /// only a reset shows that, and so ends the tunnel.
    pub(super) fn end_pump_half(&mut self, key: TunnelKey, from_down: bool, is_cut: bool) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let Some(pump) = &mut tunnel.pump else { return };
        pump.end(from_down).is_done = true;
        let must_reset = is_cut && tunnel.connected && !pump.end(!from_down).transport.is_secure();
        if from_down {
            tunnel.finished.0 = !must_reset;
        } else {
            tunnel.finished.1 = !must_reset;
        }
        if !tunnel.connected || std::mem::replace(&mut pump.end(!from_down).is_ended, true) {
            return;
        }
        if is_cut {
            pump.end(!from_down).is_cut_off = true;
            tunnel.record.detail = TRUNCATED;
            tunnel.record.flags.set(match from_down {
                true => Flags::DOWNSTREAM_TERMINATION,
                false => Flags::UPSTREAM_TERMINATION,
            });
        }
        if must_reset {
            return self.cut_tunnel(key, Flags::default());
        }
        let to = if from_down {
            tunnel.up
        } else {
            Some(tunnel.down)
        };
        if let Some(to) = to {
            if !is_cut {
                let transport = &mut pump.end(!from_down).transport;
                transport.close(to, &mut self.net.io());
            }
            self.net.engine.finish(to);
        }
        self.end_spent_pump(key);
    }

    /// A tunnel of which both directions have ended is over when all has left.
    pub(super) fn end_spent_pump(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get(key) else {
            return;
        };
        let Some(pump) = &tunnel.pump else { return };
        let is_flushed = pump.down.transport.is_flushed() && pump.up.transport.is_flushed();
        let is_over = tunnel.finished == (true, true) && is_flushed;
        let has_left = pump.is_cut && pump.down.transport.is_flushed();
        if pump.has_failed && pump.down.is_done && pump.down.transport.is_flushed() {
            self.end_failed_tunnel(key);
        } else if has_left || is_over && !pump.has_failed {
            self.end_tunnel(key, Flags::default());
        }
    }

    /// Counts a fault, and keeps it for the log.
    fn note_tunnel_fault(&mut self, key: TunnelKey, is_down: bool, fault: &Fault) {
        self.stats.tls.count_fault(fault.detail);
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let (place, cluster) = (tunnel.place, tunnel.config.cluster);
        tunnel.record.detail = fault.detail;
        if is_down {
            tunnel.failure = Some(fault.into());
            let is_new = tunnel.target.is_none();
            let stats = self.listener_stats(place);
            stats.handshake_failures.add(is_new.into());
        } else {
            tunnel.up_failure = Some(fault.into());
            let is_new = !tunnel.connected;
            let stats = self.cluster_stats(cluster);
            stats.handshake_failures.add(is_new.into());
            stats.connect_failures.add(is_new.into());
        }
    }

    /// A socket is gone within its handshake.
    pub(super) fn on_cut_tunnel(&mut self, key: TunnelKey, is_down: bool, fault: &Fault) {
        self.note_tunnel_fault(key, is_down, fault);
        if is_down {
            self.end_failed_tunnel(key);
        } else {
            self.retry_tunnel(key);
        }
    }

    /// The endpoint has not said enough in time: in its handshake, if it is in one.
    pub(super) fn time_endpoint_out(&mut self, key: TunnelKey) {
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let pump = tunnel.pump.as_ref();
        if pump.is_some_and(|pump| pump.up.transport.is_handshaking()) {
            let why = TransportFailure::timeout();
            tunnel.record.detail = why.detail();
            tunnel.up_failure = Some(why);
        }
    }

    /// TLS has failed on one side; the alert that says so was queued.
    pub(super) fn on_tunnel_fault(&mut self, key: TunnelKey, is_down: bool, fault: &Fault) {
        let pump = self.tunnels.get_mut(key).and_then(|t| t.pump.as_mut());
        if pump.is_some_and(|pump| pump.end(is_down).is_cut_off) {
            return self.end_tunnel(key, Flags::default());
        }
        self.note_tunnel_fault(key, is_down, fault);
        let Some(tunnel) = self.tunnels.get(key) else {
            return;
        };
        match (is_down, !tunnel.connected) {
            (true, _) => self.fail_pump(key),
            (false, true) => {
                self.retry_tunnel(key);
            }
            (false, false) => {
                let flag = match fault.is_ours {
                    true => Flags::LOCAL_RESET,
                    false => Flags::UPSTREAM_PROTOCOL,
                };
                self.cut_tunnel(key, flag);
            }
        }
    }

    /// TLS with the client has failed for a reason of ours.
    pub(super) fn note_tunnel_failure(&mut self, key: TunnelKey, why: TransportFailure) {
        if let Some(tunnel) = self.tunnels.get_mut(key) {
            tunnel.record.detail = why.detail();
            tunnel.failure = Some(why);
        }
    }

    /// The client is told that its session failed, and the tunnel ends.
    pub(super) fn fail_pump(&mut self, key: TunnelKey) {
        self.leave_endpoint(key);
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        let down = tunnel.down;
        tunnel.since = self.now;
        if let Some(pump) = &mut tunnel.pump {
            pump.has_failed = true;
            if std::mem::take(&mut pump.is_handshaking) {
                self.tunnel_handshakes.end();
            }
        }
        self.net.engine.finish(down);
        self.end_spent_pump(key);
        self.sync_pump(key);
        self.sync_tunnel(key);
    }

    /// A tunnel is over with whose client TLS has failed.
    pub(super) fn end_failed_tunnel(&mut self, key: TunnelKey) {
        let failure = self.tunnels.get(key).and_then(|t| t.failure.as_ref());
        let flag = failure.map_or(Flags::DOWNSTREAM_PROTOCOL, TransportFailure::flag);
        self.end_tunnel(key, flag);
    }

    /// A direction was cut. What came before still leaves, to both sides; then each of them sees that its peer did not
    /// end regularly, unless it has.
    pub(super) fn cut_tunnel(&mut self, key: TunnelKey, why: Flags) {
        self.leave_endpoint(key);
        let Some(tunnel) = self.tunnels.get_mut(key) else {
            return;
        };
        tunnel.since = self.now;
        tunnel.record.flags.set(why);
        match &mut tunnel.pump {
            Some(pump) if !pump.down.transport.is_flushed() => pump.is_cut = true,
            Some(_) | None => return self.end_tunnel(key, why),
        }
        self.sync_pump(key);
        self.sync_tunnel(key);
    }
}
