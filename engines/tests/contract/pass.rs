//! Relays with an end, as long as they flow, and when they come to it.

use super::{
    chain::Chain,
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{BlockLimits, EngineOptions};
use std::mem;

/// Some that are copied, some that go through a pipe.
const SIZES: [usize; 5] = [1, 1000, 100_000, 300_000, 3 << 20];

pub(crate) fn exactly_the_asked_bytes_pass_and_the_rest_is_received<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for family in lab.families() {
        let chain = Chain::new(&mut lab, family);
        lab.resume(chain.endpoint);
        for (size, seed) in SIZES.into_iter().zip(0..) {
            let sent = bytes(seed, size + 5000);
            lab.send(chain.client, sent.clone());
            lab.send(chain.up, bytes(7, 100));
            chain.pass(&mut lab, size);
            lab.until("all passed", |log| log[chain.down].asked.pass.is_none());
            lab.send(chain.up, bytes(8, 100));
            lab.until("own bytes behind them", |log| {
                log[chain.endpoint].received.len() == size + 200
            });
            assert_eq!(lab.log[chain.down].receives, 0, "it is paused");
            lab.resume(chain.down);
            lab.until("the rest", |log| log[chain.down].received.len() == 5000);
            lab.pause(chain.down);
            lab.settle();
            let received = mem::take(&mut lab.log.at(chain.endpoint).received);
            assert_same(&received[..100], &bytes(7, 100));
            assert_same(&received[100..100 + size], &sent[..size]);
            assert_same(&received[100 + size..], &bytes(8, 100));
            let rest = mem::take(&mut lab.log.at(chain.down).received);
            assert_same(&rest, &sent[size..]);
            lab.log.at(chain.down).receives = 0;
        }
        let passed: usize = SIZES.iter().sum();
        assert_eq!(lab.log[chain.down].relayed, passed as u64);
    }
    lab.end();
}

pub(crate) fn both_directions_pass_at_once_and_again<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for family in lab.families() {
        let chain = Chain::new(&mut lab, family);
        let ways = [
            (chain.client, chain.down, chain.up, chain.endpoint),
            (chain.endpoint, chain.up, chain.down, chain.client),
        ];
        for round in 0..3 {
            for ((writer, from, to, reader), seed) in ways.into_iter().zip(0..) {
                lab.resume(reader);
                let size = SIZES[(round + seed as usize * 2) % SIZES.len()];
                lab.send(writer, bytes(seed, size));
                lab.pass(from, to, size as u64);
            }
            lab.until("all passed", |log| {
                [chain.down, chain.up].map(|end| log[end].asked.pass.is_none()) == [true; 2]
            });
            lab.settle();
            for ((_, from, _, reader), seed) in ways.into_iter().zip(0..) {
                let received = mem::take(&mut lab.log.at(reader).received);
                assert_same(
                    &received,
                    &bytes(seed, SIZES[(round + seed as usize * 2) % SIZES.len()]),
                );
                assert_eq!(lab.log[from].receives, 0);
            }
        }
    }
    lab.end();
}

pub(crate) fn bytes_under_way_pass_first<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for family in lab.families() {
        let chain = Chain::new(&mut lab, family);
        let sent = bytes(1, 900_000);
        lab.resume(chain.down);
        lab.resume(chain.endpoint);
        lab.send(chain.client, sent.clone());
        lab.until("bytes", |log| log[chain.down].receives > 0);
        // Without a pause: the receive that is armed may bring more.
        let own = lab.log[chain.down].received.len();
        let size = sent.len() - own - 1000;
        chain.pass(&mut lab, size);
        lab.until("all passed", |log| log[chain.down].asked.pass.is_none());
        lab.resume(chain.down);
        lab.until("the rest", |log| {
            log[chain.down].received.len() == own + 1000
                && log[chain.endpoint].received.len() == size
        });
        let received = &lab.log[chain.down].received;
        assert_same(&received[..own], &sent[..own]);
        assert_same(&received[own..], &sent[own + size..]);
        assert_same(&lab.log[chain.endpoint].received, &sent[own..own + size]);
    }
    lab.end();
}

pub(crate) fn progress_is_told_while_it_passes<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for size in [10_000, 1 << 20] {
        let chain = Chain::new(&mut lab, Family::V4);
        lab.resume(chain.endpoint);
        chain.pass(&mut lab, size);
        for relayed in [1000, 2000] {
            lab.send(chain.client, bytes(relayed, 1000));
            lab.until("progress", |log| log[chain.down].relayed == relayed);
        }
    }
    lab.end();
}

pub(crate) fn a_slow_reader_slows_what_passes<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for size in [200_000, 16 << 20] {
        let chain = Chain::new(&mut lab, Family::Unix);
        let sent = bytes(1, size);
        lab.send(chain.client, sent.clone());
        chain.pass(&mut lab, size);
        lab.settle();
        assert!(lab.log[chain.down].asked.pass.is_some() || size < 1 << 20);
        lab.resume(chain.endpoint);
        lab.until("all", |log| {
            log[chain.down].asked.pass.is_none() && log[chain.endpoint].received.len() == size
        });
        assert_same(&lab.log[chain.endpoint].received, &sent);
    }
    lab.end();
}

pub(crate) fn few_blocks_serve_many_that_pass<W: World>() {
    let blocks = BlockLimits {
        small_count: 4,
        large_count: 2,
        reserve_count: 2,
        socket_max: 2,
        ..BlockLimits::default()
    };
    let mut lab = Lab::<W>::with(3, &EngineOptions::from(blocks));
    let chains: Vec<_> = (0..6).map(|_| Chain::new(&mut lab, Family::V4)).collect();
    for (chain, seed) in chains.iter().zip(0..) {
        lab.send(chain.client, bytes(seed, 200_100));
        chain.pass(&mut lab, 200_000);
        lab.resume(chain.endpoint);
    }
    lab.until("all passed", |log| {
        chains.iter().all(|chain| {
            let received = log[chain.endpoint].received.len();
            received == 200_000 && log[chain.down].asked.pass.is_none()
        })
    });
    chains.iter().for_each(|chain| lab.resume(chain.down));
    lab.until("the rest", |log| {
        chains
            .iter()
            .all(|chain| log[chain.down].received.len() == 100)
    });
    for (chain, seed) in chains.iter().zip(0..) {
        let sent = bytes(seed, 200_100);
        assert_same(&lab.log[chain.endpoint].received, &sent[..200_000]);
        assert_same(&lab.log[chain.down].received, &sent[200_000..]);
    }
    lab.end();
}

pub(crate) fn calls_on_what_passes_do_nothing_or_wait<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for size in [1000, 1 << 20] {
        let chain = Chain::new(&mut lab, Family::V4);
        let sent = bytes(1, size);
        lab.resume(chain.endpoint);
        // Nothing is to pass: nothing happens.
        let (from, to) = (chain.down.sock, chain.up.sock);
        lab.engine(1).pass(from, to, 0);
        chain.pass(&mut lab, size);
        lab.engine(1).pass(from, to, 5);
        lab.resume(chain.down);
        lab.send(chain.client, sent[..size / 2].to_vec());
        lab.until("half", |log| log[chain.endpoint].received.len() == size / 2);
        lab.pause(chain.down);
        lab.finish(chain.up);
        lab.engine(1).detach(to);
        lab.settle();
        let seen = &lab.log[chain.endpoint];
        assert!(!seen.finished && !lab.log[chain.up].is_over(), "both wait");
        lab.send(chain.client, sent[size / 2..].to_vec());
        lab.until("all passed", |log| {
            log[chain.down].asked.pass.is_none() && log[chain.up].is_over()
        });
        lab.until("the end", |log| log[chain.endpoint].finished);
        assert_same(&lab.log[chain.endpoint].received, &sent);
        assert_eq!(lab.log[chain.down].relayed, size as u64);
    }
    lab.end();
}

pub(crate) fn a_target_that_connects_gets_what_passes<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for size in [1000, 1 << 20] {
        let family = Family::V4;
        let (inner, outer) = (lab.listen(1, family), lab.listen(2, family));
        lab.resume(inner);
        lab.resume(outer);
        let (client, down) = lab.pair_by(0, inner);
        lab.send(client, bytes(1, size));
        let to = lab.local(outer);
        let up = lab.connect(1, &to);
        lab.pass(down, up, size as u64);
        lab.until("an accept", |log| !log[outer].accepted.is_empty());
        let endpoint = lab.log[outer].accepted[0].end;
        lab.resume(endpoint);
        lab.until("all passed", |log| {
            log[down].asked.pass.is_none() && log[endpoint].received.len() == size
        });
        assert_same(&lab.log[endpoint].received, &bytes(1, size));
    }
    lab.end();
}
