//! An engine whose sockets may be encrypted: what a peer hands over and is told is plain.
//!
//! A connection is told of when its handshake is over, its end when the other end has said it. What must
//! not be seen on an encrypted socket is a violation.

use super::{
    contexts::{Asking, Place, Serving},
    end::End,
    talk::{Said, Talk, is_alert},
};
use crate::ledger::SharedLedger;
use engines::{
    Buf, BufMut, ConnectOptions, Engine, EngineId, EngineOptions, Event, ListenOptions, Rng,
    SimEngine, SimNet, Sock, SockAddr,
};
use std::{collections::BTreeMap, time::Instant};

/// KeyUpdates that one end sends at most; a peer may stop at 16.
const UPDATES_MAX: u32 = 6;

/// The engine.
pub(crate) struct Line {
    engine: SimEngine,
    rng: Rng,
    ledger: SharedLedger,
    ends: BTreeMap<Sock, End>,
    serving: BTreeMap<Sock, Serving>,
    raw: Vec<Event>,
}

impl Line {
    pub(crate) fn new(net: &SimNet, seed: u64, ledger: &SharedLedger) -> Self {
        Self {
            engine: net.engine(&EngineOptions::default()),
            rng: Rng::seeded(seed),
            ledger: ledger.clone(),
            ends: BTreeMap::new(),
            serving: BTreeMap::new(),
            raw: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> EngineId {
        self.engine.id()
    }

    pub(crate) fn now(&self) -> Instant {
        self.engine.now()
    }

    /// Whether a connection is encrypted.
    pub(crate) fn is_secure(&self, sock: Sock) -> bool {
        self.ends.contains_key(&sock)
    }

    pub(crate) fn listen(&mut self, at: &str, serving: Option<Serving>) {
        let at = SockAddr::Inet(at.parse().unwrap());
        let sock = self.engine.listen(&at, &ListenOptions::default()).unwrap();
        if let Some(serving) = serving {
            self.serving.insert(sock, serving);
        }
        self.engine.resume(sock);
    }

    pub(crate) fn connect(&mut self, to: &SockAddr, asking: Option<Asking>) -> Sock {
        let sock = self.engine.connect(to, &ConnectOptions::default());
        if let Some(asking) = asking {
            let end = End {
                place: asking.place,
                spoils_after: asking.is_spoiled.then(|| self.rng.below(5000) as usize),
                is_curt: asking.is_curt,
                asking: Some(asking),
                ..End::new()
            };
            self.ends.insert(sock, end);
        }
        sock
    }

    pub(crate) fn resume(&mut self, sock: Sock) {
        if let Some(end) = self.ends.get_mut(&sock) {
            end.is_read = true;
        }
        self.engine.resume(sock);
    }

    pub(crate) fn pause(&mut self, sock: Sock) {
        if let Some(end) = self.ends.get_mut(&sock) {
            end.is_read = false;
        }
        self.engine.pause(sock);
    }

    pub(crate) fn send(&mut self, sock: Sock, data: Buf) {
        match self.ends.get_mut(&sock) {
            None => self.engine.send(sock, data),
            Some(end) if end.is_open => self.seal(sock, &data),
            Some(end) => end.waiting.push(data),
        }
    }

    /// Ends our direction.
    pub(crate) fn finish(&mut self, sock: Sock) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return self.engine.finish(sock);
        };
        if !end.is_open {
            end.ends = true;
            return;
        }
        end.has_ended = true;
        let mut records = Vec::new();
        if let Some(talk) = end.talk.as_mut().filter(|_| !end.is_curt) {
            talk.session.close(&mut records);
        }
        self.send_records(sock, records, 0);
        self.engine.finish(sock);
    }

    /// Ends our direction as if the connection had been cut: TLS says nothing.
    pub(crate) fn cut(&mut self, sock: Sock) {
        if let Some(end) = self.ends.get_mut(&sock) {
            end.is_curt = true;
        }
        self.finish(sock);
    }

    pub(crate) fn close(&mut self, sock: Sock) {
        if let Some(end) = self.ends.get_mut(&sock) {
            end.is_over = true;
            // A peer that has sent all does not know of `close_notify`.
            end.is_leaving = end.has_ended && !end.queued.is_empty();
            if end.is_leaving {
                return;
            }
        }
        self.engine.close(sock);
    }

    pub(crate) fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) {
        let mut raw = std::mem::take(&mut self.raw);
        self.engine.wait(deadline, &mut raw).unwrap();
        for event in raw.drain(..) {
            self.on_event(event, events);
        }
        self.raw = raw;
    }

    fn on_event(&mut self, event: Event, events: &mut Vec<Event>) {
        match event {
            Event::Accepted { listener, sock, .. } if self.serving.contains_key(&listener) => {
                self.accept(listener, sock, event);
            }
            Event::Connected { sock } if self.ends.contains_key(&sock) => self.begin(sock),
            Event::Received { sock, data } if self.ends.contains_key(&sock) => {
                self.on_received(sock, &data, events);
            }
            Event::Sent { sock, bytes } if self.ends.contains_key(&sock) => {
                self.on_sent(sock, bytes, events);
            }
            Event::Finished { sock } if self.ends.contains_key(&sock) => self.on_finished(sock),
            Event::Closed { sock, .. } => {
                let end = self.ends.remove(&sock);
                // The peer never knew of it.
                if end.is_none_or(|end| end.held.is_none()) {
                    events.push(event);
                }
            }
            Event::AcceptFailed { .. }
            | Event::Accepted { .. }
            | Event::Connected { .. }
            | Event::Datagram { .. }
            | Event::Detached { .. }
            | Event::Finished { .. }
            | Event::Received { .. }
            | Event::Relayed { .. }
            | Event::Sent { .. }
            | Event::Woken => events.push(event),
        }
    }

    fn on_sent(&mut self, sock: Sock, bytes: usize, events: &mut Vec<Event>) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        let told = end.note_sent(bytes);
        if end.is_leaving && end.queued.is_empty() {
            self.engine.close(sock);
        } else if told > 0 {
            events.push(Event::Sent { sock, bytes: told });
        }
    }

    fn accept(&mut self, listener: Sock, sock: Sock, event: Event) {
        let Some(serving) = self.serving.get(&listener) else {
            return;
        };
        let bad = serving.bad.as_ref().filter(|_| self.rng.chance(1, 6));
        let end = End {
            talk: Some(Talk::accept(bad.unwrap_or(&serving.good))),
            place: serving.place,
            held: Some(event),
            is_bad: bad.is_some(),
            ..End::new()
        };
        if end.place == Place::Proxy {
            self.ledger.borrow_mut().secure.accepted += 1;
        }
        self.ends.insert(sock, end);
        self.engine.resume(sock);
    }

    /// A client says its hello.
    fn begin(&mut self, sock: Sock) {
        let now = self.engine.wall().0;
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        let Some(asking) = &end.asking else { return };
        let mut records = Vec::new();
        end.talk = Some(Talk::connect(
            &asking.context,
            asking.name,
            now,
            &mut records,
        ));
        if end.place == Place::Proxy {
            self.ledger.borrow_mut().secure.begun += 1;
        }
        self.send_records(sock, records, 0);
        self.engine.resume(sock);
    }

    fn on_received(&mut self, sock: Sock, data: &[u8], events: &mut Vec<Event>) {
        let now = self.engine.wall().0;
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        let Some(talk) = end.talk.as_mut().filter(|_| !end.is_over) else {
            return;
        };
        self.ledger.borrow_mut().mix(data);
        let mut records = Vec::new();
        let all = talk.receive(now, data, &mut records);
        self.send_records(sock, records, 0);
        for said in all {
            match said {
                Said::Established => self.open(sock, events),
                Said::Data(bytes) => {
                    self.note_heard(sock);
                    let data = BufMut::from(bytes);
                    events.push(Event::Received { sock, data });
                }
                Said::Closed => {
                    if let Some(end) = self.ends.get_mut(&sock) {
                        end.is_over = true;
                    }
                    self.ledger.borrow_mut().secure.ended += 1;
                    events.push(Event::Finished { sock });
                }
                Said::Failed(fault) => self.on_fault(sock, &fault),
                Said::Plain => {
                    let text = "what came first on an encrypted connection is no TLS".to_owned();
                    self.ledger.borrow_mut().violate(text);
                }
            }
        }
    }

    fn note_heard(&mut self, sock: Sock) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        if end.place == Place::Proxy && !std::mem::replace(&mut end.has_heard, true) {
            let mut ledger = self.ledger.borrow_mut();
            if end.asking.is_some() {
                ledger.secure.answered += 1;
            } else {
                ledger.secure.asked += 1;
            }
            if end.asking.as_ref().is_some_and(|asking| asking.is_barred) {
                ledger.violate("who must be refused got data".to_owned());
            }
        }
    }

    fn on_fault(&mut self, sock: Sock, fault: &tls::Fault) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        end.is_over = true;
        let asking = end.asking.as_ref();
        let is_due = asking.map_or(end.is_bad, |one| one.is_barred || one.is_spoiled);
        let mut ledger = self.ledger.borrow_mut();
        if is_due && is_alert(fault) {
            ledger.secure.alerts += 1;
            ledger.note(format!("an alert: {}", fault.reason));
        } else {
            ledger.violate(format!("TLS failed at a peer: {fault:?}"));
        }
        drop(ledger);
        self.engine.close(sock);
    }

    /// The transport's end: told already, or not an end that TLS knows of.
    fn on_finished(&mut self, sock: Sock) {
        if self.ends.get(&sock).is_some_and(|end| !end.is_over) {
            self.close(sock);
        }
    }

    /// A handshake is over: what waited goes on.
    fn open(&mut self, sock: Sock, events: &mut Vec<Event>) {
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        end.is_open = true;
        let facts = end.talk.as_ref().and_then(Talk::facts);
        let mut ledger = self.ledger.borrow_mut();
        if let Some(facts) = facts {
            ledger.secure.resumed += u64::from(facts.is_resumed);
            let (suite, alpn) = (facts.suite.0, facts.alpn.as_deref());
            let alpn = alpn.map(String::from_utf8_lossy);
            ledger.note(format!(
                "{:?} {suite:#x} {alpn:?} resumed {}",
                facts.version, facts.is_resumed
            ));
        }
        if end.is_bad {
            ledger.violate("an expired certificate was taken".to_owned());
        }
        drop(ledger);
        events.push(end.held.take().unwrap_or(Event::Connected { sock }));
        let (waiting, ends) = (std::mem::take(&mut end.waiting), end.ends);
        if !end.is_read {
            self.engine.pause(sock);
        }
        for data in waiting {
            self.seal(sock, &data);
        }
        if ends {
            self.finish(sock);
        }
    }

    /// Encrypts data in one piece or two, now and then behind new keys.
    fn seal(&mut self, sock: Sock, data: &[u8]) {
        let now = self.engine.wall().0;
        let Some(end) = self.ends.get_mut(&sock) else {
            return;
        };
        let Some(talk) = &mut end.talk else { return };
        let mut records = Vec::new();
        if end.updates < UPDATES_MAX && self.rng.chance(1, 12) {
            end.updates += 1;
            talk.update_keys(&mut records);
            self.ledger.borrow_mut().secure.updates += 1;
        }
        let cut = match self.rng.chance(1, 4) {
            true => self.rng.index(data.len().max(1)),
            false => 0,
        };
        for piece in [&data[..cut], &data[cut..]] {
            if !piece.is_empty() {
                records.extend(talk.seal(now, piece));
            }
        }
        end.spoil(&mut records, data.len());
        self.send_records(sock, records, data.len());
    }

    fn send_records(&mut self, sock: Sock, records: Vec<u8>, data: usize) {
        if records.is_empty() {
            return;
        }
        self.ledger.borrow_mut().mix(&records);
        if let Some(end) = self.ends.get_mut(&sock) {
            end.queued.push_back((records.len(), data));
        }
        self.engine.send(sock, Buf::from(records));
    }
}
