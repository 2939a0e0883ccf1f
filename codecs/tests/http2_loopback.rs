//! Random exchanges between our two sides against a model: whatever the windows, the cuts of the bytes
//! and the resets, every message arrives once and whole, or its stream is told to be reset.

mod http2_support;

use codecs::http2::Options;
use codecs::{Limits, Reason, StreamId};
use http2_support::rng::Rng;
use http2_support::{Side, Told, answer, request};
use std::collections::BTreeMap;

/// A message on its way.
#[derive(Clone, Debug, Default)]
struct Message {
    body: Vec<u8>,
    trailers: bool,
    sent: usize,
    is_sent: bool,
    is_begun: bool,
    came: Vec<u8>,
    heads: usize,
    is_whole: bool,
}

#[derive(Clone, Debug, Default)]
struct Exchange {
    up: Message,
    down: Message,
    interims: usize,
    is_reset: bool,
}

struct World {
    rng: Rng,
    client: Side,
    server: Side,
    /// Bytes under way.
    up: Vec<u8>,
    down: Vec<u8>,
    exchanges: BTreeMap<u64, Exchange>,
    wanted: usize,
    resets: bool,
    windows: usize,
}

const TRAILER: (&str, &str) = ("x-check", "1");

fn message(rng: &mut Rng) -> Message {
    let len = [0, 1, 100, 1000, 6000][rng.below(5)];
    let len = rng.below(len + 1);
    Message {
        body: (0..len).map(|n| (n * 7) as u8).collect(),
        trailers: rng.below(3) == 0,
        ..Message::default()
    }
}

fn options(rng: &mut Rng) -> Limits {
    let window = [1, 3, 500, 65_535, 1 << 20][rng.below(5)];
    Limits {
        http2: Options {
            streams_max: rng.below(8) as u32 + 1,
            stream_window: window,
            connection_window: [65_535, 200_000][rng.below(2)],
            table_bytes: [0, 100, 4096][rng.below(3)],
            ..Options::default()
        },
        ..Limits::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (up, down) = (options(&mut rng), options(&mut rng));
        Self {
            client: Side::client(&up),
            server: Side::server(&down),
            up: Vec::new(),
            down: Vec::new(),
            exchanges: BTreeMap::new(),
            wanted: rng.below(20) + 1,
            resets: rng.below(3) == 0,
            windows: 0,
            rng,
        }
    }

    fn is_done(&self) -> bool {
        let is_over = |it: &Exchange| it.is_reset || it.up.is_whole && it.down.is_whole;
        self.wanted == 0 && self.exchanges.values().all(is_over)
    }

    fn step(&mut self) {
        match self.rng.below(8) {
            0 => self.open(),
            1..4 => self.send(),
            4 if self.resets && self.rng.below(20) == 0 => self.reset(),
            _ => self.carry(),
        }
    }

    fn open(&mut self) {
        if self.wanted == 0 {
            return;
        }
        let Some(id) = self.client.codec.open() else {
            return;
        };
        self.wanted -= 1;
        let mut it = Exchange {
            up: message(&mut self.rng),
            down: message(&mut self.rng),
            interims: self.rng.below(3),
            is_reset: false,
        };
        let end = it.up.body.is_empty() && !it.up.trailers;
        (it.up.is_begun, it.up.is_sent) = (true, end);
        let value = "v".repeat(self.rng.below(40));
        let head = request("POST", "/path", &[("x-value", &value), ("x-same", "same")]);
        self.client.head(id.0, &head, end);
        self.exchanges.insert(id.0, it);
    }

    fn send(&mut self) {
        let ids: Vec<u64> = self.exchanges.keys().copied().collect();
        for id in ids {
            let Some(it) = self.exchanges.get_mut(&id).filter(|it| !it.is_reset) else {
                continue;
            };
            if it.up.is_begun {
                push(&mut self.client, id, &mut it.up, &mut self.rng);
            }
            // Answered once all of the request came.
            if it.up.is_whole && !it.down.is_begun {
                (0..it.interims).for_each(|_| self.server.head(id, &answer(103, &[]), false));
                let end = it.down.body.is_empty() && !it.down.trailers;
                self.server
                    .head(id, &answer(200, &[("x-same", "same")]), end);
                (it.down.is_begun, it.down.is_sent) = (true, end);
            }
            if it.down.is_begun {
                push(&mut self.server, id, &mut it.down, &mut self.rng);
            }
        }
    }

    fn reset(&mut self) {
        let ids: Vec<u64> = self.exchanges.keys().copied().collect();
        let id = ids.get(self.rng.below(ids.len())).copied().unwrap_or(1);
        match self.rng.below(2) {
            0 => self.client.reset(id, Reason::Cancel),
            _ => self.server.reset(id, Reason::Internal),
        }
        if let Some(it) = self.exchanges.get_mut(&id) {
            it.is_reset |= !it.down.is_whole;
        }
    }

    fn carry(&mut self) {
        self.pass_time();
        self.up.extend(self.client.written());
        self.down.extend(self.server.written());
        let size = [1, 9, 100, 100_000][self.rng.below(4)];
        let len = self.rng.below(size.min(self.up.len()) + 1);
        let piece: Vec<u8> = self.up.drain(..len).collect();
        let told = self.server.take(&piece);
        told.into_iter().for_each(|told| self.see(told, true));
        let len = self.rng.below(size.min(self.down.len()) + 1);
        let piece: Vec<u8> = self.down.drain(..len).collect();
        let told = self.client.take(&piece);
        told.into_iter().for_each(|told| self.see(told, false));
        assert_eq!((&self.client.refused, &self.server.refused), (&None, &None));
    }

    /// Enough for peers with the smallest windows, which the guard else takes for hostile.
    fn pass_time(&mut self) {
        self.client.wait(10_000);
        self.server.wait(10_000);
    }

    fn see(&mut self, told: Told, is_up: bool) {
        let (Told::Data(id, ..) | Told::Head(id, ..) | Told::Reset(id, ..) | Told::Trailers(id, _)) =
            told
        else {
            self.windows += usize::from(matches!(told, Told::Window(_)));
            return;
        };
        let Some(it) = self.exchanges.get_mut(&id) else {
            panic!("{told:?} of nobody");
        };
        let interims = it.interims;
        let message = if is_up { &mut it.up } else { &mut it.down };
        assert!(!message.is_whole || it.is_reset, "{told:?} behind the end");
        match told {
            Told::Head(_, head, end) => {
                let want = if is_up || message.heads == interims {
                    "same"
                } else {
                    ""
                };
                let same = head.fields.iter().find(|(name, _)| name == "x-same");
                assert_eq!(same.map_or("", |(_, value)| value), want);
                message.heads += 1;
                message.is_whole = end;
            }
            Told::Data(_, piece, end) => {
                message.came.extend(piece);
                message.is_whole = end;
            }
            Told::Trailers(_, fields) => {
                assert_eq!(fields, [(TRAILER.0.to_owned(), TRAILER.1.to_owned())]);
                assert!(message.trailers);
                message.is_whole = true;
            }
            // Opened before the client knew how many it may.
            Told::Reset(_, Reason::Refused, _) => it.is_reset = true,
            Told::Refused(_, status, detail) => panic!("{status} {detail}"),
            Told::Reset(_, _, detail) => assert!(it.is_reset, "{detail}"),
            Told::GoAway | Told::Pong | Told::Window(_) => {}
        }
    }
}

fn push(side: &mut Side, id: u64, message: &mut Message, rng: &mut Rng) {
    if message.is_sent {
        return;
    }
    let rest = &message.body[message.sent..];
    let len = rest
        .len()
        .min(rng.below(20_000) + 1)
        .min(side.codec.room(StreamId(id)));
    let is_last = len == rest.len();
    if len > 0 {
        side.data(id, &rest[..len], is_last && !message.trailers);
        message.sent += len;
        message.is_sent = is_last && !message.trailers;
    }
    if is_last && message.trailers {
        side.trailers(id, &[TRAILER]);
        message.is_sent = true;
    }
}

#[test]
fn whatever_happens_messages_arrive_once_and_whole() {
    let (mut whole, mut reset, mut windows) = (0, 0, 0);
    for seed in 0..60 {
        let mut world = World::new(seed);
        let mut steps = 0;
        while !world.is_done() {
            world.step();
            steps += 1;
            assert!(steps < 1_000_000, "seed {seed} is stuck");
        }
        for (id, it) in &world.exchanges {
            match it.is_reset {
                true => reset += 1,
                false => {
                    assert_eq!(it.up.came, it.up.body, "seed {seed}, stream {id}");
                    assert_eq!(it.down.came, it.down.body, "seed {seed}, stream {id}");
                    whole += 1;
                }
            }
        }
        windows += world.windows;
    }
    assert!(
        whole > 200 && reset > 20 && windows > 1000,
        "{whole} {reset} {windows}"
    );
}

#[test]
fn a_client_that_is_left_at_any_point_knows_which_requests_were_not_taken() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.resets = false;
        (0..seed * 3).for_each(|_| world.step());
        world.server.codec.drain(&mut world.server.out);
        let mut refused = Vec::new();
        for _ in 0..200_000 {
            world.wanted = 0;
            world.pass_time();
            world.send();
            world.up.extend(world.client.written());
            world.down.extend(world.server.written());
            let (up, down) = (
                std::mem::take(&mut world.up),
                std::mem::take(&mut world.down),
            );
            let told = world.server.take(&up);
            told.into_iter().for_each(|told| world.see(told, true));
            for told in world.client.take(&down) {
                if let Told::Reset(id, Reason::Refused, _) = told {
                    refused.push(id);
                } else {
                    world.see(told, false);
                }
            }
            if world.server.codec.life().is_closed() && world.client.codec.life().is_closed() {
                break;
            }
        }
        assert!(world.server.codec.life().is_closed(), "seed {seed}");
        assert!(world.client.codec.open().is_none());
        for (id, it) in &world.exchanges {
            assert_ne!(
                it.down.is_whole,
                refused.contains(id),
                "seed {seed}, stream {id}"
            );
        }
    }
}
