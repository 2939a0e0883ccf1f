//! What is asked for.

use super::{Alarm, Asking, Fields, MuxClients, Phase};
use crate::{
    h2::{fields, frame, habit::Habit, outgoing::Outgoing},
    ledger::Exchange,
    scenario::BODY_MAX,
};
use engines::Rng;
use std::time::Duration;

impl MuxClients {
    /// Begins the next request, if there is one and it may be.
    pub(super) fn ask(&mut self, index: usize) -> bool {
        let client = &mut self.list[index];
        let may_ask = client.connected
            && client.phase == Phase::Talking
            && client.requests > 0
            && client.asking.len() < client.depth
            && client.peer.may_open();
        if !may_ask {
            return false;
        }
        client.requests -= 1;
        let id = self.next_id;
        self.next_id += 1;
        let rng = &mut client.rng;
        let method = ["GET", "GET", "HEAD", "POST", "POST", "PUT"][rng.index(6)];
        let path = format!("/{}/{id}", self.kinds[rng.index(self.kinds.len())]);
        let bodiless = matches!(method, "GET" | "HEAD");
        let len = if bodiless { 0 } else { some_len(rng) };
        let trailers = !bodiless && rng.chance(1, 3);
        let ends = bodiless || len == 0 && !trailers && rng.chance(1, 2);
        let cancels = rng.chance(1, 8);
        let mut body = Outgoing::request(id, len, trailers);
        body.is_over = ends;
        body.cut = (cancels && !ends).then(|| (rng.below(len + 1), frame::CANCEL));
        // With a length all is there before the end, and HTTP/1 has no trailers.
        let length = (!ends && !cancels && !trailers && rng.chance(1, 2)).then_some(len);
        let fields = request_fields(method, &path, id, length, rng);
        let stream = client.peer.open(&fields, ends).unwrap();
        let is_good = client.habit == Habit::Brisk && !cancels;
        client.asking.insert(
            stream,
            Asking {
                id,
                body,
                has_length: length.is_some(),
                is_answered: false,
                is_good,
            },
        );
        let cancel_after = Duration::from_micros(client.rng.below(50_000));
        let exchange = Exchange {
            method,
            path,
            body_len: len,
            trailers,
            is_good,
            is_barred: client.habit == Habit::Barred,
            sent: ends || length == Some(0),
            ..Exchange::default()
        };
        self.ledger.borrow_mut().begin(id, exchange);
        if cancels && ends {
            self.engine
                .after(cancel_after, Alarm::Cancel(index, stream));
        }
        if is_good && self.strict && self.unlimited {
            self.engine.after(self.patience * 4, Alarm::Impatience(id));
        }
        true
    }
}

fn request_fields(method: &str, path: &str, id: u64, length: Option<u64>, rng: &mut Rng) -> Fields {
    let id = id.to_string();
    let mut all = fields(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "example"),
        (":path", path),
        ("x-id", &id),
    ]);
    if let Some(length) = length {
        all.push(("content-length".into(), length.to_string()));
    }
    if rng.chance(1, 4) {
        all.extend(fields(&[("cookie", "a=1"), ("cookie", "b=2")]));
    }
    all
}

fn some_len(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => 0,
        1 => rng.below(50),
        2 => rng.below(3000),
        _ => rng.below(BODY_MAX),
    }
}
