//! The HTTP clients: most behave, some are slow, deaf, rude or hostile.

use crate::{
    ledger::{Ended, Exchange, SharedLedger},
    message::{self, Framing, Kind, Part, Reader},
    party::{Party, Seat},
    scenario::{BODY_MAX, Scenario},
    secure::SharedContexts,
};
use engines::{Buf, Rng, SimNet, Sock, SockAddr};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Bytes that a client keeps queued.
const QUEUED_MAX: usize = 8 << 10;

/// Clients that are deaf in a famine.
const FAMINE_CLIENTS: usize = 5;

/// What a client is like on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Has not the certificate that it needs.
    Barred,
    /// Sends as fast as it may, reads at once.
    Brisk,
    /// Does not read for a long time.
    Deaf,
    /// Sends a malformed message behind its requests.
    Hostile,
    /// Closes when so many bytes were sent.
    Leaver(usize),
    /// Sends a few bytes at a time.
    Slow,
    /// Its records are changed on the way.
    Spoiled,
}

#[derive(Debug)]
pub(crate) enum Alarm {
    /// The deaf client listens from now on.
    Hear(usize),
    /// A request takes too long.
    Impatience(u64),
    /// The slow client sends a little more.
    Push(usize),
    /// The client opens its next connection.
    Visit(usize),
}

struct Outgoing {
    id: u64,
    bytes: Vec<u8>,
    at: usize,
}

struct Client {
    rng: Rng,
    visits: u32,
    habit: Habit,
    depth: usize,
    sock: Option<Sock>,
    connected: bool,
    requests: u32,
    sending: Option<Outgoing>,
    unsent: usize,
    sent: usize,
    awaited: VecDeque<(u64, &'static str)>,
    reader: Reader,
    /// A `connection: close` came, or our last byte went out.
    warned: bool,
    malformed: Malformed,
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Malformed {
    No,
    Pending,
    Sent,
}

/// All clients, on one engine.
pub(crate) struct Clients {
    engine: Seat<Alarm>,
    contexts: SharedContexts,
    list: Vec<Client>,
    by_sock: HashMap<Sock, usize>,
    ledger: SharedLedger,
    strict: bool,
    /// What paths begin with.
    kinds: &'static [&'static str],
    famine: bool,
    /// No limit makes one client wait for another.
    unlimited: bool,
    patience: Duration,
    deafness: Duration,
    next_id: u64,
    to: SockAddr,
    pub(crate) draining: bool,
}

const MALFORMED: &[&str] = &[
    "POST /r/smuggled HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /r/smuggled HTTP/1.1\nhost: h\n\n",
    "GET /r/smuggled HTTP/1.1\r\nhost: h\r\nx : 1\r\n\r\n",
    "GET /r/smuggled HTTP/1.1\r\n\r\n",
    "POST /r/smuggled HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "\x01\x02\x03\x04\r\n\r\n",
];

impl Clients {
    pub(crate) fn new(
        net: &SimNet,
        scenario: &Scenario,
        rng: &mut Rng,
        ledger: &SharedLedger,
        contexts: &SharedContexts,
    ) -> Self {
        let mut clients = Self {
            engine: Seat::new(net, scenario.seed ^ 1, ledger),
            contexts: contexts.clone(),
            list: Vec::new(),
            by_sock: HashMap::new(),
            ledger: ledger.clone(),
            strict: scenario.is_strict,
            kinds: scenario.kinds(),
            famine: scenario.is_famine,
            unlimited: scenario.connections_max.is_none(),
            patience: scenario.patience(),
            deafness: scenario.deafness(),
            next_id: 1,
            to: SockAddr::Inet("10.0.0.2:80".parse().unwrap()),
            draining: false,
        };
        for index in 0..scenario.clients {
            let mut rng = rng.fork();
            let after = Duration::from_micros(rng.below(300_000));
            clients.engine.after(after, Alarm::Visit(index));
            clients.list.push(Client {
                visits: rng.between(1, 3) as u32,
                rng,
                habit: Habit::Brisk,
                depth: 1,
                sock: None,
                connected: false,
                requests: 0,
                sending: None,
                unsent: 0,
                sent: 0,
                awaited: VecDeque::new(),
                reader: Reader::default(),
                warned: false,
                malformed: Malformed::No,
                finished: false,
            });
        }
        clients
    }

    pub(crate) fn is_done(&self) -> bool {
        let done = |client: &Client| client.visits == 0 && client.sock.is_none();
        self.list.iter().all(done)
    }

    /// Nothing more is done by any client.
    pub(crate) fn retire(&mut self) {
        self.engine.silence();
    }

    fn visit(&mut self, index: usize) {
        let client = &mut self.list[index];
        if client.visits == 0 {
            return;
        }
        client.visits -= 1;
        let rng = &mut client.rng;
        client.habit = match rng.below(10) {
            0 => Habit::Deaf,
            1 => Habit::Hostile,
            2 => Habit::Leaver(rng.below(30_000) as usize),
            3 => Habit::Slow,
            _ => Habit::Brisk,
        };
        if self.famine && index < FAMINE_CLIENTS {
            client.habit = Habit::Deaf;
        }
        let contexts = self.contexts.as_ref();
        let asking = contexts.and_then(|contexts| contexts.visit("http/1.1", rng));
        if let Some(asking) = &asking {
            client.habit = match (asking.is_barred, asking.is_spoiled) {
                (true, _) => Habit::Barred,
                (_, true) => Habit::Spoiled,
                (false, false) => client.habit,
            };
        }
        client.depth = if rng.chance(1, 3) {
            rng.between(2, 4) as usize
        } else {
            1
        };
        client.requests = rng.between(1, 6) as u32;
        let hostile = client.habit == Habit::Hostile;
        client.malformed = if hostile {
            Malformed::Pending
        } else {
            Malformed::No
        };
        (client.sending, client.unsent, client.sent) = (None, 0, 0);
        (client.warned, client.finished, client.connected) = (false, false, false);
        client.awaited.clear();
        client.reader = Reader::default();
        let sock = self.engine.connect(&self.to, asking);
        client.sock = Some(sock);
        self.by_sock.insert(sock, index);
        self.ledger
            .borrow_mut()
            .note(format!("client {index} connects, {:?}", client.habit));
    }

    /// Sends what may be sent now.
    fn push(&mut self, index: usize) {
        loop {
            let client = &mut self.list[index];
            let Some(sock) = client.sock.filter(|_| client.connected && !client.finished) else {
                return;
            };
            if client.unsent >= QUEUED_MAX {
                return self.push_later(index);
            }
            if client.sending.is_none() && !self.write_next(index) {
                return self.maybe_finish(index, sock);
            }
            let client = &mut self.list[index];
            let Some(out) = &mut client.sending else {
                return;
            };
            let left = out.bytes.len() - out.at;
            let part = match client.habit {
                Habit::Slow => left.min(1 + client.rng.below(BODY_MAX / 8) as usize),
                Habit::Barred
                | Habit::Brisk
                | Habit::Deaf
                | Habit::Hostile
                | Habit::Leaver(_)
                | Habit::Spoiled => left.min(QUEUED_MAX),
            };
            let piece = Buf::copy_of(&out.bytes[out.at..out.at + part]);
            client.unsent += part;
            out.at += part;
            if out.at == out.bytes.len() {
                if let Some(exchange) = self.ledger.borrow_mut().exchanges.get_mut(&out.id) {
                    exchange.sent = true;
                }
                client.sending = None;
            }
            self.engine.send(sock, piece);
            if let Habit::Leaver(after) = client.habit
                && client.sent + client.unsent >= after
            {
                return self.leave(index, sock);
            }
            if client.habit == Habit::Slow {
                return self.push_later(index);
            }
        }
    }

    /// A slow client goes on after a while, others when there is room.
    fn push_later(&mut self, index: usize) {
        let client = &mut self.list[index];
        if client.habit == Habit::Slow {
            let after = Duration::from_millis(client.rng.between(1, 200));
            self.engine.after(after, Alarm::Push(index));
        }
    }

    fn leave(&mut self, index: usize, sock: Sock) {
        for (id, _) in self.list[index].awaited.drain(..) {
            self.ledger.borrow_mut().end(id, Ended::Left);
        }
        self.list[index].sending = None;
        self.list[index].finished = true;
        self.engine.close(sock);
    }

    /// Writes the next message, if there is one and it may be sent.
    fn write_next(&mut self, index: usize) -> bool {
        let client = &mut self.list[index];
        if client.awaited.len() >= client.depth || client.warned {
            return false;
        }
        if client.requests > 0 {
            client.requests -= 1;
            let id = self.next_id;
            self.next_id += 1;
            self.write_request(index, id);
            return true;
        }
        if client.malformed == Malformed::Pending && client.awaited.is_empty() {
            client.malformed = Malformed::Sent;
            let text = MALFORMED[client.rng.index(MALFORMED.len())];
            client.sending = Some(Outgoing {
                id: 0,
                bytes: text.into(),
                at: 0,
            });
            return true;
        }
        false
    }

    fn write_request(&mut self, index: usize, id: u64) {
        let client = &mut self.list[index];
        let rng = &mut client.rng;
        let method = ["GET", "GET", "HEAD", "POST", "POST", "PUT"][rng.index(6)];
        let kind = self.kinds[rng.index(self.kinds.len())];
        let path = format!("/{kind}/{id}");
        let bodiless = matches!(method, "GET" | "HEAD");
        let len = if bodiless { 0 } else { some_len(rng) };
        let framing = match (bodiless, rng.below(3)) {
            (true, _) | (false, 0) => Framing::Length,
            (false, n) => Framing::Chunked { trailers: n == 1 },
        };
        let trailers = framing == Framing::Chunked { trailers: true };
        let mut fields = vec![("host", "example".to_owned()), ("x-id", id.to_string())];
        if rng.chance(1, 10) && !bodiless {
            fields.push(("expect", "100-continue".to_owned()));
        }
        let first = format!("{method} {path} HTTP/1.1");
        let bytes = if bodiless {
            message::write(&first, &fields, Framing::UntilClose, id, 0, || 1)
        } else {
            let mut cuts = rng.fork();
            let most = 1 << cuts.between(4, 14);
            message::write(&first, &fields, framing, id, len, || cuts.between(1, most))
        };
        let is_good = client.habit == Habit::Brisk;
        client.sending = Some(Outgoing { id, bytes, at: 0 });
        client.awaited.push_back((id, method));
        let exchange = Exchange {
            method,
            path,
            body_len: len,
            trailers,
            is_good,
            is_barred: client.habit == Habit::Barred,
            ..Exchange::default()
        };
        self.ledger.borrow_mut().begin(id, exchange);
        if is_good && self.strict && self.unlimited {
            self.engine.after(self.patience * 4, Alarm::Impatience(id));
        }
    }

    /// Ends our direction when everything is said.
    fn maybe_finish(&mut self, index: usize, sock: Sock) {
        let client = &mut self.list[index];
        let said = client.requests == 0 && client.malformed != Malformed::Pending;
        if !said && !client.warned {
            return;
        }
        let early = client.rng.chance(1, 3) && client.malformed != Malformed::Sent;
        if client.awaited.is_empty() && client.malformed != Malformed::Sent {
            client.finished = true;
            if client.rng.chance(1, 2) {
                self.engine.close(sock);
            } else {
                self.engine.finish(sock);
            }
        } else if early && client.unsent == 0 && client.sending.is_none() {
            client.finished = true;
            self.engine.finish(sock);
        }
    }

    fn read(&mut self, index: usize) {
        loop {
            let client = &mut self.list[index];
            let (id, method) = match client.awaited.front() {
                Some(front) => *front,
                None => (0, "GET"),
            };
            let kind = if method == "HEAD" {
                Kind::AnswerToHead
            } else {
                Kind::Answer
            };
            let part = match client.reader.next(kind) {
                Ok(Some(part)) => part,
                Ok(None) => return,
                Err(error) => {
                    self.ledger
                        .borrow_mut()
                        .violate(format!("answer to {id}: {error}"));
                    return;
                }
            };
            match part {
                Part::Head(head) => self.on_head(index, id, &head),
                Part::Body(bytes) => self.on_body(id, &bytes),
                Part::End(trailers) => self.on_answered(index, id, &trailers),
            }
        }
    }

    fn on_head(&mut self, index: usize, id: u64, head: &message::Head) {
        let status = head.status();
        if matches!(status, 100..=199) {
            return;
        }
        let client = &mut self.list[index];
        client.warned |= head.asks_to_close();
        let mut ledger = self.ledger.borrow_mut();
        let Some(exchange) = ledger.exchanges.get(&id).filter(|_| id != 0) else {
            if client.malformed != Malformed::Sent || status < 400 {
                ledger.violate(format!("an answer to nothing: {head:?}"));
            }
            return;
        };
        let strict = self.strict && exchange.is_good && !self.draining;
        ledger.answer_head(id, status, head.field("x-id"), strict);
    }

    fn on_body(&self, id: u64, bytes: &[u8]) {
        let mut ledger = self.ledger.borrow_mut();
        let from_endpoint = ledger
            .exchanges
            .get(&id)
            .is_some_and(|e| e.status == Some(200));
        if from_endpoint {
            ledger.answer_body(id, bytes);
        }
    }

    fn on_answered(&mut self, index: usize, id: u64, trailers: &[(String, String)]) {
        let client = &mut self.list[index];
        if id == 0 {
            return;
        }
        client.awaited.pop_front();
        self.ledger.borrow_mut().answer_end(id, trailers);
    }

    /// The connection ended: properly by the peer, or with an error.
    fn on_end(&mut self, index: usize, properly: bool) {
        let client = &mut self.list[index];
        let inside = if properly {
            !client.reader.ends_properly()
        } else {
            client.reader.is_inside()
        };
        let good = client.habit == Habit::Brisk;
        let excused = !self.strict || !good || self.draining;
        let mut ledger = self.ledger.borrow_mut();
        for (number, (id, _)) in client.awaited.drain(..).enumerate() {
            let cut = number == 0 && inside;
            let ended = if cut { Ended::Cut } else { Ended::Unanswered };
            ledger.end(id, ended);
            if !excused && (cut || !client.warned) {
                ledger.violate(format!("request {id}: its connection ended, {ended:?}"));
            }
        }
        client.sending = None;
        client.finished = true;
    }
}

impl Party for Clients {
    type Alarm = Alarm;

    fn seat(&mut self) -> &mut Seat<Alarm> {
        &mut self.engine
    }

    fn on_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Hear(index) => {
                if let Some(sock) = self.list[index].sock {
                    self.engine.resume(sock);
                }
            }
            Alarm::Impatience(id) => {
                let mut ledger = self.ledger.borrow_mut();
                if ledger.exchanges[&id].ended == Ended::No && !self.draining {
                    let text = format!("request {id} waits too long: {:?}", ledger.exchanges[&id]);
                    ledger.violate(text);
                }
            }
            Alarm::Push(index) => self.push(index),
            Alarm::Visit(index) => self.visit(index),
        }
    }

    fn on_connected(&mut self, sock: Sock) {
        let Some(index) = self.by_sock.get(&sock).copied() else {
            return;
        };
        let client = &mut self.list[index];
        client.connected = true;
        if client.habit == Habit::Deaf {
            self.engine.after(self.deafness, Alarm::Hear(index));
        } else {
            self.engine.resume(sock);
        }
        self.push(index);
    }

    fn on_received(&mut self, sock: Sock, data: &[u8]) {
        if let Some(index) = self.by_sock.get(&sock).copied() {
            self.list[index].reader.push(data);
            self.read(index);
            self.push(index);
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize) {
        if let Some(index) = self.by_sock.get(&sock).copied() {
            let client = &mut self.list[index];
            client.unsent -= bytes;
            client.sent += bytes;
            if client.habit != Habit::Slow {
                self.push(index);
            }
        }
    }

    fn on_finished(&mut self, sock: Sock) {
        if let Some(index) = self.by_sock.get(&sock).copied() {
            self.on_end(index, true);
            self.engine.close(sock);
        }
    }

    fn on_closed(&mut self, sock: Sock) {
        if let Some(index) = self.by_sock.remove(&sock) {
            self.on_end(index, false);
            let client = &mut self.list[index];
            client.sock = None;
            let after = Duration::from_micros(client.rng.below(200_000));
            self.engine.after(after, Alarm::Visit(index));
        }
    }
}

fn some_len(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => 0,
        1 => rng.below(50),
        2 => rng.below(3000),
        _ => rng.below(BODY_MAX),
    }
}
