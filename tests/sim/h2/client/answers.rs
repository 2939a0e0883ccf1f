//! What comes back: answers, resets, GOAWAY, and the state of the windows at the end.

use super::{Fields, MuxClients, Phase};
use crate::{
    h2::{frame, habit::Habit, peer::Told},
    ledger::Ended,
};

impl MuxClients {
    /// Nothing is under way on the connection: its windows are whole again.
    fn on_pong(&mut self, index: usize) {
        let client = &mut self.list[index];
        let Phase::Farewell(left @ 1..) = client.phase else {
            return;
        };
        client.phase = Phase::Farewell(left - 1);
        if left > 1 {
            return client.peer.ping();
        }
        if !client.peer.is_quiet() {
            let text = format!("HTTP/2 client {index} was not told all that is due");
            self.ledger.borrow_mut().violate(text);
        }
        if let Some(lost) = client.peer.lost_credit() {
            let text = format!("HTTP/2 client {index} misses {lost} bytes of its window");
            self.ledger.borrow_mut().violate(text);
        }
        if client.rng.chance(1, 2) {
            client.peer.go_away(0, frame::NO_ERROR);
        }
    }

    pub(super) fn hear_answers(&mut self, index: usize, data: &[u8]) {
        let client = &mut self.list[index];
        let told = match client.peer.receive(data) {
            Ok(told) => told,
            Err(why) => {
                let text = format!("HTTP/2 client {index} was told what is wrong: {why}");
                return self.ledger.borrow_mut().violate(text);
            }
        };
        for one in told {
            self.on_told(index, one);
        }
        self.note_ends(index);
        let client = &mut self.list[index];
        let next = client.manners.give_now(&mut client.peer, &mut client.rng);
        self.give_after(index, next);
    }

    fn on_told(&mut self, index: usize, told: Told) {
        let draining = self.draining;
        let asking = |stream| self.list[index].asking.get(&stream);
        let mut ledger = self.ledger.borrow_mut();
        match told {
            Told::Head { id, head, end } => {
                let Some(asked) = asking(id).filter(|_| head.status() >= 200) else {
                    return;
                };
                let strict = self.strict && asked.is_good && !draining;
                ledger.answer_head(asked.id, head.status(), head.field("x-id"), strict);
                drop(ledger);
                self.on_answered(index, id, end, &Fields::new());
            }
            Told::Data { id, bytes, end } => {
                let name = asking(id).map_or(0, |asked| asked.id);
                let status = ledger.exchanges.get(&name).and_then(|e| e.status);
                if matches!(status, Some(200 | 204 | 304)) && !bytes.is_empty() {
                    ledger.answer_body(name, &bytes);
                }
                drop(ledger);
                self.on_answered(index, id, end, &Fields::new());
            }
            Told::Trailers { id, fields } => {
                drop(ledger);
                self.on_answered(index, id, true, &fields);
            }
            Told::Reset { id, code } => {
                drop(ledger);
                self.on_reset(index, id, code);
            }
            Told::GoAway { last, code } => {
                drop(ledger);
                self.on_go_away(index, last, code);
            }
            Told::Pong => {
                drop(ledger);
                self.on_pong(index);
            }
            Told::Settings | Told::Window => {}
        }
    }

    fn on_answered(&mut self, index: usize, stream: u32, end: bool, trailers: &Fields) {
        if let Some(asking) = self.list[index].asking.get_mut(&stream).filter(|_| end) {
            asking.is_answered = true;
            self.ledger.borrow_mut().answer_end(asking.id, trailers);
        }
    }

    fn on_reset(&mut self, index: usize, stream: u32, code: u32) {
        let client = &mut self.list[index];
        let Some(asking) = client.asking.remove(&stream) else {
            return;
        };
        let mut ledger = self.ledger.borrow_mut();
        if asking.is_answered {
            // RFC 9113 §8.1: the answer is whole, the rest of the request is not wanted.
            if code != frame::NO_ERROR && client.habit == Habit::Brisk {
                ledger.violate(format!(
                    "the whole answer to {} is reset: {code}",
                    asking.id
                ));
            }
            return;
        }
        if code == frame::REFUSED_STREAM {
            ledger.disown(asking.id);
        }
        if asking.is_good && self.strict && !self.draining {
            ledger.violate(format!("request {} was reset: {code}", asking.id));
        }
        ledger.end(asking.id, Ended::Cut);
    }

    fn on_go_away(&mut self, index: usize, last: u32, code: u32) {
        let client = &mut self.list[index];
        let mut ledger = self.ledger.borrow_mut();
        if code != frame::NO_ERROR && client.habit == Habit::Brisk {
            ledger.violate(format!("HTTP/2 client {index} got GOAWAY with code {code}"));
        }
        let late = client.asking.split_off(&(last.saturating_add(1)));
        for (stream, asking) in late {
            if let Some(books) = client.peer.streams.get_mut(&stream) {
                books.sent_reset = true;
            }
            if !asking.is_answered {
                ledger.disown(asking.id);
                ledger.end(asking.id, Ended::Unanswered);
            }
            if asking.is_good && self.strict && !self.draining {
                ledger.violate(format!("request {} was not taken", asking.id));
            }
        }
    }

    /// The connection ended.
    pub(super) fn on_end(&mut self, index: usize) {
        let client = &mut self.list[index];
        let excused = !self.strict || self.draining || client.habit != Habit::Brisk;
        let mut ledger = self.ledger.borrow_mut();
        for (_, asking) in std::mem::take(&mut client.asking) {
            if asking.is_answered {
                continue;
            }
            ledger.end(asking.id, Ended::Cut);
            if !excused && asking.is_good {
                ledger.violate(format!("request {}: its connection ended", asking.id));
            }
        }
        client.phase = Phase::Finished;
    }
}
