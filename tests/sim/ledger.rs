//! The reference model: what was asked, what arrived, what was answered, and what must not be.

use crate::message::body_byte;
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

/// Lines of a trace that a failure shows.
const SHOWN: usize = 60;

/// One request, from the client's pen to the answer's last byte.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body_len: u64,
    pub(crate) trailers: bool,
    /// Its client does nothing odd: it deserves an answer, soon.
    pub(crate) is_good: bool,
    pub(crate) started: Duration,
    /// The client has handed all of it to its engine.
    pub(crate) sent: bool,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) status: Option<u16>,
    pub(crate) answer_len: u64,
    /// Bytes of the answer that an endpoint means to give.
    pub(crate) promised: Option<u64>,
    /// Times that it came to an endpoint which had said that it would not look at it.
    pub(crate) disregarded: usize,
    /// The proxy has told that no endpoint saw it.
    pub(crate) is_disowned: bool,
    pub(crate) ended: Ended,
    /// Its client must be refused before any of it is looked at.
    pub(crate) is_barred: bool,
    /// Its answer is told to be over by the end of the connection, and TLS did not say that end.
    pub(crate) is_cut: bool,
}

/// What peers saw of TLS, and of what the proxy has to have counted.
#[derive(Debug, Default)]
pub(crate) struct Secured {
    /// Sessions that clients of the proxy have begun, and those in which data came.
    pub(crate) begun: u64,
    pub(crate) answered: u64,
    /// Connections that the proxy has made to endpoints with TLS, and those on which data came.
    pub(crate) accepted: u64,
    pub(crate) asked: u64,
    pub(crate) resumed: u64,
    pub(crate) updates: u64,
    pub(crate) alerts: u64,
    /// `close_notify`s.
    pub(crate) ended: u64,
}

/// What an endpoint got of a request.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    pub(crate) len: u64,
    pub(crate) complete: bool,
    /// The endpoint has told that it did nothing with it.
    pub(crate) is_refused: bool,
}

/// How an exchange ended for its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    #[default]
    No,
    /// With a complete answer.
    Answered,
    /// With the connection, the answer cut short.
    Cut,
    /// With the connection, without an answer.
    Unanswered,
    /// By the client itself.
    Left,
}

/// Everything the peers report; shared by all of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) exchanges: BTreeMap<u64, Exchange>,
    pub(crate) violations: Vec<String>,
    pub(crate) now: Duration,
    /// A hash over everything that was reported, in order.
    pub(crate) fingerprint: u64,
    pub(crate) secure: Secured,
    trace: VecDeque<String>,
    shows_all: bool,
}

impl Secured {
    /// What every large number of seeds has to show: sessions on either side, resumed ones, KeyUpdates, alerts.
    pub(crate) fn seen(&self) -> [u64; 5] {
        [
            self.answered,
            self.asked,
            self.resumed,
            self.updates,
            self.alerts,
        ]
    }
}

pub(crate) type SharedLedger = Rc<RefCell<Ledger>>;

impl Ledger {
    pub(crate) fn shared() -> SharedLedger {
        Rc::new(RefCell::new(Self {
            shows_all: std::env::var_os("SIM_TRACE").is_some(),
            ..Self::default()
        }))
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, what: String) {
        self.mix(what.as_bytes());
        self.mix(&self.now.as_nanos().to_le_bytes());
        let line = format!("{:>12?} {what}", self.now);
        if self.shows_all {
            eprintln!("{line}");
        }
        if self.trace.len() == SHOWN {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }

    /// Makes bytes that went over the network part of the fingerprint.
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.fingerprint = (self.fingerprint ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Notes what must not happen.
    pub(crate) fn violate(&mut self, what: String) {
        self.note(format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    pub(crate) fn begin(&mut self, id: u64, mut exchange: Exchange) {
        exchange.started = self.now;
        self.note(format!("client {id} {} {}", exchange.method, exchange.path));
        self.exchanges.insert(id, exchange);
    }

    /// A request's head reached an endpoint; the number of its arrival.
    pub(crate) fn arrive(&mut self, id: u64, method: &str) -> Option<usize> {
        self.note(format!("endpoint {id} {method}"));
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            self.violate(format!(
                "request {id} reached an endpoint and was never sent"
            ));
            return None;
        };
        exchange.arrivals.push(Arrival::default());
        let number = exchange.arrivals.len() - 1;
        let may_repeat = ["/retry/", "/again/"]
            .iter()
            .any(|prefix| exchange.path.starts_with(prefix));
        let taken = exchange.arrivals[..number].iter().any(|a| !a.is_refused);
        if exchange.is_barred {
            self.violate(format!(
                "request {id} arrived, and its client is to be refused"
            ));
        } else if exchange.is_disowned {
            self.violate(format!(
                "request {id} arrived, and its client was told that it did not"
            ));
        } else if exchange.method != method {
            self.violate(format!("request {id} arrived as {method}"));
        } else if taken && matches!(method, "POST" | "CONNECT") && !may_repeat {
            self.violate(format!("request {id}, a POST, was sent twice"));
        } else if number > 8 {
            self.violate(format!("request {id} was sent {number} times"));
        }
        Some(number)
    }

    /// The endpoint tells that it did nothing with a request: it may be sent again.
    pub(crate) fn refuse(&mut self, id: u64, number: usize) {
        self.note(format!("endpoint refuses {id}"));
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.arrivals[number].is_refused = true;
        }
    }

    /// A request came to an endpoint which had said that it would not look at it.
    pub(crate) fn disregard(&mut self, id: u64) {
        self.note(format!("endpoint does not look at {id}"));
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.disregarded += 1;
        }
    }

    pub(crate) fn refusals(&self, id: u64) -> usize {
        let arrivals = self.exchanges.get(&id).map(|e| e.arrivals.iter());
        arrivals.map_or(0, |all| all.filter(|a| a.is_refused).count())
    }

    /// The proxy tells that it did nothing with a request: it must not have sent it to an endpoint.
    pub(crate) fn disown(&mut self, id: u64) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        exchange.is_disowned = true;
        if exchange.arrivals.iter().any(|a| !a.is_refused) {
            let text = format!("request {id} is told to be unprocessed: {exchange:?}");
            self.violate(text);
        }
    }

    /// An answer's head reached the client: whose it is and whether its status may be. `strict`:
    /// nothing excuses a failure.
    pub(crate) fn answer_head(&mut self, id: u64, status: u16, x_id: Option<&str>, strict: bool) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return self.violate(format!("an answer to {id}, which was never asked"));
        };
        exchange.status = Some(status);
        let path = exchange.path.clone();
        // Each try met an endpoint that was about to go.
        let is_unlucky = exchange.disregarded + exchange.arrivals.len() > 3;
        if x_id.is_some_and(|other| other != id.to_string()) {
            self.violate(format!("request {id} got the answer to {x_id:?}"));
        }
        let bodiless = matches!(status, 204 | 304) && x_id.is_some();
        let expected = match path.split('/').nth(1) {
            Some("abort") => status == 418,
            Some("none") => status == 404,
            Some("retry" | "again") => status == 200 || status == 503 || bodiless,
            Some(_) | None => status == 200 || bodiless,
        };
        let fault = matches!(status, 400 | 408 | 502 | 503 | 504);
        let is_excused = fault && !strict || status == 503 && is_unlucky;
        if !(expected || is_excused) {
            self.violate(format!("request {id} {path} got {status}"));
        }
        if status == 200 && x_id.is_none() {
            self.violate(format!("request {id} got a 200 of unknown origin"));
        }
    }

    /// A part of a request's body reached an endpoint.
    pub(crate) fn arrive_body(&mut self, id: u64, number: usize, bytes: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let arrival = &mut exchange.arrivals[number];
        let wrong = first_wrong(id, arrival.len, bytes);
        arrival.len += bytes.len() as u64;
        if let Some(at) = wrong {
            self.violate(format!(
                "request {id} is not what was sent from byte {at} on"
            ));
        }
    }

    /// A request is complete at an endpoint.
    pub(crate) fn arrive_end(&mut self, id: u64, number: usize, trailers: bool) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let arrival = &mut exchange.arrivals[number];
        arrival.complete = true;
        let whole = arrival.len == exchange.body_len && exchange.trailers == trailers;
        if !whole || !exchange.sent {
            let text = format!("request {id} is complete for its endpoint only: {exchange:?}");
            self.violate(text);
        }
    }

    /// An endpoint means to give an answer of that many bytes.
    pub(crate) fn promise(&mut self, id: u64, len: Option<u64>) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            (exchange.promised, exchange.is_cut) = (len, false);
        }
    }

    /// The answer that was promised last is cut where only the end of the connection could end it.
    pub(crate) fn cut(&mut self, id: u64) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.is_cut = true;
        }
    }

    /// An answer is complete for its client.
    pub(crate) fn answer_end(&mut self, id: u64, trailers: &[(String, String)]) {
        let exchange = &self.exchanges[&id];
        let got = exchange.answer_len;
        if exchange.status == Some(200) && exchange.method != "HEAD" {
            if exchange.is_cut {
                return self.violate(format!(
                    "the answer to {id} was cut, and is told to be whole"
                ));
            }
            let sum = trailers.iter().find(|(name, _)| name == "x-sum");
            let said = sum.map(|(_, sum)| sum.parse().unwrap_or(u64::MAX));
            let wrong = [said, exchange.promised]
                .into_iter()
                .flatten()
                .find(|len| *len != got);
            if let Some(wrong) = wrong {
                self.violate(format!("the answer to {id} has {got} bytes of {wrong}"));
            }
        }
        self.end(id, Ended::Answered);
    }

    /// A part of an answer's body reached the client.
    pub(crate) fn answer_body(&mut self, id: u64, bytes: &[u8]) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let wrong = first_wrong(id, exchange.answer_len, bytes);
        exchange.answer_len += bytes.len() as u64;
        if matches!(exchange.status, Some(204 | 304)) || exchange.method == "HEAD" {
            self.violate(format!("the answer to {id} has a body"));
            return;
        }
        if self.shows_all {
            eprintln!(
                "{:>12?} answer {id} {} bytes",
                self.now, exchange.answer_len
            );
        }
        if let Some(at) = wrong {
            self.violate(format!(
                "the answer to {id} is not what was sent from byte {at} on"
            ));
        }
    }

    pub(crate) fn end(&mut self, id: u64, ended: Ended) {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        if exchange.ended != Ended::No {
            let text = format!("request {id} ended twice: {:?}, {ended:?}", exchange.ended);
            return self.violate(text);
        }
        exchange.ended = ended;
        let took = now - exchange.started;
        let text = format!("ended {id} {ended:?} {:?} after {took:?}", exchange.status);
        self.note(text);
    }

    /// Panics if anything was wrong.
    pub(crate) fn check(&self, seed: u64, test: &str) {
        if !self.violations.is_empty() {
            let trace: Vec<_> = self.trace.iter().cloned().collect();
            panic!(
                "seed {seed}: {}\nthe last of what happened:\n{}\nreplay: SIM_SEED={seed} SIM_TRACE=1 cargo test -p tests --test sim {test}",
                self.violations.join("\n"),
                trace.join("\n")
            );
        }
    }
}

fn first_wrong(id: u64, from: u64, bytes: &[u8]) -> Option<u64> {
    let wrong = (from..).zip(bytes);
    wrong
        .filter(|(at, byte)| body_byte(id, *at) != **byte)
        .map(|(at, _)| at)
        .next()
}
