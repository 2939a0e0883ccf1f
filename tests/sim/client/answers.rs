//! What clients read: answers, and how their connections end.

use super::{Clients, Habit, Malformed};
use crate::{
    ledger::Ended,
    message::{self, Kind, Part},
};

impl Clients {
    pub(super) fn read(&mut self, index: usize) {
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
    pub(super) fn on_end(&mut self, index: usize, properly: bool) {
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
