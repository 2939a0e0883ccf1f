//! The endpoints that speak HTTP/2: in a strict run odd but correct, otherwise they also fail in every
//! way that one can.

mod answering;

use super::{
    frame,
    manners::Manners,
    outgoing::Outgoing,
    peer::{Peer, Role, Told},
    plan::{Mishap, Plan},
    stream::Head,
};
use crate::{
    ledger::SharedLedger,
    party::{Party, Seat},
    scenario::{Mux, Scenario},
    secure::SharedContexts,
};
use engines::{Rng, SimNet, Sock};
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug)]
pub(crate) enum Alarm {
    Answer(Sock, u32),
    Give(Sock),
    GoAway(Sock),
    Push(Sock),
    Read(Sock),
    Settings(Sock),
}

/// A request under way.
#[derive(Debug)]
struct Serving {
    id: u64,
    number: usize,
    plan: Plan,
    is_head: bool,
    has_begun: bool,
    answer: Option<Outgoing>,
}

#[derive(Debug)]
struct Conn {
    peer: Peer,
    manners: Manners,
    serving: BTreeMap<u32, Serving>,
    unsent: usize,
    slow: bool,
    /// A slow one, between two pushes.
    is_resting: bool,
    /// Nothing it does is judged any more: it broke the rules itself.
    is_broken: bool,
    /// GOAWAY is sent when so many streams came.
    goes_after: Option<u32>,
    finished: bool,
}

/// All of them, on one engine.
pub(crate) struct MuxEndpoints {
    engine: Seat<Alarm>,
    conns: BTreeMap<Sock, Conn>,
    ledger: SharedLedger,
    rng: Rng,
    strict: bool,
    mux: Mux,
    is_quiet: bool,
}

impl MuxEndpoints {
    pub(crate) fn new(
        net: &SimNet,
        scenario: &Scenario,
        mux: &Mux,
        rng: &mut Rng,
        ledger: &SharedLedger,
        contexts: &SharedContexts,
    ) -> Self {
        let mut engine = Seat::new(net, scenario.seed ^ 4, ledger);
        let serving = contexts.as_ref().and_then(|one| one.endpoint(true));
        for number in 0..scenario.endpoints {
            engine.listen(&format!("10.0.0.1:{}", 8100 + number), serving.clone());
        }
        Self {
            engine,
            conns: BTreeMap::new(),
            ledger: ledger.clone(),
            rng: rng.fork(),
            strict: scenario.is_strict,
            mux: mux.clone(),
            is_quiet: false,
        }
    }

    fn give_after(&mut self, sock: Sock, after: Option<Duration>) {
        if let Some(after) = after {
            self.engine.after(after, Alarm::Give(sock));
        }
    }

    fn hear(&mut self, sock: Sock, data: &[u8]) {
        let Some(conn) = self.conns.get_mut(&sock) else {
            return;
        };
        let told = match conn.peer.receive(data) {
            Ok(told) => told,
            Err(_) if conn.is_broken => return,
            Err(why) => {
                let text = format!("an HTTP/2 endpoint was told what is wrong: {why}");
                return self.ledger.borrow_mut().violate(text);
            }
        };
        for one in told {
            self.on_told(sock, one);
        }
        if let Some(conn) = self.conns.get_mut(&sock) {
            let next = conn.manners.give_now(&mut conn.peer, &mut self.rng);
            self.give_after(sock, next);
        }
    }

    fn on_told(&mut self, sock: Sock, told: Told) {
        match told {
            Told::Head { id, head, end } => self.on_head(sock, id, &head, end),
            Told::Data { id, bytes, end } => {
                if let Some(serving) = self.serving(sock, id) {
                    let (name, number) = (serving.id, serving.number);
                    self.ledger.borrow_mut().arrive_body(name, number, &bytes);
                    if end {
                        self.on_request_end(sock, id, false);
                    }
                }
            }
            Told::Trailers { id, .. } => self.on_request_end(sock, id, true),
            Told::Reset { id, .. } => {
                if let Some(conn) = self.conns.get_mut(&sock) {
                    conn.serving.remove(&id);
                }
            }
            Told::GoAway { code, .. } => {
                let conn = self.conns.get(&sock);
                let is_due = conn.is_none_or(|conn| {
                    let is_petty = conn.manners.is_petty() && code == frame::ENHANCE_YOUR_CALM;
                    conn.is_broken || is_petty
                });
                if code != frame::NO_ERROR && !is_due {
                    let text = format!("an HTTP/2 endpoint got GOAWAY with code {code}");
                    self.ledger.borrow_mut().violate(text);
                }
            }
            Told::Pong | Told::Settings | Told::Window => {}
        }
    }

    fn serving(&mut self, sock: Sock, stream: u32) -> Option<&mut Serving> {
        self.conns.get_mut(&sock)?.serving.get_mut(&stream)
    }

    fn on_head(&mut self, sock: Sock, stream: u32, head: &Head, end: bool) {
        let Some(conn) = self.conns.get_mut(&sock) else {
            return;
        };
        let id: u64 = head
            .field("x-id")
            .and_then(|id| id.parse().ok())
            .unwrap_or(0);
        let path = head.path().to_owned();
        if !path.ends_with(&format!("/{id}")) {
            let text = format!("{path} is not request {id}");
            self.ledger.borrow_mut().violate(text);
        }
        if conn.peer.our_last.is_some_and(|last| stream > last) {
            // Sent before the proxy knew; it is not looked at.
            return self.ledger.borrow_mut().disregard(id);
        }
        let Some(number) = self.ledger.borrow_mut().arrive(id, head.method()) else {
            return;
        };
        let refusals = self.ledger.borrow().refusals(id);
        let fails = path.starts_with("/again/") && number == refusals;
        let is_head = head.method() == "HEAD";
        let rng = &mut self.rng;
        let plan = Plan::new(self.strict, refusals == 0, fails, is_head, rng);
        let (early, delay) = (plan.early, plan.delay);
        if plan.mishap == Mishap::Refuse {
            self.ledger.borrow_mut().refuse(id, number);
            conn.peer.reset(stream, frame::REFUSED_STREAM);
        } else {
            let serving = Serving {
                id,
                number,
                plan,
                is_head,
                has_begun: false,
                answer: None,
            };
            conn.serving.insert(stream, serving);
            if early && !end {
                self.engine.after(delay, Alarm::Answer(sock, stream));
            }
        }
        if let Some(after) = &mut conn.goes_after {
            *after -= 1;
            if *after == 0 {
                conn.goes_after = None;
                let after = Duration::from_micros(self.rng.below(3000));
                self.engine.after(after, Alarm::GoAway(sock));
            }
        }
        if end {
            self.on_request_end(sock, stream, false);
        }
    }

    fn on_request_end(&mut self, sock: Sock, stream: u32, trailers: bool) {
        let Some(serving) = self.serving(sock, stream) else {
            return;
        };
        let (id, number) = (serving.id, serving.number);
        let (has_begun, delay) = (serving.has_begun, serving.plan.delay);
        self.ledger.borrow_mut().arrive_end(id, number, trailers);
        if !has_begun {
            self.engine.after(delay, Alarm::Answer(sock, stream));
        }
    }

    /// Takes no more streams; of those that came, the last ones may not be taken either.
    fn go_away(&mut self, sock: Sock) {
        let Some(conn) = self.conns.get_mut(&sock) else {
            return;
        };
        let mut ledger = self.ledger.borrow_mut();
        let mut last = 0;
        for (stream, books) in conn.peer.streams.iter_mut().rev() {
            let serving = conn.serving.get(stream);
            let fresh = serving.filter(|s| !s.has_begun && ledger.refusals(s.id) == 0);
            let Some(serving) = fresh.filter(|_| self.rng.chance(1, 2)) else {
                last = *stream;
                break;
            };
            ledger.refuse(serving.id, serving.number);
            // Nothing of it is looked at any more.
            books.sent_reset = true;
            conn.serving.remove(stream);
        }
        ledger.note(format!("an endpoint goes away behind stream {last}"));
        drop(ledger);
        conn.peer.go_away(last, frame::NO_ERROR);
    }

    /// From now on every byte that an endpoint sent has been taken by a client or dropped.
    pub(crate) fn retire(&mut self) {
        self.is_quiet = true;
    }

    /// A connection that rests has got back what its answers took of the windows.
    fn check_windows(&self, sock: Sock) {
        let Some(conn) = self.conns.get(&sock).filter(|conn| !conn.is_broken) else {
            return;
        };
        let is_idle = conn.serving.is_empty() && conn.peer.open_streams() == 0;
        if let Some(lost) = conn.peer.lost_credit().filter(|_| is_idle && self.is_quiet) {
            let text = format!("an endpoint's connection misses {lost} bytes of its window");
            self.ledger.borrow_mut().violate(text);
        }
    }
}

impl Party for MuxEndpoints {
    type Alarm = Alarm;

    fn seat(&mut self) -> &mut Seat<Alarm> {
        &mut self.engine
    }

    fn on_alarm(&mut self, alarm: Alarm) {
        let sock = match alarm {
            Alarm::Answer(sock, stream) => {
                self.begin_answer(sock, stream);
                sock
            }
            Alarm::Give(sock) => {
                if let Some(conn) = self.conns.get_mut(&sock) {
                    let next = conn.manners.give_later(&mut conn.peer, &mut self.rng);
                    self.give_after(sock, next);
                }
                sock
            }
            Alarm::GoAway(sock) => {
                self.go_away(sock);
                sock
            }
            Alarm::Push(sock) => {
                if let Some(conn) = self.conns.get_mut(&sock) {
                    conn.is_resting = false;
                }
                sock
            }
            Alarm::Read(sock) => return self.engine.resume(sock),
            Alarm::Settings(sock) => {
                if let Some(conn) = self.conns.get_mut(&sock)
                    && let Some((_, settings)) = conn.manners.later.take()
                {
                    conn.peer.tell_settings(settings);
                }
                sock
            }
        };
        self.push(sock);
    }

    fn on_accepted(&mut self, sock: Sock) {
        let rng = &mut self.rng;
        let (manners, settings) = Manners::new(self.strict, true, rng);
        let mut peer = Peer::new(Role::Server, &settings, rng.chance(3, 4), rng);
        peer.windows_max = self.mux.up;
        if rng.chance(1, 3) {
            peer.widen_conn(rng.between(1, 1 << 20) as i64);
        }
        if let Some((after, _)) = &manners.later {
            self.engine.after(*after, Alarm::Settings(sock));
        }
        let conn = Conn {
            peer,
            manners,
            serving: BTreeMap::new(),
            unsent: 0,
            slow: rng.chance(1, 5),
            is_resting: false,
            is_broken: false,
            goes_after: rng.chance(1, 3).then(|| rng.between(1, 8) as u32),
            finished: false,
        };
        self.conns.insert(sock, conn);
        self.engine.resume(sock);
        self.push(sock);
    }

    fn on_received(&mut self, sock: Sock, data: &[u8]) {
        self.hear(sock, data);
        self.push(sock);
        if self.rng.chance(1, 20) {
            self.engine.pause(sock);
            let after = Duration::from_millis(self.rng.below(100));
            self.engine.after(after, Alarm::Read(sock));
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize) {
        if let Some(conn) = self.conns.get_mut(&sock) {
            conn.unsent -= bytes;
            if !conn.slow {
                self.push(sock);
            }
        }
    }

    fn on_finished(&mut self, sock: Sock) {
        self.check_windows(sock);
        self.engine.close(sock);
    }

    fn on_closed(&mut self, sock: Sock) {
        self.conns.remove(&sock);
    }
}
