//! The clients that speak HTTP/2: most behave, some are slow, deaf, rude or hostile, and each asks for
//! several things at a time.

mod answers;
mod asking;
mod sending;

use crate::h2::{
    frame,
    habit::Habit,
    hpack::Fields,
    manners::{Give, Manners},
    outgoing::Outgoing,
    peer::{Peer, Role},
};
use crate::{
    ledger::{Ended, SharedLedger},
    party::{Party, Seat},
    scenario::{Mux, Scenario},
    secure::SharedContexts,
};
use engines::{Rng, SimNet, Sock, SockAddr};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Their requests' names begin here.
const FIRST_ID: u64 = 1_000_000;

#[derive(Debug)]
pub(crate) enum Alarm {
    /// A request is given up.
    Cancel(usize, u32),
    Give(usize),
    /// The deaf client listens from now on, the stalled one gives up.
    Hear(usize),
    Impatience(u64),
    Push(usize),
    Settings(usize),
    Visit(usize),
}

#[derive(Debug)]
struct Asking {
    id: u64,
    body: Outgoing,
    /// It is complete with its last byte, not only with its end.
    has_length: bool,
    is_answered: bool,
    is_good: bool,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Talking,
    /// Everything is said: so many answers to PINGs are awaited before the windows are looked at.
    Farewell(u8),
    Finished,
}

struct Client {
    rng: Rng,
    visits: u32,
    habit: Habit,
    /// Requests that may be under way at a time.
    depth: usize,
    requests: u32,
    sock: Option<Sock>,
    connected: bool,
    peer: Peer,
    manners: Manners,
    asking: BTreeMap<u32, Asking>,
    unsent: usize,
    sent: usize,
    /// A slow one, between two pushes.
    is_resting: bool,
    phase: Phase,
}

/// All of them, on one engine.
pub(crate) struct MuxClients {
    engine: Seat<Alarm>,
    contexts: SharedContexts,
    list: Vec<Client>,
    by_sock: HashMap<Sock, usize>,
    ledger: SharedLedger,
    strict: bool,
    kinds: &'static [&'static str],
    /// No limit makes one client wait for another.
    unlimited: bool,
    patience: Duration,
    deafness: Duration,
    next_id: u64,
    to: SockAddr,
    mux: Mux,
    pub(crate) draining: bool,
}

impl MuxClients {
    pub(crate) fn new(
        net: &SimNet,
        scenario: &Scenario,
        mux: &Mux,
        rng: &mut Rng,
        ledger: &SharedLedger,
        contexts: &SharedContexts,
    ) -> Self {
        let mut clients = Self {
            engine: Seat::new(net, scenario.seed ^ 3, ledger),
            contexts: contexts.clone(),
            list: Vec::new(),
            by_sock: HashMap::new(),
            ledger: ledger.clone(),
            strict: scenario.is_strict,
            kinds: scenario.kinds(),
            unlimited: scenario.connections_max.is_none(),
            patience: scenario.patience(),
            deafness: scenario.deafness(),
            next_id: FIRST_ID,
            to: SockAddr::Inet("10.0.0.2:80".parse().unwrap()),
            mux: mux.clone(),
            draining: false,
        };
        for index in 0..mux.clients {
            let mut rng = rng.fork();
            let after = Duration::from_micros(rng.below(300_000));
            clients.engine.after(after, Alarm::Visit(index));
            let (manners, settings) = Manners::new(true, false, &mut rng);
            clients.list.push(Client {
                visits: rng.between(1, 2) as u32,
                habit: Habit::Brisk,
                depth: 1,
                requests: 0,
                sock: None,
                connected: false,
                peer: Peer::new(Role::Client, &settings, false, &mut rng),
                manners,
                asking: BTreeMap::new(),
                unsent: 0,
                sent: 0,
                is_resting: false,
                phase: Phase::Talking,
                rng,
            });
        }
        clients
    }

    pub(crate) fn is_done(&self) -> bool {
        let done = |client: &Client| client.visits == 0 && client.sock.is_none();
        self.list.iter().all(done)
    }

    pub(crate) fn retire(&mut self) {
        self.engine.silence();
    }

    fn on_impatience(&self, id: u64) {
        let mut ledger = self.ledger.borrow_mut();
        if ledger.exchanges[&id].ended == Ended::No && !self.draining {
            let text = format!("request {id} waits too long: {:?}", ledger.exchanges[&id]);
            ledger.violate(text);
        }
    }

    fn hear(&mut self, index: usize) {
        let client = &mut self.list[index];
        let Some(sock) = client.sock else { return };
        if client.habit == Habit::Stalled {
            self.leave(index, sock);
        } else {
            self.engine.resume(sock);
        }
    }

    fn give_after(&mut self, index: usize, after: Option<Duration>) {
        if let Some(after) = after {
            self.engine.after(after, Alarm::Give(index));
        }
    }

    fn visit(&mut self, index: usize) {
        let client = &mut self.list[index];
        if client.visits == 0 {
            return;
        }
        client.visits -= 1;
        let rng = &mut client.rng;
        let contexts = self.contexts.as_ref();
        let asking = contexts.and_then(|contexts| contexts.visit("h2", rng));
        let spoilt = asking.as_ref().and_then(|asking| {
            let spoilt = asking.is_spoiled.then_some(Habit::Spoiled);
            spoilt.or(asking.is_barred.then_some(Habit::Barred))
        });
        client.habit = spoilt.unwrap_or_else(|| Habit::new(rng));
        let is_fair = client.habit == Habit::Brisk;
        let (mut manners, settings) = Manners::new(is_fair, false, rng);
        if client.habit == Habit::Stalled {
            manners.give = Give::Never;
        }
        client.peer = Peer::new(Role::Client, &settings, rng.chance(3, 4), rng);
        client.peer.windows_max = self.mux.down;
        if rng.chance(1, 3) {
            client.peer.widen_conn(rng.between(1, 1 << 20) as i64);
        }
        client.depth = rng.between(1, 6) as usize;
        client.requests = rng.between(1, 8) as u32;
        let later = manners.later.as_ref().map(|(after, _)| *after);
        (client.manners, client.phase) = (manners, Phase::Talking);
        (client.unsent, client.sent) = (0, 0);
        (client.connected, client.is_resting) = (false, false);
        let sock = self.engine.connect(&self.to, asking);
        client.sock = Some(sock);
        self.by_sock.insert(sock, index);
        let text = format!("HTTP/2 client {index} connects, {:?}", client.habit);
        self.ledger.borrow_mut().note(text);
        if let Some(after) = later {
            self.engine.after(after, Alarm::Settings(index));
        }
    }

    fn leave(&mut self, index: usize, sock: Sock) {
        let client = &mut self.list[index];
        for (_, asking) in std::mem::take(&mut client.asking) {
            if !asking.is_answered {
                self.ledger.borrow_mut().end(asking.id, Ended::Left);
            }
        }
        client.phase = Phase::Finished;
        self.engine.close(sock);
    }

    fn cancel(&mut self, index: usize, stream: u32) {
        let client = &mut self.list[index];
        let is_open = client.asking.get(&stream).is_some_and(|a| !a.is_answered);
        if is_open && client.phase == Phase::Talking {
            client.peer.reset(stream, frame::CANCEL);
            self.note_ends(index);
        }
    }
}

impl Party for MuxClients {
    type Alarm = Alarm;

    fn seat(&mut self) -> &mut Seat<Alarm> {
        &mut self.engine
    }

    fn on_alarm(&mut self, alarm: Alarm) {
        let index = match alarm {
            Alarm::Cancel(index, stream) => {
                self.cancel(index, stream);
                index
            }
            Alarm::Give(index) => {
                let client = &mut self.list[index];
                let next = client.manners.give_later(&mut client.peer, &mut client.rng);
                self.give_after(index, next);
                index
            }
            Alarm::Hear(index) => return self.hear(index),
            Alarm::Impatience(id) => return self.on_impatience(id),
            Alarm::Push(index) => {
                self.list[index].is_resting = false;
                index
            }
            Alarm::Settings(index) => {
                let client = &mut self.list[index];
                if client.phase == Phase::Talking
                    && let Some((_, settings)) = client.manners.later.take()
                {
                    client.peer.tell_settings(settings);
                }
                index
            }
            Alarm::Visit(index) => return self.visit(index),
        };
        self.push(index);
    }

    fn on_connected(&mut self, sock: Sock) {
        let Some(index) = self.by_sock.get(&sock).copied() else {
            return;
        };
        let client = &mut self.list[index];
        client.connected = true;
        let habit = client.habit;
        if matches!(habit, Habit::Deaf | Habit::Stalled) {
            self.engine.after(self.deafness, Alarm::Hear(index));
        }
        if habit != Habit::Deaf {
            self.engine.resume(sock);
        }
        self.push(index);
    }

    fn on_received(&mut self, sock: Sock, data: &[u8]) {
        if let Some(index) = self.by_sock.get(&sock).copied() {
            self.hear_answers(index, data);
            self.push(index);
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize) {
        if let Some(index) = self.by_sock.get(&sock).copied() {
            let client = &mut self.list[index];
            client.unsent -= bytes;
            client.sent += bytes;
            self.push(index);
        }
    }

    fn on_finished(&mut self, sock: Sock) {
        if let Some(index) = self.by_sock.get(&sock).copied() {
            self.on_end(index);
            self.engine.close(sock);
        }
    }

    fn on_closed(&mut self, sock: Sock) {
        if let Some(index) = self.by_sock.remove(&sock) {
            self.on_end(index);
            let client = &mut self.list[index];
            client.sock = None;
            let after = Duration::from_micros(client.rng.below(200_000));
            self.engine.after(after, Alarm::Visit(index));
        }
    }
}
