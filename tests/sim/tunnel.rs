//! Both ends of the TCP tunnels: each sends its bytes, finishes, and reads to the other's end.

use crate::{
    ledger::SharedLedger,
    message::body_byte,
    party::{Party, Seat},
    scenario::Scenario,
    secure::SharedContexts,
};
use engines::{Buf, Rng, SimNet, Sock, SockAddr};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const QUEUED_MAX: usize = 8 << 10;
/// A client's first bytes say which tunnel it is.
const NAME_LEN: usize = 8;

/// One end of a tunnel.
#[derive(Debug)]
struct End {
    is_client: bool,
    /// Unknown to an endpoint until the first bytes came.
    id: Option<u64>,
    /// All that this end sends.
    out: Vec<u8>,
    at: usize,
    unsent: usize,
    finished: bool,
    got: Vec<u8>,
    ended: bool,
}

/// All tunnels' ends, on one engine.
pub(crate) struct Tunnels {
    engine: Seat<u64>,
    contexts: SharedContexts,
    ends: BTreeMap<Sock, End>,
    ledger: SharedLedger,
    rng: Rng,
    strict: bool,
    /// Whose client does not say that it ends, though it has TLS.
    curt: BTreeSet<u64>,
    left: usize,
    pub(crate) draining: bool,
}

impl Tunnels {
    pub(crate) fn new(
        net: &SimNet,
        scenario: &Scenario,
        rng: &mut Rng,
        ledger: &SharedLedger,
        contexts: &SharedContexts,
    ) -> Self {
        let mut engine = Seat::new(net, scenario.seed ^ 5, ledger);
        let serving = contexts.as_ref().and_then(|one| one.tunnel_end());
        for number in 0..scenario.endpoints {
            engine.listen(&format!("10.0.0.1:{}", 9000 + number), serving.clone());
        }
        let mut rng = rng.fork();
        for id in 0..scenario.tunnels as u64 {
            engine.after(Duration::from_micros(rng.below(500_000)), id);
        }
        Self {
            engine,
            contexts: contexts.clone(),
            ends: BTreeMap::new(),
            ledger: ledger.clone(),
            rng,
            strict: scenario.is_strict,
            curt: BTreeSet::new(),
            left: scenario.tunnels,
            draining: false,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn retire(&mut self) {
        self.engine.silence();
    }

    fn open(&mut self, id: u64) {
        let to = SockAddr::Inet("10.0.0.2:81".parse().unwrap());
        let contexts = self.contexts.as_ref();
        let asking = contexts.and_then(|one| one.tunnel(&mut self.rng));
        if asking.as_ref().is_some_and(|asking| asking.is_curt) {
            self.curt.insert(id);
        }
        let sock = self.engine.connect(&to, asking);
        let mut out = id.to_le_bytes().to_vec();
        out.extend(stream_of(id, true));
        self.ends.insert(sock, End::new(true, Some(id), out));
        self.ledger.borrow_mut().note(format!("tunnel {id} opens"));
        self.engine.resume(sock);
        self.push(sock);
    }

    /// What was received is what the other end sent: all of it, if it ended properly.
    fn check(&self, sock: Sock, ended: bool) {
        let Some(end) = self.ends.get(&sock) else {
            return;
        };
        let Some(id) = end.id else { return };
        let mut ledger = self.ledger.borrow_mut();
        ledger.note(format!("tunnel {id} got {} {ended}", end.got.len()));
        let expected = stream_of(id, !end.is_client);
        if !expected.starts_with(&end.got) {
            ledger.violate(format!("tunnel {id}: other bytes than were sent"));
        }
        if ended && !end.is_client && self.curt.contains(&id) {
            ledger.violate(format!(
                "tunnel {id}: an end was said that its client did not say"
            ));
        }
        // Where no endpoint was to be had, nothing was cut.
        let is_declined = end.is_client && end.got.is_empty();
        if ended && !is_declined && expected.len() != end.got.len() {
            ledger.violate(format!(
                "tunnel {id}: told its end after {} of {} bytes",
                end.got.len(),
                expected.len()
            ));
        }
        let whole = expected.len() == end.got.len() && (ended || end.ended);
        if self.strict && !self.draining && !whole {
            ledger.violate(format!(
                "tunnel {id}: {} of {} bytes",
                end.got.len(),
                expected.len()
            ));
        }
    }

    fn push(&mut self, sock: Sock) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        while end.id.is_some() && end.at < end.out.len() && end.unsent < QUEUED_MAX {
            let part = (end.out.len() - end.at).min(1 + self.rng.below(QUEUED_MAX as u64) as usize);
            let piece = Buf::copy_of(&end.out[end.at..end.at + part]);
            end.at += part;
            end.unsent += part;
            self.engine.send(sock, piece);
        }
        if end.id.is_some() && end.at == end.out.len() && !end.finished {
            end.finished = true;
            self.engine.finish(sock);
        }
        self.close_if_done(sock);
    }

    fn close_if_done(&mut self, sock: Sock) {
        let done = |end: &End| end.finished && end.ended && end.unsent == 0;
        if self.ends.get(&sock).is_some_and(done) {
            self.engine.close(sock);
        }
    }
}

impl Party for Tunnels {
    type Alarm = u64;

    fn seat(&mut self) -> &mut Seat<u64> {
        &mut self.engine
    }

    fn on_alarm(&mut self, id: u64) {
        self.open(id);
    }

    fn on_accepted(&mut self, sock: Sock) {
        self.ends.insert(sock, End::new(false, None, Vec::new()));
        self.engine.resume(sock);
    }

    fn on_received(&mut self, sock: Sock, data: &[u8]) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        end.got.extend_from_slice(data);
        if end.id.is_none() && end.got.len() >= NAME_LEN {
            let name: Vec<u8> = end.got.drain(..NAME_LEN).collect();
            let id = u64::from_le_bytes(name.try_into().unwrap());
            end.id = Some(id);
            end.out = stream_of(id, false);
            self.push(sock);
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize) {
        if let Some(end) = self.ends.get_mut(&sock) {
            end.unsent -= bytes;
            self.push(sock);
        }
    }

    fn on_finished(&mut self, sock: Sock) {
        if let Some(end) = self.ends.get_mut(&sock) {
            end.ended = true;
            // Who never said its name gets no answer.
            end.finished |= end.id.is_none();
            self.check(sock, true);
            self.close_if_done(sock);
        }
    }

    fn on_closed(&mut self, sock: Sock) {
        self.check(sock, false);
        self.left -= usize::from(self.ends.remove(&sock).is_some_and(|end| end.is_client));
    }
}

impl End {
    fn new(is_client: bool, id: Option<u64>, out: Vec<u8>) -> Self {
        Self {
            is_client,
            id,
            out,
            at: 0,
            unsent: 0,
            finished: false,
            got: Vec::new(),
            ended: false,
        }
    }
}

/// What one end of a tunnel sends, its name aside.
fn stream_of(id: u64, from_client: bool) -> Vec<u8> {
    let name = id * 2 + u64::from(from_client);
    let len = (name * 7919) % 50_000;
    (0..len).map(|at| body_byte(name, at)).collect()
}
