//! What clients send: requests in pieces, malformed messages, the end.

use super::{Alarm, Clients, Habit, Malformed, Outgoing};
use crate::{
    ledger::Exchange,
    message::{self, Framing},
    scenario::BODY_MAX,
};
use engines::{Buf, Rng, Sock};
use std::time::Duration;

/// Bytes that a client keeps queued.
const QUEUED_MAX: usize = 8 << 10;

const MALFORMED: &[&str] = &[
    "POST /r/smuggled HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /r/smuggled HTTP/1.1\nhost: h\n\n",
    "GET /r/smuggled HTTP/1.1\r\nhost: h\r\nx : 1\r\n\r\n",
    "GET /r/smuggled HTTP/1.1\r\n\r\n",
    "POST /r/smuggled HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "\x01\x02\x03\x04\r\n\r\n",
];

impl Clients {
    /// Sends what may be sent now.
    pub(super) fn push(&mut self, index: usize) {
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
}

fn some_len(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => 0,
        1 => rng.below(50),
        2 => rng.below(3000),
        _ => rng.below(BODY_MAX),
    }
}
