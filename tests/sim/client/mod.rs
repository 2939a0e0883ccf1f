//! The HTTP clients: most behave, some are slow, deaf, rude or hostile.

mod answers;
mod asking;

use crate::{
    ledger::{Ended, SharedLedger},
    message::Reader,
    party::{Party, Seat},
    scenario::Scenario,
    secure::SharedContexts,
};
use engines::{Rng, SimNet, Sock, SockAddr};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

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

    fn leave(&mut self, index: usize, sock: Sock) {
        for (id, _) in self.list[index].awaited.drain(..) {
            self.ledger.borrow_mut().end(id, Ended::Left);
        }
        self.list[index].sending = None;
        self.list[index].finished = true;
        self.engine.close(sock);
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
