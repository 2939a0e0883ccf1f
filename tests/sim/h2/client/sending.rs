//! What clients send, every stream in turn, and how they end.

use super::{Alarm, Client, MuxClients, Phase};
use crate::{
    h2::habit::{Habit, MALFORMED},
    ledger::Ended,
    scenario::BODY_MAX,
};
use engines::{Buf, Sock};
use std::time::Duration;

const QUEUED_MAX: usize = 8 << 10;

impl MuxClients {
    /// Sends what may be sent now, every stream in turn.
    pub(super) fn push(&mut self, index: usize) {
        loop {
            while self.ask(index) {}
            let client = &mut self.list[index];
            let is_open = client.connected && client.phase != Phase::Finished;
            let Some(sock) = client.sock.filter(|_| is_open) else {
                return;
            };
            let mut moved = false;
            let is_full = client.unsent >= QUEUED_MAX;
            if !is_full && !client.is_resting {
                moved = client.push_bodies();
                self.note_ends(index);
            }
            let client = &mut self.list[index];
            let out = client.peer.take_out();
            if !out.is_empty() {
                client.unsent += out.len();
                self.engine.send(sock, Buf::from(out));
            }
            if let Habit::Leaver(after) = client.habit
                && client.sent + client.unsent >= after
            {
                return self.leave(index, sock);
            }
            if client.habit == Habit::Slow && !client.is_resting && (moved || is_full) {
                client.is_resting = true;
                let after = Duration::from_millis(client.rng.between(1, 200));
                return self.engine.after(after, Alarm::Push(index));
            }
            if !moved {
                return self.maybe_finish(index, sock);
            }
        }
    }

    /// Tells the ledger what went out whole, or was given up; forgets what is over.
    pub(super) fn note_ends(&mut self, index: usize) {
        let client = &mut self.list[index];
        let mut ledger = self.ledger.borrow_mut();
        client.asking.retain(|stream, asking| {
            let Some(books) = client.peer.streams.get(stream) else {
                return false;
            };
            if let Some(exchange) = ledger.exchanges.get_mut(&asking.id) {
                let is_whole = asking.has_length && asking.body.at == asking.body.len;
                exchange.sent |= books.sent_end || is_whole;
            }
            if books.sent_reset && !asking.is_answered {
                asking.is_answered = true;
                ledger.end(asking.id, Ended::Left);
            }
            !books.is_over()
        });
    }

    /// Ends the connection when everything is said.
    fn maybe_finish(&mut self, index: usize, sock: Sock) {
        let client = &mut self.list[index];
        let is_told_to_go = client.peer.their_last.is_some();
        let is_said = client.requests == 0 || is_told_to_go;
        if !is_said || !client.asking.is_empty() {
            return;
        }
        match (client.phase, client.habit) {
            (Phase::Talking, Habit::Hostile) if client.peer.theirs.is_some() => {
                let garbage = MALFORMED[client.rng.index(MALFORMED.len())];
                self.ledger
                    .borrow_mut()
                    .note(format!("hostile {garbage:?}"));
                client.phase = Phase::Finished;
                client.peer.misbehave();
                self.engine.send(sock, Buf::copy_of(garbage));
                client.unsent += garbage.len();
                self.engine.finish(sock);
            }
            (Phase::Talking, Habit::Brisk) if client.peer.theirs.is_some() => {
                client.phase = Phase::Farewell(2);
                client.peer.ping();
                self.push(index);
            }
            (Phase::Farewell(1..), _) if !is_told_to_go => {}
            (Phase::Finished, _) => {}
            (Phase::Talking | Phase::Farewell(_), _) => {
                client.phase = Phase::Finished;
                match client.rng.below(3) {
                    0 => self.engine.close(sock),
                    _ => self.engine.finish(sock),
                }
            }
        }
    }
}

impl Client {
    fn push_bodies(&mut self) -> bool {
        let mut moved = false;
        for (stream, asking) in &mut self.asking {
            let most = match self.habit {
                Habit::Slow => 1 + self.rng.below(BODY_MAX / 8) as usize,
                Habit::Barred
                | Habit::Brisk
                | Habit::Deaf
                | Habit::Hostile
                | Habit::Leaver(_)
                | Habit::Spoiled
                | Habit::Stalled => 1 << self.rng.between(8, 14),
            };
            let is_over = self.peer.streams.get(stream).is_none_or(|s| s.is_over());
            if !is_over {
                let pushed = asking
                    .body
                    .push(&mut self.peer, *stream, most, &mut self.rng);
                moved |= pushed.is_some();
            }
        }
        moved
    }
}
