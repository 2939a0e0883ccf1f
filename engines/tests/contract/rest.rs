//! What is idle for long goes on as before. Here every socket is, as soon as nothing comes; whether that changes anything is the engine's affair.

use super::{
    chain::Chain,
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use std::mem;

pub(crate) fn bytes_that_come_after_a_rest_arrive<W: World>() {
    let mut lab = Lab::<W>::resting(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        for end in [client, server] {
            lab.resume(end);
        }
        let (mut sent, sizes) = (Vec::new(), [1, 100, 40_000, 1 << 20, 10]);
        for (seed, size) in (1..).zip(sizes) {
            lab.settle();
            let data = bytes(seed, size);
            sent.extend_from_slice(&data);
            lab.send(client, data.clone());
            lab.send(server, data);
            lab.until("bytes", |log| {
                let has_all = |end| log[end].received.len() == sent.len();
                has_all(client) && has_all(server)
            });
        }
        assert_same(&lab.log[client].received, &sent);
        assert_same(&lab.log[server].received, &sent);
    }
    lab.end();
}

pub(crate) fn ends_that_come_after_a_rest_are_told<W: World>() {
    let mut lab = Lab::<W>::resting(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        lab.resume(client);
        lab.resume(server);
        lab.settle();
        lab.finish(client);
        lab.until("the end", |log| log[server].finished);
        lab.settle();
        lab.close(server);
        lab.until("the other end", |log| log[client].finished);
    }
    lab.end();
}

pub(crate) fn pausing_at_rest_stops_and_resuming_goes_on<W: World>() {
    let mut lab = Lab::<W>::resting(2);
    let (client, server) = lab.pair(0, 1);
    for round in 1..=5 {
        lab.resume(server);
        lab.settle();
        lab.pause(server);
        lab.settle();
        lab.send(client, bytes(1, 10_000));
        lab.settle();
        assert_eq!(lab.log[server].received.len(), (round - 1) * 10_000);
        // Asked for before the pause has done anything.
        lab.resume(server);
        lab.pause(server);
        lab.resume(server);
        lab.until("bytes", |log| log[server].received.len() == round * 10_000);
    }
    lab.end();
}

pub(crate) fn a_socket_at_rest_leaves_and_goes_on_elsewhere<W: World>() {
    let mut lab = Lab::<W>::resting(3);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    lab.settle();
    let carried = lab.detach(server);
    let moved = lab.adopt(2, carried);
    lab.send(client, bytes(1, 100_000));
    lab.resume(moved);
    lab.until("bytes", |log| log[moved].received.len() == 100_000);
    assert_same(&lab.log[moved].received, &bytes(1, 100_000));
    lab.end();
}

pub(crate) fn closing_at_rest_tells_closed_once<W: World>() {
    let mut lab = Lab::<W>::resting(2);
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    for turns in 0..12 {
        let (client, server) = lab.pair_by(0, listener);
        lab.resume(server);
        for _ in 0..turns {
            lab.round(false);
        }
        lab.close(server);
        lab.until("closed", |log| log[server].is_over());
        assert!(lab.log[server].is_closed());
        lab.close(client);
    }
    lab.end();
}

pub(crate) fn a_relay_may_begin_at_rest<W: World>() {
    let mut lab = Lab::<W>::resting(3);
    for family in lab.families() {
        let chain = Chain::new(&mut lab, family);
        for end in [chain.client, chain.down, chain.up, chain.endpoint] {
            lab.resume(end);
        }
        lab.settle();
        chain.relay(&mut lab);
        let ends = [chain.client, chain.endpoint];
        // The last ones go through a pipe.
        for size in [10, 5000, 300_000, 10, 1 << 20, 10] {
            lab.settle();
            ends.iter().for_each(|end| lab.send(*end, bytes(1, size)));
            lab.until("bytes", |log| {
                ends.iter().all(|end| log[*end].received.len() == size)
            });
            for end in ends {
                let received = mem::take(&mut lab.log.at(end).received);
                assert_same(&received, &bytes(1, size));
            }
        }
        lab.settle();
        lab.finish(chain.client);
        lab.until("the end", |log| log[chain.endpoint].finished);
        lab.finish(chain.endpoint);
        lab.until("the other end", |log| log[chain.client].finished);
    }
    lab.end();
}
