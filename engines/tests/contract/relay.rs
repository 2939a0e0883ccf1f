//! Relays as long as they flow.

use super::{
    chain::Chain,
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{BlockLimits, EngineOptions};
use std::mem;

pub(crate) fn bytes_under_way_go_first_in_both_directions<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for family in lab.families() {
        let chain = Chain::new(&mut lab, family);
        let sent = bytes(1, 300_000);
        lab.hold(chain.down);
        lab.resume(chain.down);
        lab.send(chain.client, sent.clone());
        lab.until("bytes", |log| log[chain.down].receives > 0);
        lab.pause(chain.down);
        lab.round(false);
        for lease in mem::take(&mut lab.log.at(chain.down).held) {
            lab.send(chain.up, lease.freeze());
        }
        let own = lab.log[chain.down].received.len();
        chain.relay(&mut lab);
        lab.resume(chain.endpoint);
        lab.resume(chain.client);
        lab.finish(chain.client);
        lab.until("the end", |log| log[chain.endpoint].finished);
        assert_same(&lab.log[chain.endpoint].received, &sent);
        lab.until("the relay ends", |log| log[chain.down].finished);
        assert_eq!(lab.log[chain.down].relayed as usize, sent.len() - own);
        assert_eq!(lab.log[chain.up].sent, own);
        assert!(!lab.log[chain.client].finished);
        lab.send(chain.endpoint, bytes(2, 100_000));
        lab.finish(chain.endpoint);
        lab.until("the other end", |log| {
            log[chain.client].finished && log[chain.up].finished
        });
        assert_same(&lab.log[chain.client].received, &bytes(2, 100_000));
        assert_eq!(lab.log[chain.up].relayed, 100_000);
        lab.settle();
        assert!(!lab.log[chain.up].is_over() && !lab.log[chain.down].is_over());
    }
    lab.end();
}

pub(crate) fn bulk_passes_whole_both_ways_at_once<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for (family, size) in [(Family::V4, 24 << 20), (Family::Unix, 6 << 20)] {
        let chain = Chain::new(&mut lab, family);
        chain.relay(&mut lab);
        for (end, seed) in [(chain.client, 1), (chain.endpoint, 2)] {
            lab.resume(end);
            lab.send(end, bytes(seed, size));
            lab.finish(end);
        }
        lab.until("all ends", |log| {
            let Chain {
                client,
                down,
                up,
                endpoint,
            } = chain;
            [client, down, up, endpoint]
                .iter()
                .all(|end| log[*end].finished)
        });
        assert_same(&lab.log[chain.endpoint].received, &bytes(1, size));
        assert_same(&lab.log[chain.client].received, &bytes(2, size));
        assert_eq!(lab.log[chain.down].relayed, size as u64);
        assert_eq!(lab.log[chain.up].relayed, size as u64);
    }
    lab.end();
}

pub(crate) fn both_directions_become_bulk_in_one_turn<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for size in [250_000, 257_000, 262_144, 1 << 20] {
        let chain = Chain::new(&mut lab, Family::V4);
        chain.relay(&mut lab);
        let ends = [chain.client, chain.endpoint];
        for (round, size) in [(1, size), (2, 10_000), (3, 10), (4, 10_000), (5, size)] {
            for end in ends {
                lab.resume(end);
                lab.send(end, bytes(round, size));
                lab.turn(end.at, false);
            }
            lab.until("a round", |log| {
                ends.iter().all(|end| log[*end].received.len() == size)
            });
            for end in ends {
                let received = mem::take(&mut lab.log.at(end).received);
                assert_same(&received, &bytes(round, size));
            }
            lab.settle();
        }
    }
    lab.end();
}

pub(crate) fn a_slow_endpoint_slows_the_client<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let chain = Chain::new(&mut lab, Family::Unix);
    chain.relay(&mut lab);
    let sent = bytes(1, 16 << 20);
    lab.send(chain.client, sent.clone());
    lab.finish(chain.client);
    lab.settle();
    assert!(
        lab.log[chain.client].sent < sent.len(),
        "nothing held it back"
    );
    lab.resume(chain.endpoint);
    while !lab.log[chain.endpoint].finished {
        let before = lab.log[chain.endpoint].received.len();
        lab.resume(chain.endpoint);
        lab.until("bytes", |log| {
            let seen = &log[chain.endpoint];
            seen.received.len() > before + (1 << 20) || seen.finished
        });
        lab.pause(chain.endpoint);
        lab.round(true);
    }
    assert_same(&lab.log[chain.endpoint].received, &sent);
    lab.until("all told", |log| {
        log[chain.down].relayed == sent.len() as u64
    });
    lab.end();
}

pub(crate) fn few_blocks_serve_many_relays<W: World>() {
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
        chain.relay(&mut lab);
        lab.send(chain.client, bytes(seed, 200_000));
        lab.finish(chain.client);
        lab.resume(chain.endpoint);
    }
    lab.until("all ends", |log| {
        chains.iter().all(|chain| log[chain.endpoint].finished)
    });
    for (chain, seed) in chains.iter().zip(0..) {
        assert_same(&lab.log[chain.endpoint].received, &bytes(seed, 200_000));
    }
    lab.end();
}

pub(crate) fn relays_that_stand_still_keep_no_fresh_connection_from_being_served<W: World>() {
    let blocks = BlockLimits {
        small_count: 4,
        large_count: 2,
        reserve_count: 2,
        socket_max: 2,
        ..BlockLimits::default()
    };
    let mut lab = Lab::<W>::with(3, &EngineOptions::from(blocks));
    let still: Vec<_> = (0..10)
        .map(|_| Chain::new(&mut lab, Family::Unix))
        .collect();
    let sent = bytes(1, 1 << 20);
    for chain in &still {
        chain.relay(&mut lab);
        lab.send(chain.client, sent.clone());
        lab.finish(chain.client);
        lab.settle();
    }
    for seed in 2..5 {
        let (client, server) = lab.pair(0, 1);
        lab.resume(server);
        lab.send(client, bytes(seed, 100));
        lab.until("a fresh connection is served", |log| {
            log[server].received.len() == 100
        });
        let fresh = Chain::new(&mut lab, Family::V4);
        fresh.relay(&mut lab);
        lab.send(fresh.client, bytes(seed, 20_000));
        lab.resume(fresh.endpoint);
        lab.until("a fresh relay is served", |log| {
            log[fresh.endpoint].received.len() == 20_000
        });
    }
    still.iter().for_each(|chain| lab.resume(chain.endpoint));
    lab.until("all ends", |log| {
        still.iter().all(|chain| log[chain.endpoint].finished)
    });
    for chain in still {
        assert_same(&lab.log[chain.endpoint].received, &sent);
    }
    lab.end();
}

pub(crate) fn progress_is_told_before_the_end<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let chain = Chain::new(&mut lab, Family::V4);
    chain.relay(&mut lab);
    lab.resume(chain.endpoint);
    for relayed in [1000, 2000] {
        lab.send(chain.client, bytes(relayed, 1000));
        lab.until("progress", |log| log[chain.down].relayed == relayed);
    }
    lab.end();
}

pub(crate) fn a_target_may_still_be_connecting<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let (inner, outer) = (lab.listen(1, Family::V4), lab.listen(2, Family::V4));
    lab.resume(inner);
    lab.resume(outer);
    let (client, down) = lab.pair_by(0, inner);
    lab.send(client, bytes(1, 1 << 20));
    lab.finish(client);
    let to = lab.local(outer);
    let up = lab.connect(1, &to);
    lab.relay(down, up);
    lab.relay(up, down);
    lab.until("an accept", |log| !log[outer].accepted.is_empty());
    let endpoint = lab.log[outer].accepted[0].end;
    lab.resume(endpoint);
    lab.until("both ends", |log| {
        log[endpoint].finished && log[down].finished
    });
    assert!(lab.log[up].connected);
    assert_same(&lab.log[endpoint].received, &bytes(1, 1 << 20));
    lab.end();
}
