//! Random calls on random sockets, compared with the model.
//!
//! `CONTRACT_SEED=n` replays one run, `CONTRACT_SEEDS=n` makes more of them.

use super::{
    lab::{End, Family, Lab},
    model::{Half, Link, Model, Side, State},
    pattern::bytes,
    world::World,
};
use engines::{BlockLimits, Buf, BufMut, EngineOptions, Rng, SockAddr};
use std::{env, mem, ops::RangeInclusive};

const ENGINES: usize = 3;
const SEEDS: u64 = 5;
const CALLS: usize = 500;
/// Connections open at once.
const LINKS_MAX: usize = 24;

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
    let more = given("CONTRACT_SEEDS").map(|count| *seeds.start()..=seeds.start() + count);
    let one = given("CONTRACT_SEED").map(|seed| seed..=seed);
    for seed in one.or(more).unwrap_or(seeds) {
        println!("CONTRACT_SEED={seed}");
        run::<W>(seed);
    }
}

struct Run<W> {
    lab: Lab<W>,
    model: Model,
    rng: Rng,
    listeners: Vec<(End, SockAddr)>,
    /// Connections already matched, by listener.
    matched: Vec<usize>,
    /// Leases kept for a while.
    kept: Vec<(usize, BufMut)>,
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
    let mut lab = Lab::with(ENGINES, &EngineOptions { blocks });
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
    fn call(&mut self) {
        match self.rng.below(100) {
            0..8 => self.connect(),
            8..12 => self.connect_over_unix(),
            12..45 => self.send(),
            45..62 => self.resume_or_pause(),
            62..67 => self.finish(),
            67..71 => self.close(),
            71..79 => self.detach(),
            79..85 => self.relay(),
            85..93 => self.keep_or_release(),
            _ => self.send_kept(),
        }
    }

    /// One of the ends of which `holds`.
    fn pick(&mut self, holds: impl Fn(&Half) -> bool) -> Option<Side> {
        let sides = self.model.sides_with(holds);
        let chosen = self.rng.below(sides.len() as u64) as usize;
        sides.get(chosen).copied()
    }

    fn has_room(&self) -> bool {
        let open = self.model.sides_with(|half| half.state != State::Closed);
        open.len() < 2 * LINKS_MAX
    }

    fn connect(&mut self) {
        if !self.has_room() {
            return;
        }
        let to = self.rng.below(ENGINES as u64) as usize;
        let at = self.rng.below(ENGINES as u64) as usize;
        let target = self.listeners[to].1.clone();
        let client = self.lab.connect(at, &target);
        self.add_link(client, None);
    }

    fn connect_over_unix(&mut self) {
        if !self.has_room() {
            return;
        }
        let [from, to] = [(); 2].map(|()| self.rng.below(ENGINES as u64) as usize);
        let listener = self.lab.listen(to, Family::Abstract);
        self.lab.resume(listener);
        let (client, server) = self.lab.pair_by(from, listener);
        self.lab.close(listener);
        self.catch_up();
        self.add_link(client, Some(server));
    }

    fn add_link(&mut self, client: End, server: Option<End>) {
        self.model.links.push(Link {
            halves: [Some(Half::new(client)), server.map(Half::new)],
            is_broken: false,
        });
    }

    fn send(&mut self) {
        let may = |half: &Half| {
            half.state == State::Open && !half.has_finished && half.takes_from.is_none()
        };
        let Some(side) = self.pick(may) else { return };
        let most = [20, 3000, 30_000, 400_000][self.rng.below(4) as usize];
        let len = 1 + self.rng.below(most) as usize;
        let data = bytes(self.rng.next_u64(), len);
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.queued.extend_from_slice(&data);
        let end = half.end;
        let blocks = self.lab.blocks(end.at);
        let buf = if self.rng.chance(1, 2) {
            blocks.write(&data)
        } else {
            Buf::from(data)
        };
        self.lab.send(end, buf);
    }

    fn resume_or_pause(&mut self) {
        let may = |half: &Half| half.state == State::Open && half.passes_to.is_none();
        let Some(side) = self.pick(may) else { return };
        let Some(half) = self.model.half(side) else {
            return;
        };
        let end = half.end;
        if self.rng.chance(2, 3) {
            self.lab.resume(end);
        } else {
            self.lab.pause(end);
        }
    }

    fn finish(&mut self) {
        let may = |half: &Half| half.state == State::Open && half.takes_from.is_none();
        let Some(side) = self.pick(may) else { return };
        self.finish_one(side);
    }

    fn finish_one(&mut self, side: Side) {
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.has_finished = true;
        let end = half.end;
        self.lab.finish(end);
    }

    fn close(&mut self) {
        let Some(side) = self.pick(|half| half.state != State::Closed) else {
            return;
        };
        let Some(half) = self.model.half(side) else {
            return;
        };
        let end = half.end;
        self.model.on_close(side);
        self.lab.close(end);
        self.lab.release(end);
    }

    fn detach(&mut self) {
        let may = |half: &Half| half.state == State::Open && !half.is_relayed();
        let Some(side) = self.pick(may) else { return };
        // Nobody reads on a socket that leaves: what its peer sends would stand still until it left.
        let peer = self.model.half(side.peer()).map(|half| half.end);
        let sends = peer.is_some_and(|end| self.lab.log[end].is_sending());
        if sends || self.model.is_moving(side.link) {
            return;
        }
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.state = State::Leaving;
        let end = half.end;
        self.lab.engine(end.at).detach(end.sock);
    }

    /// Relays between two connections that have an end at the same engine.
    fn relay(&mut self) {
        let may = |half: &Half| half.state == State::Open && !half.is_relayed();
        let Some(from) = self.pick(may) else { return };
        let Some(at) = self.model.half(from).map(|half| half.end.at) else {
            return;
        };
        let Some(to) = self.pick(|half| may(half) && half.end.at == at) else {
            return;
        };
        let is_free = |side: Side| {
            let sides = [side, side.peer()];
            let halves = sides.map(|side| self.model.half(side));
            let all_free = halves.iter().flatten().all(|half| !half.is_relayed());
            all_free && !self.model.is_moving(side.link)
        };
        if from.link == to.link || !is_free(from) || !is_free(to) {
            return;
        }
        self.relay_one(from, to);
        if self.rng.chance(2, 3) {
            self.relay_one(to, from);
        }
    }

    fn relay_one(&mut self, from: Side, to: Side) {
        let is_over = |half: &Half| half.was_told_end;
        let has_finished = |half: &Half| half.has_finished;
        if self.model.half(from).is_some_and(is_over)
            || self.model.half(to).is_some_and(has_finished)
        {
            return;
        }
        let broken = [from, to].map(|side| self.model.links[side.link].is_broken);
        for side in [from, to] {
            self.model.links[side.link].is_broken |= broken.contains(&true);
        }
        let Some(target) = self.model.half_mut(to) else {
            return;
        };
        target.takes_from = Some(from);
        let target = target.end;
        let Some(source) = self.model.half_mut(from) else {
            return;
        };
        source.passes_to = Some((to, source.received.len()));
        let source = source.end;
        self.lab.relay(source, target);
    }

    fn keep_or_release(&mut self) {
        let Some(side) = self.pick(|half| half.state == State::Open) else {
            return;
        };
        let Some(half) = self.model.half(side) else {
            return;
        };
        let end = half.end;
        let held = mem::take(&mut self.lab.log.at(end).held);
        self.kept
            .extend(held.into_iter().map(|lease| (end.at, lease)));
        if self.rng.chance(1, 2) {
            self.lab.log.at(end).asked.hold ^= true;
        } else if self.kept.len() > 4 {
            self.kept.drain(..self.kept.len() / 2);
        }
    }

    /// Sends a lease on that was received elsewhere.
    fn send_kept(&mut self) {
        let Some((at, lease)) = self.kept.pop() else {
            return;
        };
        let may = |half: &Half| {
            let open = half.state == State::Open && half.end.at == at;
            open && !half.has_finished && half.takes_from.is_none()
        };
        let Some(side) = self.pick(may) else { return };
        if self.model.is_moving(side.link) {
            return;
        }
        let Some(half) = self.model.half_mut(side) else {
            return;
        };
        half.queued.extend_from_slice(&lease);
        let end = half.end;
        self.lab.send(end, lease.freeze());
    }

    /// Takes note of what was told.
    fn catch_up(&mut self) {
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
                let peer = self.connecting(&accepted.peer);
                match peer {
                    Some(link) => self.model.links[link].halves[1] = Some(Half::new(accepted.end)),
                    // Its peer closed before.
                    None => self.lab.close(accepted.end),
                }
            }
        }
    }

    fn connecting(&mut self, address: &SockAddr) -> Option<usize> {
        let links = self.model.links.iter().enumerate();
        let waiting: Vec<_> = links
            .filter(|(_, link)| link.halves[1].is_none())
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
