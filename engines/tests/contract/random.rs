//! Random calls on random sockets, compared with the model.
//!
//! `CONTRACT_SEED=n` replays one run, `CONTRACT_SEEDS=n` makes more of them.

use super::{
    lab::{End, Family, Lab},
    model::{Half, Model, Side, State},
    world::World,
};
use engines::{BlockLimits, BufMut, EngineOptions, Rng, SockAddr};
use std::{env, ops::RangeInclusive, time::Duration};

pub(super) const ENGINES: usize = 3;
const SEEDS: u64 = 5;
const CALLS: usize = 500;

pub(crate) fn random_calls_follow_the_model<W: World>() {
    run_seeds::<W>(1..=SEEDS);
}

/// One run for each seed, unless the environment asks for others.
pub(crate) fn run_seeds<W: World>(seeds: RangeInclusive<u64>) {
    let given = |name| {
        env::var(name)
            .ok()
            .and_then(|seed| seed.parse::<u64>().ok())
    };
    let more =
        given("CONTRACT_SEEDS").map(|count| *seeds.start()..=seeds.start() + count.max(1) - 1);
    let one = given("CONTRACT_SEED").map(|seed| seed..=seed);
    for seed in one.or(more).unwrap_or(seeds) {
        println!("CONTRACT_SEED={seed}");
        run::<W>(seed);
    }
}

/// A lease, the engine that it is of, and the connection on which it came.
pub(super) struct Kept {
    pub(super) at: usize,
    pub(super) link: usize,
    pub(super) lease: BufMut,
}

pub(super) struct Run<W> {
    pub(super) lab: Lab<W>,
    pub(super) model: Model,
    pub(super) rng: Rng,
    pub(super) listeners: Vec<(End, SockAddr)>,
    /// Connections already matched, by listener.
    pub(super) matched: Vec<usize>,
    /// Leases kept for a while.
    pub(super) kept: Vec<Kept>,
}

fn run<W: World>(seed: u64) {
    let mut rng = Rng::seeded(seed);
    let blocks = BlockLimits {
        small_count: 4 << rng.below(4),
        large_count: 2 << rng.below(4),
        reserve_count: 2 << rng.below(3),
        socket_max: 1 + rng.below(6) as u16,
        ..BlockLimits::default()
    };
    // In every second run streams rest as soon as they can.
    let idle_after = Duration::from_secs(30 * (seed % 2));
    let options = EngineOptions {
        blocks,
        idle_after,
        pipes_max: rng.index(3),
    };
    let mut lab = Lab::with(ENGINES, &options);
    let listeners: Vec<_> = (0..ENGINES)
        .map(|at| {
            let listener = lab.listen(at, Family::V4);
            lab.resume(listener);
            (listener, lab.local(listener))
        })
        .collect();
    let mut run = Run::<W> {
        lab,
        model: Model::default(),
        rng,
        matched: vec![0; listeners.len()],
        listeners,
        kept: Vec::new(),
    };
    for _ in 0..CALLS {
        run.call();
        if run.rng.chance(1, 3) {
            run.lab.round(false);
            run.catch_up();
        }
    }
    run.finish_all();
    run.lab.end();
}

impl<W: World> Run<W> {
    /// Takes note of what was told.
    pub(super) fn catch_up(&mut self) {
        for side in self.model.sides() {
            if let Some(carried) = self.model.catch_up(side, &mut self.lab.log) {
                let at = self.rng.below(ENGINES as u64) as usize;
                let end = self.lab.adopt(at, carried);
                if let Some(half) = self.model.half_mut(side) {
                    (half.end, half.state) = (end, State::Open);
                }
            }
        }
        self.match_accepted();
    }

    /// Finds the connecting side of each accepted connection.
    fn match_accepted(&mut self) {
        for at in 0..self.listeners.len() {
            let new = &self.lab.log[self.listeners[at].0].accepted[self.matched[at]..];
            let new = new.to_vec();
            self.matched[at] += new.len();
            for accepted in new {
                let peer = self.connecting(at, &accepted.peer);
                match peer {
                    Some(link) => self.model.links[link].halves[1] = Some(Half::new(accepted.end)),
                    // Its peer closed before.
                    None => self.lab.close(accepted.end),
                }
            }
        }
    }

    fn connecting(&mut self, listener: usize, address: &SockAddr) -> Option<usize> {
        let links = self.model.links.iter().enumerate();
        let waiting: Vec<_> = links
            .filter(|(_, link)| link.halves[1].is_none() && link.listener == Some(listener))
            .filter_map(|(at, link)| link.halves[0].as_ref().map(|half| (at, half.end)))
            .collect();
        let mut has_address = |end: End| {
            let local = self.lab.engine(end.at).local(end.sock);
            local.as_ref() == Some(address)
        };
        let found = waiting.into_iter().find(|(_, end)| has_address(*end));
        found.map(|(link, _)| link)
    }

    /// Lets everything that can end well end well.
    fn finish_all(&mut self) {
        self.kept.clear();
        self.close_broken();
        let mut rounds = 0;
        loop {
            for side in self.model.sides() {
                self.unblock(side);
            }
            self.lab.round(rounds > 0);
            self.catch_up();
            rounds += 1;
            let open = self.model.sides_with(|half| half.state != State::Closed);
            let mut unbroken = open
                .iter()
                .filter(|side| !self.model.links[side.link].is_broken);
            if unbroken.all(|side| self.is_done(*side)) {
                return;
            }
            assert!(rounds < 20_000, "these never end: {:?}", self.unfinished());
        }
    }

    /// Closes what can stand still for ever, with leases of others in its queues.
    fn close_broken(&mut self) {
        let open = self.model.sides_with(|half| half.state != State::Closed);
        for side in open {
            if self.model.links[side.link].is_broken {
                self.close_one(side);
            }
        }
    }

    /// Takes everything away that holds an end back.
    fn unblock(&mut self, side: Side) {
        let Some(half) = self.model.half(side) else {
            return;
        };
        let (end, state) = (half.end, half.state);
        let (finish, source) = (!half.has_finished, half.passes_to.is_some());
        let finish = finish && half.takes_from.is_none();
        self.lab.log.at(end).asked.hold = false;
        self.lab.release(end);
        if state == State::Open {
            if !source {
                self.lab.resume(end);
            }
            if finish {
                self.finish_one(side);
            }
        }
    }

    fn is_done(&self, side: Side) -> bool {
        let half = self.model.half(side);
        half.is_some_and(|half| self.model.is_done(side, &self.lab.log[half.end]))
    }

    fn unfinished(&self) -> Vec<String> {
        let open = self.model.sides_with(|half| half.state != State::Closed);
        let left = open
            .into_iter()
            .filter(|side| !self.model.links[side.link].is_broken && !self.is_done(*side));
        let told = left.map(|side| {
            let half = self.model.half(side).expect("is there");
            let seen = &self.lab.log[half.end];
            let (received, sent) = (half.received.len(), (seen.sent, seen.asked.sent_bytes));
            let (end, state, told) = (half.end, half.state, half.was_told_end);
            let relay = (half.passes_to, half.takes_from, seen.relayed);
            format!("{side:?} {end:?} {state:?} {received} {sent:?} {told} {relay:?}\n")
        });
        told.collect()
    }
}
