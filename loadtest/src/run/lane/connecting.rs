//! Connections come and go: each place has one, and opens the next when that one is used up or lost.

use super::Lane;
use crate::{
    outcome::Failure,
    run::{connection::Phase, limits},
};
use codecs::{Frame, Reason};
use engines::{Class, ConnectOptions, SlotKey, Sock};
use std::io;
use tls::Fault;

impl Lane {
    /// Opens what is down, if connections are of any use.
    pub(super) fn open_connections(&mut self) {
        let mut down = std::mem::take(&mut self.down);
        for index in down.drain(..) {
            if self.needs_connections() {
                self.connect(index);
            }
        }
        self.down = down;
    }

    fn connect(&mut self, index: u32) {
        let workload = &self.load.workload;
        let options = ConnectOptions {
            class: Class::Small,
        };
        let sock = self.net.engine.connect(&self.load.target.address, &options);
        self.net.engine.resume(sock);
        let at = sock.index() as usize;
        if self.owners.len() <= at {
            self.owners.resize(at + 1, u32::MAX);
        }
        self.owners[at] = index;
        let codec = workload.protocol.codec(workload);
        let left = workload.requests_per_connection.unwrap_or(u64::MAX);
        self.places[index as usize].restart(codec, sock, self.now_ns, left);
        self.arm(index);
    }

    pub(super) fn on_connected(&mut self, index: u32, sock: Sock) {
        let connected_ns = self.now_ns;
        let Phase::Connecting { since_ns, .. } = self.place(index).phase else {
            return;
        };
        match self.net.begin(sock, index) {
            Ok(false) => self.on_open(index, sock, connected_ns - since_ns),
            Ok(true) => {
                self.place(index).phase = Phase::Securing {
                    sock,
                    since_ns,
                    connected_ns,
                };
            }
            Err(fault) => self.on_insecure(index, sock, &fault.reason),
        }
    }

    /// The handshake is over.
    pub(super) fn on_secured(&mut self, index: u32) {
        let now_ns = self.now_ns;
        let Phase::Securing {
            sock,
            since_ns,
            connected_ns,
        } = self.place(index).phase
        else {
            return;
        };
        match self.net.agreed(sock) {
            Ok(facts) => {
                if let Some(facts) = facts {
                    self.recorder.secured(now_ns, now_ns - connected_ns, facts);
                }
                self.on_open(index, sock, connected_ns - since_ns);
            }
            Err(why) => self.on_insecure(index, sock, &why),
        }
    }

    /// Requests may start on it; it was connected after so long.
    fn on_open(&mut self, index: u32, sock: Sock, after_ns: u64) {
        self.place(index).phase = Phase::Open { sock };
        self.recorder.connected(after_ns);
        self.settle_first(index);
        let out = self.net.out(sock);
        self.places[index as usize].codec.control(out);
        self.list(index);
    }

    /// What came is no TLS, or none that can be gone on with.
    pub(super) fn on_fault(&mut self, index: u32, sock: Sock, fault: &Fault) {
        match self.place(index).phase {
            Phase::Securing { .. } => self.on_insecure(index, sock, &fault.reason),
            Phase::Open { .. } => {
                if self.answers == 0 {
                    let why = || format!("TLS: {}", fault.reason);
                    self.fatal.get_or_insert_with(why);
                }
                self.break_off(index);
            }
            Phase::Connecting { .. } | Phase::Down { .. } => {}
        }
    }

    /// No session came about.
    pub(super) fn on_insecure(&mut self, index: u32, sock: Sock, cause: &str) {
        self.net.close(sock);
        self.on_unconnected(
            index,
            Failure::Handshake,
            &format!("TLS handshake: {cause}"),
        );
    }

    pub(super) fn on_unconnected(&mut self, index: u32, why: Failure, cause: &str) {
        self.first_cause.get_or_insert_with(|| cause.to_owned());
        self.recorder.unconnected(self.now_ns, why);
        self.settle_first(index);
        self.go_down(index);
    }

    fn settle_first(&mut self, index: u32) {
        if !std::mem::replace(&mut self.place(index).is_settled, true) {
            self.opening -= 1;
        }
    }

    /// The socket is gone, or was told to go.
    pub(super) fn go_down(&mut self, index: u32) {
        let now_ns = self.now_ns;
        let place = self.place(index);
        if place.answers == 0 {
            place.fruitless = place.fruitless.saturating_add(1);
        }
        let rest = limits::backoff(place.fruitless);
        let until_ns = now_ns + super::nanos(rest);
        place.phase = Phase::Down { until_ns };
        match rest.is_zero() {
            true => self.down.push(index),
            false => self.arm(index),
        }
    }

    /// The engine lost the socket.
    pub(super) fn on_closed(&mut self, index: u32, cause: Option<io::Error>) {
        match self.place(index).phase {
            Phase::Connecting { .. } => {
                let cause = cause.map_or("closed".to_owned(), |cause| cause.to_string());
                self.on_unconnected(index, Failure::Connect, &cause);
            }
            Phase::Securing { sock, .. } => self.on_insecure(index, sock, "the target closed"),
            Phase::Open { .. } => {
                self.suspect_if_cut(index);
                self.fail_all(index, Failure::Closed);
                self.go_down(index);
            }
            Phase::Down { .. } => {}
        }
    }

    /// The peer ended its direction. Over TLS an end that was not announced ends no answer (RFC 8446 §6.1).
    pub(super) fn on_finished(&mut self, index: u32, sock: Sock) {
        match self.place(index).phase {
            Phase::Open { .. } => {
                let is_cut = self.net.is_cut(sock);
                while !is_cut && let Ok(Some(frame)) = self.place(index).codec.eof() {
                    // An answer that is cut was cut by the connection's end.
                    if let Frame::Reset { id, reason, .. } = frame
                        && reason != Reason::Refused
                    {
                        self.on_reset(index, id, Failure::Closed);
                    } else {
                        self.on_frame(index, frame, &[]);
                    }
                }
                self.suspect_if_cut(index);
                self.give_up(index, Failure::Closed);
            }
            Phase::Securing { .. } => self.on_insecure(index, sock, "the target closed"),
            Phase::Connecting { .. } | Phase::Down { .. } => {}
        }
    }

    /// Closes an open connection; what is under way on it has failed.
    pub(super) fn give_up(&mut self, index: u32, why: Failure) {
        if let Phase::Open { sock } = self.place(index).phase {
            self.fail_all(index, why);
            self.net.close(sock);
            self.go_down(index);
        }
    }

    /// The connection carried its last request. Whoever closes first keeps the port for a minute, so
    /// where the peer was told that it was the last one it gets a moment to close; the place goes on
    /// at once.
    pub(super) fn leave(&mut self, index: u32) {
        let Phase::Open { sock } = self.place(index).phase else {
            return;
        };
        self.fail_all(index, Failure::Closed);
        let closed = match self.load.workload.protocol.tells_the_last() {
            true => {
                let until_ns = self.now_ns + super::nanos(limits::LINGER);
                let closed = self.lingering.add(sock, until_ns);
                self.recorder.cut_lingering += u64::from(closed.is_some());
                closed
            }
            false => Some(sock),
        };
        if let Some(sock) = closed {
            self.net.close(sock);
        }
        self.go_down(index);
    }

    fn fail_all(&mut self, index: u32, why: Failure) {
        let place = &mut self.places[index as usize];
        self.under_way -= place.exchanges.len();
        for exchange in place.exchanges.drain(..) {
            self.recorder.failed(self.now_ns, exchange.intended_ns, why);
        }
    }

    /// Ends what has waited for its answer too long.
    pub(super) fn time_out(&mut self, index: u32, sock: Sock) {
        let (now_ns, timeout_ns) = (self.now_ns, self.timeout_ns);
        let place = &mut self.places[index as usize];
        let mut has_late = false;
        while let Some(late) = (place.exchanges)
            .pop_front_if(|exchange| exchange.intended_ns.saturating_add(timeout_ns) <= now_ns)
        {
            has_late = true;
            self.under_way -= 1;
            self.recorder
                .failed(now_ns, late.intended_ns, Failure::Timeout);
            place.drop_upload(late.id);
            let out = self.net.out(sock);
            place.codec.reset(late.id, Reason::Timeout, out);
        }
        if has_late && place.is_over() {
            self.suspect_if_cut(index);
            self.give_up(index, Failure::Closed);
        } else if has_late {
            self.list(index);
        }
    }
}
