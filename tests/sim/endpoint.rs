//! The endpoints: in a strict run they are slow and odd but correct, otherwise they also fail in every
//! way that an endpoint can.

use crate::{
    ledger::SharedLedger,
    message::{self, Framing, Head, Kind, Part, Reader},
    party::{Party, Seat},
    scenario::{BODY_MAX, Scenario},
    secure::SharedContexts,
};
use engines::{Buf, Rng, SimNet, Sock};
use std::{collections::BTreeMap, time::Duration};

const QUEUED_MAX: usize = 8 << 10;

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// The connection ends inside the answer.
    Cut,
    Garbage,
    None,
    /// The connection ends before the answer.
    Quit,
    /// No answer comes.
    Silence,
    /// More bytes come than the answer has.
    Surplus,
}

#[derive(Debug)]
pub(crate) enum Alarm {
    Answer(Sock),
    Push(Sock),
    Read(Sock),
}

#[derive(Debug, Default)]
struct Peer {
    reader: Reader,
    /// The request under way: its name and arrival's number.
    request: Option<(u64, usize)>,
    /// Requests before it on this connection.
    earlier: usize,
    /// An answer is meant to be written.
    owes: bool,
    answering: bool,
    answer: Vec<u8>,
    at: usize,
    unsent: usize,
    slow: bool,
    /// What happens behind the last byte.
    quits: bool,
    /// And nothing tells that it was meant.
    is_cut: bool,
    plan: Option<Plan>,
}

#[derive(Debug)]
struct Plan {
    early: bool,
    delay: Duration,
    status: u16,
    len: u64,
    framing: Framing,
    hint: bool,
    close: bool,
    mishap: Mishap,
    head: bool,
}

/// All endpoints, on one engine.
pub(crate) struct Endpoints {
    engine: Seat<Alarm>,
    peers: BTreeMap<Sock, Peer>,
    ledger: SharedLedger,
    rng: Rng,
    strict: bool,
    connections_max: Option<usize>,
}

impl Endpoints {
    pub(crate) fn new(
        net: &SimNet,
        scenario: &Scenario,
        rng: &mut Rng,
        ledger: &SharedLedger,
        contexts: &SharedContexts,
    ) -> Self {
        let mut engine = Seat::new(net, scenario.seed ^ 2, ledger);
        let serving = contexts.as_ref().and_then(|one| one.endpoint(false));
        for number in 0..scenario.endpoints {
            engine.listen(&format!("10.0.0.1:{}", 8000 + number), serving.clone());
        }
        // The first connection to each endpoint is always allowed, on each worker.
        let extra = scenario.endpoints * scenario.workers;
        Self {
            engine,
            peers: BTreeMap::new(),
            ledger: ledger.clone(),
            rng: rng.fork(),
            strict: scenario.is_strict,
            connections_max: scenario.connections_max.map(|max| max as usize + extra),
        }
    }

    fn check_connections(&self) {
        let open = self.peers.len();
        if self.strict && self.connections_max.is_some_and(|max| open > max * 2) {
            self.ledger
                .borrow_mut()
                .violate(format!("{open} connections"));
        }
    }

    fn read(&mut self, sock: Sock) {
        loop {
            let Some(peer) = self.peers.get_mut(&sock) else {
                return;
            };
            let part = match peer.reader.next(Kind::Request) {
                Ok(Some(part)) => part,
                Ok(None) => return,
                Err(error) => {
                    let text = format!("an endpoint got what it cannot read: {error}");
                    return self.ledger.borrow_mut().violate(text);
                }
            };
            match part {
                Part::Head(head) => self.on_head(sock, &head),
                Part::Body(bytes) => {
                    if let Some((id, number)) = peer.request {
                        self.ledger.borrow_mut().arrive_body(id, number, &bytes);
                    }
                }
                Part::End(trailers) => self.on_request_end(sock, !trailers.is_empty()),
            }
        }
    }

    fn on_head(&mut self, sock: Sock, head: &Head) {
        let Some(peer) = self.peers.get_mut(&sock) else {
            return;
        };
        let id: u64 = head
            .field("x-id")
            .and_then(|id| id.parse().ok())
            .unwrap_or(0);
        if peer.owes || peer.answering || peer.at < peer.answer.len() {
            let text = format!("request {id} came before the answer ahead of it was out");
            self.ledger.borrow_mut().violate(text);
        }
        let path = head.word(1).to_owned();
        if !path.ends_with(&format!("/{id}")) {
            self.ledger
                .borrow_mut()
                .violate(format!("{path} is not request {id}"));
        }
        let Some(number) = self.ledger.borrow_mut().arrive(id, head.word(0)) else {
            return;
        };
        let mut plan = self.plan(&path, number, head.word(0) == "HEAD");
        // A pooled connection may turn out dead: the client never notices.
        let earlier = self.peers.get(&sock).map_or(0, |peer| peer.earlier);
        if earlier > 0 && number == 0 && head.word(0) != "POST" && self.rng.chance(1, 10) {
            (plan.mishap, plan.status) = (Mishap::Quit, 200);
        }
        if plan.mishap == Mishap::Cut && self.engine.is_secure(sock) && self.rng.chance(2, 3) {
            (plan.framing, plan.close) = (Framing::UntilClose, true);
        }
        let (early, delay) = (plan.early, plan.delay);
        let Some(peer) = self.peers.get_mut(&sock) else {
            return;
        };
        peer.request = Some((id, number));
        peer.earlier += 1;
        peer.owes = true;
        (peer.answer, peer.at) = (Vec::new(), 0);
        peer.plan = Some(plan);
        if early {
            self.engine.after(delay, Alarm::Answer(sock));
        }
    }

    fn on_request_end(&mut self, sock: Sock, trailers: bool) {
        let Some(peer) = self.peers.get_mut(&sock) else {
            return;
        };
        let Some((id, number)) = peer.request else {
            return;
        };
        self.ledger.borrow_mut().arrive_end(id, number, trailers);
        let delay = peer
            .plan
            .as_ref()
            .filter(|plan| !plan.early)
            .map(|plan| plan.delay);
        if let Some(delay) = delay {
            self.engine.after(delay, Alarm::Answer(sock));
        }
    }

    fn plan(&mut self, path: &str, number: usize, head: bool) -> Plan {
        let rng = &mut self.rng;
        let refuses = path.starts_with("/retry/") && number == 0;
        let mishap = match rng.below(12) {
            _ if self.strict => Mishap::None,
            0 => Mishap::Cut,
            1 => Mishap::Garbage,
            2 => Mishap::Quit,
            3 => Mishap::Silence,
            4 => Mishap::Surplus,
            _ => Mishap::None,
        };
        let framing = match rng.below(5) {
            0 | 1 => Framing::Length,
            2 => Framing::Chunked { trailers: false },
            3 => Framing::Chunked { trailers: true },
            _ => Framing::UntilClose,
        };
        let slowest = 1 << rng.between(1, 18);
        let delay = rng.below(slowest);
        let len = match rng.below(5) {
            0 => 0,
            1 => rng.below(100),
            2 => rng.below(5000),
            _ => rng.below(BODY_MAX),
        };
        Plan {
            early: rng.chance(1, 6),
            delay: Duration::from_micros(delay),
            status: if refuses { 503 } else { 200 },
            len,
            framing,
            hint: rng.chance(1, 10),
            close: framing == Framing::UntilClose || rng.chance(1, 10),
            mishap,
            head,
        }
    }

    fn write_answer(&mut self, sock: Sock) {
        let Some(peer) = self.peers.get_mut(&sock) else {
            return;
        };
        let (Some((id, _)), Some(plan)) = (peer.request, peer.plan.take()) else {
            return;
        };
        let mut fields = vec![("x-id", id.to_string())];
        if plan.close {
            fields.push(("connection", "close".to_owned()));
        }
        let first = format!("HTTP/1.1 {} X", plan.status);
        let mut cuts = self.rng.fork();
        let most = 1 << cuts.between(4, 14);
        let mut bytes = Vec::new();
        if plan.hint {
            bytes.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
        }
        let answer = message::write(&first, &fields, plan.framing, id, plan.len, || {
            cuts.between(1, most)
        });
        let head_len = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        bytes.extend_from_slice(if plan.head {
            &answer[..head_len]
        } else {
            &answer
        });
        (peer.quits, peer.is_cut) = (plan.close, false);
        let whole = matches!(plan.mishap, Mishap::None | Mishap::Surplus) && plan.status == 200;
        self.ledger
            .borrow_mut()
            .promise(id, whole.then_some(plan.len));
        match plan.mishap {
            Mishap::Cut => {
                bytes.truncate(cuts.below(bytes.len() as u64) as usize);
                // A cut that nobody can see is none.
                let is_seen = plan.framing != Framing::UntilClose;
                peer.is_cut = self.engine.is_secure(sock) && (!is_seen || cuts.chance(1, 2));
                peer.quits = is_seen || peer.is_cut;
                if !is_seen && peer.is_cut {
                    self.ledger.borrow_mut().cut(id);
                }
            }
            Mishap::Garbage => bytes = b"\x15\x03\x01\x00\x02\r\n\r\n".to_vec(),
            Mishap::None => {}
            Mishap::Quit => {
                bytes.clear();
                peer.quits = true;
            }
            Mishap::Silence => return,
            Mishap::Surplus if plan.framing == Framing::UntilClose => {}
            Mishap::Surplus => bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nx-id: 0\r\n"),
        }
        (peer.answer, peer.at, peer.answering, peer.owes) = (bytes, 0, true, false);
        self.push(sock);
    }

    fn push(&mut self, sock: Sock) {
        let Some(peer) = self.peers.get_mut(&sock) else {
            return;
        };
        if peer.slow && peer.answering && peer.unsent >= QUEUED_MAX {
            let after = Duration::from_millis(self.rng.between(1, 100));
            return self.engine.after(after, Alarm::Push(sock));
        }
        while peer.answering && peer.unsent < QUEUED_MAX {
            let left = peer.answer.len() - peer.at;
            let part = if peer.slow {
                left.min(1 + self.rng.below(BODY_MAX / 8) as usize)
            } else {
                left.min(QUEUED_MAX)
            };
            if part > 0 {
                let piece = Buf::copy_of(&peer.answer[peer.at..peer.at + part]);
                self.engine.send(sock, piece);
            }
            peer.at += part;
            peer.unsent += part;
            if peer.at == peer.answer.len() {
                peer.answering = false;
                if peer.is_cut {
                    self.engine.cut(sock);
                } else if peer.quits {
                    self.engine.finish(sock);
                }
            } else if peer.slow {
                let after = Duration::from_millis(self.rng.between(1, 100));
                return self.engine.after(after, Alarm::Push(sock));
            }
        }
    }
}

impl Party for Endpoints {
    type Alarm = Alarm;

    fn seat(&mut self) -> &mut Seat<Alarm> {
        &mut self.engine
    }

    fn on_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Answer(sock) => self.write_answer(sock),
            Alarm::Push(sock) => self.push(sock),
            Alarm::Read(sock) => self.engine.resume(sock),
        }
    }

    fn on_accepted(&mut self, sock: Sock) {
        let peer = Peer {
            slow: self.rng.chance(1, 5),
            ..Peer::default()
        };
        self.peers.insert(sock, peer);
        self.check_connections();
        self.engine.resume(sock);
    }

    fn on_received(&mut self, sock: Sock, data: &[u8]) {
        if let Some(peer) = self.peers.get_mut(&sock) {
            peer.reader.push(data);
            self.read(sock);
            if self.rng.chance(1, 20) {
                self.engine.pause(sock);
                let after = Duration::from_millis(self.rng.below(100));
                self.engine.after(after, Alarm::Read(sock));
            }
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize) {
        if let Some(peer) = self.peers.get_mut(&sock) {
            peer.unsent -= bytes;
            if !peer.slow {
                self.push(sock);
            }
        }
    }

    fn on_finished(&mut self, sock: Sock) {
        self.engine.close(sock);
    }

    fn on_closed(&mut self, sock: Sock) {
        self.peers.remove(&sock);
    }
}
