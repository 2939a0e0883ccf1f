//! Bulk that is relayed or passed on, where there are no pipes and where nobody takes what is in them.

use super::{
    chain::Chain,
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{BlockLimits, EngineOptions};

/// More than sockets, blocks and a pipe can hold.
const BULK: usize = 24 << 20;

pub(crate) fn what_gets_no_pipe_is_copied<W: World>() {
    let options = EngineOptions {
        blocks: BlockLimits {
            socket_max: 2,
            ..BlockLimits::default()
        },
        pipes_max: 0,
        ..EngineOptions::default()
    };
    let mut lab = Lab::<W>::with(3, &options);
    let chains = [(); 2].map(|()| Chain::new(&mut lab, Family::V4));
    let [passing, relaying] = chains;
    let sent = bytes(1, 4 << 20);
    passing.pass(&mut lab, sent.len());
    relaying.relay(&mut lab);
    for chain in chains {
        lab.send(chain.client, sent.clone());
        lab.resume(chain.endpoint);
    }
    lab.until("all came", |log| {
        let all = |chain: &Chain| log[chain.endpoint].received.len() == sent.len();
        chains.iter().all(all) && log[passing.down].asked.pass.is_none()
    });
    for chain in chains {
        assert_same(&lab.log[chain.endpoint].received, &sent);
    }
    lab.end();
}

pub(crate) fn a_reader_that_stops_keeps_nobody_busy<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let chains = [(); 2].map(|()| Chain::new(&mut lab, Family::V4));
    let [passing, relaying] = chains;
    let sent = bytes(1, BULK);
    passing.pass(&mut lab, sent.len());
    relaying.relay(&mut lab);
    for chain in chains {
        lab.send(chain.client, sent.clone());
        lab.resume(chain.endpoint);
        lab.until("it is bulk", |log| {
            log[chain.endpoint].received.len() > 2 << 20
        });
        lab.pause(chain.endpoint);
    }
    // What was under way comes to rest, on a busy machine after a while.
    let is_at_rest = |lab: &mut Lab<W>| {
        let before = lab.engine(1).counters().clone();
        lab.settle();
        let after = lab.engine(1).counters();
        (before.rearms, before.events) == (after.rearms, after.events)
    };
    assert!((0..20).any(|_| is_at_rest(&mut lab)));
    for chain in chains {
        assert!(lab.log[chain.endpoint].received.len() < BULK);
        lab.resume(chain.endpoint);
    }
    lab.until("all came", |log| {
        let all = |chain: &Chain| log[chain.endpoint].received.len() == BULK;
        chains.iter().all(all)
    });
    for chain in chains {
        assert_same(&lab.log[chain.endpoint].received, &sent);
    }
    lab.end();
}
